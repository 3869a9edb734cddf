"""What a terminal must not get is seen instead."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.visible import escape_control, styled, styled_bytes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("tab\tstays", "tab\tstays"),
        ("é 漢字 😀", "é 漢字 😀"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x00\x7f\x9b", "\\x00\\x7f\\x9b"),
        ("exe\u202egpj.", "exe\\u202egpj."),
        ("\u2066\u2069\u200b\ufeff", "\\u2066\\u2069\\u200b\\ufeff"),
        ("\u2028", "\\u2028"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff", "\\xff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert escape_control(text) == shown


@given(st.text(alphabet=st.characters()))
def test_nothing_that_controls_is_left(text: str) -> None:
    for character in escape_control(text):
        assert character == "\t" or unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(character) not in ("RLE", "LRE", "RLO", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI")


@given(st.text(alphabet=st.characters()))
def test_styled_is_the_same_text(text: str) -> None:
    assert "".join(piece for _, piece in styled("key", text)) == escape_control(text)


def test_escapes_have_a_style_of_their_own() -> None:
    assert styled("key", "a\x00\x01b") == [("key", "a"), ("error", "\\x00\\x01"), ("key", "b")]
    assert styled_bytes("text", b"\xc3\xa9\xff") == [("text", "é"), ("error", "\\xff")]
    assert styled("text", "") == []
