"""What is compared of a flow: its request, its response and its messages, as they are now or as they were received.

a flow ─▸ Compared (a name for people, messages) ─ two of them ─▸ comparison.compare
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from interceptor.model.body import Body
from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow, TcpMessage, WebSocketMessage
from interceptor.model.http import Request, Response
from interceptor.specs.errors import UserError

MOST_MESSAGES: Final = 5_000
"""More messages of a conversation are not compared."""


@dataclass(frozen=True, slots=True)
class Compared:
    """`name` says which it is. What it has nothing of is None or empty. `seconds` is how long it took, None if nobody knows."""

    name: str
    request: Request | None = None
    response: Response | None = None
    query: DnsMessage | None = None
    answer: DnsMessage | None = None
    messages: Sequence[TcpMessage | WebSocketMessage] = field(default_factory=tuple)
    error: str = ""
    seconds: float | None = None


def as_it_is(flow: Flow, name: str = "") -> Compared:
    """The flow as it is now: messages are copied, so that what happens to it later does not show."""
    name = name or name_of(flow)
    error = flow.error.message if flow.error is not None else ""
    seconds = flow.ended_at - flow.created_at if flow.ended_at is not None and flow.created_at else None
    if isinstance(flow, HttpFlow):
        response = flow.response.copy() if flow.response is not None else None
        said = tuple(flow.websocket.messages[: MOST_MESSAGES + 1]) if flow.websocket is not None else ()
        return Compared(name, flow.request.copy(), response, messages=said, error=error, seconds=seconds)
    if isinstance(flow, DnsFlow):
        return Compared(name, query=flow.request, answer=flow.response, error=error, seconds=seconds)
    if isinstance(flow, TcpFlow):
        return Compared(name, messages=tuple(flow.messages[: MOST_MESSAGES + 1]), error=error, seconds=seconds)
    raise UserError(f"flows of the kind {flow.kind!r} cannot be compared")


def as_received(flow: Flow) -> Compared:
    """The flow as it was before anybody edited it. UserError if nobody did, or that is not kept."""
    name = f"{flow.id} as received"
    if isinstance(flow, HttpFlow) and flow.original is not None:
        request, response = flow.original
        # a response that came after the request was edited, and was not edited itself, is the one that there is
        kept = response if response is not None else flow.response
        return Compared(name, request.copy(), kept.copy() if kept is not None else None)
    if isinstance(flow, DnsFlow) and flow.original is not None:
        query, answer = flow.original
        return Compared(name, query=query, answer=answer or flow.response)
    if isinstance(flow, TcpFlow) and any(each.original is not None for each in flow.messages):
        return Compared(name, messages=[_as_received(each) for each in flow.messages[: MOST_MESSAGES + 1]])
    raise UserError("this flow is as it was received" if not flow.is_modified else "what was received is not kept")


def _as_received(message: TcpMessage) -> TcpMessage:
    body: Body = message.original if message.original is not None else message.body
    return TcpMessage(message.from_client, body, message.timestamp)


def name_of(flow: Flow) -> str:
    """The number, and in a few words what was asked."""
    if isinstance(flow, HttpFlow):
        return f"{flow.id} {flow.request.method} {flow.request.pretty_url}"
    if isinstance(flow, DnsFlow):
        return f"{flow.id} DNS {flow.request.type_name} {flow.request.name}"
    peer = flow.server.peer if flow.server is not None else None
    return f"{flow.id} {flow.kind.upper()}" + (f" {peer[0]}:{peer[1]}" if peer is not None else "")
