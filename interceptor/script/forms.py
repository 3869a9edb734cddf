"""Queries, cookies and forms as pairs, and back. Pure; what nobody touched comes back as it meant.

Cookies are split at semicolons and nothing else (RFC 6265 §5.4): values stay as they were sent. `CookieAttrs` are what follows
the first pair of a Set-Cookie.
"""

from __future__ import annotations

import re
from email.message import Message as EmailMessage
from typing import Any, Final
from urllib.parse import parse_qsl, quote_plus

from interceptor.script.multidict import MultiDict, Pairs

_PARAMETER: Final = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^;\s]*))')


class CookieAttrs(MultiDict[str, str | None]):
    """Attributes of one cookie, without regard to case; those without a value have None."""

    def _fold(self, key: Any) -> str:
        lowered: str = key.lower()
        return lowered


def read_pairs(text: str) -> Pairs:
    """`a=1&b=2`, decoded."""
    return tuple(parse_qsl(text, keep_blank_values=True, errors="surrogateescape"))


def written_pairs(pairs: Pairs) -> str:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


def _quoted(text: str) -> str:
    return quote_plus(str(text), errors="surrogateescape")


def read_cookies(values: list[str]) -> Pairs:
    """Of all Cookie fields."""
    cookies = (cookie.strip().partition("=") for value in values for cookie in value.split(";"))
    return tuple((name, content) for name, _, content in cookies if name or content)


def written_cookies(pairs: Pairs) -> str:
    return "; ".join(f"{name}={value}" for name, value in pairs)


def read_set_cookies(values: list[str]) -> Pairs:
    """(name, (value, attributes)) of each Set-Cookie field."""
    found = []
    for value in values:
        cookie, *rest = value.split(";")
        name, _, content = cookie.strip().partition("=")
        attributes = (each.strip().partition("=") for each in rest if each.strip())
        found.append((name, (content, CookieAttrs((key, text if equals else None) for key, equals, text in attributes))))
    return tuple(found)


def written_set_cookie(name: str, value: str, attributes: Any) -> str:
    fields = attributes.fields if isinstance(attributes, MultiDict) else tuple(dict(attributes).items())
    return "; ".join([f"{name}={value}", *(key if text is None else f"{key}={text}" for key, text in fields)])


def boundary_of(content_type: str) -> bytes | None:
    message = EmailMessage()
    message["Content-Type"] = content_type.replace("\r", "").replace("\n", "")
    boundary = message.get_boundary()
    return boundary.encode("utf-8", "surrogateescape") if boundary else None


def read_multipart(content: bytes, boundary: bytes) -> Pairs:
    """(name, content) of each part that has a name, both as bytes."""
    found = []
    for piece in (b"\r\n" + content).split(b"\r\n--" + boundary)[1:]:
        if piece.startswith(b"--"):
            break
        head, _, value = piece.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-disposition:"):
                parameters = _PARAMETER.findall(line.decode("utf-8", "surrogateescape"))
                names = [quoted or plain for name, quoted, plain in parameters if name.lower() == "name"]
                found += [(name.encode("utf-8", "surrogateescape"), value) for name in names[:1]]
    return tuple(found)


def written_multipart(pairs: Pairs, boundary: bytes) -> bytes:
    """ValueError if a value holds the boundary."""
    pieces = []
    for name, value in pairs:
        if b"--" + boundary in value:
            raise ValueError(f"the value of {name!r} holds the boundary of the form")
        head = (
            b'Content-Disposition: form-data; name="' + name.replace(b'"', b"%22").replace(b"\r", b"").replace(b"\n", b"") + b'"'
        )
        pieces.append(b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + value + b"\r\n")
    return b"".join(pieces) + b"--" + boundary + b"--\r\n"
