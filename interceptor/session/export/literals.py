"""Bytes from the wire as literals of programming languages: printable ASCII, whatever the bytes are, and nothing but one literal.

Python      'text' or b'\\xff'          repr
JavaScript  "text"                     JSON, which it contains; bytes as Latin-1, as header values are there
Go          "text\\xff"                 JSON for what is ASCII, \\x for every other byte
PowerShell  'text' or base64           in single quotes, where nothing but the quote means anything; it also takes four other
                                       characters for that quote, so all that is not printable ASCII is in base64
"""

from __future__ import annotations

import base64
import json
import re
from typing import Final

from interceptor.specs.errors import UserError

LONGEST: Final = 1 << 20
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*")


def check_length(body: bytes) -> bytes:
    """UserError if a program would be too long with it."""
    if len(body) > LONGEST:
        raise UserError("the body is too long for a program; raw_request writes it into a file")
    return body


def is_printable(raw: bytes) -> bool:
    return _PRINTABLE.fullmatch(raw) is not None


def python(raw: bytes) -> str:
    return repr(raw.decode("ascii")) if is_printable(raw) else repr(raw)


def javascript(text: str) -> str:
    """`<` is escaped, so that it may stand in a page, too."""
    return json.dumps(text).replace("<", "\\u003c").replace("\x7f", "\\u007f")


def go(raw: bytes) -> str:
    return '"' + "".join(json.dumps(chr(byte))[1:-1] if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in raw) + '"'


def powershell(raw: bytes) -> str:
    """A text; `raw` is printable ASCII."""
    if not is_printable(raw):
        raise ValueError("only printable ASCII may stand between quotes")
    return "'" + raw.decode("ascii").replace("'", "''") + "'"


def powershell_bytes(raw: bytes) -> str:
    """An array of bytes."""
    if is_printable(raw):
        return f"[Text.Encoding]::ASCII.GetBytes({powershell(raw)})"
    return f"[Convert]::FromBase64String('{base64.b64encode(raw).decode()}')"
