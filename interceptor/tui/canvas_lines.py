"""The one place where styled text becomes what urwid draws.

    lines of (style, text) ─▸ cut or padded to the width, encoded, run lengths of attributes ─▸ one TextCanvas

A `TextCanvas` neither escapes nor measures, so the invariant is kept here: no control character, no surrogate and nothing that
reorders text gets into a canvas, whoever made the line, and every row takes exactly the columns asked for. Widths are counted on
the text, so that they do not depend on the encoding that urwid found in the environment.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final, Literal

import urwid

from interceptor.contentviews.visible import escape_control
from interceptor.tui.palettes import focused
from interceptor.tui.picture_colours import picture_colours
from interceptor.tui.present.text import Line, cut, width

Styles = Mapping[str, str]
"""What to draw a style as, where that is not the palette's style of the same name."""

Run = tuple[Hashable, int]

BACKGROUND: Final = "background"


def canvas(lines: Sequence[Line], columns: int, rows: int, styles: Styles, cursor: Sequence[int] = ()) -> urwid.TextCanvas:
    """Exactly `columns` by `rows`; missing lines are empty, lines too many are left out. The lines `cursor` have the cursor."""
    texts: list[bytes] = []
    attributes: list[list[Run]] = []
    background = styles.get(BACKGROUND, BACKGROUND)
    for index in range(min(rows, len(lines))):
        text, runs = _row(lines[index], columns, styles, index in cursor)
        texts.append(text)
        attributes.append(runs)
    for _ in range(rows - len(texts)):
        texts.append(b" " * columns)
        attributes.append([(background, columns)])
    plain: list[list[tuple[Literal["0", "U"] | None, int]]] = [[(None, len(text))] for text in texts]
    return urwid.TextCanvas(texts, attributes, plain, maxcol=columns, check_width=False)


def _row(line: Line, columns: int, styles: Styles, is_focused: bool) -> tuple[bytes, list[Run]]:
    text = "".join([piece for _, piece in line])
    if text.isascii() and text.isprintable():
        text, room = text[:columns], columns
    else:
        line = [(style, escape_control(piece.replace("\t", " "))) for style, piece in line]
        text = cut("".join([piece for _, piece in line]), columns)
        while width(text) > columns:  # clusters may take more together than one by one
            text = text[:-1]
        room = len(text)
    runs: list[Run] = []
    last = ""
    for style, piece in line:
        if room <= 0:
            break
        shown = piece if len(piece) <= room else piece[:room]
        room -= len(shown)
        size = len(shown) if shown.isascii() else len(shown.encode())
        if not size:
            continue
        if style == last:
            runs[-1] = (runs[-1][0], runs[-1][1] + size)
        else:
            drawn = focused(style) if is_focused else style
            colours = picture_colours(style) if style.startswith("fg:") else None
            runs.append((colours or styles.get(drawn, drawn), size))
            last = style
    missing = columns - (len(text) if text.isascii() else width(text))
    if missing:
        drawn = focused("text") if is_focused else BACKGROUND
        runs.append((styles.get(drawn, drawn), missing))
    return (text + " " * missing).encode(), runs
