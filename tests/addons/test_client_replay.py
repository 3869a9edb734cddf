"""The queue of requests that are sent again, on a real store; sending makes a live flow that the test ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from interceptor.addons.client_replay import ClientReplay, Outcome, Over, told, why_not
from interceptor.model.body import UnkeptBody
from interceptor.model.flow import Flow, FlowError, HoldPoint, HttpFlow, TcpFlow
from interceptor.model.http import Request
from interceptor.options import Options
from interceptor.session.store import Store
from interceptor.specs.errors import UserError


class Session:
    def __init__(self, concurrency: int, **options: object) -> None:
        self.options = Options(client_replay_concurrency=concurrency, **options)
        self.store = Store(lambda delay, deed: deed())
        self.sent: list[HttpFlow] = []
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.over: dict[HttpFlow, Over] = {}
        self.fails_at_once = False
        self.replays = ClientReplay(self.options, self.store, self.send, self.schedule, lambda: self.now)

    def schedule(self, delay: float, deed: Callable[[], None]) -> None:
        self.timers.append((self.now + delay, deed))

    def pass_time(self, seconds: float = 0.0) -> None:
        """Until then, with every timer at its time."""
        until = self.now + seconds
        while due := [timer for timer in self.timers if timer[0] <= until + 1e-9]:
            timer = min(due, key=lambda each: each[0])
            self.timers.remove(timer)
            self.now = max(self.now, timer[0])
            timer[1]()
        self.now = until

    def send(self, flow: HttpFlow, over: Over) -> HttpFlow:
        again = HttpFlow(self.store.next_id(), request=flow.request.copy(), replay_of=1, is_live=True)
        self.sent.append(again)
        self.over[again] = over
        self.store.add(again)
        if self.fails_at_once:
            again.is_live, again.error = False, FlowError("refused", 1.0)
            over(again)
        return again

    def end(self, flow: HttpFlow, error: FlowError | None = None) -> None:
        """As the driver tells of it: at once, before the store does."""
        flow.is_live, flow.ended_at, flow.error = False, 1.0, error
        self.over[flow](flow)
        self.pass_time()

    def tell(self, flow: Flow) -> None:
        self.store.touch(flow)
        self.store.flush()

    @property
    def paths(self) -> list[str]:
        return [flow.request.path for flow in self.sent]


def flows(count: int) -> list[HttpFlow]:
    return [HttpFlow(0, request=Request("GET", "http", "example.com", 80, f"/{number}".encode())) for number in range(count)]


def test_one_after_the_other() -> None:
    session = Session(1)
    session.replays.add(flows(3))
    assert (session.paths, session.replays.waiting, session.replays.count) == (["/0"], 2, 3)
    session.tell(session.sent[0])  # something came, but it has not ended
    assert session.paths == ["/0"]
    session.end(session.sent[0])
    assert session.paths == ["/0", "/1"]
    session.end(session.sent[1])
    session.end(session.sent[2])
    assert (session.paths, session.replays.count) == (["/0", "/1", "/2"], 0)


@pytest.mark.parametrize(("concurrency", "at_once"), [(2, 2), (-1, 4)])
def test_some_or_all_at_once(concurrency: int, at_once: int) -> None:
    session = Session(concurrency)
    session.replays.add(flows(4))
    assert len(session.sent) == at_once


def test_more_places_are_used_at_once() -> None:
    session = Session(1)
    session.replays.add(flows(3))
    session.options.update(client_replay_concurrency=-1)
    assert len(session.sent) == 3


def test_what_waits_can_be_called_off_and_what_runs_goes_on() -> None:
    session = Session(1)
    session.replays.add(flows(3))
    assert session.replays.stop() == 2
    assert session.replays.count == 1
    session.end(session.sent[0])
    assert (session.paths, session.replays.count) == (["/0"], 0)


def test_a_held_one_stops_nobody() -> None:
    session = Session(1)
    session.replays.add(flows(2))
    session.sent[0].held = HoldPoint.REQUEST
    session.tell(session.sent[0])
    assert session.paths == ["/0", "/1"]
    assert session.replays.count == 2


def test_one_that_was_deleted_is_waited_for_no_longer() -> None:
    session = Session(1)
    session.replays.add(flows(2))
    session.store.remove([session.sent[0]])
    session.store.flush()
    assert session.paths == ["/0", "/1"]


def test_the_end_is_told() -> None:
    async def work() -> None:
        session = Session(1)
        await session.replays.finished()  # nothing to wait for
        session.replays.add(flows(2))
        waiter = asyncio.ensure_future(session.replays.finished())
        session.end(session.sent[0])
        await asyncio.sleep(0)
        assert not waiter.done()
        session.end(session.sent[1])
        await asyncio.wait_for(waiter, 5)

    asyncio.run(work())


def test_what_cannot_be_sent_again() -> None:
    (flow,) = flows(1)
    assert why_not(flow) is None
    assert "CONNECT" in (why_not(HttpFlow(0, request=Request("CONNECT", "https", "example.com", 443, b""))) or "")
    assert "HTTP" in (why_not(TcpFlow(0)) or "")
    flow.is_live, flow.body_is_editable = True, False
    assert "still on its way" in (why_not(flow) or "")
    (flow,) = flows(1)
    flow.request.body = UnkeptBody(6)
    assert "not kept" in (why_not(flow) or "")


def test_what_the_store_alone_says_counts_too() -> None:
    """An upgraded one goes on on the wire; the exchange is over."""
    session = Session(1)
    session.replays.add(flows(2))
    session.sent[0].is_upgraded = True
    session.tell(session.sent[0])
    assert session.paths == ["/0", "/1"]


def test_rounds() -> None:
    session = Session(1)
    assert session.replays.add(flows(2), times=3) == 6
    assert (session.replays.waiting, session.replays.total) == (5, 6)
    for number in range(6):
        session.end(session.sent[number])
    assert session.paths == ["/0", "/1"] * 3
    assert (session.replays.count, session.replays.total) == (0, 6)


def test_how_often_and_how_fast_may_be_options() -> None:
    session = Session(-1, client_replay_repeat=4, client_replay_rate=2.0)
    session.replays.add(flows(1))
    assert len(session.sent) == 1
    session.pass_time(1.0)
    assert len(session.sent) == 3
    session.options.update(client_replay_rate=0.0)
    assert len(session.sent) == 4


def test_a_rate_is_kept_over_time() -> None:
    session = Session(-1)
    session.replays.add(flows(1), times=1000, rate=50)
    for _ in range(10):
        session.pass_time(1.0)
    assert 500 <= len(session.sent) <= 502
    session.replays.stop()
    session.pass_time(1.0)
    assert len(session.sent) <= 502


def test_a_pause_is_not_made_up_for() -> None:
    session = Session(1)
    session.replays.add(flows(1), times=100, rate=10)
    session.pass_time(5.0)  # the first one takes that long
    session.end(session.sent[0])
    session.end(session.sent[1])
    assert len(session.sent) <= 3
    session.pass_time(0.05)
    assert len(session.sent) <= 3


def test_very_many_are_sent_in_slices_and_are_there_once() -> None:
    session = Session(-1)
    session.replays.add(flows(1), times=1_000_000)
    assert len(session.sent) < 50, "the loop has its turn"
    for _ in range(3):
        at, deed = session.timers.pop()
        assert at == session.now
        deed()
    assert 60 < len(session.sent) < 200
    assert session.replays.stop() == 1_000_000 - len(session.sent)


def test_what_fails_before_it_began_leads_to_no_depth_without_end() -> None:
    session = Session(1)
    session.fails_at_once = True
    session.replays.add(flows(1), times=5000)
    session.pass_time()
    assert (len(session.sent), session.replays.count) == (5000, 0)


def test_what_came_of_it_is_counted() -> None:
    async def work() -> None:
        session = Session(1)
        session.replays.add(flows(1), times=3)
        waiter = asyncio.ensure_future(session.replays.finished())
        await asyncio.sleep(0)
        session.now += 1.5
        session.end(session.sent[0])
        session.end(session.sent[1], FlowError("refused", 1.0))
        session.end(session.sent[2])
        assert await waiter == Outcome(3, 1, 1.5)
        session.replays.add(flows(1))
        session.end(session.sent[3])
        assert await session.replays.finished() == Outcome(1, 0, 0.0), "counted anew"

    asyncio.run(work())


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome(1000, 3, 12.5), "1,000 requests sent again in 12.5 s, 80 a second; 3 of them failed"),
        (Outcome(1, 0, 0.25), "1 request sent again in 0.2 s"),
        (Outcome(2, 2, 600.0), "2 requests sent again in 10 minutes, 0.00333 a second; 2 of them failed"),
    ],
)
def test_what_came_of_it_in_words(outcome: Outcome, text: str) -> None:
    assert told(outcome) == text


@pytest.mark.parametrize(("times", "rate"), [(0, None), (-1, None), (None, -1.0), (None, float("nan")), (None, float("inf"))])
def test_numbers_that_mean_nothing_are_refused(times: int | None, rate: float | None) -> None:
    session = Session(1)
    with pytest.raises(UserError):
        session.replays.add(flows(1), times, rate)
    assert session.replays.count == 0


@pytest.mark.parametrize("option", [{"client_replay_repeat": 0}, {"client_replay_rate": -1.0}])
def test_options_that_mean_nothing_are_refused(option: dict[str, object]) -> None:
    with pytest.raises(UserError):
        Options(**option)


@pytest.mark.parametrize("value", [0, -2])
def test_a_concurrency_that_means_nothing_is_refused(value: int) -> None:
    with pytest.raises(UserError, match="all at once"):
        Options(client_replay_concurrency=value)
