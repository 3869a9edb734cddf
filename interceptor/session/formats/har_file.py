"""The entries of a HAR file one by one: only the path to them is walked, everything else is jumped over.

    {"log": {…, "entries": [ entry, entry, … ]}}

The standard decoder takes each value from its place in the text. It is deep as the file is deep, so nesting without end is
refused when it says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_LONGEST_NUMBER: Final = 400


class NotHar(ValueError):
    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


def entries(text: str) -> Iterator[object]:
    """The values of `log.entries`. NotHar where the text is not as it should be."""
    reader = _Reader(text)
    is_found = False
    for key in reader.members():
        if key != "log":
            reader.value()
            continue
        for inner in reader.members():
            if inner == "entries":
                is_found = True
                yield from reader.elements()
            else:
                reader.value()
    if not is_found:
        raise NotHar("log.entries is missing", 0)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._position = text, 0
        # Numbers are bounded: thousands of digits would cost more than they are worth.
        self._decoder = json.JSONDecoder(parse_int=_whole)

    def members(self) -> Iterator[str]:
        """Keys of the object that begins here; the caller takes the value of each."""
        self._take("{")
        if self._next() == "}":
            self._take("}")
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise NotHar("a name in quotes is missing", self._position)
            self._take(":")
            yield key
            if self._next() != ",":
                break
            self._take(",")
        self._take("}")

    def elements(self) -> Iterator[object]:
        self._take("[")
        if self._next() == "]":
            self._take("]")
            return
        while True:
            yield self.value()
            if self._next() != ",":
                break
            self._take(",")
        self._take("]")

    def value(self) -> object:
        self._next()
        try:
            found, self._position = self._decoder.raw_decode(self._text, self._position)
        except json.JSONDecodeError as error:
            raise NotHar(error.msg.lower(), error.pos) from None
        except RecursionError:
            raise NotHar("it is nested too deeply", self._position) from None
        except ValueError as error:
            raise NotHar(str(error), self._position) from None
        return found

    def _next(self) -> str:
        """The character after the blanks, "" at the end."""
        match = _BLANK.match(self._text, self._position)
        assert match is not None
        self._position = match.end()
        return self._text[self._position : self._position + 1]

    def _take(self, character: str) -> None:
        found = self._next()
        if found != character:
            what = f"{found!r} stands" if found else "it ends"
            raise NotHar(f"{what} where {character!r} belongs", self._position)
        self._position += 1


def _whole(digits: str) -> int | float:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number is too long")
    return int(digits)
