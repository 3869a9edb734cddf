"""A client's CONNECT to us: decided about, the origin reached if we connect eagerly, then granted (RFC 9110 §9.3.6).

Only a refusal leaves a row of its own; what goes through a granted tunnel makes its own rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, assert_never

from interceptor.model.connection import Origin
from interceptor.model.flow import FlowError, HttpFlow
from interceptor.model.hooks import ConnectRequested, Drop, Forward, Kill, Respond
from interceptor.model.http import Response
from interceptor.model.records import FlowEnded, FlowStarted
from interceptor.proxy.asks import ConnectFailed, Reach, RunHook
from interceptor.proxy.core.conversation import Conversation, Strand
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.settings import Settings


class Granting(Protocol):
    """The codec that carries the CONNECT."""

    def grant_connect(self) -> None: ...
    def refuse_connect(self, response: Response) -> None: ...
    def abort(self, reason: str) -> None: ...


class Connect(Conversation):
    """`flow` is the CONNECT; `granted` is called when the client has its 200. `explain` makes a response of (status, reason)."""

    def __init__(
        self,
        stack: Stack,
        settings: Settings,
        codec: Granting,
        flow: HttpFlow,
        granted: Callable[[], None],
        explain: Callable[[int, str], Response],
    ) -> None:
        super().__init__(stack)
        self._settings, self._codec, self.flow, self._granted, self._explain = settings, codec, flow, granted, explain
        self._strand: Strand[Any] = Strand(self, self._run, lambda: None, lambda: None)
        self.strands.append(self._strand)

    def start(self) -> None:
        self._strand.start()

    def request_part(self, part: object) -> None:
        """A CONNECT has no body."""

    def left(self, reason: str, code: int | None = None) -> None:
        self.end()

    async def _run(self, strand: Strand[Any]) -> None:
        request = self.flow.request
        verdict = await strand.ask(RunHook(strand, ConnectRequested(self.flow)))
        match verdict:
            case Forward():
                pass
            case Respond(response=response):
                return self._refuse(response, f"CONNECT was answered with {response.status_code}.")
            case Kill(reason=reason):
                self._record_refusal(reason)
                return self._codec.abort(reason)
            case Drop():
                return self._codec.abort("dropped")
            case unreachable:
                assert_never(unreachable)
        if self._settings.is_eager:
            origin = Origin("tcp", request.host, request.port)
            answer = await strand.ask(Reach(strand, origin))
            if isinstance(answer, ConnectFailed) and not self._settings.rules_may_answer:
                self.flow.server = answer.connection
                return self._refuse(self._explain(502, str(answer)), str(answer))
        self._codec.grant_connect()
        self._granted()

    def _refuse(self, response: Response, reason: str) -> None:
        self.flow.response = response
        self._record_refusal(reason)
        self._codec.refuse_connect(response)

    def _record_refusal(self, reason: str) -> None:
        now = self.stack.wall_time()
        self.flow.error, self.flow.ended_at = FlowError(reason, now), now
        self.stack.record(FlowStarted(self.flow))
        self.stack.record(FlowEnded(self.flow))
