"""Bytes in a format that knows only text.

    text ─▸ as it is, if the declared charset brings the same bytes back       anything else ─▸ base64
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from email.message import Message as MimeHeader

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
