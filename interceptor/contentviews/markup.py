"""XML and HTML, indented; the text of tags, entities and comments exactly as it was sent.

A tolerant tokenizer walks the source once: it knows tags, comments, CDATA, declarations and the elements whose content is no
markup (script, style, …), never expands an entity and never looks at anything outside the source. What is not well formed is
shown where it stands. Depth comes from a stack of open elements: a closing tag closes up to its opening one if there is one.
An element that holds a short text, or nothing, stays on one line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from interceptor.contentviews.rendered import (
    Cancelled,
    Line,
    NotThisView,
    Rendered,
    check,
    publish,
)
from interceptor.contentviews.source_lines import CONTINUED, IndexedLines
from interceptor.contentviews.visible import styled_bytes

_MARKUP, _TEXT, _COMMENT, _VERBATIM = range(4)

_SPACE: Final = b" \t\r\n\f"
_TAG_NAME: Final = re.compile(rb"</?+([A-Za-z_:\x80-\xff][^\s/>]*+)")
_TAG_REST: Final = re.compile(rb"""(?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+|["'])*+>""")
_FIRST_TAG: Final = re.compile(rb"\s*<(?:[?!A-Za-z_:]|\Z)")
_BLOCKS: Final = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b">"), (b"<!", b">"))
_TEXT_ELEMENTS: Final = {
    name: re.compile(rb"</%b(?=[\s/>]|\Z)" % name, re.IGNORECASE) for name in (b"script", b"style", b"textarea", b"pre", b"title")
}
_VOID: Final = frozenset(b"area base br col embed hr img input link meta param source track wbr".split())
_IMPLIED_END: Final = {
    b"li": frozenset({b"li"}),
    b"p": frozenset({b"p"}),
    b"dt": frozenset({b"dt", b"dd"}),
    b"dd": frozenset({b"dt", b"dd"}),
    b"tr": frozenset({b"tr", b"td", b"th"}),
    b"td": frozenset({b"td", b"th"}),
    b"th": frozenset({b"td", b"th"}),
    b"option": frozenset({b"option"}),
}
_LONGEST_JOINED: Final = 120
_CHECK_EVERY: Final = 512

