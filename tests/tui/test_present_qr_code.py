"""A QR code on the screen is the code, module by module."""

from __future__ import annotations

import segno

from interceptor.tui.present.qr_code import STYLE, qr_code

HALVES = {"\u00a0": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}


def test_the_modules_are_those_of_the_code() -> None:
    text = "[Interface]\nPrivateKey = abc=\n" * 6
    rows: list[list[int]] = []
    for [(style, line)] in qr_code(text):
        assert style == STYLE
        rows += [[HALVES[each][half] for each in line] for half in (0, 1)]
    wanted = [list(row) for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    assert [row for row, _ in zip(rows, wanted, strict=False)] == wanted
    assert not any(map(any, rows[len(wanted) :]))
