"""Many flows by their numbers: a sequence that fetches each when it is looked at, and keeps none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from interceptor.model.flow import Flow
from interceptor.session.store import Store


class Flows(Sequence[Flow]):
    """As of when it was made; what nothing is known of any more is left out when it is walked over."""

    def __init__(self, store: Store, ids: Sequence[int]) -> None:
        self._store = store
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Flow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Flow]: ...
    def __getitem__(self, index: int | slice) -> Flow | Sequence[Flow]:
        if isinstance(index, slice):
            return Flows(self._store, self.ids[index])
        return self._store.get(self.ids[index]) or self._store.peek(self.ids[index])

    def __iter__(self) -> Iterator[Flow]:
        return (self._store.peek(flow_id) for flow_id in self.ids if self._store.table.is_known(flow_id))

    def __contains__(self, flow: object) -> bool:
        return isinstance(flow, Flow) and flow.id in self.ids


def ids_of(flows: Iterable[Flow]) -> Sequence[int]:
    return flows.ids if isinstance(flows, Flows) else [flow.id for flow in flows]
