"""WebSockets over HTTP/2 towards servers (RFC 8441), if they have said that they take them; else over HTTP/1.1."""

from __future__ import annotations

import h2.settings
import pytest
from websockets.frames import Opcode
from wsproto.utilities import generate_accept_token

from interceptor.model.connection import Connection
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import FORWARD, Hook, ResponseHead, Verdict
from interceptor.model.http import Request
from interceptor.proxy.core.events import Congested, Drained
from interceptor.proxy.ingress import Ingress
from tests.proxy.layers.http.http2_world import TO_H2C, World, engine, world  # noqa: F401 - a fixture
from tests.proxy.layers.http.test_http2_websocket import DEFLATE, OFFER, ask, kept, masked, plain
from tests.proxy.layers.test_tls import World as TlsWorld
from tests.proxy.layers.test_websocket import ASKED
from tests.support.http2_peers import PREFACE, Http2Peer, frame
from tests.support.paper_driver import PaperDriver, paper_settings, reverse
from tests.support.tls_peers import Plain, TlsPeer

TAKES = {int(OFFER): 1, int(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS): 100}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsWorld:
    return TlsWorld(tmp_path_factory.mktemp("tls"))


def connected(ingress: Ingress = TO_H2C, server_settings: dict[int, int] | None = None, **more: object) -> World:
    """With a connection to the server on which a request has been answered."""
    w = world(ingress, server_settings=TAKES if server_settings is None else server_settings, **more)  # type: ignore[arg-type]
    stream = w.client.ask()
    w.run()
    w.server.answer(1, status=204)
    w.run()
    assert w.client.heard[stream].status == 204
    return w


def opened(**more: object) -> tuple[World, int]:
    """The client's stream; the server's is 3."""
    w = connected(**more)  # type: ignore[arg-type]
    stream = ask(w, DEFLATE)
    w.server.answer(3, [(b"sec-websocket-protocol", b"chat")], ends=False)
    w.run()
    assert w.client.heard[stream].status == 200
    return w, stream


@pytest.mark.usefixtures("engine")
def test_both_sides_in_http2() -> None:
    w, stream = opened()
    driver, asked = w.driver, w.server.heard[3]
    pseudo = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":authority", b"a.test")]
    assert asked.fields == [*pseudo, (b":path", b"/chat?a"), DEFLATE] and not asked.has_ended
    assert w.client.heard[stream].fields == [(b":status", b"200"), (b"sec-websocket-protocol", b"chat")]
    question, answer = masked(b"hello"), plain(b"you")
    w.client.say(stream, question)
    w.server.say(3, answer)
    w.run()
    assert asked.body == question and w.client.heard[stream].body == answer
    flow = driver.http
    assert flow.response is not None and flow.response.status_code == 101 and flow.response.http_version == "HTTP/2.0"
    w.server.say(3, plain(b"\x03\xe8", Opcode.CLOSE), ends=True)
    w.client.say(stream, masked(b"\x03\xe8", Opcode.CLOSE), ends=True)
    w.run()
    assert asked.has_ended and w.client.heard[stream].has_ended and asked.reset is None
    assert [name for _, name, _ in kept(driver)] == ["TEXT", "TEXT", "CLOSE", "CLOSE"]
    assert driver.errors() == ["", ""] and not driver.closed and len(driver.servers) == 1 and len(driver.stack.pipes) == 2


