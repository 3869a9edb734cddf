"""Searching lines: the next place, and how many there are. A place lies within one line, as it is shown.

The case of letters is ignored as long as the pattern has no capital (smart case), unless the caller decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from interceptor.contentviews.rendered import Cancelled, Line, check, never, text_of
from interceptor.specs.errors import UserError

Match = tuple[int, int, int]
"""(line, column where it begins, column behind it); columns count characters of the joined text of the line."""

_CHECK_EVERY: Final = 256


def compile_pattern(pattern: str, regex: bool = False, ignore_case: bool | None = None) -> re.Pattern[str]:
    """What the functions below search for; None means smart case. UserError if it is no regular expression."""
    if ignore_case is None:
        letters = re.sub(r"\\.", "", pattern) if regex else pattern  # \S is no capital
        ignore_case = letters == letters.lower()
    try:
        return re.compile(pattern if regex else re.escape(pattern), re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        position = error.pos if isinstance(error, re.error) else None
        raise UserError(f"{pattern!r} is not a regular expression: {error}.", position) from None


def search(
    lines: Sequence[Line],
    pattern: str,
    start: tuple[int, int] = (0, 0),
    is_backwards: bool = False,
    regex: bool = False,
    ignore_case: bool | None = None,
    *,
    is_wrapping: bool = False,
    cancelled: Cancelled = never,
) -> Match | None:
    """The first match that begins at or behind `start` (line, column), or backwards the last that begins before it.

    Looks at no more lines than it must: forwards nothing behind the match is produced, and without `is_wrapping` nothing before
    the start. With it the search goes on at the other end, once. Empty matches do not count.
    """
    if not pattern:
        return None
    compiled = compile_pattern(pattern, regex, ignore_case)
    line, column = start
    places = _backwards(lines, line, is_wrapping) if is_backwards else _forwards(lines, line, is_wrapping)
    is_first = True
    for looked_at, (number, each) in enumerate(places):
        if not looked_at % _CHECK_EVERY:
            check(cancelled)
        found = spans(each, compiled)
        if is_first and number == line:
            found = [span for span in found if (span[0] < column if is_backwards else span[0] >= column)]
        is_first = False
        if found:
            begin, end = found[-1 if is_backwards else 0]
            return number, begin, end
    return None


def count(
    lines: Sequence[Line],
    pattern: str,
    regex: bool = False,
    ignore_case: bool | None = None,
    *,
    cancelled: Cancelled = never,
) -> int:
    """Of matches in all lines. Raises RenderCancelled if the caller says so."""
    if not pattern:
        return 0
    compiled = compile_pattern(pattern, regex, ignore_case)
    total = 0
    for number, line in enumerate(lines):
        if not number % _CHECK_EVERY:
            check(cancelled)
        total += len(spans(line, compiled))
    return total


def spans(line: Line, compiled: re.Pattern[str]) -> list[tuple[int, int]]:
    """Every match in one line, for marking them on the screen."""
    return [match.span() for match in compiled.finditer(text_of(line)) if match.end() > match.start()]


def _forwards(lines: Sequence[Line], line: int, is_wrapping: bool) -> Iterator[tuple[int, Line]]:
    number = max(0, line)
    while True:
        try:
            each = lines[number]
        except IndexError:
            break
        yield number, each
        number += 1
    if is_wrapping:
        yield from ((index, lines[index]) for index in range(min(line + 1, len(lines))))


def _backwards(lines: Sequence[Line], line: int, is_wrapping: bool) -> Iterator[tuple[int, Line]]:
    try:
        if line >= 0:
            lines[line]
    except IndexError:
        line = len(lines) - 1
    yield from ((index, lines[index]) for index in range(line, -1, -1))
    if is_wrapping:
        yield from ((index, lines[index]) for index in range(len(lines) - 1, max(line, 0) - 1, -1))
