"""Amounts of bytes and of time as people write them: `10k`, `1.5m`, `500ms`, `2h`.

Byte units count by 1024, with or without a `b` or `ib` behind them and in any case: `1k` = `1KB` = `1KiB` = 1024 bytes.
`parse_size(format_size(n))` is n to two digits or better, and exactly n below 1024.
"""

from __future__ import annotations

import math
import re
from typing import Final

from interceptor.specs.errors import UserError

_SIZE: Final = r"(?ai:\s*(\d{1,30}(?:\.\d{0,30})?)\s*(?:([kmgtp])(?:i?b)?|b)?\s*)"
_DURATION: Final = r"(?ai:\s*(\d{1,15}(?:\.\d{0,15})?)\s*(us|ms|s|m|min|h|d)\s*)"
_UNITS: Final = "bkmgtp"
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_size(text: str) -> int:
    """Bytes. UserError if it is not a size."""
    found = re.fullmatch(_SIZE, text)
    if found is None:
        raise UserError(f"{text!r} is not a size: write bytes, or a number with k, m, g or t, such as 500k or 1.5m.")
    number, unit = found[1], (found[2] or "b").lower()
    factor: int = 1024 ** _UNITS.index(unit)
    return int(number) * factor if "." not in number else round(float(number) * factor)


def format_size(size: int) -> str:
    """Short, for a column: `0b`, `1023b`, `1.5k`, `15k`, `3.2m`."""
    if size < 1024:
        return f"{size}b"
    unit = 0
    amount = float(size)
    while amount >= 999.5 and unit < len(_UNITS) - 1:  # 999.5 is where it would need a fourth digit
        amount /= 1024
        unit += 1
    shown = f"{amount:.1f}" if amount < 9.95 else str(round(amount))
    return f"{shown.removesuffix('.0')}{_UNITS[unit]}"


def parse_duration(text: str) -> float:
    """Seconds. UserError if it is not a duration; the unit is not left out, for nobody guesses it alike."""
    found = re.fullmatch(_DURATION, text)
    if found is None:
        raise UserError(f"{text!r} is not a duration: write a number with us, ms, s, m, h or d, such as 500ms or 2s.")
    seconds = float(found[1]) * _SECONDS[found[2].lower()]
    assert math.isfinite(seconds)
    return seconds
