"""What a connection becomes when a server grants what the client asked for (RFC 9110 §7.8)."""

from __future__ import annotations

from interceptor.model.flow import HttpFlow


def is_websocket(flow: HttpFlow) -> bool:
    """Whether what was asked for and granted is a WebSocket (RFC 6455 §4)."""
    response = flow.response
    return (
        response is not None
        and response.status_code == 101
        and flow.request.method == "GET"
        and (flow.request.headers.get("upgrade") or "").strip().lower() == "websocket"
        and (response.headers.get("upgrade") or "").strip().lower() == "websocket"
    )
