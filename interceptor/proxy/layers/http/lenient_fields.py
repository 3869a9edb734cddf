"""Heads of HTTP/2 that are refused as malformed, mended where a rule says what they mean: `validate_inbound_headers` off.

As in `lenient_heads` a head is read strictly first, mended if that fails, and read again; what is recorded and passed on is the
mended one; if that is refused too, the first complaint stands. The rules:

- pseudo-header fields may come behind others, and be said twice if they say the same (RFC 9113 §8.3); `:scheme` may be missing
  where it is known, and an empty `:path` is `/`, or `*` of OPTIONS (§8.3.1); of `:authority` and another Host the first counts;
- names are in lower case (§8.2), and may have odd bytes, unless they look like a field that frames the message; blanks around
  names and values go, CR, LF and NUL inside of a value become blanks (RFC 9110 §5.5);
- what is about a connection, which HTTP/2 says in frames, goes, and what Connection names (§8.2.2, RFC 9110 §7.6.1); of TE
  `trailers` stays; Content-Length and Host among trailers go (RFC 9110 §6.5.1);
- the same Content-Length, or the same Host, several times is said once.

Transfer-Encoding stays refused, as does a length that is not the body's: whether such a body is chunked would be a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from interceptor.model.http import Field
from interceptor.proxy.layers.http.head_scan import HeadError
from interceptor.proxy.settings import Settings

H = TypeVar("H")
_TO_BLANK: Final = re.compile(rb"[\r\n\x00]")
_ABOUT_CONNECTION: Final = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"upgrade"))
_NOT_IN_TRAILERS: Final = frozenset((b"content-length", b"host"))
_SAID_ONCE: Final = (b"content-length", b"host")


def read_fields(
    read: Callable[[list[Field], int, int, bool], H],
    mend: Callable[[list[Field]], list[Field]],
    fields: list[Field],
    settings: Settings,
) -> H:
    """By a reader of `http2_heads`, strictly or as the settings say; `mend` is for its kind of head. The HeadError of the strict
    reading if it does not help."""
    size_limit, count_limit = settings.header_size_limit, settings.header_count_limit
    try:
        return read(fields, size_limit, count_limit, False)
    except HeadError as error:
        if settings.validate_inbound_headers or error.status == 431:
            raise
        try:
            return read(mend(fields), size_limit, count_limit, True)
        except HeadError:
            raise error from None


def mended_head(fields: list[Field]) -> list[Field]:
    pseudo: list[Field] = []
    rest: list[Field] = []
    for item in fields:
        name, value = item[0].strip(b" \t").lower(), _TO_BLANK.sub(b" ", item[1]).strip(b" \t")
        if (name, value) != item:
            is_secret = not getattr(item, "indexable", True)  # not to be compressed (RFC 7541 §7.1.3): the type says so
            item = type(item)(name, value) if is_secret else (name, value)  # type: ignore[misc]
        if not name.startswith(b":"):
            rest.append(item)
        elif item not in pseudo:
            pseudo.append(item)
    said = dict(pseudo)
    if b":method" in said and not said.get(b":path") and (said[b":method"] != b"CONNECT" or b":protocol" in said):
        pseudo = [item for item in pseudo if item[0] != b":path"]
        pseudo.append((b":path", b"*" if said[b":method"] == b"OPTIONS" else b"/"))
    return pseudo + _mended_fields(rest, said.get(b":authority", b""))


def mended_trailers(fields: list[Field]) -> list[Field]:
    return [item for item in mended_head(fields) if item[0] not in _NOT_IN_TRAILERS]


def _mended_fields(fields: list[Field], authority: bytes) -> list[Field]:
    gone = set(_ABOUT_CONNECTION)
    for name, value in fields:
        if name == b"connection":
            gone |= {token.strip(b" \t").lower() for token in value.split(b",")} - {b"te", b"transfer-encoding"}
    kept: list[Field] = []
    said: set[Field] = set()
    for item in fields:
        name, value = item
        if name in gone or (name == b"host" and authority and value != authority):
            continue
        if name == b"te":
            if b"trailers" not in {token.strip(b" \t").lower() for token in value.split(b",")}:
                continue
            item = name, b"trailers"
        elif name in _SAID_ONCE:
            if (name, value) in said:
                continue
            said.add((name, value))
        kept.append(item)
    return kept
