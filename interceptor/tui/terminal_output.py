"""What is drawn, on its way to a terminal that may be slow: nobody waits for it.

    write ─▸ pending ─ flush ─▸ terminal        takes all: done
                          └──▸ full: the loop sends the rest when there is room; `is_behind` until then, and nothing new is drawn

Event loops set O_NONBLOCK on a terminal that they read, and programs that share it with us see that too: a shell, an editor.
So it is ours only between `take` and `give_back`, and what does not fit is kept here instead of being lost in the middle of a
sequence.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

PATIENCE_SECONDS: Final = 1.0
"""So long the last lines may take when the terminal is given back; a terminal that is stopped must not keep us from ending."""


class TerminalOutput:
    def __init__(
        self,
        file_number: int,
        loop: asyncio.AbstractEventLoop,
        on_drained: Callable[[], None],
        on_gone: Callable[[], None],
        shared: Sequence[int] = (),
    ) -> None:
        """`on_drained`: it is not behind any more; `on_gone`: there is no terminal any more. `shared` are other descriptors of
        the same terminal, which are to be blocking again when it is given back."""
        self._file_number, self._loop, self._shared = file_number, loop, shared
        self._on_drained, self._on_gone = on_drained, on_gone
        self._pending = bytearray()
        self._is_waiting = False

    def fileno(self) -> int:
        return self._file_number

    @property
    def is_behind(self) -> bool:
        return self._is_waiting

    def write(self, text: str) -> None:
        self._pending += text.encode("utf-8", "replace")

    def flush(self) -> None:
        """OSError if there is no terminal any more."""
        if not self._is_waiting and not self._send():
            self._is_waiting = True
            self._loop.add_writer(self._file_number, self._has_room)

    def take(self) -> None:
        os.set_blocking(self._file_number, False)

    def give_back(self) -> None:
        """Sends what is pending, if the terminal takes it soon. Never an exception."""
        self._stop_waiting()
        with suppress(OSError, ValueError):
            end = time.monotonic() + PATIENCE_SECONDS
            while not self._send() and time.monotonic() < end:
                select.select([], [self._file_number], [], max(0.0, end - time.monotonic()))
        self._pending.clear()
        for number in (self._file_number, *self._shared):
            with suppress(OSError):
                os.set_blocking(number, True)

    def _send(self) -> bool:
        """True if nothing is left."""
        while self._pending:
            try:
                sent = os.write(self._file_number, self._pending)
            except BlockingIOError:
                return False
            except OSError:
                self._pending.clear()
                raise
            del self._pending[:sent]
        return True

    def _has_room(self) -> None:
        try:
            if not self._send():
                return
        except OSError:
            self._stop_waiting()
            self._on_gone()
            return
        self._stop_waiting()
        self._on_drained()

    def _stop_waiting(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._loop.remove_writer(self._file_number)
