"""A stack: all pipes and conversations that exist because one client connected.

    turn(event, now) ▸ foot of the connection's pipe ▸ tunnels ▸ head (codec or conversation)      events rise
    list[Effect]     ◂ foot ◂ tunnels ◂ top of the pipe of the connection that is sent to          Send, Close, Pause… sink
    list[Effect]     ◂ outermost (Upstreams: answers Reach) ◂ asks, records                        go straight out

A turn is one event in, its effects out. Whoever drives a stack runs `while inbox: carry out turn(inbox.pop(0), now)` and posts
to the inbox what it knows at once instead of calling back. Never: `turn` inside a turn, or `above.receive` from within `emit`
(post it). A layer that raises ends this stack and no other.

`now` is seconds on a monotonic clock; `wall_time()` is the same moment in seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, Protocol

from interceptor.model.connection import Connection, StreamConnection
from interceptor.model.flow import Flow
from interceptor.model.records import FlowEnded, FlowStarted, Record
from interceptor.proxy.core.effects import Ask, AskState, Close, Effect, PipeEffect, WakeAt, Withdraw
from interceptor.proxy.core.events import (
    Closed,
    DataReceived,
    Event,
    FlowKilled,
    Injectable,
    MessageInjected,
    PipeEvent,
    Posted,
    Receiver,
    Replied,
    TimedOut,
)


class UsageError(Exception):
    """We broke a rule of the core: never the peer's fault, never shown as such."""


class Floor(Protocol):
    """What a tunnel stands on: another, the codec of a stream, or the stack itself."""

    def emit(self, effect: PipeEffect) -> None: ...


class PipeTunnel(Floor, Receiver, Protocol):
    """What a pipe knows of a tunnel: the connection it serves and its two neighbours."""

    connection: Connection
    below: Floor
    above: Receiver


class Pipe:
    """The tunnels between a connection's floor and its head. Events enter at `foot`, effects at `top`. It grows upwards only: a
    head that has decided puts tunnels and the next head in its own place."""

    __slots__ = ("connection", "foot", "head", "top", "tunnels")

    def __init__(self, connection: Connection, floor: Floor, tunnels: Sequence[PipeTunnel], head: Receiver) -> None:
        self.connection, self.top, self.tunnels = connection, floor, list[PipeTunnel]()
        self.put(tunnels, head)

    def put(self, tunnels: Sequence[PipeTunnel], head: Receiver) -> None:
        for tunnel in tunnels:
            tunnel.connection, tunnel.below, self.top = self.connection, self.top, tunnel
        self.tunnels.extend(tunnels)
        self.foot = self.head = head
        for tunnel in reversed(self.tunnels):
            tunnel.above, self.foot = self.foot, tunnel


