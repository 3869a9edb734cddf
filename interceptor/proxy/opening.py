"""One attempt to reach an origin: dialling, then a handshake after the other, the pipe growing by a tunnel each time.

    Dial the first hop, or the origin ─▸ [TLS with an https hop ─▸] CONNECT or SOCKS to the next ─▸ … ─▸ TLS with the origin
                                           each step has its own time; the one that fails is the one that is told of

Where HTTP/2 was agreed on with an https hop, the connection to it carries any number of tunnels (a `Carrier`): from there on the
attempt goes on with a stream, which is a connection of its own; the next attempt over the same hops begins with another one.

A PAC file is asked for the ways first; one whose first hop (or, direct, whose origin) is not there gives way to the next.
A hop that speaks HTTP is the last and is to forward a request: then it is asked for no tunnel. Datagrams have a way of their own
over a SOCKS5 proxy: it is asked first (`datagram_hop.py`), and then they go to where it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from interceptor.model.connection import DEFAULT_PORTS, Address, Connection, Hop, Origin, Route, Side, bracketed
from interceptor.proxy.asks import ChooseWay, ConnectFailed, Dial, Reach
from interceptor.proxy.core.effects import Ask, Asker, Close, PauseReading, PipeEffect, ResumeReading
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, HungUp, Opened, PipeEvent, Receiver
from interceptor.proxy.core.layer import Layer, Mark
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.datagram_hop import DatagramHop, MakesAssociations, why_not
from interceptor.proxy.settings import Settings
from interceptor.specs.routes import Pac

R = TypeVar("R")


class MakesTunnels(MakesAssociations, Protocol):
    """Who knows the layers. Where nothing but bytes is spoken they are never asked."""

    def tls(self, origin: Origin, alpn_offers: tuple[bytes, ...]) -> Tunnel:
        """With the origin, in front of whose server nothing stands any more."""
        ...

    def tls_with_hop(self, hop: Hop, is_forwarding: bool) -> Tunnel:
        """`is_forwarding`: it is to be told whole requests, which is done in HTTP/1."""
        ...

    def through_hop(self, hop: Hop, to: Address) -> Tunnel: ...

    def proxy_header(self, origin: Origin) -> Tunnel | None:
        """What tells that origin who our client is, if it is to be told."""
        ...

    def login(self, hop: Hop) -> Tunnel | None:
        """What logs in to a hop that forwards requests, before the first one, if Basic is not how."""
        ...

    def carrier(self, tls: Tunnel, hop: Hop, early: Sequence[PipeEvent]) -> Carrier | None:
        """Heads the connection from now on, if HTTP/2 was agreed on in that TLS; `early` has come before."""
        ...


class Carrier(Protocol):
    """A connection to a hop that carries tunnels."""

    @property
    def takes_more(self) -> bool: ...

    def tunnel(self, to: Address, record: Connection, head: Receiver) -> Connection | None: ...


class Owner(Asker, Protocol):
    """What an attempt knows of Upstreams, which is a layer."""

    stack: Stack
    settings: Settings
    make: MakesTunnels
    carriers: dict[Route, Carrier]  # by the hops up to the one that it leads to

    def ask(self, ask: Ask[R], then: Callable[[R], None]) -> None: ...
    def withdraw(self, ask: Ask[Any]) -> None: ...
    def wire(self, effect: PipeEffect) -> None: ...
    def has_opened(self, opening: Opening, head: Unclaimed) -> None: ...
    def has_failed(self, opening: Opening, failed: ConnectFailed) -> None: ...

    def heard_idle(self, connection: Connection) -> None:
        """Something came on a connection that nobody has."""


class Unclaimed(Layer):
    """Head of a server's pipe as long as no conversation has it. Keeps what comes early, under a mark."""

    def __init__(self, owner: Owner, connection: Connection) -> None:
        super().__init__(owner.stack)
        self._owner, self.connection = owner, connection
        self.opening: Opening | None = None
        self.early: list[PipeEvent] = []
        self.mark = Mark(lambda: self.wire(PauseReading(self.connection)), lambda: self.wire(ResumeReading(self.connection)))

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
                self._owner.heard_idle(event.connection)
            case _:
                self.early.append(event)


@dataclass(slots=True)
class Step:
    """One handshake. `whom` and `stage` are for a person, `timeout` is the option that bounds it. `carried` says to which hop of
    the route, and where that is to lead, if a stream of HTTP/2 would do for a tunnel."""

    whom: str
    stage: str
    timeout: str
    make: Callable[[], Tunnel]
    carried: tuple[int, Address] | None = None


