"""A large body on its way from the spool into the session file, some megabytes at a time.

Its content is looked at first: if the file has it already, nothing is copied. What was half copied when the program ended belongs
to no body, and goes when the file is made smaller (`compaction`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from interceptor.model.body import Body
from interceptor.session.columns import Row
from interceptor.session.flow_record import Packed
from interceptor.session.session_file import CHUNK, CHUNKS_SHIFT
from interceptor.session.stored_body import DIGEST_BYTES

_AT_ONCE: Final = 8


def is_large(body: Body) -> bool:
    return body.size > CHUNK


def known_digests(connection: sqlite3.Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Those of them that the file has."""
    marks = ",".join("?" * len(digests))
    found = connection.execute(f"SELECT group_concat(hex(digest)) FROM body WHERE digest IN ({marks})", digests).fetchone()[0]
    return {bytes.fromhex(each) for each in found.split(",")} if found else set()


class BodyCopy:
    """Of all large bodies of a flow. `step` until `is_complete`; then `names` has their digests by `id`."""

    def __init__(self, packed: Packed, row: Row) -> None:
        self.packed, self.row = packed, row
        self.names: dict[int, bytes] = {}
        self._bodies = [body for _, body in packed.bodies if is_large(body)]
        self._digest = blake2b(digest_size=DIGEST_BYTES)
        self._at = 0  # of the first of them
        self._number = 0  # of its body in the file, once it is known to be new
        self._finished: tuple[int, Body, bytes] | None = None

    @property
    def is_complete(self) -> bool:
        return not self._bodies

    def take_finished(self) -> tuple[int, Body, bytes] | None:
        """The body that the last step finished: its flow, it, its digest."""
        finished, self._finished = self._finished, None
        return finished

    def step(self, connection: sqlite3.Connection, last_number: int) -> int:
        """The last number that a body has now."""
        body = self._bodies[0]
        if not self._number:
            if self._look(body):
                if known_digests(connection, [self._digest.digest()]):
                    self._finish(body)
                    return last_number
                self._number, self._at = last_number + 1, 0
                return last_number + 1
            return last_number
        connection.execute("BEGIN IMMEDIATE")
        first = self._number << CHUNKS_SHIFT
        for _ in range(_AT_ONCE):
            if self._at >= body.size:
                break
            piece = body.read(self._at, CHUNK)
            connection.execute("INSERT OR REPLACE INTO chunk VALUES (?, ?)", (first + self._at // CHUNK, piece))
            self._at += CHUNK
        is_done = self._at >= body.size
        if is_done:
            values = self._number, self._digest.digest(), body.size
            connection.execute("INSERT INTO body(number, digest, size) VALUES (?, ?, ?)", values)
        connection.execute("COMMIT")
        if is_done:
            self._finish(body)
        return last_number

    def _look(self, body: Body) -> bool:
        """Whether all of it has been seen."""
        for _ in range(4 * _AT_ONCE):
            piece = body.read(self._at, CHUNK)
            if not piece:
                return True
            self._digest.update(piece)
            self._at += len(piece)
        return self._at >= body.size

    def _finish(self, body: Body) -> None:
        digest = self._digest.digest()
        self.names[id(body)] = digest
        self._finished = self.packed.flow_id, body, digest
        self._bodies.pop(0)
        self._digest, self._at, self._number = blake2b(digest_size=DIGEST_BYTES), 0, 0
