"""One pane or two: which screens are seen, where, and which of them has the keys.

    single       what was opened last, alone
    vertical     the list above, what was opened last below
    horizontal   the list at the left, what was opened last at the right

While nothing is open beside the list, the event log is seen there. The list is always in the first pane, so going from one layout
to another loses nothing. Where the terminal is too small for two panes, the one with the keys is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from interceptor.tui.screens import Screen, Stack

LAYOUTS: Final = ("single", "vertical", "horizontal")
LEAST_COLUMNS: Final = 30
LEAST_ROWS: Final = 5
"""Of a pane, when there are two."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a screen is; its title line, if it has one, is the first of the rows."""

    screen: Screen
    column: int
    row: int
    columns: int
    rows: int
    title: str


class Panes:
    def __init__(self, stack: Stack, make_beside: Callable[[], Screen]) -> None:
        """`make_beside` makes what is seen beside the list while nothing is open; it is called once, if ever."""
        self._stack = stack
        self._list = stack.top
        self._make_beside = make_beside
        self._beside: Screen | None = None
        self._layout = "single"
        self.has_titles = True
        self._is_list_focused = True

    @property
    def layout(self) -> str:
        return self._layout

    @layout.setter
    def layout(self, layout: str) -> None:
        self._layout = layout
        if layout == "single":
            self._is_list_focused = True  # the event log beside is seen no more
        else:
            self._is_list_focused = len(self._stack) == 1

    @property
    def is_split(self) -> bool:
        return self._layout != "single"

    @property
    def list_screen(self) -> Screen:
        return self._list

    @property
    def beside(self) -> Screen:
        """What is seen in the second pane, if there are two."""
        if len(self._stack) > 1:
            return self._stack.top
        if self._beside is None:
            self._beside = self._make_beside()
        return self._beside

    @property
    def focused(self) -> Screen:
        """The screen that has the keys."""
        if not self.is_split:
            return self._stack.top
        return self._list if self._is_list_focused else self.beside

    def focus(self, screen: Screen) -> None:
        """If it is seen."""
        if self.is_split and screen in (self._list, self.beside):
            self._is_list_focused = screen is self._list

    def switch(self) -> None:
        """The other pane gets the keys."""
        self._is_list_focused = not self._is_list_focused

    def opened(self) -> None:
        """A screen was pushed: it gets the keys."""
        self._is_list_focused = False

    def closed(self) -> None:
        """A screen was removed: when it was the last, the list gets the keys."""
        self._is_list_focused = self._is_list_focused or len(self._stack) == 1

    def screens(self) -> Iterator[Screen]:
        """All that are open or seen."""
        yield from self._stack
        if self._beside is not None:
            yield self._beside

    def places(self, columns: int, rows: int) -> list[Place]:
        """One or two, the first pane first, in so much room."""
        return [place if self.has_titles else replace(place, title="") for place in self._places(columns, rows)]

    def _places(self, columns: int, rows: int) -> list[Place]:
        first, second = self._list, self.beside if self.is_split else self._list
        if self._layout == "vertical" and rows >= 2 * LEAST_ROWS:
            upper = rows - rows // 2
            return [
                Place(first, 0, 0, columns, upper, first.title or "Flows"),
                Place(second, 0, upper, columns, rows - upper, second.title or "Flow"),
            ]
        if self._layout == "horizontal" and columns >= 2 * LEAST_COLUMNS + 1:
            left = columns // 2
            return [
                Place(first, 0, 0, left, rows, first.title or "Flows"),
                Place(second, left + 1, 0, columns - left - 1, rows, second.title or "Flow"),
            ]
        return [Place(self.focused, 0, 0, columns, rows, self.focused.title)]
