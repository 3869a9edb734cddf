"""Two bodies of bytes, eight in a row. Of one length they are compared place by place, else aligned at what both have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from interceptor.difference.lines import common_start
from interceptor.difference.rows import Kind, Row, Side, added, removed, same
from interceptor.difference.sequences import align

_ROW: Final = 8
_LEAST_RUN: Final = 16
"""Bytes that are the same by chance are no place to align at."""
_MOST_ALIGNED: Final = 64 * 1024
_ASK_EVERY: Final = 500

Run = tuple[int, int, int]


def compare_bytes(left: bytes, right: bytes, check: Callable[[], None] = lambda: None) -> tuple[list[Row], bool]:
    """The rows, and whether they are the best there are."""
    if len(left) == len(right):
        return _different(left, 0, len(left), right, 0, len(right), check), True
    start = common_start(left, right)
    limit = min(len(left), len(right)) - start
    end = common_start(left[len(left) - limit :][::-1], right[len(right) - limit :][::-1]) if limit else 0
    runs: list[Run] = [(0, 0, start)]
    middle, other = left[start : len(left) - end], right[start : len(right) - end]
    is_best = max(len(middle), len(other)) <= _MOST_ALIGNED
    if is_best:
        alignment = align(middle, other, check)
        is_best = alignment.is_best
        runs += [(start + i, start + j, count) for i, j, count in alignment.runs if count >= _LEAST_RUN]
    runs.append((len(left) - end, len(right) - end, end))
    rows: list[Row] = []
    at_i = at_j = 0
    for i, j, count in [*runs, (len(left), len(right), 0)]:
        rows += _different(left, at_i, i, right, at_j, j, check)
        rows += _alike(left, i, right, j, count)
        at_i, at_j = i + count, j + count
        check()
    return rows, is_best


def _alike(left: bytes, i: int, right: bytes, j: int, count: int) -> list[Row]:
    pieces = [(at, min(at + _ROW, count)) for at in range(0, count, _ROW)]
    return [same(_text(left, i + at, i + end), _text(right, j + at, j + end)) for at, end in pieces]


def _different(left: bytes, i: int, i_end: int, right: bytes, j: int, j_end: int, check: Callable[[], None]) -> list[Row]:
    rows: list[Row] = []
    for at in range(0, max(i_end - i, j_end - j), _ROW):
        one, other = left[i + at : min(i + at + _ROW, i_end)], right[j + at : min(j + at + _ROW, j_end)]
        if not len(rows) % _ASK_EVERY:
            check()
        if not other:
            rows.append(removed(_text(left, i + at, i + at + len(one))))
        elif not one:
            rows.append(added(_text(right, j + at, j + at + len(other))))
        elif one == other:
            rows.append(same(_text(left, i + at, i + at + len(one)), _text(right, j + at, j + at + len(other))))
        else:
            places = [at for at in range(max(len(one), len(other))) if one[at : at + 1] != other[at : at + 1]]
            sides = [
                Side(_text(content, begin + at, begin + at + len(piece)), _marks([each for each in places if each < len(piece)]))
                for content, begin, piece in ((left, i, one), (right, j, other))
            ]
            rows.append(Row(Kind.CHANGED, *sides))
    return rows


def _text(content: bytes, start: int, end: int) -> str:
    piece = content[start:end]
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
    return f"{start:08x}  {piece.hex(' '):{3 * _ROW}} {shown}"


def _marks(places: list[int]) -> list[tuple[int, int]]:
    return [(10 + 3 * at, 12 + 3 * at) for at in places] + [(11 + 3 * _ROW + at, 12 + 3 * _ROW + at) for at in places]
