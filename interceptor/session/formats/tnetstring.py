"""Tagged netstrings: `length:payload` and a letter that says what the payload is. The notation of mitmproxy's flow files.

    5:hello,   bytes      5:hello;  text (UTF-8)      2:42#  integer      3:0.5^  float
    4:true!    boolean    0:~       nothing           13:1:a,5:hello,]  list      …}  dict: keys and values in turn

Reading takes one value after another from a stream and holds one at a time. What is read may be hostile or cut off: lengths
are checked before they are believed, nesting and size are bounded, and `Malformed` says at which byte it went wrong.
Writing takes bodies as handles and copies them piece by piece, so that a large one is never in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from interceptor.model.body import Body

LARGEST: Final = 2 << 30
"""Bytes of one value at the top, that is of one flow with its bodies."""
DEEPEST: Final = 40
_LENGTH_DIGITS: Final = 12
_NUMBER_DIGITS: Final = 40  # a float needs 24 at most, and conversion of very many digits takes its time
_STEP: Final = 1 << 20


class Malformed(ValueError):
    """Not a tagged netstring, from byte `offset` of the stream on."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Streamed:
    """The bytes of a body, to be written as one string of bytes. Its size is what it is when writing begins."""

    body: Body


# ---- reading


def read_values(stream: BinaryIO, largest: int = LARGEST) -> Iterator[tuple[int, object]]:
    """Every value with the offset at which it starts, until the stream ends. Raises Malformed."""
    offset = 0
    while True:
        payload = _read_payload(stream, offset, largest)
        if payload is None:
            return
        start, content, tag = payload
        yield offset, _value(content, 0, len(content), tag, start, 0)
        offset = start + len(content) + 1


def _read_payload(stream: BinaryIO, offset: int, largest: int) -> tuple[int, bytearray, int] | None:
    digits = b""
    while (character := stream.read(1)) != b":":
        if not character and not digits:
            return None
        if not character:
            raise Malformed("the file ends within a length", offset)
        if not character.isdigit() or len(digits) == _LENGTH_DIGITS:
            raise Malformed("there is no length here", offset)
        digits += character
    if not digits:
        raise Malformed("there is no length here", offset)
    start, length = offset + len(digits) + 1, int(digits)
    if length > largest:
        raise Malformed(f"one value of {length} bytes is more than the {largest} that are read", offset)
    content = bytearray()
    while len(content) < length:  # step by step: a length may promise what the file does not hold
        piece = stream.read(min(_STEP, length - len(content)))
        if not piece:
            raise Malformed("the file ends within a value", start + len(content))
        content += piece
    tag = stream.read(1)
    if not tag:
        raise Malformed("the file ends within a value", start + length)
    return start, content, tag[0]


def _value(content: bytearray, start: int, end: int, tag: int, base: int, depth: int) -> object:
    """The value in content[start:end]; `base` is where `content` begins in the stream."""
    match tag:
        case 0x2C:  # ,
            return bytes(memoryview(content)[start:end])
        case 0x3B:  # ;
            return content[start:end].decode("utf-8", "backslashreplace")
        case 0x7D:  # }
            return _dict(content, start, end, base, depth)
        case 0x5D:  # ]
            return [item for _, item in _items(content, start, end, base, depth)]
        case _:
            return _scalar(bytes(content[start : min(end, start + _NUMBER_DIGITS + 1)]), tag, base + start)


def _scalar(text: bytes, tag: int, offset: int) -> object:
    try:
        match tag:
            case 0x23 if len(text) <= _NUMBER_DIGITS:  # #
                return int(text)
            case 0x5E if len(text) <= _NUMBER_DIGITS:  # ^
                return float(text)
            case 0x21:  # !
                return {b"true": True, b"false": False}[text]
            case 0x7E if not text:  # ~
                return None
    except (ValueError, KeyError):
        pass
    raise Malformed(f"{text[:20]!r} with the tag {chr(tag)!r} is no value", offset)


def _dict(content: bytearray, start: int, end: int, base: int, depth: int) -> dict[object, object]:
    entries: dict[object, object] = {}
    items = _items(content, start, end, base, depth)
    for offset, key in items:
        if not isinstance(key, (str, bytes, int, float)):
            raise Malformed("a key is neither text nor number", base + offset)
        entry = next(items, None)
        if entry is None:
            raise Malformed("a key has no value", base + offset)
        entries[key] = entry[1]
    return entries


def _items(content: bytearray, start: int, end: int, base: int, depth: int) -> Iterator[tuple[int, object]]:
    if depth >= DEEPEST:
        raise Malformed(f"values are nested more than {DEEPEST} deep", base + start)
    at = start
    while at < end:
        colon = content.find(b":", at, min(end, at + _LENGTH_DIGITS + 1))
        digits = content[at:colon] if colon > at else b""
        if not digits.isdigit():
            raise Malformed("there is no length here", base + at)
        last = colon + 1 + int(digits)
        if last >= end:
            raise Malformed("a value is longer than the one that it is in", base + at)
        yield at, _value(content, colon + 1, last, content[last], base, depth + 1)
        at = last + 1


# ---- writing


def write_value(stream: BinaryIO, value: object) -> None:
    """ValueError if there is something in it that the notation cannot say, or it is nested too deep; nothing is written then."""
    pieces: list[bytes | tuple[Body, int]] = []
    _append(pieces, value, 0)
    pending: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            pending.append(piece)
            continue
        stream.write(b"".join(pending))
        pending.clear()
        _copy(stream, *piece)
    stream.write(b"".join(pending))


def _append(pieces: list[bytes | tuple[Body, int]], value: object, depth: int) -> int:
    """Adds the value's pieces and says how many bytes they are."""
    if depth > DEEPEST:
        raise ValueError(f"values are nested more than {DEEPEST} deep")
    opening = len(pieces)
    pieces.append(b"")
    length, tag = _append_payload(pieces, value, depth)
    prefix = b"%d:" % length
    pieces[opening] = prefix
    pieces.append(tag)
    return len(prefix) + length + 1


def _append_payload(pieces: list[bytes | tuple[Body, int]], value: object, depth: int) -> tuple[int, bytes]:
    match value:
        case Streamed(body):
            size = body.size
            pieces.append((body, size))
            return size, b","
        case Mapping():
            return sum(_append(pieces, each, depth + 1) for pair in value.items() for each in pair), b"}"
        case str() | bytes() | bytearray() | None | bool() | int() | float():
            payload, tag = _scalar_payload(value)
            pieces.append(payload)
            return len(payload), tag
        case Sequence():
            return sum(_append(pieces, each, depth + 1) for each in value), b"]"
        case _:
            raise ValueError(f"there is no notation for {type(value).__name__}")


def _scalar_payload(value: str | bytes | bytearray | bool | int | float | None) -> tuple[bytes, bytes]:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace"), b";"
        case bytes() | bytearray():
            return bytes(value), b","
        case None:
            return b"", b"~"
        case bool():
            return (b"true" if value else b"false"), b"!"
        case int():
            return b"%d" % value, b"#"
        case _:
            return repr(float(value)).encode("ascii"), b"^"


def _copy(stream: BinaryIO, body: Body, size: int) -> None:
    at = 0
    while at < size:
        piece = body.read(at, min(_STEP, size - at))
        if not piece:
            raise OSError(f"a body of {size} bytes could only be read up to byte {at}")
        stream.write(piece)
        at += len(piece)
