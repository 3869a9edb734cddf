"""Flows on their way into the session file: which have changed since they were written, and which are being written.

    store ─ changed(flow) ─▸ waiting ─ work(), some at a time ─▸ Session ─ its news ─▸ written, or waiting again

A flow that is here must not be let go of: what it says is nowhere else yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from interceptor.model.body import Body
from interceptor.model.flow import Flow
from interceptor.session.session import Session
from interceptor.session.stored_body import StoredBody

WORK_SECONDS: Final = 0.1
"""How often `work` is to be called while there is something to do."""
BEHIND_SECONDS: Final = 0.008
"""The same while more is waiting than is taken at once."""
_AT_ONCE: Final = 128
"""A few milliseconds' work."""


class Keeping:
    """Of one session. `on_body` is told of large bodies of flows that are in the file now."""

    def __init__(self, session: Session, on_body: Callable[[int, Body, StoredBody], None]) -> None:
        self.session = session
        self._on_body = on_body
        self._waiting: dict[int, Flow] = {}
        self._writing: dict[int, Flow] = {}

    def changed(self, flow: Flow) -> None:
        """It is to be written as it is when its turn comes."""
        self._waiting[flow.id] = flow

    def flows(self) -> list[Flow]:
        """All that are here."""
        return [*self._waiting.values(), *self._writing.values()]

    def has(self, flow_id: int) -> bool:
        return flow_id in self._waiting or flow_id in self._writing

    @property
    def has_work(self) -> bool:
        return self.session.is_written and bool(self._waiting or self._writing or self.session.has_news_to_come)

    @property
    def is_behind(self) -> bool:
        """As many again could be handed over now. Fewer wait for others: each time everybody is told first."""
        return len(self._waiting) >= _AT_ONCE and self.session.has_room

    def work(self) -> None:
        session = self.session
        news = session.poll()
        for flow_id in news.written:
            self._writing.pop(flow_id, None)
        for flow_id in news.failed:
            if (flow := self._writing.pop(flow_id, None)) is not None:
                self._waiting.setdefault(flow_id, flow)
        for flow_id, body, stored in news.bodies:
            self._on_body(flow_id, body, stored)
        if self._waiting and session.has_room:
            ids = [flow_id for flow_id, _ in zip(self._waiting, range(_AT_ONCE), strict=False)]
            flows = [self._waiting.pop(flow_id) for flow_id in ids]
            self._writing.update(zip(ids, flows, strict=True))
            session.write(flows)
        session.flush()

    def forget(self, flow_id: int) -> None:
        self._waiting.pop(flow_id, None)

    def close(self, live: Sequence[Flow]) -> int:
        """Writes what there is, those that still run as they are. How many flows could not be written."""
        session = self.session
        if session.is_written:
            last = {**{flow.id: flow for flow in live}, **self._waiting}
            if session.failure:
                last.update(self._writing)
            self._writing.update(last)
            return len(session.close(list(last.values())))
        session.close()
        return 0
