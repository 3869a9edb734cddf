"""Searching all flows: a line that is typed, what is found while one types, and from there to the flow.

    key ─▸ line ─ a moment later ─▸ Searching.begin_soon ─▸ SearchRun ─▸ lines: flow, its hits …
    up, down ─▸ hit          enter ─▸ open_hit(flow, hit)          esc ─▸ back

Letters are always text here; whatever else there is to do has other keys. What is found stays while the next search begins, until
that has found something or is over. The second line tells how far the search is, and what the index has not come to.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import urwid

from interceptor.session.search.run import FlowHits, Hit, SearchRun
from interceptor.session.search.searching import Searching
from interceptor.specs.errors import UserError
from interceptor.specs.searched import REGEX, Searched, parse_searched
from interceptor.specs.sizes import format_size
from interceptor.tui.canvas_lines import canvas
from interceptor.tui.line_editor import LineEditor
from interceptor.tui.paint import Line, paint, width_of
from interceptor.tui.present.hits import found_line, hit_line
from interceptor.tui.present.text import Piece
from interceptor.tui.screens import Hint, Screen, Step

WAIT_SECONDS: Final = 0.15
"""Between the last key and the search."""
_LOOK_SECONDS: Final = 0.5
_LABEL: Final = " /"
_ABOUT: Final = (
    "URLs, headers, decoded bodies and messages of all flows are searched.",
    "",
    "token                  this text, wherever it is; capitals matter if there are any",
    "re:id=[0-9]+           a regular expression (ctrl t)",
    "~d example.org token   only in flows that the filter means; ? in the list shows all filters",
    '"~all"                 quoted: a text that begins like a filter',
)


class SearchScreen(Screen):
    context = "search"
    title = "Search in all flows"

    def __init__(
        self,
        searching: Searching,
        open_hit: Callable[[FlowHits, int, Searched], None],
        invalidate: Callable[[], None],
        start: Callable[[Coroutine[Any, Any, None]], None],
        text: str = "",
    ) -> None:
        """`open_hit` is told of the flow, which of its hits, and what was searched for; `start` runs something beside it."""
        self._searching, self._open_hit, self._invalidate, self._start = searching, open_hit, invalidate, start
        self.line = LineEditor(text)
        self._searched: Searched | None = None
        self._problem = ""
        self._run: SearchRun | None = None  # whose hits are shown
        self._coming: SearchRun | None = None
        self._rows: list[tuple[int, int]] = []  # (which flow that was found, which of its hits or -1 for its own line)
        self._known = 0  # flows found that rows were made of
        self._at = 0
        self._first = 0
        self._page = 10
        self._timer: asyncio.TimerHandle | None = None
        self._look_timer: asyncio.TimerHandle | None = None
        self._last = ""  # what was searched for
        self._is_gone = False
        self._count_of_flows = 0

    # What is typed

    @property
    def is_typing(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return self.line.text

    def take(self, key: str) -> bool:
        if key in ("enter", "esc"):
            return False
        before = self.text
        is_taken = self.line.keypress(key)
        if self.text != before:
            self._changed()
        return is_taken

    def paste(self, text: str) -> bool:
        self.line.insert(" ".join(text.splitlines()))
        self._changed()
        return True

    def set_text(self, text: str) -> None:
        self.line.set(text)
        self._changed()

    def toggle_regex(self) -> None:
        """Marks what is typed as a regular expression, or takes the mark away."""
        text = self.text
        behind = len(text) if self._searched is None else text.rfind(self._searched.text) if self._searched.text else len(text)
        at = text.rfind(REGEX)
        if at >= 0 and (self._searched is None or self._searched.is_regex):
            self.set_text(text[:at] + text[at + len(REGEX) :])
        else:
            self.set_text(f"{text[:behind]}{REGEX}{text[behind:]}")

    def _changed(self) -> None:
        self._parse()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(WAIT_SECONDS, self.again)
        self._invalidate()

    def _parse(self) -> None:
        self._problem = ""
        try:
            self._searched = parse_searched(self.text)
        except UserError as error:
            self._searched, self._problem = None, error.message

    def again(self) -> None:
        """Searches for what is typed, also if that was searched for before."""
        self._parse()
        if self._coming is not None:
            self._coming.stop()
            self._coming = None
        searched = self._searched
        if searched is None:
            return
        if not searched.text:
            self._show(None)
            return
        self._last = self.text
        self._start(self._begin(searched, self.text))

    async def _begin(self, searched: Searched, text: str) -> None:
        loop = asyncio.get_running_loop()

        def told() -> None:
            with contextlib.suppress(RuntimeError):  # the program has ended meanwhile
                loop.call_soon_threadsafe(self._told)

        run = await self._searching.begin_soon(searched, told)
        if self._is_gone or text != self._last:
            run.stop()
            return
        if self._coming is not None:
            self._coming.stop()
        self._coming = run
        self._told()

    def _told(self) -> None:
        coming = self._coming
        if coming is not None and (coming.found or coming.is_over):
            self._show(coming)
            self._coming = None
        self._invalidate()

    def _show(self, run: SearchRun | None) -> None:
        if self._run is not None and self._run is not run:
            self._run.stop()
        self._run = run
        self._rows, self._known, self._first = [], 0, 0
        self._at = 1
        self._count_of_flows = self._searching.count_of_flows
        self._invalidate()

    # Life

    def shown(self) -> None:
        if self._look_timer is None:
            if self.text and self._run is None:
                self.again()
            self._look_later()

    def gone(self) -> None:
        self._is_gone = True
        for timer in (self._timer, self._look_timer):
            if timer is not None:
                timer.cancel()
        for run in (self._run, self._coming):
            if run is not None:
                run.stop()

    def _look_later(self) -> None:
        """The index follows capture, and what is told of it shall be true."""
        self._look_timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look_later)
        self._invalidate()

    # Going about

    def _grown(self) -> Sequence[FlowHits]:
        """What was found so far, with rows for all of it."""
        found = self._run.found if self._run is not None else ()
        while self._known < len(found):
            self._rows.append((self._known, -1))
            self._rows += [(self._known, number) for number in range(len(found[self._known].hits))]
            self._known += 1
        return found

    def navigate(self, step: Step) -> None:
        self._grown()
        if not self._rows:
            return
        match step:
            case Step.SELECT:
                self._select()
            case Step.UP | Step.DOWN:
                self._move(-1 if step is Step.UP else 1)
            case Step.PAGE_UP | Step.PAGE_DOWN:
                self._go(self._at + (-self._page if step is Step.PAGE_UP else self._page))
            case Step.START | Step.END:
                self._go(1 if step is Step.START else len(self._rows) - 1)
            case Step.NEXT | Step.PREVIOUS:
                self._next_flow(1 if step is Step.NEXT else -1)
        self._invalidate()

    def _move(self, delta: int) -> None:
        at = self._at + delta
        if 0 < at < len(self._rows) and self._rows[at][1] < 0:
            at += delta
        self._go(at)

    def _go(self, at: int) -> None:
        at = max(1, min(at, len(self._rows) - 1))
        self._at = at if self._rows[at][1] >= 0 else at + 1

    def _next_flow(self, delta: int) -> None:
        number = self._rows[self._at][0] + delta
        if 0 <= number < self._known:
            self._go(bisect_left(self._rows, (number, 0)))

    def _select(self) -> None:
        if self._run is None or self._at >= len(self._rows):
            return
        number, hit = self._rows[self._at]
        self._open_hit(self._run.found[number], hit, self._run.scope.searched)

    @property
    def hit(self) -> tuple[FlowHits, Hit] | None:
        """Under the cursor."""
        found = self._grown()
        if not self._rows or self._at >= len(self._rows):
            return None
        number, hit = self._rows[self._at]
        return found[number], found[number].hits[hit]

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        """A click goes to a hit, one on the hit with the cursor is enter."""
        at = self._first + row - 2
        if event != "mouse press" or button != 1 or row < 2 or at >= len(self._rows):
            return False
        if at == self._at:
            self._select()
        else:
            self._go(at)
        return True

    def hints(self) -> Sequence[Hint]:
        return (
            ("console.nav.select", "Open"),
            ("console.nav.next", "Next flow"),
            ("search.regex.toggle", "Regex"),
            ("search.again", "Search again"),
            ("console.view.pop", "Back"),
        )

    # Drawing

    def render(self, size: tuple[int, int]) -> urwid.Canvas:
        columns, rows = size
        found = self._grown()
        room = max(rows - 2, 0)
        self._page = max(room - 1, 1)
        self._first = max(0, min(self._first, self._at - 1, len(self._rows) - 1), self._at - room + 1)
        upper = self._head(columns)
        lines: list[list[Piece]] = []
        cursor: list[int] = []
        for at in range(self._first, min(self._first + room, len(self._rows))):
            number, hit = self._rows[at]
            if hit < 0:
                lines.append(found_line(found[number], columns, self._note(found[number])))
                continue
            if at == self._at:
                cursor.append(len(lines))
            lines.append(hit_line(found[number].hits[hit], columns, at == self._at))
        if not self._rows:
            lines = self._nothing()
        return urwid.CanvasCombine([(upper, None, True), (canvas(lines, columns, room, {}, cursor), None, False)])

    def _note(self, found: FlowHits) -> str:
        if not self._searching.is_listed(found.flow_id):
            return "deleted"
        return "and more" if found.is_more else ""

    def _nothing(self) -> list[list[Piece]]:
        if self._run is None:
            return [] if self._coming is not None else [[], *([("dim", f" {line}")] for line in _ABOUT)]
        if not self._run.is_over:
            return []
        cut = self._run.cut
        more = f" {cut:,} have bodies of which only the first {self._limit} are searched." if cut else ""
        return [[], [("dim", f" No flow has it.{more}")]]

    def _head(self, columns: int) -> urwid.Canvas:
        room = columns - width_of(_LABEL) - 1
        text, position = self.line.text, self.line.position
        start = 0
        while width_of(text[start:position]) >= room:
            start += 1
        style = "text" if self._searched is not None or not self._problem else "error"
        first: Line = [("cursor", _LABEL), ("background", " "), (style, text[start:])]
        second: Line = [("error" if self._problem else "note", f" {self._problem or self._state()}")]
        cursor = (width_of(_LABEL) + 1 + width_of(text[start:position]), 0)
        return paint([first, second], (columns, 2), cursor=cursor)

    def _state(self) -> str:
        told: list[str] = []
        run = self._coming or self._run
        shown = self._run
        if shown is not None:
            hits = len(self._rows) - self._known
            told.append(f"{self._known:,} {'flow' if self._known == 1 else 'flows'}, {hits:,} {'hit' if hits == 1 else 'hits'}")
            if shown.problem:
                told.append(shown.problem)
            if shown.is_more:
                told.append("more than are shown: say more of what you look for")
        if run is not None and not run.is_over:
            told.append(f"searching, {run.looked_at * 100 // max(run.to_look_at, 1)} %")
        elif shown is not None and (new := self._searching.count_of_flows - self._count_of_flows) > 0:
            told.append(f"{new:,} flows since")
        if shown is not None and shown.cut and self._rows:
            told.append(f"of large bodies the first {self._limit}")
        told.append(self._searching.state)
        return " · ".join(each for each in told if each)

    @property
    def _limit(self) -> str:
        return format_size(self._searching.limit)

