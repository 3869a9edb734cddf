"""Outermost layer of a stack, next to the driver: answers `Reach` with an open connection to an origin, and owns what is idle.

    Reach ─▸ idle connection? ─▸ give it
          └▸ Dial (driver) ─▸ [hops of a route] ─▸ TLS if the origin wants it ─▸ Opened rises to `Unclaimed` ─▸ give it

A connection that nobody has is headed by `Unclaimed`. One on which HTTP/2 is spoken is given to everybody who reaches for its
origin and takes HTTP/2, until it is retired; who comes while it is being opened waits for it. Failures name the hop and the
stage. Connections belong to one client: they end with its stack. Everything that is not a Reach passes through to the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from interceptor.model.connection import Connection, Origin, Side
from interceptor.proxy.asks import ConnectFailed, Dial, Reach, Reached, TakesWebSockets
from interceptor.proxy.core.effects import Ask, AskState, Close, Effect, PauseReading, ResumeReading, Withdraw
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, HungUp, Opened, PipeEvent, Replied
from interceptor.proxy.core.layer import Layer, Mark
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.settings import Settings

FAILURE_SECONDS: Final = 5.0
"""How long a failed attempt answers for the next one to the same origin: TLS asks first, HTTP a moment later."""

Key = tuple[bool, str, int, str, str]


class MakesTls(Protocol):
    """Builds the tunnel that speaks TLS to a server; None in a test of bytes."""

    def __call__(self, origin: Origin, alpn_offers: tuple[bytes, ...]) -> Tunnel: ...


def _speaks_http2(connection: Connection, reach: Reach) -> bool:
    return connection.tls.alpn == b"h2" if connection.tls is not None else reach.alpn_offers == (b"h2",)


def _key(origin: Origin) -> Key:
    return origin.is_tls, origin.host, origin.port, (origin.server_name or origin.host) if origin.is_tls else "", origin.transport


@dataclass(slots=True)
class Idle:
    """A connection that waits for whoever reaches next."""

    connection: Connection
    head: Unclaimed
    has_served: bool


class Unclaimed(Layer):
    """Head of a server's pipe as long as no conversation has it. Keeps what comes early, under a mark."""

    def __init__(self, upstreams: Upstreams, connection: Connection) -> None:
        super().__init__(upstreams.stack)
        self._upstreams = upstreams
        self.opening: Opening | None = None
        self.early: list[PipeEvent] = []
        self.mark = Mark(lambda: self.wire(PauseReading(connection)), lambda: self.wire(ResumeReading(connection)))

    def leave_pipe(self) -> list[PipeEvent]:
        """What has come so far; the next head in this pipe gets the rest."""
        early, self.early = self.early, []
        self.mark.take_all()
        return early

    def receive(self, event: PipeEvent) -> None:
        match event:
            case Opened() if self.opening is not None:
                self.opening.opened()
            case Closed(reason=reason) if self.opening is not None:
                self.opening.lost(reason)
            case Opened() | HungUp():
                pass
            case HalfClosed() | Closed() | DataReceived():
                self.early.append(event)
                if isinstance(event, DataReceived):
                    self.mark.put(len(event.data))
                self._upstreams.heard_idle(event.connection)
            case _:
                self.early.append(event)


