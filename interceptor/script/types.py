"""Types of arguments of commands that scripts define, beside `int`, `str`, `bool`, `Sequence[str]` and flows."""

from __future__ import annotations

from collections.abc import Sequence


class Path(str):
    """A path; `~` is filled in, and it is completed in the prompt."""


class Cmd(str):
    """A command's name."""


class Marker(str):
    """A marker's name."""


class CutSpec(Sequence[str]):
    """Parts of flows, with commas between them."""


class Choice:
    """One of the texts that the command of that name gives: `@command.argument("x", type=Choice("my.choices"))`."""

    def __init__(self, options_command: str) -> None:
        self.options_command = options_command
