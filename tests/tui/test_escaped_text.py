from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.tui.escaped_text import escaped, unescaped


@given(st.binary() | st.text(alphabet="\\x0aA5 \n\té\u202e").map(str.encode))
def test_any_bytes_come_back(raw: bytes) -> None:
    assert unescaped(escaped(raw)) == raw
    assert unescaped(escaped(raw, keep="\n\t")) == raw


@given(st.binary())
def test_nothing_that_a_terminal_obeys_is_left(raw: bytes) -> None:
    shown = [character for character in escaped(raw) if ord(character) < 256 and character not in " \xa0\xad"]
    assert all(character.isprintable() for character in shown)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        ("café".encode(), "café"),
        (b"\xff\x1b[31m", "\\xff\\x1b[31m"),
        (b"a\\b", "a\\b"),
        (b"a\\x41", "a\\x5cx41"),
        ("\u202eabc".encode(), "\\xe2\\x80\\xaeabc"),
    ],
)
def test_spelling(raw: bytes, text: str) -> None:
    assert escaped(raw) == text


def test_newlines_are_kept_where_wanted() -> None:
    assert escaped(b"a\r\n\tb", keep="\n\t") == "a\\x0d\n\tb"
