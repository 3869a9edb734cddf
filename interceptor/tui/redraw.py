"""When the screen is drawn: only if something changed, at most thirty times a second, and at most a sixteenth of the time, so
that a busy proxy has the rest. (What a key changes is drawn at once.)

request() ─▸ one timer ─▸ draw()        any number of requests until then are one; after a quiet moment it is at once
drawn()   ◂─ whoever drew in between, for a key: what was requested until then has been seen
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FRAME_SECONDS: Final = 1 / 30
RESTS: Final = 15
"""Times as long as drawing took, nothing is drawn again."""
LONGEST_SECONDS: Final = 0.25

CallLater = Callable[[float, Callable[[], None]], object]


class Redraw:
    def __init__(self, call_later: CallLater, draw: Callable[[], None], clock: Callable[[], float]) -> None:
        self._call_later, self._draw, self._clock = call_later, draw, clock
        self._not_before = 0.0
        self._is_timer_set = False
        self.is_due = False

    def request(self) -> None:
        self.is_due = True
        if not self._is_timer_set:
            self._is_timer_set = True
            self._call_later(max(0.0, self._not_before - self._clock()), self._frame)

    def drawn(self) -> None:
        self._not_before = self._clock() + FRAME_SECONDS
        self.is_due = False

    def _frame(self) -> None:
        self._is_timer_set = False
        if self.is_due:
            self.drawn()
            began = self._clock()
            self._draw()
            now = self._clock()
            self._not_before = max(self._not_before, now + min(RESTS * (now - began), LONGEST_SECONDS))
