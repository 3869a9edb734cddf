"""Markers by name: the short names that people know from chats, and every emoji by the name that Unicode has for it.

"star" ─▸ ★      ":alarm_clock:" ─▸ ⏰      "!" ─▸ !      "to do" ─▸ ●
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from interceptor.tui.present.text import readable, width

MARKED: Final = "●"

_SHORT: Final = {
    "red_circle": "🔴",
    "orange_circle": "🟠",
    "yellow_circle": "🟡",
    "green_circle": "🟢",
    "blue_circle": "🔵",
    "purple_circle": "🟣",
    "brown_circle": "🟤",
    "white_circle": "⚪",
    "black_circle": "⚫",
    "heart": "♥",
    "star": "★",
    "check": "✓",
    "heavy_check_mark": "✓",
    "white_check_mark": "✅",
    "x": "✗",
    "bug": "🐛",
    "question": "?",
    "exclamation": "!",
    "warning": "⚠",
    "grapes": "🍇",
    "lock": "🔒",
    "unlock": "🔓",
    "tada": "🎉",
    "thumbsup": "👍",
    "+1": "👍",
    "thumbsdown": "👎",
    "-1": "👎",
    "boom": "💥",
    "zap": "⚡",
    "100": "💯",
    "ok": "🆗",
    "new": "🆕",
    "sos": "🆘",
    "mag": "🔍",
    "bulb": "💡",
    "memo": "📝",
    "pushpin": "📌",
    "link": "🔗",
    "hourglass": "⌛",
    "stopwatch": "⏱",
    "no_entry": "⛔",
    "no_entry_sign": "🚫",
    "construction": "🚧",
    "rotating_light": "🚨",
    "poop": "💩",
    "skull": "💀",
    "smile": "😄",
    "cry": "😢",
    "scream": "😱",
    "thinking": "🤔",
    "wave": "👋",
    "clap": "👏",
    "pray": "🙏",
    "moneybag": "💰",
    "credit_card": "💳",
    "cookie": "🍪",
    "coffee": "☕",
    "beer": "🍺",
    "snail": "🐌",
    "turtle": "🐢",
    "ghost": "👻",
    "alien": "👽",
    "crown": "👑",
    "gem": "💎",
    "trophy": "🏆",
    "dart": "🎯",
    "recycle": "♻",
}
_EMOJI: Final = (range(0x231A, 0x2400), range(0x25FD, 0x2800), range(0x2B1B, 0x2B56), range(0x1F300, 0x1FB00))


def marker_sign(marker: str) -> str:
    """At most two columns: the emoji of that name, the marker itself if it is a sign, else a dot; "" if there is none."""
    if not marker:
        return ""
    name = marker.strip(":").lower()
    sign = _SHORT.get(name) or _of_unicode(name) or readable(marker)
    return sign if 0 < width(sign) <= 2 else MARKED


@lru_cache(maxsize=256)
def _of_unicode(name: str) -> str:
    if len(name) < 2 or not name.isascii():  # as no name of Unicode's is
        return ""
    try:
        sign = unicodedata.lookup(name.replace("_", " "))
    except (KeyError, UnicodeError):  # no such name, or none at all: what came from a file or a script
        return ""
    return sign if any(ord(sign[0]) in block for block in _EMOJI) else ""


@lru_cache(maxsize=1)
def marker_names() -> Sequence[tuple[str, str]]:
    """(name, sign) of all that can be had by name, those that people use first."""
    known = dict(_SHORT)
    for name, sign in _named_by_unicode():
        known.setdefault(name, sign)
    return list(known.items())


def _named_by_unicode() -> Iterator[tuple[str, str]]:
    found = []
    for block in _EMOJI:
        for number in block:
            sign = chr(number)
            name = unicodedata.name(sign, "")
            if name and width(sign) == 2 and "MODIFIER" not in name:
                found.append((name.lower().replace(" ", "_"), sign))
    yield from sorted(found)
