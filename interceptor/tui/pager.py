"""Many lines of styled text, wrapped, scrolled and searched. What help and the event log draw with.

Only what is visible is wrapped, so the number of lines does not matter. `first` is the line at the top; `is_at_end` stays true
while lines are appended, so that a log follows its end until one scrolls up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import urwid

from interceptor.tui.paint import Line, Segment, paint, visible, width_of


class Pager:
    def __init__(self, lines: Callable[[], Sequence[Line]], is_at_end: bool = False) -> None:
        self._lines = lines
        self.first = 0
        self.is_at_end = is_at_end
        self._size = (80, 24)
        self._pattern: re.Pattern[str] | None = None
        self._typed = ""
        self._is_backwards = False
        self._match: int | None = None
        self._drawn: list[int] = []

    @property
    def match(self) -> int | None:
        """The line that was found last, until one scrolls or searches for something else."""
        return self._match

    def line_at(self, row: int) -> int | None:
        """Which line is in that row of the screen."""
        return self._drawn[row] if 0 <= row < len(self._drawn) else None

    def lines_in_sight(self) -> Sequence[int]:
        """Which lines are, some perhaps cut."""
        return sorted(set(self._drawn))

    def move(self, delta: int) -> None:
        if self.is_at_end:
            self.first = self._last_first()
        self.first = max(0, min(self._last_first(), self.first + delta))
        self.is_at_end = delta > 0 and self.first == self._last_first()

    def page(self, delta: int) -> None:
        self.move(delta * max(1, self._size[1] - 1))

    def start(self) -> None:
        self.first, self.is_at_end = 0, False

    def end(self) -> None:
        self.is_at_end = True

    def _last_first(self) -> int:
        """The first line of the last screenful."""
        lines, (columns, rows) = self._lines(), self._size
        left, index = rows, len(lines)
        while index > 0:
            left -= len(wrapped(lines[index - 1], columns))
            if left < 0:
                break
            index -= 1
        return min(index, max(0, len(lines) - 1))

    # -- search -----------------------------------------------------------------------------------------------------------

    def search(self, pattern: str, is_backwards: bool = False) -> str:
        """Goes to the first line that matches, from here on and then from the other end."""
        if not pattern:
            self._pattern, self._match = None, None
            return ""
        flags = 0 if pattern != pattern.lower() else re.IGNORECASE
        try:
            self._pattern = re.compile(pattern, flags)
        except re.error:
            self._pattern = re.compile(re.escape(pattern), flags)
        self._typed, self._is_backwards, self._match = pattern, is_backwards, None
        return self._go(is_backwards)

    def search_next(self) -> str:
        return self._go(self._is_backwards)

    def search_previous(self) -> str:
        return self._go(not self._is_backwards)

    def _go(self, is_backwards: bool) -> str:
        if self._pattern is None:
            return "nothing was searched for yet; / does"
        lines = self._lines()
        hits = [index for index, line in enumerate(lines) if self._pattern.search(_text(line))]
        if not hits:
            self._match = None
            return f"{self._typed!r} is not there"
        here = self._match if self._match is not None else (self._last_first() if self.is_at_end else self.first)
        is_first = self._match is None
        if is_backwards:
            before = [hit for hit in hits if hit < here or (is_first and hit == here)]
            found, has_wrapped = (before[-1], False) if before else (hits[-1], True)
        else:
            after = [hit for hit in hits if hit > here or (is_first and hit == here)]
            found, has_wrapped = (after[0], False) if after else (hits[0], True)
        self._match, self.is_at_end = found, False
        self.first = max(0, min(self._last_first(), found - self._size[1] // 3))
        return f"match {hits.index(found) + 1} of {len(hits)}" + (", from the other end" if has_wrapped else "")

    # -- drawing ----------------------------------------------------------------------------------------------------------

    def render(self, size: tuple[int, int]) -> urwid.TextCanvas:
        self._size = size
        lines = self._lines()
        self.first = self._last_first() if self.is_at_end else max(0, min(self.first, self._last_first()))
        drawn: list[Line] = []
        self._drawn = []
        for index in range(self.first, len(lines)):
            line = lines[index]
            if self._pattern is not None:
                line = highlighted(line, self._pattern, "match current" if index == self._match else "match")
            pieces = wrapped(line, size[0])
            drawn += pieces
            self._drawn += [index] * len(pieces)
            if len(drawn) >= size[1]:
                break
        del self._drawn[size[1] :]
        return paint(drawn[: size[1]], size)


def _text(line: Line) -> str:
    return "".join(text for _, text in line)


def highlighted(line: Line, pattern: re.Pattern[str], style: str) -> Line:
    spans = [match.span() for match in pattern.finditer(_text(line)) if match.end() > match.start()]
    if not spans:
        return line
    result: list[Segment] = []
    start = 0
    for name, text in line:
        at = 0
        for begin, end in spans:
            low, high = max(begin - start, at), min(end - start, len(text))
            if low < high:
                result += [(name, text[at:low]), (style, text[low:high])]
                at = high
        result.append((name, text[at:]))
        start += len(text)
    return [segment for segment in result if segment[1]]


def wrapped(line: Line, columns: int) -> list[Line]:
    """The line in pieces of at most `columns`, between words where there are any; an empty line is one piece."""
    if sum(width_of(text) for _, text in line) <= columns:
        return [line]
    rows: list[Line] = []
    row: list[Segment] = []
    left = columns
    for style, text in line:
        rest = visible(text)
        while rest:
            end, used = urwid.calc_text_pos(rest, 0, len(rest), left)
            if end == 0 and left == columns:
                end, used = 1, columns  # a character wider than the screen
            elif end < len(rest) and rest[end] != " " and (space := rest.rfind(" ", 0, end)) > 0:
                end, used = space + 1, left  # the space stays where the row ends
            row.append((style, rest[:end]))
            rest, left = rest[end:], left - used
            if rest or left <= 0:
                rows.append(row)
                row, left = [], columns
    if row:
        rows.append(row)
    return rows
