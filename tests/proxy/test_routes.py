"""Connections over hops: each asked to lead on, in order; refusals, garbage, silence and early ends told by hop and stage."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from interceptor.model.connection import Connection, Hop, Origin
from interceptor.proxy.asks import ConnectFailed, Dial, Reached, Resolve
from interceptor.proxy.core.effects import Close, Send
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, TimedOut
from interceptor.specs.routes import Routes, parse_route, parse_rules
from tests.proxy.test_upstreams import PLAIN, World

ORIGIN = Origin("tcp", "a.test", 443)
TLS = Origin("https", "a.test", 443)
CONNECT = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
BASIC = b"Proxy-Authorization: Basic bWU6cHc=\r\n"  # me:pw


def over(route: str, **settings: object) -> World:
    return World(routes=Routes(otherwise=parse_route(route)), **settings)


def dialled(world: World, origin: Origin = ORIGIN) -> Connection:
    world.reach(origin, head=True)
    return world.dialled()


def test_the_first_hop_is_dialled_and_the_peer_stays_the_origin() -> None:
    world = over("http://gate:3128")
    world.reach(ORIGIN)
    connection = world.dial().connection
    assert (connection.peer, connection.dialled) == (("a.test", 443), ("gate", 3128))
    assert connection.via == (Hop("http", "gate", 3128),)


@dataclass
class Way:
    """What a hop is told, and what it answers, in turn."""

    route: str
    talk: list[tuple[bytes, bytes]]


WAYS = [
    Way("http://gate", [(CONNECT, OK)]),
    Way("http://me:pw@gate", [(CONNECT[:-2] + BASIC + b"\r\n", OK)]),
    Way("http://gate", [(CONNECT, b"HTTP/1.0 100 Wait\r\n\r\nHTTP/1.0 200 \r\nContent-Length: 9\r\n\r\n")]),
    Way(
        "socks5h://gate",
        [(b"\5\1\0", b"\5\0"), (b"\5\1\0\3\6a.test\1\xbb", b"\5\0\0\1\x7f\0\0\1\0\1")],
    ),
    Way(
        "socks5h://me:pw@gate",
        [
            (b"\5\2\0\2", b"\5\2"),
            (b"\1\2me\2pw", b"\1\0"),
            (b"\5\1\0\3\6a.test\1\xbb", b"\5\0\0\3\4here\0\1"),
        ],
    ),
    Way("socks5h://me:pw@gate", [(b"\5\2\0\2", b"\5\0"), (b"\5\1\0\3\6a.test\1\xbb", b"\5\0\0\4" + bytes(16) + b"\0\1")]),
    Way("socks4a://gate", [(b"\4\1\1\xbb\0\0\0\1\0a.test\0", b"\0\x5a" + bytes(6))]),
    Way("socks4a://me@gate", [(b"\4\1\1\xbb\0\0\0\1me\0a.test\0", b"\0\x5a" + bytes(6))]),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.route} {len(way.talk)}")
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_a_hop_is_asked_and_what_follows_its_answer_is_the_origins(way: Way, piece: int) -> None:
    world = over(way.route)
    connection = dialled(world)
    for number, (asked, answer) in enumerate(way.talk):
        assert world.sent(connection) == asked
        assert not world.asker.answers
        if number == len(way.talk) - 1:
            answer += b"banner"
        for start in range(0, len(answer), piece):
            world.says(answer[start : start + piece], connection)
    assert world.last == Reached(connection) and not world.stack.alarms
    assert b"".join(event.data for event in world.asker.seen if isinstance(event, DataReceived)) == b"banner"
    world.says(b"more", connection)
    assert world.asker.seen[-1] == DataReceived(connection, b"more")


def test_addresses_are_told_as_what_they_are() -> None:
    for host, told in (("192.0.2.7", b"\1\xc0\0\2\7"), ("2001:db8::1", b"\4\x20\1\x0d\xb8" + bytes(11) + b"\1")):
        world = over("socks5h://gate")
        connection = dialled(world, Origin("tcp", host, 80))
        world.sent(connection)
        world.says(b"\5\0", connection)
        assert world.sent(connection) == b"\5\1\0" + told + b"\0\x50"
    world = over("http://gate")
    assert world.sent(dialled(world, Origin("tcp", "::1", 80))).startswith(b"CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n")
    world = over("socks4a://gate")
    assert world.sent(dialled(world, Origin("tcp", "192.0.2.7", 80))) == b"\4\1\0\x50\xc0\0\2\7\0"


@pytest.mark.parametrize(
    ("scheme", "greeting", "asked"),
    [
        ("socks5", (b"\5\1\0", b"\5\0"), b"\5\1\0\4" + bytes(15) + b"\1\1\xbb"),
        ("socks4", None, b"\4\1\1\xbb\xc0\0\2\7\0"),
    ],
)
def test_a_name_is_resolved_here_for_a_hop_that_does_not_do_it(
    scheme: str, greeting: tuple[bytes, bytes] | None, asked: bytes
) -> None:
    world = over(f"{scheme}://gate")
    connection = dialled(world)
    assert world.sent(connection) == b""
    [ask] = [ask for ask in world.asked if isinstance(ask, Resolve)]
    assert (ask.host, ask.port) == ("a.test", 443)
    world.answer(ask, ("::1", "192.0.2.7"))
    if greeting is not None:
        assert world.sent(connection) == greeting[0]
        world.says(greeting[1], connection)
    assert world.sent(connection) == asked
    world = over(f"{scheme}://gate")
    dialled(world)
    [ask] = [ask for ask in world.asked if isinstance(ask, Resolve)]
    world.answer(ask, ConnectFailed("a.test", "name", "the name cannot be resolved: unknown"))
    assert "a.test: the name cannot be resolved" in world.failure() and world.failure().startswith(f"{scheme}://gate:1080: SOCKS")


FAILURES = [
    ("http://gate:8", b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "CONNECT: it answered 502 Bad Gateway"),
    ("http://gate:8", b"HTTP/1.1 101 Odd\r\n\r\n", "CONNECT: it answered 101 Odd"),
    ("http://gate:8", b"SSH-2.0-OpenSSH\r\n", "CONNECT: it answered what is not HTTP/1: 'SSH-2.0-OpenSSH"),
    ("http://gate:8", b"HTTP/1.1 200 OK\nX: y\n\n", "CONNECT: its answer is malformed: a line ends in LF without CR"),
    ("http://gate:8", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "CONNECT: its answer is longer than 65536 bytes"),
    (
        "http://gate:8",
        b'HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n',
        "CONNECT: it wants credentials (Basic): write http://user:password@gate, 407 Login",
    ),
    (
        "http://me:pw@gate:8",
        b'HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n',
        "CONNECT: it does not take the credentials of 'me': 407 Login",
    ),
    (
        "http://me:pw@gate:8",
        b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n",
        "CONNECT: it wants other credentials (Negotiate, NTLM): set upstream_auth_scheme to negotiate, 407 Login",
    ),
    ("socks5h://gate:8", b"\5\xff", "SOCKS5: it wants a user and a password: write socks5h://user:password@host"),
    ("socks5h://me:pw@gate:8", b"\5\xff", "SOCKS5: it takes neither user and password nor clients without"),
    ("socks5h://gate:8", b"\5\2", "SOCKS5: it chose a way to log in that it was not offered (2)"),
    ("socks5h://me:pw@gate:8", b"\5\2\1\1", "SOCKS5: it does not take the password of 'me'"),
    ("socks5h://gate:8", b"HTTP/1.0 400 No", "SOCKS5: it answered what is not SOCKS5: 'HTTP/1.0 400 No'"),
    ("socks5h://gate:8", b"\5\0\5\5", "SOCKS5: it answered 5, connection refused"),
    ("socks5h://gate:8", b"\5\0\5\0\0\7", "SOCKS5: it answered what is not SOCKS5"),
    ("socks4a://gate:8", b"\0\x5b", "SOCKS4: it answered 91, rejected or failed"),
    ("socks4a://gate:8", b"HTTP/1.0 400 No", "SOCKS4: it answered what is not SOCKS4"),
]


@pytest.mark.parametrize(("route", "answer", "reason"), FAILURES)
def test_a_hop_that_does_not_lead_on_is_named_with_its_reason(route: str, answer: bytes, reason: str) -> None:
    world = over(route)
    connection = dialled(world)
    world.says(answer, connection)
    assert world.failure().startswith(f"{parse_route(route)[0]}: {reason}"), world.failure()
    assert "pw" not in world.failure() and connection in world.closed and not world.stack.alarms


@pytest.mark.parametrize("route", ["http://gate:8", "socks5h://gate:8", "socks4a://gate:8"])
def test_a_hop_that_goes_away_is_named(route: str) -> None:
    for event in (HalfClosed, Closed):
        world = over(route)
        world.run(event(dialled(world)))
        assert world.failure().startswith(f"{route}: ") and "it closed the connection without an answer" in world.failure()
    world = over(route)
    connection = dialled(world)
    world.says(b"HTTP/1.1 2" if route.startswith("http") else b"\5" if "5" in route else b"\0", connection)
    world.ends(connection)
    assert "it closed the connection in the middle of its answer, after" in world.failure()


def test_a_hop_that_is_away_or_silent_is_named_within_its_time() -> None:
    world = over("http://gate:8", connect_timeout=10)
    world.reach(ORIGIN)
    world.advance(10)
    assert world.failure() == "http://gate:8: connect: no connection within 10 s (connect_timeout)"
    world = over("http://gate:8", connect_timeout=10)
    world.reach(ORIGIN)
    world.advance(9)
    connection = world.dialled()
    world.advance(9)
    assert not world.asker.answers
    world.advance(1)
    assert world.failure() == "http://gate:8: CONNECT: not finished within 10 s (connect_timeout)"
    assert connection in world.closed


def test_hops_are_asked_in_order_each_within_its_own_time_and_then_the_origin_greeted() -> None:
    world = over("socks4a://one:1,http://two:2", connect_timeout=10, tls_handshake_timeout=20)
    connection = dialled(world, TLS)
    assert connection.dialled == ("one", 1) and world.sent(connection) == b"\4\1\0\2\0\0\0\1\0two\0"
    world.advance(9)
    world.says(b"\0\x5a" + bytes(6), connection)
    assert world.sent(connection) == CONNECT
    world.advance(9)
    world.says(OK, connection)
    assert world.sent(connection) == b"hi\n", "the toy TLS"
    world.advance(19)
    assert not world.asker.answers
    world.vanishes(connection)
    said = "a.test:443 (by way of socks4a://one:1, http://two:2): HELLO: the server closed the connection"
    assert world.failure() == said


def test_the_hop_of_a_chain_that_fails_is_the_one_that_is_named() -> None:
    world = over("socks4a://one:1,http://two:2")
    connection = dialled(world, TLS)
    world.says(b"\0\x5a" + bytes(6), connection)
    world.says(b"HTTP/1.1 403 No\r\n\r\n", connection)
    assert world.failure() == "http://two:2: CONNECT: it answered 403 No"


def test_tls_with_an_https_hop_comes_before_it_is_asked() -> None:
    world = over("https://gate:8")
    connection = dialled(world)
    assert world.sent(connection) == b"hi\n"
    world.says(b"HELLO\n", connection)
    assert world.sent(connection) == CONNECT.swapcase(), "what the toy TLS makes of it"
    world.says(OK.swapcase() + b"BANNER", connection)
    assert world.last == Reached(connection) and world.asker.seen == [DataReceived(connection, b"banner")]
    assert connection.tls is None


def test_withdrawn_in_the_middle_of_a_hop() -> None:
    world = over("http://gate:8")
    reach = world.reach(ORIGIN)
    connection = world.dialled()
    world.asker.withdraw(reach)
    world.run(TimedOut())
    assert connection in world.closed and not world.stack.alarms and not world.asker.answers
    world = over("socks5://gate:8")
    reach = world.reach(ORIGIN)
    world.dialled()
    [ask] = [ask for ask in world.asked if isinstance(ask, Resolve)]
    world.asker.withdraw(reach)
    world.run(TimedOut())
    assert ask in world.withdrawn, "nobody waits for a name any more"


def test_rules_choose_the_way_and_the_first_that_means_the_host_counts() -> None:
    rules = parse_rules([r"\.corp:443$ http://gate:8", "^a.test: direct", "socks5h://far"])
    routes = Routes(rules, otherwise=parse_route("http://never"))
    for host, way in (("x.corp", ("gate", 8)), ("a.test", ("a.test", 443)), ("b.test", ("far", 1080))):
        world = World(routes=routes)
        world.reach(Origin("tcp", host, 443))
        assert world.dial().connection.dialled == way
    world = World(routes=Routes(rules[:2], otherwise=parse_route("http://mode:9")))
    world.reach(Origin("tcp", "b.test", 443))
    assert world.dial().connection.dialled == ("mode", 9)
    assert Routes(rules[:1]).to(Origin("https", "192.0.2.1", 443, "x.corp")), "the name in TLS counts as well"


def test_a_plain_request_is_left_to_a_hop_that_speaks_http_and_its_connection_kept_for_such() -> None:
    world = over("socks5h://one,http://gate:8")
    world.reach_plain()
    connection = world.dialled()
    world.says(b"\5\0", connection)
    world.sent(connection)
    world.says(b"\5\0\0\1" + bytes(6), connection)
    assert world.last == Reached(connection) and connection.is_forwarded and world.sent(connection) == b""
    world.upstreams.release(connection, has_served=True)
    world.reach(PLAIN, is_taken=True)
    assert world.dial().connection is not connection, "somebody who wants a tunnel"
    world.asked.clear()
    world.reach_plain()
    assert world.last == Reached(connection, is_reused=True)
    world = over("socks5h://one")
    world.reach_plain()
    assert not world.dial().connection.is_forwarded
    world = over("http://gate:8")
    world.reach(PLAIN, is_taken=True)
    assert not world.dial().connection.is_forwarded
    tunnel = world.dialled()
    world.says(OK, tunnel)
    world.upstreams.release(tunnel, has_served=True)
    world.reach_plain()
    assert world.last == Reached(tunnel, is_reused=True), "a tunnel that is there does as well"


def test_datagrams_do_not_slip_by_a_proxy() -> None:
    ways = {
        "http://gate:8": "http://gate:8: connect: datagrams cannot go over this proxy, only over SOCKS5: a route `direct`",
        "socks4a://gate:8": "socks4a://gate:8: connect: datagrams cannot go over this proxy, only over SOCKS5: a route `direct`",
        "http://one:8,socks5h://gate:8": "socks5h://gate:8: connect: datagrams go over one SOCKS5 proxy, and not through others",
    }
    for way, reason in ways.items():
        world = over(way)
        world.reach(Origin("udp", "a.test", 53))
        assert world.failure().startswith(reason)
    world = World(routes=Routes(parse_rules(["a.test direct", "socks5h://gate:8"])))
    world.reach(Origin("udp", "a.test", 53))
    assert world.dial().connection.dialled == ("a.test", 53)


UDP = Origin("udp", "192.0.2.7", 53)
GRANTED = b"\5\0\0\1\x7f\0\0\2\4\0"  # 127.0.0.2:1024
FROM_THERE = b"\0\0\0\1\xc0\0\2\7\0\x35"


def associated(world: World, origin: Origin = UDP, granted: bytes = GRANTED) -> tuple[Connection, Connection]:
    """The connection to the proxy, and the one for datagrams, which is not there yet."""
    world.reach(origin, head=True)
    control = world.dialled()
    assert (control.transport, control.peer, control.via) == ("tcp", ("gate", 8), (Hop("socks5h", "gate", 8),))
    assert world.sent(control) == b"\5\1\0"
    world.says(b"\5\0", control)
    assert world.sent(control) == b"\5\3\0\1" + bytes(6)
    world.says(granted, control)
    connection = world.dial().connection
    assert (connection.transport, connection.peer) == ("udp", (origin.host, origin.port))
    assert connection.via == (Hop("socks5h", "gate", 8),)
    return control, connection


def test_datagrams_go_where_a_socks5_proxy_says_each_with_its_destination() -> None:
    world = over("socks5h://gate:8")
    control, _ = associated(world)
    connection = world.dialled()
    assert connection.dialled == ("127.0.0.2", 1024) and world.last == Reached(connection) and not world.stack.alarms
    world.asker.wire(Send(connection, b"one"))
    world.asker.wire(Send(connection, b""))
    world.run(TimedOut())
    assert world.datagrams(connection) == [FROM_THERE + b"one", FROM_THERE]
    for said in (b"two", b""):
        world.says(FROM_THERE + said, connection)
    strangers = (b"", b"junk", b"\0\0\1" + FROM_THERE[3:], FROM_THERE[:-1] + b"\x36x", b"\0\0\0\1\1\1\1\1\0\x35x")
    for stranger in strangers:
        world.says(stranger, connection)
    assert world.asker.seen == [DataReceived(connection, b"two"), DataReceived(connection, b"")]
    world.asker.wire(Close(connection))
    world.run(TimedOut())
    assert {control, connection} <= set(world.closed), "who asked for it goes with what it was asked for"


def test_dtls_over_a_socks5_proxy() -> None:
    world = over("socks5h://gate:8")
    associated(world, Origin("dtls", "192.0.2.7", 53))
    connection = world.dialled()
    assert not world.asker.answers and world.stack.alarms, "its handshake is still to come"
    world.says(FROM_THERE + b"HELLO\n", connection)
    assert world.last == Reached(connection) and not world.stack.alarms


def test_an_association_that_ends_ends_the_datagrams() -> None:
    for end in (HalfClosed, Closed):
        world = over("socks5h://gate:8")
        control, _ = associated(world, Origin("udp", "a.test", 53))
        connection = world.dialled()
        world.says(b"\0\0\0\1\1\2\3\4\0\x35x", connection)
        assert world.asker.seen == [DataReceived(connection, b"x")], "the address of a name is not known here"
        world.run(end(control))
        assert world.asker.seen[1:] == [Closed(connection, "socks5h://gate:8 has ended the association for datagrams")]
        assert connection in world.closed
    world = over("socks5h://gate:8")
    control, connection = associated(world)
    world.run(Closed(control))
    world.dialled()
    assert world.failure() == "socks5h://gate:8: connect: it has ended the association for datagrams"
    assert connection in world.closed


def test_a_proxy_that_does_not_say_its_address_means_the_one_it_has() -> None:
    world = over("socks5h://gate:8")
    _, connection = associated(world, granted=b"\5\0\0\1\0\0\0\0\4\0")
    assert connection.dialled == ("gate", 1024)
    world = over("socks5h://gate:8")
    world.reach(UDP)
    world.dial().connection.resolved = ("192.0.2.8", 8)
    world.says(b"\5\0", control := world.dialled())
    world.says(b"\5\0\0\4" + bytes(16) + b"\4\0", control)
    assert world.dial().connection.dialled == ("192.0.2.8", 1024)


def test_why_a_proxy_passes_no_datagrams_on() -> None:
    answers = {
        b"\5\0\5\7\0\1": "UDP ASSOCIATE: it answered 7, command not supported",
        b"\5\xff": "UDP ASSOCIATE: it wants a user and a password: write socks5h://user:password@host",
        b"HTTP/1.1 400": "UDP ASSOCIATE: it answered what is not SOCKS5: 'HTTP/1.1 400'",
    }
    for answer, reason in answers.items():
        world = over("socks5h://gate:8")
        world.reach(UDP)
        control = world.dialled()
        world.says(answer, control)
        assert world.failure() == f"socks5h://gate:8: {reason}" and control in world.closed
        assert isinstance(world.last, ConnectFailed) and world.last.connection is not None
        assert world.last.connection.peer == ("192.0.2.7", 53)
    world = over("socks5h://gate:8")
    world.reach(UDP)
    world.run(Closed(world.dialled(), "reset"))
    assert world.failure() == "socks5h://gate:8: UDP ASSOCIATE: it closed the connection without an answer (reset)"
    world = over("socks5h://gate:8")
    world.reach(UDP)
    world.answer(world.dial(), ConnectFailed("gate:8", "connect", "connection refused"))
    assert world.failure() == "socks5h://gate:8: connect: connection refused"
    for is_connected, stage in ((False, "connect"), (True, "UDP ASSOCIATE")):
        world = over("socks5h://gate:8", connect_timeout=3.0)
        world.reach(UDP)
        if is_connected:
            world.dialled()
        world.advance(4.0)
        assert world.failure() == f"socks5h://gate:8: {stage}: not finished within 3 s (connect_timeout)"
        assert not [ask for ask in world.asked if ask not in world.withdrawn]


def test_nobody_wants_the_datagrams_any_more() -> None:
    world = over("socks5h://gate:8")
    reach = world.reach(UDP)
    world.asker.withdraw(reach)
    world.run(TimedOut())
    assert [type(ask) for ask in world.withdrawn] == [Dial] and not world.stack.alarms
    world = over("socks5h://gate:8")
    reach = world.reach(UDP)
    control = world.dialled()
    world.asker.withdraw(reach)
    world.run(TimedOut())
    assert control in world.closed and not world.stack.alarms

