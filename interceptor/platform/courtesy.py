"""Threads that work beside the event loop, such that the proxy hardly feels them.

Python runs one thread at a time. One that computes gives way when another has asked for as long as the switch interval, five
milliseconds by default; each time the proxy has something to do it would wait that long. While somebody works here the interval
is a hundredth of that.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Final

_COURTEOUS_SECONDS: Final = 0.00005
_SHORTEST_SECONDS: Final = 0.001
_LONGEST_REST_SECONDS: Final = 0.05


class _Courtesy:
    """The switch interval is the process's, so there is one of these."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._usual = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._count:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(_COURTEOUS_SECONDS)
            self._count += 1

    def __exit__(self, *failure: object) -> None:
        with self._lock:
            self._count -= 1
            if not self._count:
                sys.setswitchinterval(self._usual)


COURTESY: Final = _Courtesy()


class Pace:
    """For work that takes seconds: it computes a third of the time and rests the others, so that most of what the proxy has to do
    finds nobody in its way. `rests`: how long, for each second of work."""

    def __init__(self, rests: float = 2.0) -> None:
        self._since = time.monotonic()
        self._rests = rests

    def rest(self) -> None:
        """Called every millisecond or so of work, in the worker."""
        worked = time.monotonic() - self._since
        if worked >= _SHORTEST_SECONDS:
            time.sleep(min(worked * self._rests, _LONGEST_REST_SECONDS))
            self._since = time.monotonic()
