"""A body collected before anything of its message is sent on: a rule or a script wants it whole, or a person may edit it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from interceptor.model.hooks import Collect
from interceptor.model.http import Request, Response
from interceptor.proxy.core.conversation import Strand
from interceptor.proxy.core.events import TimedOut
from interceptor.proxy.layers.http.parts import Abort, Data, End

Recording = Callable[[Request | Response, bytes], bool]
"""Takes a piece of a body; False if the body is too large."""

HOLD_LIMIT: Final = 5 * 1024 * 1024  # a body up to this size is collected so that a person may edit it,
HOLD_SECONDS: Final = 3.0  # if it arrives within this time
TOO_LARGE: Final = "The body is larger than body_size_limit."


async def collect_body(
    strand: Strand[Any],
    message: Request | Response,
    size: int | None,
    collect: Collect,
    limit: int | None,
    record: Recording,
) -> End | Abort | str | None:
    """Records the body to its end, or (None) as far as `limit`, or the time of a hold, allows; an Abort if it broke, a text if it
    cannot be kept. `size` is the announced one."""
    is_hold = collect is Collect.FOR_HOLD
    if collect is Collect.STREAM or (limit is not None and size is not None and size > limit):
        return None
    deadline, taken = strand.stack.now + HOLD_SECONDS, 0
    while True:
        part = await (strand.next_item(until=deadline) if is_hold else strand.next_item())
        match part:
            case Data(data=data):
                if not record(message, data):
                    return TOO_LARGE
                if message.body.is_truncated:
                    return "The body could not be kept: the disk is full, or the spool's limit is reached."
                taken += len(data)
                if limit is not None and taken > limit:
                    return None
            case End(trailers=trailers):
                message.trailers = trailers
                return part
            case Abort():
                return part
            case TimedOut():
                return None
            case _:
                raise AssertionError("a codec gave a second head")
