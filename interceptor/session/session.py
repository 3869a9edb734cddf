"""The session that is open: flows on their way into its file and out of it, and what the user was doing in it.

    store ─ write(flows) ─▸ packed, columns ─▸ SessionWriter ─ reports ─▸ poll() ─▸ blocks, failures ─▸ store
    store ─ load(id) ─▸ record ─▸ Flow

Only the thread of the event loop calls this. While the file cannot be written, flows stay with the store and are written when it
can be again; the user is told of both, once.
"""

from __future__ import annotations

import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from interceptor.model.body import Body
from interceptor.model.connection import Connection
from interceptor.model.flow import Flow
from interceptor.session.body_copy import is_large
from interceptor.session.columns import read_index
from interceptor.session.connection_record import packed_connection, unpacked_connection
from interceptor.session.flow_record import packed, unpacked
from interceptor.session.flow_table import FlowTable
from interceptor.session.id_ranges import read_ranges, written_ranges
from interceptor.session.record_parts import Malformed
from interceptor.session.session_file import SessionFile, damaged, remove_index
from interceptor.session.session_writer import Jobs, SessionWriter
from interceptor.session.spool import SpooledBody
from interceptor.session.stored_body import StoredBody

QUEUED_AT_MOST: Final = 8_192
_RETRY_SECONDS: Final = 2.0
_LOOK_AT_CONNECTIONS_SECONDS: Final = 1.0


@dataclass(slots=True)
class News:
    """What has become of flows that were to be written."""

    written: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    bodies: list[tuple[int, Body, StoredBody]] = field(default_factory=list)


class ReaderBeside(Protocol):
    """Reads the file, too, by connections of its own."""

    def let_go(self) -> None:
        """Of all of them: the file gets another name."""
        ...

    def take_up(self) -> None:
        """It has one; or the old one still, if that could not be."""
        ...


