"""Two flows compared, as lines: side by side where there is room, else one below the other. What is the same is folded.

    Difference ─ fold ─▸ rows that are shown ─ wrapped for each side ─▸ lines, and where each difference begins

Of a line that changed the places that differ stand out; without colours they are underlined, and a sign in front of each line
says which side it is of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from interceptor.difference.comparison import Difference
from interceptor.difference.rows import Kind, Row, Side
from interceptor.tui.present.paragraphs import breaks, plain, row_of
from interceptor.tui.present.text import Line, line_width, readable, shorten, to_width

SPLIT_FROM: Final = 110
"""Columns from which on two sides fit beside each other."""
CONTEXT: Final = 3
"""So many lines that are the same are shown around a difference."""
_REMOVED, _ADDED = "−", "+"
_ASK_EVERY: Final = 500


class Layout(NamedTuple):
    lines: Sequence[Line]
    starts: Sequence[int]
    """The line at which each difference begins."""


class _Fold(NamedTuple):
    rows: int


def lay_out(
    difference: Difference, columns: int, is_split: bool, is_folded: bool, check: Callable[[], None] = lambda: None
) -> Layout:
    """`check` is called now and then, and may raise."""
    writer = _Writer(columns, is_split)
    was_difference = False
    waiting: list[Row] = []  # lines that changed: one below the other, all of the left side come first
    starts: list[int] = []
    for number, row in enumerate(_shown(difference.rows, is_folded)):
        if not number % _ASK_EVERY:
            check()
        is_difference = isinstance(row, Row) and row.kind.is_difference
        if is_difference and not was_difference:
            starts.append(len(writer.lines))
        was_difference = is_difference
        if isinstance(row, Row) and row.kind is Kind.CHANGED and not is_split:
            waiting.append(row)
            continue
        writer.write_changed(waiting)
        waiting.clear()
        if isinstance(row, _Fold):
            writer.lines.append([("dim", f"  ⋯ {row.rows:,} {'line' if row.rows == 1 else 'lines'} the same")])
        else:
            writer.write(row)
    writer.write_changed(waiting)
    return Layout(writer.lines, starts)


def names(difference: Difference, columns: int, is_split: bool) -> list[Line]:
    """The lines above: what is on which side."""
    left, right = readable(difference.left), readable(difference.right)
    if is_split:
        room = (columns - 1) // 2
        cells = to_width(f" {_REMOVED} {left}", room), to_width(f" {_ADDED} {right}", columns - room - 1)
        return [[("title", cells[0]), ("title text", "│"), ("title", cells[1])]]
    return [[("title", to_width(f" {sign} {name}", columns))] for sign, name in ((_REMOVED, left), (_ADDED, right))]


def _shown(rows: Sequence[Row], is_folded: bool) -> Iterable[Row | _Fold]:
    """What is far from every difference is folded, but for a line alone."""
    if not is_folded:
        yield from rows
        return
    pending: list[Row] = []  # the same, and not yet known to be near a difference
    after = 0  # so many more of the same belong to the last difference
    for row in rows:
        if row.kind is Kind.SAME:
            if after:
                after -= 1
                yield row
            else:
                pending.append(row)
            continue
        if row.kind.is_difference:
            near = pending[-CONTEXT:]
            yield from _folded(pending[: len(pending) - len(near)])
            yield from near
            after = CONTEXT
        else:
            yield from _folded(pending)
            after = 0
        pending.clear()
        yield row
    yield from _folded(pending)


def _folded(rows: Sequence[Row]) -> Iterable[Row | _Fold]:
    if len(rows) > 1:
        yield _Fold(len(rows))
    else:
        yield from rows


class _Writer:
    def __init__(self, columns: int, is_split: bool) -> None:
        self.lines: list[Line] = []
        self._columns, self._is_split = columns, is_split
        self._left = (columns - 1) // 2 if is_split else columns
        self._right = columns - self._left - 1 if is_split else columns

    def write(self, row: Row) -> None:
        match row.kind:
            case Kind.HEADING:
                self._heading(row)
            case Kind.NOTE:
                self.lines += self._wrapped([("note", readable(row.left.text if row.left else ""))], self._columns, "  ")
            case _ if self._is_split:
                self._beside(row)
            case Kind.SAME:
                self.lines += self._wrapped(_piece(row.right, "text"), self._columns, "  ")
            case _:
                self._one(row.left, _REMOVED, "diff removed")
                self._one(row.right, _ADDED, "diff added")

    def write_changed(self, rows: Sequence[Row]) -> None:
        """One below the other."""
        for row in rows:
            self._one(row.left, _REMOVED, "diff removed")
        for row in rows:
            self._one(row.right, _ADDED, "diff added")

    def _one(self, side: Side | None, sign: str, style: str) -> None:
        if side is not None:
            self.lines += self._wrapped(_piece(side, style), self._columns, f"{sign} ", style)

    def _heading(self, row: Row) -> None:
        left, right = readable(row.left.text if row.left else ""), readable(row.right.text if row.right else "")
        if self.lines:
            self.lines.append([])
        if self._is_split:
            cell = to_width(left, self._left)
            self.lines.append([("section", cell), ("dim", "│"), ("section", shorten(right, self._right))])
        else:
            self.lines.append([("section", shorten(left if left == right else f"{left}  │  {right}", self._columns))])

    def _beside(self, row: Row) -> None:
        is_same = row.kind is Kind.SAME
        left = self._cell(row.left, self._left, "  " if is_same else f"{_REMOVED} ", "text" if is_same else "diff removed")
        right = self._cell(row.right, self._right, "  " if is_same else f"{_ADDED} ", "text" if is_same else "diff added")
        for at in range(max(len(left), len(right))):
            one, other = left[at] if at < len(left) else [], right[at] if at < len(right) else []
            gap = " " * (self._left - line_width(one))
            self.lines.append([*one, ("text", gap), ("dim", "│"), *other])

    def _cell(self, side: Side | None, columns: int, sign: str, style: str) -> list[Line]:
        return self._wrapped(_piece(side, style), columns, sign, style) if side is not None else []

    def _wrapped(self, line: Line, columns: int, sign: str, style: str = "text") -> list[Line]:
        """The sign stands before the first row, the others are indented as far."""
        room = max(columns - len(sign), 1)
        starts = breaks(plain(line), room, 0)
        rows = [row_of(line, starts, number, room, 0) for number in range(len(starts))]
        return [[(style, sign if not at else " " * len(sign)), *row] for at, row in enumerate(rows)]


def _piece(side: Side | None, style: str) -> Line:
    """With what is marked standing out; where something is, the rest of the line is like any other text."""
    if side is None:
        return []
    text, marks = side
    if not marks:
        return [(style, readable(text))]
    line: Line = []
    at = 0
    for start, end in marks:
        line += [("text", readable(text[at:start])), (f"{style} part", readable(text[start:end]))]
        at = end
    line.append(("text", readable(text[at:])))
    return [piece for piece in line if piece[1]]
