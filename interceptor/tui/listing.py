"""A list of things to choose from, with headings, and below it what the one under the cursor is. What options, commands and key
bindings are shown with.

    rows() ─▸ Row(heading, line, searched, about) … ─▸ list ┬ keys, wheel, / n N ─▸ the cursor
                                                            └ below: `about` of the row with the cursor

The rows are asked for at every drawing, so they are always what is true; the cursor stays on the row of the same `name`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import urwid

from interceptor.tui.canvas_lines import canvas
from interceptor.tui.pager import highlighted, wrapped
from interceptor.tui.paint import Line, Segment, cut, line_width, paint, width_of
from interceptor.tui.screens import Screen, Step

ABOUT_ROWS: Final = 5
LEAST_LIST_ROWS: Final = 3


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    """Of its own: no other row of the list has it."""
    line: Line
    about: Sequence[Line]
    """What is shown below the list while the cursor is here."""
    searched: str
    heading: str = ""
    """Stands above the first of the rows that have the same."""


class Listing(Screen):
    """`rows` and what enter does are the subclass's."""

    def __init__(self) -> None:
        self._at = ""  # the name of the row with the cursor
        self._index = 0  # where that was
        self._first = 0
        self._page = 10
        self._drawn: list[int | None] = []  # the index of the row on each line of the list, in the last drawing
        self._pattern: re.Pattern[str] | None = None

    def rows(self) -> Sequence[Row]:
        return ()

    def select(self) -> None:
        """Enter, on the row with the cursor."""

    @property
    def current(self) -> str | None:
        """The name of the row with the cursor; None if there is no row."""
        rows = self.rows()
        return rows[self._find(rows)].name if rows else None

    def go_to(self, name: str) -> None:
        self._at = name

    def _find(self, rows: Sequence[Row]) -> int:
        """The index of the row with the cursor. One that is gone leaves the cursor where it was."""
        index = next((index for index, row in enumerate(rows) if row.name == self._at), None)
        if index is None:
            index = max(0, min(self._index, len(rows) - 1))
            self._at = rows[index].name if rows else ""
        self._index = index
        return index

    # -- going about ------------------------------------------------------------------------------------------------------

    def navigate(self, step: Step) -> None:
        rows = self.rows()
        if not rows:
            return
        index, last = self._find(rows), len(rows) - 1
        match step:
            case Step.UP | Step.DOWN:
                index += -1 if step is Step.UP else 1
            case Step.PAGE_UP | Step.PAGE_DOWN:
                index += -self._page if step is Step.PAGE_UP else self._page
            case Step.START | Step.END:
                index = 0 if step is Step.START else last
            case Step.NEXT | Step.PREVIOUS:
                index = _next_group(rows, index, 1 if step is Step.NEXT else -1)
            case Step.SELECT:
                self.select()
                return
        self._index = max(0, min(last, index))
        self._at = rows[self._index].name

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        """A click goes to a row, one on the row with the cursor is enter."""
        if event != "mouse press" or button != 1 or row >= len(self._drawn):
            return False
        rows, index = self.rows(), self._drawn[row]
        if index is None or index >= len(rows):
            return True
        if index == self._find(rows):
            self.select()
        else:
            self._index, self._at = index, rows[index].name
        return True

    def search(self, pattern: str, is_backwards: bool) -> str:
        if not pattern:
            self._pattern = None
            return ""
        flags = 0 if pattern != pattern.lower() else re.IGNORECASE
        try:
            self._pattern = re.compile(pattern, flags)
        except re.error:
            self._pattern = re.compile(re.escape(pattern), flags)
        return self._go(is_backwards, is_here_too=True)

    def search_next(self) -> str:
        return self._go(False)

    def search_previous(self) -> str:
        return self._go(True)

    def _go(self, is_backwards: bool, is_here_too: bool = False) -> str:
        if self._pattern is None:
            return "nothing was searched for yet; / does"
        rows = self.rows()
        hits = [index for index, row in enumerate(rows) if self._pattern.search(row.searched)]
        if not hits:
            return f"{self._pattern.pattern!r} is not there"
        here = self._find(rows)
        if is_backwards:
            beyond = [hit for hit in reversed(hits) if hit < here]
            found = beyond[0] if beyond else hits[-1]
        else:
            beyond = [hit for hit in hits if hit > here or (is_here_too and hit == here)]
            found = beyond[0] if beyond else hits[0]
        self._index, self._at = found, rows[found].name
        return f"match {hits.index(found) + 1} of {len(hits)}" + ("" if beyond else ", from the other end")

    # -- drawing ----------------------------------------------------------------------------------------------------------

    def render(self, size: tuple[int, int]) -> urwid.Canvas:
        columns, height = size
        rows = self.rows()
        at = self._find(rows)
        about_rows = ABOUT_ROWS if height >= ABOUT_ROWS + 1 + LEAST_LIST_ROWS else 0
        listed = height - about_rows - (1 if about_rows else 0)
        self._page = max(1, listed - 2)
        lines, owners = self._lines(rows)
        self._scroll(owners.index(at) if rows else 0, len(lines), listed, owners)
        self._drawn = owners[self._first : self._first + listed]
        cursor = [self._drawn.index(at)] if rows and at in self._drawn else []
        shown = [ending_in_sight(line, columns) for line in lines[self._first : self._first + listed]]
        upper = canvas(shown, columns, listed, {}, cursor)
        if not about_rows:
            return upper
        about: list[Line] = [[("border", "─" * columns)]]
        for line in rows[at].about if rows else ():
            about += wrapped(line, columns)
        lower = paint(about[: about_rows + 1], (columns, about_rows + 1))
        return urwid.CanvasCombine([(upper, None, False), (lower, None, False)])

    def _lines(self, rows: Sequence[Row]) -> tuple[list[Line], list[int | None]]:
        """All lines of the list, headings between them, and the index of the row on each."""
        lines: list[Line] = []
        owners: list[int | None] = []
        heading = ""
        for index, row in enumerate(rows):
            if row.heading != heading:
                heading = row.heading
                lines += [[], [("section", heading)]] if lines else [[("section", heading)]]
                owners += [None] * (len(lines) - len(owners))
            line = row.line if self._pattern is None else highlighted(row.line, self._pattern, "match")
            lines.append(line)
            owners.append(index)
        return lines, owners

    def _scroll(self, at: int, count: int, room: int, owners: Sequence[int | None]) -> None:
        """No further than needed for the cursor, and the heading right above it, to be seen."""
        top = at - 1 if at and owners[at - 1] is None else at
        if top < self._first:
            self._first = top
        self._first = max(0, min(max(self._first, at - room + 1), count - room))


def ending_in_sight(line: Line, columns: int) -> list[Segment]:
    """As much of it as fits, with a sign at the end that there is more."""
    fitting: list[Segment] = []
    for style, text in line:
        room = columns - line_width(fitting)
        fitting.append((style, cut(text, room)))
        if width_of(text) > room:
            break
    return fitting


def _next_group(rows: Sequence[Row], index: int, step: int) -> int:
    """The first row of the next or the previous group; round at the ends."""
    starts = [0, *(at for at in range(1, len(rows)) if rows[at].heading != rows[at - 1].heading)]
    group = max(number for number, start in enumerate(starts) if start <= index)
    return starts[(group + step) % len(starts)]
