"""A document in a window: wrapped or shifted, scrolled, searched. Only the lines that are seen are made, wrapped and drawn.

    Document ─ line(i) ─▸ marked with matches ─▸ wrapped ─▸ visible(columns, rows)      search ─▸ matches ─▸ window moves there

The window is known by its first row: a line and a row of that line. So neither the number of lines nor the length of one costs
anything but when it is seen. The first lines are searched at once, the rest in a worker thread.
"""

from __future__ import annotations

import asyncio
import re
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from interceptor.platform.courtesy import Pace
from interceptor.tui.present.paragraphs import (
    Document,
    from_column,
    marked,
    plain,
    row_of,
)
from interceptor.tui.present.text import Line
from interceptor.tui.worker import in_worker

_SLICE_SECONDS: Final = 0.2
_FIRST_SLICE_SECONDS: Final = 0.005
_MOST_MATCHES: Final = 100_000
_SHIFT: Final = 8
_BATCH: Final = 50

Place = tuple[int, int]
"""A line and, in it, a row of the screen or a character."""


class ScrolledText:
    def __init__(self, schedule_redraw: Callable[[], None]) -> None:
        self._schedule_redraw = schedule_redraw
        self._document = Document([])
        self._size = (80, 24)
        self._top: Place = (0, 0)
        self._left = 0
        self._breaks: dict[int, list[int]] = {}
        self.is_wrapped = True
        self._search: _Search | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._wants_end = False  # the end is to be seen, and it is not there yet

    def __len__(self) -> int:
        return len(self._document)

    # What is shown

    def show(self, document: Document, is_same: bool, is_following: bool = False) -> None:
        """`is_same`: a new state of what was shown, so stay where we are and search again; `is_following`: if that was the end,
        go to the new end."""
        before = self._document
        was_at_end = is_following and len(self._document) > 0 and self._top >= self._last_top()
        self._document = document
        self._breaks.clear()
        if not is_same:
            self._top, self._left = (0, 0), 0
            self._wants_end = False
            self.stop_search()
        elif self._search is not None:
            was_settled = self._search.is_settled
            self._search_in(self._search, document, before)
            if self._search.is_settled and not was_settled:
                return
        if is_same and (was_at_end or self._wants_end):
            self.end()

    def visible(self, columns: int, rows: int) -> list[Line]:
        """At most `rows` lines, the wrapped ones at most `columns` wide; whoever draws cuts the others."""
        self.resize(columns, rows)
        self._clamp()
        shown: list[Line] = []
        index, row = self._top
        while index < len(self._document) and len(shown) < rows:
            line = self._marked(index)
            if self.is_wrapped:
                starts = self._row_starts(index)
                indent = self._document.indent(index)
                last = min(len(starts), row + rows - len(shown))
                shown += [row_of(line, starts, number, columns, indent) for number in range(row, last)]
            else:
                shown.append(from_column(line, self._left) if self._left else line)
            index, row = index + 1, 0
        return shown

    def position(self) -> str:
        """Where the window is, for the line above it: empty if everything is seen."""
        count = len(self._document)
        shift = f" +{self._left}" if self._left and not self.is_wrapped else ""
        if not count or (self._top == (0, 0) and self._last_top() == (0, 0)):
            return shift.strip()
        if self._document.is_growing:
            return f"{self._top[0] + 1}/{count}…{shift}"
        share = 100 if self._top >= self._last_top() else self._top[0] * 100 // count
        return f"{self._top[0] + 1}/{count} {share}%{shift}"

    def resize(self, columns: int, rows: int) -> None:
        """Before it is drawn in that size."""
        if columns != self._size[0]:
            self._breaks.clear()
            self._top = (self._top[0], 0)
        self._size = (columns, rows)

    def _row_starts(self, index: int) -> list[int]:
        if not self.is_wrapped:
            return [0]
        starts = self._breaks.get(index)
        if starts is None:
            if len(self._breaks) > 2000:
                self._breaks.clear()
            starts = self._breaks[index] = self._document.breaks(index, self._size[0])
        return starts

    # Moving

    def move(self, delta: int) -> None:
        """The window by rows of the screen."""
        self._wants_end = False
        index, row = self._top
        row += delta
        while row < 0 and index > 0:
            index -= 1
            row += len(self._row_starts(index))
        while index < len(self._document) - 1 and row >= len(self._row_starts(index)):
            row -= len(self._row_starts(index))
            index += 1
        self._top = index, max(row, 0)
        self._clamp()

    def page(self, delta: int) -> None:
        self.move(delta * max(self._size[1] - 1, 1))

    def start(self) -> None:
        self._top, self._left = (0, 0), 0
        self._wants_end = False

    def end(self) -> None:
        """Of what is there; where lines are still being made it goes on to their end."""
        self._top = self._last_top()
        self._wants_end = self._document.is_growing
        self._document.want_all()

    @property
    def first_line(self) -> int:
        """The line at the top of the window."""
        return self._top[0]

    def go_to(self, line: int) -> None:
        """The window begins there, or as near as the end allows."""
        self._top = line, 0
        self._wants_end = False
        self._clamp()

    def shift(self, delta: int) -> None:
        """Sideways, by steps of eight columns. Lines are no longer wrapped then; `toggle_wrap` wraps them again."""
        if delta > 0 or self._left:
            if self.is_wrapped:
                self.toggle_wrap()
            self._left = max(self._left + delta * _SHIFT, 0)

    def toggle_wrap(self) -> None:
        self.is_wrapped = not self.is_wrapped
        self._left = 0
        self._breaks.clear()
        self._top = (self._top[0], 0)

    def _last_top(self) -> Place:
        """The window that ends with the document."""
        rows = self._size[1]
        index = len(self._document)
        while index > 0:
            index -= 1
            rows -= len(self._row_starts(index))
            if rows <= 0:
                return index, -rows
        return 0, 0

    def _clamp(self) -> None:
        index, row = self._top
        index = max(min(index, len(self._document) - 1), 0)
        self._top = min((index, row), self._last_top())

    # Searching

    def search(self, pattern: str, is_backwards: bool, skipped: int = 0) -> str:
        """Goes to the first match from the window on; what to say about it. A pattern that is no regular expression is text; it
        ignores case unless it has capitals. An empty one ends the search. `skipped`: so many matches before it."""
        self.stop_search()
        if not pattern:
            return ""
        self._search = _Search(self._document, pattern, is_backwards, (self._top[0], 0), skipped)
        self._document.want_all()
        self._search.take(self._search.look(_FIRST_SLICE_SECONDS))
        self._go_on()
        self._show_match()
        return self.search_state()

    def search_next(self, is_reversed: bool = False) -> str:
        """The next match in the direction of the search, or in the other one."""
        if self._search is None:
            return "nothing to search for yet"
        self._search.step(is_reversed)
        self._show_match()
        return self.search_state()

    def search_state(self) -> str:
        """`3/17`, `not found: …`; while it is still going on `3/17…`. Empty if there is no search."""
        return self._search.state() if self._search is not None else ""

    def stop_search(self) -> None:
        if self._search is not None:
            self._search.is_stopped = True
            self._search = None

    def _search_in(self, search: _Search, document: Document, before: Document) -> None:
        """The same search in a new state of the document."""
        if document.goes_on_with(before):
            search.document = document
            self._go_on()
            return
        had_match = search.is_settled
        self._search = again = search.again(document)
        again.take(again.look(_FIRST_SLICE_SECONDS))
        self._go_on()
        if not had_match:
            self._show_match()

    def _go_on(self) -> None:
        """The rest of the search, in a worker; at once where there is no event loop."""
        search = self._search
        if search is None or search.is_caught_up or search.is_running:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            search.take(search.look(None))
            return
        search.is_running = True
        task = loop.create_task(self._search_on(search))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _search_on(self, search: _Search) -> None:
        try:
            while not search.is_caught_up and search is self._search:
                found = await in_worker(lambda: search.look(_SLICE_SECONDS, Pace()))
                if search is not self._search or search.is_stopped:
                    return
                had = search.current
                search.take(found)
                if search.current is not None and search.current != had:
                    self._show_match()
                self._schedule_redraw()
        finally:
            search.is_running = False

    def _show_match(self) -> None:
        """Moves the window so that the current match is in it, with some lines before it."""
        match = self._search.match() if self._search is not None else None
        if match is None:
            return
        index, start, end = match
        columns, rows = self._size
        starts = self._row_starts(index)
        row = max(bisect_left(starts, start + 1) - 1, 0)
        if not self.is_wrapped and not self._left <= start <= end <= self._left + columns:
            self._left = max(start - columns // 3, 0)
        if not self._is_seen(index, row):
            self._top = index, row
            self.move(-(rows // 3))

    def _is_seen(self, index: int, row: int) -> bool:
        at, skipped = self._top
        rows = -skipped
        if (index, row) < self._top:
            return False
        while at < index and rows < self._size[1]:
            rows += len(self._row_starts(at))
            at += 1
        return rows + row < self._size[1]

    def _marked(self, index: int) -> Line:
        line = self._document.line(index)
        return marked(line, self._search.marks(index)) if self._search is not None else line


_Found = tuple[int, list[tuple[int, int, int]]]
"""The line that is to be looked at next, and the matches before it."""


class _Search:
    """One pattern in one document: which matches are known, and which is the current one."""

    def __init__(self, document: Document, pattern: str, is_backwards: bool, origin: Place, skipped: int = 0) -> None:
        self.document = document
        self._text = pattern
        flags = re.NOFLAG if any(letter.isupper() for letter in pattern) else re.IGNORECASE
        try:
            self._pattern = re.compile(pattern, flags)
        except (re.error, OverflowError, RecursionError):
            self._pattern = re.compile(re.escape(pattern), flags)
        self._is_backwards = is_backwards
        self._origin = origin
        self._skipped = skipped
        self.is_settled = False  # the match that was wanted is the current one
        self._next_line = 0
        self._matches: list[tuple[int, int, int]] = []
        self.current: int | None = None
        self.is_stopped = False
        self.is_running = False  # in a worker

    def again(self, document: Document) -> _Search:
        """The same in a new state of the document."""
        match = self.match()
        self.is_stopped = True
        if self._skipped and not self.is_settled:
            return _Search(document, self._text, self._is_backwards, self._origin, self._skipped)
        origin = self._origin if match is None else (match[0], match[1] + 1 if self._is_backwards else match[1])
        return _Search(document, self._text, self._is_backwards, origin)

    @property
    def is_caught_up(self) -> bool:
        """Every line that there is has been looked at, or there are matches enough."""
        return self._next_line >= len(self.document) or len(self._matches) >= _MOST_MATCHES

    @property
    def is_complete(self) -> bool:
        return self.is_caught_up and (not self.document.is_growing or len(self._matches) >= _MOST_MATCHES)

    def look(self, seconds: float | None, pace: Pace | None = None) -> _Found:
        """Looks at some more lines; at all if None. Changes nothing, so it may be done in a worker."""
        deadline = None if seconds is None else time.perf_counter() + seconds
        document, number, matches = self.document, self._next_line, list[tuple[int, int, int]]()
        most = _MOST_MATCHES - len(self._matches)
        end = len(document)
        while number < end and len(matches) < most and not self.is_stopped:
            for index in range(number, min(number + _BATCH, end)):
                text = plain(document.line(index))
                matches += [
                    (index, found.start(), found.end()) for found in self._pattern.finditer(text) if found.end() > found.start()
                ]
            number = min(number + _BATCH, end)
            if deadline is not None and time.perf_counter() >= deadline:
                break
            if pace is not None:
                pace.rest()
        return number, matches

    def take(self, found: _Found) -> None:
        """What was seen by `look`."""
        self._next_line, matches = found
        self._matches += matches
        if not self.is_settled:
            self._find_current()

    def _find_current(self) -> None:
        """Forwards the first match behind the origin, as soon as it is known; backwards the last before it."""
        if not self._matches:
            return
        at = bisect_left(self._matches, (*self._origin, 0))
        if self._is_backwards:
            if at > 0 and (self._next_line > self._origin[0] or self.is_complete):
                self.current = at - 1
            elif self.is_complete:
                self.current = len(self._matches) - 1
        elif at + self._skipped < len(self._matches):
            self.current = at + self._skipped
        elif self.is_complete:
            self.current = len(self._matches) - 1 if self._skipped else 0
            self.is_settled = not self._skipped
            return
        self.is_settled = self.current is not None

    def step(self, is_reversed: bool) -> None:
        if self._matches and self.current is not None:
            self.is_settled = True
            delta = -1 if is_reversed != self._is_backwards else 1
            self.current = (self.current + delta) % len(self._matches)

    def match(self) -> tuple[int, int, int] | None:
        return self._matches[self.current] if self.current is not None else None

    def marks(self, index: int) -> list[tuple[int, int, str]]:
        first = bisect_left(self._matches, (index, 0, 0))
        marks = []
        for number in range(first, len(self._matches)):
            line, start, end = self._matches[number]
            if line != index:
                break
            marks.append((start, end, "match current" if number == self.current else "match"))
        return marks

    def state(self) -> str:
        more = "" if self.is_complete else "…"
        if self.current is not None:
            return f"{self.current + 1}/{len(self._matches)}{more}"
        return f"searching for {self._text}…" if more else f"not found: {self._text}"
