"""What a comparison consists of: rows, each of a left and a right side that belong together.

    SAME      both sides say the same           REMOVED   the right side has nothing there
    CHANGED   they say something else           ADDED     the left side has nothing there
    HEADING   a part begins                     NOTE      what is to be known about a part, for both sides

A side is a text of one line, perhaps with marks: the places, counted in characters, that the other side says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

Marks = Sequence[tuple[int, int]]
"""(start, end), in order, none over another."""


class Kind(Enum):
    SAME = "same"
    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"
    HEADING = "heading"
    NOTE = "note"

    @property
    def is_difference(self) -> bool:
        return self in (Kind.CHANGED, Kind.REMOVED, Kind.ADDED)


class Side(NamedTuple):
    text: str
    marks: Marks = ()


class Row(NamedTuple):
    kind: Kind
    left: Side | None
    right: Side | None


def same(text: str, right: str | None = None) -> Row:
    """The sides may be written differently: another case, a comma."""
    return Row(Kind.SAME, Side(text), Side(text if right is None else right))


def removed(text: str) -> Row:
    return Row(Kind.REMOVED, Side(text), None)


def added(text: str) -> Row:
    return Row(Kind.ADDED, None, Side(text))


def note(text: str) -> Row:
    return Row(Kind.NOTE, Side(text), Side(text))


def heading(left: str, right: str) -> Row:
    return Row(Kind.HEADING, Side(left), Side(right))


def count_of(rows: Sequence[Row]) -> int:
    """How many differences there are: rows that follow each other are one."""
    count, was_one = 0, False
    for row in rows:
        is_one = row.kind.is_difference
        count += is_one and not was_one
        was_one = is_one
    return count
