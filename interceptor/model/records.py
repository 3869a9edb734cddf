"""What layers tell the session: things that the store keeps. Layers emit them as effects; the driver hands them to a `Recorder`.

A flow is announced by `FlowStarted`, its record is changed in place by its owner, and `FlowChanged` or `FlowEnded` says so.
Bytes come beside it: the recorder puts them behind the body handle of the message they belong to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from interceptor.model.flow import Flow, HttpFlow, Opcode, TcpFlow, WebSocketMessage
from interceptor.model.http import Message


@dataclass(slots=True)
class Record:
    """The base of all that is recorded, and what the driver recognises them by."""


@dataclass(slots=True)
class FlowStarted(Record):
    flow: Flow


@dataclass(slots=True)
class FlowChanged(Record):
    flow: Flow


@dataclass(slots=True)
class FlowEnded(Record):
    """Nothing more will come of this flow. `flow.is_live` is False, `flow.error` says if it ended badly."""

    flow: Flow


@dataclass(slots=True)
class BodyData(Record):
    """The next bytes of a message's body, as received: to be found behind `message.body` once this is recorded."""

    flow: Flow
    message: Message | WebSocketMessage
    data: bytes


@dataclass(slots=True)
class MessageData(Record):
    """A message of a raw conversation, as sent on; `original` is what was received, if that was something else. `data` None:
    it was dropped."""

    flow: TcpFlow
    from_client: bool
    data: bytes | None
    timestamp: float
    original: bytes | None = None
    is_injected: bool = False


@dataclass(slots=True)
class WebSocketMessageData(Record):
    """A WebSocket message, as sent on; `original` is what was received, if that was something else. `data` None: it was
    dropped."""

    flow: HttpFlow
    from_client: bool
    opcode: Opcode
    data: bytes | None
    timestamp: float
    original: bytes | None = None
    is_injected: bool = False


@dataclass(slots=True)
class LongWebSocketMessage(Record):
    """A long message that passes as it comes: its content follows as `BodyData`."""

    flow: HttpFlow
    message: WebSocketMessage


class Recorder(Protocol):
    def record(self, what: Record) -> None: ...
