"""Searching lines."""

from __future__ import annotations

import pytest

from interceptor.contentviews.find import compile_pattern, count, search, spans
from interceptor.contentviews.rendered import LazyLines, Line, RenderCancelled
from interceptor.specs.errors import UserError

LINES: list[Line] = [[("text", "one "), ("key", "two")], [("text", "Two two")], [], [("text", "a.b axb")]]


class Counted(LazyLines):
    """Remembers what was looked at."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen: set[int] = set()

    def __len__(self) -> int:
        raise AssertionError("nobody needs the end")

    def line(self, index: int) -> Line:
        if not 0 <= index < self.size:
            raise IndexError(index)
        self.seen.add(index)
        return [("text", f"line {index}")]


def test_forwards() -> None:
    assert search(LINES, "two") == (0, 4, 7)
    assert search(LINES, "two", (0, 5)) == (1, 0, 3)
    assert search(LINES, "two", (1, 1)) == (1, 4, 7)
    assert search(LINES, "two", (1, 5)) is None
    assert search(LINES, "two", (1, 5), is_wrapping=True) == (0, 4, 7)
    assert search(LINES, "two", (99, 0), is_wrapping=True) == (0, 4, 7)


def test_a_match_may_span_styles() -> None:
    assert search(LINES, "e tw") == (0, 2, 6)


def test_backwards() -> None:
    assert search(LINES, "two", (3, 0), is_backwards=True) == (1, 4, 7)
    assert search(LINES, "two", (1, 4), is_backwards=True) == (1, 0, 3)
    assert search(LINES, "two", (0, 4), is_backwards=True) is None
    assert search(LINES, "two", (0, 4), is_backwards=True, is_wrapping=True) == (1, 4, 7)
    assert search(LINES, "two", (99, 0), is_backwards=True) == (1, 4, 7)


def test_case() -> None:
    assert search(LINES, "Two") == (1, 0, 3)
    assert search(LINES, "Two", ignore_case=True) == (0, 4, 7)
    assert search(LINES, "two", (0, 5), ignore_case=False) == (1, 4, 7)
    assert search(LINES, r"\S{3}$", regex=True) == (0, 4, 7)
    assert search(LINES, r"\Sw", (1, 0), regex=True) == (1, 0, 2)


def test_regular_expressions_and_plain_text() -> None:
    assert search(LINES, "a.b") == (3, 0, 3)
    assert count(LINES, "a.b") == 1
    assert count(LINES, "a.b", regex=True) == 2
    assert count(LINES, "two") == 3
    assert count(LINES, "") == 0
    assert search(LINES, "") is None
    assert search(LINES, "x*", regex=True) == (3, 5, 6)  # empty matches are none


def test_a_bad_regular_expression_is_the_users_mistake() -> None:
    with pytest.raises(UserError) as caught:
        search(LINES, "a(b", regex=True)
    assert caught.value.position == 1


def test_only_what_is_needed_is_produced() -> None:
    lines = Counted(1_000_000)
    assert search(lines, "line 12", (10, 0)) == (12, 0, 7)
    assert lines.seen == {10, 11, 12}
    assert search(lines, "line 8", (10, 0), is_backwards=True) == (8, 0, 6)
    assert lines.seen == {8, 9, 10, 11, 12}


def test_both_can_be_cancelled() -> None:
    with pytest.raises(RenderCancelled):
        search(LINES, "zzz", cancelled=lambda: True)
    with pytest.raises(RenderCancelled):
        count(LINES, "zzz", cancelled=lambda: True)


def test_spans_of_a_line() -> None:
    assert spans(LINES[1], compile_pattern("two")) == [(0, 3), (4, 7)]
