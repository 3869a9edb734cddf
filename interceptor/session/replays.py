"""Which flows of the list are replays of one.

A replay knows the number of what it is a replay of; the columns of the list say only that it is one. So those are looked at, the
newest first, some of which have to be read from the session file: in slices, between which the loop goes on.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from interceptor.session.store import Store
from interceptor.specs.filter_columns import SENT_AGAIN

_SLICE_SECONDS: Final = 0.005


async def replays_of(store: Store, flow_id: int, most: int = 30) -> list[int]:
    """Their numbers, the newest first, at most so many."""
    found: list[int] = []
    store.flush()  # columns are renewed with it
    table = store.table
    flags = table.column("flags")
    until = time.monotonic() + _SLICE_SECONDS
    for each in reversed(list(table.ids())):
        if each not in table or not flags[each - table.base] & SENT_AGAIN:
            continue
        if store.peek(each).replay_of == flow_id:
            found.append(each)
            if len(found) == most:
                break
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + _SLICE_SECONDS
    return found
