"""Hooks that take their time in a thread.

@concurrent
def response(flow): …       this hook of this flow waits for it, nothing else does
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Final

_NOT_ABOUT_TRAFFIC: Final = frozenset(("load", "configure", "running", "done", "update"))


def concurrent(function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, None]]:
    """The same hook, run in a thread each time. TypeError if it is no hook about traffic."""
    if function.__name__ in _NOT_ABOUT_TRAFFIC:
        raise TypeError(f"@concurrent is for hooks about traffic, not for {function.__name__}")

    @functools.wraps(function)
    async def in_thread(*arguments: Any) -> None:
        await asyncio.to_thread(function, *arguments)

    return in_thread
