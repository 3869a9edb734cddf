"""What is written in the notation is read back; mistakes name their line."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.notation import Tokens, editable_text, float32_text, hexed, quoted
from interceptor.contentviews.rendered import CUT_MARK, text_of
from interceptor.specs.errors import UserError


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_quoted_is_read_back(raw: bytes) -> None:
    text = text_of(quoted(raw))
    assert "\n" not in text
    assert Tokens(text).take().value == raw
    assert Tokens(text_of(hexed(raw))).take().value == raw


@given(st.floats(width=32, allow_nan=False))
def test_floats_of_32_bits_are_read_back(value: float) -> None:
    text = float32_text(value)
    assert pack("<f", Tokens(text).take().value) == pack("<f", value)
    assert len(text.strip("-0.")) <= 14


def test_escapes_of_json_and_more() -> None:
    assert Tokens(r'"\u00e9\ud83d\ude00\x80\x41\n\U0001f600"').take().value == "é😀".encode() + b"\x80A\n" + "😀".encode()


def test_blank_and_remarks_are_left_out() -> None:
    tokens = Tokens(" # a\n 1, # b ] \n -0x1F , word-2")
    assert [tokens.take().value for _ in range(3)] == [1, -31, "word-2"]
    assert tokens.is_at_end()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('\n\n "abc', "line 3, column 2"),
        ("\nh'abc'", "line 2, column 1: two hexadecimal digits"),
        ('"\\q"', "unknown escape"),
        ('"\\ud800"', "is no character"),
        ("\n\n\n§", "line 4"),
        ("1abc", "line 1"),
    ],
)
def test_mistakes_name_their_line(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Tokens(text).take()


@given(st.text(alphabet="\"\\h'0af#{}[]():,. \n-x1eEinfu", max_size=60))
def test_any_text_is_tokens_or_a_mistake(text: str) -> None:
    tokens = Tokens(text)
    try:
        for _ in range(len(text)):
            tokens.take()
    except UserError:
        return
    assert tokens.is_at_end()


def test_pieces_of_long_lines_are_joined() -> None:
    assert editable_text([[("string", '"ab'), CUT_MARK], [("string", 'cd"')], []]) == '"abcd"\n\n'
