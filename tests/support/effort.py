"""How much of what could be tried is tried: in `make test` what covers in seconds, in `make explore` all of it, and at random.

`make explore` runs the properties (hypothesis) with many examples that nobody has seen before, and the tests that are marked
`whole` with their whole parameters. Nothing is tested in one of the two only: the same tests, with less or more.
"""

from __future__ import annotations

import os
from typing import TypeVar

from hypothesis import settings

IS_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"

T = TypeVar("T")


def examples(count: int) -> settings:
    """For a property that a few examples do not cover: a quarter of them in `make test`, five times as many in `make explore`. Of
    one that takes long, so that even the usual 25 are too many: all of them in `make test`."""
    return settings(max_examples=count * 5 if IS_THOROUGH else max(count // 4, min(count, 25)))


def whole(all_of_it: T, a_part: T) -> T:
    """The parameter of a test that is marked `whole`: all of it in `make explore`, in `make test` a part that proves the same."""
    return all_of_it if IS_THOROUGH else a_part
