"""Whether flows are shown: asked of themselves if they are at hand, else of their columns; else of the file.

    judge_of(store, filter) ─▸ judge(flow_id)                    one at a time, as they come and change
    Sweep(store, filter) ─▸ take(count) ─▸ Swept: who belongs, and who is to be judged      all of the list, by whole arrays
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from itertools import compress
from typing import Final, NamedTuple

from interceptor.session.store import Store
from interceptor.specs.filter import Filter
from interceptor.specs.filter_columns import ASK, MARKED, YES, Test

_IS_YES: Final = bytes(each == YES for each in range(256))
_IS_ASK: Final = bytes(each == ASK for each in range(256))
_TOGETHER: Final = 1 << 16


def judge_of(store: Store, wanted: Filter | None, is_marked_only: bool = False) -> Callable[[int], bool]:
    """For the session that is open now."""
    table, at_hand, peek = store.table, store.at_hand, store.peek
    flags = table.column("flags")
    matches = wanted.matches if wanted is not None else None
    by_columns = wanted.by_columns(table).one if wanted is not None and wanted.by_columns is not None else None

    def judge(flow_id: int) -> bool:
        flow = at_hand(flow_id)
        if flow is None:
            place = flow_id - table.base
            if is_marked_only and not flags[place] & MARKED:
                return False
            if matches is None:
                return True
            if by_columns is not None and (known := by_columns(place)) is not None:
                return known
            return matches(peek(flow_id))
        return not (is_marked_only and not flow.marker) and (matches is None or matches(flow))

    return judge


class Swept(NamedTuple):
    belonging: array[int]
    unknown: array[int]
    """To be judged one by one."""


class Sweep:
    """Walks over the list once, by columns. What listeners have not been told of yet is left out: they will be."""

    def __init__(self, store: Store, wanted: Filter | None, is_marked_only: bool = False) -> None:
        self._store, self._table = store, store.table
        self._next = store.table.base
        self._test: Test | None = None
        self._is_known = wanted is None or wanted.by_columns is not None
        self._marked = is_marked_only
        if wanted is not None and wanted.by_columns is not None:
            self._test = wanted.by_columns(store.table)
        store.renew_columns()

    @property
    def is_done(self) -> bool:
        return self._next >= self._table.base + self._table.size

    def answers(self, count: int) -> bytes:
        """Of so many places: NO, ASK or YES for each. 0 for what is not on the list."""
        table = self._table
        start = max(self._next - table.base, 0)
        stop = min(start + count, table.size)
        self._next = table.base + stop
        return self._answers(start, stop)

    def take(self, count: int) -> Swept:
        """Of so many places, those that may belong."""
        table = self._table
        start = max(self._next - table.base, 0)
        answers = self.answers(count)
        stop = start + len(answers)
        ids = range(table.base + start, table.base + stop)
        belonging = array("Q", compress(ids, answers.translate(_IS_YES)))
        unknown = array("Q", compress(ids, answers.translate(_IS_ASK))) if ASK in answers else array("Q")
        untold = self._store.untold
        if untold and max(untold) >= ids.start:
            belonging = array("Q", (each for each in belonging if each not in untold))
            unknown = array("Q", (each for each in unknown if each not in untold))
        return Swept(belonging, unknown)

    def _answers(self, start: int, stop: int) -> bytes:
        """0 for what is not on the list."""
        table, count = self._table, stop - start
        answers = int.from_bytes(table.listed[start:stop], "little") * (YES if self._is_known else ASK)
        if self._marked:
            flags = table.column("flags")[start:stop]
            answers &= int.from_bytes(bytes(YES if each & MARKED else 0 for each in flags), "little")
        if self._test is not None:
            answers &= int.from_bytes(self._test.many(start, stop), "little")
        return answers.to_bytes(count, "little")


def matching_ids(store: Store, wanted: Filter | None, is_marked_only: bool = False) -> array[int]:
    """Of what is on the list, in order of arrival."""
    sweep, judge = Sweep(store, wanted, is_marked_only), judge_of(store, wanted, is_marked_only)
    found = array("Q")
    while not sweep.is_done:
        swept = sweep.take(_TOGETHER)
        asked = [flow_id for flow_id in swept.unknown if judge(flow_id)]
        found += array("Q", sorted([*swept.belonging, *asked])) if asked else swept.belonging
    late = [flow_id for flow_id in store.untold if flow_id in store.table and judge(flow_id)]
    return array("Q", sorted([*found, *late])) if late else found