_PIECE: Final = re.compile(
    rb"""(<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<[?!][^>]*+>?+)"""  # 1 comment, CDATA, declaration
    rb"""|(</?+[A-Za-z_:\x80-\xff][^\s/>]*+)((?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+|["'])*+)(/?>|\Z)"""  # 2 name, 3, 4 end
    rb"|([^<]++|<)",  # 5 text
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(rb"""(\s++)|([^\s=]++)|(=\s*+)("[^"]*+"|'[^']*+'|[^\s"']*+)""")


def show_markup(body: bytes, media_type: str, cancelled: Cancelled) -> Rendered:
    """Of UTF-8. Raises NotThisView if it does not begin with a tag."""
    if not _FIRST_TAG.match(body) and "html" not in media_type and "xml" not in media_type:
        raise NotThisView("neither XML nor HTML: it does not begin with a tag")
    head = body[:1024].lower()
    is_html = "html" in media_type or ((b"<!doctype html" in head or b"<html" in head) and b"<?xml" not in head)
    layout = _Layout(body, is_html and "xhtml" not in media_type)
    publish(cancelled, Rendered("xml/html", "HTML" if is_html else "XML", layout.lines))
    for count, (kind, start, end) in enumerate(_tokens(body, layout.is_html)):
        if not count % _CHECK_EVERY:
            check(cancelled)
        layout.add(kind, start, end, cancelled)
    return Rendered("xml/html", "HTML" if is_html else "XML", layout.lines)


def _tokens(body: bytes, is_html: bool) -> Iterator[tuple[int, int, int]]:
    """(kind, start, end) of everything, in order. Linear: a search that reaches the end of the source is not made twice."""
    position, size = 0, len(body)
    text_start = 0
    are_quotes_sound = True
    while position < size:
        start = body.find(b"<", position)
        if start < 0:
            break
        block_end = next((mark for begin, mark in _BLOCKS if body.startswith(begin, start)), None)
        name = None if block_end else _TAG_NAME.match(body, start)
        if block_end is None and name is None:  # a stray <
            position = start + 1
            continue
        if start > text_start:
            yield _TEXT, text_start, start
        if block_end is not None:
            found = body.find(block_end, start + 2)
            position = text_start = found + len(block_end) if found >= 0 else size
            yield _COMMENT, start, position
            continue
        assert name is not None
        rest = _TAG_REST.match(body, name.end()) if are_quotes_sound else None
        if rest is None:
            are_quotes_sound = False
            found = body.find(b">", start)
            position = found + 1 if found >= 0 else size
        else:
            position = rest.end()
        yield _MARKUP, start, position
        closing = _TEXT_ELEMENTS.get(name[1].lower()) if is_html and body[start + 1] != 0x2F else None
        if closing is not None and body[position - 2 : position] != b"/>":
            end = closing.search(body, position)
            stop = end.start() if end else size
            if stop > position:
                yield _VERBATIM, position, stop
            position = stop
        text_start = position
    if text_start < size:
        yield _TEXT, text_start, size


class _Layout:
    """Puts tokens on lines."""

    def __init__(self, body: bytes, is_html: bool) -> None:
        self.lines = IndexedLines(body, _draw)
        self.is_html = is_html
        self._body = body
        self._open: list[tuple[bytes, int]] = []  # name, line of the opening tag
        self._open_names: Counter[bytes] = Counter()

    def add(self, kind: int, start: int, end: int, cancelled: Cancelled) -> None:
        if kind == _MARKUP:
            self._add_tag(start, end)
        else:
            self._add_lines(kind, start, end, cancelled)

    def _add_lines(self, kind: int, start: int, end: int, cancelled: Cancelled) -> None:
        """Every line that is not blank."""
        body = self._body
        count = 0
        while start < end:
            count += 1
            if not count % _CHECK_EVERY:
                check(cancelled)
            newline = body.find(b"\n", start, end)
            stop = end if newline < 0 else newline + 1
            text = body[start:stop]
            if not text.isspace():
                indent = 0 if kind == _VERBATIM else len(text) - len(text.lstrip(_SPACE))
                self.lines.add(start + indent, 0 if kind == _VERBATIM and count > 1 else len(self._open), kind)
                self.lines.cut(start + len(text.rstrip(_SPACE)))
            start = stop

    def _add_tag(self, start: int, end: int) -> None:
        body = self._body
        found = _TAG_NAME.match(body, start)
        name = found[1] if found else b""
        if self.is_html:
            name = name.lower()
        if body[start + 1] == 0x2F:
            self._close(name, start, end)
            return
        if self.is_html:
            ended = _IMPLIED_END.get(name, frozenset())
            while self._open and self._open[-1][0] in ended:
                self._pop()
        self.lines.add(start, len(self._open), _MARKUP)
        line = len(self.lines) - 1
        self.lines.cut(end)
        if body[end - 2 : end] != b"/>" and not (self.is_html and name in _VOID):
            self._open.append((name, line))
            self._open_names[name] += 1

    def _close(self, name: bytes, start: int, end: int) -> None:
        if not self._open_names[name]:
            self.lines.add(start, len(self._open), _MARKUP)
            self.lines.cut(end)
            return
        while self._open[-1][0] != name:
            self._pop()
        opened_at = self._pop()
        follows = len(self.lines) - 1 - opened_at
        if end - self.lines.start(opened_at) <= _LONGEST_JOINED and follows <= 1:
            if not follows:
                return  # nothing between: its slice reaches up to here
            if self.lines.kind(opened_at + 1) in (_TEXT, _VERBATIM):
                self.lines.join()
                return
        self.lines.add(start, len(self._open), _MARKUP)
        self.lines.cut(end)

    def _pop(self) -> int:
        name, line = self._open.pop()
        self._open_names[name] -= 1
        return line


def _draw(source: bytes, kind: int) -> Line:
    is_continued = kind & CONTINUED
    kind &= ~CONTINUED
    if kind == _COMMENT:
        return styled_bytes("comment", source.rstrip(_SPACE))
    if kind == _VERBATIM or is_continued:
        return styled_bytes("text" if kind != _MARKUP else "string", source.rstrip(_SPACE))
    line: Line = []
    for piece in _PIECE.finditer(source.strip(_SPACE)):
        if piece[1] is not None:
            line += styled_bytes("comment", _on_one_line(piece[1]))
        elif piece[5] is not None:
            line += styled_bytes("text", _on_one_line(piece[5]))
        else:
            line += styled_bytes("tag", piece[2])
            rest, end = piece[3], piece[4]
            if rest.endswith(b"/") and end == b">":
                rest, end = rest[:-1], b"/>"
            for attribute in _ATTRIBUTE.finditer(_on_one_line(rest)):
                if attribute[4] is not None:
                    line += [*styled_bytes("punctuation", attribute[3]), *styled_bytes("string", attribute[4])]
                else:
                    line += styled_bytes("text" if attribute[1] else "attribute", attribute[0])
            line += styled_bytes("tag", end)
    return line


def _on_one_line(text: bytes) -> bytes:
    """Line ends and the blanks around them become one space."""
    rows = text.splitlines()
    if len(rows) < 2:
        return text
    inner = [row.strip(_SPACE) for row in rows[1:-1]]
    return b" ".join([rows[0].rstrip(_SPACE), *filter(None, inner), rows[-1].lstrip(_SPACE)])
