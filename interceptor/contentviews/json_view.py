"""JSON, indented; every token exactly as it was sent.

Nothing is converted: `1.0`, `1e400`, long integers, `\\u` escapes, duplicate names and the order of names stay. The source is
walked once by regular expressions, an item (a name with its value) at a time, with the open brackets on a stack of bytes, so
nesting costs nothing but a byte a level. The result is an index of places (`IndexedLines`); a line is drawn from its place.

Several values in a row (JSON lines) are shown one after the other. A prefix against script inclusion (`)]}'`) is shown apart.
Characters that must be escaped to be shown are escaped as JSON does it, so that what is on the screen still is the same JSON.
"""

from __future__ import annotations

import re
from typing import Final

from interceptor.contentviews.notation import editable_text
from interceptor.contentviews.rendered import Cancelled, JoinedLines, Line, NotThisView, Rendered, check, never, publish
from interceptor.contentviews.source_lines import CONTINUED, IndexedLines, PlainLines
from interceptor.contentviews.visible import escape_character, styled_bytes
from interceptor.specs.errors import UserError

_STRING: Final = rb'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_NUMBER: Final = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_SPACE: Final = rb"[ \t\r\n]*+"
_ITEM: Final = re.compile(
    rb"%(space)b(?:(%(string)b)%(space)b:%(space)b)?+(?:(%(string)b|%(number)b|true|false|null)|([\[{]))"
    % {b"space": _SPACE, b"string": _STRING, b"number": _NUMBER}
)
_AFTER: Final = re.compile(rb"%b(?:(,)|([\]}]))" % _SPACE)
_BLANK: Final = re.compile(_SPACE)
_BETWEEN: Final = re.compile(rb"[ \t\r\n\x1e]*+")  # RFC 7464 puts a record separator before each value
_GUARD: Final = re.compile(rb"\)\]\}',?|while\s*\(1\);|for\s*\(;;\);")
_TOKEN: Final = re.compile(
    rb"""([\s\x1e]++)|(%b(?=\s*+:))|("(?:[^"\\]++|\\.)*+"?+)|([-+0-9.eE]++)|([a-z]++)|([:,])|(.)""" % _STRING, re.DOTALL
)
_PIECE: Final = re.compile(rb'("(?:[^"\\]++|\\.)*+")|[ \t\r\n]++|[,:]', re.DOTALL)
_LONE: Final = re.compile("[\ud800-\udfff]")
_STYLES: Final = ("", "text", "key", "string", "number", "keyword", "punctuation", "punctuation")

_GUARD_LINE: Final = 1
_SHOWN_FROM: Final = 1024 * 1024
_CHECK_EVERY: Final = 512
_OBJECT: Final = ord("{")


def _good_beginning(lines: IndexedLines, body: bytes, mistake: _Mistake) -> Rendered:
    """Much of it was good, and may have been looked at already: it stays, and the rest is shown as it is."""
    lines.finish(mistake.position)
    lines.cut(mistake.position)
    rest = PlainLines(body[mistake.position :])
    return Rendered("json", str(mistake), JoinedLines([lines, [[("error", str(mistake))]], rest]))


