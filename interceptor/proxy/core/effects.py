"""Effects: what a layer wants. The driver carries them out after the turn in which they were emitted.

Wire effects (`PipeEffect`) sink through the pipe of their connection. `Ask`, `Withdraw`, `WakeAt` and records go straight out.
An `Ask` is an effect with exactly one answer, which comes back to its asker in a later turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from interceptor.model.connection import Connection
from interceptor.model.records import Record

R = TypeVar("R")


@dataclass(slots=True)
class OnConnection:
    """What every word about one connection begins with. Equal only to its own kind."""

    connection: Connection


class Asker(Protocol):
    """Whoever may ask. A protocol, so that this file imports neither events nor layers."""

    def replied(self, ask: Ask[Any], value: Any) -> None: ...


AskState = Enum("AskState", ["NEW", "WAITING", "ANSWERED", "WITHDRAWN"])


@dataclass(slots=True)
class Ask(Generic[R]):
    """The stack stamps `state`, so that an answer which comes too late (ignored) is told from one that nobody asked for."""

    asker: Asker = field(repr=False, compare=False)
    state: AskState = field(default=AskState.NEW, init=False, repr=False, compare=False)


@dataclass(slots=True)
class Send(OnConnection):
    data: bytes


@dataclass(slots=True)
class HalfClose(OnConnection):
    """No more will be sent; what was sent goes out first."""


@dataclass(slots=True)
class Close(OnConnection):
    """After what was sent. No event of this connection is delivered any more. `is_abrupt`: the peer must be able to tell that
    what it got is not all, where nothing else says so."""

    reason: str = ""
    is_abrupt: bool = False


@dataclass(slots=True)
class PauseReading(OnConnection):
    pass


@dataclass(slots=True)
class ResumeReading(OnConnection):
    pass


@dataclass(slots=True)
class WakeAt:
    """The one timer of a stack: replaces the earlier one; `TimedOut` is due then (seconds on the turn's clock)."""

    time: float


@dataclass(slots=True)
class Withdraw:
    """The answer to this ask is not wanted any more."""

    ask: Ask[Any]


PipeEffect = Send | HalfClose | Close | PauseReading | ResumeReading
Effect = PipeEffect | Record | WakeAt | Withdraw | Ask[Any]
