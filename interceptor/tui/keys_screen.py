"""All key bindings, by screen: what each key runs there. Here they are tried, changed, added and taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import urwid

from interceptor.tui.keymap import CONTEXTS, Binding, Keymap
from interceptor.tui.listing import Listing, Row
from interceptor.tui.paint import Line, paint
from interceptor.tui.quick_help import key_text
from interceptor.tui.screens import Hint


class KeysScreen(Listing):
    context = "keybindings"
    title = "Key bindings"

    def __init__(self, keymap: Keymap) -> None:
        super().__init__()
        self._keymap = keymap

    def rows(self) -> Sequence[Row]:
        return [self._row(context, key, binding) for context in CONTEXTS for key, binding in self._keymap.bindings(context)]

    def _row(self, context: str, key: str, binding: Binding) -> Row:
        elsewhere = [each for each in binding.contexts if each != context and self._keymap.find(each, key) is binding]
        line: Line = [
            ("key", f" {key_text(key):<12}"),
            ("text", f"{binding.help or binding.command:<40}  "),
            ("dim", binding.command if binding.help else ""),
        ]
        about: list[Line] = [
            [("key", key), ("text", f"  {binding.help}")],
            [("dim", "runs "), ("text", binding.command)],
            [("dim", "in "), ("text", ", ".join([context, *elsewhere]))],
        ]
        searched = f"{key} {key_text(key)} {binding.help} {binding.command}"
        return Row(f"{context} {key}", line, about, searched, f"{context}: {CONTEXTS[context]}")

    @property
    def focused(self) -> tuple[str, str, Binding] | None:
        """(context, key, binding) under the cursor."""
        if (name := self.current) is None:
            return None
        context, _, key = name.partition(" ")
        return context, key, dict(self._keymap.bindings(context))[key]

    def hints(self) -> Sequence[Hint]:
        return (
            ("console.key.edit.focus", "Change"),
            ('console.choose.cmd "Key for…"', "Add"),
            ("console.key.unbind.focus", "Delete"),
            ("console.key.execute.focus", "Run"),
            ("console.search", "Search"),
            ("console.nav.next", "Next screen"),
        )


class KeyQuestion:
    """In the place of the prompt: the key that is pressed next is the answer."""

    def __init__(self, text: str, on_key: Callable[[str | None], None]) -> None:
        """`on_key` gets None if the user leaves."""
        self._text, self._on_key = text, on_key

    def keypress(self, key: str) -> bool:
        self._on_key(None if key == "esc" else key)
        return True

    def paste(self, text: str) -> None:
        """A paste is no key."""

    def cancel(self) -> None:
        self._on_key(None)

    def rows(self, most: int) -> int:
        return 1

    def render(self, size: tuple[int, int]) -> urwid.TextCanvas:
        return paint([[("prompt", self._text)]], size, cursor=(min(len(self._text) + 1, size[0] - 1), 0))
