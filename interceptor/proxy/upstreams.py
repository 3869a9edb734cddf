"""Outermost layer of a stack, next to the driver: answers `Reach` with an open connection to an origin, and owns what is idle.

    Reach ─▸ idle connection? ─▸ give it
          └▸ Opening: Dial (driver) ─▸ [hops of a route] ─▸ TLS if the origin wants it ─▸ Opened rises to `Unclaimed` ─▸ give it

A connection that nobody has is headed by `Unclaimed`. One on which HTTP/2 is spoken is given to everybody who reaches for its
origin and takes HTTP/2, until it is retired; who comes while it is being opened waits for it. Failures name the hop and the
stage. Connections belong to one client: they end with its stack. Everything that is not a Reach passes through to the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from interceptor.model.connection import Connection, Origin, Route
from interceptor.proxy.asks import ConnectFailed, Reach, Reached, TakesWebSockets
from interceptor.proxy.core.effects import Ask, AskState, Close, Effect, Withdraw
from interceptor.proxy.core.events import DataReceived, PipeEvent, Replied
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.opening import Carrier, MakesTunnels, Opening, Unclaimed
from interceptor.proxy.settings import Settings

FAILURE_SECONDS: Final = 5.0
"""How long a failed attempt answers for the next one to the same origin: TLS asks first, HTTP a moment later."""

Key = tuple[bool, str, int, str, str]
"""Whether TLS is spoken there, host, port, the name in TLS (FORWARDED if a hop forwards what is said there), the transport."""
FORWARDED: Final = "forwarded"


def _speaks_http2(connection: Connection, reach: Reach) -> bool:
    return connection.tls.alpn == b"h2" if connection.tls is not None else reach.alpn_offers == (b"h2",)


def _key(origin: Origin) -> Key:
    return origin.is_tls, origin.host, origin.port, (origin.server_name or origin.host) if origin.is_tls else "", origin.transport


def _forwarded(key: Key) -> Key:
    """Of connections to a hop that forwards requests to the same server."""
    return *key[:3], FORWARDED, key[4]


@dataclass(slots=True)
class Idle:
    """A connection that waits for whoever reaches next."""

    connection: Connection
    head: Unclaimed
    has_served: bool
    key: Key


class HeadByThen:
    """Whoever heads a connection's pipe by then: who was given it may have given it back, or on, at once."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def receive(self, event: PipeEvent) -> None:
        if pipe := self._stack.pipes.get(event.connection):
            pipe.head.receive(event)


