"""When the screen is drawn: at most thirty times a second, and only if something changed.

    request() ─▸ one timer ─▸ draw()        any number of requests until then are one
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FRAME_SECONDS: Final = 1 / 30

CallLater = Callable[[float, Callable[[], None]], object]


class Redraw:
    def __init__(self, call_later: CallLater, draw: Callable[[], None]) -> None:
        self._call_later, self._draw = call_later, draw
        self.is_due = False

    def request(self) -> None:
        if not self.is_due:
            self.is_due = True
            self._call_later(FRAME_SECONDS, self._frame)

    def _frame(self) -> None:
        self.is_due = False
        self._draw()
