"""NTLM and Negotiate with a hop: legs on one connection, for a tunnel and for requests that it forwards."""

from __future__ import annotations

from base64 import b64encode

import pytest

from interceptor.model.connection import Connection, Hop, Origin
from interceptor.proxy.asks import LogIn, LogInFailed, Reached, Token
from interceptor.proxy.core.effects import Send
from interceptor.proxy.core.events import Closed, DataReceived, TimedOut
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.layers.http.connect_hop import ConnectHop
from interceptor.proxy.layers.http.forward_login import ForwardLogin
from interceptor.specs.routes import Routes, parse_route
from tests.proxy.test_upstreams import World

ORIGIN = Origin("tcp", "a.test", 443)


class Login(World):
    """Over `http://me:pw@gate` with NTLM."""

    def __init__(self) -> None:
        super().__init__(routes=Routes(otherwise=parse_route("http://me:pw@gate")), upstream_auth_scheme="ntlm")

    def through_hop(self, hop: Hop, to: tuple[str, int]) -> Tunnel:
        return ConnectHop(self.stack, hop, to, login="NTLM")

    def login(self, hop: Hop) -> Tunnel:
        return ForwardLogin(self.stack, hop, "NTLM")

    def answers_token(self, challenge: bytes, token: bytes) -> None:
        [ask] = [each for each in self.asked if isinstance(each, LogIn)]
        assert (ask.scheme, ask.hop.user, ask.challenge) == ("NTLM", "me", challenge)
        assert (ask.context is None) == (not challenge)
        self.answer(ask, Token("context", token))


def connect(token: bytes) -> bytes:
    said = b"Proxy-Authorization: NTLM " + b64encode(token) + b"\r\nProxy-Connection: Keep-Alive\r\n\r\n"
    return b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n" + said


def challenge(fields: bytes, page: bytes) -> bytes:
    said = b"Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM " + b64encode(b"why") + b"\r\n"
    return b"HTTP/1.1 407 Log in\r\n" + said + fields + b"\r\n" + page


PAGES = [
    (b"Content-Length: 4\r\n", b"page"),
    (b"Transfer-Encoding: chunked\r\n", b"2\r\npa\r\n2\r\nge\r\n0\r\n\r\n"),
    (b"Content-Length: 0\r\n", b""),
]


@pytest.mark.parametrize("page", PAGES, ids=["length", "chunked", "none"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_tunnel_is_asked_for_again_with_the_answer_to_each_challenge(page: tuple[bytes, bytes], size: int) -> None:
    world = Login()
    world.reach(ORIGIN, head=True)
    connection = world.dialled()
    world.answers_token(b"", b"one")
    assert world.sent(connection) == connect(b"one")
    said = challenge(*page)
    for start in range(0, len(said), size):
        world.says(said[start : start + size], connection)
    world.answers_token(b"why", b"two")
    assert world.sent(connection) == connect(b"two")
    world.says(b"HTTP/1.1 200 OK\r\n\r\nbanner", connection)
    assert world.last == Reached(connection) and world.asker.seen == [DataReceived(connection, b"banner")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
            "it does not take the credentials of 'me' (NTLM): 407",
        ),
        (challenge(b"Connection: close\r\n", b""), "NTLM needs one connection, and it closes that after its challenge"),
        (challenge(b"", b""), "NTLM needs one connection, and it closes that after its challenge"),
        (challenge(b"Transfer-Encoding: chunked\r\n", b"no size"), "its answer is malformed: "),
        (b"HTTP/1.1 403 No\r\n\r\n", "it answered 403 No"),
    ],
)
def test_a_login_that_comes_to_nothing_is_told(answer: bytes, reason: str) -> None:
    world = Login()
    world.reach(ORIGIN)
    connection = world.dialled()
    world.answers_token(b"", b"one")
    world.says(answer, connection)
    assert world.failure().startswith(f"http://gate:80: CONNECT: {reason}")


def test_credentials_that_are_not_taken_and_a_library_that_is_missing() -> None:
    world = Login()
    world.reach(ORIGIN)
    connection = world.dialled()
    world.answers_token(b"", b"one")
    world.says(challenge(*PAGES[0]), connection)
    world.answers_token(b"why", b"two")
    world.says(b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n", connection)
    assert world.failure() == "http://gate:80: CONNECT: it does not take the credentials of 'me' (NTLM): 407 No"
    world = Login()
    world.reach(ORIGIN)
    world.dialled()
    [ask] = [each for each in world.asked if isinstance(each, LogIn)]
    world.answer(ask, LogInFailed("pip install it"))
    assert world.failure() == "http://gate:80: CONNECT: NTLM: pip install it"


def forwarded(world: Login) -> Connection:
    """A request has been sent to a hop that forwards it."""
    world.reach_plain()
    connection = world.dialled()
    assert isinstance(world.last, Reached) and connection.is_forwarded
    world.stack.pipes[connection].put((), world.asker)
    world.asker.wire(Send(connection, b"POST http://a.test/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbo"))
    world.run(TimedOut())
    world.asker.wire(Send(connection, b"dy"))
    world.run(TimedOut())
    world.answers_token(b"", b"one")
    line = b"Proxy-Authorization: NTLM " + b64encode(b"one") + b"\r\nProxy-Connection: Keep-Alive\r\n\r\n"
    assert world.sent(connection) == b"HEAD http://a.test/x HTTP/1.1\r\nHost: a.test\r\n" + line
    return connection


@pytest.mark.parametrize("is_challenged", [True, False])
def test_a_connection_is_logged_in_before_the_first_request_that_is_forwarded(is_challenged: bool) -> None:
    world = Login()
    connection = forwarded(world)
    line = b""
    if is_challenged:
        world.says(challenge(b"Content-Length: 99\r\n", b""), connection)
        world.answers_token(b"why", b"two")
        line = b"Proxy-Authorization: NTLM " + b64encode(b"two") + b"\r\n"
    else:
        world.says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", connection)
    assert world.sent(connection) == (
        b"POST http://a.test/x HTTP/1.1\r\n" + line + b"Host: a.test\r\nContent-Length: 4\r\n\r\nbody"
    )
    world.says(b"HTTP/1.1 200 OK\r\n", connection)
    assert world.asker.seen == [DataReceived(connection, b"HTTP/1.1 200 OK\r\n")], "the answer to the HEAD is nobody's"
    world.asker.wire(Send(connection, b"GET http://a.test/y"))
    world.run(TimedOut())
    assert world.sent(connection) == b"GET http://a.test/y", "the connection is logged in"


def test_a_forwarding_hop_that_breaks_off() -> None:
    world = Login()
    connection = forwarded(world)
    world.ends(connection)
    assert world.asker.seen == [Closed(connection, "http://gate:80: NTLM: it closed the connection in the middle of the login")]
    assert connection in world.closed
