"""Which flows may have some texts in a body or a message, for filters: `~b`, `~bq`, `~bs`. Of one session; of the loop's thread.

    texts ─▸ candidates ─▸ Candidates.many(start, stop): ASK for those, and for all that the index does not know; else NO

An answer is good for the moment. If there are very many candidates there are none: everything is to be asked then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from interceptor.session.flow_table import FlowTable
from interceptor.session.search.index_file import (
    BINARY,
    CUT,
    OTHER_CHARSET,
    Document,
    IndexFile,
    NotOurs,
    is_long_enough,
    places_in,
)
from interceptor.session.session_file import SessionFile
from interceptor.specs.filter_columns import ASK, Answer, Test

_MOST_DOCUMENTS: Final = 4_000
_SURE_IN_BINARY: Final = 4
"""A run of so many ASCII characters is in the index even of what is binary."""


class TextIndex:
    def __init__(
        self, file: SessionFile, table: FlowTable, unwritten: Callable[[], Sequence[int]] = tuple
    ) -> None:
        """`unwritten`: flows of which the file does not tell what they are now."""
        self._file, self._table, self._unwritten = file, table, unwritten
        self._index: IndexFile | None = None

    @property
    def done(self) -> int:
        """Blocks up to that are in it; 0 if there is none."""
        index = self._opened()
        return index.done if index is not None else 0

    def test(self, texts: Sequence[str]) -> Test | None:
        """None: nothing is known of them."""
        known = [each for each in texts if is_long_enough(each)]
        index = self._opened() if known else None
        if index is None:
            return None
        is_sure_in_binary = any(each.isascii() and len(each) >= _SURE_IN_BINARY for each in known)
        try:
            documents = index.few_documents(known, _MOST_DOCUMENTS)
            partial = index.partial(CUT | OTHER_CHARSET | (0 if is_sure_in_binary else BINARY), _MOST_DOCUMENTS)
        except sqlite3.Error:
            self.close()
            return None
        if documents is None or partial is None:
            return None
        return _Candidates(self._table, index.done, [*documents, *partial], self._unwritten)

    def _opened(self) -> IndexFile | None:
        try:
            if self._index is None:
                self._index = IndexFile.to_read(self._file, self._file.path)
            else:
                self._index.refresh()
        except (sqlite3.Error, NotOurs):
            self.close()
        return self._index

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None


class _Candidates:
    """A `filter_columns.Test` that says NO or does not know."""

    def __init__(
        self, table: FlowTable, done: int, documents: Sequence[Document], unwritten: Callable[[], Sequence[int]]
    ) -> None:
        self._table, self._base, self._unwritten = table, table.base, unwritten
        self._is_indexed = range(1, done + 1).__contains__
        self._mask = bytearray(table.size)
        for place in places_in(documents, table.base, table.blocks):
            if place < len(self._mask):
                self._mask[place] = ASK

    def one(self, place: int) -> Answer:
        if place >= len(self._mask) or self._table.base != self._base or not self._is_indexed(self._table.blocks[place]):
            return None
        return None if self._mask[place] else False

    def many(self, start: int, stop: int) -> bytes:
        if stop > len(self._mask) or self._table.base != self._base:
            return bytes([ASK]) * (stop - start)
        indexed = bytes(map(self._is_indexed, self._table.blocks[start:stop]))
        unknown = int.from_bytes(indexed, "little") ^ int.from_bytes(bytes([ASK]) * (stop - start), "little")
        answers = bytearray((unknown | int.from_bytes(self._mask[start:stop], "little")).to_bytes(stop - start, "little"))
        for flow_id in self._unwritten():
            if start <= (place := flow_id - self._base) < stop:
                answers[place - start] = ASK
        return bytes(answers)
