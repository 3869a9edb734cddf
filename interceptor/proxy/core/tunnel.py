"""A tunnel changes bytes between `below` and `above` and knows no client or server: TLS, a hop's CONNECT, SOCKS.

It is a plain state machine: `from_below` and `from_above` take bytes, `rise` and `sink` are its two ways out. `Opened` rises when
its handshake is done; a failure is `Close` below and `Closed` above.
"""

from __future__ import annotations

from interceptor.model.connection import Connection
from interceptor.proxy.core.effects import Close, PipeEffect, Send
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, Opened, PipeEvent, Receiver
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Floor


class Tunnel(Layer):
    """`stage` says how far its handshake is, "" when it is done; `name` what it is, both in words for a person."""

    connection: Connection
    below: Floor
    above: Receiver
    name = ""
    stage = ""

    def receive(self, event: PipeEvent) -> None:
        if isinstance(event, DataReceived):
            self.from_below(event.data)
        elif isinstance(event, Opened):
            self.opened_below()
        elif isinstance(event, HalfClosed):
            self.ended_below(event)
        else:
            if isinstance(event, Closed):
                self.closed_below(event)
            self.above.receive(event)

    def emit(self, effect: PipeEffect) -> None:
        if isinstance(effect, Send):
            self.from_above(effect.data)
        else:
            self.control_from_above(effect)

    def opened_below(self) -> None:
        self.above.receive(Opened(self.connection))

    def ended_below(self, event: HalfClosed) -> None:
        self.above.receive(event)

    def closed_below(self, event: Closed) -> None:
        """Before it rises."""
        self.withdraw_asks()

    def control_from_above(self, effect: PipeEffect) -> None:
        if isinstance(effect, Close):
            self.withdraw_asks()
        self.below.emit(effect)

    def from_below(self, data: bytes) -> None:
        self.rise(data)

    def from_above(self, data: bytes) -> None:
        self.sink(data)

    def rise(self, data: bytes) -> None:
        if data:
            self.above.receive(DataReceived(self.connection, data))

    def sink(self, data: bytes) -> None:
        if data:
            self.below.emit(Send(self.connection, data))

    def fail(self, reason: str) -> None:
        """The peer broke the protocol. Only while an event rises; from `from_above`, post it."""
        self.withdraw_asks()
        self.below.emit(Close(self.connection, reason))
        self.above.receive(Closed(self.connection, reason))
