"""Prints the transcript of the last driver on paper: pytest shows it where a test fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.paper_driver import TRANSCRIPT


@pytest.fixture(autouse=True)
def transcript() -> Iterator[None]:
    TRANSCRIPT.clear()
    yield
    print("\n".join(TRANSCRIPT[-400:]))
