"""A session file holds what happened, whatever happens to the program, the disk and the file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from interceptor.model.body import MemoryBody, passed_size
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.http import Response
from interceptor.model.process import Process
from interceptor.model.records import BodyData, FlowEnded, FlowStarted
from interceptor.session.body_copy import BodyCopy
from interceptor.session.columns import COLUMNS, Words, block_index, read_index, row_of
from interceptor.session.record_parts import Malformed, Parts, joined
from interceptor.session.session import Session
from interceptor.session.session_file import CHUNK, VERSION, Damaged, SessionFile
from interceptor.session.spool import Spool
from interceptor.session.store import Store
from interceptor.session.stored_body import StoredBody
from interceptor.specs.errors import UserError
from interceptor.specs.filter import parse
from interceptor.specs.filter_columns import NO_WORD
from tests.session.support import Time, http_flow


class Program:
    """A store in a session, from its start to its end or its death."""

    def __init__(self, path: Path) -> None:
        self.said: list[str] = []
        self.time = Time()
        self.spool = Spool(path.parent)
        self.store = Store(self.time.schedule, self.spool, clock=self.time)
        self.file = SessionFile.open(path)
        self.session = Session(self.file, self.spool.new_body, self.said.append, self.said.append, self.time)
        self.store.open(self.session)

    def flow(self, path: str = "/", body: bytes = b"", status: int = 200) -> HttpFlow:
        flow = http_flow(path, status=status, is_live=True)
        assert flow.response is not None
        self.store.record(FlowStarted(flow))
        for start in range(0, len(body), CHUNK):
            self.store.record(BodyData(flow, flow.response, body[start : start + CHUNK]))
        flow.is_live = False
        self.store.record(FlowEnded(flow))
        return flow

    def settle(self) -> None:
        """Until all that happened is written, or cannot be."""
        for _ in range(4):
            self.time.passes(0.5)
            self.session.settle()
        self.time.passes(0.5)

    def writer_pauses_before_copies(self) -> None:
        self.session.writer._copy_some = lambda: self.copying.wait(30)  # type: ignore[method-assign]
        self.copying = threading.Event()

    def settle_but_for_copies(self) -> None:
        for _ in range(200):
            self.time.passes(0.2)
            if self.session.table.block_of(1):
                return
            self.copying.wait(0.02)

    def die(self) -> Path:
        """What a killed program leaves: the files as they are now."""
        left = self.file.path.with_name("left")
        left.mkdir()
        for each in self.file.path.parent.glob(f"{self.file.path.name}*"):
            shutil.copy(each, left)
        return left / self.file.path.name

    def close(self) -> int:
        return self.store.close()


Start = Callable[[Path], Program]


@pytest.fixture
def start() -> Iterator[Start]:
    programs: list[Program] = []

    def start(path: Path) -> Program:
        programs.append(Program(path))
        return programs[-1]

    yield start
    for program in programs:
        if hasattr(program, "copying"):
            del program.session.writer._copy_some
            program.copying.set()
        program.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.session"


def paths_of(store: Store) -> list[str]:
    return [flow.request.path for flow in store if isinstance(flow, HttpFlow)]


def content(flow: Flow | None) -> bytes:
    assert isinstance(flow, HttpFlow) and flow.response is not None
    return flow.response.body.read()


# --- it is there again


def test_what_has_ended_is_there_after_the_program_was_killed(start: Start, path: Path) -> None:
    first = start(path)
    first.flow("/small", b"body")
    first.flow("/middle", b"x" * 50_000)
    first.settle()
    second = start(first.die())
    assert paths_of(second.store) == ["/small", "/middle"]
    assert [content(flow) for flow in second.store] == [b"body", b"x" * 50_000]
    assert second.store.next_id() == 3


def test_an_orderly_end_writes_what_still_runs_as_far_as_it_came(start: Start, path: Path) -> None:
    first = start(path)
    running = http_flow("/running", status=200, is_live=True)
    first.store.record(FlowStarted(running))
    first.store.record(BodyData(running, running.response, b"begun"))  # type: ignore[arg-type]
    first.close()
    (flow,) = start(path).store
    assert content(flow) == b"begun"
    assert flow.error is not None and "still running" in flow.error.message


@pytest.mark.parametrize("is_written_before", [False, True])
def test_the_program_of_a_client_that_became_known_late_is_kept_and_filtered_by(
    start: Start, path: Path, is_written_before: bool
) -> None:
    first = start(path)
    client = Connection(Side.CLIENT, ("127.0.0.1", 5), opened_at=-1.0, connected_at=-1.0, closed_at=3.0)
    one, other = first.flow("/one"), first.flow("/other")
    one.client, other.client = client, Connection(Side.CLIENT, ("127.0.0.1", 6), opened_at=-1.0)
    first.store.touch(one)
    if is_written_before:
        first.settle()
    client.process = Process(7, "cat", "/bin/cat", ("cat", "x"))
    first.store.clients_changed([client])
    first.settle()
    second = start(first.die())
    columns = parse("~process ^7.cat./bin/cat").by_columns
    assert columns is not None
    assert [columns(second.store.table).one(place) for place in (0, 1)] == [True, False]
    assert [flow.client and flow.client.process for flow in second.store] == [client.process, None]


def test_blocks_without_a_column_that_came_later_are_read() -> None:
    words = Words()
    index = Parts(block_index([5, 6], [10, 20], [row_of(http_flow(), words)] * 2))
    old = joined([index.next() for _ in range(2 + len(COLUMNS) - 1)])
    ids, _, tables = read_index(old)
    assert list(ids) == [5, 6] and list(tables[-1]) == [NO_WORD, NO_WORD]
    with pytest.raises(Malformed):
        read_index(joined([*(bytes(16), bytes(8)), bytes(3)]))


def test_marks_comments_edits_and_deletions_are_there_again(start: Start, path: Path) -> None:
    first = start(path)
    one, two, three = (first.flow(f"/{number}", b"received") for number in (1, 2, 3))
    first.settle()
    one.marker, one.comment = "star", "look"
    first.store.touch(one)
    two.backup()
    assert two.response is not None
    two.response.set_content(b"edited")
    first.store.touch(two)
    first.store.remove([three])
    first.settle()
    again = list(start(first.die()).store)
    assert [(flow.marker, flow.comment) for flow in again] == [("star", "look"), ("", "")]
    edited = again[1]
    assert isinstance(edited, HttpFlow) and edited.is_modified and content(edited) == b"edited"
    assert edited.original is not None and edited.original[1] is not None
    assert edited.original[1].body.read() == b"received"


def test_a_flow_that_was_deleted_while_it_ran_is_kept_and_stays_deleted(start: Start, path: Path) -> None:
    first = start(path)
    flow = http_flow("/", status=200, is_live=True)
    first.store.record(FlowStarted(flow))
    first.store.clear()
    flow.is_live = False
    first.store.record(FlowEnded(flow))
    first.close()
    second = start(path)
    assert list(second.store) == []
    assert second.session.load(flow.id) is not None


def test_flows_of_one_connection_share_it_and_its_end_is_written_too(start: Start, path: Path) -> None:
    first = start(path)
    connection = Connection(Side.SERVER, ("a.test", 443), opened_at=1.0, connected_at=2.0)
    connection.tls = TlsFacts("TLSv1.3", chain=(b"certificate" * 200,))
    for number in (1, 2):
        flow = http_flow(f"/{number}", status=200)
        flow.server = connection
        first.store.add(flow)
    first.settle()
    connection.closed_at = 9.0
    first.close()
    one, two = start(path).store
    assert one.server is two.server is not None
    assert (one.server.closed_at, one.server.tls) == (9.0, connection.tls)


def test_those_who_listen_are_told_of_old_flows_apart_from_new_ones(start: Start, path: Path) -> None:
    first = start(path)
    first.flow("/old")
    first.close()
    second = start(path)
    told: list[tuple[str, list[int]]] = []

    class Listener:
        def flows_added(self, flows: list[Flow]) -> None:
            told.append(("added", [flow.id for flow in flows]))

        def flows_changed(self, flows: list[Flow]) -> None: ...
        def flows_removed(self, flow_ids: Sequence[int]) -> None: ...
        def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
            told.append(("returned", list(flow_ids)))

    second.store.subscribe(Listener())
    second.flow("/new")
    second.store.flush()
    assert told == [("added", [2])]


def test_however_many_flows_end_they_are_handed_over_in_half_a_second(start: Start, path: Path) -> None:
    program = start(path)
    for number in range(4_000):
        program.flow(f"/{number}")
    program.time.passes(0.5)
    program.session.settle()
    assert start(program.die()).store.table.count == 4_000


# --- bodies


def test_the_same_body_is_kept_once(start: Start, path: Path) -> None:
    first = start(path)
    asset, large = b"asset" * 5_000, b"large" * CHUNK
    for number in range(20):
        first.flow(f"/{number}", asset)
    for number in range(3):
        first.flow(f"/large{number}", large)
    first.settle()
    first.close()
    assert path.stat().st_size < len(asset) + len(large) + 300_000
    second = start(path)
    assert {content(flow) for flow in second.store} == {asset, large}


def test_a_large_body_leaves_the_spool_and_is_read_in_slices(start: Start, path: Path) -> None:
    program = start(path)
    body = b"".join(number.to_bytes(4, "big") for number in range(CHUNK))  # four chunks, each another one
    flow = program.flow("/large", body)
    program.settle()
    assert flow.response is not None
    stored = flow.response.body
    assert type(stored) is StoredBody
    assert stored.read() == body
    for start_at, count in ((0, 10), (CHUNK - 5, 10), (3 * CHUNK, 2 * CHUNK), (len(body) - 1, 5), (len(body), 5)):
        assert stored.read(start_at, count) == body[start_at : start_at + count]


def test_a_change_while_a_large_body_is_copied_is_not_undone_by_the_copy(start: Start, path: Path) -> None:
    program = start(path)
    flow = program.flow("/large", b"x" * (3 * CHUNK))
    program.time.passes(0.2)
    flow.comment = "later"
    program.store.touch(flow)
    program.settle()
    (again,) = start(program.die()).store
    assert (again.comment, len(content(again))) == ("later", 3 * CHUNK)


def test_a_flow_whose_large_body_is_not_copied_yet_is_there_without_it(start: Start, path: Path) -> None:
    program = start(path)
    program.writer_pauses_before_copies()
    program.flow("/large", b"x" * (2 * CHUNK))
    program.settle_but_for_copies()
    (again,) = start(program.die()).store
    assert isinstance(again, HttpFlow) and again.response is not None
    body = again.response.body
    assert (body.read(), body.is_truncated, passed_size(body)) == (b"", True, 2 * CHUNK)
    program.store.remove([program.store.peek(1)])
    program.store.put_back([1])
    assert content(program.store.get(1)) == b"x" * (2 * CHUNK)  # here it is


def test_a_large_body_that_could_not_be_copied_is_tried_again(start: Start, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = start(path)
    step, fails = BodyCopy.step, [True]

    def failing(self: BodyCopy, connection: sqlite3.Connection, last: int) -> int:
        if fails:
            raise sqlite3.OperationalError("database or disk is full")
        return step(self, connection, last)

    monkeypatch.setattr(BodyCopy, "step", failing)
    program.flow("/large", b"x" * (2 * CHUNK))
    program.settle()
    assert program.session.failure == "database or disk is full"
    fails.clear()
    program.time.passes(5.0)
    program.settle()
    program.settle()
    assert not program.session.failure
    assert content(start(program.die()).store.get(1)) == b"x" * (2 * CHUNK)


# --- what may go wrong


def refuse_to_grow(program: Program, pages: list[int]) -> None:
    """The disk is full at so many pages, for SQLite's own reason."""
    connect = program.file.connect_to_write

    def connect_to_write() -> sqlite3.Connection:
        connection = connect()
        connection.set_trace_callback(lambda _: None)
        connection.execute(f"PRAGMA max_page_count = {pages[0]}")
        program.writing = connection  # type: ignore[attr-defined]
        return connection

    program.file.connect_to_write = connect_to_write  # type: ignore[method-assign]


