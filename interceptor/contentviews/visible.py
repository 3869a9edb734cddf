"""Text that is safe to show: what would move the cursor, reorder or hide text becomes an escape that can be seen.

Escaped are the controls C0 (except tab, which whoever lays out the text expands), DEL and C1, line and paragraph separators,
the bidi controls, characters without width or glyph, and lone surrogates. Of these, the surrogates U+DC80–U+DCFF stand for
bytes that could not be decoded (`surrogateescape`) and are shown as these bytes: `\\xff`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

HOSTILE: Final = (
    "\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180e\\u200b-\\u200f\\u2028-\\u202e"
    "\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb\\ud800-\\udfff\\U00013430-\\U0001343f\\U0001bca0-\\U0001bca3"
    "\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff"
)
"""These characters, as they stand between the brackets of a regular expression."""
_HOSTILE: Final = re.compile(f"[{HOSTILE}]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r"}


def escape_control(text: str) -> str:
    """`text` with everything that a terminal should not get as a visible escape; tabs stay."""
    if text.isprintable() and text.isascii():
        return text
    return _HOSTILE.sub(_escape_match, text)


def escape_character(character: str) -> str:
    """`\\x1b`, `\\u202e`, `\\U000e0001`; `\\n` and `\\r`; an undecodable byte as `\\xff`."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    if code < 0x100:
        return _SHORT.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_match(match: re.Match[str]) -> str:
    return escape_character(match[0])


def styled(style: str, text: str, escape: Callable[[str], str] = escape_character) -> list[tuple[str, str]]:
    """`text` in that style, with its escapes in style "error"; nothing for empty text."""
    if (text.isprintable() and text.isascii()) or not _HOSTILE.search(text):
        return [(style, text)] if text else []
    pieces: list[tuple[str, str]] = []
    position = 0
    for match in _HOSTILE.finditer(text):
        if match.start() > position:
            pieces.append((style, text[position : match.start()]))
        escaped = escape(match[0])
        if pieces and pieces[-1][0] == "error" and match.start() == position:
            escaped = pieces.pop()[1] + escaped
        pieces.append(("error", escaped))
        position = match.end()
    if position < len(text):
        pieces.append((style, text[position:]))
    return pieces


def styled_bytes(style: str, raw: bytes, escape: Callable[[str], str] = escape_character) -> list[tuple[str, str]]:
    """The same for UTF-8; bytes that are not are escaped."""
    return styled(style, raw.decode("utf-8", "surrogateescape"), escape)
