"""Two texts, line by line: which lines are the same, which belong together, and what is different in those.

lines ─ align ─▸ runs of the same; between them: lines that resemble each other are paired ─▸ words ─ align ─▸ marks
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from interceptor.difference.rows import Kind, Marks, Row, Side, added, removed, same
from interceptor.difference.sequences import align

_WORD: Final = re.compile(r"\w+|\s+|.", re.DOTALL)
_LONGEST_MARKED: Final = 4_000
"""Of longer lines only the ends that are the same are left unmarked."""
_MOST_PAIRED: Final = 60
_ALIKE: Final = 0.4
_MARKS_BUDGET: Final = 20_000


def compare_lines(left: Sequence[str], right: Sequence[str], check: Callable[[], None] = lambda: None) -> tuple[list[Row], bool]:
    """The rows, and whether they are the best there are (see `Alignment`). `check` is called now and then, and may raise."""
    alignment = align(left, right, check)
    rows: list[Row] = []
    at_i = at_j = 0
    for i, j, count in [*alignment.runs, (len(left), len(right), 0)]:
        rows += paired(left[at_i:i], right[at_j:j])
        rows += [same(text) for text in left[i : i + count]]
        at_i, at_j = i + count, j + count
        check()
    return rows, alignment.is_best


def paired(left: Sequence[str], right: Sequence[str]) -> list[Row]:
    """Lines of which none is the same: those that resemble each other are told as changed."""
    if len(left) == len(right):
        return [changed(one, other) for one, other in zip(left, right, strict=True)]
    if not left or not right or max(len(left), len(right)) > _MOST_PAIRED:
        count = min(len(left), len(right))
        return [
            *(changed(one, other) for one, other in zip(left[:count], right[:count], strict=True)),
            *map(removed, left[count:]),
            *map(added, right[count:]),
        ]
    rows: list[Row] = []
    at_i = at_j = 0
    for i, j in [*_alike(left, right), (len(left), len(right))]:
        rows += [*map(removed, left[at_i:i]), *map(added, right[at_j:j])]
        if i < len(left):
            rows.append(changed(left[i], right[j]))
        at_i, at_j = i + 1, j + 1
    return rows


def _alike(left: Sequence[str], right: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs in order, which together resemble each other the most."""
    one, other = [_words_of(text) for text in left], [_words_of(text) for text in right]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    score: dict[tuple[int, int], float] = {}
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1])
            alike = _likeness(one[i], other[j])
            if alike >= _ALIKE:
                score[i, j] = alike
                best[i][j] = max(best[i][j], alike + best[i + 1][j + 1])
    pairs = []
    i = j = 0
    while i < len(left) and j < len(right):
        if (i, j) in score and best[i][j] == score[i, j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _words_of(text: str) -> Counter[str]:
    return Counter(word for word in _WORD.findall(text[:_LONGEST_MARKED]) if not word.isspace())


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0


def changed(left: str, right: str) -> Row:
    """One line that became another, what is different in them marked."""
    left_marks, right_marks = marks_of(left, right)
    return Row(Kind.CHANGED, Side(left, left_marks), Side(right, right_marks))


@lru_cache(maxsize=4096)
def marks_of(left: str, right: str) -> tuple[Marks, Marks]:
    """What each has that the other has not; nothing is marked where they have nothing to do with each other."""
    if len(left) > _LONGEST_MARKED or len(right) > _LONGEST_MARKED:
        return _marked_middle(left, right)
    one, other = _WORD.findall(left), _WORD.findall(right)
    runs = align(one, other, budget=_MARKS_BUDGET).runs
    if not any(word.strip() for i, _, count in runs for word in one[i : i + count]):
        return (), ()
    return _gaps(one, [(i, count) for i, _, count in runs]), _gaps(other, [(j, count) for _, j, count in runs])


def _gaps(words: Sequence[str], runs: Sequence[tuple[int, int]]) -> Marks:
    marks: list[tuple[int, int]] = []
    at = position = 0
    for start, count in [*runs, (len(words), 0)]:
        size = sum(map(len, words[at:start]))
        if size:
            marks.append((position, position + size))
        position += size + sum(map(len, words[start : start + count]))
        at = start + count
    return tuple(marks)


def _marked_middle(left: str, right: str) -> tuple[Marks, Marks]:
    start = common_start(left, right)
    end = common_start(left[start:][::-1], right[start:][::-1])
    spans = [(start, len(text) - end) for text in (left, right)]
    one, other = (((begin, stop),) if stop > begin else () for begin, stop in spans)
    return one, other


def common_start(left: str | bytes, right: str | bytes) -> int:
    """How many of the first characters are the same; found by halving, since comparing slices is fast."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
