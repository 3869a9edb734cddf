"""Of every flow of the session what the list needs, in arrays by id: its columns, where its record is, whether it is on the list.

Ids are handed out one after the other, so the place of a flow is its id less `base`. A flow that is not on the list is still here
as long as it can be brought back.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, Final, Protocol

from interceptor.session.columns import COLUMNS, HAPPENS, Row, Words
from interceptor.specs.filter_columns import Test

_GROWS_BY: Final = 4_096
_NAMES: Final = [name for name, _ in COLUMNS]
_FLAGS: Final = _NAMES.index("flags")


class TextIndex(Protocol):
    """Which flows may have a text in a body."""

    @property
    def done(self) -> int:
        """Blocks up to that are in it; 0 if there is none."""
        ...

    def test(self, texts: Sequence[str]) -> Test | None:
        """None: nothing is known of these texts now."""
        ...

    def close(self) -> None: ...


class FlowTable:
    """`columns` are in the order of `COLUMNS`; `size` places are in use; `count` flows are on the list."""

    def __init__(self, words: Words | None = None) -> None:
        self.words = words if words is not None else Words()
        self.base = 0
        self.size = 0
        self.count = 0
        self.columns: list[array[Any]] = [array(kind) for _, kind in COLUMNS]
        self.blocks: array[int] = array("I")
        self.listed = bytearray()
        self.hidden = bytearray()
        """Taken off the list, but not forgotten."""
        self.text_index: TextIndex | None = None

    def __contains__(self, flow_id: int) -> bool:
        """Whether the flow is on the list."""
        place = flow_id - self.base
        return 0 <= place < self.size and bool(self.listed[place])

    def is_known(self, flow_id: int) -> bool:
        """Whether there is anything about it, on the list or not."""
        place = flow_id - self.base
        return 0 <= place < self.size and bool(self.listed[place] or self.hidden[place])

    def ids(self) -> Iterator[int]:
        """Of what is on the list, in order of arrival; as it is when this is called."""
        return iter(array("Q", compress(range(self.base, self.base + self.size), self.listed)))

    def block_of(self, flow_id: int) -> int:
        """Where its record was last written; 0 if nowhere yet."""
        place = flow_id - self.base
        return self.blocks[place] if 0 <= place < self.size else 0

    def set_block(self, flow_id: int, block: int) -> None:
        place = flow_id - self.base
        if 0 <= place < self.size:
            self.blocks[place] = block

    def column(self, name: str) -> array[Any]:
        """The same array as long as this table lives."""
        return self.columns[_NAMES.index(name)]

    def number_key(self, name: str) -> Callable[[int], Any]:
        """By the numbers of flows."""
        column = self.column(name)
        return lambda flow_id: column[flow_id - self.base]

    def text_key(self, name: str) -> Callable[[int], Any]:
        column, texts = self.column(name), self.words.texts
        return lambda flow_id: texts[column[flow_id - self.base]]

    def set_row(self, flow_id: int, row: Row) -> None:
        place = self._place(flow_id)
        for column, value in zip(self.columns, row, strict=True):
            column[place] = value

    def row(self, flow_id: int) -> Row:
        place = flow_id - self.base
        return tuple(column[place] for column in self.columns)

    def list(self, flow_id: int) -> bool:
        """Onto the list; False if it was there."""
        place = self._place(flow_id)
        if self.listed[place]:
            return False
        self.listed[place], self.hidden[place] = 1, 0
        self.count += 1
        return True

    def unlist(self, flow_id: int) -> bool:
        """Off the list; False if it was not on it."""
        if flow_id not in self:
            return False
        place = flow_id - self.base
        self.listed[place], self.hidden[place] = 0, 1
        self.count -= 1
        return True

    def hide(self, first: int, last: int) -> None:
        """Off the list, all from the first to the last; before `restored`."""
        start, stop = max(first - self.base, 0), min(last + 1 - self.base, self.size)
        if start < stop:
            self.hidden[start:stop] = self.listed[start:stop]
            self.listed[start:stop] = bytes(stop - start)

    def forget(self, flow_ids: Iterable[int]) -> None:
        """Nothing is known of them any more."""
        for flow_id in flow_ids:
            self.unlist(flow_id)
            place = flow_id - self.base
            if 0 <= place < self.size:
                self.hidden[place] = self.blocks[place] = 0

    def trim(self) -> None:
        """Lets go of the first places if nothing is known of many of them any more: flows come and are dropped for weeks. Call
        when everybody has been told of what was dropped."""
        count = self.listed.find(1)
        if 0 <= count < _GROWS_BY:
            return
        known = [place for place in (count, self.hidden.find(1)) if place >= 0]
        count = min(known, default=self.size)
        if count < _GROWS_BY:
            return
        for each in (*self.columns, self.blocks, self.listed, self.hidden):
            del each[:count]
        self.base += count
        self.size -= count

    def put_block(self, block: int, ids: Sequence[int], tables: Sequence[array[Any]]) -> None:
        """What a block of the file has, all of it on the list."""
        if not ids:
            return
        self._place(max(ids))
        self._place(min(ids))
        start = 0
        while start < len(ids):  # runs of ids one after the other, and most blocks are one
            stop, first = len(ids), ids[start]
            if ids[-1] - first != stop - 1 - start:
                stop = start + 1
                while stop < len(ids) and ids[stop] == first + stop - start:
                    stop += 1
            place, count = first - self.base, stop - start
            for column, table in zip(self.columns, tables, strict=True):
                column[place : place + count] = table[start:stop]
            self.blocks[place : place + count] = array("I", [block]) * count
            self.listed[place : place + count] = b"\x01" * count
            start = stop

    def restored(self) -> None:
        """After the last `put_block`: counts, and takes off flags that cannot be true any more."""
        self.count = self.listed.count(1)
        flags = self.columns[_FLAGS]
        for place in range(self.size) if any(map(HAPPENS.__and__, flags)) else ():
            flags[place] &= ~HAPPENS

    def _place(self, flow_id: int) -> int:
        """Of that flow; there is one from now on."""
        if not self.size:
            self.base = flow_id
        place = flow_id - self.base
        if place < 0:
            self._grow(-place, in_front=True)
            self.base, place = flow_id, 0
        elif place >= self.size:
            if place >= len(self.listed):
                self._grow(place + _GROWS_BY - len(self.listed), in_front=False)
            self.size = place + 1
        return place

    def _grow(self, count: int, in_front: bool) -> None:
        """In place, since filters and orders hold on to the columns."""
        at = 0 if in_front else len(self.listed)
        for column in (*self.columns, self.blocks):
            column[at:at] = array(column.typecode, bytes(column.itemsize * count))
        self.listed[at:at] = self.hidden[at:at] = bytes(count)
        if in_front:
            self.size += count
