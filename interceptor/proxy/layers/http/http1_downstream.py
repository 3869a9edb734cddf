"""HTTP/1 towards a client: reads requests one after the other, writes responses (RFC 9112).

Head of a client's pipe. Each request gets an exchange, made by the router; while it runs, bytes of a pipelined request wait
under a mark. After a CONNECT or an upgrade this layer leaves the pipe to whatever comes next.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from interceptor.model.connection import Connection
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.proxy.core.effects import Close, PauseReading, ResumeReading, Send
from interceptor.proxy.core.events import Closed, Congested, DataReceived, Drained, HalfClosed, HungUp, Opened, PipeEvent
from interceptor.proxy.core.layer import Layer, Mark
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.head_scan import (
    HeadError,
    RequestHead,
    read_request_head,
    refuse_bare_line_feed,
    write_status_head,
)
from interceptor.proxy.layers.http.http1_bodies import BodyReader, BodyWriter, ChunkedBody, CountedBody, take_unread
from interceptor.proxy.layers.http.lengths import framing_of
from interceptor.proxy.layers.http.lenient_heads import find_head_end, read_leniently
from interceptor.proxy.layers.http.pages import error_response
from interceptor.proxy.layers.http.parts import Abort, Data, End, Serving
from interceptor.proxy.layers.http.translation import as_chunked, http1_reason, http1_response_fields, is_http1
from interceptor.proxy.settings import Settings

_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)++")


class Routing(Protocol):
    """What it knows of the router."""

    def request_for(self, head: RequestHead, timestamp: float) -> Request:
        """HeadError if it cannot be said where the request shall go."""
        ...

    def serve(self, codec: Http1Downstream, request: Request, size: int | None, expects_continue: bool) -> Serving: ...

    def malformed(self, connection: Connection, reason: str) -> None: ...

    @property
    def way_out(self) -> str:
        """What a refusal says to do, if anything."""
        ...

    def pass_raw(self, codec: Http1Downstream, error: HeadError) -> bool:
        """True if what was read as a malformed request goes through as it is: another layer has taken over."""
        ...

    def tunnel(self, codec: Http1Downstream, flow: HttpFlow, server: Connection, early: bytes) -> None: ...


class Http1Downstream(Layer):
    """Also the Downstream of the exchange that it runs: `respond`, `data`, `end`, `finished`…"""

    has_error_codes = False
    stream_id = 0

    def __init__(self, stack: Stack, settings: Settings, router: Routing, connection: Connection) -> None:
        super().__init__(stack)
        self.connection: Connection = connection
        self._settings, self._router = settings, router
        self._held = bytearray()
        self._scanned = 0
        self._mark = Mark(self.pause, self.resume)
        self._serving: Serving | None = None
        self._reader: BodyReader | None = None
        self._writer = BodyWriter(is_chunked=False)
        self._response_has_no_body = False
        self._head_started_at = 0.0
        self._head: RequestHead | None = None
        self._keeps_alive = True
        self._is_closed = self._is_congested = self._is_paused = self._has_left = False
        self._body_has_begun = self._ends_with_connection = False
        self._empty_lines = 0  # before the request that is awaited
        self._last_heard = stack.now

    def start(self) -> None:
        self.stack.alarms[self._idle_alarm] = self.stack.now + self._settings.tcp_timeout

    # --- Receiver: from the wire ------------------------------------------------------------------------------

    def receive(self, event: PipeEvent) -> None:
        if self._is_closed:
            return  # what came with the bytes that ended it
        match event:
            case DataReceived(data=data):
                self._last_heard = self.stack.now
                if self._reader is not None:
                    self._read_body(data)
                else:
                    self._held += data
                    if self._must_wait():
                        self._mark.put(len(data))
                    else:
                        self._read_on()
            case Opened():  # posted by `finished`: a pipelined request waits
                if self._held and not self._must_wait():
                    self._read_on()
            case HalfClosed() | Closed() | HungUp():
                # An HTTP client that ends its side is taken to have left, as servers do: there is no telling the two apart.
                self._left()
            case Congested(connection=connection):
                self._is_congested = True
                if self._serving is not None:
                    self._serving.sink_congested(connection)
            case Drained(connection=connection):
                self._is_congested = False
                if self._serving is not None:
                    self._serving.sink_drained(connection)
                elif self._held:
                    self._read_on()
            case _:
                pass

    def _must_wait(self) -> bool:
        """Requests are served one after the other, and none for a client that does not read the answers it has."""
        return self._serving is not None or self._is_congested

    def _read_on(self) -> None:
        """The next head. What is behind it waits: only when little is left is there to be more."""
        self._read_head()
        self._mark.set(len(self._held) if self._must_wait() else 0)

    def _left(self) -> None:
        if self._is_closed or self._has_left:
            return
        serving = self._serving
        if serving is None and self._held.strip(b"\r\n"):
            self._router.malformed(self.connection, "The client left in the middle of a request's head.")
        self._close("the client left")
        if serving is not None:
            serving.left("The client closed the connection before the exchange was complete.")

    def _read_head(self) -> None:
        held, limit, block = self._held, self._settings.header_size_limit, b""
        if not self._head_started_at:
            self._head_started_at = self.stack.wall_time()
        try:
            if held.startswith(b"\r\n"):
                self._skip_empty_lines()
            end = self._head_end()
            if (len(held) if end < 0 else end) > limit:
                reason = f"the header block is larger than {limit} bytes (header_size_limit)"
                raise HeadError(reason, limit, held[limit : limit + 60], 431)
            if end < 0:
                if self._settings.validate_inbound_headers:
                    refuse_bare_line_feed(held, self._scanned)
                self._scanned = len(held)
                if held:
                    self.stack.alarms.setdefault(self._head_alarm, self.stack.now + self._settings.header_timeout)
                else:
                    self._head_started_at = 0.0
                return
            block = bytes(held[:end])
            del held[:end]
            self._scanned = 0
            self.stack.alarms.pop(self._head_alarm, None)
            self._head_arrived(self._read(block), block)
        except HeadError as error:
            held[:0] = block
            if not self._router.pass_raw(self, error):
                self._refuse(error)

    def _skip_empty_lines(self) -> None:
        """Before the request (RFC 9112 §2.2); not without end."""
        held, limit = self._held, self._settings.header_count_limit
        match = _EMPTY_LINES.match(held)
        size = match.end() if match is not None else 0
        del match  # it keeps the buffer from shrinking
        self._empty_lines += size // 2
        if self._empty_lines > limit:
            raise HeadError(f"more than {limit} empty lines before the request (header_count_limit)", 0, bytes(held[:20]))
        del held[:size]
        self._scanned = 0

    def _head_end(self) -> int:
        if not self._settings.validate_inbound_headers:
            return find_head_end(self._held, max(self._scanned - 3, 0))
        end = self._held.find(b"\r\n\r\n", max(self._scanned - 3, 0))
        return end + 4 if end >= 0 else -1

    def _read(self, block: bytes) -> RequestHead:
        limit = self._settings.header_count_limit
        if self._settings.validate_inbound_headers:
            return read_request_head(block, limit)
        return read_leniently(read_request_head, block, limit)

    def _head_arrived(self, head: RequestHead, block: bytes) -> None:
        try:
            request = self._router.request_for(head, self._head_started_at)
        except HeadError as error:
            raise error.within(block) from None
        self._head_started_at = 0.0
        self._head, self._empty_lines = head, 0
        tokens, framing = head.framing.connection, head.framing
        self._keeps_alive = b"close" not in tokens and (head.minor == 1 or b"keep-alive" in tokens)
        size: int | None = 0
        if head.method == b"CONNECT":
            self._keeps_alive = True
        elif framing.is_chunked:
            self._body_has_begun = False
            self._reader, size = ChunkedBody(self._settings.validate_inbound_headers), None
        elif framing.content_length:
            self._body_has_begun = False
            self._reader = CountedBody(framing.content_length)
            size = framing.content_length
        if size == 0:
            request.timestamp_end = self.stack.wall_time()
        rest = bytes(self._held) if self._reader is not None else b""
        if rest:
            self._held = bytearray()
        self._serving = serving = self._router.serve(self, request, size, framing.expects_continue and head.minor == 1)
        if self._is_congested:
            serving.sink_congested(self.connection)
        serving.start()
        if rest and self._reader is not None and not self._is_closed:  # it may have been answered already, for good
            self._read_body(rest)

    def _read_body(self, data: bytes) -> None:
        reader, serving = self._reader, self._serving
        assert reader is not None and serving is not None
        try:
            body = reader.feed(data)
        except HeadError as error:
            return self._body_broke(f"The client's request is malformed: {error}")
        self._body_has_begun = True
        if reader.unread:
            self.stack.post_first(self, [DataReceived(self.connection, take_unread(reader))])
        if reader.has_ended:
            self._reader = None
            self._held += reader.rest
            self._mark.put(len(reader.rest))
        if body:
            serving.request_part(Data(body))
        if reader.has_ended:
            serving.request_part(End(reader.trailers))

    def _body_broke(self, reason: str) -> None:
        """There is no more of this request, and so of none after it."""
        self._reader, self._keeps_alive = None, False
        if self._serving is not None:
            self._serving.request_part(Abort(reason))

    def _refuse(self, error: HeadError) -> None:
        self._router.malformed(self.connection, f"The client's request is malformed: {error}")
        page = error_response(error.status, f"Malformed request: {error}{self._router.way_out}", self.stack.wall_time())
        head = write_status_head(page.status_code, page.reason, page.headers.fields)
        self.wire(Send(self.connection, head + page.body.read()))
        self._close(str(error))

    def _head_alarm(self) -> None:
        seconds = self._settings.header_timeout
        error = HeadError(f"no complete header block within {seconds:g} s (header_timeout)", len(self._held), b"", 408)
        self._refuse(error)

    def _idle_alarm(self) -> None:
        due = self._last_heard + self._settings.tcp_timeout
        if self._is_closed or self._has_left:
            return
        if due <= self.stack.now:
            if self._serving is None:
                return self._close("idle for tcp_timeout")
            if self._is_late():
                seconds = self._settings.tcp_timeout
                return self._body_broke(f"The client sent no more of its request for {seconds:g} s (tcp_timeout).")
        self.stack.alarms[self._idle_alarm] = max(due, self.stack.now + 1.0)

    def _is_late(self) -> bool:
        """Whether the client owes us the rest of a request's body, and nobody told it to wait."""
        owes = self._reader is not None and not self._is_paused
        return owes and (self._body_has_begun or not (self._head is not None and self._head.framing.expects_continue))

    def _close(self, reason: str, is_abrupt: bool = False) -> None:
        self._is_closed = True
        for alarm in (self._head_alarm, self._idle_alarm):
            self.stack.alarms.pop(alarm, None)
        self.wire(Close(self.connection, reason, is_abrupt))

    # --- Downstream: from the exchange ------------------------------------------------------------------------

    def inform(self, response: Response) -> None:
        if self._head is not None and self._head.minor == 1:  # a 1.0 client does not know them (RFC 9110 §15.2)
            fields = response.headers.fields
            self.wire(Send(self.connection, write_status_head(response.status_code, http1_reason(response), fields)))

    def respond(self, request: Request, response: Response, size: int | None) -> None:
        status, reason = response.status_code, response.reason
        is_old = self._head is not None and self._head.minor == 0
        if is_http1(response):
            fields = response.headers.fields
        else:
            reason, fields = http1_reason(response), response.headers.fields
            if not is_old:
                fields = http1_response_fields(response, size, request.method)
            if size is None and "content-length" in response.headers:
                size = 0  # that it is empty has been announced, its end is to come
        has_coding, connection = framing_of(fields)
        self._response_has_no_body = has_no_body = request.method == "HEAD" or status in (204, 304) or status < 200
        if response.trailers and not (has_coding or is_old or has_no_body):
            fields, has_coding = as_chunked(fields), True
        is_chunked = has_coding and not has_no_body
        if is_old and has_coding:
            fields = [item for item in fields if item[0].lower() != b"transfer-encoding"]
            is_chunked, size = False, None
        self._ends_with_connection = size is None and not is_chunked and not has_no_body
        if self._ends_with_connection:
            self._keeps_alive = False
        if b"close" in connection:
            self._keeps_alive = False
        elif is_old and self._keeps_alive and b"keep-alive" not in connection:
            fields = [*fields, (b"Connection", b"keep-alive")]
        self._writer = BodyWriter(is_chunked)
        self.wire(Send(self.connection, write_status_head(status, reason, fields)))

    def data(self, data: bytes) -> None:
        if self._response_has_no_body:
            return  # an edit made it a 204 or 304
        self.wire(Send(self.connection, self._writer.data(data)))

    def end(self, trailers: Headers | None) -> bool:
        if last := self._writer.end(trailers):
            self.wire(Send(self.connection, last))
        return self._writer.is_chunked or not trailers

    def abort(self, reason: str, code: int | None = None) -> None:
        self._serving = None
        self._close(reason, is_abrupt=self._ends_with_connection)

    def pause(self) -> None:
        self._is_paused = True
        self.wire(PauseReading(self.connection))

    def resume(self) -> None:
        self._is_paused = False
        self.wire(ResumeReading(self.connection))

    def finished(self) -> None:
        self._serving = None
        if self._is_closed:
            return
        if not self._keeps_alive or self._reader is not None:
            return self._close("not kept")
        if self._held and not self._is_congested:  # else it is read when there is room for its answer
            self.stack.post(self, Opened(self.connection))  # in a turn of its own: this one is the old exchange's

    def take_over(self, flow: HttpFlow, server: Connection, early: bytes) -> None:
        self._router.tunnel(self, flow, server, early)

    def leave_pipe(self) -> list[PipeEvent]:
        """What waits for the next head of this pipe."""
        self._has_left, self._serving = True, None
        for alarm in (self._head_alarm, self._idle_alarm):
            self.stack.alarms.pop(alarm, None)
        self._mark.take_all()
        held = bytes(self._held)
        return [DataReceived(self.connection, held)] if held else []

    def refuse_connect(self, response: Response) -> None:
        """The answer to a CONNECT that is not granted; the connection can serve another request."""
        head = write_status_head(response.status_code, response.reason, response.headers.fields)
        self.wire(Send(self.connection, head + response.body.read()))
        self._keeps_alive = self._keeps_alive and "close" not in (response.headers.get("connection") or "").lower()
        self.finished()

    def grant_connect(self) -> None:
        self.wire(Send(self.connection, b"HTTP/1.1 200 Connection established\r\n\r\n"))
