"""What was written goes from the log beside a session file into the file itself, in a thread of its own.

    SessionWriter ─ written() ─▸ the log is long ─▸ thread: PRAGMA wal_checkpoint(PASSIVE), until the file has all of the log
                  ─ before()  ─▸ it has ─▸ the log is cut off, and begins anew

Whoever waits for a disk that has much to do can wait for seconds, and what happens meanwhile is lost if the program is killed. So
the thread that writes never waits for the disk: a passive checkpoint, which does twice, hinders nobody who writes.

* SQLite waits once more: when a log begins anew in the place of the old one, so that after a power cut no frames of the old one
  are taken for some of the new one. A log that was cut off before has none, so that need not be waited for.
* A checkpoint never comes to an end while somebody writes without a pause: so who copies large bodies waits from
  `COPIES_WAIT_BYTES` on, and everybody from `ALL_WAIT_BYTES` on.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

BEGIN_BYTES: Final = 32 * 1024 * 1024
COPIES_WAIT_BYTES: Final = 96 * 1024 * 1024
ALL_WAIT_BYTES: Final = 256 * 1024 * 1024
_ROUNDS: Final = 8
"""Of one thread: after each there is less to do, or somebody writes faster than the disk does."""


class Checkpoints:
    """Of one file, for the thread that writes it."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], log_size: Callable[[], int]) -> None:
        """`connect`: what the other thread does them with. `log_size`: how long the log is now, in bytes; it has to be cut off
        when it begins anew (`journal_size_limit`), since its length says how far the file is behind."""
        self._connect, self._log_size = connect, log_size
        self._behind = 0
        self._changes = self._written = 0
        self._complete_at = -1  # the file has all of the log, if no more than that has been written
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    def before(self, connection: sqlite3.Connection) -> None:
        """A transaction of that connection."""
        if self._thread is not None and self._behind >= ALL_WAIT_BYTES:
            self._thread.join()
        if self._complete_at == self._written:
            self._cut_off(connection)
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if self._log_size() else 'OFF'}")

    def written(self, connection: sqlite3.Connection) -> None:
        """After a transaction, if there was one: a checkpoint begins if the log has become long. One that did not come to the
        end, because somebody reads, or the disk is full, is only tried again by this."""
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.total_changes != self._changes:
            self._changes = connection.total_changes
            self._written += 1
        self._behind = self._log_size()
        if self._behind >= BEGIN_BYTES and not self._is_under_way:
            self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
            self._thread.start()

    def copies_have_to_wait(self) -> bool:
        return self._behind >= COPIES_WAIT_BYTES and self._is_under_way

    def end(self) -> None:
        """Before the file is left, moved or made again: none is under way afterwards."""
        if self._thread is not None:
            self._is_stopped = True
            self._thread.join()
            self._thread, self._is_stopped = None, False
        self._behind, self._complete_at = 0, -1

    @property
    def _is_under_way(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _cut_off(self, connection: sqlite3.Connection) -> None:
        """Takes no time, since the file has all of it; another time, if somebody reads in it now."""
        (seconds,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute("PRAGMA busy_timeout = 0")
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {seconds}")

    def _run(self) -> None:
        with suppress(sqlite3.Error):  # it is tried again; who writes is told by SQLite what is wrong with the disk
            connection = self._connect()
            try:
                for _ in range(_ROUNDS):
                    before = self._written
                    is_busy, logged, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if done == logged and not is_busy:
                        self._complete_at = before
                        return
                    if is_busy or self._is_stopped:
                        return
            finally:
                connection.close()
