"""Connections to servers: reached, used again, remembered as failed, upgraded to TLS, given back, withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interceptor.model.connection import Address, Connection, Hop, Origin
from interceptor.proxy.asks import ConnectFailed, Dial, Reach, Reached
from interceptor.proxy.core.effects import Ask, Close, Withdraw
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, PipeEvent, Replied, TimedOut
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.hop_tunnel import HopTunnel
from interceptor.proxy.layers.http.connect_hop import ConnectHop
from interceptor.proxy.layers.socks_hop import SocksDatagrams, SocksHop
from interceptor.proxy.opening import Carrier
from interceptor.proxy.upstreams import FAILURE_SECONDS, Upstreams
from tests.proxy.core.toys import Framer
from tests.support.paper_driver import PaperStack, paper_settings

PLAIN = Origin("http", "a.test", 80)
TLS = Origin("https", "a.test", 80)


class Asker(Layer):
    """Reaches, and writes down the answers; as a head, what it is told."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.answers: list[Reached | ConnectFailed] = []
        self.seen: list[PipeEvent] = []

    def receive(self, event: PipeEvent) -> None:
        self.seen.append(event)

    def reach(self, origin: Origin, *, head: bool = False, is_taken: bool = False, is_fresh: bool = False) -> Reach:
        reach = Reach(self, origin, self if head else None, is_taken=is_taken, is_fresh=is_fresh)
        self.ask(reach, then=self.answers.append)
        return reach


class World(PaperStack):
    """Dials are left to the test; TLS is a toy that wants to be greeted with HELLO."""

    def __init__(self, **settings: object) -> None:
        super().__init__(Stack())
        self.upstreams = Upstreams(self.stack, paper_settings(**settings), self)
        self.asker = Asker(self.stack)

    def tls(self, origin: Origin, alpn_offers: tuple[bytes, ...]) -> Tunnel:
        return Framer(self.stack)

    def tls_with_hop(self, hop: Hop, is_forwarding: bool) -> Tunnel:
        return Framer(self.stack)

    def login(self, hop: Hop) -> Tunnel | None:
        return None

    def proxy_header(self, origin: Origin) -> Tunnel | None:
        return None

    def carrier(self, tls: Tunnel, hop: Hop, early: Sequence[PipeEvent]) -> Carrier | None:
        return None

    def through_hop(self, hop: Hop, to: Address) -> Tunnel:
        return ConnectHop(self.stack, hop, to) if hop.speaks_http else SocksHop(self.stack, hop, to)

    def association(self, hop: Hop, to: Address) -> HopTunnel:
        return SocksHop(self.stack, hop, to, is_association=True)

    def datagrams_by(self, to: Address, ended: Callable[[], None]) -> Tunnel:
        return SocksDatagrams(self.stack, to, ended)

    def reach(self, origin: Origin = PLAIN, *, head: bool = False, is_taken: bool = False, is_fresh: bool = False) -> Reach:
        self.run(TimedOut())  # the stack knows the time by its turns
        reach = self.asker.reach(origin, head=head, is_taken=is_taken, is_fresh=is_fresh)
        self.run(TimedOut())
        return reach

    def reach_plain(self) -> None:
        """As for an HTTP request that any proxy may forward."""
        self.run(TimedOut())
        self.asker.ask(Reach(self.asker, PLAIN, is_taken=True, is_plain_request=True), then=self.asker.answers.append)
        self.run(TimedOut())

    def dial(self) -> Dial:
        [dial] = [ask for ask in self.asked if isinstance(ask, Dial)]
        return dial

    def dialled(self) -> Connection:
        dial = self.dial()
        self.answer(dial, dial.connection)
        return dial.connection

    @property
    def last(self) -> Reached | ConnectFailed:
        return self.asker.answers[-1]

    def failure(self) -> str:
        assert isinstance(self.last, ConnectFailed), self.last
        return str(self.last)


def kept(world: World, has_served: bool = True) -> Connection:
    """A connection that was used and given back."""
    world.reach(is_taken=True)
    connection = world.dialled()
    world.upstreams.release(connection, has_served)
    return connection


def test_a_connection_is_dialled_and_given() -> None:
    world = World()
    world.reach(head=True)
    assert world.dial().connection.peer == ("a.test", 80)
    connection = world.dialled()
    assert world.last == Reached(connection)
    world.says(b"banner", connection)
    assert world.asker.seen == [DataReceived(connection, b"banner")]


def test_what_nobody_took_is_there_for_the_next() -> None:
    world = World()
    world.reach()
    connection = world.dialled()
    world.says(b"early", connection)
    world.reach(head=True)
    assert world.last == Reached(connection) and not world.asked
    assert world.asker.seen == [DataReceived(connection, b"early")]


def test_what_came_early_is_not_lost_with_who_gives_the_connection_back_at_once() -> None:
    world = World()
    world.reach()
    connection = world.dialled()
    world.says(b"early", connection)
    passer = Asker(world.stack)
    passer.ask(Reach(passer, PLAIN, passer), then=lambda answer: world.upstreams.release(connection, has_served=False))
    world.run(TimedOut())
    assert not passer.seen and connection not in world.closed
    world.reach(head=True)
    assert world.last == Reached(connection) and world.asker.seen == [DataReceived(connection, b"early")]


def test_early_bytes_are_bounded() -> None:
    world = World()
    world.reach()
    connection = world.dialled()
    for _ in range(6):
        world.says(bytes(16384), connection)
    assert connection in world.paused
    world.reach(head=True)
    assert connection not in world.paused and len(world.asker.seen) == 6


