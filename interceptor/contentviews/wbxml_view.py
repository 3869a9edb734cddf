"""WBXML (WAP-192, Binary XML): the tree of tags and attributes, with the numbers of their tokens where names are not in it.

    <5 0x12="…">   a tag is its token on code page 0; `1:5` is token 5 of page 1; literals have their name from the string table

Which names the tokens stand for depends on the document type and is not part of the format. Strings, entities, opaque bytes and
literals are shown as they are.
"""

from __future__ import annotations

import codecs
from typing import Final

from interceptor.contentviews.rendered import Cancelled, Line, NotThisView, Rendered, check
from interceptor.contentviews.visible import styled

MOST_LINES: Final = 200_000
_DEEPEST: Final = 50  # more is not indented further
_CHECK_EVERY: Final = 4096
_CHARSETS: Final = {3: "ascii", 4: "latin-1", 106: "utf-8", 1000: "utf-16-be", 1015: "utf-16-be"}
_SWITCH_PAGE, _END, _ENTITY, _STRING, _LITERAL = range(5)
_TABLE, _OPAQUE = 0x83, 0xC3
_EXTENSIONS: Final = {  # followed by a string, a number, nothing
    0x40: True, 0x41: True, 0x42: True,
    0x80: False, 0x81: False, 0x82: False,
    0xC0: None, 0xC1: None, 0xC2: None,
}  # fmt: skip


class _Ends(Exception):
    """The document is cut off, or a token stands where none may."""


class _Reader:
    def __init__(self, body: bytes) -> None:
        self.body, self.position = body, 0
        version = self.byte()
        if version > 3:
            raise NotThisView(f"not WBXML: version {version:#04x}")
        self.public_id = self.integer() or -self.integer()
        self.charset = _CHARSETS.get(self.integer(), "utf-8")
        size = self.integer()
        self.table = self.take(size)
        self.version = f"1.{version}"

    def byte(self) -> int:
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        if self.position + count > len(self.body):
            raise _Ends(f"the document ends too early, at offset {self.position}")
        self.position += count
        return self.body[self.position - count : self.position]

    def integer(self) -> int:
        value = 0
        for _ in range(5):
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise _Ends(f"a number of more than five bytes, at offset {self.position}")

    def text(self, source: bytes | None = None, start: int | None = None) -> str:
        """A string that ends in a zero: here, or in the table."""
        source, position = (self.body, self.position) if source is None else (source, start or 0)
        is_wide = self.charset.startswith("utf-16")
        end = source.find(b"\0\0" if is_wide else b"\0", position)
        while is_wide and end >= 0 and (end - position) % 2:
            end = source.find(b"\0\0", end + 1)
        if end < 0:
            raise _Ends(f"a string without its end, at offset {self.position}")
        if source is self.body:
            self.position = end + (2 if is_wide else 1)
        return codecs.decode(source[position:end], self.charset, "replace")


def show_wbxml(body: bytes, cancelled: Cancelled) -> Rendered:
    try:
        reader = _Reader(body)
    except _Ends as mistake:
        raise NotThisView(f"not WBXML: {mistake}") from None
    tree = _Tree(reader)
    note = tree.walk(cancelled)
    if not tree.lines:
        raise NotThisView("not WBXML: there is no tag in it")
    identifier = f"public identifier {reader.public_id:#x}" if reader.public_id > 0 else "no public identifier"
    return Rendered("wbxml", f"WBXML {reader.version}, {identifier}{', ' + note if note else ''}", tree.lines)


class _Tree:
    def __init__(self, reader: _Reader) -> None:
        self._reader = reader
        self.lines: list[Line] = []
        self._open: list[str] = []
        self._page = 0

    def walk(self, cancelled: Cancelled) -> str:
        """Adds all lines; what went wrong, if anything did."""
        reader, count = self._reader, 0
        try:
            while reader.position < len(reader.body):
                count += 1
                if not count % _CHECK_EVERY:
                    check(cancelled)
                if len(self.lines) >= MOST_LINES:
                    return f"only the first {MOST_LINES} lines shown"
                self._token(reader.byte())
        except _Ends as mistake:
            return str(mistake)
        return f"{len(self._open)} tags are not closed" if self._open else ""

    def _add(self, *pieces: tuple[str, str]) -> None:
        self.lines.append([("text", "  " * min(len(self._open), _DEEPEST)), *pieces])

    def _token(self, token: int) -> None:
        reader = self._reader
        if token == _SWITCH_PAGE:
            self._page = reader.byte()
        elif token == _END:
            if not self._open:
                raise _Ends(f"an end without a beginning, at offset {reader.position - 1}")
            name = self._open.pop()
            self._add(("tag", f"</{name}>"))
        elif (text := self._content(token)) is not None:
            style, shown = text
            self._add(*styled(style, shown))
        elif token & 0x3F >= 4:
            self._tag(token)
        else:
            raise _Ends(f"the token {token:#04x}, which stands for nothing, at offset {reader.position - 1}")

    def _content(self, token: int) -> tuple[str, str] | None:
        """What is no tag, in its style; None if it is one."""
        reader = self._reader
        if token == _STRING:
            return "text", reader.text()
        if token == _TABLE:
            return "text", reader.text(reader.table, reader.integer())
        if token == _ENTITY:
            return "keyword", f"&#{reader.integer()};"
        if token == _OPAQUE:
            content = reader.take(reader.integer())
            is_text = content.isascii() and content.decode().isprintable()
            return ("text", content.decode()) if is_text else ("number", content.hex())
        if token in _EXTENSIONS:
            has_text = _EXTENSIONS[token]
            value = "" if has_text is None else reader.text() if has_text else str(reader.integer())
            return "keyword", f"extension {token & 3} {value}".rstrip()
        return None

    def _tag(self, token: int) -> None:
        name = self._name(token & 0x3F)
        pieces: list[tuple[str, str]] = [("tag", f"<{name}")]
        if token & 0x80:
            pieces += self._attributes()
        has_content = bool(token & 0x40)
        self._add(*pieces, ("tag", ">" if has_content else "/>"))
        if has_content:
            self._open.append(name)

    def _name(self, token: int) -> str:
        if token == _LITERAL:
            return "".join(text for _, text in styled("tag", self._reader.text(self._reader.table, self._reader.integer())))
        return f"{self._page}:{token}" if self._page else f"{token}"

    def _attributes(self) -> list[tuple[str, str]]:
        reader, page, is_first = self._reader, 0, True
        pieces: list[tuple[str, str]] = []
        while (token := reader.byte()) != 1:
            if token == _SWITCH_PAGE:
                page = reader.byte()
                continue
            if token < 0x80 and token not in (_STRING, _ENTITY) and token not in _EXTENSIONS:
                literal = reader.text(reader.table, reader.integer()) if token == _LITERAL else ""
                name = literal or (f"{page}:{token:#04x}" if page else f"{token:#04x}")
                pieces += [("punctuation", "" if is_first else '"'), *styled("attribute", f" {name}"), ("punctuation", '="')]
                is_first = False
            elif (content := self._content(token)) is not None:
                pieces += styled("string", content[1])
            else:
                pieces.append(("string", f"{page}:{token:#04x}" if page else f"{token:#04x}"))
        return [*pieces, ("punctuation", "" if is_first else '"')]
