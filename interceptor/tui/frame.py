"""How the screen is laid out: title, screen, status, hints; over them the chooser, the prompt and messages.

    screen         all that is left: one pane, or two, each with its title; a single one has a title only if it needs it
    status         one line
    hints          two lines, or none; messages and the prompt's input line take their place, its list grows upwards from there

The frame draws what it finds and decides nothing. A screen that cannot be drawn shows why, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, Protocol

import urwid

from interceptor.tui.chooser import Chooser
from interceptor.tui.pager import wrapped
from interceptor.tui.paint import Line, cut, paint, visible, width_of
from interceptor.tui.panes import Panes, Place
from interceptor.tui.screens import Screen, Step

LEAST_COLUMNS: Final = 40
LEAST_ROWS: Final = 8
_WHEEL: Final = {4: -1, 5: 1}
_WHEEL_ROWS: Final = 3


class Asking(Protocol):
    """A prompt or a question."""

    def keypress(self, key: str) -> bool: ...
    def paste(self, text: str) -> None: ...
    def cancel(self) -> None: ...
    def rows(self, most: int) -> int: ...
    def render(self, size: tuple[int, int]) -> urwid.TextCanvas: ...


class Shown(Protocol):
    """What there is to lay out."""

    @property
    def top(self) -> Screen: ...

    panes: Panes
    prompt: Asking | None
    chooser: Chooser | None

    def message(self) -> tuple[str, str] | None:
        """(style, text), while there is one."""
        ...

    def status(self, columns: int) -> Line: ...

    def hints(self, columns: int) -> list[Line]:
        """No line, or two."""
        ...

    def drawing_failed(self, error: Exception) -> None: ...
    def key(self, key: str) -> None: ...


class Frame(urwid.Widget):
    _sizing = frozenset([urwid.BOX])
    _selectable = True
    no_cache: ClassVar[list[str]] = ["render"]

    def __init__(self, shown: Shown, guard: Callable[[Callable[[], None]], None]) -> None:
        """`guard` calls a deed and keeps what it raises from the loop."""
        super().__init__()
        self._shown = shown
        self._guard = guard
        self._chooser_at: tuple[int, int, int, int] | None = None  # column, row, columns, rows

    def keypress(self, size: tuple[int, int], key: str) -> None:  # type: ignore[override]
        self._guard(lambda: self._shown.key(key))

    def render(self, size: tuple[int, int], focus: bool = False) -> urwid.Canvas:  # type: ignore[override]
        columns, rows = size
        if columns < LEAST_COLUMNS or rows < LEAST_ROWS:
            return _too_small(size)
        canvas = self._base(size)
        if self._shown.chooser is not None:
            canvas = self._with_chooser(canvas, self._shown.chooser, size)
        if self._shown.prompt is not None:
            prompt = self._shown.prompt
            height = prompt.rows(rows - 1)
            hint_rows = len(self._shown.hints(columns))
            below = max(0, hint_rows - 1)
            over: urwid.Canvas = prompt.render((columns, height))
            if below:
                over = urwid.CanvasCombine([(over, None, True), (paint([], (columns, below)), None, False)])
            canvas = urwid.CanvasOverlay(over, canvas, 0, rows - height - below)
        return canvas

    def _base(self, size: tuple[int, int]) -> urwid.Canvas:
        columns, rows = size
        bottom = self._bottom(columns)
        places = self._shown.panes.places(columns, rows - 1 - len(bottom))
        has_cursor = self._shown.prompt is None and self._shown.chooser is None
        panes = [self._pane(place, len(places) > 1) for place in places]
        parts: list[tuple[urwid.Canvas, object, bool]] = []
        if len(places) > 1 and places[0].columns < columns:
            border = paint([[("border", "│")]] * places[0].rows, (1, places[0].rows))
            left, right = (
                (pane, None, place.screen is self._shown.top, place.columns) for pane, place in zip(panes, places, strict=True)
            )
            parts.append((urwid.CanvasJoin([left, (border, None, False, 1), right]), None, has_cursor))
        else:
            for pane, place in zip(panes, places, strict=True):
                parts.append((pane, None, has_cursor and place.screen is self._shown.top))
        parts.append((paint([self._shown.status(columns)], (columns, 1), "status"), None, False))
        if bottom:
            parts.append((paint(bottom, (columns, len(bottom))), None, False))
        return urwid.CanvasCombine(parts)

    def _pane(self, place: Place, is_one_of_two: bool) -> urwid.Canvas:
        screen, columns, rows = place.screen, place.columns, place.rows - (1 if place.title else 0)
        try:
            body = screen.render((columns, rows))
        except Exception as error:
            self._shown.drawing_failed(error)
            body = paint([[("error", f"This cannot be drawn: {type(error).__name__}: {error}")]], (columns, rows))
        if not place.title:
            return body
        style = "title focused" if is_one_of_two and screen is self._shown.top else "title"
        title: Line = [(style, cut(f" {visible(place.title)}", columns))]
        return urwid.CanvasCombine([(paint([title], (columns, 1), style), None, False), (body, None, True)])

    def _bottom(self, columns: int) -> list[Line]:
        lines = self._shown.hints(columns)
        message = self._shown.message()
        if message is None or self._shown.prompt is not None:
            return lines
        style, text = message
        rows = wrapped([(style, visible(text))], columns)
        room = max(1, len(lines))
        if len(rows) > room:
            note = " … (E shows all)"
            last = "".join(piece for _, piece in rows[room - 1])
            rows = [*rows[: room - 1], [(style, cut(last, columns - width_of(note), "") + note)]]
        return [*rows, *lines[len(rows) :]]

    def _with_chooser(self, canvas: urwid.Canvas, chooser: Chooser, size: tuple[int, int]) -> urwid.Canvas:
        columns, rows = size
        width, height = chooser.size(columns, rows - 3)
        left, top = (columns - width) // 2, max(0, (rows - 3 - height) // 2)
        self._chooser_at = (left, top, width, height)
        return urwid.CanvasOverlay(chooser.render((width, height)), canvas, left, top)

    def mouse_event(  # type: ignore[override]
        self, size: tuple[int, int], event: str, button: int, column: int, row: int, focus: bool
    ) -> bool:
        self._guard(lambda: self._mouse(size, event, button, column, row))
        return True

    def _mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> None:
        if self._shown.prompt is not None or size[0] < LEAST_COLUMNS or size[1] < LEAST_ROWS:
            return
        if (chooser := self._shown.chooser) is not None:
            if event == "mouse press" and button in _WHEEL:
                chooser.scroll(_WHEEL[button])
            elif event == "mouse press" and button == 1 and self._chooser_at is not None:
                left, top, width, height = self._chooser_at
                if left <= column < left + width and top <= row < top + height:
                    chooser.click(row - top)
                else:
                    chooser.cancel()
            return
        for place in self._shown.panes.places(size[0], size[1] - 1 - len(self._shown.hints(size[0]))):
            if place.column <= column < place.column + place.columns and place.row <= row < place.row + place.rows:
                self._mouse_on(place, event, button, column - place.column, row - place.row)
                return

    def _mouse_on(self, place: Place, event: str, button: int, column: int, row: int) -> None:
        """A click on a pane gives it the keys."""
        screen, first = place.screen, 1 if place.title else 0
        if event == "mouse press" and button == 1:
            self._shown.panes.focus(screen)
        if row >= first:
            is_taken = screen.mouse((place.columns, place.rows - first), event, button, column, row - first)
            if not is_taken and event == "mouse press" and button in _WHEEL:
                for _ in range(_WHEEL_ROWS):
                    screen.navigate(Step.UP if button == 4 else Step.DOWN)


def _too_small(size: tuple[int, int]) -> urwid.TextCanvas:
    text = f"Terminal too small: {LEAST_COLUMNS} columns and {LEAST_ROWS} rows are needed."
    return paint(wrapped([("text", text)], max(1, size[0])), size)