class Stack:
    """See the module. `failure` is what a layer raised, if one did: the stack is dead then."""

    def __init__(self, flow_ids: Iterator[int] | None = None, epoch_offset: float = 0.0) -> None:
        self.inbox: list[Event] = []  # short, nearly always; a deque takes 760 bytes when it is empty
        self.pipes: dict[Connection, Pipe] = {}
        self.alarms: dict[Callable[[], None], float] = {}  # what to call, and when it is due
        self.outermost: Callable[[Effect], None] = self.emit
        self.answers: dict[type[Ask[Any]], Callable[[Any], Any]] = {}  # who may know the answer at once; None: not this time
        self.flow_ids = flow_ids if flow_ids is not None else count(1)
        self.open_flows: dict[int, Flow] = {}
        self.at_turn_end: list[Callable[[], None]] = []  # what to call when the event has been delivered, once
        self.killers: dict[int, Callable[[str], None]] = {}  # by flow id: who ends it when the user says so
        self.injectable: dict[int, Injectable] = {}  # by flow id: where the user may say something
        self.now = 0.0
        self.failure: Exception | None = None
        self.epoch_offset = epoch_offset
        self._outbox: list[Effect] = []
        self._waiting: dict[int, Ask[Any]] = {}
        self._wake_at: float | None = None
        self._is_running = False

    def wall_time(self) -> float:
        return self.now + self.epoch_offset

    def open(self, connection: Connection, tunnels: Sequence[PipeTunnel], head: Receiver, floor: Floor | None = None) -> Pipe:
        return self.pipes.setdefault(connection, Pipe(connection, floor or self, tunnels, head))

    def turn(self, event: Event, now: float) -> list[Effect]:
        if self._is_running:
            raise UsageError("turn() inside a turn: post to the inbox")
        if isinstance(event, Replied) and event.ask.state in (AskState.NEW, AskState.ANSWERED):
            raise UsageError(f"nobody waits for this reply ({event.ask.state.name}): {event!r}")
        self.now, self._is_running = now, True
        try:
            self._deliver(event)
            while self.at_turn_end:
                self.at_turn_end.pop()()
        except Exception as error:
            self._fail(error)
        finally:
            self._is_running = False
        if self.alarms and (earliest := min(self.alarms.values())) != self._wake_at:
            self._wake_at = earliest
            self._outbox.append(WakeAt(earliest))
        effects, self._outbox = self._outbox, []
        return effects

    def _deliver(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            if pipe := self.pipes.get(event.connection):
                pipe.foot.receive(event)
            return
        match event:
            case Replied(ask=ask, value=value):
                if ask.state is AskState.WAITING:  # else it was withdrawn
                    ask.state = AskState.ANSWERED
                    del self._waiting[id(ask)]
                    ask.asker.replied(ask, value)
            case TimedOut():
                self._wake_at = None
                for ring in [ring for ring, time in self.alarms.items() if time <= self.now]:
                    if self.alarms.pop(ring, None) is not None:
                        ring()
            case Posted(to=layer, event=inner):
                layer.receive(inner)
            case FlowKilled(flow_id=flow_id, reason=reason):
                if kill := self.killers.get(flow_id):
                    kill(reason)
            case MessageInjected(flow_id=flow_id):
                if conversation := self.injectable.get(flow_id):
                    conversation.inject(event)
            case Closed(connection=connection):
                if pipe := self.pipes.pop(connection, None):
                    pipe.foot.receive(event)
            case _:
                self.enter(event)

    def enter(self, event: PipeEvent) -> None:
        """At the foot of its connection's pipe: for turns, and for a codec whose streams are connections."""
        if pipe := self.pipes.get(event.connection):
            pipe.foot.receive(event)

    def post(self, to: Receiver, event: PipeEvent) -> None:
        """For `to`, in a following turn."""
        self.inbox.append(Posted(to, event))

    def post_first(self, to: Receiver, events: Sequence[PipeEvent]) -> None:
        """For `to`, in the following turns, before anything that already waits."""
        self.inbox[:0] = [Posted(to, event) for event in events]

    def emit(self, effect: Effect) -> None:
        """The floor of every socket's pipe, and the way out of everything else."""
        self._outbox.append(effect)
        if isinstance(effect, Close):
            self.pipes.pop(effect.connection, None)

    def record(self, what: Record) -> None:
        """To the session. Flows that have started and not ended are kept track of: their stack may fail."""
        if isinstance(what, FlowStarted):
            self.open_flows[what.flow.id] = what.flow
        elif isinstance(what, FlowEnded):
            self.open_flows.pop(what.flow.id, None)
            self.killers.pop(what.flow.id, None)
            self.injectable.pop(what.flow.id, None)
        self._outbox.append(what)

    def want(self, effect: Ask[Any]) -> None:
        effect.state = AskState.WAITING
        self._waiting[id(effect)] = effect
        self.outermost(effect)

    def withdraw(self, ask: Ask[Any]) -> None:
        if ask.state is AskState.WAITING:
            ask.state = AskState.WITHDRAWN
            del self._waiting[id(ask)]
            self.outermost(Withdraw(ask))

    def waiting(self) -> Sequence[Ask[Any]]:
        """The asks that have no answer yet: whoever drives this stack withdraws them when it ends."""
        return list(self._waiting.values())

    def _fail(self, error: Exception) -> None:
        self.failure = error
        self.outermost = self.emit  # nobody inside may answer any more
        self.answers.clear()
        for ask in list(self._waiting.values()):
            self.withdraw(ask)
        for connection in [c for c in self.pipes if not isinstance(c, StreamConnection)]:
            self.emit(Close(connection, f"internal error: {type(error).__name__}: {error}"))
        for kept in (self.pipes, self.inbox, self.alarms, self.at_turn_end):
            kept.clear()
