"""What a view shows, in what order, and where its focus is, as flows come, change and go."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from interceptor.model.body import MemoryBody
from interceptor.model.flow import Flow, FlowError, HoldPoint, HttpFlow, TcpFlow
from interceptor.model.http import Response
from interceptor.model.records import BodyData, FlowEnded, FlowStarted
from interceptor.session.orders import ORDERS
from interceptor.session.sorted_rows import SortedRows
from interceptor.session.store import Store
from interceptor.session.view import SLICE_SECONDS, View
from interceptor.specs.errors import UserError
from interceptor.specs.filter import parse
from tests.session.support import Time, http_flow


class Scene:
    """A store with a view on it. Judging a flow takes a tenth of a slice, if `is_slow`."""

    def __init__(self) -> None:
        self.time = Time()
        self.store = Store(self.time.schedule, clock=self.time)
        self.ticks, self.is_slow = 0.0, False
        self.view = View(self.store, self.clock)
        self.changes = 0
        self.view.subscribe(self.changed)

    def clock(self) -> float:
        self.ticks += SLICE_SECONDS / 10 if self.is_slow else 0.0
        return self.ticks

    def changed(self) -> None:
        self.changes += 1

    def add(self, *paths: str, **more: object) -> list[HttpFlow]:
        first = len(self.store) + 1
        flows = [http_flow(path, at=float(at), **more) for at, path in enumerate(paths, first)]  # type: ignore[arg-type]
        for flow in flows:
            self.store.add(flow)
        self.store.flush()
        return flows

    def touch(self, *flows: Flow) -> None:
        for flow in flows:
            self.store.touch(flow)
        self.store.flush()

    def remove(self, *flows: Flow) -> None:
        self.store.remove(flows)
        self.store.flush()

    @property
    def shown(self) -> str:
        paths = paths_of(self.view)
        assert paths == paths_of(self.view[index] for index in range(len(self.view)))
        assert [self.view.index(flow) for flow in self.view] == list(range(len(self.view)))
        return paths

    @property
    def focus(self) -> str:
        return paths_of([self.view.focus] if self.view.focus is not None else [])


def paths_of(flows: Iterable[Flow]) -> str:
    return " ".join(flow.request.path for flow in flows if isinstance(flow, HttpFlow))


@pytest.fixture
def scene() -> Scene:
    return Scene()


# --- order


def test_flows_are_shown_by_time_first(scene: Scene) -> None:
    scene.add("a", "b", "c")
    assert scene.shown == "a b c"
    late = http_flow("z", at=1.5)
    scene.store.add(late)
    scene.store.flush()
    assert scene.shown == "a z b c"
    scene.view.set_order("time", is_reversed=True)
    assert scene.shown == "c b z a"
    assert paths_of(scene.view[1:3]) == "b z"
    assert paths_of([scene.view[-1]]) == "a"
    with pytest.raises(IndexError):
        scene.view[4]


def test_every_order_sorts_every_kind_of_flow(scene: Scene) -> None:
    done = http_flow("/b", method="POST", host="b.example", status=404, at=3.0)
    assert done.response is not None
    done.response.body = MemoryBody(b"123")
    done.response.headers.add("Content-Type", "Text/HTML; charset=utf-8")
    done.response.timestamp_end = 3.5
    failed = http_flow("/a", host="A.example", at=1.0)
    failed.error, failed.ended_at = FlowError("refused", 1.0), 1.0
    pending = http_flow("/c", method="PUT", host="c.example", at=2.0, is_live=True)
    raw = TcpFlow(0, created_at=0.5, ended_at=9.0, byte_count=50)
    for flow in (done, failed, pending, raw):
        scene.store.add(flow)
    scene.store.flush()
    names = {done: "done", failed: "failed", pending: "pending", raw: "raw"}
    expected = {
        "time": "raw failed pending done",
        "method": "failed done pending raw",
        "url": "failed done pending raw",
        "host": "raw failed done pending",
        "status": "failed pending raw done",
        "type": "failed pending raw done",
        "size": "failed pending done raw",
        "duration": "failed done raw pending",
    }
    assert expected.keys() == ORDERS.keys()
    for order, rows in expected.items():
        scene.view.set_order(order)
        assert " ".join(names[flow] for flow in scene.view) == rows, order  # type: ignore[index]


def test_an_order_that_is_none_is_said(scene: Scene) -> None:
    with pytest.raises(UserError, match="time, method, url"):
        scene.view.set_order("colour")


def test_a_flow_moves_when_its_key_changes(scene: Scene) -> None:
    a, b, c = scene.add("a", "b", "c")
    scene.view.set_order("url")
    b.request.path = "d"
    scene.touch(b)
    assert scene.shown == "a c d"
    scene.view.set_order("status")
    for status, flow in ((500, a), (200, b), (404, c)):
        flow.response = Response(status)
    scene.touch(a, b, c)
    assert scene.shown == "d c a"


def test_equal_keys_stand_in_order_of_arrival(scene: Scene) -> None:
    scene.add("a", "b", "c")
    scene.view.set_order("method")
    assert scene.shown == "a b c"
    scene.view.set_order("method", is_reversed=True)
    assert scene.shown == "c b a"


# --- filter


def test_only_what_matches_is_shown(scene: Scene) -> None:
    a, *_ = scene.add("a1", "b1", "a2")
    scene.view.set_filter(parse("~u a"))
    assert scene.shown == "a1 a2"
    assert paths_of(scene.view.hidden()) == "b1"
    scene.add("b2", "a3")
    assert scene.shown == "a1 a2 a3"
    a.request.path = "b"
    scene.touch(a)
    assert scene.shown == "a2 a3"
    assert scene.view.index(a) is None
    scene.view.set_filter(None)
    assert scene.shown == "b b1 a2 b2 a3"


def test_marked_only_applies_to_what_arrives_and_what_is_unmarked(scene: Scene) -> None:
    a, b, _ = scene.add("a", "b", "c")
    a.marker = b.marker = "default"
    scene.touch(a, b)
    scene.view.show_marked_only = True
    assert scene.shown == "a b"
    scene.add("d")
    assert scene.shown == "a b"
    a.marker = ""
    scene.touch(a)
    assert scene.shown == "b"
    scene.view.set_filter(parse("~u nothing"))
    assert scene.shown == ""
    scene.view.set_filter(None)
    scene.view.show_marked_only = False
    assert scene.shown == "a b c d"


def test_a_filter_on_bodies_is_asked_when_a_flow_ends_not_for_each_piece(scene: Scene) -> None:
    scene.view.set_filter(parse("~bs needle"))
    flow = http_flow("a", status=200, is_live=True)
    assert flow.response is not None
    scene.store.record(FlowStarted(flow))
    scene.store.record(BodyData(flow, flow.response, b"needle"))
    scene.store.flush()
    assert scene.shown == "a"  # it was asked once, when the flow arrived
    other = http_flow("b", status=200, is_live=True)
    assert other.response is not None
    scene.store.record(FlowStarted(other))
    scene.store.flush()
    scene.store.record(BodyData(other, other.response, b"needle"))
    scene.store.flush()
    assert scene.shown == "a"
    other.is_live = False
    scene.store.record(FlowEnded(other))
    scene.store.flush()
    assert scene.shown == "a b"


def test_a_filter_on_bodies_is_asked_when_a_flow_is_held(scene: Scene) -> None:
    scene.view.set_filter(parse("~bs needle"))
    (flow,) = scene.add("a", status=200, is_live=True)
    assert flow.response is not None
    flow.response.body = MemoryBody(b"needle")
    scene.touch(flow)
    assert scene.shown == ""
    flow.held = HoldPoint.RESPONSE
    scene.touch(flow)
    assert scene.shown == "a"


def test_under_a_filter_on_bodies_live_flows_still_move_and_are_unmarked(scene: Scene) -> None:
    flows = scene.add("a", "b", status=200, is_live=True)
    for flow in flows:
        assert flow.response is not None
        flow.response.body, flow.marker = MemoryBody(b"needle"), "default"
    scene.view.set_filter(parse("~bs needle"))
    scene.view.set_order("url")
    flows[0].request.path = "z"
    scene.touch(*flows)
    assert scene.shown == "b z"
    scene.view.show_marked_only = True
    flows[1].marker = ""
    scene.touch(*flows)
    assert scene.shown == "z"
    flows[1].marker = "default"
    scene.touch(*flows)
    assert scene.shown == "b z"


def test_refiltering_goes_on_in_slices_between_which_flows_come_change_and_go(scene: Scene) -> None:
    flows = scene.add(*(f"a{number:02}" for number in range(50)))
    scene.is_slow = True
    scene.view.set_filter(parse("~u a & ~b ''"))
    assert scene.view.is_refiltering
    assert 0 < len(scene.view) < 20
    flows[45].request.path = "b"
    scene.remove(flows[0], flows[49])
    scene.touch(flows[45])
    scene.add("a99")
    slices = 0
    while scene.view.is_refiltering:
        assert scene.time.step()
        slices += 1
    assert slices > 3
    assert scene.shown == " ".join([f"a{number:02}" for number in range(1, 49) if number != 45] + ["a99"])
    scene.time.passes(1)
    assert scene.time.is_quiet


def test_refiltering_can_be_finished_at_once_and_started_anew(scene: Scene) -> None:
    scene.add(*(f"{'ab'[number % 2]}{number}" for number in range(100)))
    scene.is_slow = True
    scene.view.set_filter(parse("~u a"))
    assert scene.time.step()
    scene.view.set_filter(parse("~u b"))
    scene.view.finish_refiltering()
    assert not scene.view.is_refiltering
    assert len(scene.view) == 50
    assert scene.shown.startswith("b1 b3 b5")


# --- focus


def test_the_first_flow_gets_the_focus_and_keeps_it(scene: Scene) -> None:
    assert scene.view.focus is None
    scene.add("a")
    scene.add("b", "c")
    assert scene.focus == "a"
    scene.view.set_order("time", is_reversed=True)
    assert (scene.focus, scene.view.index(scene.view[2])) == ("a", 2)


def test_the_focus_moves_to_the_flow_that_takes_the_place(scene: Scene) -> None:
    a, b, c, d = scene.add("a", "b", "c", "d")
    scene.view.focus = b
    scene.remove(b)
    assert scene.focus == "c"
    scene.remove(c, d)
    assert scene.focus == "a"
    scene.remove(a)
    assert scene.view.focus is None
    scene.add("e")
    assert scene.focus == "e"


def test_the_place_is_the_one_on_the_screen(scene: Scene) -> None:
    _, b, _, d = scene.add("a", "b", "c", "d")
    scene.view.set_order("time", is_reversed=True)
    scene.view.focus = b
    scene.remove(b)
    assert scene.focus == "a"
    scene.view.focus = d
    scene.remove(d)
    assert scene.focus == "c"


def test_the_focus_survives_a_filter_that_shows_it_and_leaves_for_a_neighbour_otherwise(scene: Scene) -> None:
    _, _, focus, *_ = scene.add("a1", "b1", "a2", "b2", "a3")
    scene.view.focus = focus
    scene.view.set_filter(parse("~u a"))
    assert scene.focus == "a2"
    scene.view.set_filter(parse("~u b"))
    assert scene.focus == "b2"
    scene.view.set_filter(None)
    assert scene.focus == "b2"
    scene.view.set_filter(parse("~u nothing"))
    assert scene.view.focus is None
    scene.view.set_filter(None)
    assert scene.focus == "b2"


def test_while_refiltering_the_focus_is_something_that_is_shown(scene: Scene) -> None:
    flows = scene.add(*(f"{'ab'[number % 2]}{number:02}" for number in range(60)))
    scene.view.focus = flows[40]
    scene.is_slow = True
    scene.view.set_filter(parse("~u b"))
    while scene.view.is_refiltering:
        assert scene.view.focus is None if not len(scene.view) else scene.view.focus in scene.view
        assert scene.time.step()
    assert scene.focus == "b41"


def test_a_flow_that_stops_matching_takes_the_focus_nowhere_else_but_next(scene: Scene) -> None:
    a, _ = scene.add("a1", "a2")
    scene.view.set_filter(parse("~u a"))
    a.request.path = "b"
    scene.touch(a)
    assert scene.focus == "a2"
    a.request.path = "a"
    scene.touch(a)
    assert scene.focus == "a2"


def test_what_is_not_shown_cannot_have_the_focus(scene: Scene) -> None:
    a, b = scene.add("a", "b")
    scene.view.set_filter(parse("~u a"))
    scene.view.focus = b
    assert scene.focus == "a"
    scene.view.focus = a
    scene.view.focus = None
    assert scene.focus == "a"


def test_following_goes_to_what_arrives_and_is_shown_not_to_what_changes(scene: Scene) -> None:
    a, b = scene.add("a1", "a2")
    scene.view.focus_follow = True
    assert scene.focus == "a2"
    scene.view.set_order("url", is_reversed=True)
    scene.view.set_filter(parse("~u a"))
    scene.add("a0")
    assert scene.focus == "a0"
    scene.add("b")
    assert scene.focus == "a0"
    scene.view.focus = a
    b.request.path = "a7"
    scene.touch(b)
    assert scene.focus == "a1"
    scene.view.focus_follow = False
    scene.add("a9")
    assert scene.focus == "a1"


# --- being told


def test_callbacks_run_once_for_a_batch(scene: Scene) -> None:
    scene.add("a", "b", "c")
    assert scene.changes == 1
    scene.view.set_filter(parse("a"))
    scene.view.set_order("url")
    assert scene.changes == 3


def test_a_view_that_comes_late_shows_what_there_is(scene: Scene) -> None:
    scene.store.add(http_flow("a"))  # not told yet
    view = View(scene.store)
    assert paths_of(view) == "a"
    scene.store.flush()
    assert paths_of(view) == "a"


def test_what_goes_before_its_batch_was_told_is_not_left_in_rows_that_were_made_anew(scene: Scene) -> None:
    gone = http_flow("a")
    scene.store.add(gone)  # not told yet
    scene.view.set_filter(parse("~u a"))
    assert paths_of(scene.view) == "a"
    scene.store.remove([gone])
    scene.store.flush()
    assert len(scene.view) == 0 and paths_of(scene.view) == ""


@pytest.mark.parametrize("order", ["time", "url", "size"])
def test_big_batches_and_small_ones_end_up_the_same(scene: Scene, order: str) -> None:
    scene.view.set_order(order)
    flows: list[HttpFlow] = []
    for batch in (200, 1, 3, 150, 2):
        flows += scene.add(*(f"/{(number * 7_919) % 1_009}" for number in range(batch)))
    for gone in (flows[::2], flows[1:4]):
        scene.remove(*gone)
    left = [flow for flow in flows if flow in scene.store]
    assert list(scene.view) == sorted(left, key=lambda flow: (ORDERS[order](flow), flow.id))
    assert len(left) == 176


# --- long lists


def test_an_order_is_made_in_slices_and_shown_when_it_is_whole(scene: Scene) -> None:
    scene.add(*"dbca" * 2000)
    scene.is_slow = True
    before = scene.shown
    scene.view.set_order("url")
    assert scene.view.is_reordering
    assert scene.shown == before
    late = scene.add("e", "a")
    scene.remove(late[0], scene.view[0])
    slices = 0
    while scene.view.is_reordering:
        assert scene.shown.startswith("b c a")
        assert scene.time.step()
        slices += 1
    assert slices > 1
    assert scene.shown == " ".join("a" * 2001 + "b" * 2000 + "c" * 2000 + "d" * 1999)
    assert scene.view.order == "url"


def test_an_order_that_was_left_again_changes_nothing(scene: Scene) -> None:
    scene.add(*"dbca" * 1000)
    scene.is_slow = True
    before = scene.shown
    scene.view.set_order("url")
    scene.view.set_order("time")
    assert not scene.view.is_reordering
    scene.time.passes(1.0)
    assert scene.shown == before


def test_whoever_needs_all_of_it_gets_the_order_that_was_asked_for(scene: Scene) -> None:
    scene.add(*"dbca" * 1000)
    scene.is_slow = True
    scene.view.set_order("url")
    scene.view.finish_refiltering()
    assert not scene.view.is_reordering
    assert scene.shown.startswith("a a a")


class Counted(str):
    """A key that counts how often keys are compared."""

    __slots__ = ()
    compared = 0

    def __lt__(self, other: str) -> bool:
        Counted.compared += 1
        return str.__lt__(self, other)

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_batch_in_a_long_list_costs_what_its_own_flows_cost() -> None:
    paths = [f"{number * 7919 % 10_000:05}" for number in range(10_000)]
    rows = SortedRows(lambda flow_id: Counted(paths[flow_id]))
    rows.bring_in_line((flow_id, True) for flow_id in range(9960))
    Counted.compared = 0
    rows.bring_in_line((flow_id, True) for flow_id in range(9960, 10_000))
    assert Counted.compared < 40 * 25, "forty flows, each found its place among ten thousand"
    rows.remove(range(40))
    assert [paths[flow_id] for flow_id in rows] == sorted(paths[40:])


# --- following


def test_the_focus_follows_until_it_is_moved_away(scene: Scene) -> None:
    a, b = scene.add("a", "b")
    scene.view.focus_follow = True
    assert scene.focus == "b"
    scene.view.focus = a
    assert scene.view.is_follow_paused
    scene.add("c")
    assert scene.focus == "a"
    scene.view.focus = b
    scene.add("d")
    assert scene.focus == "b"
    scene.view.focus = scene.view[-1]
    assert not scene.view.is_follow_paused
    scene.add("e")
    assert scene.focus == "e"


def test_following_goes_on_when_it_is_switched_on_again_or_all_is_cleared(scene: Scene) -> None:
    flows = scene.add("a", "b")
    scene.view.focus_follow = True
    scene.view.pause_following()
    scene.add("c")
    assert scene.focus == "b"
    scene.view.focus_follow = True
    assert scene.focus == "c"
    scene.view.focus = flows[0]
    scene.remove(*scene.store)
    scene.add("d")
    scene.add("e")
    assert scene.focus == "e"


def test_the_newest_is_found_after_it_was_removed_or_filtered_away(scene: Scene) -> None:
    a, b, c = scene.add("a", "b", "c")
    scene.view.focus_follow = True
    scene.remove(c)
    scene.view.focus = b
    assert not scene.view.is_follow_paused
    scene.view.set_filter(parse("~u a"))
    scene.view.focus = a
    assert not scene.view.is_follow_paused
    scene.view.set_filter(None)
    scene.view.focus = a
    assert scene.view.is_follow_paused
