"""When Python's collector walks over everything: after so many connections have ended, and seldom enough.

What a connection leaves behind refers to itself in circles (its stack, its pipes), and has lived too long for the quick
collections. Python's own rule for the whole walk waits until a quarter of all that is alive is new: on a proxy that keeps its
flows that would be hours of ended connections. So they are counted: at a thousand, or a twentieth of the flows that are kept,
the collector runs, when the loop has done what else there is, and no more than a hundredth of the time.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

LEAST: Final = 1_000
"""Ended connections; what each leaves is some ten kilobytes."""
FLOWS_PER_CONNECTION: Final = 20
REST: Final = 100
"""Times as long as the last walk took, nothing is walked over again."""


class Garbage:
    """`soon` calls what it is given when the loop comes to it; `kept` is how many flows there are."""

    def __init__(
        self,
        soon: Callable[[Callable[[], None]], object],
        kept: Callable[[], int],
        collect: Callable[[], object] = gc.collect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._soon, self._kept, self._collect, self._clock = soon, kept, collect, clock
        self._ended = 0
        self._not_before = 0.0
        self._is_called_soon = False

    def connection_ended(self) -> None:
        self._ended += 1
        if self._ended < LEAST or self._is_called_soon or self._clock() < self._not_before:
            return
        if self._ended >= self._kept() // FLOWS_PER_CONNECTION:
            self._is_called_soon = True
            self._soon(self._walk)

    def _walk(self) -> None:
        begin = self._clock()
        self._collect()
        now = self._clock()
        self._not_before = now + REST * (now - begin)
        self._ended, self._is_called_soon = 0, False
