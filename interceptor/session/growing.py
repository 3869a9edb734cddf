"""Bodies while they are recorded: in memory, and from `SPOOL_FROM` bytes on in the spool."""

from __future__ import annotations

from collections.abc import Sequence

from interceptor.model.body import SPOOL_FROM, Body, MemoryBody
from interceptor.model.flow import Flow, HttpFlow, TcpFlow, WebSocketMessage
from interceptor.model.http import Message
from interceptor.session.messages import MessageLog, WebSocketLog
from interceptor.session.spool import Spool, SpooledBody


def announces_much(message: Message) -> bool:
    """Its Content-Length says that it belongs on the spool. Seen once for each body, so without building anything."""
    for name, value in message.headers.fields:
        if len(name) == 14 and len(value) >= 6 and name.lower() == b"content-length":
            return value.isdigit() and len(value) < 20 and int(value) >= SPOOL_FROM
    return False


def spooled(spool: Spool, body: MemoryBody) -> SpooledBody:
    spooled = spool.new_body()
    if body.size:
        spooled.append(body.read())
    return spooled


def count_spoken(flow: Flow, from_client: bool, size: int) -> None:
    if isinstance(flow, HttpFlow) and flow.websocket is not None:
        if from_client:
            flow.websocket.bytes_from_client += size
        else:
            flow.websocket.bytes_from_server += size


def moved(flow: Flow, old: MemoryBody, new: SpooledBody) -> SpooledBody:
    """`new`, also where the flow keeps what was received: until a body is edited, both are one."""
    if isinstance(flow, HttpFlow) and flow.original is not None:
        for kept in flow.original:
            if kept is not None and kept.body is old:
                kept.body = new
    return new


def growing_bodies(flow: Flow) -> Sequence[SpooledBody]:
    """What may hold a tail in memory that is not on disk yet."""
    if isinstance(flow, HttpFlow):
        bodies = [flow.request.body, flow.response.body if flow.response is not None else None]
        if flow.websocket is not None and type(flow.websocket.messages) is WebSocketLog:
            flow.websocket.messages.contents.finish()
            bodies += [each.body for each in flow.websocket.messages.long_messages()]
        return [body for body in bodies if type(body) is SpooledBody]
    if isinstance(flow, TcpFlow) and type(flow.messages) is MessageLog:
        flow.messages.contents.finish()
    return ()


def replace_body(flow: Flow, old: Body, new: Body) -> None:
    """Wherever the flow has that handle."""
    for message in _messages_of(flow):
        if message.body is old:
            message.body = new


def bodies_of(flow: Flow) -> Sequence[Body]:
    """Of its messages, but for those of conversations that share one."""
    return [message.body for message in _messages_of(flow)]


def _messages_of(flow: Flow) -> Sequence[Message | WebSocketMessage]:
    if not isinstance(flow, HttpFlow):
        return ()
    kept = flow.original or (None, None)
    messages: list[Message | WebSocketMessage | None] = [flow.request, flow.response, *flow.informational, *kept]
    if flow.websocket is not None and type(flow.websocket.messages) is WebSocketLog:
        messages += flow.websocket.messages.long_messages()
    return [message for message in messages if message is not None]
