"""Heads of HTTP/2 messages, read strictly (RFC 9113 §8.2, §8.3).

What no version of HTTP may carry, or two readers could understand differently, is refused, and the culprit named. What passes
can be written in HTTP/1 without becoming something else.

Order and duplicates of fields are kept, also crumbs of Cookie. One compiled pattern looks at all fields at once; only if it does
not take them, `_explain` looks for the culprit at leisure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from interceptor.model.http import Field, Headers
from interceptor.proxy.layers.http.head_scan import HeadError, looks_like_framing

_NAME: Final = rb"[!#$%&'*+\-.^_`|~0-9a-z]+"
_VALUE: Final = rb"(?![ \t])[^\x00-\x08\x0a-\x1f\x7f]*(?<![ \t])"
_FIELDS: Final = re.compile(rb"(?:" + _NAME + rb"\x00" + _VALUE + rb"\n)*")
_ODD_NAME: Final = rb"[^\x00-\x20\x7f:A-Z]++(?: ++[^\x00-\x20\x7f:A-Z]++)*+"
_ODD_FIELDS: Final = re.compile(rb"(?:" + _ODD_NAME + rb"\x00(?![ \t])[^\x00\r\n]*+(?<![ \t])\n)*")
_ONE_NAME: Final = re.compile(_NAME)
_ONE_VALUE: Final = re.compile(_VALUE)
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+\-.]*")
_AUTHORITY: Final = re.compile(rb"[^\x00-\x20\x7f/?#@\\]+")
_PATH: Final = re.compile(rb"[^\x00-\x20\x7f]+")
_DIGITS: Final = re.compile(rb"[0-9]{1,19}")
_CONNECTION_FIELDS: Final = frozenset((b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"))
_SPECIAL: Final = _CONNECTION_FIELDS | {b"te", b"content-length", b"host", b"expect"}
_REQUEST_FIELDS: Final = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))


@dataclass(slots=True)
class Http2RequestHead:
    """`path` is empty for CONNECT, unless it is an extended one (RFC 8441), whose `protocol` says for what."""

    method: bytes
    scheme: bytes
    authority: bytes
    path: bytes
    protocol: bytes
    fields: list[Field]
    content_length: int | None
    expects_continue: bool


@dataclass(slots=True)
class Http2StatusHead:
    status: int
    fields: list[Field]
    content_length: int | None


def read_request(fields: list[Field], size_limit: int, count_limit: int, is_odd: bool = False) -> Http2RequestHead:
    """HeadError if it is not strictly right; its status is 400, or 431 for one that is only too large. `is_odd`: it was mended
    (see `lenient_fields`); names and values may have odd bytes, and the scheme be missing."""
    pseudo, rest = _split(fields, size_limit, count_limit, is_odd)
    if not pseudo.keys() <= _REQUEST_FIELDS:
        raise HeadError("a pseudo-header field that requests do not have", 0, b", ".join(pseudo.keys() - _REQUEST_FIELDS))
    method = pseudo.get(b":method", b"")
    if not _METHOD.fullmatch(method):
        raise HeadError("no method, or not a method", 0, method)
    scheme, path, protocol = pseudo.get(b":scheme", b""), pseudo.get(b":path", b""), pseudo.get(b":protocol", b"")
    content_length, host, expects = _framing(rest, is_odd)
    authority = pseudo.get(b":authority", b"")
    if host is not None and authority and host != authority:
        raise HeadError("Host is not what :authority says", 0, host)
    if authority and not _AUTHORITY.fullmatch(authority):
        raise HeadError(":authority is not a host and port", 0, authority)
    if method == b"CONNECT" and not protocol:
        if scheme or path or not authority:
            raise HeadError("CONNECT has :authority, and neither :scheme nor :path", 0, authority)
    else:
        if protocol and method != b"CONNECT":
            raise HeadError(":protocol without CONNECT", 0, protocol)
        if protocol and content_length is not None:
            raise HeadError("Content-Length in an extended CONNECT, which has no body", 0, b"%d" % content_length)
        if not _SCHEME.fullmatch(scheme) and (scheme or not is_odd):
            raise HeadError("no scheme, or not a scheme", 0, scheme)
        if not _PATH.fullmatch(path) or not (path.startswith(b"/") or (path == b"*" and method == b"OPTIONS")):
            raise HeadError(":path does not begin with a slash", 0, path)
    return Http2RequestHead(method, scheme, authority, path, protocol, rest, content_length, expects)


def read_status(fields: list[Field], size_limit: int, count_limit: int, is_odd: bool = False) -> Http2StatusHead:
    """The same for a response."""
    pseudo, rest = _split(fields, size_limit, count_limit, is_odd)
    status = pseudo.get(b":status", b"")
    if len(pseudo) != 1 or len(status) != 3 or not status.isdigit() or status < b"100":
        raise HeadError("a response has :status, three digits, and no other pseudo-header field", 0, status)
    if status == b"101":
        raise HeadError("status 101, which HTTP/2 does not have", 0, status)
    return Http2StatusHead(int(status), rest, _framing(rest, is_odd)[0])


def read_trailers(fields: list[Field], size_limit: int, count_limit: int, is_odd: bool = False) -> Headers:
    """Trailers; HeadError if they are malformed or try to frame the message again (RFC 9110 §6.5.1)."""
    pseudo, rest = _split(fields, size_limit, count_limit, is_odd)
    if pseudo:
        raise HeadError("a pseudo-header field among the trailers", 0, next(iter(pseudo)))
    for name, _ in rest:
        if name in _CONNECTION_FIELDS or name in (b"content-length", b"host") or (is_odd and looks_like_framing(name)):
            raise HeadError("a trailer may not carry this field", 0, name)
    return Headers(rest)


def _split(fields: list[Field], size_limit: int, count_limit: int, is_odd: bool) -> tuple[dict[bytes, bytes], list[Field]]:
    """(pseudo-header fields, the others), looked at."""
    pseudo: dict[bytes, bytes] = {}
    count = 0
    for name, value in fields:
        if not name.startswith(b":"):
            break
        if name in pseudo:
            raise HeadError("a pseudo-header field twice", 0, name)
        pseudo[name] = value
        count += 1
    # What a peer does not want compressed (RFC 7541 §7.1.3) stays the tuple that says so.
    rest = [(item[0], item[1]) if getattr(item, "indexable", True) else item for item in fields[count:]]
    block = b"".join([b"%b\0%b\n" % item for item in rest])  # neither may be in a name or a value
    if len(block) + 2 * len(rest) > size_limit:
        raise HeadError(f"the header block is larger than {size_limit} bytes (header_size_limit)", size_limit, b"", 431)
    if len(rest) > count_limit:
        raise HeadError(f"more than {count_limit} header fields (header_count_limit)", 0, b"", 431)
    if not (_ODD_FIELDS if is_odd else _FIELDS).fullmatch(block) or block.count(b"\n") != len(rest):
        raise _explain(rest)
    return pseudo, rest


def _framing(fields: list[Field], is_odd: bool) -> tuple[int | None, bytes | None, bool]:
    """(Content-Length, Host, whether 100 is waited for)."""
    content_length: int | None = None
    host: bytes | None = None
    expects = False
    for name, value in fields:
        if name not in _SPECIAL:
            if is_odd and not _ONE_NAME.fullmatch(name) and looks_like_framing(name):
                raise HeadError("not a field name", 0, name)
            continue
        if name in _CONNECTION_FIELDS:
            raise HeadError("a field about the connection, which HTTP/2 does not have", 0, name + b": " + value)
        if name == b"te":
            if value.lower() != b"trailers":
                raise HeadError("TE other than trailers", 0, value)
        elif name == b"content-length":
            if not _DIGITS.fullmatch(value):
                raise HeadError("Content-Length is not one number", 0, value)
            if content_length is not None:  # who passes it on must say it once (RFC 9110 §8.6)
                raise HeadError("Content-Length twice", 0, value)
            content_length = int(value)
        elif name == b"host":
            if host is not None:
                raise HeadError("more than one Host", 0, value)
            host = value
        else:
            expects = value.lower() == b"100-continue"
    return content_length, host, expects


def _explain(fields: list[Field]) -> HeadError:
    """Which field is it, and why."""
    for name, value in fields:
        if name.startswith(b":"):
            return HeadError("a pseudo-header field behind others", 0, name)
        if not _ONE_NAME.fullmatch(name):
            what = "a field name with capitals" if _ONE_NAME.fullmatch(name.lower()) else "not a field name"
            return HeadError(what, 0, name)
        if not _ONE_VALUE.fullmatch(value):
            has_space = value != value.strip(b" \t")
            what = "white space around a field's value" if has_space else "control character in a field value"
            return HeadError(what, 0, name + b": " + value)
    return HeadError("malformed fields", 0)
