"""What both halves of an exchange stand on: its state, bodies recorded and sent, a decision asked for, and every way it can end.

    request half ─┐                        ┌─▸ records of bodies as they pass; kept bodies, in pieces
                  ├─▸ this ─ one flow ─────┤
    response half ┘                        └─▸ an error page, an abort, or both messages complete

The exchange is over when both messages are, or when one side has left or somebody has killed it: then it is recorded once, holds
are withdrawn, and the end that is still there is told. It knows no order of events: that is what the halves are for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from interceptor.model.arrivals import is_endless
from interceptor.model.body import Body, MemoryBody, UnkeptBody, passed_size
from interceptor.model.flow import FlowError, HttpFlow
from interceptor.model.hooks import Collect, HttpHook, Verdict
from interceptor.model.http import Request, Response
from interceptor.model.records import BodyData, FlowChanged, FlowEnded
from interceptor.proxy.asks import ReadBody, RunHook
from interceptor.proxy.core.conversation import Conversation, Strand
from interceptor.proxy.core.events import Drained, PipeEvent
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.collecting import HOLD_LIMIT, Recording, collect_body
from interceptor.proxy.layers.http.error_codes import ErrorCode
from interceptor.proxy.layers.http.pages import error_response
from interceptor.proxy.layers.http.parts import Abort, Downstream, End, RequestPart, ResponsePart, Upstream
from interceptor.proxy.layers.http.surroundings import Surroundings

PIECE: Final = 64 * 1024
_NOTHING_WRONG: Final = (None, ErrorCode.NO_ERROR, ErrorCode.CANCEL)


class Ending(Conversation):
    """`upstream` is there once a server has been reached. `_from_client` and `_from_server` are the strands of the two halves."""

    def __init__(
        self,
        stack: Stack,
        surroundings: Surroundings,
        downstream: Downstream,
        flow: HttpFlow,
        request_size: int | None,
        expects_continue: bool,
    ) -> None:
        super().__init__(stack)
        self.flow, self.downstream = flow, downstream
        self.upstream: Upstream | None = None
        self.response_has_begun = False
        self._surroundings, self._settings = surroundings, surroundings.settings
        self._request_size, self._owes_continue = request_size, expects_continue
        self._first_target = (flow.request.scheme, flow.request.host, flow.request.port)
        self._request_is_over = self._response_is_over = self._upstream_is_gone = self._is_over = False
        self._has_whole_request = self._body_was_sent_live = self._is_sending = self._has_said_continue = False
        self._is_second_try = self._connection_was_reused = False
        self._response_size: int | None = None  # as announced, while it streams
        self._aside = ""  # why it is not HTTP/2 that is spoken with the server, where that matters if it fails
        self._from_client: Strand[RequestPart] | None = None
        self._from_server: Strand[ResponsePart] | None = None

    def left(self, reason: str, code: int | None = None) -> None:
        if not self._is_over and (self._client_has_everything() or self._client_has_enough(code)):
            self._drop_upstream(reason, code)
            return self._close_flow()
        self._end(reason, code)

    def _client_has_everything(self) -> bool:
        """All that the response announced, but its end, which HTTP/2 may say in a frame of its own: a client of HTTP/1 may have
        left by then."""
        response, size = self.flow.response, self._response_size
        if response is None or not size or not self._request_is_over or passed_size(response.body) < size:
            return False
        response.timestamp_end = self.stack.wall_time()
        return True

    def _client_has_enough(self, code: int | None) -> bool:
        """Of a stream that nobody expects to end, such as server-sent events: leaving is how one says so."""
        response = self.flow.response
        if response is None or not self.response_has_begun or not self._request_is_over or self._response_size is not None:
            return False
        if code not in _NOTHING_WRONG or not is_endless(response.headers.get("content-type")):
            return False
        response.timestamp_end = self.stack.wall_time()
        return True

    def kill(self, reason: str) -> None:
        if not self._is_over:
            self._end(reason)
            self.downstream.abort(reason)

    # --- decisions and bodies --------------------------------------------------------------------------------

    async def _decide(self, strand: Strand[Any], hook: HttpHook, is_whole: bool) -> Verdict:
        self.flow.body_is_editable = is_whole
        verdict = await strand.ask(RunHook(strand, hook))
        self.flow.body_is_editable = True
        return verdict

    async def _collect(
        self, strand: Strand[Any], message: Request | Response, size: int | None, collect: Collect
    ) -> End | Abort | str | None:
        limit = HOLD_LIMIT if collect is Collect.FOR_HOLD else self._settings.stream_large_bodies
        return await collect_body(strand, message, size, collect, limit, self._record)

    async def _send_body(self, strand: Strand[Any], body: Body, send: Callable[[bytes], None]) -> None:
        if isinstance(body, MemoryBody) and body.size <= PIECE:
            return send(body.read()) if body.size else None
        position, size = 0, body.size
        while position < size:
            await strand.room()
            piece = await strand.ask(ReadBody(strand, body, position, min(PIECE, size - position)))
            if not piece:
                return self.kill("The kept body could not be read back.")
            position += len(piece)
            send(piece)

    def _record(self, message: Request | Response, data: bytes) -> bool:
        limit = self._settings.body_size_limit
        if limit is not None and message.body.size + len(data) > limit:
            return False
        self.stack.record(BodyData(self.flow, message, data))
        if message.arrivals is not None:
            message.arrivals.add(len(data), self.stack.wall_time())
        return True

    def _most_kept(self, size: int | None, is_streamed: bool) -> int | None:
        """Of a body that streams from here on, of that announced size: None is all of it. `is_streamed`: a script insists."""
        if self._settings.store_streamed_bodies:
            return None
        most = self._settings.stream_large_bodies
        return 0 if is_streamed or (most is not None and size is not None and size > most) else most

    def _keep_no_more(self, message: Request | Response) -> Recording:
        """What was kept of a body that streams is let go. Gives what takes the place of `_record` for the rest of it."""
        kept, message.body, message.arrivals = message.body, UnkeptBody(message.body.size), None
        for original in self.flow.original or ():
            if original is not None and original.body is kept:
                original.body = message.body
        return self._count

    def _count(self, message: Request | Response, data: bytes) -> bool:
        body, limit = message.body, self._settings.body_size_limit
        assert isinstance(body, UnkeptBody)
        if limit is not None and body.passed + len(data) > limit:
            return False
        body.passed += len(data)
        self.stack.record(FlowChanged(self.flow))
        return True

    def _leave_out_trailers(self, message: Request | Response) -> None:
        """They came behind a body that had been sent on with Content-Length, or to who knows no chunks: shown on the message."""
        if message.trailers is not None:
            message.not_sent += tuple(name + b" (trailer)" for name, _ in message.trailers)

    # --- ends ---------------------------------------------------------------------------------------------------

    def _give_up(self, reason: str, status: int, code: int | None = None) -> None:
        """No response can be had: say so on the flow and to the client, by the server's code or in a page of our own."""
        if self._aside:
            reason = f"{reason.rstrip('.')}. It was asked in HTTP/1.1, because over HTTP/2 {self._aside}."
        if self.response_has_begun or (code is not None and self.downstream.has_error_codes):
            self._end(reason)
            return self.downstream.abort(reason, code)
        self.flow.error = FlowError(reason, self.stack.wall_time())
        self._drop_upstream(reason)
        page = error_response(status, reason, self.stack.wall_time())
        self._will_not_ask_for_body(page)
        self.response_has_begun = True
        self.downstream.respond(self.flow.request, page, page.body.size)
        self.downstream.data(page.body.read())
        self._response_is_over = True
        self.downstream.end(None)
        self._finish_if_over()

    def _will_not_ask_for_body(self, response: Response) -> None:
        """A client that waits for our 100 gets this answer at once: will its body follow? It need not (RFC 9110 §10.1.1)."""
        has_begun = self.flow.request.body.size or (self._from_client is not None and self._from_client.mailbox)
        if self._owes_continue and not has_begun:
            response.headers["Connection"] = "close"
            self._request_is_over = True

    def _drop_upstream(self, reason: str, code: int | None = None) -> None:
        if self.upstream is not None and not self._upstream_is_gone:
            self.upstream.abort(reason, code)
            self._upstream_has_gone()

    def _upstream_has_gone(self) -> None:
        """Who waits for room on the way there need not, but not in this turn: what is still to be sent is dropped."""
        self._upstream_is_gone = True
        if self.upstream is not None and self.upstream.connection in self.congested:
            self.stack.post(self, Drained(self.upstream.connection))

    def receive(self, event: PipeEvent) -> None:
        self.sink_drained(event.connection)

    def _finish_if_over(self) -> None:
        if self._request_is_over and self._response_is_over and not self._is_sending and not self._is_over:
            if self.upstream is not None and not self._upstream_is_gone:
                self.upstream.finished()
            self._close_flow()
            self.downstream.finished()

    def _end(self, reason: str, code: int | None = None) -> None:
        """Before its time."""
        if self._is_over:
            return
        self.flow.error = self.flow.error or FlowError(reason, self.stack.wall_time())  # the first one is the cause
        self._drop_upstream(reason, code)
        self._close_flow()

    def _close_flow(self) -> None:
        self.flow.is_live, self.flow.ended_at = False, self.stack.wall_time()
        self.stack.record(FlowEnded(self.flow))
        self._let_go()

    def _let_go(self) -> None:
        self._is_over = True
        self.end()
        # What refers back to this exchange is let go, so that it is freed now and not by the next garbage collection.
        self.strands, self.upstream, self._from_client, self._from_server = [], None, None, None
