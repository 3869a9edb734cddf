from __future__ import annotations

from interceptor.specs.errors import UserError
from interceptor.tui.grid_editor import GridEditor, Row
from interceptor.tui.screens import Step
from interceptor.tui.text_editor import TextEditor


class Saved:
    def __init__(self, refuses: str = "") -> None:
        self.rows: list[Row] | None = None
        self.text: str | None = None
        self.refuses = refuses
        self.told: list[str] = []
        self.is_closed = False
        self.asked = ""
        self.answer = "esc"

    def save(self, rows: list[Row]) -> None:
        if self.refuses:
            raise UserError(self.refuses)
        self.rows = rows

    def save_text(self, text: str) -> None:
        if self.refuses:
            raise UserError(self.refuses)
        self.text = text

    def close(self) -> None:
        self.is_closed = True

    def ask(self, text: str, answers: object, on_answer: object) -> None:
        self.asked = text
        on_answer(self.answer)  # type: ignore[operator]


def grid(saved: Saved, *rows: Row) -> GridEditor:
    return GridEditor("T", ("Name", "Value"), rows, saved.save, saved.told.append)


def type_into(editor: GridEditor | TextEditor, *keys: str) -> None:
    for key in keys:
        editor.take(key)


def test_a_row_is_added_filled_and_saved() -> None:
    saved = Saved()
    editor = grid(saved, ("a", "1"))
    editor.add()
    type_into(editor, "b", "tab", "2", "enter")
    editor.leave(saved.close)
    assert saved.rows == [("a", "1"), ("b", "2")]
    assert saved.is_closed


def test_nothing_is_saved_if_nothing_changed() -> None:
    saved = Saved()
    editor = grid(saved, ("a", "1"))
    editor.add()
    editor.leave(saved.close)
    assert saved.rows is None
    assert saved.is_closed


def test_cells_are_edited_deleted_and_inserted() -> None:
    saved = Saved()
    editor = grid(saved, ("a", "1"), ("b", "2"), ("c", "3"))
    editor.navigate(Step.DOWN)
    editor.delete()
    editor.navigate(Step.RIGHT)
    editor.navigate(Step.SELECT)
    type_into(editor, "ctrl u", "9", "esc")
    editor.insert()
    type_into(editor, "n")
    assert editor.is_typing
    editor.leave(saved.close)
    assert saved.rows == [("a", "1"), ("n", ""), ("c", "9")]


def test_keys_that_are_not_text_are_not_taken() -> None:
    editor = grid(Saved(), ("a", "1"))
    assert not editor.take("a")
    editor.navigate(Step.SELECT)
    assert editor.take("a")
    assert not editor.take("f5")


def test_a_refused_save_keeps_the_editor_and_says_why() -> None:
    saved = Saved("no")
    editor = grid(saved, ("a", "1"))
    editor.cell = "b"
    editor.leave(saved.close)
    assert saved.told == ["no"]
    assert not saved.is_closed
    assert editor.result == [("b", "1")]


def test_an_empty_grid_says_what_to_do_and_survives_every_key() -> None:
    editor = grid(Saved())
    assert "a adds a row" in b"\n".join(editor.render((40, 5)).text).decode()
    for step in Step:
        editor.navigate(step)
    editor.delete()
    editor.render((40, 5))


def test_the_cursor_is_where_one_types_and_wide_cells_are_cut() -> None:
    editor = grid(Saved(), ("name", "x" * 200))
    editor.navigate(Step.RIGHT)
    editor.navigate(Step.SELECT)
    canvas = editor.render((60, 10))
    assert canvas.cursor is not None
    assert canvas.cursor[0] < 60
    assert all(len(line.decode()) == 60 for line in canvas.text)


def test_a_pasted_newline_stays_in_the_cell() -> None:
    editor = grid(Saved(), ("a", "1"))
    assert not editor.paste("x")
    editor.navigate(Step.SELECT)
    editor.paste("b\nc")
    assert editor.cell == "ab\\x0ac"


def text_editor(saved: Saved, text: str) -> TextEditor:
    editor = TextEditor("T", text, saved.save_text, saved.told.append, saved.ask)
    editor.set_close(saved.close)
    return editor


def test_text_is_broken_joined_and_saved() -> None:
    saved = Saved()
    editor = text_editor(saved, "ab\ncd")
    type_into(editor, "right", "enter", "x", "down", "home", "backspace", "ctrl s")
    assert saved.text == "a\nxbcd"
    assert saved.is_closed


def test_moving_keeps_the_column_where_lines_allow_it() -> None:
    editor = text_editor(Saved(), "long line\n\nother line")
    type_into(editor, "end", "down")
    assert editor.position == (1, 0)
    type_into(editor, "down")
    assert editor.position == (2, 9)
    type_into(editor, "ctrl home")
    assert editor.position[0] == 0
    type_into(editor, "end", "right", "right")
    assert editor.position == (2, 0)
    type_into(editor, "left", "left")
    assert editor.position == (0, 9)


def test_leaving_asks_only_if_something_changed() -> None:
    saved = Saved()
    type_into(text_editor(saved, "a"), "esc")
    assert saved.is_closed
    assert not saved.asked
    for answer, text, is_closed in (("esc", None, False), ("n", None, True), ("y", "xa", True)):
        saved = Saved()
        saved.answer = answer
        type_into(text_editor(saved, "a"), "x", "esc")
        assert saved.asked
        assert (saved.text, saved.is_closed) == (text, is_closed)


def test_pasted_lines_are_lines_and_control_characters_are_shown() -> None:
    editor = text_editor(Saved(), "")
    editor.paste("a\r\nb\tc\x1b")
    assert editor.text == "a\nb\tc␛"
    assert b"\x1b" not in b"".join(editor.render((20, 4)).text)


def test_the_view_follows_the_cursor_down_and_sideways() -> None:
    editor = text_editor(Saved(), "\n".join(f"{n} " + "x" * 200 for n in range(50)))
    type_into(editor, *["down"] * 30, "end")
    canvas = editor.render((40, 10))
    assert canvas.cursor is not None
    column, row = canvas.cursor
    assert column < 40
    assert row < 10
