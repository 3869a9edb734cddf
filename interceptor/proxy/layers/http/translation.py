"""A message's fields in the version that it is sent in.

What HTTP/1 and HTTP/2 say in different ways, or only one of them may say, is translated here.
Between the same versions fields stay as they are. What the other version forbids is left out, and noted on the message
(`not_sent`), so that the screen can show it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from interceptor.model.http import Field, Headers, Message, Request, Response
from interceptor.proxy.layers.http.upgrades import WEBSOCKET, asks_for_websocket, http1_handshake

HTTP2: Final = "HTTP/2.0"
_CONNECTION_FIELDS: Final = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"http2-settings")
)
_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_EXPECT_BODIES: Final = frozenset(("POST", "PUT", "PATCH"))


def is_http1(message: Message) -> bool:
    """As it was received."""
    return message.http_version.startswith("HTTP/1")


# --- as HTTP/1 --------------------------------------------------------------------------------------------------


def http1_request_fields(request: Request, size: int | None) -> list[Field]:
    """For a request that came in another version: Host is in its place again, crumbs of Cookie are one (RFC 9113 §8.2.3); a body
    of unknown length, or one that trailers may follow, is chunked."""
    fields: list[Field] = []
    cookies = [value for name, value in request.headers.fields if name.lower() == b"cookie"]
    has_host = False
    for name, value in request.headers.fields:
        lower = name.lower()
        if lower == b"cookie":
            if not cookies:
                continue
            value, cookies = b"; ".join(cookies), []
        has_host = has_host or lower == b"host"
        fields.append((name, value))
    if not has_host:
        fields.insert(0, (b"host", request.authority.encode("utf-8", "surrogateescape")))
    if size == 0 and request.method in _EXPECT_BODIES and "content-length" not in request.headers:
        fields.append((b"content-length", b"0"))  # RFC 9110 §8.6
    if request.protocol:
        return fields + http1_handshake(request)
    return as_chunked(fields) if _is_to_be_chunked(request, size) else fields


def http1_reason(response: Response) -> bytes:
    """HTTP/2 has none, and some clients of HTTP/1 want one."""
    return response.reason or (b"" if is_http1(response) else _REASONS.get(response.status_code, b""))


def http1_response_fields(response: Response, size: int | None, method: str) -> list[Field]:
    """For a response that came in another version: a body of unknown length, or one that trailers may follow, is chunked; that
    there is none is said, since its frame has said it there."""
    fields, status = response.headers.fields, response.status_code
    if method == "HEAD" or status in (204, 304) or status < 200:
        return fields
    if size == 0 and "content-length" not in response.headers:
        return [*fields, (b"content-length", b"0")]
    return as_chunked(fields) if _is_to_be_chunked(response, size) else fields


def as_chunked(fields: list[Field]) -> list[Field]:
    """With room for trailers, which a body with Content-Length has not (RFC 9112 §7.1.2)."""
    return [*(item for item in fields if item[0].lower() != b"content-length"), (b"transfer-encoding", b"chunked")]


def _is_to_be_chunked(message: Message, size: int | None) -> bool:
    if size == 0:
        return False
    headers = message.headers
    if "trailer" in headers or (headers.get("content-type") or "").startswith("application/grpc"):
        return True
    return size is None and "content-length" not in headers


def refuse_h2c(request: Request) -> None:
    """An offer to go on in HTTP/2 after this request (which RFC 9113 has withdrawn) is not passed on: nobody here could read what
    follows. Other protocols in the same Upgrade are."""
    headers = request.headers
    offered = [each.strip() for each in (headers.get("upgrade") or "").split(",")]
    kept = [each for each in offered if each.lower() != "h2c"]
    if len(kept) == len(offered):
        return
    gone = {"http2-settings"} if kept else {"http2-settings", "upgrade"}
    tokens = [each.strip() for each in (headers.get("connection") or "").split(",")]
    for name, values in (("Connection", [each for each in tokens if each.lower() not in gone]), ("Upgrade", kept)):
        if values:
            headers.set_all(name, [", ".join(values)])
        else:
            headers.remove(name)
    headers.remove("HTTP2-Settings")
    request.not_sent = (b"Upgrade: h2c", b"HTTP2-Settings")


# --- as HTTP/2 --------------------------------------------------------------------------------------------------


def http2_request_fields(request: Request, is_normalized: bool) -> list[Field]:
    """With the pseudo-header fields. `is_normalized`: names in lower case, as the protocol wants them."""
    method = request.method.encode("utf-8", "surrogateescape")
    host = request.headers.get("host")
    authority = (host if host is not None else request.authority or request.host_field()).encode("utf-8", "surrogateescape")
    fields = _http2_fields(request, is_normalized, is_host_kept=not is_http1(request))
    if asks_for_websocket(request):
        protocol, scheme = WEBSOCKET.encode(), request.scheme.encode()
        pseudo: list[Field] = [(b":method", b"CONNECT"), (b":protocol", protocol), (b":scheme", scheme)]
        pseudo += [(b":authority", authority), (b":path", request.target)]
        fields = [item for item in fields if item[0].lower() != b"sec-websocket-key"]
    elif method == b"CONNECT":
        pseudo = [(b":method", method), (b":authority", request.authority.encode("utf-8", "surrogateescape"))]
    else:
        scheme = request.scheme.encode()
        pseudo = [(b":method", method), (b":scheme", scheme), (b":authority", authority), (b":path", request.target)]
    return pseudo + fields


def http2_response_fields(response: Response, is_normalized: bool) -> list[Field]:
    """A 101 is the 200 that grants an extended CONNECT (RFC 8441 §5); what only HTTP/1 says in one is left out."""
    if response.status_code == 101:
        fields = _http2_fields(response, is_normalized)
        response.not_sent += (b"sec-websocket-accept",) if "sec-websocket-accept" in response.headers else ()
        return [(b":status", b"200"), *(item for item in fields if item[0].lower() != b"sec-websocket-accept")]
    return [(b":status", b"%d" % response.status_code), *_http2_fields(response, is_normalized)]


def http2_trailer_fields(trailers: Headers) -> list[Field]:
    return [(name.lower(), value) for name, value in trailers.fields if name.lower() not in _CONNECTION_FIELDS]


def _http2_fields(message: Message, is_normalized: bool, is_host_kept: bool = True) -> list[Field]:
    fields = message.headers.fields
    if is_normalized:
        fields = [item if item[0] == (lower := item[0].lower()) else (lower, item[1]) for item in fields]
    named = _connection_tokens(fields)
    if named is None and is_host_kept:
        return fields
    kept: list[Field] = []
    dropped: list[bytes] = []
    for item in fields:
        name, value = item
        lower = name.lower()
        if lower in _CONNECTION_FIELDS or (named and lower in named) or (lower == b"te" and value.lower() != b"trailers"):
            dropped.append(name)
        elif lower != b"host" or is_host_kept:
            kept.append(item)
    message.not_sent = tuple(dropped)
    return kept


def _connection_tokens(fields: list[Field]) -> set[bytes] | None:
    """What Connection names; None if there is nothing about the connection at all."""
    tokens: set[bytes] | None = None
    for name, value in fields:
        lower = name.lower()
        if lower in _CONNECTION_FIELDS or lower == b"te":
            tokens = tokens or set()
            if lower == b"connection":
                tokens |= {token.strip(b" \t").lower() for token in value.split(b",")} - {b"te"}
    return tokens
