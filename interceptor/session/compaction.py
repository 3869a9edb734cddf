"""A session file made smaller while it is written: a follower of `SessionWriter` that takes out what is waste, piece by piece.

    blocks rewritten or removed ─▸ bodies, connections, loose pieces removed ─▸ pages given back to the disk

Each piece is a transaction of some milliseconds, between batches of what happens: whenever it ends, by `stop`, by the end of the
program or a power cut, the file is whole, and what was not done is still waste. What is written meanwhile is looked at before a
body goes, so none goes that has come into use again. A file of the first version cannot give pages back: SQLite makes it anew, in
one piece, and batches wait for that.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from interceptor.session.columns import block_index, read_index
from interceptor.session.flow_record import connections_in
from interceptor.session.record_parts import Malformed
from interceptor.session.session_file import CHUNKS_SHIFT
from interceptor.session.waste import LOOSE, Waste, digests_in, digests_of_deeds, free_bytes, records_of

_SLICE_SECONDS: Final = 0.03
_PAGES_AT_ONCE: Final = 64
_INCREMENTAL: Final = 2


class Compaction:
    """`forget` is told which digests are not in the file any more. `fraction` says how far it is; when `is_over`, `failure` says
    why it is not complete, if it is not."""

    def __init__(self, waste: Waste, forget: Callable[[Iterable[bytes]], None]) -> None:
        self._waste, self._forget = waste, forget
        self._upto = waste.upto  # of the blocks whose records were looked at
        self._is_stopped = False
        self._remaking: sqlite3.Connection | None = None  # while SQLite makes the file anew
        self._steps: Iterator[float] | None = None
        self.fraction = 0.0
        self.has_rewritten = False
        """No block has anything of the flows that were to go."""
        self.is_over = False
        self.failure = ""

    def stop(self) -> None:
        """From any thread: after the piece that is being done."""
        self._is_stopped = True
        if self._remaking is not None:
            self._remaking.interrupt()

    def follow(self, connection: sqlite3.Connection) -> bool:
        """`session_writer.Follower`."""
        if self.is_over:
            return False
        if self._steps is None:
            self._steps = self._work(connection)
        until = time.monotonic() + _SLICE_SECONDS
        try:
            while not self._is_stopped and time.monotonic() < until:
                self.fraction = next(self._steps)
            if not self._is_stopped:
                return True
            self.failure = "it was stopped"
        except StopIteration:
            self.fraction = 1.0
        except (sqlite3.Error, Malformed, OSError) as error:
            self.failure = "it was stopped" if self._is_stopped else str(error)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        self.is_over, self._remaking = True, None
        return False

    def _work(self, connection: sqlite3.Connection) -> Iterator[float]:
        """How far it is, after each piece."""
        waste = self._waste
        total = len(waste.blocks) + len(waste.bodies) + len(waste.connections) or 1
        done = 0
        for number, staying in waste.blocks.items():
            self._rewrite(connection, number, staying)
            done += 1
            yield 0.6 * done / total
        self.has_rewritten = True
        waste.connections.reverse()
        while waste.bodies or waste.connections:
            self._spare_what_came_into_use(connection)
            done += self._remove_some(connection)
            yield 0.6 * done / total
        if waste.has_loose_chunks:
            connection.execute(f"DELETE FROM chunk WHERE {LOOSE}")
        yield from self._give_back(connection)

    def _rewrite(self, connection: sqlite3.Connection, number: int, staying: list[int]) -> None:
        if not staying:
            connection.execute("DELETE FROM block WHERE number = ?", (number,))
            return
        row = connection.execute("SELECT content_index FROM block WHERE number = ?", (number,)).fetchone()
        if row is None:
            return
        records = list(records_of(connection, number, staying))
        ends, end = [], 0
        for record in records:
            end += len(record)
            ends.append(end)
        ids, _, tables = read_index(row[0])
        chosen = set(staying)
        rows = [row for flow_id, row in zip(ids, zip(*tables, strict=True), strict=True) if flow_id in chosen]
        index = block_index(staying, ends, rows)
        content = zlib.compress(b"".join(records), 1)
        connection.execute("UPDATE block SET content_index = ?, records = ? WHERE number = ?", (index, content, number))

    def _spare_what_came_into_use(self, connection: sqlite3.Connection) -> None:
        """By flows that were written since the waste was looked for. This thread is the one that writes: nothing comes between
        this and what follows."""
        waste = self._waste
        newest = connection.execute("SELECT max(number) FROM block").fetchone()[0] or 0
        for number in range(self._upto + 1, newest + 1):
            for record in records_of(connection, number):
                for digest in digests_in(record):
                    waste.bodies.pop(digest, None)
                if used := set(connections_in(record)).intersection(waste.connections):
                    waste.connections = [each for each in waste.connections if each not in used]
        self._upto = max(self._upto, newest)
        certificates = connection.execute("SELECT record FROM connection WHERE number >= ?", (waste.open_from,))
        for digest in chain(digests_of_deeds(connection), *(digests_in(record) for (record,) in certificates)):
            waste.bodies.pop(digest, None)

    def _remove_some(self, connection: sqlite3.Connection) -> int:
        waste, until = self._waste, time.monotonic() + _SLICE_SECONDS / 2
        gone: list[bytes] = []
        count = 0
        connection.execute("BEGIN IMMEDIATE")
        while (waste.bodies or waste.connections) and time.monotonic() < until:
            count += 1
            if waste.bodies:
                digest, number = waste.bodies.popitem()
                connection.execute("DELETE FROM body WHERE number = ? AND digest = ?", (number, digest))
                connection.execute("DELETE FROM chunk WHERE place BETWEEN ? AND ?", places_of(number))
                gone.append(digest)
            else:
                connection.execute("DELETE FROM connection WHERE number = ?", (waste.connections.pop(),))
        self._forget(gone)
        connection.execute("COMMIT")
        return count

    def _give_back(self, connection: sqlite3.Connection) -> Iterator[float]:
        if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._remaking = connection
            connection.execute("VACUUM")
            self._remaking = None
        total = free_bytes(connection)
        while free := free_bytes(connection):
            yield 0.6 + 0.4 * (1 - free / total)
            connection.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def places_of(body: int) -> tuple[int, int]:
    """The first and the last that a piece of it may have."""
    return body << CHUNKS_SHIFT, (body + 1 << CHUNKS_SHIFT) - 1