def test_a_used_connection_is_used_again_for_the_same_origin_only() -> None:
    world = World()
    connection = kept(world)
    world.reach(Origin("http", "a.test", 81))
    world.dialled()
    world.reach(is_taken=True)
    assert world.last == Reached(connection, is_reused=True)
    world.reach(is_taken=True)
    assert world.dial(), "it is in use"


def test_a_fresh_connection_is_wanted() -> None:
    world = World()
    connection = kept(world)
    world.reach(is_taken=True, is_fresh=True)
    assert connection in world.closed and world.dial()


def test_a_kept_connection_that_speaks_or_closes_is_not_kept() -> None:
    for event in (DataReceived, HalfClosed, Closed):
        world = World()
        connection = kept(world)
        world.run(event(connection, b"x") if event is DataReceived else event(connection))  # type: ignore[call-arg]
        world.reach(is_taken=True)
        assert world.dial()
    world = World()
    connection = kept(world, has_served=False)
    world.says(b"banner", connection)
    assert connection not in world.closed, "it is fresh: this is a server that speaks first"


def test_tls_is_put_on_a_connection_that_is_there() -> None:
    world = World()
    world.reach()
    connection = world.dialled()
    world.reach(TLS, is_taken=True)
    assert world.sent(connection) == b"hi\n" and not world.asked
    world.says(b"HELLO\n", connection)
    assert world.last == Reached(connection)
    world.upstreams.release(connection, has_served=True)
    world.reach(TLS, is_taken=True)
    assert world.last == Reached(connection, is_reused=True)
    world.reach(PLAIN)
    assert world.dial(), "the TLS one is not for plain HTTP"


def test_tls_is_not_put_on_a_connection_that_has_served_or_spoken() -> None:
    world = World()
    used = kept(world)
    world.reach(TLS)
    assert used in world.closed and world.dial()
    world = World()
    world.reach()
    spoken = world.dialled()
    world.says(b"220", spoken)
    world.reach(TLS)
    assert spoken in world.closed and world.dial()


def test_failures_name_the_hop_and_the_stage() -> None:
    world = World()
    world.reach()
    world.answer(world.dial(), ConnectFailed("a.test:80", "connect", "refused"))
    assert world.failure() == "a.test:80: connect: refused"
    world = World()
    world.reach(TLS)
    connection = world.dialled()
    world.says(b"220 mail\n", connection)
    assert world.failure() == "a.test:80: HELLO: greeted with b'220 mail'" and connection in world.closed
    assert connection.error == "greeted with b'220 mail'"
    world = World()
    world.reach(TLS)
    world.vanishes(world.dialled())
    assert world.failure() == "a.test:80: HELLO: the server closed the connection"


def test_time_is_up() -> None:
    world = World(connect_timeout=10, tls_handshake_timeout=20)
    world.reach()
    dial = world.dial()
    world.advance(10)
    assert world.failure() == "a.test:80: connect: no connection within 10 s (connect_timeout)" and dial in world.withdrawn
    world = World(connect_timeout=10, tls_handshake_timeout=20)
    world.reach(TLS)
    world.advance(9)
    connection = world.dialled()
    world.advance(19)
    assert not world.asker.answers
    world.advance(1)
    assert world.failure() == "a.test:80: TLS handshake: not finished within 20 s (tls_handshake_timeout)"
    assert connection in world.closed and not world.stack.alarms


def test_a_failure_is_told_to_whoever_asks_soon_and_to_the_exchange_once() -> None:
    world = World()
    world.reach(TLS)
    world.answer(world.dial(), ConnectFailed("a.test:80", "connect", "refused"))
    world.reach(TLS)
    world.reach(TLS, is_taken=True)
    assert len(world.asker.answers) == 3 and not world.asked
    world.reach(TLS, is_taken=True)
    world.answer(world.dial(), ConnectFailed("a.test:80", "connect", "refused"))
    world.reach(TLS, is_taken=True)
    assert world.dial(), "an exchange that failed has told it"


def test_a_failure_is_forgotten() -> None:
    world = World()
    world.reach()
    world.answer(world.dial(), ConnectFailed("a.test:80", "connect", "refused"))
    world.advance(FAILURE_SECONDS + 0.1)
    world.reach()
    assert world.dial()


def withdrawn(world: World, reach: Ask[Reached | ConnectFailed]) -> None:
    world.asker.withdraw(reach)
    world.run(TimedOut())


def test_a_reach_is_withdrawn_at_every_stage() -> None:
    world = World()
    reach = world.reach()
    dial = world.dial()
    withdrawn(world, reach)
    assert world.withdrawn == [dial] and not world.stack.alarms
    world = World()
    reach = world.reach(TLS)
    connection = world.dialled()
    withdrawn(world, reach)
    assert connection in world.closed and not world.stack.alarms
    world = World()
    reach = world.reach()
    world.stack.turn(Replied(world.dial(), world.dial().connection), 0.0)
    world.asker.withdraw(reach)
    effects = world.run()
    world.run(TimedOut())
    assert world.dial().connection in world.closed, "answered, and not yet read"
    assert Withdraw(reach) not in effects and not world.asker.answers


def test_a_connection_that_is_gone_is_not_given_back() -> None:
    world = World()
    world.reach(is_taken=True)
    connection = world.dialled()
    world.upstreams.wire(Close(connection, "done"))
    world.upstreams.release(connection, has_served=True)
    world.reach()
    assert world.dial()
