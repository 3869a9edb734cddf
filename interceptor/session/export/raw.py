"""Messages as HTTP/1 writes them, or the bytes of a raw conversation.

The bodies are decoded, as mitmproxy's are: who exports a message wants to read it. Content-Encoding goes then, and
Content-Length follows; a chunked body is one chunk, its trailers behind it. A body whose coding is unknown or damaged, or that
claims to be beyond belief, stays as it was. HTTP/2 and 3 are written as HTTP/1.1, with the Host that they say in `:authority`,
and with what asks for a WebSocket there.
"""

from __future__ import annotations

from typing import Final

from interceptor.model.encoding import credible_size, decode_content
from interceptor.model.flow import Flow, HttpFlow, TcpFlow, WebSocketData
from interceptor.model.http import Message, Request, Response
from interceptor.options import Options
from interceptor.session.export.outgoing import handshake_fields, http_flow
from interceptor.specs.errors import UserError

_DECODED_LIMIT: Final = 1 << 28


def raw(flow: Flow, options: Options) -> bytes:
    """Request and response, an empty line between them, then the messages of a WebSocket."""
    if isinstance(flow, TcpFlow):
        return _conversation(flow, (True, False))
    http = http_flow(flow)
    if http.response is None:
        raise UserError("this flow has no response; raw_request exports its request alone")
    parts = [_request(http.request), _response(http)]
    if http.websocket is not None:
        parts.append(_websocket(http.websocket))
    return b"\r\n\r\n".join(parts)


def raw_request(flow: Flow, options: Options) -> bytes:
    return _conversation(flow, (True,)) if isinstance(flow, TcpFlow) else _request(http_flow(flow).request)


def raw_response(flow: Flow, options: Options) -> bytes:
    return _conversation(flow, (False,)) if isinstance(flow, TcpFlow) else _response(http_flow(flow))


def _conversation(flow: TcpFlow, directions: tuple[bool, ...]) -> bytes:
    return b"".join(each.body.read() for each in flow.messages if each.from_client in directions and not each.is_dropped)


def _request(request: Request) -> bytes:
    target = request.target
    if request.is_absolute and request.method != "CONNECT":
        authority = request.authority or request.host_field()
        target = _bytes(f"{request.scheme}://{authority}") + target
    first = b"%b %b %b\r\n" % (_bytes(request.method), target, _version(request))
    message = request.copy()
    if request.host_header is None and request.authority and not request.is_absolute:
        message.headers.fields.insert(0, (b"Host", _bytes(request.authority)))
    message.headers.fields += handshake_fields(request)
    return first + _rest(message)


def _response(flow: HttpFlow) -> bytes:
    if flow.response is None:
        raise UserError("this flow has no response")
    response: Response = flow.response.copy()
    is_bodyless = flow.request.method == "HEAD" or response.status_code in (204, 304) or response.status_code < 200
    first = b"%b %d %b\r\n" % (_version(response), response.status_code, response.reason)
    return first + _rest(response, is_bodyless)


def _rest(message: Message, is_bodyless: bool = False) -> bytes:
    """Header, empty line, body. Changes the headers of `message`."""
    if message.body.is_truncated:
        raise UserError("the body was not kept as a whole")
    headers, content = message.headers, message.body.read()
    if is_bodyless and not content:
        return bytes(headers) + b"\r\n"
    if coding := headers.get("content-encoding"):
        try:
            content = decode_content(content, coding, credible_size(len(content), _DECODED_LIMIT))
        except ValueError:
            pass
        else:
            headers.remove("content-encoding")
            if "content-length" in headers:
                headers["Content-Length"] = str(len(content))
    if (headers.get("transfer-encoding") or "").strip().lower() == "chunked":
        chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
        return bytes(headers) + b"\r\n" + chunk + b"0\r\n" + bytes(message.trailers or b"") + b"\r\n"
    return bytes(headers) + b"\r\n" + content


def _websocket(websocket: WebSocketData) -> bytes:
    """A line for each message that was sent on."""
    lines = [
        (b"[OUTGOING] " if message.from_client else b"[INCOMING] ") + message.body.read()
        for message in websocket.messages
        if not message.is_dropped and not message.is_control
    ]
    return b"\n".join(lines)


def _version(message: Message) -> bytes:
    return b"HTTP/1.0" if message.http_version == "HTTP/1.0" else b"HTTP/1.1"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
