"""The commands about the history of commands. Names and arguments are mitmproxy's; the prompt has its arrow keys for the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interceptor.commands import Commands
from interceptor.tui.history import History


class HistoryCommands:
    def __init__(self, commands: Commands, history: History) -> None:
        self._commands, self._history = commands, history
        self._prefix = ""

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "commands.history.add": self.add,
            "commands.history.clear": self.clear,
            "commands.history.filter": self.filter,
            "commands.history.get": self.get,
            "commands.history.next": self.next,
            "commands.history.prev": self.previous,
        }
        for name, function in functions.items():
            self._commands.add(name, function)

    def add(self, command: str) -> None:
        """Put a line into the history of commands."""
        self._history.add(command)

    def clear(self) -> str:
        """Forget all commands that were typed, also those in the file."""
        self._history.clear()
        return "the history is empty"

    def get(self) -> Sequence[str]:
        """All lines of the history, oldest first."""
        return self._history.entries

    def filter(self, prefix: str) -> None:
        """Begin to recall lines that begin so."""
        self._history.rewind()
        self._prefix = prefix

    def previous(self) -> str:
        """The next older line that begins as commands.history.filter says."""
        return self._history.previous(self._prefix) or ""

    def next(self) -> str:
        """The next newer one; in the end the prefix itself."""
        return self._history.next() or ""
