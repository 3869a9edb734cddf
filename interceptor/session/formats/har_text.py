"""Bytes in a format that knows only text, and values of the types that they must have.

text ─▸ as it is, if the declared charset brings the same bytes back       anything else ─▸ base64
"""

from __future__ import annotations

import base64
import binascii
import codecs
import math
import re
from email.message import Message as MimeHeader
from typing import Any, Final

Entry = dict[str, Any]

_YEAR_10000: Final = 253_402_300_800
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def text_of(raw: bytes, content_type: str) -> str | None:
    """None if these bytes are no text, or do not come back."""
    charset = charset_of(content_type)
    try:
        text = raw.decode(charset)
        is_same = text.encode(charset) == raw
    except (UnicodeError, ValueError):
        return None
    return text if is_same and not _CONTROL.search(text) else None


def bytes_of(text: str, content_type: str) -> bytes:
    try:
        return text.encode(charset_of(content_type))
    except (UnicodeError, ValueError):
        return text.encode("utf-8", "surrogatepass")


def charset_of(content_type: str) -> str:
    header = MimeHeader()
    try:
        header["content-type"] = re.sub(r"[\r\n]", " ", content_type)
        charset = header.get_content_charset() or "utf-8"
        info = codecs.lookup(charset)
    except (LookupError, ValueError, UnicodeError):
        return "utf-8"
    # Some of Python's codecs are none of text, or do more than a charset does.
    is_text = getattr(info, "_is_text_encoding", True)
    return info.name if is_text and info.name not in ("idna", "punycode", "unicode_escape", "raw_unicode_escape") else "utf-8"


def packed(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def unpacked(text: str) -> bytes:
    """ValueError if it is no base64; blanks and missing padding are forgiven."""
    joined = re.sub(r"\s+", "", text).rstrip("=")
    try:
        return base64.b64decode(joined + "=" * (-len(joined) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a body is not in base64: {error}") from None


# ---- values from JSON: TypeError where there is another type, ValueError where the value is none


def number_of(value: object) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{type(value).__name__} stands where a number belongs")
    return float(value) if math.isfinite(value) else 0.0


def whole_of(value: object) -> int:
    return int(number_of(value))


def moment_of(value: object) -> float:
    """Seconds since the epoch."""
    number = number_of(value)
    if not 0 <= number < _YEAR_10000:
        raise ValueError(f"{number} is no time that a calendar has")
    return number


def string_of(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # a connection's number, a value of a form
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} stands where text belongs")
    return value


def dict_of(value: object) -> Entry:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} stands where an object belongs")
    return value


def list_of(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} stands where a list belongs")
    return value


def words_of(value: object) -> str:
    """Text that stays text: JSON can say half of a pair of surrogates, which nothing can write afterwards."""
    return string_of(value).encode("utf-8", "replace").decode()
