"""The entries of a HAR file one by one, however large the file is: what is in memory is the entry that is being read.

    pieces of bytes ─▸ unpacked, if packed ─▸ text, as its first bytes say ─▸ {"log": {…, "entries": [ entry, entry, … ]}}

Only the path to the entries is walked; each value on it, and each entry, is left to the standard decoder, which is tried on what
has been read so far. If that was not the whole of the value, twice as much is read before it is tried again, so a value costs in
proportion to its length. The decoder is deep as the file is deep: nesting without end is refused when it says so.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

_PIECE: Final = 1 << 18
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_LONGEST_NUMBER: Final = 400
_LONGEST_TOKEN: Final = 16
"""An error that stands further than this from the end of what has been read would be there with more of it, too."""
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_GZIP: Final = b"\x1f\x8b"
_ALWAYS_UNPACKED: Final = 1 << 26
_MOST_GAINED: Final = 250
"""JSON of many flows that are alike becomes a hundredth by packing; a bomb becomes a thousandth."""


class NotHar(ValueError):
    """`position` counts characters."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


def is_packed(beginning: bytes) -> bool:
    return beginning.startswith((*_ZLIB, _GZIP))


def entries(stream: BinaryIO, largest: int) -> Iterator[object]:
    """The values of `log.entries`, each at most `largest` characters long. NotHar where the file is not as it should be."""
    reader = _Reader(_texts(_pieces(stream)), largest)
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


# ---- bytes to text


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    first = stream.read(_PIECE)
    if not is_packed(first):
        while first:
            yield first
            first = stream.read(_PIECE)
        return
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # takes zlib's format and gzip's
    packed, unpacked = 0, 0
    while first and not unpacker.eof:
        packed += len(first)
        waiting = first
        while waiting:
            try:
                piece = unpacker.decompress(waiting, _PIECE)
            except zlib.error as error:
                raise NotHar(f"it cannot be unpacked: {error}", unpacked) from None
            unpacked += len(piece)
            if unpacked > max(_ALWAYS_UNPACKED, _MOST_GAINED * packed):
                raise NotHar(f"it is larger than {_MOST_GAINED} times its packed size, which no honest file is", unpacked)
            yield piece
            waiting = unpacker.unconsumed_tail
        first = stream.read(_PIECE)
    if not unpacker.eof:
        raise NotHar("it cannot be unpacked: it ends too early", unpacked)


def _texts(pieces: Iterable[bytes]) -> Iterator[str]:
    decoder: codecs.IncrementalDecoder | None = None
    for piece in pieces:
        if decoder is None:  # some shells write what they redirect in UTF-16
            coding = "utf-16" if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
            decoder = codecs.getincrementaldecoder(coding)("replace")
        yield decoder.decode(piece)


# ---- text to values


class _Reader:
    """Holds the text from the value that is being read to the end of the last piece."""

    def __init__(self, pieces: Iterator[str], largest: int) -> None:
        self._pieces, self._largest = pieces, largest
        self._text, self._position = "", 0
        self._dropped = 0  # characters before the text
        self._is_whole = False  # nothing follows the text
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
                raise self._error("a name in quotes is missing")
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
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._position)
            except json.JSONDecodeError as error:
                if self._is_whole or not _may_be_unfinished(error, len(self._text)):
                    raise self._error(error.msg.lower(), error.pos) from None
            except RecursionError:
                raise self._error("it is nested too deeply") from None
            except ValueError as error:
                raise self._error(str(error)) from None
            else:
                if end < len(self._text) or self._is_whole:  # else a number may go on
                    self._position = end
                    return found
            if len(self._text) - self._position > self._largest:
                raise self._error(f"one value is larger than {self._largest} characters")
            self._read(len(self._text) - self._position)

    def _read(self, count: int) -> None:
        """At least so many characters more, and one, if there are any; what lies behind is let go."""
        self._dropped += self._position
        parts = [self._text[self._position :]]
        self._position = 0
        missing = max(count, 1)
        while missing > 0:
            piece = next(self._pieces, None)
            if piece is None:
                self._is_whole = True
                break
            parts.append(piece)
            missing -= len(piece)
        self._text = "".join(parts)

    def _next(self) -> str:
        """The character after the blanks, "" at the end."""
        while True:
            match = _BLANK.match(self._text, self._position)
            assert match is not None
            self._position = match.end()
            if self._position < len(self._text) or self._is_whole:
                return self._text[self._position : self._position + 1]
            self._read(0)

    def _take(self, character: str) -> None:
        found = self._next()
        if found != character:
            what = f"{found!r} stands" if found else "it ends"
            raise self._error(f"{what} where {character!r} belongs")
        self._position += 1

    def _error(self, message: str, position: int | None = None) -> NotHar:
        return NotHar(message, self._dropped + (self._position if position is None else position))


def _may_be_unfinished(error: json.JSONDecodeError, length: int) -> bool:
    return error.msg.startswith("Unterminated string") or error.pos >= length - _LONGEST_TOKEN


def _whole(digits: str) -> int | float:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number is too long")
    return int(digits)
