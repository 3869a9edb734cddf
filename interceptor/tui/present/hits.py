"""What a search has found, as lines: a line for a flow, below it one for each hit, with what was found marked."""

from __future__ import annotations

from typing import Protocol

from interceptor.tui.present.text import Line, readable, shorten, shorten_middle, shorten_start, width

PLACE_COLUMNS = 16
_LEAD = 8
_WRITING = frozenset(("POST", "PUT", "PATCH"))


class Found(Protocol):
    @property
    def flow_id(self) -> int: ...
    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...


class OneHit(Protocol):
    @property
    def place(self) -> str: ...
    @property
    def context(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


def found_line(found: Found, columns: int, note: str = "") -> Line:
    """`note` is at its end."""
    method = readable(found.method)
    style = "method write" if method in _WRITING else "method delete" if method == "DELETE" else "method"
    number = f"{found.flow_id:>{_LEAD - 2},} "
    room = columns - len(number) - width(method) - 1 - (width(note) + 2 if note else 0)
    line: Line = [("faint", number), (style, f"{method} "), ("path", shorten_middle(readable(found.url), max(room, 1)))]
    return [*line, ("note", f"  {note}")] if note else line


def hit_line(hit: OneHit, columns: int, is_selected: bool = False) -> Line:
    """As much of the context as there is room for, such that the beginning of what was found is in it."""
    place = shorten(hit.place, PLACE_COLUMNS)
    room = max(columns - _LEAD - PLACE_COLUMNS - 1, 8)
    before, matched, behind = (
        readable(each) for each in (hit.context[: hit.start].lstrip(), hit.context[hit.start : hit.end], hit.context[hit.end :])
    )
    matched = shorten(matched, room)
    left = max(room - width(matched) - min(width(behind), room // 2), 0)
    if width(before) > left:
        before = shorten_start(before, left) if left > 1 else ""
    behind = shorten(behind, max(room - width(matched) - width(before), 0))
    return [
        ("note", f"{' ' * _LEAD}{place}{' ' * (PLACE_COLUMNS - width(place))} "),
        ("text", before),
        ("match current" if is_selected else "match", matched),
        ("text", behind),
    ]


