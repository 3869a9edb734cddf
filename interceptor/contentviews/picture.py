"""A small picture of an image, two pixels a character: the upper half block in one colour on another.

The colours are styles, "fg:#rrggbb bg:#rrggbb", where `default` stands for what is transparent; what a terminal makes of them is
the console's affair. Pillow decodes, if it is there; only formats whose decoders are much used, and only what has few enough
pixels, which is known from the header before anything is decoded.
"""

from __future__ import annotations

from typing import Any, Final

from interceptor.contentviews.rendered import Cancelled, Line, check

MOST_PIXELS: Final = 25_000_000
MOST_BYTES: Final = 16 * 1024 * 1024
COLUMNS: Final = 72
ROWS: Final = 36
WITHOUT_PILLOW: Final = "To see it, install Pillow: pip install 'interceptor[images]'"
_FORMATS: Final = ("PNG", "GIF", "JPEG", "WEBP", "BMP")
_OPAQUE: Final = 128


def picture(body: bytes, cancelled: Cancelled) -> tuple[list[Line], str]:
    """The lines, and if there are none a sentence that says why."""
    if len(body) > MOST_BYTES:
        return [], f"No picture: more than {MOST_BYTES >> 20} MB."
    try:
        from PIL import Image
    except ImportError:
        return [], WITHOUT_PILLOW + "."
    from io import BytesIO

    check(cancelled)
    try:
        with Image.open(BytesIO(body), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                return [], f"No picture: more than {MOST_PIXELS // 1_000_000} million pixels."
            if width < 1 or height < 1:
                return [], "No picture: it has no pixels."
            columns, rows = _fitted(width, height)
            image.draft("RGB", (columns, rows))  # a JPEG need not be decoded in full
            check(cancelled)
            small = image.convert("RGBA").resize((columns, rows), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, MemoryError, OverflowError, EOFError, Image.DecompressionBombError) as error:
        return [], f"No picture: {_reason(error)}."
    except (ArithmeticError, LookupError, TypeError, AttributeError, NotImplementedError, RuntimeError) as error:
        return [], f"No picture: {_reason(error)}."  # what decoders do with broken files
    check(cancelled)
    return _lines(small, columns, rows), ""


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return "it cannot be decoded" if not text.isprintable() or not text or "0x" in text else text[:100].rstrip(".")


def _fitted(width: int, height: int) -> tuple[int, int]:
    """As many pixels as are shown: no more than there are, in the same proportion."""
    scale = min(1.0, COLUMNS / width, 2 * ROWS / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _lines(small: Any, columns: int, rows: int) -> list[Line]:
    pixels = small.load()
    lines: list[Line] = []
    for y in range(0, rows, 2):
        line: Line = []
        for x in range(columns):
            upper = _colour(pixels[x, y])
            lower = _colour(pixels[x, y + 1]) if y + 1 < rows else ""
            style, text = _cell(upper, lower)
            if line and line[-1][0] == style:
                line[-1] = style, line[-1][1] + text
            else:
                line.append((style, text))
        lines.append(line)
    return lines


def _colour(pixel: tuple[int, int, int, int]) -> str:
    red, green, blue, alpha = pixel
    return f"#{red:02x}{green:02x}{blue:02x}" if alpha >= _OPAQUE else ""


def _cell(upper: str, lower: str) -> tuple[str, str]:
    if upper:
        return f"fg:{upper} bg:{lower or 'default'}", "▀"
    if lower:
        return f"fg:{lower} bg:default", "▄"
    return "text", " "