def test_on_a_full_disk_capture_goes_on_in_memory_and_is_written_later(start: Start, path: Path) -> None:
    program = start(path)
    refuse_to_grow(program, [1])
    noise = bytes(number % 251 for number in range(100_000))
    program.flow("/1", noise)
    program.settle()
    program.flow("/2", noise[1:])
    program.settle()
    assert program.session.failure == "database or disk is full"
    assert len(program.said) == 1 and "cannot be written" in program.said[0]
    assert paths_of(program.store) == ["/1", "/2"]
    program.writing.execute("PRAGMA max_page_count = 100000")  # type: ignore[attr-defined]
    program.time.passes(5.0)
    program.settle()
    program.settle()
    assert not program.session.failure
    assert "can be written again" in program.said[1]
    again = start(program.die())
    assert [content(flow) for flow in again.store] == [noise, noise[1:]]


def test_a_file_that_was_removed_is_made_again_with_all_that_was_in_it(start: Start, path: Path) -> None:
    program = start(path)
    program.flow("/before", b"b" * 10_000)
    program.settle()
    for each in path.parent.glob("shop.session*"):
        each.unlink()
    program.flow("/after")
    program.settle()
    assert len(program.said) == 1 and "had been removed" in program.said[0]
    assert content(program.session.load(1)) == b"b" * 10_000
    again = start(program.die())
    assert paths_of(again.store) == ["/before", "/after"]
    assert content(again.store.get(1)) == b"b" * 10_000


