"""When the screen is drawn: at most thirty times a second, and only if something changed.

request() ─▸ one timer ─▸ draw()        any number of requests until then are one; after a quiet moment it is at once
drawn()   ◂─ whoever drew in between, for a key: what was requested until then has been seen
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FRAME_SECONDS: Final = 1 / 30

CallLater = Callable[[float, Callable[[], None]], object]


class Redraw:
    def __init__(self, call_later: CallLater, draw: Callable[[], None], clock: Callable[[], float]) -> None:
        self._call_later, self._draw, self._clock = call_later, draw, clock
        self._drawn_at = -FRAME_SECONDS
        self._is_timer_set = False
        self.is_due = False

    def request(self) -> None:
        self.is_due = True
        if not self._is_timer_set:
            self._is_timer_set = True
            self._call_later(max(0.0, self._drawn_at + FRAME_SECONDS - self._clock()), self._frame)

    def drawn(self) -> None:
        self._drawn_at = self._clock()
        self.is_due = False

    def _frame(self) -> None:
        self._is_timer_set = False
        if self.is_due:
            self.drawn()
            self._draw()
