"""The program behind a connection: what this machine knows of a client that runs on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

TEXT_LIMIT: Final = 4_096
"""Of what is kept of a command line, in characters."""


@dataclass(frozen=True, slots=True)
class Process:
    """`executable` is the path of the file that runs, "" where that is not told; `arguments` its command line, its name first.
    What is not UTF-8 in them stands as surrogate escapes. `text` is all of it on one line, for filters."""

    pid: int
    name: str
    executable: str = ""
    arguments: tuple[str, ...] = ()
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = [str(self.pid), self.name]
        if self.executable:
            words.append(self.executable)
        object.__setattr__(self, "text", " ".join([*words, *self.arguments]))

    @property
    def command_line(self) -> str:
        return " ".join(self.arguments)


def limited(arguments: list[str]) -> tuple[str, ...]:
    """As many of them as `TEXT_LIMIT` lets be kept."""
    kept: list[str] = []
    room = TEXT_LIMIT
    for argument in arguments:
        if room <= 0:
            break
        kept.append(argument[:room])
        room -= len(argument) + 1
    return tuple(kept)
