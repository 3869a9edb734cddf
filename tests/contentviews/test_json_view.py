"""JSON: indented without a conversion, whatever it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.json_view import show_json
from interceptor.contentviews.rendered import CUT_MARK, LONGEST_LINE, NotThisView, RenderCancelled, Rendered, never, text_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def shown(body: bytes) -> Rendered:
    return show_json(body, never)


def texts(body: bytes) -> list[str]:
    return [text_of(line) for line in shown(body).lines]


def test_indentation_and_empty_containers() -> None:
    assert texts(b'{"a":[1,{"b" : {}}, [ ]],"c":null}') == [
        "{",
        '  "a": [',
        "    1,",
        "    {",
        '      "b": {}',
        "    },",
        "    []",
        "  ],",
        '  "c": null',
        "}",
    ]


@pytest.mark.parametrize(
    "token", ["1.0", "1e400", "-0", "1E+2", "12345678901234567890123", "0.10", r'"\u00e9\/\ud83d"', '"é"', "true", '"a: b, {c}"']
)
def test_tokens_are_kept_as_they_are(token: str) -> None:
    assert texts(f'{{"a":{token}}}'.encode())[1] == f'  "a": {token}'
    assert texts(token.encode()) == [token]


def test_order_and_duplicate_names_stay() -> None:
    assert texts(b'{"b":1,"a":2,"b":3}') == ["{", '  "b": 1,', '  "a": 2,', '  "b": 3', "}"]


def test_styles() -> None:
    line = shown(b'{"a":"b"}').lines[1]
    assert [piece for piece in line if piece[1].strip()] == [
        ("key", '"a"'),
        ("punctuation", ":"),
        ("string", '"b"'),
    ]
    assert ("number", "1") in shown(b"[1]").lines[1]
    assert ("keyword", "null") in shown(b"[null]").lines[1]


@given(VALUES)
def test_the_same_value_is_on_the_screen(value: Any) -> None:
    for body in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode()):
        assert json.loads("\n".join(texts(body))) == value


def test_hostile_characters_are_escaped_as_json() -> None:
    body = json.dumps(["\u202e\x7f\u200b\U000e0041"], ensure_ascii=False).encode()
    assert texts(body)[1] == r'  "\u202e\u007f\u200b\udb40\udc41"'
    assert json.loads("".join(texts(body))) == json.loads(body)


def test_bytes_that_are_not_utf8_are_marked() -> None:
    assert ("error", "\\xff") in shown(b'["a\xff"]').lines[1]


@pytest.mark.parametrize("body", [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_depth_does_not_matter(body: bytes) -> None:
    lines = shown(body).lines
    assert len(lines) > 190_000
    assert len(text_of(lines[99_000])) < 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "a value expected at line 1, column 1, but the content ends"),
        (b"[1,]", "a value expected at line 1, column 4"),
        (b'{"a":1,}', "a name in quotes"),
        (b'{"a" 1}', "a name in quotes"),
        (b'["a":1]', "a value expected"),
        (b"{1:2}", "a name in quotes"),
        (b"[1\n 2]", "',' or ']' expected at line 2, column 2"),
        (b"[1}", "']' expected at line 1, column 3"),
        (b"[01]", "',' or ']'"),
        (b"[1.]", "',' or ']'"),
        (b"tru", "a value"),
        (b"NaN", "a value"),
        (b'"\x01"', "a value"),
        (b'"\\x"', "a value"),
        (b"[" * 100_000, "column 100001"),
        (b'"' + b"\\n" * 100_000, "a value"),
        (b"hello", "a value"),
    ],
)
def test_what_is_not_json(body: bytes, reason: str) -> None:
    with pytest.raises(NotThisView) as caught:
        shown(body)
    assert reason in str(caught.value)


def test_json_lines() -> None:
    rendered = shown(b'{"a":1}\n{"a":2}\n\n\x1e3\n')
    assert rendered.description == "JSON, 3 values in a row"
    assert [text_of(line) for line in rendered.lines] == ["{", '  "a": 1', "}", "{", '  "a": 2', "}", "3"]


def test_a_guard_against_script_inclusion() -> None:
    rendered = shown(b")]}',\n[1]")
    assert rendered.lines[0] == [("comment", ")]}',")]
    assert len(rendered.lines) == 4


def test_long_strings_are_cut_into_pieces() -> None:
    lines = shown(b'["' + b"x" * 50_000 + b'",1]').lines
    assert len(lines) == 6
    assert lines[1][-1] == lines[2][-1] == CUT_MARK != lines[3][-1]
    assert all(len(text_of(line)) <= LONGEST_LINE + 10 for line in lines)
    assert sum(text_of(line).count("x") for line in lines) == 50_000
    assert {style for style, text in lines[2]} == {"string", "marker"}


def test_it_can_be_cancelled() -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) == 2

    with pytest.raises(RenderCancelled):
        show_json(b"[" + b"1," * 100_000 + b"1]", cancelled)
    assert len(asked) == 2
