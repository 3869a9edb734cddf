"""Requests that are sent again: a queue, and how many of them may be on their way at the same time.

    add(flows) ─▸ waiting ─ a place is free ─▸ send(flow) ─▸ running ─ it has ended, was upgraded or is held ─▸ the next

How many run is the option `client_replay_concurrency`; a held one takes no place: it waits for a person. The queue holds the
flows whose requests are to be sent, not copies: what is edited before its turn is sent as edited.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from interceptor.addons.finished import has_ended
from interceptor.model.flow import Flow, HttpFlow
from interceptor.options import Options


def why_not(flow: Flow) -> str | None:
    """Why the request of this flow cannot be sent again; None if it can."""
    if not isinstance(flow, HttpFlow):
        return "only HTTP requests can be sent again"
    if flow.request.method == "CONNECT":
        return "a CONNECT is not a request that can be sent again"
    if not flow.body_is_editable and flow.is_live:
        return "the body of this request is still on its way; send it again when it has ended"
    if flow.request.body.is_truncated:
        return "the body of this request was not kept as a whole"
    return None


class Flows(Protocol):
    """What is known of the store."""

    def subscribe(self, listener: ClientReplay, /) -> None: ...


class ClientReplay:
    """`send` sends the request of a flow and gives back the flow that comes of it."""

    def __init__(self, options: Options, store: Flows, send: Callable[[HttpFlow], HttpFlow]) -> None:
        self._options, self._send = options, send
        self._waiting: deque[HttpFlow] = deque()
        self._running: set[Flow] = set()
        self._idle: list[asyncio.Future[None]] = []
        store.subscribe(self)
        options.subscribe(self._on_options)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def count(self) -> int:
        """Those that wait for their turn, and those that are on their way."""
        return len(self._waiting) + len(self._running)

    def add(self, flows: Iterable[HttpFlow]) -> None:
        """They are sent in this order, each as a new flow."""
        self._waiting.extend(flows)
        self._go_on()

    def stop(self) -> int:
        """What waits is not sent; how many that were. What is on its way goes on."""
        count = len(self._waiting)
        self._waiting.clear()
        self._go_on()
        return count

    async def finished(self) -> None:
        """Until nothing waits and nothing is on its way."""
        if self.count:
            done = asyncio.get_running_loop().create_future()
            self._idle.append(done)
            await done

    def _on_options(self, options: Options, names: set[str]) -> None:
        if "client_replay_concurrency" in names:
            self._go_on()

    def _go_on(self) -> None:
        most = self._options.client_replay_concurrency
        while self._waiting and (most < 0 or sum(1 for flow in self._running if flow.held is None) < most):
            self._running.add(self._send(self._waiting.popleft()))
        if not self.count:
            for done in self._idle:
                if not done.done():
                    done.set_result(None)
            self._idle.clear()

    # What the store says

    def flows_added(self, flows: list[Flow]) -> None:
        self.flows_changed(flows)

    def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
        """They were sent some other time."""

    def flows_changed(self, flows: list[Flow]) -> None:
        ours = self._running.intersection(flows)
        if ours:
            self._running.difference_update([flow for flow in ours if _is_over(flow)])
            self._go_on()

    def flows_removed(self, flow_ids: Sequence[int]) -> None:
        if gone := {flow for flow in self._running if flow.id in set(flow_ids)}:
            self._running -= gone
            self._go_on()


def _is_over(flow: Flow) -> bool:
    """An upgraded one may go on for ever; the exchange is over."""
    return has_ended(flow) or (isinstance(flow, HttpFlow) and flow.is_upgraded)
