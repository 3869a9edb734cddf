"""HTTP/2 towards a server (RFC 9113): the requests of one client's exchanges, many at once on one connection.

Head of a server's pipe from the first request on, until the server has gone. An exchange gets a stream; if the server allows no
more at the moment, the stream waits its turn. After a GOAWAY the server is sent nothing new; what it still serves goes on, and
what it says it has not looked at may be tried elsewhere. A request for a WebSocket is an extended CONNECT here (RFC 8441), to
a server that takes them; granted, its stream is the server's connection.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Final, Protocol

from interceptor.model.connection import Connection
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Field, Headers, Request, Response
from interceptor.proxy.asks import TakesWebSockets
from interceptor.proxy.core.events import Closed, Congested, Drained, Replied
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.error_codes import ErrorCode, code_name
from interceptor.proxy.layers.http.head_scan import HeadError
from interceptor.proxy.layers.http.http2_connection import Http2Connection, Http2Stream
from interceptor.proxy.layers.http.http2_heads import read_status, read_trailers
from interceptor.proxy.layers.http.http2_pipes import PipedStream
from interceptor.proxy.layers.http.lenient_fields import mended_head, mended_trailers, read_fields
from interceptor.proxy.layers.http.parts import Abort, Data, End, Informational, ResponsePart, ResponseStarted
from interceptor.proxy.layers.http.translation import HTTP2, http2_request_fields, http2_trailer_fields
from interceptor.proxy.layers.http.upgrades import asks_for_websocket, grant_in_http1
from interceptor.proxy.settings import Settings

WAITING: Final = 0
"""The number of a stream that has none yet."""


class Exchanging(Protocol):
    """What a stream knows of its exchange."""

    flow: HttpFlow

    def response_part(self, part: ResponsePart) -> None: ...
    def sink_congested(self, connection: Connection) -> None: ...
    def sink_drained(self, connection: Connection) -> None: ...


class Retiring(Protocol):
    """What this layer knows of Upstreams."""

    def retire(self, connection: Connection) -> None:
        """No new exchange shall come to that connection."""
        ...


class UpstreamStream(PipedStream):
    """The Upstream of one exchange; or, when it `has_pipe`, the floor of a connection."""

    __slots__ = ("_exchange", "_handshake", "_head", "_is_granted", "_method", "has_head", "is_over", "server")

    def __init__(self, server: Http2Upstream, exchange: Exchanging) -> None:
        super().__init__(server, WAITING)
        self.server = server
        self._exchange: Exchanging | None = exchange
        self._head: list[Field] = []
        self._method = ""
        self._handshake: Request | None = None  # it asks for a WebSocket
        self._is_granted = False
        self.has_head = False  # the final response has begun
        self.is_over = False  # completely received, reset, or nobody listens any more

    def is_open(self) -> bool:
        return self.id != WAITING and self.server.streams.get(self.id) is self

    # --- Upstream: from the exchange ----------------------------------------------------------------------------

    def request(self, request: Request, size: int | None) -> None:
        self._method = request.method
        self._head = http2_request_fields(request, self.server.settings.normalize_outbound_headers)
        if asks_for_websocket(request):
            self._handshake = request
        elif size == 0 and request.trailers is None:
            self.is_ending = self.is_sending_over = True
        self.server.begin(self)

    def begin(self, stream_id: int) -> None:
        """It is its turn."""
        self.id = stream_id
        if self._exchange is not None:
            self._exchange.flow.server_stream = stream_id
        self.server.engine.head(stream_id, self._head, self.is_sending_over)
        self._head = []
        self.server.touch(self)

    def data(self, data: bytes) -> None:
        self.put(data)

    def end(self, trailers: Headers | None) -> bool:
        if self._handshake is None:
            self.put_end(http2_trailer_fields(trailers) or None if trailers is not None else None)
        return True

    def abort(self, reason: str, code: int | None = None) -> None:
        self._exchange = None
        self.server.reset(self, ErrorCode.CANCEL if code is None else code)

    def finished(self) -> None:
        """What the server still has to say is read, for the compression's sake, and dropped."""
        self._exchange = None
        if self.is_finished:  # what stood on it has closed it
            if self.is_sending_over:
                self.sent_all()
        elif self._handshake is not None:  # refused; our side has not ended
            self.server.reset(self, ErrorCode.CANCEL)
        elif self.has_ended or self.is_over:
            self.server.forget(self)

    def leave_pipe(self) -> bytes:
        """After a WebSocket was granted. (Nothing else can be, here.)"""
        self._exchange = None
        if not self._is_granted:
            return b""
        self.open_pipe()
        if not self.is_open():
            self.post(Closed(self.connection, "the server reset the stream"))
        return self.take_early()

    def congested(self) -> None:
        if self.has_pipe:
            self.post(Congested(self.connection))
        elif self._exchange is not None:
            self._exchange.sink_congested(self.connection)

    def drained(self) -> None:
        if self.has_pipe:
            self.post(Drained(self.connection))
        elif self._exchange is not None:
            self._exchange.sink_drained(self.connection)

    def sent_all(self) -> None:
        if self.has_pipe:
            if self.has_ended:
                self.pipe_is_over()
        elif self.is_finished and not self.has_ended:
            self.server.reset(self, ErrorCode.CANCEL)
        elif self.has_ended and self._exchange is None:
            self.server.forget(self)

    # --- from the server --------------------------------------------------------------------------------------

    def head_arrived(self, fields: list[Field], is_last: bool) -> None:
        settings = self.server.settings
        if self._is_granted:  # RFC 9113 §8.5
            return self.server.refuse(self, "trailers in a tunnel")
        self.has_ended = is_last
        if self.is_over or self._exchange is None:
            return self._ended_unheard()
        try:
            if self.has_head:
                if not is_last:
                    raise HeadError("trailers that do not end the response", 0)
                return self._ended(End(read_fields(read_trailers, mended_trailers, fields, settings)))
            head = read_fields(read_status, mended_head, fields, settings)
        except HeadError as error:
            return self.server.refuse(self, str(error))
        now = self.server.stack.wall_time()
        response = Response(head.status, b"", headers=Headers(head.fields), http_version=HTTP2, timestamp_start=now)
        if head.status < 200:
            if is_last:
                return self.server.refuse(self, "an informational response that ends the stream")
            response.timestamp_end = now
            self._exchange.response_part(Informational(response))
            return
        self.has_head = True
        if self._handshake is not None and head.status < 300:
            self._is_granted = True
            grant_in_http1(self._handshake, response)
        has_no_body = self._is_granted or is_last or self._method == "HEAD" or head.status in (204, 304)
        size = 0 if has_no_body else head.content_length or None
        exchange = self._exchange
        if has_no_body:
            self.is_over = True
        exchange.response_part(ResponseStarted(response, size))

    def arrived(self, data: bytes, is_last: bool) -> None:
        self.has_ended = is_last
        if self.has_pipe:
            self.rises(data, is_last)
        elif self._is_granted and self._exchange is not None:
            self.early += data
            return  # credited when somebody takes it
        elif self._exchange is None or self.is_over:
            self._ended_unheard()
        elif not self.has_head:
            self.server.refuse(self, "a body without a head")
        else:
            if data:
                self._exchange.response_part(Data(data))
            if is_last:
                self._ended(End())
        self.give_credit()

    def _ended(self, end: End) -> None:
        self.is_over = True
        if self._exchange is not None:
            self._exchange.response_part(end)

    def _ended_unheard(self) -> None:
        if self.has_ended and self._exchange is None:
            self.server.forget(self)

    def broke(self, abort: Abort) -> None:
        """It has been reset, by the server or by us, or the connection has gone."""
        exchange, self._exchange = self._exchange, None
        was_over, self.is_over = self.is_over, True
        self.drop_pending()
        self.server.forget(self)
        if self.has_pipe:
            return self.lose_pipe(abort.reason)
        if exchange is None:
            return
        exchange.sink_drained(self.connection)  # there is no room to wait for any more
        if not was_over:
            exchange.response_part(abort)


