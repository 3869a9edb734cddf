"""The edited text of a protobuf message back into bytes; the notation is that of protobuf_view.

Lengths are counted anew from the innermost message outwards. UserError names the line of the first mistake.
"""

from __future__ import annotations

from struct import pack
from typing import Final

from interceptor.contentviews.notation import Tokens
from interceptor.contentviews.protobuf_view import CLOSE_GROUP, DEEPEST, I32, I64, LEN, OPEN_GROUP, VARINT

_MOST: Final = (1 << 64) - 1


def read_protobuf(text: str) -> bytes:
    tokens = Tokens(text)
    message = read_fields(tokens)
    if not tokens.is_at_end():
        raise tokens.mistake("the number of a field expected")
    return message


def read_fields(tokens: Tokens, depth: int = 0) -> bytes:
    """Fields up to what is none: the end, or a closing bracket."""
    if depth > DEEPEST:
        raise tokens.mistake(f"at most {DEEPEST} levels expected")
    output = bytearray()
    while True:
        if tokens.accept("rest"):
            output += read_bytes(tokens)
        elif tokens.peek().kind == "number":
            number = tokens.integer("the number of a field", 1, (1 << 29) - 1)
            tokens.expect(":")
            output += _field(tokens, number, depth)
        else:
            return bytes(output)


def read_bytes(tokens: Tokens) -> bytes:
    token = tokens.peek()
    if not isinstance(token.value, bytes):
        raise tokens.mistake("text in quotes or h'…' expected")
    tokens.take()
    return token.value


def _field(tokens: Tokens, number: int, depth: int) -> bytes:
    token = tokens.peek()
    if isinstance(token.value, bytes):
        return _sized(number, read_bytes(tokens))
    if isinstance(token.value, (int, float)):
        value = tokens.integer("a whole number (or: float 1.5, double 1.5)", -(1 << 63), _MOST)
        return _tag(number, VARINT) + varint(value)
    if tokens.accept("{"):
        message = read_fields(tokens, depth + 1)
        _close(tokens)
        return _sized(number, message)
    if tokens.accept("group"):
        tokens.expect("{")
        message = read_fields(tokens, depth + 1)
        _close(tokens)
        return _tag(number, OPEN_GROUP) + message + _tag(number, CLOSE_GROUP)
    if tokens.accept("packed"):
        return _sized(number, _packed(tokens))
    for word, wire, form in (("fixed32", I32, "<I"), ("fixed64", I64, "<Q"), ("float", I32, "<f"), ("double", I64, "<d")):
        if tokens.accept(word):
            return _tag(number, wire) + _fixed(tokens, form)
    raise tokens.mistake("a value expected: \"…\", h'…', a number, '{', packed, group, fixed32, fixed64, float or double")


def _close(tokens: Tokens) -> None:
    if not tokens.accept("}"):
        raise tokens.mistake("the number of a field or '}' expected")


def _packed(tokens: Tokens) -> bytes:
    form = next((form for word, form in (("float", "<f"), ("double", "<d")) if tokens.accept(word)), "")
    tokens.expect("[")
    output = bytearray()
    while not tokens.accept("]"):
        if form:
            output += _fixed(tokens, form)
        else:
            output += varint(tokens.integer("a number or ']'", -(1 << 63), _MOST))
    return bytes(output)


def _fixed(tokens: Tokens, form: str) -> bytes:
    if form in ("<I", "<Q"):
        return pack(form, tokens.integer("a number", 0, (1 << 32) - 1 if form == "<I" else _MOST))
    token = tokens.peek()
    if not isinstance(token.value, (int, float)):
        raise tokens.mistake("a number expected")
    try:
        encoded = pack(form, token.value)
    except OverflowError:
        raise tokens.mistake("a number of this width expected") from None
    tokens.take()
    return encoded


def varint(value: int) -> bytes:
    value &= _MOST
    output = bytearray()
    while value >= 0x80:
        output.append(value & 0x7F | 0x80)
        value >>= 7
    output.append(value)
    return bytes(output)


def _tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def _sized(number: int, content: bytes) -> bytes:
    return _tag(number, LEN) + varint(len(content)) + content
