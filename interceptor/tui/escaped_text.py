r"""Raw bytes as text that a person can edit, and back without loss.

    b"caf\xc3\xa9\r\xff"  ─ escaped ▸  "café\x0d\xff"  ─ unescaped ▸  the same bytes

UTF-8 is shown as it is; bytes that are not UTF-8 and control characters become `\xNN`. A backslash stands for itself, except
in front of `x` and two hexadecimal digits, where it is written `\x5c`. So `unescaped(escaped(raw)) == raw` for any bytes.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(r"\\x([0-9a-fA-F]{2})")
_INVISIBLE: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\udc80-\\udcff]")


def escaped(raw: bytes, keep: str = "") -> str:
    """`raw` for a person; control characters in `keep` (newline, tab) stay as they are."""
    text = raw.decode("utf-8", "surrogateescape")
    text = _ESCAPE.sub(lambda match: "\\x5cx" + match.group(1), text)
    return _INVISIBLE.sub(lambda match: match.group() if match.group() in keep else _hex(match.group()), text)


def unescaped(text: str) -> bytes:
    """The bytes that `text` stands for."""
    pieces: list[bytes] = []
    end = 0
    for match in _ESCAPE.finditer(text):
        pieces += text[end : match.start()].encode("utf-8", "surrogateescape"), bytes([int(match.group(1), 16)])
        end = match.end()
    pieces.append(text[end:].encode("utf-8", "surrogateescape"))
    return b"".join(pieces)


def _hex(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
