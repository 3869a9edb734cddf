"""First head of a pipe: sees what is said first, and by whom, and puts the layers that the policy names in its own place.

If the origin is known and we connect eagerly, the server's pipe is put under this layer too: a server that speaks first is
heard, and the conversation is relayed as it is. A client and a server that are both silent for long (lazy: for a moment) are
connected raw.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from interceptor.model.connection import Connection
from interceptor.proxy.asks import ConnectFailed, Reach, Reached
from interceptor.proxy.choose import Next, choose, choose_datagrams, choose_unheard
from interceptor.proxy.core.effects import Close, PauseReading, ResumeReading
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, HungUp, Opened, PipeEvent
from interceptor.proxy.core.layer import Layer, Mark
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.ingress import Ingress, with_server_name
from interceptor.proxy.settings import Settings

SILENCE_SECONDS: Final = 0.5
"""Lazy: how long a client may say nothing before we look whether its server speaks first; and how long an unclear beginning
waits."""

_HTTP2_GREETING: Final = re.compile(rb"\0[\0-\x03].\x04\0\0\0\0\0", re.DOTALL)
"""A SETTINGS frame: servers of HTTP/2 may send theirs before they have heard anything."""


class Giving(Protocol):
    """What it knows of Upstreams."""

    def release(self, connection: Connection, has_served: bool, early: Sequence[PipeEvent] = ()) -> None: ...


Proceed = Callable[["Detect", Next, Connection | None, list[PipeEvent]], None]
"""(detector, what reads on, the server's connection if it is in use, what has come so far)."""


class Detect(Layer):
    def __init__(
        self, stack: Stack, settings: Settings, upstreams: Giving, ingress: Ingress, connection: Connection, proceed: Proceed
    ) -> None:
        super().__init__(stack)
        self.ingress, self.connection = ingress, connection
        self._settings, self._upstreams, self._proceed = settings, upstreams, proceed
        self._first = b""
        self._held: list[PipeEvent] = []
        self._early: list[PipeEvent] = []  # from a server of which we do not know yet that it was reached
        self._server: Connection | None = None
        self._mark: Mark | None = None  # while the server is being reached; later there is a limit to what is waited for
        self._is_done = self._is_reaching = self._server_has_ended = self._client_has_ended = False

    def receive(self, event: PipeEvent) -> None:
        if self._is_done:
            return
        match event:
            case Opened(connection=connection) if connection is self.connection:
                self._opened()
            case DataReceived(connection=connection, data=data) if connection is self.connection:
                self._first += data
                self._held.append(event)
                if self._mark is not None:
                    self._mark.put(len(data))
                self._look()
            case HalfClosed() | Closed() if event.connection is self.connection:
                self._client_left(event)
            case HungUp(connection=connection, is_reset=True) if connection is self.connection:
                self._client_left(Closed(connection))  # while too much waits for the server to be reached
            case DataReceived() | HalfClosed() | Closed() if self._is_reaching:  # in one piece with the answer of the last hop
                self._early.append(event)
            case DataReceived(data=data):  # the server speaks first
                self._held.append(event)
                if not (self._settings.http2 and _HTTP2_GREETING.match(data)):  # which says nothing about the client yet
                    self._go(Next.RELAY)
            case HalfClosed() | Closed():
                self._server_has_ended = True
                self._held.append(event)
                if not self._first:
                    self._go(Next.RELAY)  # the client is told, as without us
            case _:
                pass

    def _opened(self) -> None:
        self.ingress = with_server_name(self.ingress, self.connection)
        origin = self.ingress.origin
        if (unheard := choose_unheard(self.ingress, self.connection, self._settings)) is not None:
            return self._go(unheard)
        if self.connection.transport == "udp":
            return  # the first datagram is there already, or it would not be a client
        if origin is None or (self.ingress.is_reverse and origin.scheme in ("http", "https")):
            self.stack.alarms[self._silence_at_proxy] = self.stack.now + self._settings.tcp_timeout
            return
        if self._settings.is_eager:
            self._is_reaching, client = True, self.connection
            self._mark = Mark(lambda: self.wire(PauseReading(client)), lambda: self.wire(ResumeReading(client)))
            self.ask(Reach(self, origin, self), then=self._reached)
        else:
            self.stack.alarms[self._silence] = self.stack.now + SILENCE_SECONDS

    def _reached(self, answer: Reached | ConnectFailed) -> None:
        self._is_reaching = False
        self._empty_mark()
        if isinstance(answer, Reached):
            self._server = answer.connection
        early, self._early = self._early, []
        for event in early:
            self.receive(event)
        if self._first and not self._is_done:
            self._look()

    def _look(self) -> None:
        if self._is_reaching:
            return  # who reads on shall have what this gives
        if self.connection.transport == "udp":
            return self._go(choose_datagrams(self._first, self.ingress, self._settings))
        decision = choose(self._first, self.ingress, self._settings)
        if self._client_has_ended:  # there will be no more, so it is passed on as it is
            self._go(self._raw_or_refused())
        elif decision is Next.MORE:
            self.stack.alarms.setdefault(self._silence, self.stack.now + SILENCE_SECONDS)
        else:
            self._go(decision)

    def _silence(self) -> None:
        if not self._is_done:
            self._go(self._raw_or_refused() if self._first else Next.RELAY)

    def _raw_or_refused(self) -> Next:
        return Next.RELAY if self.ingress.origin is not None and self._settings.rawtcp else Next.HTTP1

    def _silence_at_proxy(self) -> None:
        self._is_done = True
        self.wire(Close(self.connection, "nothing was said"))

    def _go(self, decision: Next) -> None:
        self._finish()
        server, held = self._server, self._held
        if decision not in (Next.RELAY, Next.IGNORE) and server is not None:
            if self._server_has_ended:
                self.wire(Close(server, "it has ended before anything was asked"))
                held = [event for event in held if event.connection is self.connection]
            else:
                early = [event for event in held if event.connection is server]
                self._upstreams.release(server, has_served=False, early=early)
                held = [event for event in held if event.connection is self.connection]
            server = None
        self._proceed(self, decision, server, held)

    def _client_left(self, event: HalfClosed | Closed) -> None:
        if isinstance(event, HalfClosed) and self._first:
            self._held.append(event)
            self._client_has_ended = True
            return self._look()
        self._finish()
        self.wire(Close(self.connection, "nothing was said"))
        if self._server is not None:
            self.wire(Close(self._server, "the client left"))

    def _finish(self) -> None:
        self._is_done = True
        self._empty_mark()
        self.withdraw_asks()
        for alarm in (self._silence, self._silence_at_proxy):
            self.stack.alarms.pop(alarm, None)

    def _empty_mark(self) -> None:
        if self._mark is not None:
            self._mark.take_all()  # resume first: what comes here next may pause again
            self._mark = None
