"""What a connection becomes when a server grants what the client asked for (RFC 9110 §7.8), and how HTTP/2 asks for a WebSocket.

    HTTP/2: CONNECT, :protocol websocket ─▸ Request(GET, protocol="websocket") ─▸ HTTP/1: GET, Upgrade, a key of our own
    HTTP/2: 200, without what is HTTP/1's ◂─ Response(101) ◂──────────────────── HTTP/1: 101, Upgrade, the key's answer

A stream becomes the WebSocket as a connection does (RFC 8441); what is said in it is the same, masks included.
"""

from __future__ import annotations

from typing import Final

from interceptor.model.flow import HttpFlow
from interceptor.model.http import Field, Headers, Request, Response

WEBSOCKET: Final = "websocket"


def is_websocket(flow: HttpFlow) -> bool:
    """Whether what was asked for and granted is a WebSocket (RFC 6455 §4)."""
    response = flow.response
    return (
        response is not None
        and response.status_code == 101
        and flow.request.method == "GET"
        and (flow.request.protocol == WEBSOCKET or _upgrades_to_websocket(flow.request.headers))
        and _upgrades_to_websocket(response.headers)
    )


def _upgrades_to_websocket(headers: Headers) -> bool:
    return (headers.get("upgrade") or "").strip().lower() == WEBSOCKET


def asks_for_websocket(request: Request) -> bool:
    """In either form."""
    return bool(request.protocol) or (request.method == "GET" and _upgrades_to_websocket(request.headers))


def misleads(flow: HttpFlow) -> str:
    """Why that response may not be passed on to who sent an extended CONNECT, who would take it for what it is not."""
    response = flow.response
    if response is None or not flow.request.protocol or is_websocket(flow):
        return ""
    status = response.status_code
    if status == 101:
        return "The server switches to another protocol than WebSocket, which is what the client asked for."
    if 200 <= status < 300:
        return f"The server did not open a WebSocket: it answered {status}, which would open one over HTTP/2."
    return ""


def http1_handshake(request: Request) -> list[Field]:
    """What HTTP/1 wants in a request for a WebSocket beside the fields that an extended CONNECT has (RFC 6455 §4.1)."""
    from wsproto.utilities import generate_nonce

    fields = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
    if "sec-websocket-key" not in request.headers:
        fields.append((b"sec-websocket-key", generate_nonce()))
    if "sec-websocket-version" not in request.headers:
        fields.append((b"sec-websocket-version", b"13"))
    return fields


def grant_in_http1(request: Request, response: Response) -> None:
    """Makes the response that grants an extended CONNECT the 101 that grants the same in HTTP/1."""
    response.status_code = 101
    added = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
    if "sec-websocket-key" in request.headers:
        added.append((b"sec-websocket-accept", accept_of(request.headers.fields).encode()))
    response.headers.fields = [*added, *response.headers.fields]


def accept_of(fields: list[Field]) -> str:
    """What a server answers to the key among these fields."""
    from wsproto.utilities import generate_accept_token

    key = Headers(fields).get("sec-websocket-key") or ""
    return generate_accept_token(key.encode("utf-8", "surrogateescape")).decode("ascii")
