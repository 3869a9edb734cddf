"""Flows of a session file, read beside whoever else reads it: for threads that look at many, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from interceptor.model.body import Body
from interceptor.model.connection import Connection
from interceptor.model.flow import Flow
from interceptor.session.connection_record import unpacked_connection
from interceptor.session.flow_record import unpacked
from interceptor.session.record_parts import Malformed
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import SpooledBody
from interceptor.session.stored_body import StoredBody

_CONNECTIONS_KEPT: Final = 1_024


class Reading:
    """A `flow_record.Sources`. Of one thread; it closes the file that it is given."""

    def __init__(self, file: SessionFile) -> None:
        self.file = file
        self._connections: dict[int, Connection | None] = {}

    def ids(self, block: int) -> list[int]:
        """Of the flows in that block, ascending. `Malformed` or sqlite3.Error if it cannot be read."""
        return sorted(self.file.block(block)[0])

    def flow(self, block: int, flow_id: int) -> Flow | None:
        """None if it cannot be read, or is not there."""
        try:
            return unpacked(self.file.record(block, flow_id), self)
        except (Malformed, KeyError):
            return None

    def flows(self, block: int) -> Iterator[Flow]:
        for flow_id in self.ids(block):
            if (flow := self.flow(block, flow_id)) is not None:
                yield flow

    def connection(self, number: int) -> Connection | None:
        if number not in self._connections:
            if len(self._connections) >= _CONNECTIONS_KEPT:
                self._connections.clear()
            record = self.file.connection(number) if number else None
            known = unpacked_connection(record, lambda digest, size: self.file.read_body(digest, 0, size)) if record else None
            self._connections[number] = known
        return self._connections[number]

    def body(self, digest: bytes, size: int, is_truncated: bool) -> Body:
        return StoredBody(self.file, digest, size, is_truncated)

    def new_spooled(self) -> SpooledBody:
        raise AssertionError("what was read from a file does not grow")

    def close(self) -> None:
        self.file.close()
