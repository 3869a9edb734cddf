"""HTTP/2 towards a client (RFC 9113): many requests at once, each with an exchange of its own.

Head of a client's pipe. A stream is the Downstream of its exchange; after a CONNECT it becomes a connection of its own, with a
pipe whose floor it is (Detect stands on it, whatever comes next above that); after an extended one (RFC 8441), WebSocket does.
A request that is malformed has its stream reset and leaves a row; its neighbours do not notice.
"""

from __future__ import annotations

from typing import Final, Protocol

from interceptor.model.connection import Connection
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Field, Headers, Request, Response
from interceptor.proxy.core.effects import Close
from interceptor.proxy.core.events import Congested, DataReceived, Drained, PipeEvent
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.error_codes import ErrorCode, code_name
from interceptor.proxy.layers.http.head_scan import HeadError
from interceptor.proxy.layers.http.http2_connection import MAX_STREAMS, Http2Connection, Http2Stream
from interceptor.proxy.layers.http.http2_heads import Http2RequestHead, read_request, read_trailers
from interceptor.proxy.layers.http.http2_pipes import PipedStream
from interceptor.proxy.layers.http.lenient_fields import mended_head, mended_trailers, read_fields
from interceptor.proxy.layers.http.pages import error_response
from interceptor.proxy.layers.http.parts import Abort, Data, End, Serving
from interceptor.proxy.layers.http.translation import http2_response_fields, http2_trailer_fields
from interceptor.proxy.layers.http.upgrades import WEBSOCKET
from interceptor.proxy.settings import Settings

CLIENT_LEFT: Final = "The client closed the connection before the exchange was complete."


class Routing(Protocol):
    """What it knows of the router."""

    def request_on_stream(self, head: Http2RequestHead, timestamp: float) -> Request:
        """HeadError if it cannot be said where the request shall go."""
        ...

    def serve(self, codec: DownstreamStream, request: Request, size: int | None, expects_continue: bool) -> Serving: ...

    def malformed(self, connection: Connection, reason: str) -> None: ...

    def tunnel(self, codec: DownstreamStream, flow: HttpFlow, server: Connection, early: bytes) -> None: ...


