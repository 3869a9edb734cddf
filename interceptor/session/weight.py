"""What a flow takes in memory, about; and how its bodies are moved out of it.

The figures are Python's own object sizes, rounded: they need not be exact, but a flow with much in it must weigh much.
Bodies that are moved share spooled bodies of their own, since each of them is small: a shelf is freed when its last slice is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from interceptor.model.body import MemoryBody
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow
from interceptor.model.http import Message
from interceptor.session.fields import FIELD_BYTES, FieldPool
from interceptor.session.messages import MessageLog, WebSocketLog
from interceptor.session.spool import BodySlice, Spool

FLOW_BYTES: Final = 1_200
"""An HTTP flow with a request and a response, without their fields and bodies, and its places in the store and one view."""
_MESSAGE_BYTES: Final = 300  # of a raw conversation that was loaded, or a WebSocket, but for its content


def bytes_of(flow: Flow, pool: FieldPool | None = None) -> int:
    """About how many bytes of memory it takes. O(fields), and O(messages) only for conversations that were loaded. With a `pool`,
    for a flow that has ended, its fields are shared with others from now on, and count only where they are new."""
    weight = FLOW_BYTES
    if isinstance(flow, HttpFlow):
        for message in _messages(flow):
            if pool is not None:
                weight += pool.share(message.headers.fields)
            else:
                for name, value in message.headers.fields:
                    weight += FIELD_BYTES + len(name) + len(value)
            if type(message.body) is MemoryBody:
                weight += message.body.size
        if flow.original is not None:
            weight -= _shared_bytes(flow)
        weight += len(flow.request.target)
        if flow.websocket is not None:
            spoken = flow.websocket.messages
            if type(spoken) is WebSocketLog:
                weight += spoken.bytes_in_memory
                weight += sum(each.body.size for each in spoken.long_messages() if type(each.body) is MemoryBody)
            else:
                weight += sum(_MESSAGE_BYTES + each.body.size for each in spoken)
    elif isinstance(flow, DnsFlow):
        weight += flow.bytes_held()
    elif isinstance(flow, TcpFlow):
        if type(flow.messages) is MessageLog:
            weight += flow.messages.bytes_in_memory
        else:
            weight += sum(_MESSAGE_BYTES + each.body.size for each in flow.messages)
    return weight


def _shared_bytes(flow: HttpFlow) -> int:
    """Of bodies that are still as they were received, and were counted twice."""
    request, response = flow.original or (None, None)
    pairs = (request, flow.request), (response, flow.response)
    shared = [now.body for kept, now in pairs if kept is not None and now is not None and kept.body is now.body]
    return sum(body.size for body in shared if type(body) is MemoryBody)


def move_bodies(flows: Iterable[Flow], spool: Spool) -> bool:
    """Puts the bodies in memory of these flows, which have ended, on a shelf in the spool. False if there was no room: then
    nothing has changed."""
    places: list[tuple[Callable[[BodySlice], None], int, int]] = []
    shelf = spool.new_body()
    for body, place in _bodies_in_memory(flows):
        places.append((place, shelf.size, body.size))
        shelf.append(body.read())
    shelf.finish()
    shelf.settle()  # else a disk that fails would take the only copies
    if shelf.is_truncated:
        return False
    for place, start, size in places:
        place(BodySlice(shelf, start, size))
    return True


def _bodies_in_memory(flows: Iterable[Flow]) -> Iterator[tuple[MemoryBody, Callable[[BodySlice], None]]]:
    for flow in flows:
        if isinstance(flow, HttpFlow):
            for message in _messages(flow):
                if type(message.body) is MemoryBody and message.body.size and not message.body.is_truncated:
                    yield message.body, _place_of(message)
            if flow.websocket is not None and type(flow.websocket.messages) is WebSocketLog:
                yield from _contents_in_memory(flow.websocket.messages)
        elif isinstance(flow, TcpFlow) and type(flow.messages) is MessageLog:
            yield from _contents_in_memory(flow.messages)


def _contents_in_memory(log: MessageLog | WebSocketLog) -> Iterator[tuple[MemoryBody, Callable[[BodySlice], None]]]:
    if log.contents.bytes_in_memory:
        yield MemoryBody(log.contents.read()), log.contents.move_to


def _place_of(message: Message) -> Callable[[BodySlice], None]:
    def place(body: BodySlice) -> None:
        message.body = body

    return place


def _messages(flow: HttpFlow) -> Iterator[Message]:
    yield flow.request
    if flow.response is not None:
        yield flow.response
    if flow.original is not None:
        request, response = flow.original
        yield request
        if response is not None:
            yield response
