from __future__ import annotations

from collections.abc import Callable

import pytest

from interceptor.eventlog import Entry
from interceptor.tui.event_log_screen import EventLogScreen, entry_lines, is_loud_enough
from interceptor.tui.pager import Pager, wrapped
from interceptor.tui.paint import Line, line_width
from interceptor.tui.redraw import Redraw
from interceptor.tui.status_bar import Status, status_line


def shown(pager: Pager, columns: int = 20, rows: int = 3) -> list[str]:
    return [line.decode().rstrip() for line in pager.render((columns, rows)).text]


def numbered(count: int) -> list[Line]:
    return [[("text", f"line {number}")] for number in range(count)]


def test_it_follows_its_end_until_one_scrolls_up() -> None:
    lines = numbered(10)
    pager = Pager(lambda: lines, is_at_end=True)
    assert shown(pager) == ["line 7", "line 8", "line 9"]
    lines.append([("text", "line 10")])
    assert shown(pager)[-1] == "line 10"
    pager.move(-1)
    lines.append([("text", "line 11")])
    assert shown(pager)[-1] == "line 9"
    pager.end()
    assert shown(pager)[-1] == "line 11"
    pager.start()
    assert shown(pager)[0] == "line 0"
    pager.page(1)
    assert shown(pager)[0] == "line 2"


def test_search_goes_round_and_marks() -> None:
    lines = numbered(30)
    pager = Pager(lambda: lines)
    shown(pager)
    assert pager.search("LINE 2", False) == "'LINE 2' is not there"
    assert pager.search("line 2", False) == "match 1 of 11"
    assert pager.search_next() == "match 2 of 11"
    assert pager.search_previous() == "match 1 of 11"
    assert pager.search_previous() == "match 11 of 11, from the other end"
    assert any("line 29" in line for line in shown(pager))
    styles = [attribute for row in pager.render((20, 3)).content() for attribute, _, _ in row]
    assert "match current" in styles
    assert pager.search("(", False) == "'(' is not there"


def test_wrapping_keeps_every_character() -> None:
    line: Line = [("a", "x" * 25), ("b", "日本語" * 5)]
    rows = wrapped(line, 10)
    assert "".join(text for row in rows for _, text in row) == "x" * 25 + "日本語" * 5
    assert all(line_width(row) <= 10 for row in rows)
    assert wrapped([], 10) == [[]]


def test_entries_of_the_log() -> None:
    first, second = entry_lines(Entry("error", "one\ntwo", 0.25, 7))
    assert "flow 7: one" in first[1][1]
    assert second[1][1].strip() == "two"
    assert not is_loud_enough("debug", "info")
    assert is_loud_enough("warn", "warn")
    screen = EventLogScreen([Entry("info", "seen\x1b[31m", 0.0), Entry("debug", "hidden", 0.0)], "info")
    text = b"\n".join(screen.render((60, 4)).text)
    assert b"seen" in text
    assert b"hidden" not in text
    assert b"\x1b" not in text


def test_status_says_what_matters_and_gives_way_on_the_left() -> None:
    status = Status(focus=2, shown=8, total=9, held=1, intercept="~q", view_filter="~u x", addresses=["a:1", "b:2", "c:3"])
    text = "".join(piece for _, piece in status_line(status, 120))
    assert text.startswith("⇩ [2/8 of 9]  1 held  [Xi:~q] [f:~u x]")
    assert text.endswith("[a:1][b:2][c:3]")
    narrow = "".join(piece for _, piece in status_line(status, 50))
    assert narrow.endswith("[a:1][+2]")
    assert "not listening" in "".join(piece for _, piece in status_line(Status(), 80))


def test_any_number_of_changes_is_one_drawing() -> None:
    timers: list[tuple[float, Callable[[], None]]] = []
    drawn: list[float] = []
    now = 10.0
    redraw = Redraw(lambda seconds, deed: timers.append((seconds, deed)), lambda: drawn.append(now), lambda: now)
    for _ in range(100):
        redraw.request()
    assert [seconds for seconds, _ in timers] == [0.0]  # nothing was drawn for a while
    timers.pop()[1]()
    assert drawn == [10.0]
    now = 10.01
    for _ in range(100):
        redraw.request()
    assert [seconds for seconds, _ in timers] == [pytest.approx(1 / 30 - 0.01)]
    timers.pop()[1]()
    assert len(drawn) == 2


def test_what_was_drawn_for_a_key_is_not_drawn_again() -> None:
    timers: list[Callable[[], None]] = []
    drawn: list[int] = []
    redraw = Redraw(lambda seconds, deed: timers.append(deed), lambda: drawn.append(1), lambda: 10.0)
    redraw.request()
    redraw.drawn()
    timers.pop()()
    assert drawn == []
    redraw.request()
    timers.pop()()
    assert drawn == [1]


def test_lines_are_wrapped_between_words_and_nothing_is_lost() -> None:
    line: Line = [("time", "10:00 "), ("text", "the certificate of example.com is not trusted")]
    rows = ["".join(piece for _, piece in row) for row in wrapped(line, 20)]
    assert rows == ["10:00 the ", "certificate of ", "example.com is not ", "trusted"]
    assert ["".join(piece for _, piece in row) for row in wrapped([("text", "a" * 25)], 20)] == ["a" * 20, "a" * 5]
