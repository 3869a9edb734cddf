"""What the bottom line asks: a command or another line of text, or a question that one key answers.

    key ─▸ Prompt.keypress ─▸ text, list of completions        enter ─▸ on_done(text)        esc ─▸ on_done(None)

The list of completions shows what could stand at the cursor, with its help, while one types. Tab takes what all of them have
in common, then goes through them; shift-tab goes back; the text follows. Up and down recall the history by the prefix.
A pasted text loses its line breaks. A prompt draws itself into as many rows as `rows()` asks for, its input line last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import urwid

from interceptor.tui.history import History
from interceptor.tui.line_editor import LineEditor
from interceptor.tui.paint import Line, cut, paint, visible, width_of

MOST_ROWS: Final = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to go on: the whole line as it would then be, what the list shows for it, and what it means."""

    line: str
    label: str
    help: str = ""


Completer = Callable[[str], Sequence[Candidate]]
"""What could follow, given the line up to the cursor."""


class Prompt:
    """A line to be typed."""

    def __init__(
        self,
        label: str,
        on_done: Callable[[str | None], None],
        text: str = "",
        position: int | None = None,
        complete: Completer | None = None,
        history: History | None = None,
        is_valid: Callable[[str], bool] = lambda text: True,
        hint: Callable[[str], str] = lambda text: "",
        on_editor: Callable[[str], None] | None = None,
    ) -> None:
        """`hint` says what to type where there is nothing to complete; `on_editor` takes the text when ctrl x is pressed."""
        self._label = label
        self._on_done = on_done
        self._complete = complete
        self._history = history
        self._is_valid = is_valid
        self._hint = hint
        self._on_editor = on_editor
        self.editor = LineEditor(text, position)
        self._candidates: Sequence[Candidate] = ()
        self._selected: int | None = None
        self._is_finished = False
        if history is not None:
            history.rewind()
        self._list()

    @property
    def text(self) -> str:
        return self.editor.text

    def keypress(self, key: str) -> bool:
        """Every key is the prompt's own. False only for one that means nothing to it."""
        match key:
            case "enter":
                self._finish(self.text)
            case "esc" | "ctrl g":
                self._finish(None)
            case "ctrl x" if self._on_editor is not None:
                text, on_editor = self.text, self._on_editor
                self._finish(None)
                on_editor(text)
            case "tab":
                self._advance(1)
            case "shift tab":
                self._advance(-1)
            case "up" | "ctrl p" | "down" | "ctrl n":
                is_back = key in ("up", "ctrl p")
                if self._selected is not None:
                    self._advance(-1 if is_back else 1)
                else:
                    self._recall(is_back)
            case "backspace" if not self.text:
                self._finish(None)
            case _:
                if not self.editor.keypress(key):
                    return False
                self._changed()
        return True

    def paste(self, text: str) -> None:
        self.editor.insert(" ".join(text.splitlines()))
        self._changed()

    def cancel(self) -> None:
        self._finish(None)

    def _finish(self, text: str | None) -> None:
        if not self._is_finished:
            self._is_finished = True
            self._on_done(text)

    def _changed(self) -> None:
        if self._history is not None:
            self._history.rewind()
        self._list()

    def _list(self) -> None:
        self._selected = None
        before = self.text[: self.editor.position]
        self._candidates = self._complete(before) if self._complete is not None else ()

    def _advance(self, step: int) -> None:
        if not self._candidates:
            return
        if self._selected is None:
            before, after = self.text[: self.editor.position], self.text[self.editor.position :]
            shared = _shared_start([candidate.line for candidate in self._candidates])
            if len(self._candidates) == 1 or (len(shared) > len(before) and shared.startswith(before)):
                line = shared + (" " if len(self._candidates) == 1 and not shared.endswith((" ", "/", "'", '"')) else "")
                self.editor.set(line + after.lstrip(" " if line.endswith(" ") else ""), len(line))
                self._list()
                return
            self._selected = 0 if step > 0 else len(self._candidates) - 1
        else:
            self._selected = (self._selected + step) % len(self._candidates)
        self.editor.set(self._candidates[self._selected].line)

    def _recall(self, is_back: bool) -> None:
        if self._history is None:
            return
        line = self._history.previous(self.text) if is_back else self._history.next()
        if line is not None:
            self.editor.set(line)
            self._list()

    # -- drawing ----------------------------------------------------------------------------------------------------------

    def rows(self, most: int) -> int:
        """How many rows it wants, of at most `most`."""
        wanted = len(self._candidates) if self._candidates else bool(self._hint(self.text))
        return min(wanted, MOST_ROWS, max(0, most - 1)) + 1

    def render(self, size: tuple[int, int]) -> urwid.TextCanvas:
        columns, rows = size
        lines = self._list_lines(columns, rows - 1)
        text, at = self.editor.shown(columns - width_of(self._label) - 1)
        style = "prompt text" if self._is_valid(self.text) else "prompt bad"
        lines.append([("prompt", self._label), (style, text)])
        column = width_of(self._label) + width_of(visible(text[:at]))
        return paint(lines, size, cursor=(column, rows - 1))

    def _list_lines(self, columns: int, rows: int) -> list[Line]:
        if not self._candidates:
            text = self._hint(self.text)
            hint: list[Line] = [[("chooser hint", cut(f" {visible(text)}", columns).ljust(columns))]]
            return hint if rows and text else []
        selected = self._selected or 0
        first = max(0, min(selected - rows // 2, len(self._candidates) - rows))
        shown = self._candidates[first : first + rows]
        label_width = min(max(width_of(visible(each.label)) for each in shown), columns * 2 // 3)
        lines: list[Line] = []
        for index, each in enumerate(shown, first):
            is_selected = index == self._selected
            label = cut(visible(each.label), label_width)
            pad = " " * (label_width - width_of(label) + 2)
            more = f"… {len(self._candidates) - first - rows} more" if index == first + rows - 1 else ""
            more = more if first + rows < len(self._candidates) else ""
            help_width = columns - label_width - 3 - (len(more) + 2 if more else 0)
            help_text = cut(visible(each.help), help_width)
            fill = " " * max(0, columns - 1 - label_width - 2 - width_of(help_text) - len(more))
            styles = ("chooser selected", "chooser selected") if is_selected else ("chooser", "chooser hint")
            lines.append([(styles[0], f" {label}{pad}"), (styles[1], f"{help_text}{fill}{more}")])
        return lines


def _common(first: str, second: str) -> int:
    """How many characters both begin with."""
    pairs = zip(first, second, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))


def _shared_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    return first[: _common(first, last)]


class Question:
    """One that a single key answers. Esc, and any other key, is the last answer."""

    def __init__(self, text: str, answers: Sequence[tuple[str, str]], on_answer: Callable[[str], None]) -> None:
        """`answers` are (key, meaning); one without a meaning works, but is not shown."""
        self._text, self._answers, self._on_answer = text, answers, on_answer
        self._is_finished = False

    def keypress(self, key: str) -> bool:
        keys = [answer for answer, _ in self._answers]
        self._finish(key if key in keys else keys[-1])
        return True

    def paste(self, text: str) -> None:
        """A paste answers nothing."""

    def cancel(self) -> None:
        self._finish(self._answers[-1][0])

    def _finish(self, key: str) -> None:
        if not self._is_finished:
            self._is_finished = True
            self._on_answer(key)

    def rows(self, most: int) -> int:
        return 1

    def render(self, size: tuple[int, int]) -> urwid.TextCanvas:
        shown = [(key, meaning) for key, meaning in self._answers if meaning]
        answers = "".join(f"  {key} {meaning}" for key, meaning in shown)
        text = cut(self._text, max(10, size[0] - width_of(answers) - 1))
        line: list[tuple[str, str]] = [("prompt", text)]
        for key, meaning in shown:
            line += [("hint", "  "), ("hint key", key), ("hint", f" {meaning}")]
        return paint([line], size, cursor=(min(width_of(text) + 1, size[0] - 1), 0))
