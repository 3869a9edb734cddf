"""Flows in ascending order of one key, found and moved quickly among a hundred thousand.

    (flow, belongs) ─▸ bring_in_line ─▸ one sorted list of (key, id, flow), with a dict beside it

Finding is O(log n). A few rows are put in and taken out one by one, which moves memory; more of them together cost one copy of
the list, whose pieces between them are copied whole. Equal keys stand in order of arrival.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from interceptor.model.flow import Flow

_FEW: Final = 8
_Row = tuple[Any, int, Flow]  # key, id, flow: the id is never equal, so flows are not compared


class SortedRows:
    def __init__(self, key_of: Callable[[Flow], Any]) -> None:
        self.key_of = key_of
        self._rows: list[_Row] = []
        self._row_of: dict[Flow, _Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, flow: object) -> bool:
        return flow in self._row_of

    def __getitem__(self, index: int) -> Flow:
        return self._rows[index][2]

    def __iter__(self) -> Iterator[Flow]:
        """As they are now, whatever is put in meanwhile."""
        return (row[2] for row in self._rows[:])

    def __reversed__(self) -> Iterator[Flow]:
        return (row[2] for row in self._rows[::-1])

    def flows(self) -> list[Flow]:
        """In no particular order: quicker than to iterate."""
        return list(self._row_of)

    def index(self, flow: Flow) -> int | None:
        """None if it is not here."""
        row = self._row_of.get(flow)
        return None if row is None else bisect_left(self._rows, row)

    def place_for(self, flow: Flow) -> int:
        """How many rows come before the place of a flow that is not here."""
        return bisect_left(self._rows, (self.key_of(flow), flow.id))

    def bring_in_line(self, judged: Iterable[tuple[Flow, bool]]) -> list[Flow]:
        """What belongs here and what does not; a key that has changed moves its flow. Returns the flows that were not here."""
        come: list[_Row] = []
        gone: list[_Row] = []
        new: list[Flow] = []
        key_of, row_of = self.key_of, self._row_of
        for flow, belongs in dict(judged).items():
            row = row_of.get(flow)
            if belongs:
                key = key_of(flow)
                if row is None:
                    new.append(flow)
                elif row[0] == key and row[1] == flow.id:
                    continue
                else:
                    gone.append(row)
                row_of[flow] = fresh = (key, flow.id, flow)
                come.append(fresh)
            elif row is not None:
                del row_of[flow]
                gone.append(row)
        self._take_out(gone)
        self._put_in(sorted(come))
        return new

    def remove(self, flows: Iterable[Flow]) -> None:
        """Those that are not here are ignored."""
        self._take_out([row for row in (self._row_of.pop(flow, None) for flow in flows) if row is not None])

    def forget(self, count: int) -> bool:
        """Of rows that nobody looks at any more: so many at most, since to free a hundred thousand takes a while. True if there
        are no more."""
        del self._rows[-count:]
        for _ in range(min(count, len(self._row_of))):
            self._row_of.popitem()
        return not self._rows and not self._row_of

    def _take_out(self, gone: list[_Row]) -> None:
        rows = self._rows
        if len(gone) <= _FEW:
            for row in gone:
                del rows[bisect_left(rows, row)]
            return
        kept: list[_Row] = []
        start = 0
        for place in sorted([bisect_left(rows, row) for row in gone]):
            kept += rows[start:place]
            start = place + 1
        kept += rows[start:]
        self._rows = kept

    def _put_in(self, come: list[_Row]) -> None:
        """`come` is sorted."""
        rows = self._rows
        if not come:
            return
        if not rows or rows[-1] < come[0]:
            rows += come
        elif len(come) <= _FEW:
            for row in come:
                insort(rows, row)
        elif len(come) * 8 > len(rows):
            rows += come
            rows.sort()
        else:
            merged: list[_Row] = []
            start = 0
            for row in come:
                place = bisect_left(rows, row, start)
                merged += rows[start:place]
                merged.append(row)
                start = place
            merged += rows[start:]
            self._rows = merged
