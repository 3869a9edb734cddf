"""All commands by family, each with its arguments and what it does. Enter opens the prompt with the command in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from interceptor.commands import Commands
from interceptor.tui.keymap import CONTEXTS, Keymap
from interceptor.tui.listing import Listing, Row
from interceptor.tui.paint import Line
from interceptor.tui.present.text import to_width
from interceptor.tui.quick_help import key_text
from interceptor.tui.screens import Hint

SIGNATURE_COLUMNS: Final = 46


class CommandsScreen(Listing):
    context = "commands"
    title = "Commands"

    def __init__(self, commands: Commands, keymap: Keymap, fill_prompt: Callable[[str], None]) -> None:
        super().__init__()
        self._commands, self._keymap, self._fill_prompt = commands, keymap, fill_prompt

    def rows(self) -> Sequence[Row]:
        keys = self._keys()
        return [self._row(name, keys.get(name, [])) for name in self._commands.names()]

    def _keys(self) -> dict[str, list[str]]:
        """By command: the keys that run it, with the screen where they do."""
        keys: dict[str, list[str]] = {}
        for context in CONTEXTS:
            for key, binding in self._keymap.bindings(context):
                keys.setdefault(binding.command.partition(" ")[0], []).append(f"{key_text(key)} ({context})")
        return keys

    def _row(self, name: str, keys: Sequence[str]) -> Row:
        signature, help_text = self._commands.signature(name), self._commands.help(name)
        arguments = signature.removeprefix(name)
        line: Line = [
            ("key", f" {name}"),
            ("note", to_width(arguments, max(SIGNATURE_COLUMNS - 2 - len(name), 0))),  # all of them are below
            ("text", "  "),
            ("dim", help_text),
        ]
        about: list[Line] = [[("strong", name), ("note", arguments)], [("text", help_text)]]
        if keys:
            about.append([("dim", "Keys: "), ("text", ", ".join(keys))])
        return Row(name, line, about, f"{signature} {help_text}", name.partition(".")[0])

    def select(self) -> None:
        if (name := self.current) is not None:
            self._fill_prompt(name)

    def hints(self) -> Sequence[Hint]:
        return (
            ("console.nav.select", "Into the prompt"),
            ("console.search", "Search"),
            ("console.search.next", "Next match"),
            ("console.nav.next", "Next family"),
        )
