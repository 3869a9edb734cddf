"""The queue of requests that are sent again, on a real store; sending makes a live flow that the test ends."""

from __future__ import annotations

import asyncio

import pytest

from interceptor.addons.client_replay import ClientReplay, why_not
from interceptor.model.body import UnkeptBody
from interceptor.model.flow import Flow, FlowError, HoldPoint, HttpFlow, TcpFlow
from interceptor.model.http import Request
from interceptor.options import Options
from interceptor.session.store import Store
from interceptor.specs.errors import UserError


class Session:
    def __init__(self, concurrency: int) -> None:
        self.options = Options(client_replay_concurrency=concurrency)
        self.store = Store(lambda delay, deed: deed())
        self.sent: list[HttpFlow] = []
        self.replays = ClientReplay(self.options, self.store, self.send)

    def send(self, flow: HttpFlow) -> HttpFlow:
        again = HttpFlow(self.store.next_id(), request=flow.request.copy(), replay_of=1, is_live=True)
        self.sent.append(again)
        self.store.add(again)
        return again

    def end(self, flow: HttpFlow) -> None:
        flow.is_live, flow.error = False, FlowError("over", 1.0)
        self.tell(flow)

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


@pytest.mark.parametrize("value", [0, -2])
def test_a_concurrency_that_means_nothing_is_refused(value: int) -> None:
    with pytest.raises(UserError, match="all at once"):
        Options(client_replay_concurrency=value)
