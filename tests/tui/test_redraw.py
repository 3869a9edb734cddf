"""Many changes are one drawing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interceptor.tui.redraw import FRAME_SECONDS, RESTS, Redraw


def test_any_number_of_changes_is_one_drawing_a_frame() -> None:
    timers: list[tuple[float, Callable[[], None]]] = []
    drawn: list[int] = []
    redraw = Redraw(lambda delay, deed: timers.append((delay, deed)), lambda: drawn.append(1), lambda: 10.0)
    redraw.drawn()
    for _ in range(1000):
        redraw.request()
    assert [delay for delay, _ in timers] == [pytest.approx(FRAME_SECONDS)]
    timers.pop()[1]()
    assert (len(drawn), timers) == (1, [])
    redraw.request()
    assert len(timers) == 1


def test_drawing_that_takes_long_is_done_seldom() -> None:
    timers: list[tuple[float, Callable[[], None]]] = []
    now = 10.0

    def draw() -> None:
        nonlocal now
        now += 0.01

    redraw = Redraw(lambda delay, deed: timers.append((delay, deed)), draw, lambda: now)
    redraw.request()
    timers.pop()[1]()
    redraw.request()
    assert timers.pop()[0] == pytest.approx(RESTS * 0.01)
    now += 10
    redraw._is_timer_set = False
    redraw.request()
    assert timers.pop()[0] == 0, "after a quiet moment at once"
