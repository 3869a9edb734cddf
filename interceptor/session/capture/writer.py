"""Flows as a capture: what might have been seen on the wire, had it not been encrypted.

    flow ─▸ its leg to the client and its leg to the server ─▸ TCP with TLS around what was secret, UDP ─▸ pcapng

Both legs are made up from what was recorded, since the packets were not. Messages have their true times; the packets of a
connection stand in the order of its flows, one after the other, also where streams of HTTP/2 ran beside each other. A flow that
failed, or whose body was not kept, ends its connection. The writer remembers a thousand connections at most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

from interceptor import __version__
from interceptor.model.body import Body
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import Flow, HttpFlow, TcpFlow, UdpFlow, WebSocketData
from interceptor.model.http import Message, Response
from interceptor.session.capture import messages
from interceptor.session.capture.legs import INTERFACES, Leg, Names, ends_of
from interceptor.session.capture.packets import datagram
from interceptor.session.capture.pcapng import Output, PcapngFile
from interceptor.session.capture.tls_records import client_random

_MOST_OPEN: Final = 1000
_MOST_RANDOMS: Final = 100_000
_NEWER: Final = ("HTTP/2", "HTTP/3")


class CaptureWriter:
    """`write` each flow, then `close`; the stream stays open. `key_log` gives the lines of a TLS key log: those of connections
    that flows came over go into the file as well, for who has their packets."""

    def __init__(self, stream: Output, key_log: Iterable[bytes] = ()) -> None:
        self._file = PcapngFile(stream, INTERFACES, f"interceptor {__version__}")
        self._names = Names(self._file)
        self._legs: OrderedDict[Connection, Leg] = OrderedDict()
        self._count = 0
        self._key_log = key_log
        self._randoms: set[bytes] = set()

    def write(self, flow: Flow) -> bool:
        """False for a kind of flow that is not known here."""
        for connection in (flow.client, flow.server):
            if connection is not None and connection.tls is not None and len(self._randoms) < _MOST_RANDOMS:
                self._randoms.add(client_random(connection.tls.hello).hex().encode())
        match flow:
            case HttpFlow():
                for leg, is_client in self._legs_of(flow):
                    _Exchange(flow, leg, is_client).write()
            case UdpFlow():
                self._datagrams(flow)
            case TcpFlow():
                for leg, is_client in self._legs_of(flow):
                    self._conversation(flow, leg, is_client)
            case _:
                return False
        return True

    def close(self) -> None:
        for leg in self._legs.values():
            leg.close(0.0)
        self._legs.clear()
        lines = [line for line in self._key_log if line.split(b" ", 2)[1:2] and line.split(b" ", 2)[1] in self._randoms]
        if lines:
            self._file.secrets(b"".join(line.rstrip(b"\r\n") + b"\n" for line in lines))

    def _legs_of(self, flow: Flow) -> Iterator[tuple[Leg, bool]]:
        is_tunnel = isinstance(flow, HttpFlow) and flow.request.method == "CONNECT"  # which only we were asked for
        client, server = flow.client, None if is_tunnel and flow.client is not None else flow.server
        if client is None and server is None:
            server = _made_up(flow)
        if client is not None:
            yield self._leg(client), True
        if server is not None:
            yield self._leg(server), False

    def _leg(self, connection: Connection) -> Leg:
        leg = self._legs.get(connection)
        if leg is None:
            self._count += 1
            leg = self._legs[connection] = Leg(self._file, self._names, connection, self._count)
            if len(self._legs) > _MOST_OPEN:
                self._legs.popitem(last=False)[1].close(0.0)
        self._legs.move_to_end(connection)
        return leg

    def _conversation(self, flow: TcpFlow, leg: Leg, is_client: bool) -> None:
        connection = flow.client if is_client else flow.server
        if connection is not None and connection.tls is not None:
            leg.secure(connection.tls.alpn)
        for message in flow.messages:
            body = _on_leg(
                message.from_client, is_client, message.is_dropped, message.is_injected, message.body, message.original
            )
            if body is not None:
                for piece in messages.pieces(body):
                    leg.send(message.from_client, piece, message.timestamp)
        leg.close(flow.ended_at or 0.0, is_reset=flow.error is not None)

    def _datagrams(self, flow: UdpFlow) -> None:
        for is_client, connection in ((True, flow.client), (False, flow.server)):
            if connection is None:
                continue
            self._count += 1
            asks, asked = ends_of(connection, self._names, self._count)
            for message in flow.messages:
                body = _on_leg(
                    message.from_client, is_client, message.is_dropped, message.is_injected, message.body, message.original
                )
                if body is not None:
                    source, target = (asks, asked) if message.from_client else (asked, asks)
                    self._file.packet(0 if is_client else 1, message.timestamp, datagram(source, target, body.read()))


class _Exchange:
    """A request and its response, and what follows them, on one leg."""

    def __init__(self, flow: HttpFlow, leg: Leg, is_client: bool) -> None:
        self._flow, self._leg, self._is_client = flow, leg, is_client
        self._is_http2 = _is_http2(flow, is_client)
        self._stream = 0

    def write(self) -> None:
        flow, leg, request = self._flow, self._leg, self._flow.request
        connection = flow.client if self._is_client else flow.server
        is_secret = connection.tls is not None if connection is not None else request.scheme == "https"
        began = request.timestamp_start or flow.created_at
        if is_secret and request.method != "CONNECT":
            if self._is_client and not leg.is_begun and flow.mode.startswith("regular"):
                self._ask_for_tunnel(began)
            leg.secure(b"h2" if self._is_http2 else b"http/1.1")
        sent = request.timestamp_end or began
        if flow.comment:
            leg.say(flow.comment)
        if self._is_http2:
            wanted = flow.client_stream if self._is_client else flow.server_stream
            self._stream = leg.http2_stream(wanted, began)
            head = messages.http2_request(request, self._stream, bool(request.protocol))
        else:
            head = messages.http1_request(request, request.is_absolute and self._is_client)
        self._put(True, head, began, sent)
        for each in flow.informational:
            self._respond(each, each.timestamp_start or sent, each.timestamp_start or sent)
        if flow.response is None:
            leg.close(flow.ended_at or sent, is_reset=True, from_client=False)
            return
        answered = flow.response.timestamp_start or sent
        ended = flow.response.timestamp_end or answered
        self._respond(flow.response, answered, ended)
        if flow.websocket is not None:
            self._spoken(flow.websocket)
            leg.close(flow.ended_at or ended)
        elif self._ends_connection(flow.response):
            leg.close(ended, is_reset=flow.error is not None, from_client=False)

    def _ask_for_tunnel(self, at: float) -> None:
        """In this mode that is how secrets come to us; without it nobody would look for TLS on such a port."""
        where = self._flow.request.origin.authority.encode("utf-8", "replace")
        self._leg.send(True, b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (where, where), at)
        self._leg.send(False, b"HTTP/1.1 200 Connection established\r\n\r\n", at)

    def _ends_connection(self, response: Message) -> bool:
        flow = self._flow
        is_broken = flow.error is not None or flow.request.body.is_truncated or response.body.is_truncated
        if self._is_http2:
            return is_broken
        has_body = flow.response is not None and messages.has_body(flow.response, flow.request.method)
        return is_broken or (has_body and messages.ends_with_connection(response)) or _says_close(flow.request, response)

    def _respond(self, response: Response, answered: float, ended: float) -> None:
        method = self._flow.request.method
        if self._is_http2:
            goes_on = self._flow.websocket is not None or method == "CONNECT"
            parts = messages.http2_response(response, self._stream, method, goes_on)
        else:
            parts = messages.http1_response(response, method)
        self._put(False, parts, answered, ended)

    def _put(self, from_client: bool, parts: Iterable[bytes], began: float, ended: float) -> None:
        at = began
        for part in parts:
            self._leg.send(from_client, part, at)
            at = ended

    def _spoken(self, websocket: WebSocketData) -> None:
        for each in websocket.messages:
            body = _on_leg(each.from_client, self._is_client, each.is_dropped, each.is_injected, each.body, each.original)
            if body is None:
                continue
            parts: Iterable[bytes] = messages.pieces(body)
            for part in (messages.websocket_frame_head(int(each.opcode), body.size, each.from_client), *parts):
                framed = messages.http2_data(part, self._stream) if self._is_http2 else part
                self._leg.send(each.from_client, framed, each.timestamp)


def _is_http2(flow: HttpFlow, is_client: bool) -> bool:
    """HTTP/3 is shown as that, too: its packets are beyond what can be made up."""
    if is_client and flow.client_stream:
        return True
    if not is_client and (flow.server_stream or flow.client_stream):
        return bool(flow.server_stream)
    message: Message = flow.request if is_client or flow.response is None else flow.response
    return message.http_version.startswith(_NEWER) and flow.request.method != "CONNECT"


def _says_close(*parts: Message) -> bool:
    return any("close" in (part.headers.get("connection") or "").lower() for part in parts)


def _on_leg(
    from_client: bool, is_client: bool, is_dropped: bool, is_injected: bool, body: Body, original: Body | None
) -> Body | None:
    """What of a message was on that leg: near its sender what was received, beyond us what was sent on."""
    if from_client is is_client:
        return None if is_injected else original or body
    return None if is_dropped else body


def _made_up(flow: Flow) -> Connection:
    if isinstance(flow, HttpFlow):
        return Connection(Side.SERVER, (flow.request.host, flow.request.port))
    return Connection(Side.SERVER)
