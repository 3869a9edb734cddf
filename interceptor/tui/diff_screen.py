"""Two flows compared, as a screen. The comparison and its lines are made in a worker; what is on the screen stays meanwhile.

Compared, Compared ─ worker ─▸ Difference ─ worker ─▸ lines for this width ─▸ ScrolledText ─▸ canvas
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import urwid

from interceptor.contentviews.rendered import RenderCancelled
from interceptor.difference.comparison import Difference, compare
from interceptor.difference.parts import Compared
from interceptor.platform.courtesy import Pace
from interceptor.tui.canvas_lines import canvas
from interceptor.tui.present.difference import SPLIT_FROM, Layout, lay_out, names
from interceptor.tui.present.paragraphs import Document, spread
from interceptor.tui.present.text import Line
from interceptor.tui.screens import Hint, Screen, Step
from interceptor.tui.scrolled_text import ScrolledText
from interceptor.tui.worker import in_worker

_WHEEL_ROWS: Final = 3
_LAYOUTS: Final = (None, True, False)
"""By the width; side by side; one below the other."""


class _Wanted(NamedTuple):
    counts_key_order: bool
    columns: int
    is_split: bool
    is_folded: bool
    is_swapped: bool


@dataclass(eq=False, slots=True)
class _Job:
    wanted: _Wanted
    is_cancelled: bool = False


class DiffScreen(Screen):
    context = "diff"
    title = "Comparison"

    def __init__(self, left: Compared, right: Compared, schedule_redraw: Callable[[], None]) -> None:
        self._left, self._right, self._schedule_redraw = left, right, schedule_redraw
        self._is_split: bool | None = None
        self._is_folded, self._counts_key_order, self._is_swapped = True, False, False
        self._window = ScrolledText(schedule_redraw)
        self._job: _Job | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._made_for: _Wanted | None = None
        self._difference: Difference | None = None
        self._layout = Layout([], [])
        self._failure = ""
        self._current = -1  # the difference that was gone to last
        self._went_to = -1  # the line at the top since then

    # --- what the commands do ---------------------------------------------------------------------------------

    def go(self, delta: int) -> str:
        """To the next difference, or to the one before; what to tell the user."""
        starts = self._layout.starts
        if not starts:
            return "there is no difference" if self._difference is not None else "the comparison is not ready yet"
        top = self._window.first_line
        if self._current >= 0 and top == self._went_to:
            at = self._current + delta
        else:
            at = bisect_right(starts, top) if delta > 0 else bisect_left(starts, top) - 1
        if not 0 <= at < len(starts):
            return "this is the last difference" if delta > 0 else "this is the first difference"
        self._go_to(at)
        return ""

    def _go_to(self, at: int) -> None:
        self._current = at
        self._window.go_to(max(self._layout.starts[at] - 2, 0))
        self._went_to = self._window.first_line

    def toggle_unchanged(self) -> str:
        self._is_folded = not self._is_folded
        return "what is the same is folded" if self._is_folded else "everything is shown"

    def toggle_key_order(self) -> str:
        self._counts_key_order = not self._counts_key_order
        return f"the order of keys in JSON {'counts' if self._counts_key_order else 'does not count'}"

    def swap(self) -> None:
        self._is_swapped = not self._is_swapped

    def cycle_layout(self) -> str:
        self._is_split = _LAYOUTS[(_LAYOUTS.index(self._is_split) + 1) % len(_LAYOUTS)]
        return {None: "as the width allows", True: "side by side", False: "one below the other"}[self._is_split]

    # --- made in a worker -------------------------------------------------------------------------------------

    def gone(self) -> None:
        self._call_off()
        self._window.stop_search()

    def _call_off(self) -> None:
        if self._job is not None:
            self._job.is_cancelled = True
            self._job = None

    def _want(self, wanted: _Wanted) -> None:
        if wanted == self._made_for or (self._job is not None and self._job.wanted == wanted):
            return
        self._call_off()
        job = self._job = _Job(wanted)
        known = self._difference if self._is_known(wanted) else None
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._show(job, _made(self._sides(wanted), known, wanted, lambda: False))
            return
        task = loop.create_task(self._work(job, known))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_known(self, wanted: _Wanted) -> bool:
        """Only its lines are made anew."""
        made_for = self._made_for
        return (
            made_for is not None
            and made_for.counts_key_order == wanted.counts_key_order
            and made_for.is_swapped == wanted.is_swapped
        )

    def _sides(self, wanted: _Wanted) -> tuple[Compared, Compared]:
        return (self._right, self._left) if wanted.is_swapped else (self._left, self._right)

    async def _work(self, job: _Job, known: Difference | None) -> None:
        pace = Pace()

        def cancelled() -> bool:
            pace.rest()
            return job.is_cancelled

        sides = self._sides(job.wanted)
        try:
            made = await in_worker(lambda: _made(sides, known, job.wanted, cancelled))
        except RenderCancelled:
            return
        except Exception as error:  # a body that cannot be read: the rest of the console goes on
            if job is self._job:
                self._failure = f"cannot be compared: {type(error).__name__}: {error}"
                self._made_for = job.wanted
        else:
            self._show(job, made)
        self._schedule_redraw()

    def _show(self, job: _Job, made: tuple[Difference, Layout]) -> None:
        if job is not self._job or job.is_cancelled:
            return
        self._job = None
        is_first = self._difference is None
        self._failure = ""
        self._difference, self._layout = made
        self._made_for = job.wanted
        self._window.show(Document([], self._layout.lines), False)
        if not is_first and 0 <= self._current < len(self._layout.starts):
            self._go_to(self._current)
        else:
            self._current = self._went_to = -1

    # --- the screen -------------------------------------------------------------------------------------------

    def render(self, size: tuple[int, int]) -> urwid.Canvas:
        columns, rows = size
        is_split = columns >= SPLIT_FROM if self._is_split is None else self._is_split
        wanted = _Wanted(self._counts_key_order, columns, is_split, self._is_folded, self._is_swapped)
        self._want(wanted)
        left, right = self._sides(wanted)
        lines = names(Difference(left.name, right.name, (), 0), columns, is_split)
        lines.append(self._status(columns))
        if self._failure:
            lines.append([("error", self._failure)])
        elif self._difference is None:
            lines.append([("note", "Comparing …")])
        elif self._made_for is not None and self._made_for.columns <= columns:
            lines += self._window.visible(columns, max(rows - len(lines), 0))
        return canvas(lines[:rows], columns, rows, {})

    def _status(self, columns: int) -> Line:
        count = self._difference.count if self._difference is not None else 0
        if self._difference is None:
            said = ""
        elif not count:
            said = "no difference"
        elif self._current >= 0:
            said = f"difference {self._current + 1} of {count}"
        else:
            said = f"{count:,} {'difference' if count == 1 else 'differences'}"
        told = [self._window.search_state(), self._window.position()]
        right: Line = [("tab", f" {'  '.join(each for each in told if each)} ")] if any(told) else []
        return spread([("tab selected", f" {said} ")], right, columns, "tab")

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        if "press" not in event or button not in (4, 5):
            return False
        self._window.move(_WHEEL_ROWS if button == 5 else -_WHEEL_ROWS)
        return True

    def navigate(self, step: Step) -> None:
        match step:
            case Step.UP | Step.DOWN:
                self._window.move(-1 if step is Step.UP else 1)
            case Step.PAGE_UP | Step.PAGE_DOWN:
                self._window.page(-1 if step is Step.PAGE_UP else 1)
            case Step.START:
                self._window.start()
            case Step.END:
                self._window.end()
            case Step.NEXT:
                self.go(1)
            case Step.PREVIOUS:
                self.go(-1)

    def search(self, pattern: str, is_backwards: bool) -> str:
        said = self._window.search(pattern, is_backwards)
        return "" if said[:1].isdigit() else said

    def search_next(self) -> str:
        said = self._window.search_next()
        return "" if said[:1].isdigit() else said

    def search_previous(self) -> str:
        said = self._window.search_next(is_reversed=True)
        return "" if said[:1].isdigit() else said

    def hints(self) -> Sequence[Hint]:
        return (
            ("console.diff.next", "Next"),
            ("console.diff.prev", "Previous"),
            ("console.diff.unchanged", "Show all" if self._is_folded else "Fold"),
            ("console.diff.layout", "Layout"),
            ("console.diff.swap", "Swap"),
            ("console.diff.keyorder", "Key order"),
            ("console.search", "Search"),
        )


def _made(
    sides: tuple[Compared, Compared], known: Difference | None, wanted: _Wanted, cancelled: Callable[[], bool]
) -> tuple[Difference, Layout]:
    def check() -> None:
        if cancelled():
            raise RenderCancelled

    difference = known or compare(*sides, counts_key_order=wanted.counts_key_order, cancelled=cancelled)
    return difference, lay_out(difference, wanted.columns, wanted.is_split, wanted.is_folded, check)