def test_what_could_not_be_written_at_the_end_is_counted(start: Start, path: Path) -> None:
    program = start(path)
    refuse_to_grow(program, [1])
    program.flow("/", bytes(range(256)) * 500)
    assert program.close() == 1


def test_a_second_program_only_reads(start: Start, path: Path) -> None:
    first = start(path)
    first.flow("/one")
    first.settle()
    second = start(path)
    assert second.file.read_only == "another program has it open"
    assert paths_of(second.store) == ["/one"]
    second.flow("/two")
    second.settle()
    assert paths_of(second.store) == ["/one", "/two"]
    second.close()
    first.close()
    third = start(path)
    assert third.file.read_only == ""
    assert paths_of(third.store) == ["/one"]


def test_in_a_folder_that_may_not_be_written_it_is_only_read(start: Start, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = start(path)
    program.flow("/one")
    program.close()
    access = os.access
    monkeypatch.setattr(os, "access", lambda of, mode: of != path.parent and access(of, mode))  # also for root, who may all
    again = start(path)
    assert again.file.read_only == "its folder may not be written"
    again.flow("/two")
    again.settle()
    assert paths_of(again.store) == ["/one", "/two"]


# --- files that are none


def unchanged(path: Path, what: type[UserError]) -> str:
    """Why it is not opened; the file is as it was."""
    before = path.read_bytes()
    with pytest.raises(what) as refused:
        file = SessionFile.open(path)
        Session(file, Spool().new_body)
    assert path.read_bytes() == before
    return refused.value.message


def test_a_file_of_somebody_else_is_left_alone(path: Path) -> None:
    path.write_bytes(b"notes of mine\n" * 100)
    assert "is damaged, or is no session" in unchanged(path, Damaged)
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks(url)")
    other.commit()
    other.close()
    assert "some other program keeps its data in it" in unchanged(path, UserError)


def test_a_newer_file_is_left_alone(start: Start, path: Path) -> None:
    start(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    newer.commit()
    newer.close()
    assert f"is a session of version {VERSION + 1}" in unchanged(path, UserError)


def test_a_file_of_the_first_version_is_read_as_it_is_and_becomes_one_of_this_version(start: Start, path: Path) -> None:
    first = start(path)
    first.flow("/old")
    first.close()
    older = sqlite3.connect(path)
    older.executescript("DROP TABLE deed; PRAGMA user_version = 1")
    older.close()
    before = path.read_bytes()
    read = Session(SessionFile.glance(path), Spool().new_body)
    assert (read.table.count, read.deeds, read.file.version) == (1, [], 1)
    read.close()
    assert path.read_bytes() == before
    program = start(path)
    assert (paths_of(program.store), program.file.version) == (["/old"], VERSION)


def test_a_damaged_file_is_said_to_be_one(start: Start, path: Path) -> None:
    program = start(path)
    for number in range(200):
        program.flow(f"/{number}", number.to_bytes(2, "big") * 5_000)
    program.close()
    content = bytearray(path.read_bytes())
    content[8192:40960] = b"\xa5" * 32768
    path.write_bytes(content)
    assert "is damaged" in unchanged(path, Damaged)


def test_what_cannot_be_read_of_a_file_is_not_there_and_the_rest_is(start: Start, path: Path) -> None:
    program = start(path)
    flow = program.flow("/", b"x" * 10_000)
    program.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE block SET records = x'00'")
    connection.commit()
    connection.close()
    again = start(path)
    assert again.session.load(flow.id) is None
    assert "cannot be unpacked" in again.file.problem


def test_a_block_that_is_a_bomb_is_not_unpacked(start: Start, path: Path) -> None:
    program = start(path)
    flow = program.flow("/")
    program.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE block SET records = ?", (zlib.compress(bytes(200 << 20), 1),))
    connection.commit()
    connection.close()
    again = start(path)
    tracemalloc.start()
    try:
        assert again.session.load(flow.id) is None
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert "another size than it says" in again.file.problem


def test_an_empty_file_becomes_a_session(start: Start, path: Path) -> None:
    path.touch()
    program = start(path)
    program.flow("/")
    program.close()
    assert len(start(path).store) == 1


def test_answers_of_rules_and_failures_are_kept_as_they_are(start: Start, path: Path) -> None:
    program = start(path)
    flow = http_flow("/", status=None)
    flow.response = Response(502, b"", body=MemoryBody(b""))
    flow.metadata = {"rules": ["/x/y"]}
    program.store.add(flow)
    program.close()
    (again,) = start(path).store
    assert again.noted_by_rules() == ["/x/y"]
