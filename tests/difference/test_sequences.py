"""What two sequences have in common: right always, the most that there can be where it says so, and never at any price."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.difference.sequences import BUDGET, align

FEW = st.lists(st.sampled_from("abcd"), max_size=14)


def longest_common(left: Sequence[str], right: Sequence[str]) -> int:
    best = [0] * (len(right) + 1)
    for item in left:
        before = 0
        for at, other in enumerate(right):
            before, best[at + 1] = best[at + 1], before + 1 if item == other else max(best[at + 1], best[at])
    return best[-1]


@given(FEW, FEW)
def test_it_is_right_and_the_most_there_is(left: list[str], right: list[str]) -> None:
    alignment = align(left, right)
    at_i = at_j = 0
    for i, j, count in alignment.runs:
        assert count > 0 and i >= at_i and j >= at_j
        assert left[i : i + count] == right[j : j + count]
        at_i, at_j = i + count, j + count
    assert alignment.is_best
    assert sum(count for _, _, count in alignment.runs) == longest_common(left, right)


@given(FEW, FEW, st.integers(0, 60))
def test_with_too_little_to_spend_it_is_still_right(left: list[str], right: list[str], budget: int) -> None:
    runs = align(left, right, budget=budget).runs
    assert all(left[i : i + count] == right[j : j + count] for i, j, count in runs)
    assert all(one[0] + one[2] <= two[0] and one[1] + one[2] <= two[1] for one, two in itertools.pairwise(runs))


def test_lines_that_both_have_once_lead_through_what_is_very_different() -> None:
    noise = random.Random(1)
    left = [f"{noise.random()}" if at % 3 else f"mark {at}" for at in range(3000)]
    right = [f"{noise.random()}" if at % 3 else f"mark {at}" for at in range(3000)]
    alignment = align(left, right)
    assert sum(count for _, _, count in alignment.runs) == 1000 and alignment.is_best


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([noise % 2 for noise in range(60_000)], [noise % 3 for noise in range(60_000)]),
        (list(random.Random(2).choices("ab", k=50_000)), list(random.Random(3).choices("ab", k=50_000))),
        (["a"] * 100_000, ["b"] * 100_000),
        (list(range(50_000)), list(range(50_000, 0, -1))),
    ],
    ids=["periods", "noise", "nothing", "turned round"],
)
def test_the_worst_costs_no_more_than_it_may(left: list[object], right: list[object]) -> None:
    asked = []
    started = time.process_time()
    alignment = align(left, right, lambda: asked.append(1))
    assert time.process_time() - started < 30, "it would be hours"
    assert all(left[i : i + count] == right[j : j + count] for i, j, count in alignment.runs)
    assert not alignment.is_best
    assert asked, "whoever waits can call it off"
    assert len(left) * len(right) > BUDGET


def test_it_can_be_called_off() -> None:
    def enough() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        align(random.Random(4).choices("ab", k=30_000), random.Random(5).choices("ab", k=30_000), enough)
