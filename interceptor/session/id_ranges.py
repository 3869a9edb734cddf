"""Which of many flows, as text: `3-5,9`. A million of them that follow each other are one range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def written_ranges(base: int, flags: bytearray) -> str:
    """Of the numbers whose flag is 1; the first flag is that of `base`."""
    ranges: list[str] = []
    start = flags.find(1)
    while start >= 0:
        stop = flags.find(0, start)
        stop = len(flags) if stop < 0 else stop
        first, last = base + start, base + stop - 1
        ranges.append(f"{first}-{last}" if last > first else str(first))
        start = flags.find(1, stop)
    return ",".join(ranges)


def read_ranges(text: str) -> Iterator[tuple[int, int]]:
    """First and last of each. ValueError if it is none."""
    for each in filter(None, text.split(",")):
        first, dash, last = each.partition("-")
        start, stop = int(first), int(last if dash else first)
        if not 0 <= start <= stop:
            raise ValueError(f"no range of flows: {each}")
        yield start, stop


def ranges_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each, in ascending order."""
    ranges: list[tuple[int, int]] = []
    first = last = -1
    for number in sorted(numbers):
        if number > last + 1 or last < 0:
            if last >= 0:
                ranges.append((first, last))
            first = number
        last = number
    if last >= 0:
        ranges.append((first, last))
    return ranges


def numbers_in(ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


def ranges_text(ranges: Iterable[tuple[int, int]]) -> str:
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)
