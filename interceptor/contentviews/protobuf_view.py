"""Protocol buffers without their schema: the wire format (protobuf.dev/programming-guides/encoding), and back again.

    1: "text"      2: 150      3: {  ← a message         4: packed [1 2 3]      5: fixed32 7, fixed64 7, float 1.5, double 1.5
                     1: -1  }                            6: group { … }         7: h'00ff'            rest h'…'  ← no field

The wire says how long a field is, seldom what it means, so some is guessed: bytes are text, a message, packed numbers or just
bytes; eight and four bytes are a float if that makes sensible one. A wrong guess shows oddly, but is written back as the same
bytes. Varints are shown as signed 64-bit numbers. Each message is looked at once to see whether it is one, its own fields alone,
so nesting costs no more than length does; deeper than `DEEPEST`, which is all that other readers take, it stays bytes.
"""

from __future__ import annotations

import math
import re
from struct import unpack
from typing import Final

from interceptor.contentviews.notation import MORE, add_pieces, float32_text, hexed, quoted, remark
from interceptor.contentviews.rendered import (
    Cancelled,
    Line,
    NotThisView,
    Rendered,
    check,
    never,
    publish,
    text_of,
)
from interceptor.contentviews.source_lines import CONTINUED, IndexedLines

DEEPEST: Final = 100
_HIGHEST_FIELD: Final = (1 << 29) - 1
_HIGHEST_GUESSED: Final = 20_000
_CHECK_EVERY: Final = 512
_MOST_INLINE: Final = 16
_IN_A_ROW: Final = 256  # bytes of packed numbers on a line

VARINT, I64, LEN, OPEN_GROUP, CLOSE_GROUP, I32 = range(6)

# Kinds of lines
_NUMBER, _STRING, _BYTES, _MESSAGE, _GROUP, _CLOSE, _PACKED, _PACKED_OPEN, _PACKED_ROW, _PACKED_CLOSE, _REST = range(11)
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FLOATS: Final = 0x10  # packed numbers are floats
_DOUBLES: Final = 0x20


class NoField(Exception):
    """The bytes are not one."""


