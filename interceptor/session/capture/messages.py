"""HTTP/1, HTTP/2 and WebSocket as bytes on a connection, piece by piece: what a message says, in the framing of the version.

HTTP/2 is written without compression of fields (RFC 7541 §6.2.2: literals without indexing), which every reader takes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from interceptor.model.body import Body
from interceptor.model.http import Field, Headers, Message, Request, Response

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_PIECE: Final = 1 << 16
_FRAME: Final = 16_384
_DATA, _HEADERS, _SETTINGS, _CONTINUATION = 0, 1, 4, 9
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_OF_THE_CONNECTION: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings", b"host")
)


def pieces(body: Body) -> Iterator[bytes]:
    at, size = 0, body.size
    while at < size and (piece := body.read(at, min(_PIECE, size - at))):
        yield piece
        at += len(piece)


# ---- HTTP/1


def http1_request(request: Request, is_absolute: bool) -> Iterator[bytes]:
    target = request.target
    if is_absolute and request.method != "CONNECT":
        authority = request.authority or request.host_field()
        target = _raw(f"{request.scheme}://{authority}") + target
    fields = list(request.headers.fields)
    if request.host_header is None and request.authority and not request.is_absolute:
        fields.insert(0, (b"Host", _raw(request.authority)))
    version = b"HTTP/1.0" if request.http_version == "HTTP/1.0" else b"HTTP/1.1"
    first = b"%b %b %b\r\n" % (_raw(request.method), target, version)
    yield from _http1(first, fields, request, request.body.size > 0)


def http1_response(response: Response, method: str) -> Iterator[bytes]:
    version = b"HTTP/1.0" if response.http_version == "HTTP/1.0" else b"HTTP/1.1"
    first = b"%b %d %b\r\n" % (version, response.status_code, response.reason)
    yield from _http1(first, list(response.headers.fields), response, has_body(response, method))


def has_body(response: Response, method: str) -> bool:
    status = response.status_code
    return not (method == "HEAD" or status in (204, 304) or status < 200 or (method == "CONNECT" and status < 300))


def ends_with_connection(message: Message) -> bool:
    """Whether the end of a body in HTTP/1 is that of the connection, or is missing."""
    announced = message.headers.get("content-length")
    if announced is not None:
        return announced != str(message.body.size)
    return not _is_chunked(message) and message.http_version.startswith("HTTP/1") and isinstance(message, Response)


def _http1(first: bytes, fields: list[Field], message: Message, is_with_body: bool) -> Iterator[bytes]:
    is_chunked = _is_chunked(message)
    if is_with_body and not is_chunked and "content-length" not in message.headers and not ends_with_connection(message):
        fields.append((b"Transfer-Encoding", b"chunked"))  # it came over HTTP/2, where it needs none
        is_chunked = True
    yield first + b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n"
    if is_with_body and not is_chunked:
        yield from pieces(message.body)
    elif is_with_body or (is_chunked and isinstance(message, Request)):
        for piece in pieces(message.body):
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
        yield b"0\r\n" + bytes(message.trailers or b"") + b"\r\n"


def _is_chunked(message: Message) -> bool:
    return (message.headers.get("transfer-encoding") or "").strip().lower().endswith("chunked")


# ---- HTTP/2


def settings() -> bytes:
    return _frame(_SETTINGS, 0, 0, b"")


def settings_acknowledged() -> bytes:
    return _frame(_SETTINGS, _ACK, 0, b"")


def http2_request(request: Request, stream: int, goes_on: bool = False) -> Iterator[bytes]:
    """`goes_on`: the stream becomes something else."""
    authority = _raw(request.authority or request.host_header or request.host_field())
    pseudo = [(b":method", _raw(request.method)), (b":authority", authority)]
    if request.protocol:
        pseudo = [(b":method", b"CONNECT"), (b":protocol", _raw(request.protocol)), (b":authority", authority)]
    if request.protocol or request.method != "CONNECT":
        pseudo += [(b":scheme", _raw(request.scheme)), (b":path", request.target)]
    yield from _http2(pseudo, request, stream, request.body.size > 0, goes_on)


def http2_response(response: Response, stream: int, method: str, goes_on: bool = False) -> Iterator[bytes]:
    status = 200 if goes_on and response.status_code == 101 else response.status_code
    yield from _http2([(b":status", b"%d" % status)], response, stream, has_body(response, method), goes_on or status < 200)


def http2_data(content: bytes, stream: int) -> bytes:
    parts = [content[start : start + _FRAME] for start in range(0, len(content), _FRAME)]
    return b"".join(_frame(_DATA, 0, stream, part) for part in parts)


def _http2(pseudo: Sequence[Field], message: Message, stream: int, is_with_body: bool, goes_on: bool) -> Iterator[bytes]:
    has_trailers = message.trailers is not None and len(message.trailers) > 0 and not goes_on
    has_data = is_with_body and message.body.size > 0 and not goes_on
    ends = not has_data and not has_trailers and not goes_on
    yield _headers(pseudo, message.headers, stream, ends)
    if has_data:
        left = message.body.size
        for piece in pieces(message.body):
            left -= len(piece)
            frames = [piece[start : start + _FRAME] for start in range(0, len(piece), _FRAME)]
            flags = [0] * (len(frames) - 1) + [_END_STREAM if left <= 0 and not has_trailers else 0]
            yield b"".join(_frame(_DATA, flag, stream, frame) for flag, frame in zip(flags, frames, strict=True))
    if has_trailers and message.trailers is not None:
        yield _headers((), message.trailers, stream, True)


def _headers(pseudo: Iterable[Field], headers: Headers, stream: int, ends: bool) -> bytes:
    fields = [(name.lower(), value) for name, value in headers.fields if name.lower() not in _OF_THE_CONNECTION]
    block = b"".join(b"\x00" + _string(name) + _string(value) for name, value in [*pseudo, *fields])
    parts = [block[start : start + _FRAME] for start in range(0, len(block), _FRAME)] or [b""]
    frames = []
    for number, part in enumerate(parts):
        flags = (_END_STREAM if ends and not number else 0) | (_END_HEADERS if number == len(parts) - 1 else 0)
        frames.append(_frame(_CONTINUATION if number else _HEADERS, flags, stream, part))
    return b"".join(frames)


def _string(raw: bytes) -> bytes:
    return _integer(len(raw)) + raw


def _integer(number: int) -> bytes:
    """RFC 7541 §5.1, with a prefix of seven bits."""
    if number < 127:
        return bytes([number])
    encoded, rest = bytearray([127]), number - 127
    while rest >= 128:
        encoded.append(rest % 128 | 128)
        rest //= 128
    encoded.append(rest)
    return bytes(encoded)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


# ---- WebSocket


def websocket_frame_head(opcode: int, size: int, is_masked: bool) -> bytes:
    """Of a message in one frame. The mask is one of zeros, so that what follows is as it is."""
    mask_bit, mask = (0x80, bytes(4)) if is_masked else (0, b"")
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, mask_bit | size) + mask
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, mask_bit | 126, size) + mask
    return struct.pack("!BBQ", 0x80 | opcode, mask_bit | 127, size) + mask


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