class _Mistake(NotThisView):
    """`position` is where in the content."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


def show_json(body: bytes, cancelled: Cancelled) -> Rendered:
    """Of UTF-8. Raises NotThisView with the place of the first mistake."""
    lines = IndexedLines(body, _draw)
    publish(cancelled, Rendered("json", "JSON", lines))
    position = 0
    guard = _GUARD.match(body)
    if guard:
        lines.add(0, 0, _GUARD_LINE)
        position = guard.end()
    values = 0
    try:
        while True:
            position = _end(_BETWEEN, body, position)
            if position == len(body) and values:
                break
            position = _index_value(lines, body, position, cancelled)
            values += 1
    except _Mistake as mistake:
        if mistake.position < _SHOWN_FROM:
            raise
        return _good_beginning(lines, body, mistake)
    lines.finish(position)
    return Rendered("json", "JSON" if values == 1 else f"JSON, {values} values in a row", lines)


def json_text(body: bytes) -> str:
    """For an editor: what is one line is indented, what has lines already stays as it is. Of UTF-8; NotThisView as above."""
    rendered = show_json(body, never)
    if b"\x1e" in body:
        raise NotThisView("a sequence with record separators (RFC 7464)")
    return body.decode("utf-8", "surrogateescape") if _has_lines(body) else editable_text(rendered.lines)


def read_json(text: str, original: bytes) -> bytes:
    """The edited text, with the values on one line each if they were before; blanks behind `,` and `:` as they were. UserError
    with the place of the first mistake."""
    body = text.encode("utf-8", "surrogatepass" if _LONE.search(text) else "strict")
    lines, values = IndexedLines(body, _draw), list[bytes]()
    guard = _GUARD.match(body)
    position = guard.end() if guard else 0
    try:
        while (position := _end(_BETWEEN, body, position)) < len(body) or not values:
            start, position = position, _index_value(lines, body, position, never)
            values.append(body[start:position])
    except _Mistake as mistake:
        raise UserError(f"{mistake}.", len(body[: mistake.position].decode("utf-8", "replace"))) from None
    if _has_lines(original):
        return body
    is_spaced = re.search(rb'": \S', original) is not None
    end = original[len(original.rstrip()) :]
    line = b"\n" if _GUARD.match(original) and b"\n" in original.rstrip() else b""
    return (guard[0] + line if guard else b"") + b"\n".join(_on_one_line(value, is_spaced) for value in values) + end


def _has_lines(body: bytes) -> bool:
    """Whether somebody laid it out: there are ends of lines within a value."""
    return re.search(rb"[\[{,]\s*\n", body) is not None


def _on_one_line(value: bytes, is_spaced: bool) -> bytes:
    marks = {b",": b", ", b":": b": "} if is_spaced else {}
    return _PIECE.sub(lambda piece: piece[1] or marks.get(piece[0], b"" if piece[0].isspace() else piece[0]), value)


def _end(pattern: re.Pattern[bytes], body: bytes, position: int) -> int:
    """Behind what a pattern that matches everywhere matches here."""
    found = pattern.match(body, position)
    assert found is not None
    return found.end()


def _index_value(lines: IndexedLines, body: bytes, position: int, cancelled: Cancelled) -> int:
    """Adds the lines of the value that begins here, returns where it ends."""
    brackets = bytearray()
    count = 0
    while True:
        count += 1
        if not count % _CHECK_EVERY:
            check(cancelled)
        item = _ITEM.match(body, position)
        in_object = bool(brackets) and brackets[-1] == _OBJECT
        if item is None or (item.start(1) >= 0) != in_object:
            raise _mistake(body, position, _expected(in_object))
        position = item.end()
        lines.add(item.start(1) if in_object else item.start(item.lastindex or 0), len(brackets))
        if item.lastindex == 3:
            bracket = body[position - 1]
            blank = _end(_BLANK, body, position)
            if body[blank : blank + 1] != (b"}" if bracket == _OBJECT else b"]"):
                lines.cut(position)
                brackets.append(bracket)
                continue
            position = blank + 1
        # Behind a value: close what closes here, up to the next comma.
        while True:
            if not brackets:
                lines.cut(position)
                return position
            after = _AFTER.match(body, position)
            if after is None:
                raise _mistake(body, position, "',' or '}'" if brackets[-1] == _OBJECT else "',' or ']'")
            if after.lastindex == 1:
                position = after.end()
                lines.cut(position)
                break
            lines.cut(position)
            if body[after.end() - 1] != brackets[-1] + 2:
                raise _mistake(body, position, "'}'" if brackets[-1] == _OBJECT else "']'")
            brackets.pop()
            position = after.end()
            lines.add(position - 1, len(brackets))


def _expected(in_object: bool) -> str:
    return "a name in quotes, ':' and a value" if in_object else "a value"


def _mistake(body: bytes, position: int, expected: str) -> NotThisView:
    position = _end(_BLANK, body, position)
    line = body.count(b"\n", 0, position) + 1
    column = position - body.rfind(b"\n", 0, position)
    found = "the content ends" if position >= len(body) else "there is something else"
    return _Mistake(f"not valid JSON: {expected} expected at line {line}, column {column}, but {found}", position)


def _draw(source: bytes, kind: int) -> Line:
    if kind & CONTINUED:
        return styled_bytes("string", source.rstrip(), _json_escape)
    if kind == _GUARD_LINE:
        return styled_bytes("comment", source.strip())
    line: Line = []
    for token in _TOKEN.finditer(source):
        style = _STYLES[token.lastindex or 0]
        if style == "text":
            continue
        line += styled_bytes(style, token[0], _json_escape)
        if token[0] == b":":
            line.append(("text", " "))
    return line


def _json_escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return escape_character(character)  # a byte that is not UTF-8 has no JSON
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
