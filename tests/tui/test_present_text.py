from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.tui.present.text import (
    clock,
    cut,
    cut_start,
    format_duration,
    moment,
    readable,
    shorten_middle,
    to_width,
    to_width_right,
    width,
)


def test_bytes_are_utf8_where_they_can_be() -> None:
    assert readable("héllo".encode()) == "héllo"
    assert readable(b"caf\xe9") == "caf\\xe9"
    assert readable("caf\udce9") == "caf\\xe9", "as the model hands on what it could not decode"


def test_controls_and_what_reorders_text_become_visible() -> None:
    assert readable("a\x1b]0;x\x07\r\nb\u202e") == "a\\x1b]0;x\\x07\\r\\nb\\u202e"
    assert readable("a\tb") == "a       b"


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [("abcdef", 4, "abcd"), ("日本語", 5, "日本"), ("日", 1, ""), ("e\u0301x", 1, "e\u0301"), ("abc", 0, ""), ("abc", -1, "")],
)
def test_cut(text: str, columns: int, expected: str) -> None:
    assert cut(text, columns) == expected


def test_cut_start_keeps_the_end() -> None:
    assert cut_start("abcdef", 2) == "ef"
    assert cut_start("日本語", 3) == "語"


def test_shortening_keeps_both_ends() -> None:
    assert shorten_middle("/static/app/main.js", 11) == "/stat…in.js"
    assert shorten_middle("short", 11) == "short"
    assert shorten_middle("abcdef", 1) == "…"


@given(st.text(), st.integers(0, 30))
def test_cells_have_exactly_their_width(text: str, columns: int) -> None:
    text = readable(text)
    assert width(to_width(text, columns)) == columns
    assert width(to_width_right(text, columns)) == columns
    assert width(shorten_middle(text, columns)) <= columns


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0ms"),
        (0.0004, "0.4ms"),
        (0.006, "6ms"),
        (0.9994, "999ms"),
        (0.9996, "1.0s"),
        (59.94, "59.9s"),
        (59.96, "1m00s"),
        (125, "2m05s"),
        (3599.4, "59m59s"),
        (3700, "1h01m"),
        (400_000, "5d"),
        (-1, "?"),
        (float("nan"), "?"),
    ],
)
def test_durations_are_short(seconds: float, expected: str) -> None:
    assert format_duration(seconds) == expected
    assert len(expected) <= 6


@pytest.mark.parametrize("timestamp", [1e300, -1e300, float("inf"), float("nan")])
def test_impossible_times_are_no_crash(timestamp: float) -> None:
    assert clock(timestamp) == ""
    assert moment(timestamp) == "an impossible time"


def test_what_is_shown_is_decided_without_urwid() -> None:
    code = "import sys, pkgutil, importlib, interceptor.tui.present as present\n"
    code += "for module in pkgutil.iter_modules(present.__path__): importlib.import_module(f'{present.__name__}.{module.name}')\n"
    code += "sys.exit('urwid' in sys.modules or 'cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
