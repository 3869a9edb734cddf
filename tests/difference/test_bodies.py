"""Texts, JSON and bytes side by side: both sides can be read off the rows again, and what is marked is what differs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.difference.hex_rows import compare_bytes
from interceptor.difference.json_tree import NotComparable, compare_json, parse
from interceptor.difference.lines import common_start, compare_lines, marks_of
from interceptor.difference.rows import Kind, Row, Side, count_of

TEXTS = st.lists(st.text("ab ,", max_size=8), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("xyz", max_size=1), inner, max_size=3),
    max_leaves=12,
)


def told(rows: list[Row]) -> list[str]:
    """As `diff` writes it."""
    signs = []
    for row in rows:
        left, right = row.left.text if row.left else "", row.right.text if row.right else ""
        match row.kind:
            case Kind.SAME:
                signs.append(f"  {left}")
            case Kind.CHANGED:
                signs.append(f"! {left} | {right}")
            case _:
                signs.append(f"- {left}" if row.left else f"+ {right}")
    return signs


def sides(rows: list[Row]) -> tuple[list[str], list[str]]:
    return [row.left.text for row in rows if row.left], [row.right.text for row in rows if row.right]


def marked(side: Side | None) -> list[str]:
    return [side.text[start:end] for start, end in side.marks] if side else []


# ---- lines


@given(TEXTS, TEXTS)
def test_both_texts_are_there(left: list[str], right: list[str]) -> None:
    rows, is_best = compare_lines(left, right)
    assert sides(rows) == (left, right) and is_best
    for row in rows:
        assert (row.kind is Kind.SAME) == (row.left is not None and row.right is not None and row.left.text == row.right.text)
        for side in (row.left, row.right):
            if side:
                assert all(0 <= start < end <= len(side.text) for start, end in side.marks)


def test_lines_that_resemble_each_other_stand_beside_each_other() -> None:
    left = ["first", "the quick brown fox", "last"]
    right = ["first", "something new altogether", "the quick red fox", "last"]
    assert told(compare_lines(left, right)[0]) == [
        "  first",
        "+ something new altogether",
        "! the quick brown fox | the quick red fox",
        "  last",
    ]


def test_what_is_different_in_a_line_is_marked_by_words() -> None:
    (row,) = compare_lines(["GET /a/b?x=1 HTTP/1.1"], ["GET /a/c?x=1&y=2 HTTP/1.1"])[0]
    assert (marked(row.left), marked(row.right)) == (["b"], ["c", "&y=2"])
    assert marks_of("abc", "xyz") == ((), ()), "nothing in common: the lines themselves are the difference"


def test_a_very_long_line_is_marked_from_where_it_differs_to_where_it_no_longer_does() -> None:
    left, right = "a" * 50_000 + "X" + "b" * 50_000, "a" * 50_000 + "YZ" + "b" * 50_000
    assert marks_of(left, right) == (((50_000, 50_001),), ((50_000, 50_002),))


@given(st.text("ab", max_size=40), st.text("ab", max_size=40))
def test_the_common_start(left: str, right: str) -> None:
    count = common_start(left, right)
    assert left[:count] == right[:count]
    assert left == right or left[count : count + 1] != right[count : count + 1]


def test_differences_that_follow_each_other_are_one() -> None:
    assert count_of(compare_lines(["a", "b", "c", "d"], ["a", "1", "2", "d", "e"])[0]) == 2


# ---- JSON


def compared(left: object, right: object, **how: bool) -> list[str]:
    one, other = (parse(each if isinstance(each, str) else json.dumps(each), **how) for each in (left, right))
    return told(compare_json(one, other)[0])


@given(VALUES, VALUES)
def test_both_values_are_there(left: object, right: object) -> None:
    rows, _ = compare_json(parse(json.dumps(left)), parse(json.dumps(right)))
    texts = sides(rows)
    assert json.loads("\n".join(texts[0])) == left
    assert (json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)) == all(row.kind is Kind.SAME for row in rows)


def test_what_only_the_right_side_has_is_there_too() -> None:
    assert compared({"a": 1, "c": [1, 2]}, {"a": 1, "b": {"x": None}, "c": [1, 3, 2]}) == [
        "  {",
        '    "a": 1,',
        '+   "b": {',
        '+     "x": null',
        "+   },",
        '    "c": [',
        "      1,",
        "+     3,",
        "      2",
        "    ]",
        "  }",
    ]


def test_changes_are_told_where_they_are_however_deep() -> None:
    left = [{"id": at, "tags": ["a", "b"], "on": True} for at in range(3)]
    right = [dict(each) for each in left]
    right[1] = {"id": 1, "tags": ["a", "c"], "on": True}
    different = [line for line in compared(left, right) if not line.startswith("  ")]
    assert different == ['!       "b" |       "c"']


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ('{"a": 1, "b": [2]}', '{ "b":[2],"a":1 }'),
        ('"\\u0041\\/"', '"A/"'),
        ("[1.50, 1e3, -0.0, 100]", "[1.5, 1000, 0, 1E+2]"),
    ],
)
def test_how_it_is_written_does_not_count(left: str, right: str) -> None:
    assert all(line.startswith("  ") for line in compared(left, right))


def test_the_order_of_keys_counts_if_it_is_to() -> None:
    one, other = '{"a": 1, "b": 2}', '{"b": 2, "a": 1}'
    assert parse(one).meaning == parse(other).meaning
    assert parse(one, counts_key_order=True).meaning != parse(other, counts_key_order=True).meaning
    assert [line[0] for line in compared(one, other)] == [" "] * 4


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("[-1]", "[-2]"),
        ("[true]", "[1]"),
        ('["1"]', "[1]"),
        ("[{}]", "[[]]"),
        ("[null]", "[0]"),
        ("[10000000000000000000001]", "[10000000000000000000002]"),
        ("[0.1]", "[0.10000000000000000001]"),
        ('{"a":1,"a":2}', '{"a":2}'),
    ],
)
def test_what_looks_alike_and_means_something_else(left: str, right: str) -> None:
    assert any(not line.startswith("  ") for line in compared(left, right))


@pytest.mark.parametrize(
    "text", ["[" * 10_000 + "]" * 10_000, '{"a":' * 10_000, "[" * 150 + "]" * 150, "{", "[" + "1" * 5000 + "]", ""]
)
def test_what_cannot_be_compared_as_json(text: str) -> None:
    with pytest.raises(NotComparable):
        parse(text)


# ---- bytes


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_all_bytes_are_there(left: bytes, right: bytes) -> None:
    rows, _ = compare_bytes(left, right)
    for content, texts in zip((left, right), sides(rows), strict=True):
        assert bytes.fromhex("".join(text[10:34] for text in texts)) == content
        assert [int(text[:8], 16) for text in texts] == sorted(int(text[:8], 16) for text in texts)
    for row in rows:
        if row.kind is Kind.CHANGED:
            assert row.left and row.right and row.left.text[10:34] != row.right.text[10:34] and row.left.marks


def test_bytes_that_were_put_in_leave_the_rest_beside_each_other() -> None:
    content = bytes(range(256)) * 4
    rows, is_best = compare_bytes(content, content[:300] + b"!!!" + content[300:700] + content[705:])
    assert is_best and [row.kind for row in rows if row.kind is not Kind.SAME] == [Kind.ADDED, Kind.REMOVED]


def test_bytes_of_one_length_are_compared_place_by_place() -> None:
    rows, is_best = compare_bytes(b"0123456789abcdef", b"0123X56789abcdef")
    (row,) = [row for row in rows if row.kind is Kind.CHANGED]
    assert is_best and marked(row.left) == ["34", "4"] and marked(row.right) == ["58", "X"]