def read_varint(source: bytes, position: int, end: int) -> tuple[int, int]:
    """The number, modulo 2⁶⁴, and where it ends."""
    value = shift = 0
    for index in range(position, min(position + 10, end)):
        byte = source[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, index + 1
        shift += 7
    raise NoField


def _read_field(source: bytes, position: int, end: int) -> tuple[int, int, int, int]:
    """Field number, wire type, where its content begins and ends (for a group: the head)."""
    tag, start = read_varint(source, position, end)
    number, wire = tag >> 3, tag & 7
    if not 1 <= number <= _HIGHEST_FIELD:
        raise NoField
    stop = start
    if wire == VARINT:
        _, stop = read_varint(source, start, end)
    elif wire == LEN:
        size, start = read_varint(source, start, end)
        stop = start + size
    elif wire in (I64, I32):
        stop = start + (8 if wire == I64 else 4)
    elif wire > I32:
        raise NoField
    if stop > end:
        raise NoField
    return number, wire, start, stop


def show_protobuf(body: bytes, cancelled: Cancelled) -> Rendered:
    lines, rest = message_lines(body, cancelled, is_published=True)
    if rest == len(body) and body:
        raise NotThisView("not protobuf: it does not begin with a field")
    note = f", {rest} bytes at the end are no field" if rest else ""
    return Rendered("protobuf", f"Protobuf without its schema{note}", lines)


def is_protobuf(body: bytes) -> bool:
    """Whether all of it is fields, more than one, with small numbers and some text in them: other bytes hardly ever are."""
    lines, rest = message_lines(body, never)
    if rest or len(lines) < 2:
        return False
    shown = [text_of(line) for line in lines[:200]]
    numbers = [int(found[0]) for text in shown if (found := re.match(r"\d+", text))]
    return any('"' in text for text in shown) and all(number <= 1000 for number in numbers)


def message_lines(body: bytes, cancelled: Cancelled, depth: int = 0, is_published: bool = False) -> tuple[IndexedLines, int]:
    """The lines of one message, and how many bytes at its end are no fields."""
    lines = IndexedLines(body, _draw)
    if is_published:
        publish(cancelled, Rendered("protobuf", "Protobuf without its schema", lines))
    walk = _Walk(body, lines, cancelled, depth)
    position = walk.walk()
    if position < len(body):
        add_pieces(lines, body, position, len(body), depth, _REST)
    return lines, len(body) - position


class _Walk:
    def __init__(self, body: bytes, lines: IndexedLines, cancelled: Cancelled, depth: int) -> None:
        self._body, self._lines, self._cancelled, self._depth = body, lines, cancelled, depth
        self._stack: list[tuple[int, int]] = []  # where the open message ends; for a group the end around it, and its number
        self._end = len(body)

    def walk(self) -> int:
        """Adds all lines, returns where the fields end."""
        position, count = 0, 0
        good, good_lines = 0, 0
        while True:
            count += 1
            if not count % _CHECK_EVERY:
                check(self._cancelled)
            while self._stack and not self._stack[-1][1] and position == self._stack[-1][0]:
                self._leave(position)
            if not self._stack:
                good, good_lines = position, len(self._lines)
            if position >= self._end and not self._stack:
                return position
            try:
                position = self._field(position)
            except NoField:
                while len(self._lines) > good_lines:
                    self._lines.join()
                return good

    def _leave(self, position: int) -> None:
        self._stack.pop()
        self._end = self._stack[-1][0] if self._stack else len(self._body)
        self._lines.add(position, self._depth + len(self._stack), _CLOSE)

    def _field(self, position: int) -> int:
        body, lines, depth = self._body, self._lines, self._depth + len(self._stack)
        number, wire, start, stop = _read_field(body, position, self._end)
        if wire == CLOSE_GROUP:
            if not self._stack or self._stack[-1][1] != number:
                raise NoField
            # The end mark of the group belongs to the line of its bracket.
            self._stack.pop()
            self._end = self._stack[-1][0] if self._stack else len(body)
            lines.add(position, depth - 1, _CLOSE)
            return stop
        if wire == OPEN_GROUP:
            if len(self._stack) >= DEEPEST:
                raise NoField
            lines.add(position, depth, _GROUP)
            self._stack.append((self._end, number))
            return stop
        if wire != LEN:
            lines.add(position, depth, _NUMBER)
            return stop
        kind = self._guess(start, stop)
        if kind == _MESSAGE:
            lines.add(position, depth, _MESSAGE)
            self._stack.append((stop, 0))
            self._end = stop
            return start
        if kind & 0x0F == _PACKED:
            self._add_packed(position, start, stop, kind)
            return stop
        add_pieces(lines, body, position, stop, depth, kind)
        return stop

    def _guess(self, start: int, stop: int) -> int:
        content = self._body[start:stop]
        if _is_text(content):
            starts_like_message = content[:1] in (b"\n", b"\r", b"\t") and self._is_message(start, stop)
            return _MESSAGE if starts_like_message else _STRING
        if self._is_message(start, stop):
            return _MESSAGE
        if 2 <= len(content) <= 1 << 20:
            if _are_sensible(content, 8):
                return _PACKED | _DOUBLES
            if _are_sensible(content, 4):
                return _PACKED | _FLOATS
            if _are_packed(content):
                return _PACKED
        return _BYTES

    def _is_message(self, start: int, stop: int) -> bool:
        """Whether all of it is fields; looks at these only, not into them. Groups and high numbers are too rare for a guess."""
        if len(self._stack) >= DEEPEST:
            return False
        count = 0
        try:
            while start < stop:
                number, wire, _, start = _read_field(self._body, start, stop)
                if wire in (OPEN_GROUP, CLOSE_GROUP) or number > _HIGHEST_GUESSED:
                    return False
                count += 1
                if not count % _CHECK_EVERY:
                    check(self._cancelled)
        except NoField:
            return False
        return True

    def _add_packed(self, position: int, start: int, stop: int, kind: int) -> None:
        body, lines, depth, numbers = self._body, self._lines, self._depth + len(self._stack), kind & (_FLOATS | _DOUBLES)
        if _count(body, start, stop, numbers) <= _MOST_INLINE:
            lines.add(position, depth, kind)
            return
        lines.add(position, depth, _PACKED_OPEN | numbers)
        while start < stop:
            lines.add(start, depth + 1, _PACKED_ROW | numbers)
            start = min(start + _IN_A_ROW, stop)
            while not numbers and start < stop and body[start - 1] >= 0x80:
                start += 1
        lines.add(stop, depth, _PACKED_CLOSE)


def _count(body: bytes, start: int, stop: int, numbers: int) -> int:
    if numbers:
        return (stop - start) // (8 if numbers == _DOUBLES else 4)
    return sum(1 for byte in body[start:stop] if byte < 0x80)


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return text.isprintable() or _CONTROL.search(text) is None


def _are_sensible(content: bytes, width: int) -> bool:
    """Whether it is floats of a size that people use, more than one."""
    if len(content) % width or len(content) < 2 * width:
        return False
    form = "d" if width == 8 else "f"
    values = unpack(f"<{len(content) // width}{form}", content)
    return all(is_sensible(value) for value in values) and any(values)


def is_sensible(value: float) -> bool:
    return value == 0 or (math.isfinite(value) and 1e-6 <= abs(value) <= 1e9)


def _are_packed(content: bytes) -> bool:
    """Whether it is varints of like lengths, in their shortest form."""
    if content[-1] >= 0x80:
        return False
    shortest, longest, length = 10, 1, 0
    for byte in content:
        length += 1
        if byte < 0x80:
            if length > 1 and not byte:
                return False
            shortest, longest, length = min(shortest, length), max(longest, length), 0
        elif length >= 10:
            return False
    return longest - shortest <= 1 and longest < 6


def _draw(source: bytes, kind: int) -> Line:
    what, numbers = kind & 0x0F, kind & (_FLOATS | _DOUBLES)
    if kind & CONTINUED:
        return quoted(source, kind) if what == _STRING else hexed(source, kind)
    if what == _REST:
        return [("error", "rest "), *hexed(source, kind)]
    if what in (_CLOSE, _PACKED_CLOSE):
        return [("punctuation", "}" if what == _CLOSE else "]")]
    if what == _PACKED_ROW:
        return [("number", " ".join(_numbers(source, numbers)))]
    tag, start = read_varint(source, 0, len(source))
    line: Line = [("key", str(tag >> 3)), ("punctuation", ": ")]
    if what == _NUMBER:
        return line + _draw_number(source, start, tag & 7)
    if what in (_MESSAGE, _GROUP):
        return line + ([("keyword", "group ")] if what == _GROUP else []) + [("punctuation", "{")]
    _, start = read_varint(source, start, len(source))
    content = source[start:]
    if what == _STRING:
        return line + quoted(content, kind & MORE)
    if what == _BYTES:
        return line + hexed(content, kind & MORE)
    word = {0: "packed ", _FLOATS: "packed float ", _DOUBLES: "packed double "}[numbers]
    line += [("keyword", word), ("punctuation", "[")]
    if what == _PACKED_OPEN:
        return line
    return [*line, ("number", " ".join(_numbers(content, numbers))), ("punctuation", "]")]


def _numbers(content: bytes, numbers: int) -> list[str]:
    if numbers:
        values = unpack(f"<{len(content) // (8 if numbers == _DOUBLES else 4)}{'d' if numbers == _DOUBLES else 'f'}", content)
        return [repr(value) if numbers == _DOUBLES else float32_text(value) for value in values]
    result, position = [], 0
    while position < len(content):
        value, position = read_varint(content, position, len(content))
        result.append(str(_signed(value)))
    return result


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _draw_number(source: bytes, start: int, wire: int) -> Line:
    if wire == VARINT:
        value, _ = read_varint(source, start, len(source))
        return [("number", str(_signed(value)))]
    content = source[start : start + (8 if wire == I64 else 4)]
    name, fixed = ("double", "fixed64") if wire == I64 else ("float", "fixed32")
    (as_float,) = unpack("<d" if wire == I64 else "<f", content)
    number = int.from_bytes(content, "little")
    if number and is_sensible(as_float) and as_float:
        text = repr(as_float) if wire == I64 else float32_text(as_float)
        return [("keyword", name + " "), ("number", text), *remark(f"{fixed} {number}")]
    return [("keyword", fixed + " "), ("number", str(number))]
