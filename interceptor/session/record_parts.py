"""Byte strings behind each other, each with its length: what records in a session file are made of.

    parts ─ joined ─▸ count, lengths, contents ─▸ Parts(record) ─ next(), number(), text() ─▸ parts

Nothing in a record is believed: a count or a length that its bytes do not bear out raises `Malformed`, and no more is made of a
record than it is long.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

_COUNT: Final = struct.Struct("<I")
_IS_BIG_ENDIAN: Final = sys.byteorder == "big"


class Malformed(ValueError):
    """A record is not what it should be: the file is damaged."""


def joined(parts: Sequence[bytes]) -> bytes:
    lengths = array("I", map(len, parts))
    if _IS_BIG_ENDIAN:
        lengths.byteswap()
    return b"".join((_COUNT.pack(len(parts)), lengths.tobytes(), *parts))


class Parts:
    """The parts of a record, taken one after the other."""

    __slots__ = ("_ends", "_index", "_record")

    def __init__(self, record: bytes) -> None:
        if len(record) < 4:
            raise Malformed("a record is cut off")
        (count,) = _COUNT.unpack_from(record)
        start = 4 + 4 * count
        if start > len(record):
            raise Malformed("a record is cut off")
        lengths = array("I", record[4:start])
        if _IS_BIG_ENDIAN:
            lengths.byteswap()
        self._ends = list(accumulate(lengths, initial=start))
        if self._ends[-1] > len(record):
            raise Malformed("a record is cut off")
        self._record = record
        self._index = 0

    def next(self) -> bytes:
        index = self._index + 1
        if index >= len(self._ends):
            raise Malformed("a record ends too early")
        self._index = index
        return self._record[self._ends[index - 1] : self._ends[index]]

    def rest(self) -> list[bytes]:
        """All that follow."""
        record, ends = self._record, self._ends[self._index :]
        self._index = len(self._ends) - 1
        return [record[at:end] for at, end in pairwise(ends)]

    def of_length(self, length: int) -> list[bytes]:
        """All parts that are so long, wherever they stand."""
        record = self._record
        return [record[at:end] for at, end in pairwise(self._ends) if end - at == length]

    @property
    def is_more(self) -> bool:
        return self._index + 1 < len(self._ends)

    def text(self) -> str:
        return self.next().decode("utf-8", "surrogateescape")

    def texts(self, count: int) -> list[str]:
        """Those that `texts_bytes` put into one part."""
        found = self.text().split("\0")
        if len(found) != count:
            raise Malformed("a record has not as many texts as it should")
        return found

    def numbers(self, layout: struct.Struct) -> tuple[Any, ...]:
        """Those that a part holds."""
        try:
            return layout.unpack(self.next())
        except struct.error as error:
            raise Malformed(f"a record has a part of the wrong size: {error}") from None

    def table(self, kind: str) -> array[Any]:
        """A part that is an `array` of that kind."""
        content = self.next()
        values: array[Any] = array(kind)
        if len(content) % values.itemsize:
            raise Malformed("a table in a record has a part of an entry")
        values.frombytes(content)
        if _IS_BIG_ENDIAN:
            values.byteswap()
        return values


def table_bytes(values: array[Any]) -> bytes:
    """As `Parts.table` reads it, whatever machine reads it."""
    if _IS_BIG_ENDIAN:
        values = values[:]
        values.byteswap()
    return values.tobytes()


def texts_bytes(*texts: str) -> bytes:
    """Several short ones as one part."""
    together = "\0".join(texts)
    if together.count("\0") >= len(texts):  # no host and no method has one but somebody's joke
        together = "\0".join([text.replace("\0", "\ufffd") for text in texts])
    return together.encode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
