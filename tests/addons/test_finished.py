"""Who is told of finished flows is told in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable

from interceptor.addons.finished import FinishedFlows
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.http import Request
from interceptor.model.records import FlowEnded, FlowStarted
from interceptor.session.store import Store


def test_a_flow_that_ends_while_others_come_and_go_is_told_first() -> None:
    due: list[Callable[[], None]] = []
    told: list[Flow] = []
    store = Store(lambda seconds, callback: due.append(callback))
    store.subscribe(FinishedFlows(told.extend))
    flows = [HttpFlow(number, request=Request("GET", "http", "a.test", 80, b"/"), is_live=True) for number in (1, 2, 3, 4)]

    def ends(*ended: HttpFlow) -> None:
        for flow in ended:
            flow.is_live = False
            store.record(FlowEnded(flow))

    for flow in flows[:2]:
        store.record(FlowStarted(flow))
    due.pop()()
    for flow in flows[2:]:
        store.record(FlowStarted(flow))
    ends(flows[3], flows[2], flows[1], flows[0])
    due.pop()()
    assert [flow.id for flow in told] == [1, 2, 3, 4]
