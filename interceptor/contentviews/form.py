"""URL-encoded pairs, one a line, decoded; order and duplicates stay.

`+` is a space and `%XX` a byte of UTF-8, as the URL Standard has it for application/x-www-form-urlencoded.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from interceptor.contentviews.rendered import Cancelled, Line, NotThisView, Rendered, check
from interceptor.contentviews.source_lines import CONTINUED, IndexedLines
from interceptor.contentviews.visible import styled_bytes

_SEPARATOR: Final = re.compile(rb"&++|\Z")
_CHECK_EVERY: Final = 4096


def show_form(body: bytes, cancelled: Cancelled) -> Rendered:
    if b"\0" in body:
        raise NotThisView("not URL-encoded: it has NUL bytes")
    lines = pairs(body.rstrip(b"\r\n"), cancelled)
    return Rendered("url-encoded", f"URL-encoded form, {count_fields(lines)}", lines)


def count_fields(lines: IndexedLines) -> str:
    count = sum(1 for index in range(len(lines)) if not lines.kind(index))
    return "1 field" if count == 1 else f"{count} fields"


def pairs(source: bytes, cancelled: Cancelled) -> IndexedLines:
    """A line for each pair that is not empty."""
    lines = IndexedLines(source, _draw)
    start = 0
    for count, separator in enumerate(_SEPARATOR.finditer(source)):
        if not count % _CHECK_EVERY:
            check(cancelled)
        if separator.start() > start:
            lines.add(start, 0)
            lines.cut(separator.start())
        start = separator.end()
    return lines


def _draw(source: bytes, kind: int) -> Line:
    source = source.rstrip(b"&").lstrip(b"&")
    if kind & CONTINUED:
        return styled_bytes("string", _decoded(source))
    name, equals, value = source.partition(b"=")
    line = styled_bytes("key", _decoded(name))
    if equals:
        line.append(("punctuation", ": "))
        line += styled_bytes("string", _decoded(value))
    return line


def _decoded(source: bytes) -> bytes:
    return unquote_to_bytes(source.replace(b"+", b" "))
