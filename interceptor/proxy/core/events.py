"""Events: things that have happened. Those about a connection (`PipeEvent`) enter at the foot of its pipe and rise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from interceptor.proxy.core.effects import Ask, OnConnection

R = TypeVar("R")


@dataclass(slots=True)
class Opened(OnConnection):
    """What is below can carry bytes. A tunnel passes it on when its own handshake is done."""


@dataclass(slots=True)
class DataReceived(OnConnection):
    """Never empty, but for a datagram."""

    data: bytes


@dataclass(slots=True)
class HalfClosed(OnConnection):
    """The peer sends no more; it may still read. `is_cut`: it did not say so in TLS (close_notify), so somebody on the way may
    have cut it off."""

    is_cut: bool = False


@dataclass(slots=True)
class HungUp(OnConnection):
    """Seen while reading is paused: the peer has ended its side or reset the connection, and bytes may still be waiting to be
    read. `HalfClosed` or `Closed` follows when reading goes on."""

    is_reset: bool = False


@dataclass(slots=True)
class Closed(OnConnection):
    reason: str = ""


@dataclass(slots=True)
class Congested(OnConnection):
    """More was sent than the peer takes: send no more until `Drained`."""


@dataclass(slots=True)
class Drained(OnConnection):
    pass


PipeEvent = Opened | DataReceived | HalfClosed | HungUp | Closed | Congested | Drained


class Receiver(Protocol):
    def receive(self, event: PipeEvent) -> None: ...


@dataclass(slots=True)
class Replied(Generic[R]):
    ask: Ask[R]
    value: R


@dataclass(slots=True)
class TimedOut:
    """The stack's timer has fired; also what a wait with `until` gives."""


@dataclass(slots=True)
class Posted:
    """An event that one layer left for another, delivered when nobody is running."""

    to: Receiver
    event: PipeEvent


@dataclass(slots=True)
class FlowKilled:
    """The user wants a running flow ended."""

    flow_id: int
    reason: str


@dataclass(slots=True)
class MessageInjected:
    """The user says something in a running conversation, as if the client, or the server, had."""

    flow_id: int
    from_client: bool
    data: bytes
    is_text: bool = False  # where messages are text or binary: a WebSocket


class Injectable(Protocol):
    """A conversation in which the user may say something."""

    def refusal(self, from_client: bool) -> str:
        """Why nothing can be said in that direction any more; "" if it can."""
        ...

    def inject(self, message: MessageInjected) -> None:
        """Behind what waits in that direction."""
        ...


Event = PipeEvent | Replied[Any] | TimedOut | Posted | FlowKilled | MessageInjected
