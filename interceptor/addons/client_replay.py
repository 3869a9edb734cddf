"""Requests that are sent again: a queue, how many of them may be on their way at the same time, and how many begin in a second.

    add(flows, times, rate) ─▸ a series ─ a place is free, and it is time ─▸ send(flow, over) ─▸ running
                                             the next ◂─ it is over, was upgraded, or is held ◂─┘

How many run is the option `client_replay_concurrency`; a held one takes no place: it waits for a person. The queue holds the
flows whose requests are to be sent, not copies: what is edited before its turn is sent as edited, and a request that is to be
sent a million times is there once. At most a few begin before the loop has its turn. That one is over is said by whoever
carries it on the wire, at once; that it is held, or was taken off the list, is heard from the store, a moment later.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from interceptor.addons.finished import has_ended
from interceptor.model.flow import Flow, HttpFlow
from interceptor.options import Options
from interceptor.specs.errors import UserError

_SLICE: Final = 20
"""So many begin before the loop gets its turn."""
_CATCH_UP_SECONDS: Final = 0.1
"""What a timer rang too late by is made up for, up to this; a pause longer than that is no reason to send faster later."""

Over = Callable[[HttpFlow], None]
Send = Callable[[HttpFlow, Over], HttpFlow]
"""Sends the request of a flow and gives back the flow that comes of it; tells of that when nothing more will come of it."""
Schedule = Callable[[float, Callable[[], None]], object]
"""Calls it after so many seconds."""


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


@dataclass(slots=True)
class _Series:
    """The flows in their order, as many times as wanted."""

    flows: Sequence[HttpFlow]
    times: int
    rate: float | None  # None: as the option says
    position: int = 0

    @property
    def left(self) -> int:
        return len(self.flows) * self.times - self.position

    def take(self) -> HttpFlow:
        flow = self.flows[self.position % len(self.flows)]
        self.position += 1
        return flow


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of all that was sent since the queue was last empty."""

    sent: int
    failed: int
    seconds: float


def told(outcome: Outcome) -> str:
    """In words."""
    failed = f"; {outcome.failed} of them failed" if outcome.failed else ""
    rate = f", {outcome.sent / outcome.seconds:.3g} a second" if outcome.sent > 1 and outcome.seconds > 0 else ""
    return f"{requests(outcome.sent)} sent again in {_seconds(outcome.seconds)}{rate}{failed}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{round(seconds / 60)} minutes"


def requests(count: int) -> str:
    return f"{count:,} {'request' if count == 1 else 'requests'}"