class Upstreams(Layer):
    def __init__(self, stack: Stack, settings: Settings, make: MakesTunnels) -> None:
        super().__init__(stack)
        self.settings, self.make = settings, make
        self.carriers: dict[Route, Carrier] = {}
        self._routes = settings.routes
        self._has_routes = bool(settings.routes)
        self._opening: dict[int, Opening] = {}  # by id of the reach
        self._idle: dict[Key, list[Idle]] = {}
        self._keys: dict[Connection, Key] = {}  # of every connection that was given
        self._failures: dict[Key, tuple[float, ConnectFailed]] = {}
        self._shared: dict[Key, Connection] = {}  # HTTP/2 is spoken on them
        self._not_http2: dict[Key, None] = {}  # origins that were offered it and chose something else
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
        self._idle.setdefault(key, []).append(Idle(connection, head, has_served, key))

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

    def _give(self, reach: Reach, idle: Idle) -> None:
        # Ahead of everything that waits: first the answer, then what came early, then what is still to be delivered.
        reached = self._given(reach, idle)
        self.stack.inbox.insert(0, Replied(reach, reached))

    def _given(self, reach: Reach, idle: Idle) -> Reached:
        key = self._keys[idle.connection] = idle.key
        is_http2 = _speaks_http2(idle.connection, reach)
        if is_http2 and reach.is_taken:
            self._shared[key] = idle.connection
        elif not is_http2 and b"h2" in reach.alpn_offers:
            self._not_http2[key] = None
        pipe = self.stack.pipes[idle.connection]
        if reach.head is not None:
            pipe.put((), reach.head)
            self.stack.post_first(HeadByThen(self.stack), idle.head.leave_pipe())
        elif not reach.is_taken:
            self._idle.setdefault(key, []).append(idle)
        return Reached(idle.connection, idle.has_served, is_http2)

    def _failed(self, reach: Reach, failed: ConnectFailed) -> None:
        if not reach.is_taken and reach.on is None:  # an exchange has told it already
            self._failures[_key(reach.origin)] = self.stack.now, failed
        self.stack.inbox.append(Replied(reach, failed))

    def _reach_again(self, reach: Reach) -> None:
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
        if idle is None and reach.is_plain_request:
            idle = self._take_idle(_forwarded(key), reach)
        return self._given(reach, idle) if idle is not None else None

    def _reach(self, reach: Reach) -> None:
        if reach.on is not None:
            return self._upgrade(reach, reach.on)
        key = _key(reach.origin)
        takes_http2 = b"h2" in reach.alpn_offers
        if takes_http2 and (shared := self._shared.get(key)):
            return self.stack.inbox.append(Replied(reach, Reached(shared, is_reused=True, is_http2=True)))
        if key in self._failures:
            failed_at, failed = self._failures.pop(key) if reach.is_taken else self._failures[key]
            if self.stack.now - failed_at < FAILURE_SECONDS:
                return self.stack.inbox.append(Replied(reach, failed))
        idle = self._take_idle(key, reach)
        if idle is None and reach.is_plain_request:
            idle = self._take_idle(_forwarded(key), reach)
        if idle is not None:
            return self._give(reach, idle)
        if takes_http2 and reach.is_taken and key not in self._not_http2:
            for other in self._opening.values():
                if b"h2" in other.reach.alpn_offers and _key(other.reach.origin) == key:
                    return other.followers.append(reach)
        way = self._routes.to(reach.origin) if self._has_routes else ()
        opening = self._opening[id(reach)] = Opening(self, reach, way)
        raw_key = False, reach.origin.host, reach.origin.port, "", reach.origin.transport
        if reach.origin.is_tls and (raw := self._take_idle(raw_key, reach)):
            return opening.upgrade(raw.connection, raw.head)
        opening.start()

    def _upgrade(self, reach: Reach, connection: Connection) -> None:
        """In the middle of what is said on it."""
        if connection not in self.stack.pipes:
            reason = "the server has closed the connection"
            return self._failed(reach, ConnectFailed(reach.origin.authority, "TLS handshake", reason, connection))
        opening = self._opening[id(reach)] = Opening(self, reach, connection.via)
        opening.upgrade(connection, Unclaimed(self, connection))

    # --- Owner: from an attempt -------------------------------------------------------------------------------

    def has_opened(self, opening: Opening, head: Unclaimed) -> None:
        del self._opening[id(opening.reach)]
        key = _key(opening.reach.origin)
        if opening.connection.is_forwarded:
            key = _forwarded(key)
        self._give(opening.reach, Idle(opening.connection, head, has_served=False, key=key))
        for follower in opening.followers:  # if it cannot be shared, each gets one of its own
            self._reach_again(follower)

    def has_failed(self, opening: Opening, failed: ConnectFailed) -> None:
        del self._opening[id(opening.reach)]
        for reach in (opening.reach, *opening.followers):
            self._failed(reach, failed)

    # --- what is idle -----------------------------------------------------------------------------------------

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
        if opening := self._opening.pop(id(ask), None):
            opening.withdraw()
            for follower in opening.followers:
                self._reach_again(follower)
            return
        for event in self.stack.inbox:  # answered, and not yet read
            answer = event.value if isinstance(event, Replied) and event.ask is ask else None
            if isinstance(answer, Reached) and answer.connection not in self._shared.values():
                self.wire(Close(answer.connection, "no longer wanted"))
