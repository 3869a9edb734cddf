from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interceptor.tui.canvas_lines import canvas
from interceptor.tui.present.text import Line, width


def rows(lines: list[Line], columns: int, count: int) -> list[str]:
    return [row.decode() for row in canvas(lines, columns, count, {}).text]


def test_lines_are_padded_and_cut_to_the_size() -> None:
    assert rows([[("text", "ab")], [("text", "abc"), ("key", "defg")]], 5, 3) == ["ab   ", "abcde", "     "]


def test_runs_cover_every_byte_and_count_bytes() -> None:
    made = canvas([[("key", "é"), ("key", "a"), ("text", "b")]], 5, 2, {})
    assert list(made.content()) == [
        [("key", None, "éa".encode()), ("text", None, b"b"), ("background", None, b"  ")],
        [("background", None, b"     ")],
    ]


def test_a_wide_character_at_the_edge_is_left_out() -> None:
    assert rows([[("text", "日本語")]], 5, 1) == ["日本 "]
    assert rows([[("text", "a日")]], 2, 1) == ["a "]


def test_no_control_character_gets_through() -> None:
    assert rows([[("text", "a\x1b[31mb\u202ec\ud800\t|")]], 40, 1)[0].rstrip() == "a\\x1b[31mb\\u202ec\\ud800 |"


def test_the_line_with_the_cursor_has_its_own_styles_up_to_the_edge() -> None:
    made = canvas([[("text", "a"), ("section", "b")], []], 4, 2, {}, cursor=[0])
    assert [style for style, _, _ in next(iter(made.content()))] == ["focus text", "section", "focus text"]


def test_styles_can_be_drawn_as_others() -> None:
    made = canvas([[("text", "ab")]], 2, 1, {"text": "dim"})
    assert next(iter(made.content())) == [("dim", None, b"ab")]


@given(st.lists(st.lists(st.tuples(st.sampled_from(["text", "key"]), st.text()), max_size=4), max_size=3), st.integers(1, 12))
def test_any_text_gives_rows_of_exactly_the_width(lines: list[Line], columns: int) -> None:
    made = canvas(lines, columns, 3, {})
    for row, runs in zip(made.text, made.content(), strict=True):
        text = row.decode()
        assert width(text) == columns
        assert b"".join(bytes(piece) for _, _, piece in runs) == row
        assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)
