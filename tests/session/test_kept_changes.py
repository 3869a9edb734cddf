"""What the user changed can be taken back by the next run of the program, and done again by the one after that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interceptor.model.flow import HttpFlow
from interceptor.session.kept_changes import KeptChanges
from interceptor.session.undo import DEEDS_KEPT, Undo
from interceptor.specs.errors import UserError
from interceptor.tui.flow_changes import FlowChanges
from tests.session.test_session import Program, content, paths_of

Start = Callable[[], "Run"]


class Run(Program):
    """A program in which somebody changes flows."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.undo = Undo()
        self.undo.attach(KeptChanges(self.session, self.store))
        self.changes = FlowChanges(self.store, self.undo)

    def only(self) -> HttpFlow:
        (flow,) = self.store
        assert isinstance(flow, HttpFlow)
        return flow

    def set_body(self, flow: HttpFlow, body: bytes) -> None:
        assert flow.response is not None
        self.changes.edit(flow, "response", "edit", lambda: flow.response.set_content(body))  # type: ignore[union-attr]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def start() -> Run:
        """The next run, after the one before has ended."""
        for run in runs:
            run.close()
        runs.append(Run(tmp_path / "shop.session"))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


def test_a_deletion_is_taken_back_and_done_again_by_later_runs(start: Start) -> None:
    run = start()
    for number in (1, 2, 3):
        run.flow(f"/{number}")
    run.changes.remove([1, 3], "deletion of 2 flows")
    run = start()
    assert paths_of(run.store) == ["/2"]
    assert run.undo.undo() == "deletion of 2 flows"
    assert paths_of(run.store) == ["/1", "/2", "/3"]
    run = start()
    assert run.undo.undo() is None
    assert run.undo.redo() == "deletion of 2 flows"
    assert paths_of(run.store) == ["/2"]
    assert (start().undo.undo(), start().undo.undo()) == ("deletion of 2 flows", None)


def test_edits_marks_and_comments(start: Start) -> None:
    run = start()
    flow = run.flow("/", b"received")
    run.set_body(flow, b"edited")
    run.set_body(flow, b"e" * 5_000)

    def note(flow: HttpFlow) -> None:
        flow.marker, flow.comment = "star", "look"

    run.changes.edit_all([flow], "flow", "mark", note)  # type: ignore[arg-type]
    run = start()
    assert run.undo.undo() == "mark"
    assert (run.only().marker, run.only().comment) == ("", "")
    assert run.undo.undo() == "edit" and content(run.only()) == b"edited"
    run = start()
    assert content(run.only()) == b"edited" and run.only().is_modified
    assert run.undo.undo() == "edit" and content(run.only()) == b"received"
    assert not run.only().is_modified and run.only().original is None
    run = start()
    assert [run.undo.redo() for _ in range(4)] == ["edit", "edit", "mark", None]
    flow = run.only()
    assert (flow.marker, flow.comment, content(flow)) == ("star", "look", b"e" * 5_000)
    assert flow.original is not None and flow.original[1] is not None and flow.original[1].body.read() == b"received"


def test_a_revert(start: Start) -> None:
    run = start()
    flow = run.flow("/", b"received")
    run.set_body(flow, b"edited")
    assert run.changes.revert([flow]) == 1
    run = start()
    assert content(run.only()) == b"received"
    assert run.undo.undo() == "revert" and content(run.only()) == b"edited"
    assert run.changes.revert([run.only()]) == 1 and content(run.only()) == b"received"


def test_what_a_new_deed_forgot_stays_forgotten(start: Start) -> None:
    run = start()
    flow = run.flow("/", b"0")
    run.set_body(flow, b"1")
    run.set_body(flow, b"2")
    run.undo.undo()
    run.set_body(flow, b"3")
    run = start()
    assert run.undo.redo() is None
    assert [run.undo.undo() for _ in range(3)] == ["edit", "edit", None]
    assert content(run.only()) == b"0"


def test_no_more_are_kept_than_can_be_undone(start: Start) -> None:
    run = start()
    flow = run.flow("/", b"first")
    for number in range(DEEDS_KEPT + 5):
        run.set_body(flow, b"%d" % number)
    run = start()
    assert len(run.session.deeds) == DEEDS_KEPT
    while run.undo.undo():
        pass
    assert content(run.only()) == b"4"


def test_a_deed_that_cannot_be_read_is_said_to_be_one_and_the_others_stay(start: Start) -> None:
    run = start()
    flow = run.flow("/", b"0")
    run.set_body(flow, b"1")
    run.changes.remove([1], "deletion")
    run.session.alter("UPDATE deed SET record = x'00' WHERE number = ?", (2,))
    run = start()
    with pytest.raises(UserError, match="cannot be read from the session"):
        run.undo.undo()
    assert run.undo.undo() == "edit"


def test_what_happened_before_there_was_a_session_is_in_it(tmp_path: Path) -> None:
    run = Run(tmp_path / "a.session")
    undo = Undo()
    flow = run.flow("/")
    FlowChanges(run.store, undo).edit(flow, "flow", "mark", lambda: setattr(flow, "marker", "star"))
    undo.attach(KeptChanges(run.session, run.store))
    run.close()
    again = Run(tmp_path / "a.session")
    assert again.undo.undo() == "mark"
    assert again.only().marker == ""
    again.close()
