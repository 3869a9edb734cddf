from __future__ import annotations

import pytest

from interceptor.tui.canvas_lines import canvas
from interceptor.tui.picture_colours import TRUE, Colours, colours_of, picture_colours

STYLE = "fg:#ff8800 bg:#808182"


@pytest.mark.parametrize(
    ("colours", "foreground", "background"),
    [(TRUE, "#ff8800", "#808182"), (256, "#f80", "g50"), (16, "brown", "light gray")],
)
def test_the_nearest_that_there_is(colours: Colours, foreground: str, background: str) -> None:
    made = picture_colours(STYLE, colours)
    assert made is not None and (made.foreground, made.background) == (foreground, background)


def test_what_the_terminal_says() -> None:
    assert colours_of({"TERM": "xterm-256color", "COLORTERM": "truecolor"}) == TRUE
    assert colours_of({"TERM": "xterm-256color"}) == 256
    assert colours_of({"TERM": "linux", "COLORTERM": "truecolor"}) == 16


def test_transparent_is_the_background_of_the_palette() -> None:
    made = picture_colours("fg:#ff8800 bg:default", 256)
    assert made is not None and made.background in ("inherit", "default")
    assert picture_colours("fg:red bg:blue") is None


def test_colours_get_onto_the_canvas() -> None:
    made = canvas([[(STYLE, "▀▀"), ("text", "a")]], 4, 1, {})
    assert list(made.content()) == [
        [(picture_colours(STYLE), None, "▀▀".encode()), ("text", None, b"a"), ("background", None, b" ")]
    ]