class Opening:
    """`start` or `upgrade`, once."""

    def __init__(self, owner: Owner, reach: Reach, way: Route | Pac) -> None:
        self._owner, self._stack, self.reach, self._way = owner, owner.stack, reach, way
        self.followers: list[Reach] = []  # they can share what this one gets
        self._others: list[Route] = []  # ways to try if this one is not there
        self._choosing: ChooseWay | None = None
        self.connection = self._record(() if isinstance(way, Pac) else way)
        self._dial: Dial | None = None
        self._steps: list[Step] = []
        self._step: Step | None = None
        self._tunnel: Tunnel | None = None
        self._head: Unclaimed | None = None
        self._datagram_hop: DatagramHop | None = None

    def _record(self, route: Route) -> Connection:
        origin = self.reach.origin
        return Connection(
            Side.SERVER,
            (origin.host, origin.port),
            opened_at=self._stack.wall_time(),
            transport=origin.transport,
            via=route,
            is_forwarded=self.reach.is_plain_request and bool(route) and route[-1].speaks_http,
        )

    def start(self) -> None:
        if not isinstance(self._way, Pac):
            return self._go(self._way)
        origin = self.reach.origin
        scheme = "http" if origin.scheme == "http" else "https"
        shown = bracketed(origin.host) if origin.port == DEFAULT_PORTS[scheme] else origin.authority
        ask = self._choosing = ChooseWay(self._owner, self._way, f"{scheme}://{shown}/", origin.host)
        self._stack.alarms[self._too_late] = self._stack.now + self._owner.settings.connect_timeout
        self._owner.ask(ask, then=self._chosen)

    def _chosen(self, answer: tuple[Route, ...] | ConnectFailed) -> None:
        self._choosing = None
        if isinstance(answer, ConnectFailed):
            answer.connection = self.connection
            return self._fail(answer)
        self._others = [tuple(map(self._with_credentials, route)) for route in answer]
        self._go(self._others.pop(0))

    def _with_credentials(self, hop: Hop) -> Hop:
        told = self._owner.settings.upstream_auth
        return replace(hop, user=told[0], password=told[1]) if told is not None and hop.speaks_http else hop

    def _go(self, route: Route) -> None:
        self.connection = self._record(route)
        if route and self.connection.transport == "udp":
            if reason := why_not(route):
                return self._fail(ConnectFailed(str(route[-1]), "connect", reason, self.connection))
            to = self.reach.origin.host, self.reach.origin.port
            self._datagram_hop = DatagramHop(self._owner, route[0], to, self._relayed, self._not_relayed)
            return self._datagram_hop.start()
        self._dial_or_share()

    def _relayed(self, relay: Address) -> None:
        self.connection.relay = relay
        self._dial_or_share()

    def _not_relayed(self, stage: str, reason: str) -> None:
        self._fail(ConnectFailed(str(self.connection.via[0]), stage, reason, self.connection))

    def _dial_or_share(self) -> None:
        for index in reversed(range(len(self.connection.via))):
            carrier = self._owner.carriers.get(self.connection.via[: index + 1])
            if carrier is not None and carrier.takes_more and not self.connection.is_forwarded:
                steps = [*self._hop_steps(), *self._header_steps(), *self._tls_steps()]
                number = next(number for number, step in enumerate(steps) if step.carried and step.carried[0] == index)
                self._head = Unclaimed(self._owner, self.connection)
                self._steps = steps[number + 1 :]
                return self._begin(steps[number], carrier)
        self._dial = Dial(self._owner, self.connection)
        self._stack.alarms[self._too_late] = self._stack.now + self._owner.settings.connect_timeout
        self._owner.ask(self._dial, then=self._dialled)

    def _dialled(self, answer: Connection | ConnectFailed) -> None:
        self._dial = None
        if isinstance(answer, ConnectFailed):
            answer.connection = self.connection
            return self._fail(answer)
        self._head = Unclaimed(self._owner, answer)
        self._head.opening = self
        foot = self._datagram_hop.take() if self._datagram_hop is not None else None
        self._stack.open(answer, [foot] if foot is not None else (), self._head)
        if self._datagram_hop is not None and foot is None:
            self._owner.wire(Close(answer, "no longer wanted"))
            return self.lost("it has ended the association for datagrams")
        self._steps = [*self._hop_steps(), *self._header_steps(), *self._tls_steps()]
        self.opened()

    def upgrade(self, connection: Connection, head: Unclaimed) -> None:
        """TLS on a connection that was opened before it was known what would be spoken."""
        self.connection, self._head, head.opening = connection, head, self
        self._steps = self._tls_steps()
        self.opened()

    def _hop_steps(self) -> list[Step]:
        connection, make = self.connection, self._owner.make
        steps: list[Step] = []
        for index, hop in enumerate(connection.via if connection.relay is None else ()):
            is_last = index == len(connection.via) - 1
            is_told = is_last and connection.is_forwarded
            to = connection.peer if is_last else connection.via[index + 1].address
            assert to is not None
            if hop.scheme == "https":
                steps.append(Step(str(hop), "TLS handshake", "tls_handshake_timeout", partial(make.tls_with_hop, hop, is_told)))
            if not is_told:
                stage = "CONNECT" if hop.speaks_http else hop.scheme.rstrip("ah").upper()
                carried = (index, to) if hop.scheme == "https" else None
                steps.append(Step(str(hop), stage, "connect_timeout", partial(make.through_hop, hop, to), carried))
        return steps

    def _header_steps(self) -> list[Step]:
        if self.connection.is_forwarded or self.connection.transport == "udp":
            return []
        if (header := self._owner.make.proxy_header(self.reach.origin)) is None:
            return []
        return [Step(self._origin_named(), "PROXY header", "connect_timeout", lambda: header)]

    def _tls_steps(self) -> list[Step]:
        reach = self.reach
        if not reach.origin.is_tls:
            return []
        tls = Step(
            self._origin_named(),
            "TLS handshake",
            "tls_handshake_timeout",
            lambda: self._owner.make.tls(reach.origin, reach.alpn_offers),
        )
        return [tls]

    def _origin_named(self) -> str:
        authority, via = self.reach.origin.authority, self.connection.via
        return f"{authority} (by way of {', '.join(map(str, via))})" if via else authority

    def opened(self) -> None:
        """What was begun last is done, up to the top of the pipe."""
        assert self._head is not None
        if not self._steps:
            self._stop()
            self._head.opening = None
            if self.connection.is_forwarded and (login := self._owner.make.login(self.connection.via[-1])) is not None:
                self._stack.pipes[self.connection].put([login], self._head)
            return self._owner.has_opened(self, self._head)
        step = self._steps.pop(0)
        self._begin(step, self._new_carrier(step) if step.carried is not None else None)

    def _begin(self, step: Step, carrier: Carrier | None) -> None:
        assert self._head is not None
        self._step = step
        self._stack.alarms[self._too_late] = self._stack.now + float(getattr(self._owner.settings, step.timeout))
        if carrier is not None and step.carried is not None:
            return self._begin_stream(carrier, step.carried[1])
        tunnel = self._tunnel = step.make()
        self._stack.pipes[self.connection].put([tunnel], self._head)
        tunnel.receive(Opened(self.connection))

    def _new_carrier(self, step: Step) -> Carrier | None:
        """The connection that we have becomes one that carries tunnels, if that was agreed on."""
        assert self._head is not None and self._tunnel is not None and step.carried is not None
        via = self.connection.via[: step.carried[0] + 1]
        carrier = self._owner.make.carrier(self._tunnel, via[-1], self._head.early)
        if carrier is None:
            return None
        self._owner.carriers[via] = carrier
        self._head.opening = None
        self._head.leave_pipe()  # what came early, the carrier has
        wanted, parent = self.connection, self.connection
        self.connection = replace(wanted)
        parent.peer, parent.via = via[-1].address, via[:-1]
        return carrier

    def _begin_stream(self, carrier: Carrier, to: Address) -> None:
        self._tunnel = None
        head = Unclaimed(self._owner, self.connection)
        head.opening = self
        connection = carrier.tunnel(to, self.connection, head)
        if connection is None:
            return self._fail(self._failed("it takes no more tunnels"))
        self.connection = head.connection = connection
        self._head = head

    def lost(self, reason: str) -> None:
        stage = self._tunnel.stage if self._tunnel is not None else ""
        self._fail(self._failed(reason or "the server closed the connection", stage))

    def withdraw(self) -> None:
        """Nobody wants it any more."""
        self._stop()
        if self._choosing is not None:
            self._owner.withdraw(self._choosing)
        elif self._dial is not None:
            self._owner.withdraw(self._dial)
        elif self._head is not None:
            self._head.opening = None
            self._owner.wire(Close(self.connection, "no longer wanted"))
        if self._datagram_hop is not None:
            self._datagram_hop.end()

    def _too_late(self) -> None:
        settings = self._owner.settings
        if self._choosing is not None:
            self._owner.withdraw(self._choosing)
            reason = f"no answer within {settings.connect_timeout:g} s (connect_timeout)"
            return self._fail(ConnectFailed(str(self._way), "PAC", reason, self.connection))
        if self._dial is not None:
            self._owner.withdraw(self._dial)
            self._dial = None
            return self._fail(self._failed(f"no connection within {settings.connect_timeout:g} s (connect_timeout)"))
        step = self._step
        assert step is not None
        self._owner.wire(Close(self.connection, "too late"))
        self._fail(self._failed(f"not finished within {getattr(settings, step.timeout):g} s ({step.timeout})"))

    def _failed(self, reason: str, stage: str = "") -> ConnectFailed:
        if self._step is not None:
            return ConnectFailed(self._step.whom, stage or self._step.stage, reason, self.connection)
        via = self.connection.via
        return ConnectFailed(str(via[0]) if via else self.reach.origin.authority, "connect", reason, self.connection)

    def _fail(self, failed: ConnectFailed) -> None:
        self._stop()
        if self._datagram_hop is not None:
            self._datagram_hop.end()
        self.connection.error = failed.reason
        if self._others and self._step is None:
            return self._go(self._others.pop(0))
        self._owner.has_failed(self, failed)

    def _stop(self) -> None:
        self._stack.alarms.pop(self._too_late, None)
