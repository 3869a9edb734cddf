"""Work of the console in a thread beside the event loop, which the proxy hardly feels.

The threads are daemons: a parked or stuck one does not keep the program from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from interceptor.platform.courtesy import COURTESY

T = TypeVar("T")


async def in_worker(work: Callable[[], T]) -> T:
    """What `work` returns or raises. If the waiter is cancelled the work goes on, and nobody hears of it."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def deliver(set_result: Callable[[], None]) -> None:
        if not result.done():
            set_result()

    def run() -> None:
        try:
            with COURTESY:
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