class Session:
    """Of one file; `table` is filled with what is in it. `Damaged` if it cannot be read."""

    def __init__(
        self,
        file: SessionFile,
        new_spooled: Callable[[], SpooledBody],
        warn: Callable[[str], None] = lambda message: None,
        tell: Callable[[str], None] = lambda message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file = file
        self.new_spooled = new_spooled
        self.table = FlowTable()
        self.failure = ""
        """Why the file cannot be written at the moment; "" if it can."""
        self.readers_beside: list[ReaderBeside] = []
        self._warn, self._tell, self._clock = warn, tell, clock
        self._words = self.table.words
        self._words_written = 0
        self._numbers: weakref.WeakKeyDictionary[Connection, int] = weakref.WeakKeyDictionary()
        self._connections: weakref.WeakValueDictionary[int, Connection] = weakref.WeakValueDictionary()
        self._open_connections: dict[int, Connection] = {}
        self._jobs = Jobs()
        self._again_at = 0.0
        self._look_at = 0.0
        self._is_probing = False
        self._unkept_kinds: set[str] = set()
        self._copied_later: set[int] = set()  # flows with large bodies, which are in the file without these at first
        try:
            self.states = file.states()
            self._words.extend(file.words())
            for number, index in file.indexes():
                ids, _, tables = read_index(index)
                self.table.put_block(number, ids, tables)
            self._last_connection = file.last_numbers()[2]
            self.deeds = file.deeds()
            self.writer = SessionWriter(file)
            for first, last in read_ranges(str(self.states.get("hidden", ""))):
                self.table.hide(first, last)
        except (sqlite3.Error, Malformed, ValueError) as error:
            file.close()
            raise damaged(file.path, error) from None
        self.table.restored()
        self._words_written = len(self._words.texts)

    @property
    def last_id(self) -> int:
        """The highest number that a flow of it has had."""
        return max(self.table.base + self.table.size - 1, int(self.states.get("last_id", 0)), 0)

    @property
    def is_written(self) -> bool:
        """Whether what happens goes into the file at all."""
        return not self.file.read_only

    @property
    def has_room(self) -> bool:
        """Whether more flows may be written now. While the file cannot be written some are tried now and then."""
        return not self.file.read_only and self._may_try and self.writer.queued < QUEUED_AT_MOST

    @property
    def _may_try(self) -> bool:
        return not self.failure or (not self._is_probing and self._clock() >= self._again_at)

    @property
    def has_news_to_come(self) -> bool:
        """Something is on its way, or waits for the file to be written again."""
        return self.is_written and bool(self.failure or self.writer.is_busy or not self._jobs.is_empty)

    # Into the file

    def write(self, flows: Iterable[Flow]) -> None:
        """As they are now, with the columns that the table has. Call only if there `has_room`."""
        for flow in flows:
            try:
                record = packed(flow, self._number)
                self._jobs.flows.append((record, self.table.row(flow.id)))
                if any(is_large(body) for _, body in record.bodies):
                    self._copied_later.add(flow.id)
                else:
                    self._copied_later.discard(flow.id)
            except Exception as error:  # one flow that has no form must not keep the others out
                if flow.kind not in self._unkept_kinds:
                    self._unkept_kinds.add(flow.kind)
                    self._warn(f"Flow {flow.id} ({flow.kind}) stays in memory only, and others like it: {error!r}")

    def note(self, name: str, value: Any) -> None:
        """What there is to know of the session as a whole; JSON."""
        if self.states.get(name) != value:
            self.states[name] = value
            if self.is_written:
                self._jobs.states[name] = value

    def note_hidden(self) -> None:
        """Which flows are in the file, but not on the list, has changed."""
        self.note("hidden", written_ranges(self.table.base, self.table.hidden))

    def write_deed(self, number: int, label: str, head: bytes, carriers: Iterable[Flow]) -> None:
        """Something that the user has changed; `carriers` are flows with messages that belong to it."""
        if self.is_written:
            self._jobs.deeds.append((number, label, head, [packed(carrier, self._number) for carrier in carriers]))

    def alter(self, statement: str, values: tuple[Any, ...]) -> None:
        """One statement of SQL, after what was handed over before it."""
        if self.is_written:
            self._jobs.statements.append((statement, values))

    def _number(self, connection: Connection | None) -> int:
        if connection is None:
            return 0
        number = self._numbers.get(connection)
        if number is None:
            self._last_connection += 1
            number = self._last_connection
            self._keep_connection(number, connection)
            self._write_connection(number, connection)
        return number

    def _keep_connection(self, number: int, connection: Connection) -> None:
        self._numbers[connection] = number
        self._connections[number] = connection

    def _write_connection(self, number: int, connection: Connection) -> None:
        if connection.closed_at is None and connection.connected_at is not None:
            self._open_connections[number] = connection  # it is written again when it has been closed
        self._jobs.connections.append((number, *packed_connection(connection)))

    def connections_changed(self, connections: Sequence[Connection]) -> None:
        """They are written again, those that have been; an open one is when it closes."""
        for connection in connections:
            number = self._numbers.get(connection)
            if number is not None and number not in self._open_connections and self.is_written:
                self._write_connection(number, connection)

    def _look_at_connections(self) -> None:
        closed = [number for number, connection in self._open_connections.items() if connection.closed_at is not None]
        for number in closed:
            self._write_connection(number, self._open_connections.pop(number))

    def flush(self) -> None:
        """Hands over what there is to write, a few times a second."""
        now = self._clock()
        if now >= self._look_at and not self.failure:
            self._look_at = now + _LOOK_AT_CONNECTIONS_SECONDS
            self._look_at_connections()
        if self.file.read_only or not self._may_try:
            return
        words = self._words.texts
        if self._words_written < len(words):
            self._jobs.words += enumerate(words[self._words_written :], self._words_written)
            self._words_written = len(words)
        jobs = self._jobs
        if self.failure or not jobs.is_empty:
            self._is_probing = bool(self.failure)
            self._jobs = Jobs()
            self.writer.put(jobs)

    def poll(self) -> News:
        """What has become of what was handed over."""
        news = News()
        for report in self.writer.take_reports():
            if report.note:
                self._warn(report.note)
            if report.failure:
                news.failed += report.failed
                self._failed(report.failure, report.jobs)
                continue
            for block, ids in report.blocks:
                for flow_id in ids:
                    self.table.set_block(flow_id, block)
                if report.is_copy:
                    self._copied_later.difference_update(ids)
                news.written += [flow_id for flow_id in ids if flow_id not in self._copied_later]
            if report.body is not None:
                flow_id, body, digest = report.body
                news.bodies.append((flow_id, body, StoredBody(self.file, digest, body.size, body.is_truncated)))
            if self.failure:
                self.failure, self._is_probing = "", False
                self._tell(f"The session file {self.file.path} can be written again; nothing was lost.")
        return news

    def _failed(self, reason: str, jobs: Jobs | None) -> None:
        if jobs is not None:
            jobs.add(self._jobs)
            self._jobs = jobs
        self._is_probing = False
        self._again_at = self._clock() + _RETRY_SECONDS
        if not self.failure:
            self._warn(
                f"The session file {self.file.path} cannot be written: {reason}. What happens stays in memory until it can be."
            )
        self.failure = reason

    # Out of the file

    def load(self, flow_id: int) -> Flow | None:
        """As it was last written; None if it is not there, or cannot be read: then `file.problem` says why."""
        block = self.table.block_of(flow_id)
        if not block:
            return None
        try:
            return self.unpacked(self.file.record(block, flow_id))
        except (Malformed, sqlite3.Error, KeyError) as error:
            self.file.problem = str(error)
            return None

    def unpacked(self, record: bytes) -> Flow:
        """`Malformed` if it is none of a flow."""
        return unpacked(record, self)

    def connection(self, number: int) -> Connection | None:
        """`flow_record.Sources`."""
        if not number:
            return None
        known = self._connections.get(number)
        if known is None:
            record = self.file.connection(number)
            if record is None:
                return None
            known = unpacked_connection(record, lambda digest, size: self.file.read_body(digest, 0, size))
            self._keep_connection(number, known)
        return known

    def body(self, digest: bytes, size: int, is_truncated: bool) -> Body:
        """`flow_record.Sources`."""
        return StoredBody(self.file, digest, size, is_truncated)

    # The end

    def connections_in_use(self) -> tuple[set[int], int]:
        """The numbers of those that are in memory; from which on they may be written again."""
        return set(self._connections), min(self._open_connections, default=self._last_connection + 1)

    def write_soon(self) -> None:
        """Even if there is nothing new: what is wrong with the file shows then, and a file that was removed is made again."""
        self._jobs.states.update({"flows": self.table.count})

    def move(self, path: Path) -> None:
        """Gives the file that name; call when little is to be written. UserError if it cannot be, and then it has not changed."""
        self.writer.rest()
        self._without_readers_beside(lambda: self.file.move(path))

    def begin_index_anew(self) -> None:
        """Nothing is in it any more that is not in the session. OSError if the old one cannot be removed."""
        self._without_readers_beside(lambda: remove_index(self.file.path))

    def _without_readers_beside(self, deed: Callable[[], None]) -> None:
        beside = list(self.readers_beside)
        for each in beside:
            each.let_go()
        try:
            deed()
        finally:
            for each in beside:
                each.take_up()

    def settle(self, seconds: float | None = None) -> bool:
        """Writes what was handed over now. False if that takes longer."""
        return self.writer.settle(seconds)

    def close(self, last: Sequence[Flow] = ()) -> list[int]:
        """Writes those, and what else there is. The flows that could not be written."""
        if self.is_written:
            self._look_at_connections()
            self.write(last)
            self._again_at, self._is_probing = 0.0, False
            self.flush()
        self.writer.close()
        failed = self.poll().failed
        self.file.close(self.writer.leave)
        return failed
