"""A boxed list to choose from, over the middle of the screen. Each choice has a key; arrows and enter work too, and the mouse.

Choice(label, key) … ─▸ keypress / click ─▸ on_chosen(label)        esc, q ─▸ on_chosen(None)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import urwid

from interceptor.tui.paint import Line, cut, paint, visible, width_of

SHORTCUTS: Final = "123456789abcdefghijklmnoprstuvwxyz"
"""In mitmproxy's order; q leaves."""


class Chooser:
    def __init__(
        self,
        title: str,
        choices: Sequence[str],
        on_chosen: Callable[[str | None], None],
        current: str | None = None,
        shortcuts: Sequence[str] = (),
    ) -> None:
        """`shortcuts` are the keys of the choices; by default they are numbered."""
        self._title = title
        self._choices = choices
        self._on_chosen = on_chosen
        self._current = current
        self._keys = list(shortcuts) or list(SHORTCUTS[: len(choices)])
        self._at = choices.index(current) if current in choices else 0
        self._first = 0
        self._is_finished = False

    def keypress(self, key: str, page: int = 10) -> bool:
        if key in self._keys:
            self._finish(self._choices[self._keys.index(key)])
            return True
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -page, "page down": page, "home": -9999, "end": 9999}
        steps |= {"shift tab": -1, "tab": 1, "ctrl p": -1, "ctrl n": 1}
        if key in steps:
            self._at = max(0, min(len(self._choices) - 1, self._at + steps[key]))
        elif key in ("enter", " ", "right"):
            self._finish(self._choices[self._at])
        elif key in ("esc", "q", "left"):
            self._finish(None)
        else:
            return False
        return True

    def cancel(self) -> None:
        self._finish(None)

    def click(self, row: int) -> None:
        """On the row of the box, its upper border being 0."""
        index = self._first + row - 1
        if row >= 1 and 0 <= index < len(self._choices):
            self._finish(self._choices[index])

    def scroll(self, step: int) -> None:
        self._at = max(0, min(len(self._choices) - 1, self._at + step))

    def _finish(self, choice: str | None) -> None:
        if not self._is_finished:
            self._is_finished = True
            self._on_chosen(choice)

    def size(self, columns: int, rows: int) -> tuple[int, int]:
        """Of the box, on a screen of that size."""
        widest = max([width_of(visible(choice)) + 4 for choice in self._choices], default=0)
        width = min(columns, max(widest, width_of(self._title) + 4) + 2)
        return width, min(rows, len(self._choices) + 2)

    def render(self, size: tuple[int, int]) -> urwid.TextCanvas:
        columns, rows = size
        inner, room = columns - 2, max(1, rows - 2)
        self._first = max(0, min(self._at - room // 2, len(self._choices) - room))
        title = cut(f" {self._title} ", inner - 2)
        left = (inner - width_of(title)) // 2
        lines: list[Line] = [
            [
                ("chooser border", "┌" + "─" * left),
                ("chooser title", title),
                ("chooser border", "─" * (inner - left - width_of(title)) + "┐"),
            ]
        ]
        for index in range(self._first, min(self._first + room, len(self._choices))):
            lines.append(self._line(index, inner, room))
        lines.append([("chooser border", "└" + "─" * inner + "┘")])
        return paint(lines, size, "chooser")

    def _line(self, index: int, inner: int, room: int) -> Line:
        is_selected = index == self._at
        key = self._keys[index] if index < len(self._keys) else " "
        label = cut(visible(self._choices[index]), inner - 4)
        current = "•" if self._choices[index] == self._current else " "
        fill = " " * (inner - 4 - width_of(label))
        is_cut_above = index == self._first and self._first > 0
        is_cut_below = index == self._first + room - 1 and index < len(self._choices) - 1
        border = "↑" if is_cut_above else "↓" if is_cut_below else "│"
        style = "chooser selected" if is_selected else "chooser"
        return [
            ("chooser border", "│"),
            ("chooser selected" if is_selected else "chooser key", f" {key}"),
            (style, f" {label}{fill}{current}"),
            ("chooser border", border),
        ]
