"""Cookies as they stand in header fields (RFC 6265 §4, §5): read, shifted in time, written. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate, mktime_tz, parsedate_tz


@dataclass(frozen=True, slots=True)
class SetCookie:
    """`attributes` in the order and spelling in which they were sent; a flag such as Secure has the value ""."""

    name: str
    value: str
    attributes: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """The last one of that name counts (§5.3)."""
        found = [value for key, value in self.attributes if key.lower() == name]
        return found[-1] if found else None

    def is_expired(self, now: float) -> bool:
        """Whether it is sent to have the cookie deleted. Max-Age goes before Expires."""
        age = self.get("max-age")
        if age is not None and age.removeprefix("-").isdecimal():
            return int(age) <= 0
        expires = time_of(self.get("expires") or "")
        return expires is not None and expires <= now


def read_set_cookie(field: str) -> SetCookie | None:
    """None if it is not one: there is no name."""
    pair, *attributes = field.split(";")
    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        return None
    pieces = (each.partition("=") for each in attributes if each.strip())
    return SetCookie(name.strip(), value.strip(), tuple((key.strip(), text.strip()) for key, _, text in pieces))


def shift_set_cookie(field: str, seconds: float) -> str:
    """The field with its Expires that much later; anything else, and what is no time, stays as it is."""
    pieces = field.split(";")
    for index, piece in enumerate(pieces[1:], 1):
        name, equals, value = piece.partition("=")
        if equals and name.strip().lower() == "expires" and (shifted := shift_time(value.strip(), seconds)) is not None:
            pieces[index] = f"{name}={shifted}"
    return ";".join(pieces)


def read_cookies(field: str) -> list[tuple[str, str]]:
    """The pairs of a Cookie field."""
    pairs = (each.partition("=") for each in field.split(";") if each.strip())
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def write_cookies(pairs: list[tuple[str, str]]) -> str:
    return "; ".join(f"{name}={value}" for name, value in pairs)


def time_of(text: str) -> float | None:
    """Seconds since 1970 of a date in a header field; None if it is none."""
    parsed = parsedate_tz(text)
    if parsed is None:
        return None
    try:
        return mktime_tz(parsed)
    except (ValueError, OverflowError):
        return None


def shift_time(text: str, seconds: float) -> str | None:
    """That date that much later; None if it is none."""
    moment = time_of(text)
    if moment is None:
        return None
    try:
        return formatdate(moment + seconds, usegmt=True)
    except (ValueError, OverflowError, OSError):
        return None
