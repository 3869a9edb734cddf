"""HTTP/1 towards a server, for one exchange: writes the request, reads responses (RFC 9112).

Head of a server's pipe from the moment an exchange has reached it until both messages are complete; then the connection goes
back to Upstreams, if it can serve another exchange, or is closed.
"""

from __future__ import annotations

from typing import Final, Protocol

from interceptor.model.connection import Connection, bracketed
from interceptor.model.http import Field, Headers, Request, Response
from interceptor.proxy.core.effects import Close, PauseReading, ResumeReading, Send
from interceptor.proxy.core.events import Closed, Congested, DataReceived, Drained, HalfClosed, PipeEvent
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.hop_tunnel import basic_credentials
from interceptor.proxy.layers.http.head_scan import (
    HeadError,
    StatusHead,
    read_status_head,
    refuse_bare_line_feed,
    write_request_head,
)
from interceptor.proxy.layers.http.http1_bodies import (
    BodyReader,
    BodyUntilClose,
    BodyWriter,
    ChunkedBody,
    CountedBody,
    take_unread,
)
from interceptor.proxy.layers.http.lengths import framing_of
from interceptor.proxy.layers.http.lenient_heads import find_head_end, read_leniently
from interceptor.proxy.layers.http.pages import way_out
from interceptor.proxy.layers.http.parts import Abort, Data, End, Informational, ResponsePart, ResponseStarted, Unreadable
from interceptor.proxy.layers.http.translation import as_chunked, http1_request_fields, is_http1
from interceptor.proxy.layers.http.upgrades import accept_of
from interceptor.proxy.settings import Settings

INFORMATIONAL_LIMIT: Final = 100
"""Responses with a status of 1xx before the final one. A server that is at work may send one now and then, not without end."""


class Exchanging(Protocol):
    """What this codec knows of its exchange."""

    def response_part(self, part: ResponsePart) -> None: ...
    def sink_congested(self, connection: Connection) -> None: ...
    def sink_drained(self, connection: Connection) -> None: ...


class Releasing(Protocol):
    """What it knows of Upstreams."""

    def release(self, connection: Connection, has_served: bool) -> None: ...

    def unasked(self, connection: Connection, data: bytes) -> None:
        """The server said that without being asked."""


