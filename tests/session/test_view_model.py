"""The store and a view do, step by step, what a list comprehension says they should."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from interceptor.model.body import MemoryBody
from interceptor.model.flow import HoldPoint, HttpFlow
from interceptor.model.http import Response
from interceptor.model.records import BodyData, FlowChanged, FlowEnded, FlowStarted
from interceptor.session.orders import ORDERS
from interceptor.session.store import Store
from interceptor.session.view import SLICE_SECONDS, View
from interceptor.specs.filter import Filter, parse
from tests.session.support import Time, http_flow
from tests.support.effort import examples

FILTERS: list[Filter | None] = [None, *map(parse, ("~u a", "!~u a", "~m POST | ~c 404", "~marked", "~bs x", "~bs x & ~u b"))]
FIRST = [("a", 1, False), ("b", 2, True), ("ab", 2, False), ("c", 3, True)]
paths = st.sampled_from(["a", "b", "ab", "c"])


class StoreAndView(RuleBasedStateMachine):
    """The model is `self.listed` (what is in the store, by id) and the settings of the view; live flows under a filter on bodies
    are the one thing that depends on history, so what is expected of those is only that they stand where they should."""

    flows = Bundle("flows")
    removed = Bundle("removed")

    @initialize(target=flows, is_slow=st.booleans(), is_watched=st.booleans(), wanted=st.sampled_from(FILTERS))
    def begin(self, is_slow: bool, is_watched: bool, wanted: Filter | None) -> object:
        """`is_watched`: batches come after every step, so that each step is checked by itself."""
        self.time, self.ticks, self.is_slow, self.is_watched = Time(), 0.0, is_slow, is_watched
        self.store = Store(self.time.schedule, clock=self.time)
        self.view = View(self.store, self.clock)
        self.listed: dict[int, HttpFlow] = {}
        self.filter: Filter | None = None
        self.order, self.is_reversed, self.is_marked_only = "time", False, False
        self.set_filter(wanted)
        return multiple(*(self.arrive(path, "GET", at, is_live) for path, at, is_live in FIRST))

    def clock(self) -> float:
        self.ticks += SLICE_SECONDS / 2 if self.is_slow else 0.0
        return self.ticks

    # what happens

    @rule(target=flows, path=paths, method=st.sampled_from(["GET", "POST"]), at=st.integers(0, 3), is_live=st.booleans())
    def arrive(self, path: str, method: str, at: int, is_live: bool) -> HttpFlow:
        flow = http_flow(path, method=method, at=float(at), status=200, is_live=is_live)
        if is_live:
            self.store.record(FlowStarted(flow))
        else:
            self.store.add(flow)
        self.listed[flow.id] = flow
        return flow

    @rule(flow=flows, data=st.sampled_from([b"x", b"y"]))
    def receive(self, flow: HttpFlow, data: bytes) -> None:
        if flow.is_live and flow.response is not None:
            self.store.record(BodyData(flow, flow.response, data))

    @rule(flow=flows, status=st.sampled_from([200, 404]))
    def answer(self, flow: HttpFlow, status: int) -> None:
        if flow.is_live:
            body = flow.response.body if flow.response is not None else MemoryBody()
            flow.response = Response(status, body=body)
            self.store.record(FlowChanged(flow))

    @rule(flow=flows, at=st.integers(0, 3))
    def end(self, flow: HttpFlow, at: int) -> None:
        if flow.is_live:
            flow.is_live, flow.ended_at = False, flow.created_at + at
            self.store.record(FlowEnded(flow))

    @rule(flow=flows, marker=st.sampled_from(["", "default"]))
    def mark(self, flow: HttpFlow, marker: str) -> None:
        flow.marker = marker
        self.store.touch(flow)

    @rule(flow=flows, path=paths)
    def edit(self, flow: HttpFlow, path: str) -> None:
        flow.request.path = path
        self.store.touch(flow)

    @rule(flow=flows)
    def hold(self, flow: HttpFlow) -> None:
        if flow.is_live:
            flow.held = None if flow.held else HoldPoint.RESPONSE
            self.store.touch(flow)

    @rule(target=removed, flow=consumes(flows))
    def remove(self, flow: HttpFlow) -> HttpFlow:
        self.store.remove([flow])
        del self.listed[flow.id]
        return flow

    @rule(target=flows, flow=consumes(removed))
    def put_back(self, flow: HttpFlow) -> HttpFlow:
        self.store.add(flow)
        self.listed[flow.id] = flow
        return flow

    @rule(target=flows)
    def clear_and_undo(self) -> object:
        gone = list(self.store)
        self.store.clear()
        assert len(self.store) == 0
        assert self.store.bytes_in_memory == 0
        for flow in reversed(gone):
            self.store.add(flow)
        return multiple()

    # what the user sets

    @rule(wanted=st.sampled_from(FILTERS))
    def set_filter(self, wanted: Filter | None) -> None:
        self.filter = wanted
        self.view.set_filter(wanted)

    @rule(order=st.sampled_from(list(ORDERS)), is_reversed=st.booleans())
    def set_order(self, order: str, is_reversed: bool) -> None:
        self.order, self.is_reversed = order, is_reversed
        self.view.set_order(order, is_reversed)

    @rule(is_wanted=st.booleans())
    def show_marked_only(self, is_wanted: bool) -> None:
        self.is_marked_only = self.view.show_marked_only = is_wanted

    @rule(flow=flows)
    def focus(self, flow: HttpFlow) -> None:
        before = self.view.focus
        self.view.focus = flow
        assert self.view.focus is (flow if flow in self.view else before)

    @rule(is_following=st.booleans())
    def follow(self, is_following: bool) -> None:
        self.view.focus_follow = is_following

    @rule()
    def time_passes(self) -> None:
        self.time.passes(0.02)

    @rule(seconds=st.sampled_from([0.04, 1.0]))
    def look(self, seconds: float) -> None:
        self.time.passes(seconds)
        self.the_view_shows_what_it_should()

    @rule()
    def look_from_elsewhere(self) -> None:
        again = View(self.store)
        again.set_filter(self.filter)
        again.show_marked_only = self.is_marked_only
        again.set_order(self.order, self.is_reversed)
        again.finish_refiltering()
        self.store.unsubscribe(again)
        assert list(again) == self.ordered([flow for flow in self.listed.values() if self.is_wanted(flow)])

    # what must hold

    def is_wanted(self, flow: HttpFlow) -> bool:
        return (not self.is_marked_only or bool(flow.marker)) and (self.filter is None or self.filter.matches(flow))

    def ordered(self, flows: Sequence[HttpFlow]) -> list[HttpFlow]:
        key = ORDERS[self.order]
        return sorted(flows, key=lambda flow: (key(flow), flow.id), reverse=self.is_reversed)  # type: ignore[arg-type, return-value]

    @invariant()
    def the_store_has_what_was_put_into_it(self) -> None:
        assert list(self.store) == [self.listed[flow_id] for flow_id in sorted(self.listed)]
        assert self.store.bytes_in_memory == sum(self.store._weights.values())

    @invariant()
    def the_focus_is_shown(self) -> None:
        focus = self.view.focus
        assert focus in self.view if len(self.view) else focus is None

    @invariant()
    def rows_are_where_they_say(self) -> None:
        assert [self.view.index(flow) for flow in self.view] == list(range(len(self.view)))

    @invariant()
    def each_step_shows(self) -> None:
        if self.is_watched:
            self.look(1.0)

    def teardown(self) -> None:
        self.look(1.0)

    def the_view_shows_what_it_should(self) -> None:
        """Once time has passed."""
        assert self.time.is_quiet
        shown = list(self.view)
        assert shown == self.ordered(shown)  # type: ignore[arg-type]
        assert set(self.view.hidden()) == set(self.listed.values()) - set(shown)
        depends_on_history = self.filter is not None and self.filter.needs_body
        certain = {flow for flow in self.listed.values() if not (depends_on_history and flow.is_live and not flow.held)}
        assert set(shown) & certain == {flow for flow in certain if self.is_wanted(flow)}


StoreAndView.TestCase.settings = settings(examples(150), stateful_step_count=50)
TestStoreAndView = StoreAndView.TestCase
