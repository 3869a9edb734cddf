"""The commands of the grid editor: its rows, and its cells from and to files. Names and arguments are mitmproxy's."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Final

from interceptor.argument_types import typed_bytes
from interceptor.commands import Commands
from interceptor.specs.errors import UserError
from interceptor.tui.editing import Editing
from interceptor.tui.escaped_text import escaped
from interceptor.tui.grid_editor import GridEditor
from interceptor.tui.screens import Screen

LARGEST_CELL: Final = 16 << 20


class GridCommands:
    """`top` gives the screen that has the keys."""

    def __init__(self, commands: Commands, editing: Editing, top: Callable[[], Screen]) -> None:
        self._commands, self._editing, self._top = commands, editing, top

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "console.grideditor.add": self.add,
            "console.grideditor.insert": self.insert,
            "console.grideditor.delete": self.delete,
            "console.grideditor.editor": self.editor,
            "console.grideditor.load": self.load,
            "console.grideditor.load_escaped": self.load_escaped,
            "console.grideditor.save": self.save,
        }
        for name, function in functions.items():
            self._commands.add(name, function)

    def _grid(self) -> GridEditor:
        top = self._top()
        if not isinstance(top, GridEditor):
            raise UserError("no table is being edited")
        return top

    def add(self) -> None:
        """Add a row behind this one."""
        self._grid().add()

    def insert(self) -> None:
        """Add a row before this one."""
        self._grid().insert()

    def delete(self) -> None:
        """Delete this row."""
        self._grid().delete()

    def editor(self) -> None:
        """Edit the cell in $EDITOR."""
        self._editing.cell_externally(self._grid())

    def load(self, path: Path) -> str:
        """Read a file into the cell, as it is."""
        grid, content = self._grid(), _content(path)
        grid.cell = escaped(content)
        return f"{len(content)} bytes read into the cell"

    def load_escaped(self, path: Path) -> str:
        """Read a file into the cell; \\n, \\x00 and the like in it mean the bytes that they name."""
        grid = self._grid()
        content = typed_bytes(_content(path).decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r"))
        grid.cell = escaped(content)
        return f"{len(content)} bytes read into the cell"

    def save(self, path: Path) -> str:
        """Write the table to a file, as CSV."""
        rows = self._grid().result
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        target = _named(path)
        try:
            target.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise UserError(f"{target} cannot be written: {error.strerror or error}") from None
        return f"{len(rows)} {'row' if len(rows) == 1 else 'rows'} saved in {target}"


def _content(path: Path) -> bytes:
    source = _named(path)
    try:
        if source.stat().st_size > LARGEST_CELL:
            raise UserError(f"{source} has more than {LARGEST_CELL >> 20} MiB: too much for a cell")
        return source.read_bytes()
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror or error}") from None


def _named(path: Path) -> Path:
    if str(path) in ("", "."):
        raise UserError("a file name is needed")
    return path.expanduser()