class HeadByThen:
    """Whoever heads a connection's pipe by then: who was given it may have given it back, or on, at once."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def receive(self, event: PipeEvent) -> None:
        if pipe := self._stack.pipes.get(event.connection):
            pipe.head.receive(event)


class Opening:
    """One attempt to answer one Reach: dialling, then the tunnels' handshakes."""

    def __init__(self, upstreams: Upstreams, reach: Reach) -> None:
        self._upstreams, self._stack, self.reach = upstreams, upstreams.stack, reach
        self.followers: list[Reach] = []  # they can share what this one gets
        self.connection = Connection(
            Side.SERVER,
            (reach.origin.host, reach.origin.port),
            opened_at=self._stack.wall_time(),
            transport=reach.origin.transport,
        )
        self._dial: Dial | None = None
        self._tls: Tunnel | None = None
        self.head: Unclaimed | None = None

    def dial(self) -> None:
        self._dial = Dial(self._upstreams, self.connection)
        self._stack.alarms[self._too_late] = self._stack.now + self._upstreams.settings.connect_timeout
        self._upstreams.ask(self._dial, then=self._dialled)

    def _dialled(self, answer: Connection | ConnectFailed) -> None:
        self._dial = None
        if isinstance(answer, ConnectFailed):
            answer.connection = self.connection
            return self._fail(answer)
        self.head = Unclaimed(self._upstreams, answer)
        pipe = self._stack.open(answer, (), self.head)
        self.shake_hands(self.head)
        pipe.foot.receive(Opened(answer))

    def upgrade(self, idle: Idle) -> None:
        """TLS on a connection that was opened before it was known what would be spoken."""
        self.connection = idle.connection
        self.shake_hands(idle.head)
        self._stack.pipes[idle.connection].foot.receive(Opened(idle.connection))

    def shake_hands(self, head: Unclaimed) -> None:
        self.head, head.opening = head, self
        if self.reach.origin.is_tls:
            self._tls = self._upstreams.make_tls(self.reach.origin, self.reach.alpn_offers)
            self._stack.pipes[self.connection].put([self._tls], head)
            self._stack.alarms[self._too_late] = self._stack.now + self._upstreams.settings.tls_handshake_timeout

    def opened(self) -> None:
        assert self.head is not None
        self.head.opening = None
        self._stop()
        self._upstreams.give(self.reach, Idle(self.connection, self.head, has_served=False))
        for follower in self.followers:  # if it cannot be shared, each gets one of its own
            self._upstreams.reach_again(follower)

    def lost(self, reason: str) -> None:
        stage = self._tls.stage if self._tls is not None else "connect"
        self._fail(self._failed(stage or "TLS handshake", reason or "the server closed the connection"))

    def withdraw(self) -> None:
        self._stop()
        for follower in self.followers:
            self._upstreams.reach_again(follower)
        if self._dial is not None:
            self._upstreams.withdraw(self._dial)
        elif self.head is not None:
            self.head.opening = None
            self._upstreams.wire(Close(self.connection, "no longer wanted"))

    def _too_late(self) -> None:
        settings = self._upstreams.settings
        if self._dial is not None:
            self._upstreams.withdraw(self._dial)
            reason = f"no connection within {settings.connect_timeout:g} s (connect_timeout)"
            return self._fail(self._failed("connect", reason))
        self._upstreams.wire(Close(self.connection, "too late"))
        reason = f"not finished within {settings.tls_handshake_timeout:g} s (tls_handshake_timeout)"
        self._fail(self._failed("TLS handshake", reason))

    def _failed(self, stage: str, reason: str) -> ConnectFailed:
        return ConnectFailed(self.reach.origin.authority, stage, reason, self.connection)

    def _fail(self, failed: ConnectFailed) -> None:
        self._stop()
        self.connection.error = failed.reason
        for reach in (self.reach, *self.followers):
            self._upstreams.failed(reach, failed)

    def _stop(self) -> None:
        self._stack.alarms.pop(self._too_late, None)
        self._upstreams.opening.pop(id(self.reach), None)


