"""Several lines of text being edited in place: a body.

Everything typed is text; ctrl s saves and leaves, esc leaves and asks if something changed, ctrl x goes on in the external
editor. Lines are not wrapped, the view follows the cursor sideways. Tabs are drawn as one column, marked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import urwid

from interceptor.specs.errors import UserError
from interceptor.tui.line_editor import LineEditor, is_character
from interceptor.tui.paint import Line, cut, paint, visible, width_of
from interceptor.tui.screens import Hint, Screen, Step

Ask = Callable[[str, Sequence[tuple[str, str]], Callable[[str], None]], None]
"""A question, its (key, meaning) answers, and who gets the key."""


class TextEditor(Screen):
    context = "texteditor"

    def __init__(
        self,
        title: str,
        text: str,
        save: Callable[[str], None],
        tell: Callable[[str], None],
        ask: Ask,
        edit_externally: Callable[[str], None] | None = None,
        before: str | None = None,
    ) -> None:
        """`save` may raise UserError: the editor then stays open, with the cursor where the error says. `edit_externally` takes
        the text as it is. `before` is what counts as unchanged, if that is not `text`."""
        self.title = title
        self._before = text if before is None else before
        self._lines = [LineEditor(line, 0) for line in text.split("\n")]
        self._save, self._tell, self._ask, self._edit_externally = save, tell, ask, edit_externally
        self._row = 0
        self._wanted_column = 0
        self._first_row = self._first_column = 0
        self._page = 10
        self._is_closed = False
        self._close: Callable[[], None] = lambda: None

    @property
    def is_typing(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self._lines)

    @property
    def position(self) -> tuple[int, int]:
        """(row, column) of the cursor."""
        return self._row, self._line.position

    @property
    def _line(self) -> LineEditor:
        return self._lines[self._row]

    def set_close(self, close: Callable[[], None]) -> None:
        """What ctrl s calls when the text is saved."""
        self._close = close

    # -- keys -------------------------------------------------------------------------------------------------------------

    def take(self, key: str) -> bool:
        line = self._line
        match key:
            case "esc":
                self.leave(self._close)
            case "ctrl s":
                self._save_and(self._close)
            case "ctrl x" if self._edit_externally is not None:
                self._edit_externally(self.text)
            case "enter":
                self._break()
            case "tab":
                line.insert("\t")
            case "backspace" | "ctrl h" if line.position == 0:
                if self._row:
                    self._move_to(self._row - 1, len(self._lines[self._row - 1].text))
                    self._join()
            case "delete" | "ctrl d" | "ctrl k" if line.position == len(line.text):
                self._join()
            case "left" | "ctrl b" if line.position == 0 and self._row:
                self._move_to(self._row - 1, len(self._lines[self._row - 1].text))
            case "right" | "ctrl f" if line.position == len(line.text) and self._row < len(self._lines) - 1:
                self._move_to(self._row + 1, 0)
            case "up" | "down" | "page up" | "page down" | "ctrl p" | "ctrl n" | "ctrl home" | "ctrl end":
                self._move_vertically(key)
                return True
            case _:
                if not line.keypress(key):
                    return key not in ("ctrl l",)
        self._wanted_column = self._line.position
        return True

    def paste(self, text: str) -> bool:
        for index, piece in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
            if index:
                self._break()
            self._line.insert("".join(each if is_character(each) or each == "\t" else visible(each) for each in piece))
        self._wanted_column = self._line.position
        return True

    def _break(self) -> None:
        line = self._line
        rest = line.text[line.position :]
        line.set(line.text[: line.position])
        self._lines.insert(self._row + 1, LineEditor(rest, 0))
        self._row += 1

    def _join(self) -> None:
        if self._row < len(self._lines) - 1:
            line, following = self._line, self._lines.pop(self._row + 1)
            line.set(line.text + following.text, line.position)

    def _move_to(self, row: int, column: int) -> None:
        self._row = row
        self._line.position = column

    def _move_vertically(self, key: str) -> None:
        last = len(self._lines) - 1
        steps = {"up": -1, "ctrl p": -1, "down": 1, "ctrl n": 1, "page up": -self._page, "page down": self._page}
        row = {"ctrl home": 0, "ctrl end": last}.get(key, self._row + steps.get(key, 0))
        self._row = max(0, min(last, row))
        self._line.position = min(self._wanted_column, len(self._line.text))

    def navigate(self, step: Step) -> None:
        """The mouse wheel."""
        if step in (Step.UP, Step.DOWN):
            self._move_vertically(step.value)

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        if event == "mouse press" and button == 1 and self._first_row + row < len(self._lines):
            index = self._first_row + row
            shown = visible(self._lines[index].text)
            offset, _ = urwid.calc_text_pos(shown, 0, len(shown), self._first_column + column)
            self._move_to(index, offset)
            self._wanted_column = offset
            return True
        return False

    # -- leaving ----------------------------------------------------------------------------------------------------------

    def leave(self, close: Callable[[], None]) -> None:
        if self.text == self._before:
            close()
            return

        def answered(key: str) -> None:
            if key == "y":
                self._save_and(close)
            elif key == "n":
                close()

        self._ask("Keep the changes?", [("y", "keep"), ("n", "throw away"), ("esc", "go on editing")], answered)

    def _save_and(self, close: Callable[[], None]) -> None:
        if self.text != self._before:
            try:
                self._save(self.text)
            except UserError as error:
                self._tell(error.message)
                if error.position is not None:
                    self._go_to(error.position)
                return
        close()

    def _go_to(self, position: int) -> None:
        """A place in the text, counted in characters."""
        for row, line in enumerate(self._lines):
            if position <= len(line.text):
                self._move_to(row, position)
                break
            position -= len(line.text) + 1
        self._wanted_column = self._line.position

    def hints(self) -> Sequence[Hint]:
        hints = [("ctrl s", "Save"), ("esc", "Leave")]
        return [*hints, ("ctrl x", "$EDITOR")] if self._edit_externally is not None else hints

    # -- drawing ----------------------------------------------------------------------------------------------------------

    def render(self, size: tuple[int, int]) -> urwid.TextCanvas:
        columns, rows = size
        self._page = max(1, rows - 1)
        self._first_row = max(self._row - rows + 1, min(self._first_row, self._row), 0)
        line = self._line
        column = width_of(visible(line.text[: line.position]))
        if not self._first_column <= column < self._first_column + columns - 1:
            self._first_column = max(0, column - columns * 2 // 3)
        drawn: list[Line] = []
        for each in self._lines[self._first_row : self._first_row + rows]:
            shown = visible(each.text)
            if self._first_column:
                start, _ = urwid.calc_text_pos(shown, 0, len(shown), self._first_column)
                shown = shown[start:]
            drawn.append([("text", cut(shown, columns, "›"))])
        return paint(drawn, size, cursor=(column - self._first_column, self._row - self._first_row))