class Http1Upstream(Layer):
    """A hop that forwards requests is told the whole URL."""

    def __init__(
        self,
        stack: Stack,
        settings: Settings,
        upstreams: Releasing,
        exchange: Exchanging,
        connection: Connection,
        is_raw: bool = False,
    ) -> None:
        super().__init__(stack)
        self.connection = connection
        self._settings, self._upstreams, self._exchange = settings, upstreams, exchange
        self._held = bytearray()
        self._scanned = 0
        self._method = ""
        self._asks_for_upgrade = False
        self._accept = ""  # what the server has to say to a key of our own
        self._is_raw, self._is_unreadable = is_raw, False
        self._writer = BodyWriter(is_chunked=False)
        self._reader: BodyReader | None = None
        self._is_over = False  # the response is complete, or never will be
        self._has_left = False
        self._keeps_alive = True
        self._head_started_at = 0.0
        self._informational_count = 0
        self._has_told = False  # of bytes that nobody asked for

    # --- Upstream: from the exchange --------------------------------------------------------------------------

    def request(self, request: Request, size: int | None) -> None:
        fields = request.headers.fields if is_http1(request) else http1_request_fields(request, size)
        is_chunked, connection = framing_of(fields)
        minor = 0 if request.http_version == "HTTP/1.0" else 1
        if not is_chunked and (request.trailers or (size is None and is_http1(request))):
            fields, is_chunked = as_chunked(fields), True
        self._writer = BodyWriter(is_chunked)
        self._method, self._asks_for_upgrade = request.method, bool(request.protocol) or "upgrade" in request.headers
        if request.protocol:
            self._accept = accept_of(fields)
        target = request.target
        if request.method == "CONNECT":
            target = request.authority.encode()
        elif request.is_absolute or self.connection.is_forwarded:
            target = request.url.encode("utf-8", "surrogateescape")
            fields = self._with_credentials(fields)
        if b"close" in connection or (minor == 0 and b"keep-alive" not in connection):
            self._keeps_alive = False
        head = write_request_head(request.method.encode("utf-8", "surrogateescape"), target, minor, fields)
        self.wire(Send(self.connection, head))

    def _with_credentials(self, fields: list[Field]) -> list[Field]:
        """Those of the hop that forwards the request, if it has some, in place of what the client sent for it."""
        via = self.connection.via
        if not self.connection.is_forwarded or via[-1].user is None or self._settings.login_with(via[-1]):
            return fields
        return [item for item in fields if item[0].lower() != b"proxy-authorization"] + basic_credentials(via[-1])

    def data(self, data: bytes) -> None:
        self.wire(Send(self.connection, self._writer.data(data)))

    def end(self, trailers: Headers | None) -> bool:
        if last := self._writer.end(trailers):
            self.wire(Send(self.connection, last))
        return self._writer.is_chunked or not trailers

    def abort(self, reason: str, code: int | None = None) -> None:
        self._is_over = self._has_told = True  # who goes on talking was asked
        self._reader = None
        self.wire(Close(self.connection, reason))

    def finished(self) -> None:
        if self._held:
            self._unasked(bytes(self._held))
        if self._keeps_alive:
            self._upstreams.release(self.connection, has_served=True)
        else:
            self.wire(Close(self.connection, "not kept"))

    def leave_pipe(self) -> bytes:
        self._has_left = True
        early, self._held = bytes(self._held), bytearray()
        return early

    def pause(self) -> None:
        self.wire(PauseReading(self.connection))

    def resume(self) -> None:
        self.wire(ResumeReading(self.connection))

    # --- Receiver: from the wire ------------------------------------------------------------------------------

    def receive(self, event: PipeEvent) -> None:
        match event:
            case DataReceived(data=data):
                if self._reader is not None:
                    self._read_body(data)
                elif self._is_unreadable:
                    self._held += data
                elif self._is_over:
                    self._unasked(data)
                else:
                    self._held += data
                    self._read_heads()
            case HalfClosed() | Closed():
                self._keeps_alive = False
                if isinstance(event, Closed):
                    self._exchange.sink_drained(event.connection)  # there is no room to wait for any more
                self._ended(event)
            case Congested(connection=connection):
                self._exchange.sink_congested(connection)
            case Drained(connection=connection):
                self._exchange.sink_drained(connection)
            case _:
                pass

    def _read_heads(self) -> None:
        while self._held and self._reader is None and not self._is_over and not self._has_left:
            if not self._head_started_at:
                self._head_started_at = self.stack.wall_time()
            block: bytes | None = b""
            try:
                block = self._take_head()
                if block is None:
                    return
                self._head_arrived(self._read(block))
            except HeadError as error:
                return self._refuse(error, block or b"")

    def _take_head(self) -> bytes | None:
        held, limit = self._held, self._settings.header_size_limit
        is_strict, start = self._settings.validate_inbound_headers, max(self._scanned - 3, 0)
        if is_strict:
            end = held.find(b"\r\n\r\n", start)
            end = end + 4 if end >= 0 else -1
        else:
            end = find_head_end(held, start)
        if (len(held) if end < 0 else end) > limit:
            raise HeadError(f"the header block is larger than {limit} bytes (header_size_limit)", limit, held[limit : limit + 60])
        if end < 0:
            if is_strict:
                refuse_bare_line_feed(held, self._scanned)
            self._scanned = len(held)
            return None
        block = bytes(held[:end])
        del held[:end]
        self._scanned = 0
        return block

    def _read(self, block: bytes) -> StatusHead:
        limit = self._settings.header_count_limit
        if not self._settings.validate_inbound_headers:
            return read_leniently(read_status_head, block, limit)
        head = read_status_head(block, limit)
        if head.status == 101 and not self._asks_for_upgrade:
            raise HeadError("a 101 that nobody asked for", 9, b"101")
        if head.status == 101 and self._accept:
            accept = Headers(head.fields).get("sec-websocket-accept") or ""
            if accept.strip() != self._accept:
                raise HeadError("Sec-WebSocket-Accept does not answer the key", 0, accept.encode("utf-8", "surrogateescape"))
        return head

    def _head_arrived(self, head: StatusHead) -> None:
        response = Response(
            head.status,
            head.reason,
            headers=Headers(head.fields),
            http_version=f"HTTP/1.{head.minor}",
            timestamp_start=self._head_started_at,
        )
        self._head_started_at = 0.0
        if head.status < 200 and head.status != 101:
            response.timestamp_end = self.stack.wall_time()
            self._informational_count += 1
            if self._informational_count > INFORMATIONAL_LIMIT:
                raise HeadError(f"more than {INFORMATIONAL_LIMIT} informational responses", 0, b"%d" % head.status)
            return self._exchange.response_part(Informational(response))
        tokens, framing = head.framing.connection, head.framing
        if b"close" in tokens or (head.minor == 0 and b"keep-alive" not in tokens):
            self._keeps_alive = False
        becomes_tunnel = head.status == 101 or (self._method == "CONNECT" and head.status < 300)
        reader: BodyReader
        if becomes_tunnel or self._method == "HEAD" or head.status in (204, 304):
            reader = CountedBody(0)
        elif framing.is_chunked:
            reader = ChunkedBody(self._settings.validate_inbound_headers)
        elif framing.content_length is not None:
            reader = CountedBody(framing.content_length)
        else:
            reader = BodyUntilClose()
        if reader.has_ended:
            self._is_over = True
            self._exchange.response_part(ResponseStarted(response, 0))
            return
        self._reader = reader
        rest, self._held = bytes(self._held), bytearray()
        self._exchange.response_part(ResponseStarted(response, reader.announced))
        if rest and self._reader is not None:  # the exchange may have given up on such a head
            self._read_body(rest)

    def _read_body(self, data: bytes) -> None:
        reader = self._reader
        assert reader is not None
        try:
            body = reader.feed(data)
        except HeadError as error:
            return self._fail(f"The server's response is malformed: {error}")
        if reader.unread:
            self.stack.post_first(self, [DataReceived(self.connection, take_unread(reader))])
        if reader.has_ended:
            self._reader, self._is_over = None, True
            if reader.rest:
                self._unasked(reader.rest)
        if body:
            self._exchange.response_part(Data(body))
        if reader.has_ended:
            self._exchange.response_part(End(reader.trailers))

    def _unasked(self, data: bytes) -> None:
        """Behind the response: whose answer would that be?"""
        self._keeps_alive = False
        if not self._has_told and not self._has_left:
            self._has_told = True
            self._upstreams.unasked(self.connection, data)

    def _ended(self, event: HalfClosed | Closed) -> None:
        """The server sends no more."""
        reason = event.reason if isinstance(event, Closed) else ""
        if self._is_over:
            return
        reader, self._reader, self._is_over = self._reader, None, True
        is_cut = isinstance(event, HalfClosed) and event.is_cut
        if reader is not None and reader.end_of_stream() and not reason and not is_cut:
            self._exchange.response_part(End())
            return
        is_early = reader is None and not self._held
        if reader is not None and reader.has_ended and is_cut:
            what = "The server ended TLS without saying so (no close_notify), so nobody knows whether the response is complete"
        elif is_early:
            what = "The server closed the connection without an answer"
        elif reader is None:
            what = "The server closed the connection in the middle of the response's head"
        else:
            what = "The server closed the connection before the response was complete"
        self._exchange.response_part(Abort(f"{what}{f' ({reason})' if reason else '.'}", is_early))
        self.wire(Close(self.connection, what))

    def _refuse(self, error: HeadError, block: bytes) -> None:
        reason = f"The server's response is malformed: {error}"
        if self._is_raw:
            self._held[:0] = block
            self._is_over = self._is_unreadable = True
            self._exchange.response_part(Unreadable(reason))
        else:
            host, port = (self.connection.peer or ("", 0))[:2]
            self._fail(reason + way_out(f"{bracketed(host)}:{port}"))

    def _fail(self, reason: str) -> None:
        self._is_over, self._reader = True, None
        self.wire(Close(self.connection, reason))
        self._exchange.response_part(Abort(reason))