class ClientReplay:
    """Used from the event loop's thread."""

    def __init__(
        self, options: Options, store: Flows, send: Send, schedule: Schedule, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options, self._send, self._schedule, self._clock = options, send, schedule, clock
        self._series: deque[_Series] = deque()
        self._waiting = 0
        self._running: set[Flow] = set()
        self._held: set[Flow] = set()  # those of the running that wait for a person
        self._when_over: list[Callable[[Outcome], None]] = []
        self._sent = self._failed = 0
        self._began_at = self._next_at = 0.0
        self._looks_at: float | None = None  # when `_go_on` is called next
        store.subscribe(self)
        options.subscribe(self._on_options)

    @property
    def waiting(self) -> int:
        return self._waiting

    @property
    def count(self) -> int:
        """Those that wait for their turn, and those that are on their way."""
        return self._waiting + len(self._running)

    @property
    def total(self) -> int:
        """Those, and all that were sent since there was nothing to do."""
        return self._waiting + self._sent

    def add(self, flows: Iterable[HttpFlow], times: int | None = None, rate: float | None = None) -> int:
        """They are sent in this order, each as a new flow: all once, then all once more, until that was done so many times.
        `times` and `rate`, in requests a second, are what the options say if they are None; a rate of 0 is none.
        How many requests that makes. UserError for numbers that mean nothing."""
        series = _Series(list(flows), self._options.client_replay_repeat if times is None else times, rate)
        if series.times < 1:
            raise UserError(f"{series.times} is not how many times a request can be sent")
        if rate is not None and not 0 <= rate < float("inf"):
            raise UserError(f"{rate:g} is not a number of requests a second; 0 is as fast as they go")
        if not self.count:
            self._sent = self._failed = 0
            self._began_at = self._clock()
            self._next_at = max(self._next_at, self._began_at)
        if added := series.left:
            self._series.append(series)
            self._waiting += added
        self._go_on()
        return added

    def stop(self) -> int:
        """What waits is not sent; how many that were. What is on its way goes on."""
        count = self._waiting
        self._series.clear()
        self._waiting = 0
        self._go_on()
        return count

    async def finished(self) -> Outcome:
        """When nothing waits and nothing is on its way."""
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.when_over(lambda outcome: None if done.done() else done.set_result(outcome))
        return await done

    def when_over(self, tell: Callable[[Outcome], None]) -> None:
        """Called once, when nothing waits and nothing is on its way; at once if that is so."""
        if self.count:
            self._when_over.append(tell)
        else:
            tell(self._outcome())

    def _outcome(self) -> Outcome:
        return Outcome(self._sent, self._failed, self._clock() - self._began_at if self._sent else 0.0)

    def _on_options(self, options: Options, names: set[str]) -> None:
        if names & {"client_replay_concurrency", "client_replay_rate"}:
            self._go_on()

    # --- sending ----------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        most = self._options.client_replay_concurrency
        begun = 0
        while self._series and (most < 0 or len(self._running) - len(self._held) < most):
            if begun >= _SLICE:
                self._look_again(0.0)
                break
            if (seconds := self._too_early_by()) > 0:
                self._look_again(seconds)
                break
            begun += 1
            self._begin_one()
        if not self.count:
            waiting, self._when_over = self._when_over, []
            for tell in waiting:
                tell(self._outcome())

    def _too_early_by(self) -> float:
        """Seconds until the next may begin; from then on its successor is counted."""
        series = self._series[0]
        rate = self._options.client_replay_rate if series.rate is None else series.rate
        if not rate:
            return 0.0
        now = self._clock()
        if (seconds := self._next_at - now) > 0:
            return min(seconds, 1 / rate)  # the rate may have been raised since
        self._next_at = max(self._next_at, now - _CATCH_UP_SECONDS) + 1 / rate
        return 0.0

    def _begin_one(self) -> None:
        series = self._series[0]
        flow = series.take()
        self._waiting -= 1
        self._sent += 1
        if not series.left:
            self._series.popleft()
        again = self._send(flow, self._over)
        if _is_over(again):  # it could not even begin
            self._failed += again.error is not None
            return
        self._running.add(again)
        if again.held is not None:
            self._held.add(again)

    def _look_again(self, seconds: float) -> None:
        """At the latest then; somebody may look before."""
        at = self._clock() + seconds
        if self._looks_at is None or at < self._looks_at:
            self._looks_at = at
            self._schedule(seconds, self._look)

    def _look(self) -> None:
        self._looks_at = None
        self._go_on()

    def _over(self, flow: HttpFlow) -> None:
        """Who says so is in the middle of something else: the next one begins a moment later."""
        if self._forget([flow]):
            self._look_again(0.0)

    def _forget(self, flows: Iterable[Flow]) -> bool:
        """True if one of them was on its way."""
        ours = self._running.intersection(flows)
        self._failed += sum(flow.error is not None for flow in ours)
        self._running -= ours
        self._held -= ours
        return bool(ours)

    # --- what the store says ----------------------------------------------------------------------------------

    def flows_added(self, flows: list[Flow]) -> None:
        self.flows_changed(flows)

    def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
        """They were sent some other time."""

    def flows_changed(self, flows: list[Flow]) -> None:
        ours = self._running.intersection(flows)
        if ours:
            self._forget([flow for flow in ours if _is_over(flow)])
            self._held.difference_update([flow for flow in ours if flow.held is None])
            self._held.update([flow for flow in ours if flow.held is not None and flow in self._running])
            self._go_on()

    def flows_removed(self, flow_ids: Sequence[int]) -> None:
        gone = set(flow_ids)
        if self._forget([flow for flow in self._running if flow.id in gone]):
            self._go_on()


def _is_over(flow: Flow) -> bool:
    """An upgraded one may go on for ever; the exchange is over."""
    return has_ended(flow) or (isinstance(flow, HttpFlow) and flow.is_upgraded)
