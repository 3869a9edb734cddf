"""PROXY protocol on either side: first head of the pipe of a client that we take it from; a tunnel that says it to a server.

    header ─▸ the client's address is that of the header ─▸ whoever comes next, with what follows it
    something else, or nothing for a moment ─▸ whoever comes next, as without us        malformed ─▸ a row, closed
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from interceptor.model.connection import Connection
from interceptor.proxy.core.effects import Close
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, Opened, PipeEvent
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.ingress import Ingress, record_failure
from interceptor.proxy.proxy_header import HeaderError, may_be_header, read_header
from interceptor.proxy.settings import Settings

SILENCE_SECONDS: Final = 0.5
"""Whoever sends headers sends them first: a client that says nothing for so long has none."""

GoOn = Callable[[list[PipeEvent]], None]
"""(what has come behind the header): puts the next head into the pipe."""


class ProxyProtocol(Layer):
    def __init__(self, stack: Stack, settings: Settings, ingress: Ingress, client: Connection, go_on: GoOn) -> None:
        super().__init__(stack)
        self._settings, self._ingress, self._client, self._go_on = settings, ingress, client, go_on
        self._held = b""

    def receive(self, event: PipeEvent) -> None:
        match event:
            case Opened():
                self.stack.alarms[self._silence] = self.stack.now + SILENCE_SECONDS
            case DataReceived(data=data):
                self._held += data
                self._look()
            case HalfClosed():
                self._leave([event])
            case Closed():
                self._stop()
            case _:
                pass

    def _look(self) -> None:
        if not may_be_header(self._held):
            return self._leave([])
        self._stop()
        self.stack.alarms[self._too_late] = self.stack.now + self._settings.header_timeout
        try:
            header = read_header(self._held)
        except HeaderError as error:
            return self._refuse(f"The client's PROXY header is malformed ({error}).")
        if header is None:
            return
        if header.source is not None:
            self._client.resolved, self._client.peer = self._client.peer, header.source
        self._held = header.rest
        self._leave([])

    def _leave(self, behind: list[PipeEvent]) -> None:
        self._stop()
        held: list[PipeEvent] = [DataReceived(self._client, self._held)] if self._held else []
        self._go_on([*held, *behind])

    def _silence(self) -> None:
        self._leave([])

    def _too_late(self) -> None:
        self._refuse(f"The client's PROXY header was not complete within {self._settings.header_timeout:g} s (header_timeout).")

    def _refuse(self, reason: str) -> None:
        self._stop()
        record_failure(self.stack, self._ingress, self._client, None, reason)
        self.wire(Close(self._client, "no PROXY header"))

    def _stop(self) -> None:
        for alarm in (self._silence, self._too_late):
            self.stack.alarms.pop(alarm, None)


class SaysProxyHeader(Tunnel):
    """Says it as soon as the connection is there, and is not heard of again."""

    name = "PROXY header"

    def __init__(self, stack: Stack, header: bytes) -> None:
        super().__init__(stack)
        self._header = header

    def opened_below(self) -> None:
        self.sink(self._header)
        super().opened_below()
