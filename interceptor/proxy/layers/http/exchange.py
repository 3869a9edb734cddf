"""One request and its response, whatever versions carry them on either side.

    Downstream ─ request parts ─▸ request strand ─▸ Upstream          decide on the head; collect if somebody wants the body
    whole; Downstream ◂─ response strand ◂─ response parts ─ Upstream        reach the origin; send on; the same for the response

By default bodies stream and are recorded as they pass. A verdict at a head may have the body collected first; then what is
sent is the flow's body handle, as it was after the decision. Whoever leaves ends the exchange: the other end is aborted, holds
are withdrawn, and the flow says why. Here are the request half and the way to the server; `responding.py` is the response half,
`ending.py` what both stand on.
"""

from __future__ import annotations

from typing import assert_never

from interceptor.model.arrivals import Arrivals, is_told_live
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import Collect, Drop, Forward, Kill, RequestHead, RequestReady, Respond
from interceptor.model.http import Response
from interceptor.model.records import FlowStarted
from interceptor.proxy.asks import ConnectFailed, Reach, Reached, RunHook
from interceptor.proxy.core.conversation import Strand
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.collecting import TOO_LARGE, Recording
from interceptor.proxy.layers.http.lengths import fix_length
from interceptor.proxy.layers.http.parts import Abort, Data, Downstream, End, RequestPart, ResponsePart
from interceptor.proxy.layers.http.responding import Responding
from interceptor.proxy.layers.http.surroundings import HTTP1_ONLY, Surroundings
from interceptor.proxy.layers.http.upgrades import asks_for_websocket
from interceptor.proxy.layers.http.websocket_way import reach_for_websocket


class Exchange(Responding):
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
        super().__init__(stack, surroundings, downstream, flow, request_size, expects_continue)
        self._from_client = Strand(self, self._request, downstream.pause, downstream.resume)
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

    # --- the request ------------------------------------------------------------------------------------------

    async def _request(self, up: Strand[RequestPart]) -> None:
        flow, limit = self.flow, self._settings.body_size_limit
        if limit is not None and self._request_size is not None and self._request_size > limit:
            return self._request_broke(TOO_LARGE, 413)
        received, is_whole, is_streamed = flow.request.body, self._has_whole_request, False
        verdict = await up.ask(RunHook(up, RequestHead(flow)))
        if isinstance(verdict, Forward) and verdict.collect is not Collect.NO:
            is_streamed = verdict.collect is Collect.STREAM
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
                is_replaced = not is_whole and flow.request.body is not received
                await self._send_request(up, is_whole, is_replaced, is_streamed)
            case Respond(response=response):
                self._request_is_over = is_whole
                self._will_not_ask_for_body(response)
                await self._pass_response(up, response, response.body.size, is_local=True)
                await self._discard_request(up)
            case Kill() | Drop():
                self.kill(verdict.reason if isinstance(verdict, Kill) else "Dropped.")
            case unreachable:
                assert_never(unreachable)

    async def _send_request(self, up: Strand[RequestPart], is_whole: bool, is_replaced: bool, is_streamed: bool) -> None:
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
            if not self._upstream_is_gone and not upstream.end(request.trailers):
                self._leave_out_trailers(request)
            if is_replaced:
                return await self._discard_request(up, is_recorded=False)
            self._request_has_ended()
            return self._finish_if_over()
        self._body_was_sent_live = True
        await self._stream_request(up, is_streamed)

    async def _stream_request(self, up: Strand[RequestPart], is_streamed: bool) -> None:
        request = self.flow.request
        record: Recording = self._record
        most = self._most_kept(self._request_size, is_streamed)
        while True:
            match await up.next_item():
                case Data(data=data):
                    if most is not None and request.body.size + len(data) > most:
                        record, most = self._keep_no_more(request), None
                    if not record(request, data):
                        return self._request_broke(TOO_LARGE, 413)
                    if self.upstream is not None and not self._upstream_is_gone:
                        self.upstream.data(data)
                case End(trailers=trailers):
                    request.trailers = trailers
                    self._request_has_ended()
                    if self.upstream is not None and not self._upstream_is_gone and not self.upstream.end(trailers):
                        self._leave_out_trailers(request)
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

    def _say_continue(self) -> None:
        if self._owes_continue:
            self._owes_continue, self._has_said_continue = False, True
            self.downstream.inform(Response(100, b"Continue"))

    # --- the way to the server ------------------------------------------------------------------------------

    async def _reach(self, strand: Strand[RequestPart], is_fresh: bool) -> bool:
        """True with `upstream` set; else the client has been told why not."""
        origin = self._surroundings.origin_of(self.flow.request, self._first_target)
        offers = self._surroundings.offers_for(self.flow.request, origin)
        answer: Reached | ConnectFailed
        if offers is not HTTP1_ONLY and asks_for_websocket(self.flow.request):
            patience = self._settings.connect_timeout
            answer, self._aside = await reach_for_websocket(strand, origin, offers, is_fresh, patience)
        else:
            is_plain = self._surroundings.may_forward and self._surroundings.is_plain(self.flow.request, origin, offers)
            reach = Reach(strand, origin, None, offers, is_taken=True, is_fresh=is_fresh, is_plain_request=is_plain)
            answer = await strand.ask(reach)
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

    def _start_again(self) -> None:
        self._from_client = Strand(self, self._try_again, self.downstream.pause, self.downstream.resume)
        self.strands.append(self._from_client)
        self._from_client.start()

    async def _try_again(self, strand: Strand[RequestPart]) -> None:
        """The server closed a kept connection under a request of which it read nothing: once more, on a new one."""
        self._is_second_try, self._upstream_is_gone = True, False
        if await self._reach(strand, is_fresh=True) and self.upstream is not None:
            request = self.flow.request
            self.upstream.request(request, request.body.size)
            await self._send_body(strand, request.body, self.upstream.data)
            self.upstream.end(request.trailers)
