"""What fills the console: screens on a stack, the lowest of which is the flow list.

    key ─▸ Screen.take (while text is typed) ─▸ keymap of Screen.context ─▸ command ─▸ Screen.navigate, search, …

A screen draws itself into the room that the console gives it and knows nothing of the prompt, the status line or the other
screens. What it does not support it leaves alone: every method here may be called on every screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum

import urwid


class Step(Enum):
    """Where to go; the names of `console.nav.*`."""

    UP = "up"
    DOWN = "down"
    PAGE_UP = "pageup"
    PAGE_DOWN = "pagedown"
    START = "start"
    END = "end"
    LEFT = "left"
    RIGHT = "right"
    NEXT = "next"
    PREVIOUS = "previous"
    SELECT = "select"


Hint = tuple[str, str]
"""(command as in the keymap, what it does in one or two words)."""


class Screen:
    context = "global"
    """Of the keymap."""
    title = ""
    """The line above it; none if empty."""

    @property
    def is_typing(self) -> bool:
        """True while letters are text here and no commands."""
        return False

    def render(self, size: tuple[int, int]) -> urwid.Canvas:
        return urwid.SolidCanvas(" ", *size)

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        return False

    def take(self, key: str) -> bool:
        """True if the key is text for something that is being edited here, so that no command runs."""
        return False

    def paste(self, text: str) -> bool:
        """True if the text was put in somewhere."""
        return False

    def navigate(self, step: Step) -> None:
        """Goes there, if there is such a place."""

    def leave(self, close: Callable[[], None]) -> None:
        """The user wants to go: save what is to be saved, and call `close`, now or after a question."""
        close()

    def shown(self) -> None:
        """It has become the uppermost screen."""

    def gone(self) -> None:
        """It is not on the stack any more: what it does in the background ends."""

    def hints(self) -> Sequence[Hint]:
        """What can be done here now, the most wanted first."""
        return ()

    def search(self, pattern: str, is_backwards: bool) -> str:
        """What to tell the user."""
        return "there is nothing to search on this screen"

    def search_next(self) -> str:
        return self.search("", False)

    def search_previous(self) -> str:
        return self.search("", True)


class Stack:
    """The screens, the uppermost last. There is always one."""

    def __init__(self, lowest: Screen) -> None:
        self._screens = [lowest]

    @property
    def top(self) -> Screen:
        return self._screens[-1]

    def __len__(self) -> int:
        return len(self._screens)

    def __iter__(self) -> Iterator[Screen]:
        return iter(self._screens)

    def push(self, screen: Screen) -> None:
        self._screens.append(screen)
        screen.shown()

    def remove(self, screen: Screen) -> None:
        """The lowest stays."""
        if screen in self._screens[1:]:
            was_top = screen is self.top
            self._screens.remove(screen)
            screen.gone()
            if was_top:
                self.top.shown()
