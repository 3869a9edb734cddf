"""Offset, sixteen bytes, the same as ASCII. A line is read when it is looked at, so any size will do, also of a spool file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from interceptor.contentviews.rendered import LazyLines, Line, Rendered
from interceptor.specs.errors import UserError

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


def hex_text(body: bytes) -> str:
    """The dump as it is edited: `|` stands between the bytes and what they are as ASCII."""
    rows = HexLines(lambda start, count: body[start : start + count], len(body))
    return "".join(f"{offset[1]}{digits[1]}| {glyphs[1]}\n" for offset, digits, glyphs in rows)


def read_hex(text: str) -> bytes:
    """The bytes of an edited dump. Offsets and what stands behind `|` do not matter. UserError with the line of a mistake."""
    output = bytearray()
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("|")[0].split()
        if words and len(words[0]) >= 8 and (len(words) > 1 or "|" in line):
            del words[0]
        for word in words:
            try:
                output += bytes.fromhex(word)
            except ValueError:
                wrong = f"two hexadecimal digits for each byte expected, but there is {word[:20]!r}"
                raise UserError(f"line {number}: {wrong}.") from None
    return bytes(output)
