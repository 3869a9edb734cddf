"""Which items of two sequences are the same, in order: the common part that is left when as little as possible is taken away.

    ends that are the same ─▸ few differences: the shortest way from one to the other (Myers, O(ND))
                           ─▸ many: items that both have once lead through (patience), and between them all of this again
                           ─▸ neither: that stretch is one difference, and the result says that it is not the best there is

However different and however long they are, the work is bounded: by `budget` steps in all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

_MOST_DIFFERENCES: Final = 400
BUDGET: Final = 6_000_000
_ASK_EVERY: Final = 50_000

Run = tuple[int, int, int]
"""So many items are the same from that place of the left on as from that place of the right on."""


@dataclass(slots=True)
class Alignment:
    """`runs` in order. `is_best` is False if a stretch was given up: then more may be the same than is told."""

    runs: list[Run]
    is_best: bool


def align(
    left: Sequence[Hashable], right: Sequence[Hashable], check: Callable[[], None] = lambda: None, budget: int = BUDGET
) -> Alignment:
    """`check` is called now and then, and may raise."""
    numbers: dict[Hashable, int] = {}
    a = [numbers.setdefault(item, len(numbers)) for item in left]
    b = [numbers.setdefault(item, len(numbers)) for item in right]
    work = _Work(a, b, check, budget)
    work.do()
    return Alignment(_joined(sorted(work.runs)), work.is_best)


def _joined(runs: list[Run]) -> list[Run]:
    joined: list[Run] = []
    for i, j, count in runs:
        if joined and joined[-1][0] + joined[-1][2] == i and joined[-1][1] + joined[-1][2] == j:
            joined[-1] = (joined[-1][0], joined[-1][1], joined[-1][2] + count)
        elif count:
            joined.append((i, j, count))
    return joined


class _Spent(Exception):
    """There is no more to spend on that."""


@dataclass(slots=True)
class _Work:
    a: list[int]
    b: list[int]
    check: Callable[[], None]
    budget: int
    runs: list[Run] = field(default_factory=list)
    is_best: bool = True
    _unasked: int = 0

    def do(self) -> None:
        stretches = [(0, len(self.a), 0, len(self.b))]
        while stretches:
            i, i_end, j, j_end = self._trimmed(*stretches.pop())
            if i == i_end or j == j_end:
                continue
            try:
                self.runs += self._shortest(i, i_end, j, j_end)
                continue
            except _Spent:
                pass
            anchors = self._anchors(i, i_end, j, j_end)
            if not anchors:
                self.is_best = False
                continue
            at_i, at_j = i, j
            for x, y in anchors:
                stretches.append((at_i, x, at_j, y))
                self.runs.append((x, y, 1))
                at_i, at_j = x + 1, y + 1
            stretches.append((at_i, i_end, at_j, j_end))

    def _spend(self, steps: int) -> None:
        self.budget -= steps
        self._unasked += steps
        if self._unasked > _ASK_EVERY:
            self._unasked = 0
            self.check()
        if self.budget < 0:
            raise _Spent

    def _trimmed(self, i: int, i_end: int, j: int, j_end: int) -> tuple[int, int, int, int]:
        a, b = self.a, self.b
        start = i
        while i < i_end and j < j_end and a[i] == b[j]:
            i, j = i + 1, j + 1
        self.runs.append((start, j - (i - start), i - start))
        end = i_end
        while i < i_end and j < j_end and a[i_end - 1] == b[j_end - 1]:
            i_end, j_end = i_end - 1, j_end - 1
        self.runs.append((i_end, j_end, end - i_end))
        return i, i_end, j, j_end

    def _shortest(self, i: int, i_end: int, j: int, j_end: int) -> list[Run]:
        """Myers, "An O(ND) Difference Algorithm", greedy: how far one gets on each diagonal with so many differences."""
        a, b = self.a, self.b
        n, m = i_end - i, j_end - j
        ends: dict[int, int] = {1: 0}
        trail: list[dict[int, int]] = []
        for differences in range(min(n + m, _MOST_DIFFERENCES) + 1):
            reached: dict[int, int] = {}
            steps = 0
            for diagonal in range(-differences, differences + 1, 2):
                if diagonal < -m or diagonal > n:
                    continue
                below, above = ends.get(diagonal + 1, -1), ends.get(diagonal - 1, -1)
                x = below if diagonal == -differences or (diagonal != differences and above < below) else above + 1
                y = x - diagonal
                if x < 0 or y < 0 or x > n or y > m:
                    continue
                began = x
                while x < n and y < m and a[i + x] == b[j + y]:
                    x, y = x + 1, y + 1
                steps += x - began + 1
                reached[diagonal] = x
                if x >= n and y >= m:
                    trail.append(reached)
                    return self._walked_back(trail, i, j, n, m)
            self._spend(steps)
            trail.append(reached)
            ends = reached
        raise _Spent

    @staticmethod
    def _walked_back(trail: list[dict[int, int]], i: int, j: int, n: int, m: int) -> list[Run]:
        runs: list[Run] = []
        x, y = n, m
        for differences in range(len(trail) - 1, 0, -1):
            before, diagonal = trail[differences - 1], x - y
            below, above = before.get(diagonal + 1, -1), before.get(diagonal - 1, -1)
            is_down = diagonal == -differences or (diagonal != differences and above < below)
            from_x = below if is_down else above
            from_y = from_x - (diagonal + 1 if is_down else diagonal - 1)
            began = from_x if is_down else from_x + 1
            if x > began:
                runs.append((i + began, j + began - diagonal, x - began))
            x, y = from_x, from_y
        if x:
            runs.append((i, j, x))
        return runs

    def _anchors(self, i: int, i_end: int, j: int, j_end: int) -> list[tuple[int, int]]:
        """Places of items that both have once, as many as can be had in the same order on both sides."""
        in_a, in_b = Counter(self.a[i:i_end]), Counter(self.b[j:j_end])
        try:
            self._spend(i_end - i + j_end - j)
        except _Spent:
            return []
        places = {item: j + at for at, item in enumerate(self.b[j:j_end]) if in_b[item] == 1 and in_a.get(item) == 1}
        pairs = [(i + at, places[item]) for at, item in enumerate(self.a[i:i_end]) if item in places]
        return _rising(pairs)


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of it in which the second numbers rise, too."""
    tails: list[int] = []
    tops: list[int] = []
    before: list[int] = []
    for index, (_, y) in enumerate(pairs):
        at = bisect_left(tails, y)
        before.append(tops[at - 1] if at else -1)
        if at == len(tails):
            tails.append(y)
            tops.append(index)
        else:
            tails[at], tops[at] = y, index
    found: list[tuple[int, int]] = []
    at = tops[-1] if tops else -1
    while at >= 0:
        found.append(pairs[at])
        at = before[at]
    return found[::-1]