class Upstreams(Layer):
    def __init__(self, stack: Stack, settings: Settings, make_tls: MakesTls) -> None:
        super().__init__(stack)
        self.settings, self.make_tls = settings, make_tls
        self.opening: dict[int, Opening] = {}  # by id of the reach
        self._idle: dict[Key, list[Idle]] = {}
        self._keys: dict[Connection, Key] = {}  # of every connection that was given
        self._failures: dict[Key, tuple[float, ConnectFailed]] = {}
        self._shared: dict[Key, Connection] = {}  # HTTP/2 is spoken on them
        self._not_http2: set[Key] = set()  # origins that were offered it and chose something else
        self.tell_unasked: Callable[[Connection, bytes], None] = lambda connection, data: None
        self.tell_of_websockets: Callable[[TakesWebSockets], None] = lambda ask: None  # asks whoever speaks HTTP/2 there
        stack.outermost = self.emit
        stack.answers[Reach] = self._reached_at_once

    def emit(self, effect: Effect) -> None:
        if not isinstance(effect, (Reach, Withdraw, TakesWebSockets)):
            return self.stack.emit(effect)
        match effect:
            case Reach():
                self._reach(effect)
            case TakesWebSockets():
                self.tell_of_websockets(effect)
            case Withdraw(ask=ask):
                self._withdrawn(ask, effect)

    def release(self, connection: Connection, has_served: bool, early: Sequence[PipeEvent] = ()) -> None:
        """Nobody has this connection any more; it may serve who reaches for its origin next. `has_served`: an exchange is
        complete on it, so what the server says unasked is wrong; else it is fresh, and what comes `early` is kept for who takes
        it."""
        pipe, key = self.stack.pipes.get(connection), self._keys.get(connection)
        if pipe is None or key is None:
            return
        head = Unclaimed(self, connection)
        head.early.extend(early)
        pipe.put((), head)
        self._idle.setdefault(key, []).append(Idle(connection, head, has_served))

    def retire(self, connection: Connection) -> None:
        """Nobody new shall come to this shared connection."""
        key = self._keys.get(connection)
        if key is not None and self._shared.get(key) is connection:
            del self._shared[key]

    def heard_idle(self, connection: Connection) -> None:
        """Something came on a connection that nobody has."""
        for waiting in self._idle.values():
            for idle in waiting:
                if idle.connection is connection and (
                    idle.has_served or any(not isinstance(event, DataReceived) for event in idle.head.early)
                ):
                    waiting.remove(idle)
                    self.unasked(connection, b"".join(e.data for e in idle.head.early if isinstance(e, DataReceived)))
                    return self.wire(Close(connection, "closed while idle"))

    def unasked(self, connection: Connection, data: bytes) -> None:
        """A server said that behind its response: another one, to a request that nobody sent, or half of one."""
        if data.strip(b"\r\n"):
            self.tell_unasked(connection, data)

    def give(self, reach: Reach, idle: Idle) -> None:
        # Ahead of everything that waits: first the answer, then what came early, then what is still to be delivered.
        reached = self._given(reach, idle)
        self.stack.inbox.appendleft(Replied(reach, reached))

    def _given(self, reach: Reach, idle: Idle) -> Reached:
        key = self._keys[idle.connection] = _key(reach.origin)
        is_http2 = _speaks_http2(idle.connection, reach)
        if is_http2 and reach.is_taken:
            self._shared[key] = idle.connection
        elif not is_http2 and b"h2" in reach.alpn_offers:
            self._not_http2.add(key)
        pipe = self.stack.pipes[idle.connection]
        if reach.head is not None:
            pipe.put((), reach.head)
            self.stack.post_first(HeadByThen(self.stack), idle.head.leave_pipe())
        elif not reach.is_taken:
            self._idle.setdefault(key, []).append(idle)
        return Reached(idle.connection, idle.has_served, is_http2)

    def failed(self, reach: Reach, failed: ConnectFailed) -> None:
        if not reach.is_taken:  # an exchange has told it already
            self._failures[_key(reach.origin)] = self.stack.now, failed
        self.stack.inbox.append(Replied(reach, failed))

    def reach_again(self, reach: Reach) -> None:
        if reach.state is AskState.WAITING:
            self._reach(reach)

    def _reached_at_once(self, reach: Reach) -> Reached | None:
        """For who takes a connection that is there: within the turn."""
        key = _key(reach.origin)
        if not reach.is_taken or key in self._failures:
            return None
        if b"h2" in reach.alpn_offers and (shared := self._shared.get(key)):
            return Reached(shared, is_reused=True, is_http2=True)
        idle = self._take_idle(key, reach)
        return self._given(reach, idle) if idle is not None else None

    def _reach(self, reach: Reach) -> None:
        key = _key(reach.origin)
        takes_http2 = b"h2" in reach.alpn_offers
        if takes_http2 and (shared := self._shared.get(key)):
            return self.stack.inbox.append(Replied(reach, Reached(shared, is_reused=True, is_http2=True)))
        if key in self._failures:
            failed_at, failed = self._failures.pop(key) if reach.is_taken else self._failures[key]
            if self.stack.now - failed_at < FAILURE_SECONDS:
                return self.stack.inbox.append(Replied(reach, failed))
        if idle := self._take_idle(key, reach):
            return self.give(reach, idle)
        if takes_http2 and reach.is_taken and key not in self._not_http2:
            for other in self.opening.values():
                if b"h2" in other.reach.alpn_offers and _key(other.reach.origin) == key:
                    return other.followers.append(reach)
        opening = self.opening[id(reach)] = Opening(self, reach)
        if reach.origin.is_tls and (raw := self._take_idle((False, reach.origin.host, reach.origin.port, "", "tcp"), reach)):
            return opening.upgrade(raw)
        opening.dial()

    def _take_idle(self, key: Key, reach: Reach) -> Idle | None:
        waiting = self._idle.get(key, [])
        others: list[Idle] = []
        found = self._usable(waiting, others, key, reach)
        waiting.extend(others)
        return found

    def _usable(self, waiting: list[Idle], others: list[Idle], key: Key, reach: Reach) -> Idle | None:
        while waiting:
            idle = waiting.pop()
            tls = idle.connection.tls
            if reach.is_taken and tls is not None and tls.alpn == b"h2" and b"h2" not in reach.alpn_offers:
                others.append(idle)  # for somebody who takes HTTP/2
                continue
            is_upgrade = reach.origin.is_tls and not key[0]
            is_spoilt = idle.has_served and (reach.is_fresh or is_upgrade)
            is_greeted = bool(idle.head.early) and not _speaks_http2(idle.connection, reach)  # whose servers may speak first
            if is_spoilt or (is_greeted and (is_upgrade or reach.is_taken)):
                self.wire(Close(idle.connection, "a new connection is wanted"))
            elif idle.connection in self.stack.pipes:
                return idle
        return None

    def _withdrawn(self, ask: Ask[object], effect: Withdraw) -> None:
        if isinstance(ask, TakesWebSockets):
            return
        if not isinstance(ask, Reach):
            return self.stack.emit(effect)
        if opening := self.opening.get(id(ask)):
            return opening.withdraw()
        for event in self.stack.inbox:  # answered, and not yet read
            answer = event.value if isinstance(event, Replied) and event.ask is ask else None
            if isinstance(answer, Reached) and answer.connection not in self._shared.values():
                self.wire(Close(answer.connection, "no longer wanted"))
