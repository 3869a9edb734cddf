"""Lines of styled text onto one urwid canvas, escaped and cut to the width.

    [[("key", "Host"), ("text", ": a")], …]  + (columns, rows) ─ paint ▸ TextCanvas of exactly that size

urwid's `TextCanvas` sends what it is given to the terminal; so nothing gets there but through `visible`, which replaces every
control character, and direction overrides too. One canvas for a whole widget costs a fraction of a widget a row.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Final

import urwid

from interceptor.contentviews.visible import HOSTILE

Segment = tuple[str, str]
"""(style, text)."""
Line = Sequence[Segment]

_DANGEROUS: Final = re.compile(f"[\\t{HOSTILE}]")


def visible(text: str) -> str:
    """The text with everything that a terminal might obey replaced by something to see; a character stays a character."""
    return _DANGEROUS.sub(_shown, text) if _DANGEROUS.search(text) else text


def _shown(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 32:
        return chr(0x2400 + code)
    return "␡" if code == 127 else "·"


def width_of(text: str) -> int:
    """Columns on the screen."""
    return len(text) if text.isascii() else urwid.calc_width(text, 0, len(text))


def cut(text: str, columns: int, mark: str = "…") -> str:
    """At most `columns` wide; `mark` says that something is missing."""
    if width_of(text) <= columns:
        return text
    if columns <= 0:
        return ""
    end, _ = urwid.calc_text_pos(text, 0, len(text), max(0, columns - width_of(mark)))
    return text[:end] + mark


def line_width(line: Line) -> int:
    return sum(width_of(visible(text)) for _, text in line)


def paint(
    lines: Sequence[Line], size: tuple[int, int], style: str = "background", cursor: tuple[int, int] | None = None
) -> urwid.TextCanvas:
    """A canvas of exactly `size`; what is missing is blank in `style`, what is too much is cut. `cursor` is (column, row)."""
    columns, rows = size
    texts: list[bytes] = []
    attributes: list[list[tuple[Hashable, int]]] = []
    for index in range(rows):
        encoded, runs = _row(lines[index] if index < len(lines) else (), columns, style)
        texts.append(encoded)
        attributes.append(runs)
    if cursor is not None and not (0 <= cursor[0] < columns and 0 <= cursor[1] < rows):
        cursor = None
    return urwid.TextCanvas(texts, attributes, cursor=cursor, maxcol=columns)


def _row(line: Line, columns: int, style: str) -> tuple[bytes, list[tuple[Hashable, int]]]:
    pieces: list[bytes] = []
    runs: list[tuple[Hashable, int]] = []
    left = columns
    for name, text in line:
        if left <= 0:
            break
        shown = cut(visible(text), left)
        left -= width_of(shown)
        encoded = shown.encode("utf-8")
        pieces.append(encoded)
        runs.append((name, len(encoded)))
    if left > 0:
        pieces.append(b" " * left)
        runs.append((style, left))
    return b"".join(pieces), runs


def spread(left: Line, right: Line, columns: int, style: str) -> list[Segment]:
    """`left` at the left end, `right` at the right; the right one gives way if there is no room for both."""
    gap = columns - line_width(left) - line_width(right)
    if gap < 1:
        return list(left)
    return [*left, (style, " " * gap), *right]
