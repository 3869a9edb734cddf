"""Text for the clipboard of the machine that the terminal is on, also over ssh: OSC 52, which the terminal carries out.

    text ─▸ ESC ] 52 ; c ; base64 BEL          inside tmux also wrapped, so that it goes through to the terminal around it

What is copied will be pasted, perhaps into a shell, and may come from the wire: control characters are written as `\\xNN`, so
that no paste ends before its end or presses keys.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Final

from interceptor.specs.errors import UserError

LONGEST: Final = 100_000
"""Bytes; many terminals throw away what is longer, and say nothing."""

_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clipboard_text(content: bytes | str) -> str:
    """As text that can be pasted."""
    text = content.decode("utf-8", "backslashreplace") if isinstance(content, bytes) else content
    return _CONTROL.sub(lambda found: _escaped(found.group()), text.replace("\r\n", "\n"))


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def copy_sequence(text: str, environment: Mapping[str, str]) -> str:
    """What to send to the terminal. UserError if it is more than terminals take."""
    raw = text.encode("utf-8", "replace")
    if len(raw) > LONGEST:
        raise UserError(
            f"{len(raw):,} bytes are more than terminals take for the clipboard ({LONGEST:,}); export.file or cut.save"
            " writes them into a file"
        )
    plain = f"\x1b]52;c;{base64.b64encode(raw).decode('ascii')}\x07"
    if not environment.get("TMUX"):
        return plain
    # The first for a tmux that keeps the clipboard (set-clipboard on), the second for one that lets it pass (allow-passthrough).
    return plain + "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
