"""A QR code in half blocks: two of its rows are one line of the screen, so its modules are about square."""

from __future__ import annotations

from typing import Final

from interceptor.tui.present.text import Line

STYLE: Final = "qr code"
"""Dark on light in every palette: some cameras take no other."""
_QUIET: Final = 2
"""Modules around it; four are asked for, two are enough where more would not fit."""
_BLOCKS: Final = {(False, False): "\u00a0", (True, False): "▀", (False, True): "▄", (True, True): "█"}
"""Where nothing is dark stands a blank that is not taken for the end of a line."""


def qr_code(text: str) -> list[Line]:
    import segno

    rows = [[bool(module) for module in row] for row in segno.make(text, error="l", micro=False).matrix_iter(border=_QUIET)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return [[(STYLE, "".join(_BLOCKS[each] for each in zip(upper, lower, strict=True)))] for upper, lower in pairs]
