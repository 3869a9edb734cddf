"""Times and TLS versions; the other amounts are tested with their operators."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from interceptor.specs.errors import UserError
from interceptor.specs.filter_ranges import is_tls_version, time_test, tls_rank


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("12:30", ["2026-11-20T12:30", "2020-01-01T12:30:59"], ["2026-11-20T12:31", "2026-11-20T12:29:59"]),
        ("12:30:15", ["2026-11-20T12:30:15.5"], ["2026-11-20T12:30:16", "2026-11-20T12:30:14"]),
        (">12:30", ["2026-11-20T12:30:01", "2026-11-20T23:59"], ["2026-11-20T12:29", "2026-11-21T00:00"]),
        ("<12:30", ["2026-11-20T00:00", "2026-11-20T12:29:59"], ["2026-11-20T12:30"]),
        ("<=12:30", ["2026-11-20T12:30:59"], ["2026-11-20T12:31"]),
        ("12:30..12:45", ["2026-11-20T12:30", "2026-11-20T12:45:59"], ["2026-11-20T12:46", "2026-11-20T12:29"]),
        ("23:00..01:00", ["2026-11-20T23:30", "2026-11-20T00:30"], ["2026-11-20T12:00"]),
        ("2026-11-20", ["2026-11-20T00:00", "2026-11-20T23:59:59.9"], ["2026-11-21T00:00", "2026-11-19T23:59:59"]),
        ("2026-11-20..2026-11-21", ["2026-11-20T00:00", "2026-11-21T23:59"], ["2026-11-22T00:00", "2026-11-19T12:00"]),
        (">2026-11-20", ["2026-11-21T00:00"], ["2026-11-20T23:59"]),
        (">=2026-11-20", ["2026-11-20T00:00"], ["2026-11-19T23:59"]),
        ("<2026-11-20", ["2026-11-19T23:59"], ["2026-11-20T00:00"]),
        ("<=2026-11-20", ["2026-11-20T23:59"], ["2026-11-21T00:00"]),
        ("2026-11-20T12:30", ["2026-11-20T12:30:59"], ["2026-11-20T12:31", "2026-11-21T12:30"]),
        (">2026-11-20T12:30", ["2026-11-20T12:30:01", "2026-11-21T00:00"], ["2026-11-20T12:29:59"]),
        ("2026-11-20 12:30:15", ["2026-11-20T12:30:15.9"], ["2026-11-20T12:30:16"]),
        ("2026-11-20T12:30:15.500", ["2026-11-20T12:30:15.500"], ["2026-11-20T12:30:15.501"]),
        ("2026-11-20T12:30+01:00", ["2026-11-20T11:30:30+00:00"], ["2026-11-20T12:30:30+00:00", "2026-11-20T11:31:00+00:00"]),
        ("2026-11-20T12:30Z", ["2026-11-20T12:30:59+00:00"], ["2026-11-20T12:31:00+00:00"]),
        ("2026-11-20..2026-11-21T12:00", ["2026-11-21T12:00:30"], ["2026-11-21T12:01"]),
    ],
)
def test_a_time(text: str, inside: list[str], outside: list[str]) -> None:
    test = time_test(text, lambda: 0.0)
    for moment in inside:
        assert test(at(moment)), moment
    for moment in outside:
        assert not test(at(moment)), moment


@pytest.mark.parametrize(
    "text", ["", "5", "25:00", "12:60", "12:30..", "..", "2026-1-1", "2026-02-30", "0001-01-01..", "<", "12.30", "٣:30"]
)
def test_no_time(text: str) -> None:
    with pytest.raises(UserError):
        time_test(text, lambda: 0.0)


def test_a_time_that_no_clock_shows_is_at_no_time_of_day() -> None:
    test = time_test(">=00:00", lambda: 0.0)
    assert test(0.0)
    assert not test(1e300)


def test_an_age_is_exact() -> None:
    now = datetime(2026, 11, 20, tzinfo=timezone.utc).timestamp()  # noqa: UP017
    young, old = time_test("<90s", lambda: now), time_test(">90s", lambda: now)
    assert young(now - 90) and not old(now - 90)
    assert not young(now - 90.5) and old(now - 90.5)


@pytest.mark.parametrize(
    ("version", "rank"),
    [("TLSv1", 1.0), ("TLSv1.1", 1.1), ("1.2", 1.2), ("tls1.3", 1.3), ("DTLSv1.2", 1.2), ("QUICv1", 1.3), ("SSLv3", 0), ("", 0)],
)
def test_versions_of_tls_have_an_order(version: str, rank: float) -> None:
    assert tls_rank(version) == rank


def test_what_reads_as_a_version() -> None:
    assert all(is_tls_version(text) for text in ["1.2", ">=1.2", "TLSv1.3", "tls1", "< 1.2"])
    assert not any(is_tls_version(text) for text in ["", "foo", "1.2.3", "example1.2", "443"])
