"""A terminal's screen as a small PNG that is the same in every run.

    pyte.Screen ─▸ each cell: background, glyph (regular or bold), underline ─▸ few colours ─▸ PNG

DejaVu Sans Mono has the signs that the console uses and is the same everywhere (Debian: fonts-dejavu-core). No font that is
everywhere has emoji and the wide characters of East Asia: a disc, in its colour if it has one, and a box stand for these.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pyte
import wcwidth
from PIL import Image, ImageDraw, ImageFont

FONTS = Path("/usr/share/fonts/truetype/dejavu")
FONT_SIZE = 13
CELL = (8, 16)

_SIXTEEN = {
    "black": "000000", "red": "cd0000", "green": "00cd00", "brown": "cdcd00",
    "blue": "0000ee", "magenta": "cd00cd", "cyan": "00cdcd", "white": "e5e5e5",
    "brightblack": "7f7f7f", "brightred": "ff0000", "brightgreen": "00ff00", "brightbrown": "ffff00",
    "brightblue": "5c5cff", "brightmagenta": "ff00ff", "bfightmagenta": "ff00ff", "brightcyan": "00ffff", "brightwhite": "ffffff",
}  # fmt: skip
_DEFAULT = ("d0d0d0", "000000")


class FontMissing(Exception):
    """With what to install."""


@lru_cache
def _font(is_bold: bool) -> ImageFont.FreeTypeFont:
    path = FONTS / f"DejaVuSansMono{'-Bold' if is_bold else ''}.ttf"
    try:
        return ImageFont.truetype(path, FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        raise FontMissing(f"{path} is missing: apt install fonts-dejavu-core") from None


def _colour(name: str, default: str) -> str:
    return "#" + _SIXTEEN.get(name, default if name == "default" else name)


def picture(screen: pyte.Screen) -> Image.Image:
    """With the cursor, unless the program hides it."""
    width, height = CELL
    image = Image.new("RGB", (screen.columns * width, screen.lines * height), f"#{_DEFAULT[1]}")
    draw = ImageDraw.Draw(image)
    for row in range(screen.lines):
        line = screen.buffer[row]
        for column in range(screen.columns):
            cell = line[column]
            fore, back = _colour(cell.fg, _DEFAULT[0]), _colour(cell.bg, _DEFAULT[1])
            is_cursor = not screen.cursor.hidden and (screen.cursor.x, screen.cursor.y) == (column, row)
            if cell.reverse != is_cursor:
                fore, back = back, fore
            cells = 2 if cell.data and wcwidth.wcswidth(cell.data) == 2 else 1
            left, top = column * width, row * height
            if cell.data:  # the right half of a wide character has none, and is drawn with its left half
                draw.rectangle((left, top, left + cells * width - 1, top + height - 1), fill=back)
            if cell.data.strip():
                _glyph(image, draw, (left, top), cell.data, cells, fore, cell.bold)
            if cell.underscore:
                draw.line((left, top + height - 2, left + width - 1, top + height - 2), fill=fore)
    return image


@lru_cache(maxsize=4096)
def _stencil(text: str, is_bold: bool) -> Image.Image:
    """Of one cell, in four shades: more are hardly seen, and take room."""
    stencil = Image.new("L", CELL)
    ImageDraw.Draw(stencil).text((0, 0), text, font=_font(is_bold), fill=255)
    return stencil.point([(value + 42) // 85 * 85 for value in range(256)])


def _glyph(
    image: Image.Image, draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, cells: int, colour: str, is_bold: bool
) -> None:
    left, top = place
    width, height = CELL[0] * cells, CELL[1]
    if text in _LINES:
        _draw_line(draw, left, top, text, colour)
    elif text == "▀":  # the dot of a picture: exact halves
        draw.rectangle((left, top, left + width - 1, top + height // 2 - 1), fill=colour)
    elif text in _EIGHTHS:
        draw.rectangle((left, top + 2, left + _EIGHTHS.index(text) * width // 8 - 1, top + height - 3), fill=colour)
    elif cells == 2 and ord(text[0]) >= 0x1F000:
        draw.ellipse((left + 2, top + 2, left + width - 4, top + height - 4), fill=_DISCS.get(text, colour))
    elif cells == 2:
        draw.rectangle((left + 2, top + 3, left + width - 4, top + height - 4), outline=colour)
    else:
        stencil = _stencil(text, is_bold)
        image.paste(colour, (left, top, left + CELL[0], top + CELL[1]), stencil)


_EIGHTHS = " ▏▎▍▌▋▊▉█"
_DISCS = {"🔴": "#dd2e44", "🟠": "#f4900c", "🟡": "#fdcb58", "🟢": "#78b159", "🔵": "#55acee", "🟣": "#aa8ed6"}
_LINES = {
    "│": "ud",
    "─": "lr",
    "┌": "rd",
    "┐": "ld",
    "└": "ru",
    "┘": "lu",
    "├": "udr",
    "┤": "udl",
    "┬": "lrd",
    "┴": "lru",
    "┼": "udlr",
}


def _draw_line(draw: ImageDraw.ImageDraw, left: int, top: int, text: str, colour: str) -> None:
    """Rules of boxes meet across cells, which glyphs of a font do not everywhere."""
    width, height = CELL
    x, y = left + width // 2, top + height // 2
    ends = {"u": (x, top), "d": (x, top + height - 1), "l": (left, y), "r": (left + width - 1, y)}
    for direction in _LINES[text]:
        draw.line(((x, y), ends[direction]), fill=colour)


def save(image: Image.Image, path: Path, colours: int) -> None:
    image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)
