"""Flows to put into a store, and a clock and a schedule that are wound by hand."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response


class Time:
    """`call_later` for tests: nothing happens until time passes."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def __call__(self) -> float:
        return self.now

    def schedule(self, delay: float, callback: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + delay, next(self._numbers), callback))

    def passes(self, seconds: float) -> int:
        """How many callbacks ran."""
        end, ran = self.now + seconds, 0
        while self._due and self._due[0][0] <= end:
            self.now, _, callback = heapq.heappop(self._due)
            callback()
            ran += 1
        self.now = end
        return ran

    def step(self) -> bool:
        """Runs the one callback that is due next, without waiting; False if none is due now."""
        if not self._due or self._due[0][0] > self.now:
            return False
        heapq.heappop(self._due)[2]()
        return True

    @property
    def is_quiet(self) -> bool:
        return not self._due


def http_flow(
    path: str = "/",
    *,
    method: str = "GET",
    host: str = "10.1.1.1",
    status: int | None = None,
    at: float = 0.0,
    is_live: bool = False,
) -> HttpFlow:
    request = Request(method, "http", host, 80, path.encode(), headers=Headers([(b"Host", host.encode())]), timestamp_start=at)
    flow = HttpFlow(0, request=request, created_at=at, is_live=is_live)
    if status is not None:
        flow.response = Response(status, b"")
    return flow
