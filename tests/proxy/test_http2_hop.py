"""A hop that speaks HTTP/2: tunnels share its connection, each with an end of its own; whatever goes wrong is told by hop."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from interceptor.model.connection import Connection, Hop, Origin, StreamConnection
from interceptor.proxy.asks import Reached
from interceptor.proxy.core.effects import Close, HalfClose, Send
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, PipeEvent, TimedOut
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.layers.http.http2_hop import Http2Hop
from interceptor.specs.routes import Routes, parse_route
from tests.proxy.test_upstreams import World
from tests.support.http2_peers import Http2Peer
from tests.support.paper_driver import paper_settings

ONE, TWO = Origin("tcp", "one.test", 1), Origin("tcp", "two.test", 2)
BASIC = (b"proxy-authorization", b"Basic bWU6cHc=")


class Gate(World):
    """Over `https://me:pw@gate`, which has agreed on HTTP/2 in the toy's TLS; `peer` is that proxy."""

    def __init__(self, route: str = "https://me:pw@gate", **settings: object) -> None:
        super().__init__(routes=Routes(otherwise=parse_route(route)), http2_ping_keepalive=0, **settings)
        self.peer = Http2Peer(is_client=False)
        self.hop: Connection | None = None

    def carrier(self, tls: Tunnel, hop: Hop, early: Sequence[PipeEvent]) -> Http2Hop:
        carrier = Http2Hop(self.stack, paper_settings(), tls.connection, hop)
        self.stack.pipes[tls.connection].put((), carrier)
        carrier.start()
        return carrier

    def open(self, origin: Origin = ONE) -> None:
        """The first tunnel is asked for."""
        self.reach(origin, head=True)
        self.hop = self.dialled()
        self.sent(self.hop)
        self.says(b"HELLO\n", self.hop)
        self.talk()

    def talk(self) -> None:
        """Both say what they have to say, until nobody has anything. (The toy swaps the case of letters.)"""
        assert self.hop is not None
        while True:
            heard, said = self.sent(self.hop).swapcase(), b""
            if heard:
                self.peer.feed(heard)
            if said := self.peer.take():
                self.says(said.swapcase(), self.hop)
            if not heard and not said:
                return

    def granted(self, stream: int) -> Connection:
        self.peer.answer(stream, ends=False)
        self.talk()
        assert isinstance(self.last, Reached)
        return self.last.connection

    def send(self, connection: Connection, *effects: Send | HalfClose | Close) -> None:
        for effect in effects:
            self.asker.wire(effect)
        self.run(TimedOut())  # a turn, at whose end what waits is sent
        self.talk()


def test_two_tunnels_share_one_connection() -> None:
    gate = Gate()
    gate.open()
    assert gate.peer.heard[1].fields == [(b":method", b"CONNECT"), (b":authority", b"one.test:1"), BASIC]
    one = gate.granted(1)
    assert isinstance(one, StreamConnection) and one.peer == ("one.test", 1) and one.parent is gate.hop
    assert [str(hop) for hop in one.via] == ["https://gate:443"] and gate.hop is not None and gate.hop.peer == ("gate", 443)
    gate.asked.clear()
    gate.reach(TWO, head=True)
    gate.talk()
    assert not gate.asked, "nobody is dialled"
    assert gate.peer.heard[3].fields[1] == (b":authority", b"two.test:2")
    two = gate.granted(3)
    assert two is not one and two.peer == ("two.test", 2)
    gate.peer.say(3, b"220 mail")
    gate.talk()
    assert gate.asker.seen[-1] == DataReceived(two, b"220 mail")
    gate.send(one, Send(one, b"HELO"), HalfClose(one))
    assert bytes(gate.peer.heard[1].body) == b"HELO" and gate.peer.heard[1].has_ended and not gate.peer.heard[3].has_ended
    gate.peer.say(1, b"bye", ends=True)
    gate.talk()
    assert gate.asker.seen[-2:] == [DataReceived(one, b"bye"), HalfClosed(one)]
    gate.send(one, Close(one))
    assert gate.peer.heard[1].reset is None, "both had ended"
    gate.send(two, Close(two))
    assert gate.peer.heard[3].reset == 8, "CANCEL: the hop had not ended"
    assert gate.hop not in gate.closed and not any(isinstance(each, StreamConnection) for each in gate.stack.pipes)


@pytest.mark.parametrize(
    ("status", "fields", "reason"),
    [
        (407, [(b"proxy-authenticate", b"Basic realm=x")], "it does not take the credentials of 'me': 407"),
        (403, [], "it answered 403"),
    ],
)
def test_a_refusal_is_told_and_the_connection_stays(status: int, fields: list[tuple[bytes, bytes]], reason: str) -> None:
    gate = Gate()
    gate.open()
    gate.peer.answer(1, fields, b"a page", status=status)
    gate.talk()
    assert gate.failure() == f"https://gate:443: CONNECT: {reason}"
    gate.reach(TWO, head=True)
    gate.talk()
    gate.granted(3)


def test_resets_garbage_silence_and_a_hop_that_leaves_are_told() -> None:
    gate = Gate()
    gate.open()
    gate.peer.reset(1, 7)
    gate.talk()
    assert gate.failure() == "https://gate:443: CONNECT: the proxy reset the stream (REFUSED_STREAM)"
    gate = Gate()
    gate.open()
    assert gate.hop is not None
    gate.says(b"HTTP/1.1 400 Bad Request\r\n\r\n", gate.hop)
    assert gate.failure().startswith("https://gate:443: CONNECT: the proxy broke the HTTP/2 protocol: ")
    gate = Gate(connect_timeout=2)
    gate.open()
    gate.advance(3)
    assert gate.failure() == "https://gate:443: CONNECT: not finished within 2 s (connect_timeout)"
    gate.talk()
    assert gate.peer.heard[1].reset == 8
    gate = Gate()
    gate.open()
    one = gate.granted(1)
    assert gate.hop is not None
    gate.vanishes(gate.hop)
    assert gate.asker.seen[-1] == Closed(one, "the proxy closed the connection")
    gate.reach(TWO, head=True)
    assert gate.dial().connection.peer == ("two.test", 2), "another one is dialled"


def test_a_hop_that_is_going_away_serves_what_it_has() -> None:
    gate = Gate()
    gate.open()
    one = gate.granted(1)
    gate.peer.h2.close_connection(last_stream_id=1)
    assert gate.hop is not None
    gate.says(gate.peer.take().swapcase(), gate.hop)
    gate.reach(TWO, head=True)
    assert gate.dial().connection.peer == ("two.test", 2)
    assert not any(event.connection is one and isinstance(event, Closed) for event in gate.asker.seen)
    gate.asker.wire(Close(one))
    gate.run(TimedOut())
    assert gate.hop in gate.closed, "the last one has gone"


def test_a_tunnel_in_a_tunnel() -> None:
    gate = Gate("https://me:pw@gate,http://inner:8")
    gate.open()
    assert gate.peer.heard[1].fields[1] == (b":authority", b"inner:8")
    gate.peer.answer(1, ends=False)
    gate.talk()
    assert bytes(gate.peer.heard[1].body) == b"CONNECT one.test:1 HTTP/1.1\r\nHost: one.test:1\r\n\r\n"
    gate.peer.say(1, b"HTTP/1.1 200 OK\r\n\r\nbanner")
    gate.talk()
    assert isinstance(gate.last, Reached) and gate.asker.seen == [DataReceived(gate.last.connection, b"banner")]
