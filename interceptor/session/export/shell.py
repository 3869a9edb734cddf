r"""Bytes from the wire as words of a shell command that may be pasted anywhere: sh, dash, bash, zsh.

    printable ─▸ 'in single quotes'          anything else ─▸ "$(printf 'with \033 octal escapes')"
    a body that is not text ─▸ printf '…' |  or  printf %s 'base64…' | base64 -d |

What comes out is printable text and newlines, nothing else; the shell makes the very bytes of it again. `$'…'` is not used:
POSIX has known it for a short time only. Inside printf's format everything that any shell might look at is an octal escape.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from interceptor.specs.errors import UserError

LONGEST_WORD: Final = 100_000
"""Linux takes no argument of 128 KiB or more."""

_LONGEST_FORMAT: Final = 64 * 1024

_BARE: Final = re.compile(r"[A-Za-z0-9_./-][A-Za-z0-9_@%+:,./=-]*")
_LITERAL: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -_.,:;=/@+<>?&*^~|{}[]")
_OCTAL_DIGITS: Final = frozenset(b"01234567")


def word(raw: bytes, what: str) -> str:
    """One word of a command line. UserError, which calls it `what`, if no command line can hold it."""
    if b"\0" in raw:
        raise UserError(f"{what} contains a NUL byte, which no command line can hold; raw_request keeps it")
    if len(raw) > LONGEST_WORD:
        raise UserError(f"{what} is longer than a word of a command may be; raw_request keeps it")
    if is_pasteable(raw):
        return _quoted(raw.decode())
    if raw.endswith(b"\n"):
        raise UserError(f"{what} ends in a newline, which a shell would take away; raw_request keeps it")
    return f'"$(printf {_format(raw)})"'


def is_pasteable(raw: bytes) -> bool:
    """Whether single quotes are enough: all of it can be seen, or is a newline, and no shell takes it for history."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return False
    if "\n" not in text:
        return text.isprintable()
    return text.replace("\n", "").isprintable() and "!" not in text


def pipe(raw: bytes) -> str:
    """A command that writes these bytes, whatever they are, to its output: the shorter of two."""
    if len(raw) <= _LONGEST_FORMAT and len(as_format := _format(raw)) <= len(raw) * 4 // 3 + 20:
        return f"printf {as_format}"
    return f"printf %s '{base64.b64encode(raw).decode()}' | base64 -d"


def _quoted(text: str) -> str:
    if _BARE.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def _format(raw: bytes) -> str:
    """printf's format for these bytes, in single quotes."""
    pieces: list[str] = []
    is_after_zero = False
    for index, byte in enumerate(raw):
        is_literal = byte in _LITERAL and not (byte == 0x2D and not index)
        # Some shells read four digits when the first is 0.
        if is_literal and not (is_after_zero and byte in _OCTAL_DIGITS):
            pieces.append(chr(byte))
            is_after_zero = False
        elif byte == 0x25:
            pieces.append("%%")
            is_after_zero = False
        else:
            pieces.append(f"\\{byte:03o}")
            is_after_zero = byte < 0o100
    return "'" + "".join(pieces) + "'"
