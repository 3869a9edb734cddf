"""The list of flows: one widget that draws the visible rows of a view on one canvas.

    view[i], view.focus ─▸ flow_row ─▸ canvas          keys and wheel ─▸ view.focus          click on the focused row ─▸ on_open

The view owns which flow has the focus; the list owns which part of the view is on the screen, and moves it no further than needed
for the focus to be seen. As long as the focus stays on one flow that flow stays where it is on the screen: what arrives above it
moves the window, not what somebody reads. Nothing else is kept from one drawing to the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, Protocol

import urwid

from interceptor.model.flow import Flow
from interceptor.tui.canvas_lines import Styles, canvas
from interceptor.tui.present.columns import ChosenLayout, chosen_layout, chosen_row, heading
from interceptor.tui.present.rows import flow_row, row_layout
from interceptor.tui.present.text import Line, cut, readable, width
from interceptor.tui.present.two_lines import flow_pair, wants_two_lines

_WHEEL_ROWS: Final = 3
_LEAST_ROWS_WITH_HEADING: Final = 6


class FlowsShown(Protocol):
    """What the list needs of a view."""

    focus: Flow | None

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Flow: ...
    def index(self, flow: Flow, /) -> int | None: ...

    @property
    def hidden_count(self) -> int: ...


class ListOptions(Protocol):
    showhost: bool
    console_flowlist_layout: str
    console_flowlist_columns: Sequence[str]
    console_layout_headers: bool
    view_order: str
    view_order_reversed: bool


def _nothing(flow: Flow) -> None:
    """Until the console says what opening a flow means."""


def _not_sorted(order: str) -> None:
    """Until the console says what a click on the heading means."""


def _no_text() -> Sequence[str]:
    return ("No flows yet.",)


class FlowListBox(urwid.Widget):
    """A box widget. `on_open` is called with a flow that was clicked while it had the focus, `on_order` with what the list is
    to be sorted by when a column's title was clicked."""

    _sizing = frozenset([urwid.BOX])
    _selectable = True
    no_cache: ClassVar[list[str]] = ["render"]  # durations of live flows grow between two drawings

    def __init__(
        self,
        view: FlowsShown,
        options: ListOptions,
        styles: Styles,
        empty_text: Callable[[], Sequence[str]] = _no_text,
        on_open: Callable[[Flow], None] = _nothing,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._view = view
        self._options = options
        self._styles = styles
        self._empty_text = empty_text
        self._now = now
        self._top = 0
        self._anchor: tuple[Flow, int] | None = None  # the focus in the last drawing, and its row in the view
        self._rows = 1  # of flows, in the last drawing: what a page is
        self._height = 1  # of a flow
        self._above = 0  # rows of the heading
        self._heading: Sequence[tuple[int, str]] = ()
        self.on_open = on_open
        self.on_order: Callable[[str], None] = _not_sorted

    def render(self, size: tuple[int, int], focus: bool = False) -> urwid.Canvas:  # type: ignore[override]
        columns, rows = size
        self._measure(size)
        count = len(self._view)
        if not count:
            return canvas(self._empty(columns, rows), columns, rows, self._styles)
        at = self._focused_index()
        self._stay_at_anchor(at)
        self._scroll_to(at, count, self._rows)
        now, height = self._now(), self._height
        lines: list[Line] = []
        row = self._rows_of(columns, lines)
        for index in range(self._top, min(self._top - (-(rows - self._above) // height), count)):
            lines += row(self._view[index], index == at, now)
        first = None if at is None else self._above + (at - self._top) * height
        return canvas(lines, columns, rows, self._styles, () if first is None else range(first, first + height))

    def _rows_of(self, columns: int, lines: list[Line]) -> Callable[[Flow, bool, float], Sequence[Line]]:
        """What draws a flow in so many columns; the heading, if there is one, is put into `lines`."""
        options = self._options
        showhost = options.showhost
        if self._height == 2:
            return lambda flow, is_focused, now: flow_pair(flow, columns, showhost, is_focused, now)
        chosen = tuple(options.console_flowlist_columns)
        layout = chosen_layout(chosen, columns, showhost) if chosen else row_layout(columns, showhost)
        if self._above:
            line, self._heading = heading(layout, options.view_order, options.view_order_reversed)
            lines.append(line)
        if isinstance(layout, ChosenLayout):
            return lambda flow, is_focused, now: (chosen_row(flow, layout, is_focused, now),)
        return lambda flow, is_focused, now: (flow_row(flow, layout, is_focused, now),)

    def _measure(self, size: tuple[int, int]) -> None:
        columns, rows = size
        self._height = 2 if wants_two_lines(columns, self._options.console_flowlist_layout) and rows > 1 else 1
        has_heading = self._height == 1 and self._options.console_layout_headers and rows >= _LEAST_ROWS_WITH_HEADING
        self._above = 1 if has_heading else 0
        self._rows = (rows - self._above) // self._height

    def _stay_at_anchor(self, at: int | None) -> None:
        """The window goes with the focus, if that is the flow it was before."""
        flow = self._view.focus
        if self._anchor is not None and at is not None and flow is self._anchor[0]:
            self._top += at - self._anchor[1]
        self._anchor = None if flow is None or at is None else (flow, at)

    def _scroll_to(self, at: int | None, count: int, rows: int) -> None:
        if at is not None and not self._top <= at < self._top + rows:
            self._top = at if at < self._top else at - rows + 1
        self._top = max(min(self._top, count - rows), 0)

    def _focused_index(self) -> int | None:
        flow = self._view.focus
        return None if flow is None else self._view.index(flow)

    def _empty(self, columns: int, rows: int) -> list[Line]:
        """What to do when there is nothing to see, in the middle of the screen."""
        hidden = self._view.hidden_count
        if hidden:
            flows = "flow is" if hidden == 1 else "flows are"
            texts: Sequence[str] = ("No flow matches the filter.", f"{hidden} {flows} hidden.")
        else:
            texts = self._empty_text()
        shown = [readable(text) for text in texts]
        left = max((columns - max(map(width, shown), default=0)) // 2, 0)
        above = max((rows - len(shown)) // 3, 0)
        lines: list[Line] = [[] for _ in range(above)]
        for number, text in enumerate(shown):
            lines.append([("text", " " * left), ("strong" if number == 0 else "text", cut(text, columns))])
        return lines

    def keypress(self, size: tuple[int, int], key: str) -> str | None:  # type: ignore[override]
        """Takes what moves the focus, hands everything else back."""
        self._measure(size)
        moves: dict[str, Callable[[], None]] = {
            "up": lambda: self.move(-1),
            "down": lambda: self.move(1),
            "page up": lambda: self.page(-1),
            "page down": lambda: self.page(1),
            "home": self.start,
            "end": self.end,
        }
        if key not in moves:
            return key
        moves[key]()
        return None

    def move(self, delta: int) -> None:
        """The focus by `delta` rows, as far as there are rows."""
        count = len(self._view)
        if count:
            at = self._focused_index()
            self._focus(0 if at is None else max(min(at + delta, count - 1), 0))

    def page(self, delta: int) -> None:
        """The focus and the window by `delta` screens, with one row kept in sight."""
        rows = delta * max(self._rows - 1, 1)
        self._top = max(min(self._top + rows, len(self._view) - self._rows), 0)
        self.move(rows)

    def start(self) -> None:
        if len(self._view):
            self._focus(0)

    def end(self) -> None:
        if len(self._view):
            self._focus(len(self._view) - 1)

    def _focus(self, index: int) -> None:
        self._view.focus = self._view[index]
        self._invalidate()

    def mouse_event(  # type: ignore[override]
        self, size: tuple[int, int], event: str, button: int, column: int, row: int, focus: bool
    ) -> bool | None:
        if "press" not in event:
            return False
        self._measure(size)
        if button in (4, 5):
            self.move(_WHEEL_ROWS if button == 5 else -_WHEEL_ROWS)
            return True
        if row < self._above:
            return button == 1 and self._click_on_heading(column)
        index = self._top + (row - self._above) // self._height
        if button != 1 or index >= len(self._view):
            return False
        flow = self._view[index]
        if flow is self._view.focus:
            self.on_open(flow)
        else:
            self._focus(index)
        return True

    def _click_on_heading(self, column: int) -> bool:
        order = next((order for end, order in self._heading if column < end), "")
        if order:
            self.on_order(order)
        return bool(order)
