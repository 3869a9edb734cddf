"""Stands where a client would: a request that we send ourselves, and a response that nobody but the session receives."""

from __future__ import annotations

from collections.abc import Callable

from interceptor.model.connection import Connection, Side
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.proxy.core.effects import Close
from interceptor.proxy.core.events import Opened, PipeEvent
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.exchange import Exchange


class Replayer:
    """A Downstream without a connection. The request's body is on the flow already, so the exchange needs no parts."""

    connection: Connection | None = None
    has_error_codes = False

    def __init__(self, go_on: Callable[[HttpFlow, Connection, bytes], None]) -> None:
        """`go_on` takes over a connection that became a WebSocket."""
        self._go_on = go_on
        self._stack: Stack | None = None
        self._exchange: Exchange | None = None

    def run(self, stack: Stack, exchange: Exchange) -> None:
        self._stack, self._exchange = stack, exchange
        stack.post(self, Opened(Connection(Side.CLIENT)))

    def receive(self, event: PipeEvent) -> None:
        """The first turn of its stack."""
        if isinstance(event, Opened) and self._exchange is not None:
            self._exchange.start(is_whole=True)

    def inform(self, response: Response) -> None:
        pass

    def respond(self, request: Request, response: Response, size: int | None) -> None:
        pass

    def data(self, data: bytes) -> None:
        pass

    def end(self, trailers: Headers | None) -> bool:
        return True

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def abort(self, reason: str, code: int | None = None) -> None:
        self.finished()

    def finished(self) -> None:
        self._close()

    def take_over(self, flow: HttpFlow, server: Connection, early: bytes) -> None:
        if flow.websocket is not None:
            self._go_on(flow, server, early)
        else:
            self._close()

    def _close(self) -> None:
        if self._stack is not None:
            for connection in list(self._stack.pipes):
                self._stack.pipes[connection].top.emit(Close(connection, "the replay is over"))
