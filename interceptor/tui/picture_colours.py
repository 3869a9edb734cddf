"""The colours of a picture on this terminal: 24 bits where it says that it has them, else the nearest of 256 or of 16.

    "fg:#ff8800 bg:default" ─▸ AttrSpec, which urwid draws as it is, beside the names of the palette

The same few thousand colours come again with every redraw, so what was found is kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

import urwid

from interceptor.contentviews.rendered import COLOURS

FEW_COLOURS: Final = frozenset({"linux", "vt100", "vt220", "ansi", "dumb"})
"""Values of TERM."""

Colours = Literal[16, 256, 16777216]
TRUE: Final = 16777216
_MOST_KEPT: Final = 16_384
_CUBE: Final = (0, 95, 135, 175, 215, 255)
_SIXTEEN: Final = {
    "black": (0, 0, 0),
    "dark red": (170, 0, 0),
    "dark green": (0, 170, 0),
    "brown": (170, 85, 0),
    "dark blue": (0, 0, 170),
    "dark magenta": (170, 0, 170),
    "dark cyan": (0, 170, 170),
    "light gray": (170, 170, 170),
    "dark gray": (85, 85, 85),
    "light red": (255, 85, 85),
    "light green": (85, 255, 85),
    "yellow": (255, 255, 85),
    "light blue": (85, 85, 255),
    "light magenta": (255, 85, 255),
    "light cyan": (85, 255, 255),
    "white": (255, 255, 255),
}
_BACKGROUNDS: Final = tuple(_SIXTEEN)[:8]  # the bright ones blink on some terminals


def colours_of(environment: Mapping[str, str]) -> Colours:
    """How many the terminal has."""
    if environment.get("TERM", "") in FEW_COLOURS:
        return 16
    return TRUE if environment.get("COLORTERM", "") in ("truecolor", "24bit") else 256


@lru_cache(_MOST_KEPT)
def picture_colours(style: str, colours: Colours | None = None) -> urwid.AttrSpec | None:
    """None if the style names no colours. `colours` None is what the environment says."""
    found = COLOURS.fullmatch(style)
    if found is None:
        return None
    colours = colours or colours_of(os.environ)
    foreground, background = _named(found[1], colours, True), _named(found[2], colours, False)
    try:
        return urwid.AttrSpec(foreground, background.replace("default", "inherit"), colours)  # that of the palette
    except urwid.AttrSpecError:  # an urwid that does not know it
        return urwid.AttrSpec(foreground, background, colours)


def _named(colour: str, colours: Colours, is_foreground: bool) -> str:
    if colour == "default" or colours == TRUE:
        return colour
    rgb = int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
    if colours == 16:
        return min(_SIXTEEN if is_foreground else _BACKGROUNDS, key=lambda name: _distance(rgb, _SIXTEEN[name]))
    return f"h{_of_256(rgb)}"


def _of_256(rgb: tuple[int, int, int]) -> int:
    """Of the cube of 6 × 6 × 6 or the 24 greys, whichever is nearer."""
    red, green, blue = (min(range(6), key=lambda step: abs(_CUBE[step] - part)) for part in rgb)
    grey = max(0, min(23, round((sum(rgb) / 3 - 8) / 10)))
    level = 8 + 10 * grey
    if _distance(rgb, (level, level, level)) < _distance(rgb, (_CUBE[red], _CUBE[green], _CUBE[blue])):
        return 232 + grey
    return 16 + 36 * red + 6 * green + blue


def _distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
    return sum((left - right) ** 2 for left, right in zip(one, other, strict=True))
