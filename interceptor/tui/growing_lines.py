"""Lines that a view in a worker thread is still making, while those that are there are looked at.

    worker: view ─ publish(rendered) ─▸ Growing ─ each few thousand tokens ─▸ how many lines are safe to draw
                                                 └─ enough for who looks: it waits here
    loop:   GrowingLines.line(i), len ─▸ the worker goes on when somebody comes near the end, or wants all

So opening a body of any size costs what is seen of it. Calling it off ends the wait, and then the view.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from interceptor.contentviews.rendered import LazyLines, Line, Onlooker, Rendered
from interceptor.platform.courtesy import Pace

_AHEAD: Final = 4000
_UNSAFE: Final = 3  # the last lines may still be joined, or have no end yet
_TELL_EVERY_SECONDS: Final = 0.1


class Growing(Onlooker):
    """One run of a view. `tell` is called in the worker when there is something new to look at."""

    def __init__(self, is_cancelled: Callable[[], bool], tell: Callable[[], None]) -> None:
        self._is_cancelled, self._tell = is_cancelled, tell
        self._changed = threading.Condition()
        self._wanted = 0
        self._wants_all = False
        self._told_at = 0.0
        self._pace = Pace()
        self._lines: Sequence[Line] = ()
        self.known = 0
        self.rendered: Rendered | None = None

    # In the worker

    def publish(self, rendered: Rendered) -> None:
        self._lines = rendered.lines
        self.rendered = Rendered(rendered.view_name, rendered.description, GrowingLines(self, rendered.lines))

    def __call__(self) -> bool:
        if self.rendered is None:
            return self._is_cancelled()
        if self.known:
            self._pace.rest()
        known = max(len(self._lines) - _UNSAFE, 0)
        is_first, self.known = not self.known, known
        now = time.monotonic()
        with self._changed:
            is_enough = not self._wants_all and known > self._wanted + _AHEAD
            if (is_first and known) or is_enough or now - self._told_at > _TELL_EVERY_SECONDS:
                self._told_at = now
                self._tell()
            while not self._is_cancelled() and not self._wants_all and known > self._wanted + _AHEAD:
                self._changed.wait()
        return self._is_cancelled()

    # In the loop

    def look(self, index: int) -> None:
        if index > self._wanted:
            with self._changed:
                self._wanted = index
                self._changed.notify_all()

    def want_all(self) -> None:
        with self._changed:
            self._wants_all = True
            self._changed.notify_all()

    def wake(self) -> None:
        """It was called off: whoever waits shall see that."""
        with self._changed:
            self._changed.notify_all()


class GrowingLines(LazyLines):
    def __init__(self, growing: Growing, source: Sequence[Line]) -> None:
        self._growing, self.source = growing, source
        self.is_finished = False

    def __len__(self) -> int:
        return self._growing.known

    def line(self, index: int) -> Line:
        if not 0 <= index < self._growing.known:
            raise IndexError(index)
        self._growing.look(index)
        try:
            return self.source[index]
        except IndexError:  # the view has just taken it back
            return []

    def want_all(self) -> None:
        self._growing.want_all()
