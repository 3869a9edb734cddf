"""Bytes of some charset into UTF-8, in which all views work.

The charset is the one that the content type names, else that of a byte order mark, an XML declaration or an HTML meta element,
else UTF-8, or latin-1 for what is clearly text but not UTF-8. Bytes that are not in the charset pass through as they are: they
are not UTF-8 either, and are shown as `\\xNN` at the end.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from interceptor.contentviews.rendered import ContentFacts
from interceptor.specs.errors import UserError

SNIFFED: Final = 64 * 1024
"""As much of a body is looked at to guess what it is."""

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_XML_DECLARATION: Final = re.compile(rb"""\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]{1,40})""")
_HTML_META: Final = re.compile(rb"""<meta\b[^>]{0,500}?\bcharset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_BINARY: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_WRONG: Final = re.compile("[\udc80-\udcff]")
_LATIN_ONLY: Final = {"iso8859-1", "ascii", "cp1252"}
_NOT_CHARSETS: Final = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7"}


def to_utf8(body: bytes, facts: ContentFacts) -> tuple[bytes, str]:
    """The text and the name of the charset that it was in."""
    for mark, name in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return _transcoded(body[len(mark) :], name), name
    name = _codec(facts.parameter("charset")) or _declared_inside(body, facts.media_type) or _guessed(body)
    return _transcoded(body, name), name


def _codec(name: str) -> str:
    """Python's name of a text encoding, "" if it knows none of that name."""
    try:
        codec = codecs.lookup(name) if name else None
    except (LookupError, ValueError):
        return ""
    if codec is None or not getattr(codec, "_is_text_encoding", True) or codec.name.replace("-", "_") in _NOT_CHARSETS:
        return ""
    # Browsers read all of these as windows-1252 (the Encoding Standard of the WHATWG, §4.2).
    return "cp1252" if codec.name in _LATIN_ONLY else codec.name


def _declared_inside(body: bytes, media_type: str) -> str:
    head = body[:4096]
    found = _XML_DECLARATION.match(head)
    if found is None and "html" in media_type:
        found = _HTML_META.search(head)
    name = _codec(found[1].decode("ascii")) if found else ""
    # It was read as ASCII, so it is not what a wrong declaration claims.
    return "utf-8" if name.startswith(("utf-16", "utf-32")) else name


def _guessed(body: bytes) -> str:
    head = body[:SNIFFED]
    text = head.decode("utf-8", "surrogateescape")
    wrong = len(_WRONG.findall(text[: len(text) - 3] if len(head) < len(body) else text))
    if not wrong or _BINARY.search(head):
        return "utf-8"
    right = sum(1 for character in text if character >= "\x80" and not "\udc80" <= character <= "\udcff")
    has_c1 = re.search(rb"[\x80-\x9f]", head) is not None
    return "utf-8" if right >= wrong or has_c1 else "latin-1"


def _transcoded(body: bytes, name: str) -> bytes:
    if name == "utf-8":
        return body
    try:
        return body.decode(name, "surrogateescape").encode("utf-8", "surrogateescape")
    except (UnicodeError, ValueError):
        pass
    try:  # a codec of wide units has no bytes to escape
        return body.decode(name, "replace").encode("utf-8", "surrogatepass")
    except (UnicodeError, ValueError):
        return body


def from_utf8(text: bytes, name: str, original: bytes) -> bytes:
    """Back into the charset that `to_utf8` found in `original`, with its byte order mark. UserError if a character is
    not in it."""
    mark = next((mark for mark, _ in _BYTE_ORDER_MARKS if original.startswith(mark)), b"")
    if name == "utf-8":
        return mark + text
    try:
        return mark + text.decode("utf-8", "surrogateescape").encode(name, "surrogateescape")
    except UnicodeError as error:
        what = repr(error.object[error.start : error.start + 1]) if isinstance(error, UnicodeEncodeError) else "this text"
        raise UserError(f"{what} cannot be written in {name}, the charset of this content.") from None


def looks_binary(body: bytes) -> bool:
    """True if the beginning has what text never has, or much that is rare in it."""
    head = body[:4096]
    if not head or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    if b"\0" in head:
        return True
    text = head.decode("utf-8", "surrogateescape")
    odd = len(_BINARY.findall(head)) + len(_WRONG.findall(text[: len(text) - 3] if len(head) < len(body) else text))
    return odd * 10 > len(text) * 3
