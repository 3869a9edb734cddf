"""The response half of an exchange: what the server says, decided about, and given to the client.

    Upstream ─ response parts ─▸ response strand ─▸ Downstream        1xx at once; decide on the head; collect if somebody wants
                                      │                               the body whole; decide again; send on, or become a pipe
                                      └─▸ once more on a new connection, if the server had closed a kept one

The request half makes the strand when it has reached the server, and uses `_pass_response` itself for an answer of our own.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final, assert_never

from interceptor.model.arrivals import Arrivals, is_endless, is_told_live
from interceptor.model.flow import FlowError, WebSocketData
from interceptor.model.hooks import Collect, Drop, Forward, Kill, Respond, ResponseHead, ResponseReady
from interceptor.model.http import Response
from interceptor.model.records import FlowChanged
from interceptor.proxy.asks import RunHook
from interceptor.proxy.core.conversation import Strand
from interceptor.proxy.layers.http.collecting import TOO_LARGE, Recording
from interceptor.proxy.layers.http.ending import Ending
from interceptor.proxy.layers.http.lengths import fix_length
from interceptor.proxy.layers.http.parts import Abort, Data, End, Informational, ResponsePart, ResponseStarted, Unreadable
from interceptor.proxy.layers.http.upgrades import is_websocket, misleads

IDEMPOTENT: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))


class Responding(Ending):
    """`_response` is the strand."""

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
                        return self._start_again()
                    return self._give_up(abort.reason, 502, abort.code)
                case Data() | End():
                    raise AssertionError("a codec gave a body before a head")

    def _may_try_again(self, abort: Abort) -> bool:
        is_safe = abort.is_unprocessed or (
            abort.is_early and self._connection_was_reused and self.flow.request.method in IDEMPOTENT
        )
        return is_safe and not self._is_second_try and self._request_is_over and not self._body_was_sent_live

    @abstractmethod
    def _start_again(self) -> None:
        """Sends the request once more, on a new connection."""

    async def _pass_response(self, down: Strand[Any], response: Response, size: int | None, is_local: bool = False) -> None:
        flow = self.flow
        flow.response = response
        is_whole, is_streamed = is_local or size == 0, False
        if not is_whole and is_told_live(response.headers.get("content-type")):
            response.arrivals = Arrivals()
        limit = self._settings.body_size_limit
        if not is_local and limit is not None and size is not None and size > limit:
            return self._give_up(TOO_LARGE, 502)
        received = response.body
        verdict = await down.ask(RunHook(down, ResponseHead(flow)))
        if isinstance(verdict, Forward) and verdict.collect is not Collect.NO:
            is_streamed = verdict.collect is Collect.STREAM
            is_replaced = response.body is not received
            never_whole = verdict.collect is Collect.FOR_HOLD and is_endless(response.headers.get("content-type"))
            if not is_whole and not is_replaced and not never_whole:
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
        await self._send_response(down, is_whole, size, is_streamed)

    async def _send_response(self, down: Strand[Any], is_whole: bool, size: int | None, is_streamed: bool) -> None:
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
        record: Recording = self._record
        self._response_size, most = size, self._most_kept(size, is_streamed)
        while True:
            match await down.next_item():
                case Data(data=data):
                    if most is not None and response.body.size + len(data) > most:
                        record, most = self._keep_no_more(response), None
                    if not record(response, data):
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
        if not self.downstream.end(response.trailers):
            self._leave_out_trailers(response)
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
