"""What `tests/soak` does with a million flows, with twenty thousand: nothing may cost what it costs to look at every flow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.large_session import Large, make, make_index, milliseconds

COUNT = 20_000
MILLISECONDS = 25
"""A million may take 300; a walk over all of these flows takes 50 by their columns, and 1,500 by the flows themselves."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Large]:
    path: Path = tmp_path_factory.mktemp("large") / "large.session"
    make(path, COUNT)
    make_index(path)
    large = Large(path)
    large.all_rows()
    yield large
    large.close()


@pytest.mark.parametrize(
    ("text", "count"),
    [("~d host17\\.", 100), ("~c 404 & ~m POST", 57), ("~ts json & ~d host3", 200), ("~b 12345", 1), ("~all & !~d host", 0)],
)
def test_filters(large: Large, text: str, count: int) -> None:
    took = min(milliseconds(lambda: large.filtered(text))[0] for _ in range(3))
    assert large.filtered(text) == count
    assert took < MILLISECONDS


@pytest.mark.parametrize(
    ("typed", "found"),
    [("12345", [12345]), ("~d host17\\. re:item/1[0-9]{3}7$", list(range(10_017, 20_000, 200)))],
)
def test_searches(large: Large, typed: str, found: list[int]) -> None:
    took = min(milliseconds(lambda: large.found(typed))[0] for _ in range(2))
    assert large.found(typed) == found
    assert took < 10 * MILLISECONDS, "flows are read, but few"