class Http2Upstream(Http2Connection):
    def __init__(self, stack: Stack, settings: Settings, upstreams: Retiring, connection: Connection) -> None:
        super().__init__(stack, settings, connection, is_client=True)
        self._upstreams = upstreams
        self._waiting: deque[UpstreamStream] = deque()
        self._asking: list[TakesWebSockets] = []
        self._is_retired = False
        self._goaway = ""

    def start(self) -> None:
        super().start()
        if self.settings.http2_ping_keepalive:
            self.stack.alarms[self._keep_alive] = self.stack.now + self.settings.http2_ping_keepalive

    def tell_of_websockets(self, ask: TakesWebSockets) -> None:
        """As soon as the server's SETTINGS are there."""
        self._asking.append(ask)
        if self.engine.has_settings or self.is_closed or self._goaway:
            self._tell_of_websockets()

    def _tell_of_websockets(self) -> None:
        refusal = ""
        if self.is_closed or self._goaway:
            refusal = "the server has left"
        elif not self.engine.peer_takes_protocols:
            refusal = "the server does not take WebSockets (there is no ENABLE_CONNECT_PROTOCOL in its SETTINGS)"
        asking, self._asking = self._asking, []
        self.stack.inbox.extend(Replied(ask, refusal) for ask in asking)

    def stream_for(self, exchange: Exchanging) -> UpstreamStream:
        return UpstreamStream(self, exchange)

    # --- from the streams -------------------------------------------------------------------------------------

    def begin(self, stream: UpstreamStream) -> None:
        """At once, or when its turn comes."""
        if self.is_closed or self._goaway:
            abort = Abort(self._goaway or "The server closed the connection.", is_early=True, is_unprocessed=True)
            self.stack.at_turn_end.append(partial(stream.broke, abort))  # its exchange is running
            return
        self._waiting.append(stream)
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        while self._waiting and not self._goaway and not self.is_closed and len(self.streams) < self.engine.peer_allows:
            stream_id = self.engine.new_stream_id()
            if stream_id is None:
                return self._go_away(2**31 - 1, "This connection has used all stream numbers.")
            stream = self._waiting.popleft()
            self.streams[stream_id] = stream
            stream.begin(stream_id)

    def reset(self, stream: UpstreamStream, code: int) -> None:
        if stream.is_open():
            self.engine.reset(stream.id, code)
            self.touch(None)
        stream.drop_pending()
        self.forget(stream)

    def refuse(self, stream: UpstreamStream, reason: str) -> None:
        """The server's message is malformed."""
        self.engine.reset(stream.id, ErrorCode.PROTOCOL_ERROR)
        self.malformed(stream.id, reason)

    def forget(self, stream: Http2Stream) -> None:
        if self.streams.get(stream.id) is stream:
            del self.streams[stream.id]
            self.stopped.pop(stream, None)
        elif isinstance(stream, UpstreamStream) and stream in self._waiting:
            self._waiting.remove(stream)
        if self._waiting:
            self._begin_waiting()
        elif self._goaway and not self.streams:
            self.close(self._goaway)

    # --- Listener: from the engine ----------------------------------------------------------------------------

    def head_received(self, stream_id: int, fields: list[Field], is_last: bool) -> None:
        if (stream := self.streams.get(stream_id)) is not None:
            stream.head_arrived(fields, is_last)

    def settings_received(self) -> None:
        super().settings_received()
        self._begin_waiting()
        self._tell_of_websockets()

    def reset_received(self, stream_id: int, code: int) -> None:
        if (stream := self.streams.get(stream_id)) is None:
            return
        if stream.is_over and code == ErrorCode.NO_ERROR:  # it has answered, and does not want the rest of the request
            stream.drop_pending()
        where = "in the middle of the response" if stream.has_head else "without an answer"
        is_unprocessed = code == ErrorCode.REFUSED_STREAM and not stream.has_head
        reason = f"The server reset the stream {where} ({code_name(code)})."
        stream.broke(Abort(reason, not stream.has_head, code, is_unprocessed))

    def malformed(self, stream_id: int, reason: str) -> None:
        if (stream := self.streams.get(stream_id)) is not None:
            stream.broke(Abort(f"The server's response is malformed: {reason}"))

    def goaway_received(self, last_stream_id: int, code: int, explanation: bytes) -> None:
        said = explanation[:100].decode("utf-8", "replace")
        reason = f"The server is going away ({code_name(code)}{f': {said}' if said else ''})."
        self._go_away(last_stream_id, reason)

    def _go_away(self, last_stream_id: int, reason: str) -> None:
        self._goaway = self._goaway or reason
        self._retire()
        unprocessed = [stream for number, stream in self.streams.items() if number > last_stream_id]
        for stream in [*unprocessed, *self._waiting]:
            stream.broke(Abort(reason, is_early=True, is_unprocessed=True))
        if not self.streams:
            self.close(reason)
        self._tell_of_websockets()

    def broken(self, reason: str) -> None:
        self._retire()
        self.close(reason)
        self._end_streams(f"The server broke the HTTP/2 protocol: {reason}.")

    # --- ends -------------------------------------------------------------------------------------------------

    def left(self, reason: str) -> None:
        self._retire()
        self.close("the server left")
        self._end_streams("", f" ({reason})" if reason else ".")

    def _end_streams(self, why: str, how: str = "") -> None:
        for stream in [*self.streams.values(), *self._waiting]:
            if stream.has_head:
                text = why or f"The server closed the connection before the response was complete{how}"
            else:
                text = why or f"The server closed the connection without an answer{how}"
            is_early = not stream.has_head and not why
            stream.broke(Abort(text, is_early, is_unprocessed=is_early and stream.id == WAITING))

    def close(self, reason: str) -> None:
        self.stack.alarms.pop(self._keep_alive, None)
        super().close(reason)
        self._tell_of_websockets()

    def _retire(self) -> None:
        if not self._is_retired:
            self._is_retired = True
            self._upstreams.retire(self.connection)

    def _keep_alive(self) -> None:
        """A server that hears nothing for long would close the connection."""
        due = self.last_heard + self.settings.http2_ping_keepalive
        if self.is_closed:
            return
        if due <= self.stack.now:
            self.engine.ping()
            self.touch(None)
            due = self.stack.now + self.settings.http2_ping_keepalive
        self.stack.alarms[self._keep_alive] = due
