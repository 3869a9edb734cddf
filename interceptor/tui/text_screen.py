"""A text that a command gave, to be read, scrolled and searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import urwid

from interceptor.tui.escaped_text import escaped
from interceptor.tui.pager import Pager
from interceptor.tui.paint import Line
from interceptor.tui.screens import Hint, Screen, Step

LONGEST: Final = 1 << 20


class TextScreen(Screen):
    context = "help"

    def __init__(self, title: str, content: bytes, below: Sequence[Line] = ()) -> None:
        """Control characters are shown, not carried out. `below` are more lines, as they are to be drawn."""
        self.title = title
        text = escaped(content[:LONGEST].replace(b"\r\n", b"\n"), "\n\t").expandtabs()
        self._lines: list[Line] = [[("text", line)] for line in text.split("\n")]
        if len(content) > LONGEST:
            self._lines.append([("dim", f"… {len(content) - LONGEST:,} more bytes")])
        self._lines += below
        self._pager = Pager(lambda: self._lines)

    def navigate(self, step: Step) -> None:
        match step:
            case Step.UP | Step.DOWN:
                self._pager.move(-1 if step is Step.UP else 1)
            case Step.PAGE_UP | Step.PAGE_DOWN:
                self._pager.page(-1 if step is Step.PAGE_UP else 1)
            case Step.START:
                self._pager.start()
            case Step.END:
                self._pager.end()

    def search(self, pattern: str, is_backwards: bool) -> str:
        return self._pager.search(pattern, is_backwards)

    def search_next(self) -> str:
        return self._pager.search_next()

    def search_previous(self) -> str:
        return self._pager.search_previous()

    def hints(self) -> Sequence[Hint]:
        return (
            ("console.nav.down", "Down"),
            ("console.nav.up", "Up"),
            ("console.search", "Search"),
            ("console.search.next", "Next match"),
        )

    def render(self, size: tuple[int, int]) -> urwid.Canvas:
        return self._pager.render(size)
