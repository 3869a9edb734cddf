"""Work of the console in a thread beside the event loop, which the proxy hardly feels.

Python runs one thread at a time. One that computes gives way when another has asked for as long as the switch interval, five
milliseconds by default; each time the proxy has something to do it would wait that long. While there is work here the interval
is a hundredth of that. The threads are daemons: a parked or stuck one does not keep the program from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

_COURTEOUS_SECONDS: Final = 0.00005
_SHORTEST_SECONDS: Final = 0.001
_LONGEST_REST_SECONDS: Final = 0.05

T = TypeVar("T")


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


_COURTESY: Final = _Courtesy()


class Pace:
    """For work that takes seconds: it computes a third of the time and rests the others, so that most of what the proxy has to do
    finds nobody in its way."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def rest(self) -> None:
        """Called every millisecond or so of work, in the worker."""
        worked = time.monotonic() - self._since
        if worked >= _SHORTEST_SECONDS:
            time.sleep(min(worked * 2, _LONGEST_REST_SECONDS))
            self._since = time.monotonic()


async def in_worker(work: Callable[[], T]) -> T:
    """What `work` returns or raises. If the waiter is cancelled the work goes on, and nobody hears of it."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def deliver(set_result: Callable[[], None]) -> None:
        if not result.done():
            set_result()

    def run() -> None:
        try:
            with _COURTESY:
                value = work()
        except BaseException as error:
            failure = error
            _tell(loop, lambda: deliver(lambda: result.set_exception(failure)))
        else:
            _tell(loop, lambda: deliver(lambda: result.set_result(value)))

    threading.Thread(target=run, name="console work", daemon=True).start()
    return await result


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the program has ended meanwhile
        loop.call_soon_threadsafe(callback)
