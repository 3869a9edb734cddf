"""One line of text being edited, and the keys that edit it. Pure: prompts and grid cells draw it.

Keys are those of a shell's line: ctrl-a/e, ctrl-b/f, alt-b/f, ctrl-w, alt-d, ctrl-u, ctrl-k, ctrl-y, ctrl-d, home, end, arrows
(with ctrl by word), backspace, delete. The cursor stands in front of the character at `position`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_WORD: Final = re.compile(r"\w+")


class LineEditor:
    def __init__(self, text: str = "", position: int | None = None) -> None:
        self.text = text
        self.position = len(text) if position is None else position
        self._cut = ""

    def set(self, text: str, position: int | None = None) -> None:
        self.text = text
        self.position = len(text) if position is None else min(position, len(text))

    def insert(self, text: str) -> None:
        self.text = self.text[: self.position] + text + self.text[self.position :]
        self.position += len(text)

    def keypress(self, key: str) -> bool:
        """True if the key was one of this line's."""
        if is_character(key):
            self.insert(key)
            return True
        action = _ACTIONS.get(key)
        if action is None:
            return False
        action(self)
        return True

    def _move(self, position: int) -> None:
        self.position = max(0, min(len(self.text), position))

    def _remove(self, start: int, end: int, is_kept: bool = True) -> None:
        start, end = max(0, start), min(len(self.text), end)
        if is_kept and start < end:
            self._cut = self.text[start:end]
        self.text = self.text[:start] + self.text[end:]
        self.position = start

    def _word_start(self) -> int:
        starts = [match.start() for match in _WORD.finditer(self.text) if match.start() < self.position]
        return starts[-1] if starts else 0

    def _word_end(self) -> int:
        return next((match.end() for match in _WORD.finditer(self.text) if match.end() > self.position), len(self.text))

    def _blank_word_start(self) -> int:
        """Where the word before the cursor begins, words being what is between blanks (as ctrl-w has it)."""
        before = self.text[: self.position].rstrip()
        return before.rfind(" ") + 1

    def shown(self, columns: int) -> tuple[str, int]:
        """The piece that fits into so many columns with the cursor in sight, and the cursor's index in it."""
        from interceptor.tui.paint import visible, width_of

        text, start = visible(self.text), 0
        while width_of(text[start : self.position]) >= columns and start < self.position:
            start += max(1, (self.position - start) // 4)
        return text[start:], self.position - start


def is_character(key: str) -> bool:
    """True for a key that types itself."""
    return len(key) == 1 and key.isprintable()


_ACTIONS: Final[dict[str, Callable[[LineEditor], None]]] = {
    "left": lambda line: line._move(line.position - 1),
    "ctrl b": lambda line: line._move(line.position - 1),
    "right": lambda line: line._move(line.position + 1),
    "ctrl f": lambda line: line._move(line.position + 1),
    "home": lambda line: line._move(0),
    "ctrl a": lambda line: line._move(0),
    "end": lambda line: line._move(len(line.text)),
    "ctrl e": lambda line: line._move(len(line.text)),
    "meta b": lambda line: line._move(line._word_start()),
    "ctrl left": lambda line: line._move(line._word_start()),
    "meta left": lambda line: line._move(line._word_start()),
    "meta f": lambda line: line._move(line._word_end()),
    "ctrl right": lambda line: line._move(line._word_end()),
    "meta right": lambda line: line._move(line._word_end()),
    "backspace": lambda line: line._remove(line.position - 1, line.position, False) if line.position else None,
    "ctrl h": lambda line: line._remove(line.position - 1, line.position, False) if line.position else None,
    "delete": lambda line: line._remove(line.position, line.position + 1, False),
    "ctrl d": lambda line: line._remove(line.position, line.position + 1, False),
    "ctrl w": lambda line: line._remove(line._blank_word_start(), line.position),
    "meta backspace": lambda line: line._remove(line._word_start(), line.position),
    "meta d": lambda line: line._remove(line.position, line._word_end()),
    "ctrl u": lambda line: line._remove(0, line.position),
    "ctrl k": lambda line: line._remove(line.position, len(line.text)),
    "ctrl y": lambda line: line.insert(line._cut),
}
