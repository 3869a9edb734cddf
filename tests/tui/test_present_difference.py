"""A comparison as lines: side by side, one below the other, folded, wrapped, and safe to draw."""

from __future__ import annotations

import pytest

from interceptor.difference.comparison import Difference
from interceptor.difference.lines import compare_lines
from interceptor.difference.rows import Kind, Row, Side, count_of, heading, note
from interceptor.tui.present.difference import lay_out, names
from interceptor.tui.present.paragraphs import plain
from interceptor.tui.present.text import line_width

LEFT = [f"line {at}" for at in range(20)]
RIGHT = [*LEFT[:10], "line ten", *LEFT[11:], "one more"]


def difference(left: list[str], right: list[str]) -> Difference:
    rows = [heading("Part", "Part"), *compare_lines(left, right)[0]]
    return Difference("this", "that", rows, count_of(rows))


def shown(left: list[str], right: list[str], columns: int = 41, is_split: bool = True, is_folded: bool = True) -> list[str]:
    return [plain(line).rstrip() for line in lay_out(difference(left, right), columns, is_split, is_folded).lines]


def test_side_by_side() -> None:
    assert shown(LEFT, RIGHT) == [
        "Part                │Part",
        "  ⋯ 7 lines the same",
        "  line 7            │  line 7",
        "  line 8            │  line 8",
        "  line 9            │  line 9",
        "− line 10           │+ line ten",
        "  line 11           │  line 11",
        "  line 12           │  line 12",
        "  line 13           │  line 13",
        "  ⋯ 3 lines the same",
        "  line 17           │  line 17",
        "  line 18           │  line 18",
        "  line 19           │  line 19",
        "                    │+ one more",
    ]


def test_one_below_the_other_with_what_was_before_what_is() -> None:
    lines = shown(["a", "b 1", "c 1", "d"], ["a", "b 2", "c 2", "d"], is_split=False)
    assert lines == ["Part", "  a", "− b 1", "− c 1", "+ b 2", "+ c 2", "  d"]


def test_everything_is_shown_if_it_is_not_folded() -> None:
    lines = lay_out(difference(LEFT, RIGHT), 41, True, False)
    assert len(lines.lines) == 22 and not any("⋯" in plain(line) for line in lines.lines)


def test_where_differences_begin() -> None:
    layout = lay_out(difference(LEFT, RIGHT), 41, True, True)
    assert [plain(layout.lines[start])[:9].strip() for start in layout.starts] == ["− line 10", ""]
    below = lay_out(difference(["a", "x 1", "b"], ["a", "x 2", "b", "c"]), 41, False, True)
    assert [plain(below.lines[start]) for start in below.starts] == ["− x 1", "+ c"]


def test_what_differs_in_a_line_stands_out() -> None:
    (line,) = [line for line in lay_out(difference(["a b 1"], ["a b 2"]), 41, True, True).lines if "a b" in plain(line)]
    assert ("diff removed part", "1") in line and ("diff added part", "2") in line


@pytest.mark.parametrize("is_split", [True, False])
@pytest.mark.parametrize("columns", [10, 41, 80])
def test_no_line_is_wider_than_there_is_room(columns: int, is_split: bool) -> None:
    left = ["x" * 100, "wide 漢字漢字漢字漢字漢字漢字漢字", "\x1b[2J\r\n\tescape", "e\u0301" * 60, "\udcff half"]
    found = difference(left, [line + "!" for line in left])
    found = Difference(found.left * 30, found.right * 30, [*found.rows, note("word " * 40)], found.count)
    for line in [*lay_out(found, columns, is_split, True).lines, *names(found, columns, is_split)]:
        text = plain(line)
        assert line_width(line) <= columns
        assert all(character.isprintable() or character in "\u0301" for character in text), text


def test_a_side_that_wraps_leaves_the_other_beside_it() -> None:
    row = Row(Kind.CHANGED, Side("short"), Side("y" * 30))
    lines = lay_out(Difference("", "", [row], 1), 41, True, True).lines
    assert [plain(line).rstrip() for line in lines] == [
        "− short             │+ " + "y" * 18,
        " " * 20 + "│  " + "y" * 12,
    ]
