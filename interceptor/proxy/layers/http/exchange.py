"""One request and its response, whatever versions carry them on either side.

    Downstream ─ request parts ─▸ request strand ─▸ Upstream          decide on the head; collect if somebody wants the body
    whole; Downstream ◂─ response strand ◂─ response parts ─ Upstream        reach the origin; send on; the same for the response

By default bodies stream and are recorded as they pass. A verdict at a head may have the body collected first; then what is
sent is the flow's body handle, as it was after the decision. Whoever leaves ends the exchange: the other end is aborted, holds
are withdrawn, and the flow says why. The exchange is over when both messages are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, assert_never

from interceptor.model.arrivals import Arrivals, is_told_live
from interceptor.model.body import Body, MemoryBody
from interceptor.model.flow import FlowError, HttpFlow, WebSocketData
from interceptor.model.hooks import (
    Collect,
    Drop,
    Forward,
    HttpHook,
    Kill,
    RequestHead,
    RequestReady,
    Respond,
    ResponseHead,
    ResponseReady,
    Verdict,
)
from interceptor.model.http import Request, Response
from interceptor.model.records import BodyData, FlowChanged, FlowEnded, FlowStarted
from interceptor.proxy.asks import ConnectFailed, Reach, Reached, ReadBody, RunHook
from interceptor.proxy.core.conversation import Conversation, Strand
from interceptor.proxy.core.events import Drained, PipeEvent
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.collecting import HOLD_LIMIT, TOO_LARGE, collect_body
from interceptor.proxy.layers.http.lengths import fix_length
from interceptor.proxy.layers.http.pages import error_response
from interceptor.proxy.layers.http.parts import (
    Abort,
    Data,
    Downstream,
    End,
    Informational,
    RequestPart,
    ResponsePart,
    ResponseStarted,
    Unreadable,
    Upstream,
)
from interceptor.proxy.layers.http.surroundings import Surroundings
from interceptor.proxy.layers.http.upgrades import is_websocket, misleads

PIECE: Final = 64 * 1024
IDEMPOTENT: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))


class Exchange(Conversation):
    """`request_size` is the announced length of the body, None if unknown. The codec that made it delivers parts by
    `request_part` and `response_part`, and says `left` when the client has gone."""

    def __init__(
        self,
        stack: Stack,
        surroundings: Surroundings,
        downstream: Downstream,
        flow: HttpFlow,
        request_size: int | None,
        expects_continue: bool = False,
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
        self._from_client: Strand[RequestPart] | None = Strand(self, self._request, downstream.pause, downstream.resume)
        self._from_server: Strand[ResponsePart] | None = None
        self.strands.append(self._from_client)

    # --- from the codecs ------------------------------------------------------------------------------------

    def start(self, is_whole: bool = False) -> None:
        """`is_whole`: the request's body is on the flow already."""
        if is_whole or self._request_size == 0:
            self._has_whole_request = self._request_is_over = True
        elif is_told_live(self.flow.request.headers.get("content-type")):
            self.flow.request.arrivals = Arrivals()
        self.flow.is_live = True
        self.stack.killers[self.flow.id] = self.kill
        self.stack.record(FlowStarted(self.flow))
        if self._from_client is not None:
            self._from_client.start()

    def request_part(self, part: RequestPart) -> None:
        if self._from_client is not None:
            self._from_client.deliver(part, len(part.data) if isinstance(part, Data) else 0)

    def response_part(self, part: ResponsePart) -> None:
        if self._from_server is not None:
            self._from_server.deliver(part, len(part.data) if isinstance(part, Data) else 0)

    def left(self, reason: str, code: int | None = None) -> None:
        self._end(reason, code)

    def kill(self, reason: str) -> None:
        if not self._is_over:
            self._end(reason)
            self.downstream.abort(reason)

    # --- the request ------------------------------------------------------------------------------------------

    async def _request(self, up: Strand[RequestPart]) -> None:
        flow, limit = self.flow, self._settings.body_size_limit
        if limit is not None and self._request_size is not None and self._request_size > limit:
            return self._request_broke(TOO_LARGE, 413)
        received, is_whole = flow.request.body, self._has_whole_request
        verdict = await up.ask(RunHook(up, RequestHead(flow)))
        if isinstance(verdict, Forward) and verdict.collect is not Collect.NO:
            if not is_whole and flow.request.body is received:  # else there is another in its place already
                self._say_continue()
                collected = await self._collect(up, flow.request, self._request_size, verdict.collect)
                match collected:
                    case End():
                        self._request_has_ended()
                    case Abort(reason=reason):
                        return self._request_broke(reason)
                    case str():
                        return self._request_broke(collected, 413)
                is_whole = isinstance(collected, End)
            verdict = await self._decide(up, RequestReady(flow), is_whole or flow.request.body is not received)
        match verdict:
            case Forward():
                await self._send_request(up, is_whole, is_replaced=not is_whole and flow.request.body is not received)
            case Respond(response=response):
                self._request_is_over = is_whole
                self._will_not_ask_for_body(response)
                await self._pass_response(up, response, response.body.size, is_local=True)
                await self._discard_request(up)
            case Kill() | Drop():
                self.kill(verdict.reason if isinstance(verdict, Kill) else "Dropped.")
            case unreachable:
                assert_never(unreachable)

    async def _decide(self, strand: Strand[Any], hook: HttpHook, is_whole: bool) -> Verdict:
        self.flow.body_is_editable = is_whole
        verdict = await strand.ask(RunHook(strand, hook))
        self.flow.body_is_editable = True
        return verdict

    async def _send_request(self, up: Strand[RequestPart], is_whole: bool, is_replaced: bool) -> None:
        if not await self._reach(up, is_fresh=False):
            return
        request, upstream = self.flow.request, self.upstream
        assert upstream is not None
        kept = request.body  # what was collected, or what an edit put in its place
        self._is_sending = kept.size > 0
        if is_whole or is_replaced:
            if kept.size or self.flow.is_modified or self.downstream.connection is None:
                fix_length(request, kept.size)
            upstream.request(request, kept.size)
        else:
            if self.flow.is_modified and self._request_size is not None:
                fix_length(request, self._request_size)
            upstream.request(request, self._request_size)
        if kept.size:
            await self._send_body(up, kept, upstream.data)
            self._is_sending = False
            if self._is_over:
                return
        if is_whole or is_replaced:
            if not self._upstream_is_gone:
                upstream.end(request.trailers)
            if is_replaced:
                return await self._discard_request(up, is_recorded=False)
            self._request_has_ended()
            return self._finish_if_over()
        self._body_was_sent_live = True
        await self._stream_request(up)

    async def _stream_request(self, up: Strand[RequestPart]) -> None:
        request = self.flow.request
        while True:
            match await up.next_item():
                case Data(data=data):
                    if not self._record(request, data):
                        return self._request_broke(TOO_LARGE, 413)
                    if self.upstream is not None and not self._upstream_is_gone:
                        self.upstream.data(data)
                case End(trailers=trailers):
                    request.trailers = trailers
                    self._request_has_ended()
                    if self.upstream is not None and not self._upstream_is_gone:
                        self.upstream.end(trailers)
                    return self._finish_if_over()
                case Abort(reason=reason):
                    return self._request_broke(reason)

    async def _discard_request(self, up: Strand[RequestPart], is_recorded: bool = True) -> None:
        """The rest of a request that was answered without being read."""
        while not self._request_is_over and not self._is_over:
            match await up.next_item():
                case Data(data=data):
                    is_recorded = is_recorded and self._record(self.flow.request, data)
                case End():
                    self._request_has_ended()
                case Abort(reason=reason):
                    return self._request_broke(reason)
        self._finish_if_over()

    def _request_broke(self, reason: str, status: int = 400) -> None:
        """The client's body is malformed, or too large and perhaps endless: no more of it is read."""
        self._request_is_over = True
        self._give_up(reason, status)

    def _request_has_ended(self) -> None:
        if self.flow.request.timestamp_end is None:
            self.flow.request.timestamp_end = self.stack.wall_time()
        self._request_is_over = True

    def _will_not_ask_for_body(self, response: Response) -> None:
        """A client that waits for our 100 gets this answer at once: will its body follow? It need not (RFC 9110 §10.1.1)."""
        has_begun = self.flow.request.body.size or (self._from_client is not None and self._from_client.mailbox)
        if self._owes_continue and not has_begun:
            response.headers["Connection"] = "close"
            self._request_is_over = True

    def _say_continue(self) -> None:
        if self._owes_continue:
            self._owes_continue, self._has_said_continue = False, True
            self.downstream.inform(Response(100, b"Continue"))

    # --- the way to the server ------------------------------------------------------------------------------

    async def _reach(self, strand: Strand[RequestPart], is_fresh: bool) -> bool:
        """True with `upstream` set; else the client has been told why not."""
        origin = self._surroundings.origin_of(self.flow.request, self._first_target)
        offers = self._surroundings.offers_for(self.flow.request, origin)
        reach = Reach(strand, origin, alpn_offers=offers, is_taken=True, is_fresh=is_fresh)
        answer: Reached | ConnectFailed = await strand.ask(reach)
        if isinstance(answer, ConnectFailed):
            self.flow.server = answer.connection
            self._give_up(str(answer), 502)
            await self._discard_request(strand)
            return False
        self.flow.server = strand.sink = answer.connection
        self._connection_was_reused = answer.is_reused
        self.upstream = upstream = self._surroundings.make_upstream(self, answer.connection, answer.is_http2)
        self._from_server = Strand(self, self._response, upstream.pause, upstream.resume)
        self._from_server.sink = self.downstream.connection
        self.strands.append(self._from_server)
        self._from_server.start()
        return True

    async def _try_again(self, strand: Strand[RequestPart]) -> None:
        """The server closed a kept connection under a request of which it read nothing: once more, on a new one."""
        self._is_second_try, self._upstream_is_gone = True, False
        if await self._reach(strand, is_fresh=True) and self.upstream is not None:
            request = self.flow.request
            self.upstream.request(request, request.body.size)
            await self._send_body(strand, request.body, self.upstream.data)
            self.upstream.end(request.trailers)

    def _may_try_again(self, abort: Abort) -> bool:
        is_safe = abort.is_unprocessed or (
            abort.is_early and self._connection_was_reused and self.flow.request.method in IDEMPOTENT
        )
        return is_safe and not self._is_second_try and self._request_is_over and not self._body_was_sent_live

    # --- the response ---------------------------------------------------------------------------------------

    async def _response(self, down: Strand[ResponsePart]) -> None:
        while True:
            part = await down.next_item()
            match part:
                case Informational(response=response):
                    self.flow.informational.append(response)
                    if response.status_code != 100 or not self._has_said_continue:  # else it is the answer to ours
                        self._owes_continue = self._owes_continue and response.status_code != 100
                        self.downstream.inform(response)
                case ResponseStarted(response=response, size=size):
                    return await self._pass_response(down, response, size)
                case Unreadable(reason=reason):
                    return self._pass_raw(reason)
                case Abort() as abort:
                    self._upstream_has_gone()
                    if self._may_try_again(abort):
                        return self._add_strand(self._try_again)
                    return self._give_up(abort.reason, 502, abort.code)
                case Data() | End():
                    raise AssertionError("a codec gave a body before a head")

    def _add_strand(self, run: Callable[[Strand[RequestPart]], object]) -> None:
        self._from_client = Strand(self, run, self.downstream.pause, self.downstream.resume)  # type: ignore[arg-type]
        self.strands.append(self._from_client)
        self._from_client.start()

    async def _pass_response(self, down: Strand[Any], response: Response, size: int | None, is_local: bool = False) -> None:
        flow = self.flow
        flow.response = response
        is_whole = is_local or size == 0
        if not is_whole and is_told_live(response.headers.get("content-type")):
            response.arrivals = Arrivals()
        limit = self._settings.body_size_limit
        if not is_local and limit is not None and size is not None and size > limit:
            return self._give_up(TOO_LARGE, 502)
        received = response.body
        verdict = await down.ask(RunHook(down, ResponseHead(flow)))
        if isinstance(verdict, Forward) and verdict.collect is not Collect.NO:
            is_endless = (response.headers.get("content-type") or "").startswith("text/event-stream")
            is_replaced = response.body is not received
            if not is_whole and not is_replaced and not (is_endless and verdict.collect is Collect.FOR_HOLD):
                collected = await self._collect(down, response, size, verdict.collect)
                match collected:
                    case End():
                        response.timestamp_end = self.stack.wall_time()
                    case Abort(reason=reason):
                        self._upstream_has_gone()
                        return self._give_up(reason, 502)
                    case str():
                        return self._give_up(collected, 502)
                is_whole = isinstance(collected, End)
            verdict = await self._decide(down, ResponseReady(flow), is_whole or is_replaced)
        match verdict:
            case Forward():
                if not is_whole and flow.response.body is not received:
                    is_whole = True  # somebody put another body in its place
                    self._drop_upstream("the response body was replaced")
            case Respond(response=response):
                flow.response, is_whole = response, True
                self._drop_upstream("the response was replaced")
            case Kill() | Drop():
                return self.kill(verdict.reason if isinstance(verdict, Kill) else "Dropped.")
            case unreachable:
                assert_never(unreachable)
        await self._send_response(down, is_whole, size)

    async def _send_response(self, down: Strand[Any], is_whole: bool, size: int | None) -> None:
        flow, response = self.flow, self.flow.response
        assert response is not None
        if flow.request.protocol and (reason := misleads(flow)):
            return self._give_up(reason, 502)
        down.sink = self.downstream.connection
        kept = response.body
        if is_whole:
            size = kept.size
        if size is not None and (is_whole or flow.is_modified):
            fix_length(response, size, flow.request.method)
        self.response_has_begun = True
        self.downstream.respond(flow.request, response, size)
        if response.status_code == 101 or (flow.request.method == "CONNECT" and 200 <= response.status_code < 300):
            return self._upgrade()
        if kept.size and flow.request.method != "HEAD":
            await self._send_body(down, kept, self.downstream.data)
        if self._is_over:
            return
        if is_whole:
            return self._response_has_ended(response)
        self.stack.record(FlowChanged(flow))
        while True:
            match await down.next_item():
                case Data(data=data):
                    if not self._record(response, data):
                        self._end(TOO_LARGE)
                        return self.downstream.abort(TOO_LARGE)
                    self.downstream.data(data)
                case End(trailers=trailers):
                    response.trailers = trailers
                    return self._response_has_ended(response)
                case Abort(reason=reason, code=code):
                    self._upstream_has_gone()
                    self._end(reason)
                    return self.downstream.abort(reason, code)
                case _:
                    raise AssertionError("a codec gave a second head")

    def _response_has_ended(self, response: Response) -> None:
        if response.timestamp_end is None:
            response.timestamp_end = self.stack.wall_time()
        if not response.timestamp_start:
            response.timestamp_start = response.timestamp_end
        self._response_is_over = True
        self.downstream.end(response.trailers)
        self._finish_if_over()

    def _upgrade(self) -> None:
        upstream = self.upstream
        if upstream is None or self._upstream_is_gone:  # a response of our own; the client cannot be served in that protocol
            self._end("The response switches to another protocol, and there is no server to speak it.")
            return self.downstream.abort("no server to switch to")
        flow = self.flow
        flow.is_upgraded = True
        early = upstream.leave_pipe()
        if self._settings.websocket and is_websocket(flow):
            flow.websocket = WebSocketData()
            self._let_go()  # the flow goes on: its messages are to come
        else:
            self._close_flow()
        self.downstream.take_over(flow, upstream.connection, early)

    def _pass_raw(self, reason: str) -> None:
        """From the response on the connection is a raw conversation; unless the request is still being read."""
        upstream = self.upstream
        if upstream is None or not self._request_is_over or self.downstream.has_error_codes:  # a stream cannot carry that
            return self._give_up(reason, 502)
        self.flow.error = FlowError(reason, self.stack.wall_time())
        early = upstream.leave_pipe()
        self._close_flow()
        self.downstream.take_over(self.flow, upstream.connection, early)

    # --- bodies and ends ------------------------------------------------------------------------------------

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

    def _give_up(self, reason: str, status: int, code: int | None = None) -> None:
        """No response can be had: say so on the flow and to the client, by the server's code or in a page of our own."""
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
