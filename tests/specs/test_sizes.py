"""Amounts of bytes and time, from and to text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.specs.errors import UserError
from interceptor.specs.sizes import format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("512", 512), ("512b", 512), ("1k", 1024), ("1KB", 1024), ("1 KiB", 1024), ("1.5m", 1_572_864),
        ("2g", 2 << 30), ("1T", 1 << 40), (" 3m ", 3 << 20), ("12345678901234567", 12345678901234567),
    ],
)  # fmt: skip
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1x", "1..2", "1e3", "٣", "1 2", "1kk", "0x10", "9" * 40])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0b"), (1023, "1023b"), (1024, "1k"), (1536, "1.5k"), (10_240, "10k"), (15_700, "15k"), (1023 * 1024, "1m"),
        (999 * 1024, "999k"), (1 << 20, "1m"), (3_400_000, "3.2m"), (1 << 30, "1g"), (1 << 40, "1t"), (1 << 50, "1p"),
        (5000 << 50, "5000p"),
    ],
)  # fmt: skip
def test_a_size_is_shown_short(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(0, 1 << 55))
def test_what_is_shown_reads_as_nearly_the_same(size: int) -> None:
    text = format_size(size)
    assert len(text) <= 5
    assert abs(parse_size(text) - size) <= size * 0.05


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("2s", 2.0), ("1.5m", 90.0), ("5min", 300.0), ("2h", 7200.0), ("1d", 86400.0), ("0s", 0.0), ("20us", 2e-5)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1w", "1s2"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a duration"):
        parse_duration(text)
