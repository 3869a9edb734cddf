"""A table being edited: headers, a query, cookies, a form. Rows of texts in, rows of texts out.

Moving is by arrows, enter edits the cell, tab goes on to the next cell, esc ends the edit of the cell; a, A and d add and
delete rows (by the keymap, context "grideditor"). Leaving saves if anything changed. A save that is refused (UserError) keeps
the editor open with what was typed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import urwid

from interceptor.specs.errors import UserError
from interceptor.tui.line_editor import LineEditor
from interceptor.tui.paint import Line, Segment, cut, paint, visible, width_of
from interceptor.tui.screens import Hint, Screen, Step

Row = tuple[str, ...]


class GridEditor(Screen):
    context = "grideditor"

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Row],
        save: Callable[[list[Row]], None],
        tell: Callable[[str], None],
    ) -> None:
        """`save` may raise UserError; it is called on leaving, if something changed."""
        self.title = title
        self._names = list(columns)
        self.rows: list[list[str]] = [list(row) for row in rows]
        self._before = [tuple(row) for row in rows]
        self._save, self._tell = save, tell
        self.row = self.column = 0
        self._cell: LineEditor | None = None
        self._first = 0
        self._page = 10

    @property
    def result(self) -> list[Row]:
        """Without the rows that are empty."""
        return [tuple(row) for row in self.rows if any(row)]

    @property
    def is_typing(self) -> bool:
        return self._cell is not None

    @property
    def cell(self) -> str:
        if self._cell is not None:
            return self._cell.text
        return self.rows[self.row][self.column] if self.rows else ""

    @cell.setter
    def cell(self, text: str) -> None:
        if not self.rows:
            self.add()
        self._cell = None
        self.rows[self.row][self.column] = text

    # -- what the keys do -------------------------------------------------------------------------------------------------

    def add(self) -> None:
        """A row behind the cursor, whose first cell is edited."""
        self._insert(self.row + 1 if self.rows else 0)

    def insert(self) -> None:
        """A row before the cursor."""
        self._insert(self.row)

    def delete(self) -> None:
        self._cell = None
        if self.rows:
            del self.rows[self.row]
            self.row = max(0, min(self.row, len(self.rows) - 1))

    def _insert(self, index: int) -> None:
        self._end_cell()
        self.rows.insert(index, [""] * len(self._names))
        self.row, self.column = index, 0
        self._cell = LineEditor()

    def take(self, key: str) -> bool:
        if self._cell is None:
            return False
        match key:
            case "enter" | "esc" | "up" | "down":
                self._end_cell()
                if key in ("up", "down"):
                    self.navigate(Step(key))
            case "tab" | "shift tab":
                self._end_cell()
                self.navigate(Step.NEXT if key == "tab" else Step.PREVIOUS)
                if self.rows:
                    self._cell = LineEditor(self.cell)
            case _:
                return self._cell.keypress(key)
        return True

    def paste(self, text: str) -> bool:
        if self._cell is None:
            return False
        self._cell.insert(text.replace("\r\n", "\n").replace("\n", "\\x0a").strip())
        return True

    def navigate(self, step: Step) -> None:
        self._end_cell()
        last_row, last_column = len(self.rows) - 1, len(self._names) - 1
        match step:
            case Step.UP | Step.DOWN:
                self.row += -1 if step is Step.UP else 1
            case Step.PAGE_UP | Step.PAGE_DOWN:
                self.row += -self._page if step is Step.PAGE_UP else self._page
            case Step.START | Step.END:
                self.row = 0 if step is Step.START else last_row
            case Step.LEFT | Step.RIGHT:
                self.column += -1 if step is Step.LEFT else 1
            case Step.NEXT:
                self.column += 1
                if self.column > last_column:
                    self.column, self.row = 0, self.row + 1
                    if self.row > last_row:
                        self.add()
                        return
            case Step.PREVIOUS:
                self.column -= 1
                if self.column < 0 and self.row > 0:
                    self.column, self.row = last_column, self.row - 1
            case Step.SELECT:
                if not self.rows:
                    self.add()
                else:
                    self._cell = LineEditor(self.cell)
        self.row = max(0, min(self.row, len(self.rows) - 1))
        self.column = max(0, min(self.column, last_column))

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        """A click goes to a cell, a second one edits it."""
        index = self._first + row - 1
        if event != "mouse press" or button != 1 or row < 1 or index >= len(self.rows):
            return False
        self._end_cell()
        left, clicked = 2, 0
        for number, width in enumerate(self._widths(size[0])):
            if column >= left:
                clicked = number
            left += width + 2
        if (index, clicked) == (self.row, self.column):
            self.navigate(Step.SELECT)
        self.row, self.column = index, clicked
        return True

    def _end_cell(self) -> None:
        if self._cell is not None:
            self.rows[self.row][self.column] = self._cell.text
            self._cell = None

    def leave(self, close: Callable[[], None]) -> None:
        self._end_cell()
        if self.result != self._before:
            try:
                self._save(self.result)
            except UserError as error:
                self._tell(error.message)
                return
        close()

    def hints(self) -> Sequence[Hint]:
        if self.is_typing:
            return (("enter", "Done"), ("tab", "Next cell"), ("shift tab", "Previous cell"), ("ctrl u", "Empty"), ("esc", "Done"))
        return (
            ("console.nav.select", "Edit cell"),
            ("console.grideditor.add", "Add row"),
            ("console.grideditor.insert", "Insert row"),
            ("console.grideditor.delete", "Delete row"),
            ("console.grideditor.editor", "Cell in $EDITOR"),
            ("console.command console.grideditor.load ''", "File to cell"),
            ("console.command console.grideditor.save ''", "To CSV"),
            ("console.view.pop", "Save, back"),
        )

    # -- drawing ----------------------------------------------------------------------------------------------------------

    def _widths(self, columns: int) -> list[int]:
        """Each column as wide as it needs, the last with what is left; no other takes more than its share."""
        share = max(8, (columns - 2) // len(self._names))
        widths = []
        for index, name in enumerate(self._names[:-1]):
            needed = [width_of(name), *(width_of(visible(row[index])) for row in self.rows)]
            if self._cell is not None and index == self.column:
                needed.append(width_of(visible(self._cell.text)) + 1)
            widths.append(min(share, max(needed)))
        return [*widths, max(1, columns - 2 - sum(widths) - 2 * len(widths))]

    def render(self, size: tuple[int, int]) -> urwid.TextCanvas:
        columns, rows = size
        widths = self._widths(columns)
        self._page = max(1, rows - 1)
        if self.row < self._first:
            self._first = self.row
        self._first = max(self._first, self.row - self._page + 1, 0)
        lines: list[Line] = [_spaced([("section", name) for name in self._names], widths, "background")]
        cursor: tuple[int, int] | None = None
        for index in range(self._first, min(len(self.rows), self._first + self._page)):
            segments: list[Segment] = []
            for column, text in enumerate(self.rows[index]):
                is_here = (index, column) == (self.row, self.column)
                style = "field name" if column == 0 and len(self._names) > 1 else "field value"
                if is_here and self._cell is not None:
                    text, at = self._cell.shown(widths[column])
                    cursor = (2 + sum(widths[:column]) + 2 * column + width_of(visible(text[:at])), len(lines))
                segments.append(("edit selected" if is_here and self._cell is None else "edit" if is_here else style, text))
            lines.append(_spaced(segments, widths, "background", "» " if index == self.row else "  "))
        if not self.rows:
            lines.append([("faint", "  nothing here; a adds a row")])
        return paint(lines, size, cursor=cursor)


def _spaced(segments: Sequence[Segment], widths: Sequence[int], style: str, lead: str = "  ") -> Line:
    line: list[Segment] = [("cursor" if lead.strip() else style, lead)]
    for (name, text), width in zip(segments, widths, strict=True):
        shown = cut(visible(text), width)
        pad = " " * (width - width_of(shown))
        line += [(name, shown + (pad if name.startswith("edit") else "")), (style, "" if name.startswith("edit") else pad)]
        line.append((style, "  "))
    return [segment for segment in line if segment[1]]
