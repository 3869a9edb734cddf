"""CBOR (RFC 8949) in its diagnostic notation (§8), and back again; commas between items are left out.

Read by our own code rather than by a library, for the reasons given for MessagePack; moreover a library makes objects of tagged
items (regular expressions, huge decimals), which content from the wire must not have made. Floats of 16 and 32 bits are
`1.5_1` in the RFC; here they are `float16(1.5)`, `float32(1.5)`. Integers and lengths are written back in their shortest form.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from struct import pack, unpack_from
from typing import Final

from interceptor.contentviews.item_tree import Head, ItemTree, Malformed, Shape, is_one_item
from interceptor.contentviews.notation import Tokens, float32_text, hexed, quoted, remark
from interceptor.contentviews.rendered import (
    Cancelled,
    Line,
    Rendered,
)

_DEEPEST: Final = 200
_INLINE: Final = 1000
_WORDS: Final = {20: "false", 21: "true", 22: "null", 23: "undefined"}
_FLOATS: Final = {25: (">e", "float16"), 26: (">f", "float32"), 27: (">d", "")}
_SHAPES: Final = {2: Shape.BYTES, 3: Shape.TEXT, 4: Shape.ARRAY, 5: Shape.MAP}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def show_cbor(body: bytes, cancelled: Cancelled) -> Rendered:
    tree = ItemTree(body, _read_head, _draw_scalar, cancelled, Rendered("cbor", "CBOR", ()))
    description = "CBOR" if tree.values == 1 else f"CBOR, {tree.values} values in a row"
    return Rendered("cbor", f"{description}{', ' + tree.mistake if tree.mistake else ''}", tree.lines)


def is_cbor(body: bytes) -> bool:
    """Whether all of it is one map, or marked as CBOR (RFC 8949 §3.4.6)."""
    return (0xA1 <= body[0] <= 0xBB or body[0] == 0xBF or body.startswith(b"\xd9\xd9\xf7")) and is_one_item(body, _read_head)


def _argument(body: bytes, position: int) -> tuple[int, int, int]:
    """Additional information, argument (-1: indefinite), end of the head."""
    information = body[position] & 0x1F
    position += 1
    if information < 24:
        return information, information, position
    if information == 31:
        return information, -1, position
    if information > 27:
        raise Malformed(f"not CBOR: the byte {body[position - 1]:#04x} begins nothing")
    end = position + (1 << (information - 24))
    if end > len(body):
        raise Malformed("the content ends too early")
    return information, int.from_bytes(body[position:end], "big"), end


def _read_head(body: bytes, position: int) -> Head:
    major = body[position] >> 5
    _, argument, end = _argument(body, position)
    if major == 7:
        return Head(Shape.BREAK if argument < 0 else Shape.SCALAR, end, end)
    if major in (2, 3):
        if argument < 0:
            return Head(Shape.TAG, end, end, -1, "_ ")
        return Head(_SHAPES[major], end, end + argument)
    if major in (4, 5):
        return Head(_SHAPES[major], end, end, argument, "_ " if argument < 0 else "")
    if argument < 0:
        raise Malformed(f"not CBOR: the byte {body[position]:#04x} begins nothing")
    if major == 6:
        inner = _untagged(body, end)
        if inner is not None and inner.shape < Shape.ARRAY and inner.end - position <= _INLINE:
            return Head(Shape.SCALAR, end, inner.end)
        return Head(Shape.TAG, end, end, 1, f"{argument} ")
    return Head(Shape.SCALAR, end, end)


def _untagged(body: bytes, position: int) -> Head | None:
    """What a tag is about if that is simple."""
    if position < len(body) and body[position] >> 5 != 6:
        head = _read_head(body, position)
        return head if head.end <= len(body) else None
    return None


def _draw_scalar(source: bytes, position: int, head: Head) -> Line:
    major = source[position] >> 5
    information, argument, end = _argument(source, position)
    if major == 6:
        inner = _read_head(source, end)
        content = source[inner.start : inner.end]
        value = quoted(content) if inner.shape is Shape.TEXT else hexed(content) if inner.shape is Shape.BYTES else None
        line = _draw_scalar(source, end, inner) if value is None else value
        note = _time(line) if argument == 1 else []
        return [("keyword", str(argument)), ("punctuation", "("), *line, ("punctuation", ")"), *note]
    if major < 2:
        return [("number", str(argument if major == 0 else -1 - argument))]
    if information in _FLOATS:
        form, word = _FLOATS[information]
        (value_of_it,) = unpack_from(form, source, position + 1)
        if not word:
            return [("number", repr(value_of_it))]
        return [("keyword", word), ("punctuation", "("), ("number", float32_text(value_of_it)), ("punctuation", ")")]
    if argument in _WORDS:
        return [("keyword", _WORDS[argument])]
    return [("keyword", "simple"), ("punctuation", "("), ("number", str(argument)), ("punctuation", ")")]


def _time(line: Line) -> Line:
    try:
        return remark(f"{_EPOCH + timedelta(seconds=float(line[-1][1])):%Y-%m-%d %H:%M:%S} UTC")
    except (ValueError, OverflowError):
        return []


def read_cbor(text: str) -> bytes:
    """The bytes of an edited text. UserError with the line of the first mistake."""
    tokens, output = Tokens(text), bytearray()
    while not tokens.is_at_end():
        output += _encoded(tokens, 0)
    return bytes(output)


def _encoded(tokens: Tokens, depth: int) -> bytes:
    if depth > _DEEPEST:
        raise tokens.mistake(f"at most {_DEEPEST} levels expected")
    token = tokens.peek()
    value = token.value
    if isinstance(value, bytes):
        tokens.take()
        return _head(2 if token.kind == "bytes" else 3, len(value)) + value
    if isinstance(value, float):
        tokens.take()
        return pack(">Bd", 0xFB, value)
    if isinstance(value, int):
        number = tokens.integer("a number", -(1 << 64), (1 << 64) - 1)
        if not tokens.accept("("):
            return _head(0, number) if number >= 0 else _head(1, -1 - number)
        if number < 0:
            raise tokens.mistake("a tag that is not negative expected", token)
        content = _encoded(tokens, depth + 1)
        tokens.expect(")")
        return _head(6, number) + content
    if tokens.accept("_"):
        return _indefinite(tokens, depth)
    for mark, close, major in (("{", "}", 5), ("[", "]", 4)):
        if tokens.accept(mark):
            count, content = _items(tokens, close, depth, major == 5)
            return _head(major, count) + content
    return _simple(tokens)


def _items(tokens: Tokens, close: str, depth: int, is_map: bool) -> tuple[int, bytes]:
    count, content = 0, bytearray()
    while not tokens.accept(close):
        content += _encoded(tokens, depth + 1)
        if is_map:
            tokens.accept(":")
            content += _encoded(tokens, depth + 1)
        count += 1
    return count, bytes(content)


def _indefinite(tokens: Tokens, depth: int) -> bytes:
    for mark, close, first in (("{", "}", 0xBF), ("[", "]", 0x9F)):
        if tokens.accept(mark):
            return bytes([first]) + _items(tokens, close, depth, first == 0xBF)[1] + b"\xff"
    tokens.expect("(")
    is_text = tokens.peek().kind == "string"
    return (b"\x7f" if is_text else b"\x5f") + _items(tokens, ")", depth, False)[1] + b"\xff"


def _simple(tokens: Tokens) -> bytes:
    for number, word in _WORDS.items():
        if tokens.accept(word):
            return bytes([0xE0 | number])
    if tokens.accept("rest"):
        token = tokens.peek()
        if token.kind != "bytes" or not isinstance(token.value, bytes):
            raise tokens.mistake("bytes expected, h'…'")
        tokens.take()
        return token.value
    if tokens.accept("simple"):
        tokens.expect("(")
        number = tokens.integer("the number of a simple value", 0, 255)
        tokens.expect(")")
        return bytes([0xE0 | number]) if number < 24 else bytes([0xF8, number])
    for information, (form, word) in _FLOATS.items():
        if word and tokens.accept(word):
            return bytes([0xE0 | information]) + _float(tokens, form)
    raise tokens.mistake("a value expected: text in quotes, h'…', a number, null, true, false, tag(…), '{' or '['")


def _float(tokens: Tokens, form: str) -> bytes:
    tokens.expect("(")
    token = tokens.peek()
    if not isinstance(token.value, (int, float)):
        raise tokens.mistake("a number expected")
    try:
        encoded = pack(form, token.value)
    except OverflowError:
        raise tokens.mistake("a number that fits this width expected") from None
    tokens.take()
    tokens.expect(")")
    return encoded


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for information, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * width):
            return bytes([major << 5 | information]) + argument.to_bytes(width, "big")
    raise AssertionError(argument)
