"""Arguments of filter operators that are amounts: turned into a test of one number, once.

    >500  >=500  <500  <=500  =500    compared           400-499  1k..10k    both ends belong to it
    4xx                               a class of status  500                 what it means alone is the operator's: `bare`

Times of flows are seconds since the epoch. A date is a whole day and a clock time a moment of any day, both in the local zone,
as the screen shows them; an age such as `5m` counts back from now, which the caller's clock tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Final

from interceptor.specs.errors import UserError
from interceptor.specs.sizes import parse_duration

Test = Callable[[float], bool]
Clock = Callable[[], float]

_COMPARED: Final = r"(?s:\s*(>=|<=|>|<|=)\s*(.*?)\s*)"
_VERSION: Final = r"(?ai:(?:d?tls|quic)?\s*v?([0-9])(?:\.([0-9]))?)"
_CLOCK_TIME: Final = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?"
_DATE: Final = r"(?a:\d{4}-\d\d-\d\d)"
_MOMENT: Final = r"(?a:\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?P<second>:\d\d(?P<fraction>\.\d{3}(?:\d{3})?)?)?(?:Z|[+-]\d\d:\d\d)?)"


class Bare(Enum):
    """What an amount means that stands alone."""

    EXACTLY = "exactly"
    AT_LEAST = "at least"


def amount_test(text: str, value: Callable[[str], float], bare: Bare) -> Test:
    """A test for a number. `value` parses one amount and raises UserError."""
    compared = re.fullmatch(_COMPARED, text)
    if compared is not None:
        return _comparison(compared[1], value(compared[2]))
    low_text, separator, high_text = text.partition("..") if ".." in text else text.partition("-")
    if separator:
        low, high = value(low_text.strip()), value(high_text.strip())
        if low > high:
            raise UserError(f"{text!r} is empty: the smaller end comes first.")
        return lambda number: low <= number <= high
    return _comparison("=" if bare is Bare.EXACTLY else ">=", value(text))


def _comparison(sign: str, bound: float) -> Test:
    match sign:
        case ">":
            return lambda number: number > bound
        case ">=":
            return lambda number: number >= bound
        case "<":
            return lambda number: number < bound
        case "<=":
            return lambda number: number <= bound
        case _:
            return lambda number: number == bound


def status_test(text: str) -> Test:
    found = re.fullmatch(r"([1-9])xx", text, re.IGNORECASE | re.ASCII)
    if found is not None:
        low = int(found[1]) * 100
        return lambda status: low <= status < low + 100
    return amount_test(text, _status, Bare.EXACTLY)


def _status(text: str) -> float:
    if not re.fullmatch("[0-9]{1,4}", text):
        raise UserError(f"{text!r} is not a status: write 404, 4xx, 400-499 or >=500.")
    return int(text)


def port(text: str) -> float:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise UserError(f"{text!r} is not a port: write 443, 8000-8999 or >1023.")
    return int(text)


def is_tls_version(text: str) -> bool:
    """Whether a word reads as the argument of `~tls`, which may also go without one."""
    compared = re.fullmatch(_COMPARED, text)
    return re.fullmatch(_VERSION, compared[2] if compared else text) is not None


@lru_cache(64)
def tls_rank(version: str) -> float:
    """`1.2`, `TLSv1.2`, `tls1.2` -> 1.2; `TLSv1` -> 1.0; SSLv3 and anything odd sort below; QUIC always carries TLS 1.3."""
    found = re.fullmatch(_VERSION, version)
    if found is None:
        return 0.0
    return 1.3 if version.lower().startswith("quic") else int(found[1]) + int(found[2] or 0) / 10


def tls_version(text: str) -> float:
    if not re.fullmatch(_VERSION, text):
        raise UserError(f"{text!r} is not a TLS version: write 1.2, 1.3 or <1.2.")
    return tls_rank(text)


def time_test(text: str, clock: Clock) -> Test:
    """When a flow began: `<5m` (in the last five minutes), `>12:30`, `12:30..13:00`, `2026-11-20`, `2026-11-20..2026-11-21`.
    A range ends with the end of what it names; `>` of a day is after that day."""
    compared = re.fullmatch(_COMPARED, text)
    sign, operand = (compared[1], compared[2]) if compared else ("", text.strip())
    if re.fullmatch(r"[0-9.]+\s*[a-z]+", operand, re.IGNORECASE | re.ASCII):
        return _age_test(sign, parse_duration(operand), clock)
    first, dots, last = operand.partition("..")
    if dots and sign:
        raise UserError(f"{text!r} compares with a range: write either a sign or a range.")
    low, low_end, is_daily = _span(first.strip())
    high_end = low_end
    if dots:
        _, high_end, is_last_daily = _span(last.strip())
        if is_daily is not is_last_daily:
            raise UserError(f"{text!r} mixes a time of day with a date: give both ends alike.")
    begins = _moment_test(sign, low, high_end, is_day=bool(re.fullmatch(_DATE, operand)))
    if not is_daily:
        return begins
    return lambda moment: begins(_second_of_day(moment))


def _moment_test(sign: str, start: float, end: float, is_day: bool) -> Test:
    match sign:
        case ">":
            bound = end if is_day else start
            return lambda moment: moment >= bound
        case ">=":
            return lambda moment: moment >= start
        case "<":
            return lambda moment: moment < start
        case "<=":
            return lambda moment: moment < end
        case _ if start > end:  # 23:00..01:00, over midnight
            return lambda moment: moment >= start or moment < end
        case _:
            return lambda moment: start <= moment < end


def _age_test(sign: str, seconds: float, clock: Clock) -> Test:
    if sign in (">", ">="):
        return lambda moment: clock() - moment > seconds
    return lambda moment: clock() - moment <= seconds


def _span(text: str) -> tuple[float, float, bool]:
    """Start, end, and whether it is of every day: seconds since the epoch, or since midnight."""
    clock_time = re.fullmatch(_CLOCK_TIME, text)
    if clock_time is not None:
        hour, minute, second = int(clock_time[1]), int(clock_time[2]), int(clock_time[3] or 0)
        if hour < 24 and minute < 60 and second < 60:
            start = hour * 3600 + minute * 60 + second
            return start, start + (1 if clock_time[3] else 60), True
    elif re.fullmatch(_DATE, text) or re.fullmatch(_MOMENT, text):
        try:
            moment = datetime.fromisoformat(text)
            return moment.timestamp(), _end_of(text, moment).timestamp(), False
        except (ValueError, OverflowError, OSError):
            pass  # a month of 13, a year that the platform cannot count
    raise UserError(f"{text!r} is not a time: write 12:30, 2026-11-20, 2026-11-20T12:30 or an age such as <5m.")


def _end_of(text: str, start: datetime) -> datetime:
    """The end of the day, minute, second or instant that the text names."""
    named = re.fullmatch(_MOMENT, text)
    if named is None:
        return start + timedelta(days=1)
    if named["fraction"]:
        return start + timedelta(microseconds=1)
    return start + (timedelta(seconds=1) if named["second"] else timedelta(minutes=1))


def _second_of_day(moment: float) -> float:
    try:
        local = datetime.fromtimestamp(moment)
    except (ValueError, OverflowError, OSError):
        return -1.0  # a flow from a file may claim any time; this one is on no clock
    return local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
