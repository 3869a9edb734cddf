"""Tells of each flow once, when nothing more will come of it: for those who print or save flows.

    store ─batches of added, changed, removed─▸ FinishedFlows ─▸ deliver(flows that have ended since)

A flow that is loaded from a file has ended already. A replay that is on the list but has not started has not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interceptor.model.flow import Flow, HttpFlow


class FinishedFlows:
    """A listener of the store. `deliver` is called with the flows that have ended, those of one batch in the order of their
    arrival: first those that were there before, then those that are new."""

    def __init__(self, deliver: Callable[[list[Flow]], None]) -> None:
        self._deliver = deliver
        self._running: dict[Flow, None] = {}

    @property
    def running(self) -> Sequence[Flow]:
        """Flows that have not ended yet."""
        return list(self._running)

    def flows_added(self, flows: list[Flow]) -> None:
        self._running.update(dict.fromkeys(flows))
        self._look_at(flows)

    def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
        self._running.update(dict.fromkeys(live))

    def flows_changed(self, flows: list[Flow]) -> None:
        self._look_at([flow for flow in flows if flow in self._running])

    def flows_removed(self, flow_ids: Sequence[int]) -> None:
        gone = set(flow_ids)
        for flow in [flow for flow in self._running if flow.id in gone]:
            del self._running[flow]

    def _look_at(self, flows: list[Flow]) -> None:
        ended = sorted((flow for flow in flows if has_ended(flow)), key=lambda flow: flow.id)
        for flow in ended:
            del self._running[flow]
        if ended:
            self._deliver(ended)


def has_ended(flow: Flow) -> bool:
    if flow.is_live:
        return False
    is_waiting_replay = isinstance(flow, HttpFlow) and flow.replay_of is not None and flow.response is None
    return not is_waiting_replay or flow.ended_at is not None or flow.error is not None
