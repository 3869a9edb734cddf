"""Styled text, and the arithmetic of columns.

    bytes or text from the wire ─ readable() ─▸ text without control characters ─ width, cut, shorten ─▸ pieces of a line

A `Line` is pieces of (style, text); a style is a name from the palettes. Text that came from outside becomes a piece only after
`readable`, which makes control characters, line ends, tabs and broken UTF-8 visible; then one character never does more than take
its columns. Columns are counted as terminals do, by grapheme (wcwidth).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import wcwidth

from interceptor.contentviews.visible import escape_control

Piece = tuple[str, str]
Line = list[Piece]

ELLIPSIS: Final = "…"
TAB: Final = 8


def readable(text: str | bytes) -> str:
    """What may be drawn of it, on one line: bytes as UTF-8 where it is valid and as `\\xNN` where it is not."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if text.isascii() and text.isprintable():
        return text
    return escape_control(text.expandtabs(TAB) if "\t" in text else text)


def width(text: str) -> int:
    return len(text) if text.isascii() else wcwidth.width(text, control_codes="ignore")


def line_width(line: Iterable[Piece]) -> int:
    """Of the pieces together: a combining character may begin a piece."""
    return width("".join(text for _, text in line))


def cut(text: str, columns: int) -> str:
    """The longest beginning that takes no more than `columns`; a wide character at the edge is left out."""
    if columns <= 0:
        return ""
    if text.isascii():
        return text[:columns]
    if width(text) <= columns:
        return text
    taken = end = 0
    for grapheme in wcwidth.iter_graphemes(text):
        taken += wcwidth.width(grapheme, control_codes="ignore")
        if taken > columns:
            return text[:end]
        end += len(grapheme)
    return text


def cut_start(text: str, columns: int) -> str:
    """The longest end that takes no more than `columns`."""
    if columns <= 0:
        return ""
    if text.isascii():
        return text[-columns:]
    text = text[-16 * columns :]
    taken, start = 0, len(text)
    for grapheme in reversed(list(wcwidth.iter_graphemes(text))):
        taken += wcwidth.width(grapheme, control_codes="ignore")
        if taken > columns:
            break
        start -= len(grapheme)
    return text[start:]


def shorten(text: str, columns: int) -> str:
    """At most `columns`, with an ellipsis at the end if something is missing."""
    return text if width(text) <= columns else cut(text, columns - 1) + ELLIPSIS if columns > 0 else ""


def shorten_start(text: str, columns: int) -> str:
    return text if width(text) <= columns else ELLIPSIS + cut_start(text, columns - 1) if columns > 0 else ""


def shorten_middle(text: str, columns: int) -> str:
    """At most `columns`, with the ellipsis in the middle: of a path both ends tell something."""
    if width(text) <= columns:
        return text
    if columns < 5:
        return shorten(text, columns)
    end = (columns - 1) // 2
    return cut(text, columns - 1 - end) + ELLIPSIS + cut_start(text, end)


def to_width(text: str, columns: int) -> str:
    """Exactly `columns`, left-aligned."""
    text = shorten(text, columns)
    return text + " " * (columns - width(text))


def to_width_right(text: str, columns: int) -> str:
    """Exactly `columns`, right-aligned."""
    text = shorten(text, columns)
    return " " * (columns - width(text)) + text


@lru_cache(maxsize=1024)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def clock(timestamp: float) -> str:
    """Local time of day, `18:08:49`; empty for what has no time."""
    try:
        return _clock(int(timestamp)) if timestamp > 0 else ""
    except (OverflowError, OSError, ValueError):
        return ""


def moment(timestamp: float) -> str:
    """Local date and time to the millisecond, with the zone: `2026-11-20 18:08:49.714 +0100`."""
    try:
        local = time.localtime(timestamp)
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', local)}.{int(timestamp * 1000) % 1000:03d} {time.strftime('%z', local)}"
    except (OverflowError, OSError, ValueError):
        return "an impossible time"


def format_duration(seconds: float) -> str:
    """Short, for a column: `6ms`, `1.2s`, `2m05s`, `3h12m`."""
    if seconds != seconds or seconds < 0:
        return "?"
    if seconds < 0.9995:
        return f"{seconds * 1000:.1f}ms" if 0 < seconds < 0.00095 else f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes}m{rest:02d}s"
    if seconds < 360_000:
        hours, rest = divmod(int(seconds), 3600)
        return f"{hours}h{rest // 60:02d}m"
    return f"{seconds / 86400:.0f}d" if seconds < 8e9 else "?"
