"""The log for scripts: `logging` works as everywhere, `ctx.log.info(text)` does as well, and both end in the event log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

ALERT: Final = 25
"""A level of `logging`: what a person should read although nothing is wrong."""


class Log:
    """`add(level, text)` puts a line into the event log; any thread."""

    def __init__(self, add: Callable[[str, str], None]) -> None:
        self._add = add

    def debug(self, text: object) -> None:
        self._add("debug", str(text))

    def info(self, text: object) -> None:
        self._add("info", str(text))

    def alert(self, text: object) -> None:
        self._add("alert", str(text))

    def warn(self, text: object) -> None:
        self._add("warn", str(text))

    def error(self, text: object) -> None:
        self._add("error", str(text))

    def __call__(self, text: object, level: str = "info") -> None:
        self._add(level, str(text))
