"""The hooks that scripts may have: which there are, and how each is asked and answered.

    chain ─ request(flow) ─▸ ask(facade) ─▸ handlers of all scripts, in their order ─▸ answer(facade) ─▸ verdict
    recorder, driver ─ a flow or a connection has begun or ended ─▸ handlers; nobody waits for an answer

A new hook about traffic is a line in `DECISIONS` (the chain asks, a verdict is wanted) or a name in `NOTICES` (it is told).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from interceptor.model.hooks import Collect, Drop, Forward, Kill, Respond, Verdict
from interceptor.script.connection import Client
from interceptor.script.flow import Flow
from interceptor.script.http import HTTPFlow, Message
from interceptor.script.messages import Message as Spoken

KILLED: Final = "Killed by a script."

Answer = Callable[..., Verdict | None]


def answer_request(flow: HTTPFlow) -> Verdict | None:
    """What stands where the server's answer would be is the answer."""
    if flow.is_killed:
        return Kill(KILLED)
    return Respond(flow.record.response) if flow.record.response is not None else None


def answer_head(flow: HTTPFlow, message: Message | None) -> Verdict | None:
    if flow.is_killed:
        return Kill(KILLED)
    if message is None or not message.stream:
        return None
    return Forward(Collect.WHOLE if callable(message.stream) else Collect.STREAM)


def answer_response(flow: HTTPFlow) -> Verdict | None:
    return Kill(KILLED) if flow.is_killed else None


def answer_message(flow: Flow, message: Spoken) -> Verdict | None:
    if flow.is_killed:
        return Kill(KILLED)
    if message.dropped:
        return Drop()
    return Forward(data=message.content) if message.content != message.received else None


def answer_dns(flow: Flow) -> Verdict | None:
    """An answer that a script has put there is on the flow."""
    return Kill(KILLED) if flow.is_killed else None


def answer_client(client: Client) -> Verdict | None:
    return Kill(client.error) if client.error else None


DECISIONS: Final[dict[str, Answer]] = {
    "client_connected": answer_client,
    "http_connect": answer_request,
    "requestheaders": lambda flow: answer_head(flow, flow.request),
    "request": answer_request,
    "responseheaders": lambda flow: answer_head(flow, flow.response),
    "response": answer_response,
    "tcp_message": answer_message,
    "udp_message": answer_message,
    "websocket_message": answer_message,
    "dns_request": answer_dns,
    "dns_response": answer_dns,
}
"""Hook -> the verdict on what it was asked about, when all handlers have been called."""

NOTICES: Final = (
    "client_disconnected",
    "server_connect",
    "server_connected",
    "server_connect_error",
    "server_disconnected",
    "error",
    "tcp_start",
    "tcp_end",
    "tcp_error",
    "udp_start",
    "udp_end",
    "udp_error",
    "dns_error",
    "websocket_start",
    "websocket_end",
)
LIFE: Final = ("load", "configure", "running", "done", "update")

NAMES: Final = frozenset((*DECISIONS, *NOTICES, *LIFE))

NOT_HERE: Final = frozenset(
    (
        "next_layer", "tls_clienthello", "tls_start_client", "tls_start_server", "tls_established_client",
        "tls_established_server", "tls_failed_client", "tls_failed_server", "quic_start_client", "quic_start_server",
        "http_connect_upstream", "http_connected", "http_connect_error", "socks5_auth", "add_log",
    )
)  # fmt: skip
"""Hooks of mitmproxy that are not asked here: a script that has one is told so when it is loaded."""
