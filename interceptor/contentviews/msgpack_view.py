"""MessagePack, and back again (the format's specification at github.com/msgpack/msgpack/blob/master/spec.md).

Read by our own code rather than by a library: nothing is converted, so duplicate keys, keys of any type, the width of floats and
bytes that are not UTF-8 are shown as they were sent, nothing is allocated for what a length claims, and it can be called off.
Extensions are `ext type h'…'`; a float of 32 bits is `float32(1.5)`. Integers are written back in their shortest form.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from struct import calcsize, pack, unpack_from
from struct import error as StructError
from typing import Final

from interceptor.contentviews.item_tree import Head, ItemTree, Malformed, Shape, is_one_item
from interceptor.contentviews.notation import Tokens, float32_text, hexed, remark
from interceptor.contentviews.rendered import (
    Cancelled,
    Line,
    Rendered,
)

_DEEPEST: Final = 200
_SMALL_EXTENSION: Final = 16
_SIZED: Final = {
    # first byte → what it is, bytes of its length
    0xC4: (Shape.BYTES, 1),
    0xC5: (Shape.BYTES, 2),
    0xC6: (Shape.BYTES, 4),
    0xD9: (Shape.TEXT, 1),
    0xDA: (Shape.TEXT, 2),
    0xDB: (Shape.TEXT, 4),
    0xDC: (Shape.ARRAY, 2),
    0xDD: (Shape.ARRAY, 4),
    0xDE: (Shape.MAP, 2),
    0xDF: (Shape.MAP, 4),
}
_EXTENSIONS: Final = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_NUMBERS: Final = {first: ">" + form for first, form in enumerate("fdBHIQbhiq", 0xCA)}
_WORDS: Final = {0xC0: "null", 0xC2: "false", 0xC3: "true"}
_FIXED: Final = {**dict.fromkeys(_WORDS, 1), **{first: 1 + calcsize(form) for first, form in _NUMBERS.items()}}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def show_msgpack(body: bytes, cancelled: Cancelled) -> Rendered:
    tree = ItemTree(body, _read_head, _draw_scalar, cancelled, Rendered("msgpack", "MessagePack", ()))
    description = "MessagePack" if tree.values == 1 else f"MessagePack, {tree.values} values in a row"
    return Rendered("msgpack", f"{description}{', ' + tree.mistake if tree.mistake else ''}", tree.lines)


def is_msgpack(body: bytes) -> bool:
    """Whether all of it is one map, or one list of several things."""
    return (0x81 <= body[0] <= 0x8F or 0x92 <= body[0] <= 0x9F or 0xDC <= body[0] <= 0xDF) and is_one_item(body, _read_head)


def _read_head(body: bytes, position: int) -> Head:
    first = body[position]
    start = position + 1
    if first < 0x80 or first >= 0xE0:
        return Head(Shape.SCALAR, start, start)
    if first < 0x90:
        return Head(Shape.MAP, start, start, first & 0x0F)
    if first < 0xA0:
        return Head(Shape.ARRAY, start, start, first & 0x0F)
    if first < 0xC0:
        return Head(Shape.TEXT, start, start + (first & 0x1F))
    if first in _FIXED:
        return Head(Shape.SCALAR, start, position + _FIXED[first])
    if 0xD4 <= first <= 0xD8:
        return _extension(body, start, 1 << (first - 0xD4))
    if first in _EXTENSIONS:
        width = _EXTENSIONS[first]
        return _extension(body, start + width, int.from_bytes(_exactly(body, start, width), "big"))
    if first not in _SIZED:
        raise Malformed(f"not MessagePack: the byte {first:#04x} begins nothing")
    shape, width = _SIZED[first]
    size = int.from_bytes(_exactly(body, start, width), "big")
    start += width
    return Head(shape, start, start, size) if shape >= Shape.ARRAY else Head(shape, start, start + size)


def _extension(body: bytes, start: int, size: int) -> Head:
    if size <= _SMALL_EXTENSION:
        return Head(Shape.SCALAR, start, start + 1 + size)
    kind = int.from_bytes(_exactly(body, start, 1), "big", signed=True)
    return Head(Shape.BYTES, start + 1, start + 1 + size, label=f"ext {kind} ")


def _exactly(body: bytes, start: int, count: int) -> bytes:
    piece = body[start : start + count]
    if len(piece) < count:
        raise Malformed("the content ends too early")
    return piece


def _draw_scalar(source: bytes, position: int, head: Head) -> Line:
    first = source[position]
    if first < 0x80 or first >= 0xE0:
        return [("number", str(first if first < 0x80 else first - 0x100))]
    if first in _WORDS:
        return [("keyword", _WORDS[first])]
    if first in _NUMBERS:
        (value,) = unpack_from(_NUMBERS[first], source, position + 1)
        if first == 0xCA:
            return [("keyword", "float32"), ("punctuation", "("), ("number", float32_text(value)), ("punctuation", ")")]
        return [("number", repr(value))]
    kind = int.from_bytes(source[head.start : head.start + 1], "big", signed=True)
    content = source[head.start + 1 : min(head.end, len(source))]
    line: Line = [("keyword", f"ext {kind} "), *hexed(content)]
    return [*line, *_time(content)] if kind == -1 else line


def _time(content: bytes) -> Line:
    """A timestamp, extension type -1, as a remark."""
    try:
        if len(content) == 4:
            seconds, nanoseconds = unpack_from(">I", content)[0], 0
        elif len(content) == 8:
            (both,) = unpack_from(">Q", content)
            seconds, nanoseconds = both & 0x3FFFFFFFF, both >> 34
        else:
            nanoseconds, seconds = unpack_from(">Iq", content)
        moment = _EPOCH + timedelta(seconds=seconds)
    except (StructError, OverflowError):
        return []
    return remark(f"{moment:%Y-%m-%d %H:%M:%S}.{nanoseconds:09d} UTC")


def read_msgpack(text: str) -> bytes:
    """The bytes of an edited text. UserError with the line of the first mistake."""
    tokens, output = Tokens(text), bytearray()
    while not tokens.is_at_end():
        output += _encoded(tokens, 0)
    return bytes(output)


def _encoded(tokens: Tokens, depth: int) -> bytes:
    token = tokens.peek()
    if depth > _DEEPEST:
        raise tokens.mistake(f"at most {_DEEPEST} levels expected")
    value = token.value
    if tokens.accept("rest"):
        return _bytes(tokens)
    if isinstance(value, bytes):
        tokens.take()
        return _sized(value, 0xC4) if token.kind == "bytes" else _text(value)
    if isinstance(value, float):
        tokens.take()
        return pack(">Bd", 0xCB, value)
    if isinstance(value, int):
        return _integer(tokens.integer("a number", -(1 << 63), (1 << 64) - 1))
    if tokens.accept("{"):
        count, content = 0, bytearray()
        while not tokens.accept("}"):
            content += _encoded(tokens, depth + 1)
            tokens.accept(":")
            content += _encoded(tokens, depth + 1)
            count += 1
        return _counted(count, 0x80, 0xDE) + content
    if tokens.accept("["):
        count, content = 0, bytearray()
        while not tokens.accept("]"):
            content += _encoded(tokens, depth + 1)
            count += 1
        return _counted(count, 0x90, 0xDC) + content
    for first, word in _WORDS.items():
        if tokens.accept(word):
            return bytes([first])
    if tokens.accept("float32"):
        return _float32(tokens)
    if tokens.accept("ext"):
        kind = tokens.integer("the type of the extension", -128, 127)
        return _extended(kind, _bytes(tokens))
    raise tokens.mistake("a value expected: text in quotes, h'…', a number, null, true, false, ext, '{' or '['")


def _bytes(tokens: Tokens) -> bytes:
    token = tokens.peek()
    if token.kind != "bytes" or not isinstance(token.value, bytes):
        raise tokens.mistake("bytes expected, h'…'")
    tokens.take()
    return token.value


def _float32(tokens: Tokens) -> bytes:
    tokens.expect("(")
    token = tokens.peek()
    if not isinstance(token.value, (int, float)):
        raise tokens.mistake("a number expected")
    try:
        encoded = pack(">Bf", 0xCA, token.value)
    except OverflowError:
        raise tokens.mistake("a number that fits 32 bits expected") from None
    tokens.take()
    tokens.expect(")")
    return encoded


def _integer(value: int) -> bytes:
    if -32 <= value < 128:
        return (value & 0xFF).to_bytes(1, "big")
    for first in (0xCC, 0xCD, 0xCE, 0xCF) if value >= 0 else (0xD0, 0xD1, 0xD2, 0xD3):
        width = 1 << (first & 3)
        if -(1 << (8 * width - 1)) <= value < 1 << (8 * width):
            return bytes([first]) + value.to_bytes(width, "big", signed=value < 0)
    raise AssertionError(value)


def _sized(content: bytes, first: int) -> bytes:
    width = 1 if len(content) < 1 << 8 else 2 if len(content) < 1 << 16 else 4
    return bytes([first + width // 2]) + len(content).to_bytes(width, "big") + content


def _text(content: bytes) -> bytes:
    return bytes([0xA0 | len(content)]) + content if len(content) < 32 else _sized(content, 0xD9)


def _counted(count: int, short: int, first: int) -> bytes:
    if count < 16:
        return bytes([short | count])
    return pack(">BH", first, count) if count < 1 << 16 else pack(">BI", first + 1, count)


def _extended(kind: int, content: bytes) -> bytes:
    head = pack(">b", kind)
    if len(content) in (1, 2, 4, 8, 16):
        return bytes([0xD4 + len(content).bit_length() - 1]) + head + content
    width = 1 if len(content) < 1 << 8 else 2 if len(content) < 1 << 16 else 4
    return bytes([0xC7 + width // 2]) + len(content).to_bytes(width, "big") + head + content
