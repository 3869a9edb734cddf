"""The parts of a multipart body: for each its header fields and its content, text as text, the rest as facts and a little hex.

The boundary is that of the content type, or else what the first line looks like. Nothing is decoded but text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from interceptor.contentviews.charset import looks_binary, to_utf8
from interceptor.contentviews.headers import header_lines
from interceptor.contentviews.hexdump import HexLines
from interceptor.contentviews.image_facts import image_facts
from interceptor.contentviews.rendered import Cancelled, ContentFacts, JoinedLines, Line, NotThisView, Rendered, check
from interceptor.contentviews.source_lines import PlainLines
from interceptor.contentviews.visible import escape_control
from interceptor.specs.sizes import format_size

MOST_PARTS: Final = 1000
_FIRST_LINE: Final = re.compile(rb"\s*--([0-9A-Za-z'()+_,./:=? -]{1,200}?)[ \t]*\r?\n")
_LONGEST_HEAD: Final = 16 * 1024
_SHOWN_BYTES: Final = 256


def show_multipart(body: bytes, facts: ContentFacts, cancelled: Cancelled) -> Rendered:
    boundary = facts.parameter("boundary").encode("utf-8", "surrogateescape")
    if not boundary:
        first = _FIRST_LINE.match(body)
        if first is None:
            raise NotThisView("no boundary, neither in the content type nor in the first line")
        boundary = first[1]
    places, has_end = _places(body, b"--" + boundary, cancelled)
    if not places:
        raise NotThisView(f"no part begins with the boundary {escape_control(boundary.decode('utf-8', 'surrogateescape'))!r}")
    shown: list[Sequence[Line]] = []
    for number, (start, end) in enumerate(places[:MOST_PARTS], 1):
        check(cancelled)
        shown += _part(number, body[start:end])
    notes = "" if has_end else ", the closing boundary is missing"
    if len(places) > MOST_PARTS:
        notes += f", only the first {MOST_PARTS} shown"
    count = "1 part" if len(places) == 1 else f"{len(places)} parts"
    return Rendered("multipart form", f"Multipart, {count}{notes}", JoinedLines(shown))


def _places(body: bytes, delimiter: bytes, cancelled: Cancelled) -> tuple[list[tuple[int, int]], bool]:
    """Where the parts begin and end, and whether the closing delimiter was met (RFC 2046 §5.1.1)."""
    places: list[tuple[int, int]] = []
    start = -1
    found = body.find(delimiter)
    while found >= 0:
        if len(places) % 1000 == 999:
            check(cancelled)
        behind = found + len(delimiter)
        at_line_start = found == 0 or body[found - 1 : found] == b"\n"
        tail = body[behind : behind + 2]
        if at_line_start and (tail == b"--" or tail[:1] in (b"\r", b"\n", b" ", b"\t")):
            if start >= 0:
                end = found - (2 if body[found - 2 : found] == b"\r\n" else 1)
                places.append((start, max(start, end)))
            if tail == b"--":
                return places, True
            newline = body.find(b"\n", behind)
            start = newline + 1 if newline >= 0 else len(body)
            behind = start - 1 if newline >= 0 else behind
        found = body.find(delimiter, behind)
    if start >= 0:
        places.append((start, len(body)))
    return places, False


def _part(number: int, part: bytes) -> list[Sequence[Line]]:
    fields, content = _split(part)
    values = {name.strip().lower(): value.strip() for name, value in fields}
    disposition = values.get(b"content-disposition", b"").decode("utf-8", "surrogateescape")
    content_type = values.get(b"content-type", b"").decode("utf-8", "surrogateescape")
    name = ContentFacts(disposition).parameter("name")
    title = f"Part {number}" + (f": {escape_control(name)}" if name else "")
    shown: list[Sequence[Line]] = [
        [[("header", title), ("comment", f"  {format_size(len(content))}")]],
        header_lines(fields),
        [[]],
    ]
    facts = ContentFacts(content_type)
    if not content:
        shown.append([[("comment", "no content")]])
    elif facts.media_type.startswith("image/") or looks_binary(content):
        found = image_facts(content)
        what = ", ".join(f"{key.lower()} {value}" for key, value in found) if found else "binary"
        shown.append([[("comment", what)]])
        shown.append(HexLines(lambda start, count: content[start : start + count], min(len(content), _SHOWN_BYTES)))
        if len(content) > _SHOWN_BYTES:
            shown.append([[("marker", f"… {format_size(len(content) - _SHOWN_BYTES)} more")]])
    else:
        text, _ = to_utf8(content, facts)
        shown.append(PlainLines(text, "string"))
    shown.append([[]])
    return shown


def _split(part: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Header fields and content; what has no blank line behind its head is all content."""
    if part.startswith(b"\r\n"):
        return [], part[2:]
    if part.startswith(b"\n"):
        return [], part[1:]
    blank = re.search(rb"\r?\n\r?\n", part[:_LONGEST_HEAD])
    if blank is None:
        return [], part
    fields = []
    for line in part[: blank.start()].split(b"\n"):
        name, colon, value = line.rstrip(b"\r").partition(b":")
        fields.append((name, value.strip()) if colon else (b"", name))
    return fields, part[blank.end() :]