class DownstreamStream(PipedStream):
    """One request and its response; or, when it `has_pipe`, the floor of a connection."""

    __slots__ = ("_has_responded", "_protocol", "_serving", "client")

    def __init__(self, client: Http2Downstream, stream_id: int) -> None:
        super().__init__(client, stream_id)
        self.client = client
        self._has_responded = False
        self._serving: Serving | None = None
        self._protocol = ""  # what an extended CONNECT asks for

    has_error_codes = True

    @property
    def stream_id(self) -> int:
        return self.id

    def is_open(self) -> bool:
        return self.client.streams.get(self.id) is self

    # --- from the client --------------------------------------------------------------------------------------

    def serve(self, request: Request, size: int | None, expects_continue: bool, is_last: bool) -> None:
        self.has_ended, self._protocol = is_last, request.protocol
        self._serving = serving = self.client.router.serve(self, request, size, expects_continue)
        serving.start()

    def arrived(self, data: bytes, is_last: bool) -> None:
        self.has_ended = is_last
        if self.has_pipe:
            self.rises(data, is_last)
        elif self._protocol and not self.is_finished:
            self.early += data
            return  # credited when somebody takes it
        elif self._serving is not None:
            if data:
                self._serving.request_part(Data(data))
            if is_last and self._serving is not None:
                self._serving.request_part(End())
        self.give_credit()

    def trailers_arrived(self, fields: list[Field]) -> None:
        self.has_ended = True
        if self.has_pipe or self._protocol:  # RFC 9113 §8.5
            self.client.engine.reset(self.id, ErrorCode.PROTOCOL_ERROR)
            return self.client.malformed(self.id, "trailers in a tunnel")
        if self._serving is not None:
            try:
                part: Abort | End = End(read_fields(read_trailers, mended_trailers, fields, self.client.settings))
            except HeadError as error:
                part = Abort(f"The client's request is malformed: {error}")
            self._serving.request_part(part)

    def broke(self, reason: str, code: int) -> None:
        """It is over: reset by the client or by us, or the connection has gone."""
        self.drop_pending()
        self.client.forget(self)
        serving, self._serving = self._serving, None
        if self.has_pipe:
            self.lose_pipe(reason)
        elif serving is not None:
            serving.left(reason, code)

    # --- Downstream: from the exchange --------------------------------------------------------------------------

    def inform(self, response: Response) -> None:
        if self.is_open() and not self.is_ending:
            self._send_head(http2_response_fields(response, self.client.settings.normalize_outbound_headers), False)

    def respond(self, request: Request, response: Response, size: int | None) -> None:
        if not self.is_open() or self.is_ending:
            return
        status = response.status_code
        has_no_body = request.method == "HEAD" or status in (204, 304)
        is_last = has_no_body or (size == 0 and response.trailers is None and not self._becomes_tunnel(request, status))
        if status == 101 and not request.protocol:
            return  # there is no such thing here: `take_over` ends it
        self._send_head(http2_response_fields(response, self.client.settings.normalize_outbound_headers), is_last)
        self._has_responded = True
        if is_last:
            self.is_ending = self.is_sending_over = True

    @staticmethod
    def _becomes_tunnel(request: Request, status: int) -> bool:
        return status == 101 or (request.method == "CONNECT" and 200 <= status < 300)

    def _send_head(self, fields: list[Field], is_last: bool) -> None:
        self.client.engine.head(self.id, fields, is_last)
        self.client.touch(None)

    def data(self, data: bytes) -> None:
        self.put(data)

    def end(self, trailers: Headers | None) -> bool:
        self.put_end(http2_trailer_fields(trailers) or None if trailers is not None else None)
        return True

    def abort(self, reason: str, code: int | None = None) -> None:
        self._serving = None
        self._reset(ErrorCode.INTERNAL_ERROR if code is None else code)

    def finished(self) -> None:
        self._serving, self.is_finished = None, True
        if self.is_sending_over:
            self.sent_all()

    def sent_all(self) -> None:
        if self.has_pipe:
            if self.has_ended:
                self.pipe_is_over()
        elif self.is_finished:
            if not self.has_ended:
                self.client.engine.reset(self.id, ErrorCode.NO_ERROR)  # the rest of the request is not wanted (RFC 9113 §8.1)
            self.client.forget(self)

    def _reset(self, code: int) -> None:
        if self.is_open():
            self.client.engine.reset(self.id, code)
            self.client.touch(None)
            self.drop_pending()
            self.client.forget(self)

    def take_over(self, flow: HttpFlow, server: Connection, early: bytes) -> None:
        """After 101, which HTTP/2 has for an extended CONNECT only; after a CONNECT that a server has granted."""
        self._serving = None
        if not self.is_open() or self.is_ending or not self._has_responded:
            self.client.wire(Close(server, "the client cannot be served in that protocol"))
            return self._reset(ErrorCode.INTERNAL_ERROR)
        self.open_pipe()
        self.client.router.tunnel(self, flow, server, early)

    def congested(self) -> None:
        if self.has_pipe:
            self.post(Congested(self.connection))
        elif self._serving is not None:
            self._serving.sink_congested(self.connection)

    def drained(self) -> None:
        if self.has_pipe:
            self.post(Drained(self.connection))
        elif self._serving is not None:
            self._serving.sink_drained(self.connection)

    # --- CONNECT: the floor of a pipe ---------------------------------------------------------------------------

    def grant_connect(self) -> None:
        self._serving = None
        if self.is_open():
            self._send_head([(b":status", b"200")], False)
            self.open_pipe()

    def refuse_connect(self, response: Response) -> None:
        if response.status_code == 101:
            return self.abort("HTTP/2 does not have status 101")
        request = Request("", "", "", 0, b"")
        self.respond(request, response, response.body.size)
        if response.body.size:
            self.data(response.body.read())
        self.end(None)
        self.finished()

    def leave_pipe(self) -> list[PipeEvent]:
        """What waits for the head that is put on this stream. It has a pipe already."""
        early = self.take_early()
        return [DataReceived(self.connection, early)] if early else []


