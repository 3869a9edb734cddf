"""Two lines at the bottom: what can be done here, and with which key. The keys are looked up, never written down.

    Flow:   ⏎ Open  e Edit  a Resume  r Replay  d Delete
    Proxy:  ? Help  q Back  i Intercept  I On/off  f Filter  E Events  : Command

A hint whose command has no key here is left out; one that finds no room is, too, from the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from interceptor.tui.keymap import Keymap
from interceptor.tui.paint import Line, Segment, width_of
from interceptor.tui.screens import Hint

_SIGNS: Final = {"enter": "⏎", "space": "␣", "tab": "⇥", "up": "↑", "down": "↓", "left": "←", "right": "→", "backspace": "⌫"}
_GAP: Final = 2


def key_text(key: str) -> str:
    """A key as it is shown: one sign for enter, space, tab and the arrows."""
    return _SIGNS.get(key, key.replace("ctrl ", "^").replace("shift tab", "⇤").replace("meta ", "alt-"))


def everywhere(is_lowest: bool, is_any_held: bool) -> Sequence[Hint]:
    """The second line."""
    resume: Sequence[Hint] = (("flow.resume @all", "Resume all"),) if is_any_held else ()
    return (
        ("console.view.help", "Help"),
        ("console.view.pop", "Quit" if is_lowest else "Back"),
        ("console.command.set intercept", "Intercept"),
        ("set intercept_active toggle", "On/off"),
        *resume,
        ("console.command.set view_filter", "Filter"),
        ("console.view.eventlog", "Events"),
        ("console.undo", "Undo"),
        ("console.command", "Command"),
    )


def hint_line(label: str, hints: Sequence[Hint], keymap: Keymap, context: str, columns: int) -> Line:
    line: list[Segment] = [("hint", f"{label:<8}")]
    left = columns - 8
    for command, text in hints:
        is_command = "." in command or command.startswith("set ")
        key = keymap.key_for(context, command) if is_command else command
        if key is None:
            continue
        shown = key_text(key)
        width = width_of(shown) + 1 + width_of(text)
        if width > left:
            break
        line += [("hint key", shown), ("hint", f" {text}"), ("hint", " " * min(_GAP, left - width))]
        left -= width + _GAP
    return line
