"""A flow as bytes for the session file, and back.

    Flow ─ Packed ─▸ parts, and large bodies that stand for a part each ─▸ writer: hashes these, joins ─▸ record
    record ─ unpacked(parts, Sources) ─▸ Flow

`Packed` is immutable: it is made in the thread that owns the flow, and may be finished in another one while the flow changes. A
body below `INLINE_BELOW` stands in the record, a larger one is named by its digest. Everything that a flow knows is kept but
where it is held, since nobody holds it after a restart. A record says how it is made in its first number, so that an old one can
always be read.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Protocol

from interceptor.model.arrivals import Arrivals
from interceptor.model.body import Body, MemoryBody, UnkeptBody
from interceptor.model.connection import Connection
from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow, Flow, FlowError, HttpFlow, TcpFlow, UdpFlow, WebSocketData
from interceptor.model.http import Headers, Message, Request, Response
from interceptor.session.conversation_record import pack_messages, unpacked_messages, unpacked_socket_messages
from interceptor.session.record_parts import Malformed, Parts, as_bytes, joined, table_bytes, texts_bytes
from interceptor.session.spool import BodySlice, SpooledBody
from interceptor.session.stored_body import DIGEST_BYTES, StoredBody

FORMAT: Final = 1
INLINE_BELOW: Final = 2_048

_FLOW: Final = struct.Struct("<BBHQQQddQ")  # format, kind, flags, id, client, server, created, ended, replay of
_HTTP: Final = struct.Struct("<BQQI")  # flags, client's stream, server's stream, 1xx responses
_MESSAGE: Final = struct.Struct("<BBIqdd")  # flags, how its body is kept, fields, port or status, start, end
_SOCKET: Final = struct.Struct("<bqqqd")  # who closed, code, bytes from client and server, end
_TCP: Final = struct.Struct("<QQ")
_DNS: Final = struct.Struct("<Bdddd")  # flags, times of request, response, and both as received
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1

_KINDS: Final[dict[str, int]] = {"http": 0, "tcp": 1, "udp": 2, "dns": 3}
_IS_LIVE, _IS_MODIFIED, _HAS_MORE, _IS_UNKNOWN_REPLAY = 1, 2, 4, 8
_HAS_RESPONSE, _IS_UPGRADED, _HAS_SOCKET, _HAS_ORIGINAL, _HAS_ORIGINAL_RESPONSE = 1, 2, 4, 8, 16
_HAS_TRAILERS, _HAS_NOT_SENT, _HAS_ARRIVALS, _IS_ABSOLUTE, _ODD_FIELDS = 1, 2, 4, 8, 16
EMPTY, INLINE, NAMED, TRUNCATED = 0, 1, 2, 4  # how a body is kept; TRUNCATED with either
NOT_OVER: Final = "It was still running when the program ended."


class ConnectionNumbers(Protocol):
    def __call__(self, connection: Connection | None, /) -> int:
        """The number of a connection in the session; 0 for None."""
        ...


class Sources(Protocol):
    """Where what a record only names comes from."""

    def connection(self, number: int) -> Connection | None: ...
    def body(self, digest: bytes, size: int, is_truncated: bool) -> Body: ...
    def new_spooled(self) -> SpooledBody: ...


class Packed:
    """`bodies`: which parts are to be replaced by digest and size of which body."""

    __slots__ = ("bodies", "flow_id", "inline_below", "parts")

    def __init__(self, flow_id: int, inline_below: int = INLINE_BELOW) -> None:
        self.flow_id = flow_id
        self.inline_below = inline_below  # of bodies in memory; others are read from the disk for it
        self.parts: list[bytes] = []
        self.bodies: list[tuple[int, Body]] = []

    def body(self, body: Body, is_growing: bool = False) -> int:
        """Adds the part that a body is; how it is kept."""
        size = body.size
        truncated = TRUNCATED if body.is_truncated else 0
        if not size:
            self.parts.append(b"")
            return EMPTY | truncated
        if type(body) is StoredBody:
            self.parts.append(body.digest + size.to_bytes(8, "little"))
            return NAMED | truncated
        if size < INLINE_BELOW or (size < self.inline_below and type(body) is MemoryBody):
            self.parts.append(body.read())
            return INLINE | truncated
        if is_growing:
            body = MemoryBody(body.read()) if type(body) is MemoryBody else BodySlice(body, 0, size)
        self.bodies.append((len(self.parts), body))
        self.parts.append(b"")
        return NAMED | truncated


@dataclass(slots=True)
class _More:
    """What few flows have, as JSON."""

    values: dict[str, Any]

    def add(self, name: str, value: Any) -> None:
        if value:
            self.values[name] = value


def packed(flow: Flow, number: ConnectionNumbers, inline_below: int = INLINE_BELOW) -> Packed:
    record = Packed(flow.id, inline_below)
    more = _more(flow)
    flags = (_IS_LIVE if flow.is_live else 0) | (_IS_MODIFIED if flow.is_modified else 0) | (_HAS_MORE if more else 0)
    if flow.replay_of == 0:
        flags |= _IS_UNKNOWN_REPLAY
    numbers = (
        FORMAT, _KINDS[flow.kind], flags, flow.id, number(flow.client), number(flow.server), flow.created_at,
        _time(flow.ended_at), flow.replay_of or 0,
    )  # fmt: skip
    record.parts.append(_FLOW.pack(*numbers))
    record.parts.append(as_bytes(flow.mode))
    if more:
        record.parts.append(more)
    if isinstance(flow, HttpFlow):
        _pack_http(record, flow)
    elif isinstance(flow, DnsFlow):
        _pack_dns(record, flow)
    elif isinstance(flow, TcpFlow):
        record.parts.append(_TCP.pack(flow.message_count, flow.byte_count))
        pack_messages(record, flow.messages, flow.is_live)
    return record


def _more(flow: Flow) -> bytes:
    if not (flow.marker or flow.comment or flow.error or flow.metadata):
        return b""
    more: dict[str, Any] = {}
    if flow.marker:
        more["marker"] = flow.marker
    if flow.comment:
        more["comment"] = flow.comment
    if flow.error is not None:
        more["error"] = [flow.error.message, flow.error.timestamp]
    if flow.metadata:
        try:
            more["metadata"] = {str(key): value for key, value in flow.metadata.items()}
            return json.dumps(more, default=str).encode()
        except (ValueError, TypeError, RecursionError):  # a script put something in that refers to itself
            more["metadata"] = {str(key): repr(value) for key, value in flow.metadata.items()}
    return json.dumps(more).encode()


def _pack_http(record: Packed, flow: HttpFlow) -> None:
    response, socket, original = flow.response, flow.websocket, flow.original
    flags = (
        (_HAS_RESPONSE if response is not None else 0)
        | (_IS_UPGRADED if flow.is_upgraded else 0)
        | (_HAS_SOCKET if socket is not None else 0)
    )
    if original is not None:
        flags |= _HAS_ORIGINAL | (_HAS_ORIGINAL_RESPONSE if original[1] is not None else 0)
    record.parts.append(_HTTP.pack(flags, flow.client_stream, flow.server_stream, len(flow.informational)))
    _pack_message(record, flow.request, flow.is_live)
    if response is not None:
        _pack_message(record, response, flow.is_live)
    for each in flow.informational:
        _pack_message(record, each, flow.is_live)
    if original is not None:
        _pack_message(record, original[0], flow.is_live)
        if original[1] is not None:
            _pack_message(record, original[1], flow.is_live)
    if socket is not None:
        closer = -1 if socket.closed_by_client is None else int(socket.closed_by_client)
        code = -1 if socket.close_code is None else socket.close_code
        spoken = socket.bytes_from_client, socket.bytes_from_server
        record.parts.append(_SOCKET.pack(closer, code, *spoken, _time(socket.timestamp_end)))
        record.parts.append(as_bytes(socket.close_reason))
        pack_messages(record, socket.messages, flow.is_live)


def _pack_dns(record: Packed, flow: DnsFlow) -> None:
    messages = flow.request, flow.response, *(flow.original or (None, None))
    flags = (
        (_HAS_RESPONSE if messages[1] is not None else 0)
        | (_HAS_ORIGINAL if messages[2] is not None else 0)
        | (_HAS_ORIGINAL_RESPONSE if messages[3] is not None else 0)
    )
    record.parts.append(_DNS.pack(flags, *(each.timestamp if each is not None else 0.0 for each in messages)))
    record.parts += [each.wire for each in messages if each is not None]


def _pack_message(record: Packed, message: Message, is_live: bool) -> None:
    parts = record.parts
    fields = message.headers.fields
    place = len(parts)
    parts.append(b"")
    kept = record.body(message.body, is_live)
    if isinstance(message, Request):
        number = message.port
        flags = _IS_ABSOLUTE if message.is_absolute else 0
        texts = message.http_version, message.method, message.scheme, message.host, message.authority, message.protocol
        parts += (texts_bytes(*texts), message.target)
    else:
        assert isinstance(message, Response)
        number, flags = message.status_code, 0
        parts += (as_bytes(message.http_version), message.reason)
    if message.trailers is not None:
        flags |= _HAS_TRAILERS
    if message.not_sent:
        flags |= _HAS_NOT_SENT
    if message.arrivals is not None:
        flags |= _HAS_ARRIVALS
    blob = b"\n".join(chain.from_iterable(fields))
    if blob.count(b"\n") != max(2 * len(fields) - 1, 0):
        blob = joined([*chain.from_iterable(fields)])
        flags |= _ODD_FIELDS
    parts[place] = _MESSAGE.pack(
        flags, kept, len(fields), min(max(number, _LEAST), _MOST), message.timestamp_start, _time(message.timestamp_end)
    )
    parts.append(blob)
    if flags & (_HAS_TRAILERS | _HAS_NOT_SENT | _HAS_ARRIVALS):
        _pack_rare(parts, message)


def _pack_rare(parts: list[bytes], message: Message) -> None:
    if message.trailers is not None:
        parts.append(joined([*chain.from_iterable(message.trailers.fields)]))
    if message.not_sent:
        parts.append(joined(message.not_sent))
    if message.arrivals is not None:
        ends, times = message.arrivals.tables()
        parts += (table_bytes(ends), table_bytes(times))


def _time(moment: float | None) -> float:
    return math.nan if moment is None else moment


# ---- and back


def unpacked(record: bytes, sources: Sources) -> Flow:
    """The flow of that record. `Malformed` if it is none."""
    parts = Parts(record)
    try:
        return _Reader(parts, sources).flow()
    except (ValueError, OverflowError, TypeError, LookupError, RecursionError) as error:
        raise error if isinstance(error, Malformed) else Malformed(f"a flow in it makes no sense: {error}") from error


def connections_in(record: bytes) -> tuple[int, int]:
    """The numbers of the client's and the server's in the record of a flow; 0 for none."""
    _, _, _, _, client, server, *_ = Parts(record).numbers(_FLOW)
    return client, server


class _Reader:
    def __init__(self, parts: Parts, sources: Sources) -> None:
        self._parts, self._sources = parts, sources

    def flow(self) -> Flow:
        parts = self._parts
        made, kind, flags, flow_id, client, server, created, ended, replay_of = parts.numbers(_FLOW)
        if made != FORMAT:
            raise Malformed(f"a flow is kept in form {made}, which this version does not know")
        mode = parts.text()
        more = json.loads(parts.next()) if flags & _HAS_MORE else {}
        flow = self._kind_of_flow(kind, flow_id)
        flow.client, flow.server = self._sources.connection(client), self._sources.connection(server)
        flow.mode, flow.created_at, flow.ended_at = mode, created, _moment(ended)
        flow.replay_of, flow.is_modified = replay_of or None, bool(flags & _IS_MODIFIED)
        if flags & _IS_UNKNOWN_REPLAY:
            flow.replay_of = 0
        flow.marker, flow.comment = str(more.get("marker", "")), str(more.get("comment", ""))
        flow.metadata = dict(more.get("metadata", {}))
        if "error" in more:
            message, moment = more["error"]
            flow.error = FlowError(str(message), float(moment))
        elif flags & _IS_LIVE:
            flow.error = FlowError(NOT_OVER, created)
        return flow

    def _kind_of_flow(self, kind: int, flow_id: int) -> Flow:
        if kind == _KINDS["http"]:
            return self._http(flow_id)
        if kind == _KINDS["dns"]:
            return self._dns(flow_id)
        flow = (UdpFlow if kind == _KINDS["udp"] else TcpFlow)(flow_id)
        flow.message_count, flow.byte_count = self._parts.numbers(_TCP)
        flow.messages = unpacked_messages(self._parts, self.body, self._sources.new_spooled)
        return flow

    def _dns(self, flow_id: int) -> DnsFlow:
        flags, *times = self._parts.numbers(_DNS)
        flow = DnsFlow(flow_id, request=DnsMessage(self._parts.next(), times[0]))
        if flags & _HAS_RESPONSE:
            flow.response = DnsMessage(self._parts.next(), times[1])
        if flags & _HAS_ORIGINAL:
            request = DnsMessage(self._parts.next(), times[2])
            flow.original = request, DnsMessage(self._parts.next(), times[3]) if flags & _HAS_ORIGINAL_RESPONSE else None
        return flow

    def _http(self, flow_id: int) -> HttpFlow:
        flags, client_stream, server_stream, informational = self._parts.numbers(_HTTP)
        flow = HttpFlow(flow_id, request=self._request())
        flow.client_stream, flow.server_stream, flow.is_upgraded = client_stream, server_stream, bool(flags & _IS_UPGRADED)
        if flags & _HAS_RESPONSE:
            flow.response = self._response()
        flow.informational = [self._response() for _ in range(informational)]
        if flags & _HAS_ORIGINAL:
            flow.original = self._request(), self._response() if flags & _HAS_ORIGINAL_RESPONSE else None
        if flags & _HAS_SOCKET:
            closer, code, from_client, from_server, end = self._parts.numbers(_SOCKET)
            reason = self._parts.text()
            messages = unpacked_socket_messages(self._parts, self.body, self._sources.new_spooled)
            by_client = None if closer < 0 else bool(closer)
            flow.websocket = WebSocketData(messages, by_client, None if code < 0 else code, reason, _moment(end),
                                           bytes_from_client=from_client, bytes_from_server=from_server)  # fmt: skip
        return flow

    def _request(self) -> Request:
        flags, kept, count, port, start, end = self._parts.numbers(_MESSAGE)
        body = self.body(kept)
        version, method, scheme, host, authority, protocol = self._parts.texts(6)
        target = self._parts.next()
        request = Request(method, scheme, host, port, target, authority, bool(flags & _IS_ABSOLUTE), protocol, body=body)
        self._rest(request, flags, count, version, start, end)
        return request

    def _response(self) -> Response:
        flags, kept, count, status, start, end = self._parts.numbers(_MESSAGE)
        body = self.body(kept)
        version = self._parts.text()
        response = Response(status, self._parts.next(), body=body)
        self._rest(response, flags, count, version, start, end)
        return response

    def _rest(self, message: Message, flags: int, count: int, version: str, start: float, end: float) -> None:
        message.http_version, message.timestamp_start, message.timestamp_end = version, start, _moment(end)
        if flags & _ODD_FIELDS:
            message.headers = _fields(self._parts.next())
        elif count:
            texts = self._parts.next().split(b"\n")
            if len(texts) != 2 * count:
                raise Malformed("a message has not as many fields as it should")
            message.headers = Headers(zip(texts[::2], texts[1::2], strict=True))
        else:
            self._parts.next()
        if flags & _HAS_TRAILERS:
            message.trailers = _fields(self._parts.next())
        if flags & _HAS_NOT_SENT:
            message.not_sent = tuple(Parts(self._parts.next()).rest())
        if flags & _HAS_ARRIVALS:
            message.arrivals = Arrivals.of(self._parts.table("Q"), self._parts.table("d"))

    def body(self, kept: int) -> Body:
        content = self._parts.next()
        is_truncated = bool(kept & TRUNCATED)
        if kept & NAMED:
            if len(content) in (0, 8):  # the program ended before it was copied
                return UnkeptBody(int.from_bytes(content, "little"))
            if len(content) != DIGEST_BYTES + 8:
                raise Malformed("the name of a body has the wrong length")
            return self._sources.body(content[:DIGEST_BYTES], int.from_bytes(content[DIGEST_BYTES:], "little"), is_truncated)
        body = MemoryBody(content)
        body.is_truncated = is_truncated
        return body


def _fields(record: bytes) -> Headers:
    parts = Parts(record).rest()
    return Headers(zip(parts[::2], parts[1::2], strict=True))


def _moment(number: float) -> float | None:
    return None if number != number else number
