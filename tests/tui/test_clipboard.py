"""OSC 52: the very text arrives, also through tmux, and nothing in it presses keys."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.specs.errors import UserError
from interceptor.tui.clipboard import LONGEST, clipboard_text, copy_sequence


def test_the_sequence() -> None:
    assert copy_sequence("hé\n", {}) == "\x1b]52;c;aMOpCg==\x07"


def test_tmux_gets_it_plain_and_wrapped() -> None:
    plain = copy_sequence("x", {})
    both = copy_sequence("x", {"TMUX": "/tmp/tmux-0/default,1,0"})
    assert both.startswith(plain)
    wrapped = re.fullmatch(r"\x1bPtmux;(.*)\x1b\\", both.removeprefix(plain), re.DOTALL)
    assert wrapped is not None
    assert wrapped.group(1).replace("\x1b\x1b", "\x1b") == plain
    assert "\x1b" not in wrapped.group(1).replace("\x1b\x1b", "")


def test_too_much_is_said_before_it_is_lost() -> None:
    assert len(base64.b64decode(copy_sequence("x" * LONGEST, {})[7:-1])) == LONGEST
    with pytest.raises(UserError, match=r"100,001 bytes .* export\.file"):
        copy_sequence("x" * LONGEST + "x", {})
    with pytest.raises(UserError, match="200,000"):
        copy_sequence("é" * LONGEST, {})


def test_control_characters_are_written_out() -> None:
    assert clipboard_text(b"a\tb\r\nc\x1b[201~\rrm\x00\xff") == "a\tb\nc\\x1b[201~\\x0drm\\x00\\xff"
    assert clipboard_text("\u202e\x9b") == "\\u202e\\x9b"


@given(st.binary())
def test_whatever_it_is(content: bytes) -> None:
    text = clipboard_text(content)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)
    assert re.fullmatch(r"\x1b\]52;c;[A-Za-z0-9+/=]*\x07", copy_sequence(text, {}))