class Http2Downstream(Http2Connection):
    def __init__(self, stack: Stack, settings: Settings, router: Routing, connection: Connection) -> None:
        super().__init__(stack, settings, connection, is_client=False)
        self.router = router

    def start(self) -> None:
        super().start()
        self.stack.alarms[self._idle_alarm] = self.stack.now + self.settings.tcp_timeout

    # --- Listener: from the engine ----------------------------------------------------------------------------

    def head_received(self, stream_id: int, fields: list[Field], is_last: bool) -> None:
        if (known := self.streams.get(stream_id)) is not None:
            known.trailers_arrived(fields)
            return
        if len(self.streams) >= MAX_STREAMS:
            self.engine.reset(stream_id, ErrorCode.REFUSED_STREAM)
            return
        try:
            head = read_fields(read_request, mended_head, fields, self.settings)
            if head.protocol:
                self._look_at_protocol(head.protocol, is_last)
            if is_last and head.content_length:
                raise HeadError("Content-Length of a body that does not come", 0, b"%d" % head.content_length)
            request = self.router.request_on_stream(head, self.stack.wall_time())
        except HeadError as error:
            return self._refuse(stream_id, error, is_last)
        size = 0 if is_last else head.content_length
        if size == 0 and not is_last:
            size = None  # its end, or trailers, are still to come
        if is_last:
            request.timestamp_end = self.stack.wall_time()
        stream = self.streams[stream_id] = DownstreamStream(self, stream_id)
        if request.method == "CONNECT" or request.protocol:
            size = 0
        stream.serve(request, size, head.expects_continue and not is_last, is_last)

    def _look_at_protocol(self, protocol: bytes, is_last: bool) -> None:
        """HeadError for an extended CONNECT that cannot be served (RFC 8441 §4)."""
        if not self.settings.websocket:
            raise HeadError("extended CONNECT, which was not offered", 0, protocol)
        if protocol != WEBSOCKET.encode():
            raise HeadError("extended CONNECT for a protocol other than websocket", 0, protocol, 501)
        if is_last:
            raise HeadError("extended CONNECT on a stream that has ended", 0, protocol)

    def _refuse(self, stream_id: int, error: HeadError, is_last: bool) -> None:
        self.router.malformed(self.connection, f"The client's request is malformed: {error}")
        if not self.engine.spend_reset():
            return
        if error.status == 400:
            self.engine.reset(stream_id, ErrorCode.PROTOCOL_ERROR)
            return
        page = error_response(error.status, f"Malformed request: {error}", self.stack.wall_time())
        stream = self.streams[stream_id] = DownstreamStream(self, stream_id)
        stream.has_ended = is_last
        stream.refuse_connect(page)

    def reset_received(self, stream_id: int, code: int) -> None:
        if (stream := self.streams.get(stream_id)) is not None:
            stream.broke(f"The client gave up the request ({code_name(code)}).", code)

    def malformed(self, stream_id: int, reason: str) -> None:
        if (stream := self.streams.get(stream_id)) is not None:
            stream.broke(f"The client's request is malformed: {reason}", ErrorCode.PROTOCOL_ERROR)
        else:
            self.router.malformed(self.connection, f"The client's request is malformed: {reason}")

    def goaway_received(self, last_stream_id: int, code: int, explanation: bytes) -> None:
        """It opens no more streams; those that it has go on."""

    def broken(self, reason: str) -> None:
        self.router.malformed(self.connection, f"The client's HTTP/2 connection was closed: {reason}.")
        self.close(reason)
        self._end_streams(f"The connection was closed: {reason}.")

    # --- ends -------------------------------------------------------------------------------------------------

    def left(self, reason: str) -> None:
        self.close("the client left")
        self._end_streams(CLIENT_LEFT)

    def close(self, reason: str) -> None:
        self.stack.alarms.pop(self._idle_alarm, None)
        super().close(reason)

    def _end_streams(self, reason: str) -> None:
        for stream in list(self.streams.values()):
            stream.broke(reason, ErrorCode.CANCEL)

    def forget(self, stream: Http2Stream) -> None:
        if self.streams.get(stream.id) is stream:
            del self.streams[stream.id]
            self.stopped.pop(stream, None)

    def _idle_alarm(self) -> None:
        due = self.last_heard + self.settings.tcp_timeout
        if self.is_closed:
            return
        if not self.streams and due <= self.stack.now:
            self.engine.goaway(ErrorCode.NO_ERROR)
            return self.close("idle for tcp_timeout")
        self.stack.alarms[self._idle_alarm] = max(due, self.stack.now + 1.0)
