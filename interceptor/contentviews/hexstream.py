"""Bytes as one stream of hexadecimal digits, to be copied and edited; blanks in it do not matter."""

from __future__ import annotations

import re
from typing import Final

from interceptor.contentviews.rendered import LazyLines, Line, Rendered
from interceptor.specs.errors import UserError

_PER_LINE: Final = 32
_WRONG: Final = re.compile(r"[^0-9a-fA-F\s]")


class _Digits(LazyLines):
    def __init__(self, body: bytes) -> None:
        self._body = body

    def __len__(self) -> int:
        return -(-len(self._body) // _PER_LINE)

    def line(self, index: int) -> Line:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return [("number", self._body[index * _PER_LINE : (index + 1) * _PER_LINE].hex())]


def show_hex_stream(body: bytes) -> Rendered:
    return Rendered("hex stream", "Hex stream", _Digits(body))


def read_hex_stream(text: str) -> bytes:
    """UserError with the line of the first character that is no digit, or if there is half a byte at the end."""
    wrong = _WRONG.search(text)
    if wrong is not None:
        line = text.count("\n", 0, wrong.start()) + 1
        raise UserError(f"line {line}: a hexadecimal digit expected, but there is {wrong[0]!r}.", wrong.start())
    digits = "".join(text.split())
    if len(digits) % 2:
        raise UserError(f"line {text.rstrip().count(chr(10)) + 1}: two digits for each byte expected, one is missing at the end.")
    return bytes.fromhex(digits)
