"""Offset, sixteen bytes, the same as ASCII. A line is read when it is looked at, so any size will do, also of a spool file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from interceptor.contentviews.rendered import LazyLines, Line, Rendered

_WIDTH: Final = 16
_GLYPHS: Final = bytes(code if 0x20 <= code < 0x7F else ord(".") for code in range(256))


class HexLines(LazyLines):
    """`read(start, count)` gives bytes below `size`."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._digits = 8 if size <= 1 << 32 else 12

    def __len__(self) -> int:
        return -(-self._size // _WIDTH)

    def line(self, index: int) -> Line:
        if not 0 <= index < len(self):
            raise IndexError(index)
        offset = index * _WIDTH
        row = self._read(offset, min(_WIDTH, self._size - offset))
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        return [
            ("offset", f"{offset:0{self._digits}x}  "),
            ("number", f"{left:<23}  {right:<23}  "),
            ("text", row.translate(_GLYPHS).decode("ascii")),
        ]


def show_hex(body: bytes) -> Rendered:
    return Rendered("hex dump", "Hex dump", HexLines(lambda start, count: body[start : start + count], len(body)))
