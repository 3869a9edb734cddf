"""The thread that writes the session file: batches at most `BATCH_SECONDS` apart, one transaction each.

    put(jobs) ─▸ queue ─▸ bodies hashed, records joined and packed ─▸ one transaction ─▸ reports ─▸ whoever calls `take_reports`
                                                   large bodies ─▸ copied in pieces between batches ─▸ reports

* It sees finished bytes and handles of bodies that do not change; never a flow.
* It says much to SQLite with each statement, many rows at a time: after each it has to wait for the interpreter. While it writes,
  who computes gives way sooner (`courtesy`): else a batch of a busy proxy waits for most of a second.
* Until a large body is copied, its flow is in the file without it.
* When something cannot be written (the disk is full, the file was removed) the jobs of that batch are reported as failed, and
  forgotten here: whoever put them puts them again.
* What is written is in a log beside the file at first; `checkpoints` put it into the file, in another thread.
* `followers` work on what has been written when there is nothing else to do: a place for an index that is searched.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from interceptor.model.body import Body
from interceptor.platform.courtesy import COURTESY
from interceptor.session.body_copy import BodyCopy, is_large, known_digests
from interceptor.session.checkpoints import Checkpoints
from interceptor.session.columns import Row, block_index
from interceptor.session.flow_record import Packed
from interceptor.session.record_parts import joined
from interceptor.session.session_file import SessionFile
from interceptor.session.stored_body import digest_of

BATCH_SECONDS: Final = 0.15
_RECORDS_IN_BLOCK: Final = 256
_BYTES_IN_BLOCK: Final = 512 * 1024
_DIGESTS_KNOWN: Final = 65_536
_ROWS_AT_ONCE: Final = 200
_FOLLOW_SECONDS: Final = 0.02

Names = dict[int, bytes]
"""The digests of bodies, by `id`: only while the bodies are held."""


@dataclass(slots=True)
class Jobs:
    """What is to be written together."""

    flows: list[tuple[Packed, Row]] = field(default_factory=list)
    connections: list[tuple[int, list[bytes], list[tuple[int, Body]]]] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)
    deeds: list[tuple[int, str, bytes, list[Packed]]] = field(default_factory=list)
    statements: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.flows or self.connections or self.words or self.states or self.deeds or self.statements)

    def add(self, other: Jobs) -> None:
        """Behind what there is."""
        self.flows += other.flows
        self.connections += other.connections
        self.words += other.words
        self.states.update(other.states)
        self.deeds += other.deeds
        self.statements += other.statements


@dataclass(slots=True)
class Report:
    """What became of something. `blocks`: which flows are in which block now, with their large bodies if it `is_copy`.
    `body`: a large one of that flow that is in the file now, under that digest. `failure`: why the flows `failed`, and the
    rest of `jobs`, could not be written."""

    written: int = 0
    blocks: list[tuple[int, list[int]]] = field(default_factory=list)
    body: tuple[int, Body, bytes] | None = None
    failure: str = ""
    failed: list[int] = field(default_factory=list)
    jobs: Jobs | None = None
    note: str = ""
    is_copy: bool = False


class Follower(Protocol):
    def follow(self, connection: sqlite3.Connection) -> bool:
        """A few milliseconds of work in the thread that writes; whether there is more."""
        ...


class SessionWriter:
    """Of one file. The thread starts with the first job."""

    def __init__(self, file: SessionFile) -> None:
        self._file = file
        self._queue: deque[Jobs] = deque()
        self._copies: deque[BodyCopy] = deque()
        self._reports: deque[Report] = deque()
        self._waiting: deque[threading.Event] = deque()
        self._has_work = threading.Event()
        self._is_urgent = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._checkpoints = Checkpoints(file.connect_to_write, file.log_size)
        self._digests: dict[bytes, None] = {}
        self._is_closing = False
        self._block, self._body, _ = file.last_numbers()
        self.followers: list[Follower] = []
        self.queued = 0
        """Flows that are on their way."""

    # For the thread that captures

    def put(self, jobs: Jobs) -> None:
        self.queued += len(jobs.flows)
        self._queue.append(jobs)
        self._wake()

    @property
    def is_busy(self) -> bool:
        """Whether reports are to come, or to be taken."""
        return bool(self._queue or self._copies or self._reports or self.queued)

    def take_reports(self) -> list[Report]:
        """What has become of jobs since the last call."""
        reports = []
        while self._reports:
            report = self._reports.popleft()
            self.queued -= report.written
            reports.append(report)
        return reports

    def settle(self, seconds: float | None = None) -> bool:
        """Waits until all that was put is written or has failed, large bodies, too. False if that takes longer."""
        done = threading.Event()
        self._waiting.append(done)
        self._is_urgent.set()
        self._wake()
        return done.wait(seconds)

    def close(self) -> None:
        """Writes what there is, and ends the thread."""
        if self._thread is not None:
            self._is_closing = True
            self._is_urgent.set()
            self._has_work.set()
            self._thread.join()
            self._thread = None

    def forget_digests(self, digests: Iterable[bytes]) -> None:
        """Of bodies that are not in the file any more. For followers."""
        for digest in digests:
            self._digests.pop(digest, None)

    def rest(self) -> None:
        """Writes what there is, and lets go of the file until something is put again."""
        self.close()
        self.leave()
        self._is_closing = False

    def leave(self) -> None:
        """The file, after `close`. Who leaves it last tidies up what SQLite keeps beside it."""
        self._checkpoints.end()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _wake(self) -> None:
        self._has_work.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="session", daemon=True)
            self._thread.start()

    # The thread

    def _run(self) -> None:
        has_more = False
        while not (self._is_closing and not self._queue and not self._copies):
            if self._copies:
                if self._checkpoints.copies_have_to_wait():
                    self._has_work.wait(_FOLLOW_SECONDS)
            elif not has_more:
                self._has_work.wait()
                self._is_urgent.wait(BATCH_SECONDS)
            else:
                self._has_work.wait(_FOLLOW_SECONDS)
            self._has_work.clear()
            self._is_urgent.clear()
            if self._queue:
                self._write_queue()
            if self._copies and not self._checkpoints.copies_have_to_wait():
                self._copy_some()
            if not self._copies and not self._queue:
                while self._waiting:
                    self._waiting.popleft().set()
                has_more = self._follow()
        while self._waiting:
            self._waiting.popleft().set()

    def _write_queue(self) -> None:
        jobs = Jobs()
        while self._queue:
            jobs.add(self._queue.popleft())
        report = Report(len(jobs.flows))
        with COURTESY:
            failure = self._guarded(lambda: self._write(jobs, report))
        if failure:
            report.blocks, report.failure, report.failed = [], failure, [packed.flow_id for packed, _ in jobs.flows]
            jobs.flows = []
            report.jobs = jobs
        self._reports.append(report)

    def _copy_some(self) -> None:
        copy = self._copies[0]
        report = Report(is_copy=True)
        failure = self._guarded(lambda: self._copy_step(copy, report))
        if failure:
            report.blocks, report.failure, report.failed = [], failure, [copy.packed.flow_id]
        self._reports.append(report)
        if failure or report.blocks:
            self._copies.popleft()  # after the report: there is always something that says that more is to come

    def _follow(self) -> bool:
        connection, has_more = self._connection, list[bool]()
        for each in tuple(self.followers) if connection is not None else ():
            self._guarded(lambda each=each: has_more.append(each.follow(connection)))
        return any(has_more)

    def _guarded(self, deed: Any) -> str:
        """Why it failed; "" if it did not. What it began is taken back then."""
        try:
            deed()
        except (sqlite3.Error, OSError) as error:
            reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        except Exception as error:  # without this thread nothing would be kept, and nobody would know
            reason = f"unexpected error: {error!r}"
        else:
            if self._connection is not None:
                self._checkpoints.written(self._connection)
            return ""
        self._digests.clear()
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # SQLite has taken it back itself
        return reason

    def _ready(self, report: Report) -> sqlite3.Connection:
        """What writes the file, which is there."""
        if self._connection is None:
            self._connection = self._file.connect_to_write()
        if self._file.is_gone():
            self._checkpoints.end()
            self._connection = self._file.make_again(self._connection)
            report.note = f"The session file {self._file.path} had been removed; it is there again, with all that was in it."
        self._checkpoints.before(self._connection)
        return self._connection

    def _write(self, jobs: Jobs, report: Report) -> None:
        connection = self._ready(report)
        names: Names = {}
        connection.execute("BEGIN IMMEDIATE")
        self._store_bodies(connection, [each for packed, _ in jobs.flows for each in packed.bodies], names)
        self._store_bodies(connection, [each for _, _, bodies in jobs.connections for each in bodies], names)
        carried = [each for *_, carriers in jobs.deeds for packed in carriers for each in packed.bodies]
        self._store_bodies(connection, carried, names, with_large=True)
        _insert(connection, "word(number, text)", jobs.words)
        rows = [(number, joined(_filled(parts, bodies, names))) for number, parts, bodies in jobs.connections]
        _insert(connection, "connection(number, record)", rows)
        for flows in _blocks(sorted(jobs.flows, key=lambda each: each[0].flow_id)):
            report.blocks.append(self._write_block(connection, flows, names))
        _insert(connection, "state(name, value)", [(name, json.dumps(value)) for name, value in jobs.states.items()])
        _insert(connection, "deed(number, label, is_undone, record)", [_deed_row(deed, names) for deed in jobs.deeds])
        for statement, values in jobs.statements:
            connection.execute(statement, values)
        connection.execute("COMMIT")
        if self._copies:  # of flows that have changed since: what was copied for them would be written after the change
            changed = {packed.flow_id for packed, _ in jobs.flows}
            self._copies = deque(copy for copy in self._copies if copy.packed.flow_id not in changed)
        with_large = [each for each in jobs.flows if any(is_large(body) for _, body in each[0].bodies)]
        self._copies.extend(BodyCopy(packed, row) for packed, row in with_large)

    def _copy_step(self, copy: BodyCopy, report: Report) -> None:
        connection = self._ready(report)
        if not copy.is_complete:
            self._body = copy.step(connection, self._body)
            report.body = copy.take_finished()
            return
        connection.execute("BEGIN IMMEDIATE")
        names = copy.names
        self._store_bodies(connection, copy.packed.bodies, names)
        report.blocks.append(self._write_block(connection, [(copy.packed, copy.row)], names))
        connection.execute("COMMIT")

    def _write_block(
        self, connection: sqlite3.Connection, flows: Sequence[tuple[Packed, Row]], names: Names
    ) -> tuple[int, list[int]]:
        records, ends, end = [], [], 0
        for packed, _ in flows:
            record = joined(_filled(packed.parts, packed.bodies, names))
            end += len(record)
            records.append(record)
            ends.append(end)
        ids = [packed.flow_id for packed, _ in flows]
        content = zlib.compress(b"".join(records), 1)
        index = block_index(ids, ends, [row for _, row in flows])
        connection.execute("INSERT INTO block VALUES (?, ?, ?)", (self._block + 1, index, content))
        self._block += 1
        return self._block, ids

    def _store_bodies(
        self, connection: sqlite3.Connection, bodies: Iterable[tuple[int, Body]], names: Names, with_large: bool = False
    ) -> None:
        """Those that are not in the file yet, but for large ones; `names` has them all afterwards."""
        new: dict[bytes, Body] = {}
        for _, body in bodies:
            if (is_large(body) and not with_large) or id(body) in names:
                continue
            digest = names[id(body)] = digest_of(body)
            if digest in self._digests:
                self._digests[digest] = self._digests.pop(digest)  # the longest unused is forgotten first
            else:
                new.setdefault(digest, body)
        missing = list(new)
        for start in range(0, len(missing), _ROWS_AT_ONCE):
            some = missing[start : start + _ROWS_AT_ONCE]
            known = known_digests(connection, some)
            rows = []
            for digest in some:
                if digest not in known:
                    self._body += 1
                    rows.append((self._body, digest, new[digest].size, new[digest].read()))
            _insert(connection, "body(number, digest, size, content)", rows)
        self._digests.update(dict.fromkeys(missing))
        while len(self._digests) > _DIGESTS_KNOWN:
            del self._digests[next(iter(self._digests))]


def _filled(parts: list[bytes], bodies: Sequence[tuple[int, Body]], names: Names) -> list[bytes]:
    """The parts, with the names of bodies in their places. Of what is not in the file yet there is only the size."""
    if not bodies:
        return parts
    filled = list(parts)
    for place, body in bodies:
        filled[place] = names.get(id(body), b"") + body.size.to_bytes(8, "little")
    return filled


def _deed_row(deed: tuple[int, str, bytes, list[Packed]], names: Names) -> tuple[int, str, int, bytes]:
    number, label, head, carriers = deed
    records = [joined(_filled(packed.parts, packed.bodies, names)) for packed in carriers]
    return number, label, 0, joined([head, *records])


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Many rows with one statement."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        marks = f"({','.join('?' * len(some[0]))})"
        values = [value for row in some for value in row]
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES {','.join([marks] * len(some))}", values)


def _blocks(flows: Sequence[tuple[Packed, Row]]) -> Iterable[Sequence[tuple[Packed, Row]]]:
    """So many at a time as make a block; no flow twice in one."""
    start = size = last = 0
    for index, (packed, _) in enumerate(flows):
        if index > start and (index - start >= _RECORDS_IN_BLOCK or size >= _BYTES_IN_BLOCK or packed.flow_id == last):
            yield flows[start:index]
            start, size = index, 0
        last = packed.flow_id
        size += sum(map(len, packed.parts))
    if start < len(flows):
        yield flows[start:]
