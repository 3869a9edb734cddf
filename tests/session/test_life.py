"""A program goes from one session to another, and gives its own a name; nothing is lost, and nothing is in the wrong one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interceptor.model.flow import HttpFlow
from interceptor.model.records import BodyData, FlowEnded, FlowStarted
from interceptor.options import Options
from interceptor.session.life import SessionLife
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool
from interceptor.session.store import Store
from interceptor.session.undo import Undo
from interceptor.session.view import View
from interceptor.specs.errors import UserError
from tests.session.support import Time, http_flow
from tests.session.test_session import content


class Program:
    def __init__(self, folder: Path, *arguments: str) -> None:
        self.options = Options(confdir=str(folder))
        self.options.set_from_arguments(*arguments)
        self.time, self.undo, self.said = Time(), Undo(), list[str]()
        self.spool = Spool(folder)
        self.store = Store(self.time.schedule, self.spool, clock=self.time)
        self.view = View(self.store)
        self.life = SessionLife(self.options, self.store, self.undo, lambda level, text: self.said.append(text))
        self.life.start(makes_unnamed=False)

    def begun(self, path: str, body: bytes = b"") -> HttpFlow:
        flow = http_flow(path, status=200, is_live=True)
        assert flow.response is not None
        self.store.record(FlowStarted(flow))
        if body:
            self.store.record(BodyData(flow, flow.response, body))
        return flow

    def end(self, flow: HttpFlow) -> HttpFlow:
        flow.is_live = False
        self.store.record(FlowEnded(flow))
        return flow

    def flow(self, path: str, body: bytes = b"") -> HttpFlow:
        return self.end(self.begun(path, body))

    def settle(self) -> None:
        self.time.passes(0.5)
        assert self.store.session is not None
        self.store.session.settle()
        self.time.passes(0.5)

    def open(self, name: str) -> str:
        return asyncio.run(self.life.open(name))

    def shown(self) -> list[str]:
        self.view.finish_refiltering()
        return [flow.request.path for flow in self.view if isinstance(flow, HttpFlow)]

    def in_file(self, name: str) -> list[str]:
        session = Session(SessionFile.glance(self.life.path_of(name)), self.spool.new_body)
        flows = [session.load(flow_id) for flow_id in session.table.ids()]
        session.close()
        return [flow.request.path for flow in flows if isinstance(flow, HttpFlow)]


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    programs: list[Program] = []

    def start(*arguments: str) -> Program:
        programs.append(Program(tmp_path, *arguments))
        return programs[-1]

    yield start
    for program in programs:
        program.life.close()


def test_there_and_back(start: Start) -> None:
    program = start("session=one")
    program.flow("/1", b"first" * 1_000)
    program.options.update(view_order="url", intercept="~u x")
    assert program.open("two") == "two is open; one is closed"
    assert (program.shown(), len(program.store), program.view.focus) == ([], 0, None)
    program.flow("/2")
    program.store.flush()
    assert program.shown() == ["/2"]
    program.options.update(view_order="size", intercept=None)
    assert program.open("one") == "one is open; two is closed"
    assert program.shown() == ["/1"]
    assert (program.options.view_order, program.options.intercept) == ("url", "~u x")
    assert content(program.view.focus) == b"first" * 1_000
    assert program.in_file("two") == ["/2"]
    assert program.open("one") == "one is open"


def test_what_was_typed_counts_at_the_start_and_no_more_when_another_is_opened(start: Start) -> None:
    first = start("session=one")
    first.flow("/1")
    first.options.update(view_order="url", view_filter="~u 1")
    first.life.close()
    program = start("session=one", "view_order=size")
    assert (program.options.view_order, program.options.view_filter) == ("size", "~u 1")
    program.options.update(view_order="host")
    program.open("two")
    program.options.update(view_order="time")
    program.open("one")
    assert program.options.view_order == "host"


def test_what_still_runs_goes_on_and_goes_along_where_its_number_is_free(start: Start) -> None:
    first = start("session=old")
    first.flow("/old")
    first.life.close()
    program = start("session=new")
    taken, free = program.begun("/taken", b"ta"), program.begun("/free", b"fr")
    assert (taken.id, free.id) == (1, 2)
    program.open("old")
    assert program.shown() == ["/old", "/free"]
    for flow, rest in ((taken, b"ken"), (free, b"ee")):
        assert flow.response is not None
        program.store.record(BodyData(flow, flow.response, rest))
        program.end(flow)
    program.store.flush()
    assert (content(taken), content(free)) == (b"taken", b"free")
    assert program.shown() == ["/old", "/free"]
    program.life.close()
    assert (program.in_file("old"), program.in_file("new")) == (["/old", "/free"], ["/taken", "/free"])


def test_what_was_in_memory_only_goes_along_under_numbers_that_are_free(start: Start) -> None:
    first = start("session=old")
    first.flow("/old")
    first.life.close()
    program = start("session=none")
    program.flow("/kept", b"k" * 5_000)
    program.open("old")
    assert program.shown() == ["/old", "/kept"]
    program.life.close()
    assert program.in_file("old") == ["/old", "/kept"]


def test_each_session_has_its_own_undo(start: Start) -> None:
    from interceptor.tui.flow_changes import FlowChanges

    program = start("session=one")
    flow = program.flow("/1")
    FlowChanges(program.store, program.undo).remove([flow.id], "deletion")
    program.open("two")
    assert program.undo.undo() is None
    program.open("one")
    assert program.undo.undo() == "deletion"
    assert program.shown() == ["/1"]


def test_a_session_is_given_a_name_and_is_written_under_it(start: Start) -> None:
    program = start("session=one")
    program.flow("/1", b"b" * 10_000)
    old = program.life.path
    assert old is not None
    assert asyncio.run(program.life.rename("shop")) == "this session is shop now"
    assert not old.exists()
    flow = program.flow("/2")
    program.settle()
    assert content(program.store.session.load(1)) == b"b" * 10_000  # type: ignore[union-attr]
    second = start("session=shop")
    assert second.life.remark == "session:shop, only read: another program has it open"
    program.life.close()
    assert program.in_file("shop") == ["/1", "/2"] and flow.id == 2


def test_a_name_that_is_taken_is_refused_and_nothing_has_changed(start: Start) -> None:
    program = start("session=one")
    program.flow("/1")
    program.open("two")
    before = program.life.path_of("one").read_bytes()
    with pytest.raises(UserError, match="one is there already"):
        asyncio.run(program.life.rename("one"))
    assert program.life.name == "two" and program.life.path_of("one").read_bytes() == before


def test_while_another_program_reads_it_it_keeps_its_name(start: Start) -> None:
    program = start("session=one")
    program.flow("/1")
    program.settle()
    reader = start("session=one")
    with pytest.raises(UserError, match="another program reads"):
        asyncio.run(program.life.rename("shop"))
    reader.life.close()
    assert asyncio.run(program.life.rename("shop")) == "this session is shop now"
    program.flow("/2")
    program.life.close()
    assert program.in_file("shop") == ["/1", "/2"]


def test_a_session_that_cannot_be_opened_leaves_the_one_that_is_open(start: Start) -> None:
    program = start("session=one")
    program.flow("/1")
    path = program.life.path_of("broken")
    path.write_bytes(b"something else" * 1_000)
    with pytest.raises(UserError, match="is damaged, or is no session"):
        program.open("broken")
    assert program.life.name == "one" and program.flow("/2").id == 2
    program.life.close()
    assert program.in_file("one") == ["/1", "/2"]