@pytest.mark.parametrize("ends", [False, True])
def test_a_client_of_http1_with_always(ends: bool) -> None:
    driver = PaperDriver(
        reverse("http://t.test:80"), paper_settings(http2_upstream="always"), greet=lambda connection: server
    )
    server = Http2Peer(is_client=False, settings=TAKES)
    driver.says(b"GET / HTTP/1.1\r\nHost: t.test\r\n\r\n")
    driver.converse()
    server.answer(1, status=204)
    driver.converse()
    driver.sent(driver.client)
    driver.says(ASKED)
    driver.converse()
    fields = dict(server.heard[3].fields)
    assert fields[b":protocol"] == b"websocket" and b"sec-websocket-key" not in fields and b"upgrade" not in fields
    server.answer(3, ends=False)
    server.say(3, plain(b"early"))
    driver.converse()
    said = driver.sent(driver.client)
    assert said.startswith(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n")
    accept = b"sec-websocket-accept: " + generate_accept_token(b"dGhlIHNhbXBsZSBub25jZQ==")
    assert accept in said and said.endswith(b"\r\n\r\n" + plain(b"early"))
    question = masked(b"hi")
    driver.says(question)
    driver.converse()
    assert server.heard[3].body == question
    driver.ends(driver.client) if ends else driver.vanishes(driver.client)
    driver.converse()
    assert server.heard[3].has_ended or driver.server in driver.closed


@pytest.mark.parametrize("closes_first", ["client", "server"])
def test_a_client_of_http1_need_not_know_that_a_stream_is_to_be_ended(closes_first: str) -> None:
    server = Http2Peer(is_client=False, settings=TAKES)
    settings = paper_settings(http2_upstream="always")
    driver = PaperDriver(reverse("http://t.test:80"), settings, greet=lambda connection: server)
    driver.says(ASKED)
    driver.converse()
    server.answer(1, ends=False)
    driver.converse()
    driver.sent(driver.client)
    deeds = [lambda: driver.says(masked(b"\x03\xe8", Opcode.CLOSE)), lambda: server.say(1, plain(b"\x03\xe8", Opcode.CLOSE))]
    for deed in deeds if closes_first == "client" else reversed(deeds):
        assert not server.heard[1].has_ended
        deed()
        driver.converse()
    assert server.heard[1].has_ended, "it waits for that"
    server.say(1, b"", ends=True)
    driver.converse()
    assert driver.client in driver.half_closed or driver.client in driver.closed, "and the client for that"
    driver.ends(driver.client)
    assert driver.errors() == [""] and [name for _, name, _ in kept(driver)] == ["CLOSE", "CLOSE"]


def test_otherwise_it_goes_over_http1() -> None:
    w = connected(server_settings={})
    w.driver.greet = lambda connection: None
    ask(w)
    assert w.driver.sent(w.driver.server).startswith(b"GET /chat?a HTTP/1.1\r\n")


# --- as the first request ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("engine")
def test_it_may_be_the_first_request() -> None:
    w = world(server_settings=TAKES)
    stream = ask(w, DEFLATE)
    assert dict(w.server.heard[1].fields)[b":protocol"] == b"websocket"
    w.server.answer(1, ends=False)
    w.run()
    assert w.client.heard[stream].status == 200 and len(w.driver.servers) == 1


def held_back(**more: object) -> tuple[World, int, bytes]:
    """Its server has not said its SETTINGS yet: here they are."""
    w = world(speaks_http2=False, **more)  # type: ignore[arg-type]
    stream = ask(w)
    assert w.driver.sent(w.driver.server).startswith(b"PRI * HTTP/2.0")
    return w, stream, Http2Peer(is_client=False, settings=TAKES).take()


def test_nothing_is_asked_before_the_servers_settings_are_there() -> None:
    w, _, settings = held_back()
    assert not w.driver.sent(w.driver.server)
    w.driver.says(settings, w.driver.server)
    assert b":protocol" in w.driver.sent(w.driver.server)


def test_one_that_does_not_take_it_is_asked_in_http1_and_its_connection_serves_other_requests() -> None:
    w = world(server_settings={})
    w.driver.greet, speaks_http2 = (lambda connection: None if w.servers else speaks_http2(connection)), w.driver.greet
    stream = ask(w)
    first, second = w.driver.servers
    assert w.driver.sent(second).startswith(b"GET /chat?a HTTP/1.1\r\n")
    other = w.client.ask()
    w.run()
    w.server.answer(1, status=204)
    w.run()
    assert w.client.heard[other].status == 204 and len(w.driver.servers) == 2
    w.driver.says(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", second)
    w.run()
    assert w.client.heard[stream].status == 403 and w.driver.errors() == ["", ""] and first not in w.driver.closed


@pytest.mark.parametrize("ending", ["vanishes", "goes away", "is silent"])
def test_one_that_never_says_its_settings_is_asked_in_http1(ending: str) -> None:
    w, _, _ = held_back(connect_timeout=7.0)
    if ending == "vanishes":
        w.driver.vanishes(w.driver.server)
    elif ending == "goes away":
        w.driver.says(frame(7, 0, 0, b"\0" * 8), w.driver.server)
    else:
        w.driver.advance(6.9)
        assert len(w.driver.servers) == 1
        w.driver.advance(0.2)
    assert len(w.driver.servers) == 2 and w.driver.sent(w.driver.server).startswith(b"GET /chat?a HTTP/1.1\r\n")
    w.driver.ends(w.driver.server)
    w.run()
    said = {"vanishes": "the server has left", "goes away": "the server has left", "is silent": "no SETTINGS within 7 s"}
    assert said[ending] in w.driver.errors()[0]


def test_the_client_may_leave_while_the_settings_are_waited_for() -> None:
    w, stream, settings = held_back()
    w.client.reset(stream)
    w.run()
    assert not w.driver.http.is_live and len(w.driver.servers) == 1
    w.driver.says(settings, w.driver.server)
    assert b":protocol" not in w.driver.sent(w.driver.server)
    w.client.ask(path=b"/other")
    w.run()
    assert len(w.driver.servers) == 1, "the connection is there for other requests"


def test_many_at_once_wait_for_the_same_settings() -> None:
    w, _, settings = held_back()
    ask(w)
    ask(w)
    w.driver.says(settings, w.driver.server)
    server = Http2Peer(is_client=False, settings=TAKES)
    server.feed(PREFACE + frame(4, 0, 0) + w.driver.sent(w.driver.server))
    assert [dict(heard.fields)[b":method"] for heard in server.heard.values()] == [b"CONNECT"] * 3 and len(w.driver.servers) == 1


class InTls:
    """A client of HTTP/2 without TLS, and a server behind TLS that chooses what `alpn` says."""

    def __init__(self, tls: TlsWorld, alpn: bytes, settings: dict[int, int]) -> None:
        self.client = Http2Peer(is_client=True)
        self.inner = Http2Peer(is_client=False, settings=settings) if alpn == b"h2" else Plain()
        self.connections: list[TlsPeer] = []

        def greet(connection: Connection) -> TlsPeer:
            peer = TlsPeer.server(tls.certificate, alpn=alpn, refuses=True)
            peer.inner = self.inner
            self.connections.append(peer)
            return peer

        self.driver = PaperDriver(reverse("https://a.test:443"), paper_settings(upstream_tls=tls.service), greet=greet)
        self.driver.peers[self.driver.client] = self.client
        self.world = World(self.driver, self.client)


def test_over_tls_a_server_of_http2_alone(tls: TlsWorld) -> None:
    w = InTls(tls, b"h2", TAKES)
    stream = ask(w.world)
    assert isinstance(w.inner, Http2Peer) and dict(w.inner.heard[1].fields)[b":protocol"] == b"websocket"
    w.inner.answer(1, ends=False)
    w.driver.converse()
    assert w.client.heard[stream].status == 200 and len(w.connections) == 1


def test_over_tls_a_server_that_chooses_http1_is_asked_on_that_connection(tls: TlsWorld) -> None:
    w = InTls(tls, b"http/1.1", {})
    ask(w.world)
    assert isinstance(w.inner, Plain) and w.inner.heard.startswith(b"GET /chat?a HTTP/1.1\r\n") and len(w.connections) == 1


def test_over_tls_a_server_of_http2_alone_that_does_not_take_it(tls: TlsWorld) -> None:
    w = InTls(tls, b"h2", {})
    stream = ask(w.world)
    assert len(w.connections) == 2 and w.client.heard[stream].status == 502
    [error] = w.driver.errors()
    assert error.startswith("a.test:443: TLS handshake: ") and "protocol" in error
    assert error.endswith("asked in HTTP/1.1, because over HTTP/2 the server does not take WebSockets "
                          "(there is no ENABLE_CONNECT_PROTOCOL in its SETTINGS).")  # fmt: skip


def test_it_is_sent_again_over_http2(tls: TlsWorld) -> None:
    w = InTls(tls, b"h2", TAKES)
    request = Request("GET", "https", "a.test", 443, b"/chat", "a.test", http_version="HTTP/2.0", protocol="websocket")
    flow = HttpFlow(9, None, None, request=request)
    driver = PaperDriver(settings=paper_settings(upstream_tls=tls.service), greet=w.driver.greet, is_opened=False)
    driver.replay(flow)
    driver.converse()
    assert isinstance(w.inner, Http2Peer) and dict(w.inner.heard[1].fields)[b":protocol"] == b"websocket"


def test_a_refusal_passes_and_the_stream_is_over() -> None:
    w = connected()
    stream = ask(w)
    w.server.answer(3, [(b"x", b"y")], b"no", status=403)
    w.run()
    assert w.client.heard[stream].status == 403 and w.client.heard[stream].body == b"no"
    assert w.server.heard[3].reset == 8 and w.driver.errors()[-1] == "" and not w.driver.closed


@pytest.mark.parametrize("is_granted", [True, False])
def test_the_server_resets(is_granted: bool) -> None:
    w, stream = opened() if is_granted else (connected(), 0)
    stream = stream or ask(w)
    w.server.reset(3)
    w.run()
    if not is_granted:  # a GET that nobody has answered is tried once more
        assert dict(w.server.heard[5].fields)[b":protocol"] == b"websocket"
        w.server.reset(5)
        w.run()
    heard = w.client.heard[stream]
    assert heard.has_ended or heard.reset is not None
    assert "reset the stream" in w.driver.errors()[-1] and len(w.driver.stack.pipes) == 2
    again = w.client.ask()
    w.run()
    w.server.answer(max(w.server.heard), status=204)
    w.run()
    assert w.client.heard[again].status == 204


def test_the_client_resets() -> None:
    w, stream = opened()
    w.client.reset(stream)
    w.run()
    assert w.server.heard[3].reset == 8 or w.server.heard[3].has_ended
    assert not w.driver.closed and len(w.driver.stack.pipes) == 2


def test_the_server_vanishes() -> None:
    w, stream = opened()
    w.driver.vanishes(w.driver.server, "connection reset by peer")
    w.run()
    assert w.client.heard[stream].has_ended and not w.driver.http.is_live
    assert list(w.driver.stack.pipes) == [w.driver.client]


def test_the_server_resets_while_its_answer_is_held() -> None:
    def decide(hook: Hook) -> Verdict | None:
        is_held = isinstance(hook, ResponseHead) and hook.flow.request.protocol == "websocket"
        return None if is_held else FORWARD

    w = connected(decide=decide)
    stream = ask(w)
    w.server.answer(3, ends=False)
    w.server.say(3, plain(b"early"))
    w.run()
    [held] = w.driver.held(ResponseHead)
    w.server.reset(3)
    w.run()
    w.driver.answer(held, FORWARD)
    w.run()
    heard = w.client.heard[stream]
    assert heard.has_ended or heard.reset is not None
    assert not w.driver.http.is_live and len(w.driver.stack.pipes) == 2


def test_trailers_are_no_message() -> None:
    w, stream = opened()
    w.server.say_head(3, [(b"x", b"y")], ends=True)
    w.run()
    assert w.client.heard[stream].has_ended and "trailers in a tunnel" in w.driver.errors()[-1]


def test_credit_is_given_as_the_client_takes_it() -> None:
    w, stream = opened(reads=False)
    message = plain(b"x" * 60_000, Opcode.BINARY)
    w.server.say(3, message * 100)
    w.run()
    assert w.server.h2.local_flow_control_window(3) == 0
    w.client.read_on()
    w.run()
    assert bytes(w.client.heard[stream].body) == message * 100


def test_a_server_that_does_not_read() -> None:
    w, stream = opened()
    w.driver.run(Congested(w.driver.server))
    w.client.say(stream, masked(b"x" * 60_000, Opcode.BINARY) * 50)
    w.run()
    assert w.client.h2.local_flow_control_window(stream) == 0
    w.driver.run(Drained(w.driver.server))
    w.run()
    assert len(w.server.heard[3].body) == 50 * len(masked(b"x" * 60_000))
