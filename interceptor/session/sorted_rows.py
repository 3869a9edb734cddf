"""Flows in ascending order of one key, found and moved quickly among a million: their ids, some hundred bytes each.

    (id, belongs) ─▸ bring_in_line ─▸ one sorted array of ids, with the key of each beside it

Finding is O(log n). A few rows are put in and taken out one by one, which moves memory; more of them together cost one copy of
the array, whose pieces between them are copied whole. Equal keys stand in order of arrival. The key is the one that a flow had
when it was brought in line last: until then it stays where it is, whatever changes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import le
from typing import Any, Final

_FEW: Final = 8


class SortedRows:
    def __init__(self, key_of: Callable[[int], Any], order: str = "") -> None:
        """`order` is what the key is called."""
        self.key_of, self.order = key_of, order
        self._ids: array[int] = array("Q")
        self._keys: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, flow_id: object) -> bool:
        return flow_id in self._keys

    def __getitem__(self, index: int) -> int:
        return self._ids[index]

    def ids(self) -> array[int]:
        """As they are now, in order."""
        return self._ids[:]

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids[:])

    def unordered(self) -> list[int]:
        """In no particular order: quicker than to iterate."""
        return list(self._keys)

    def index(self, flow_id: int) -> int | None:
        """None if it is not here."""
        key = self._keys.get(flow_id)
        return None if key is None else self._find(key, flow_id)

    def place_for(self, flow_id: int) -> int:
        """How many rows come before the place of a flow that is not here."""
        return self._find(self.key_of(flow_id), flow_id)

    def bring_in_line(self, judged: Iterable[tuple[int, bool]]) -> list[int]:
        """What belongs here and what does not; a key that has changed moves its flow. Returns the flows that were not here."""
        come: list[tuple[Any, int]] = []
        gone: list[int] = []
        new: list[int] = []
        key_of, keys = self.key_of, self._keys
        wanted: dict[int, Any] = {}
        for flow_id, belongs in dict(judged).items():
            key = keys.get(flow_id)
            if belongs:
                fresh = key_of(flow_id)
                if key is None:
                    new.append(flow_id)
                elif key == fresh:
                    continue
                else:
                    gone.append(self._find(key, flow_id))
                wanted[flow_id] = fresh
                come.append((fresh, flow_id))
            elif key is not None:
                gone.append(self._find(key, flow_id))
                wanted[flow_id] = None
        self._take_out(gone)
        for flow_id, key in wanted.items():
            if key is None:
                del keys[flow_id]
            else:
                keys[flow_id] = key
        come.sort()
        self._put_in(come)
        return new

    def add_new(self, flow_ids: Sequence[int]) -> None:
        """Flows that are not here, in order of arrival: quicker, for many of them."""
        if not flow_ids:
            return
        fresh = list(map(self.key_of, flow_ids))
        keys, ids = self._keys, self._ids
        is_in_order = all(map(le, fresh, islice(fresh, 1, None)))
        is_behind = not ids or (keys[ids[-1]], ids[-1]) < (fresh[0], flow_ids[0])
        keys.update(zip(flow_ids, fresh, strict=True))
        if is_in_order and is_behind:
            ids.extend(flow_ids)
        else:
            self._put_in(sorted(zip(fresh, flow_ids, strict=True)))

    def remove(self, flow_ids: Iterable[int]) -> None:
        """Those that are not here are ignored."""
        gone = [flow_id for flow_id in flow_ids if flow_id in self._keys]
        self._take_out([self._find(self._keys[flow_id], flow_id) for flow_id in gone])
        for flow_id in gone:
            del self._keys[flow_id]

    def forget(self, count: int) -> bool:
        """Of rows that nobody looks at any more: so many at most, since to free a hundred thousand takes a while. True if there
        are no more."""
        del self._ids[:]
        for _ in range(min(count, len(self._keys))):
            self._keys.popitem()
        return not self._keys

    def _find(self, key: Any, flow_id: int) -> int:
        keys, ids = self._keys, self._ids
        if not ids or (keys[ids[-1]], ids[-1]) < (key, flow_id):
            return len(ids)
        return bisect_left(ids, (key, flow_id), key=lambda each: (keys[each], each))

    def _take_out(self, gone: list[int]) -> None:
        """The rows in those places."""
        if len(gone) <= _FEW:
            for place in sorted(gone, reverse=True):
                del self._ids[place]
            return
        ids, kept, start = self._ids, array("Q"), 0
        for place in sorted(gone):
            kept += ids[start:place]
            start = place + 1
        self._ids = kept + ids[start:]

    def _put_in(self, come: list[tuple[Any, int]]) -> None:
        """`come` is sorted; the keys are known already."""
        if not come:
            return
        keys, ids = self._keys, self._ids
        key, first = come[0]
        if not ids or (keys[ids[-1]], ids[-1]) < (key, first):
            ids.extend([flow_id for _, flow_id in come])
        elif len(come) <= _FEW:
            for key, flow_id in come:
                ids.insert(self._find(key, flow_id), flow_id)
        elif len(come) * 8 > len(ids):
            ids.extend([flow_id for _, flow_id in come])
            self._ids = array("Q", sorted(ids, key=lambda each: (keys[each], each)))
        else:
            merged, start = array("Q"), 0
            for key, flow_id in come:
                place = bisect_left(ids, (key, flow_id), start, key=lambda each: (keys[each], each))
                merged += ids[start:place]
                merged.append(flow_id)
                start = place
            self._ids = merged + ids[start:]
