"""WebSockets over HTTP/2 towards servers (RFC 8441): on a connection that is there, if its server has said that it takes them."""

from __future__ import annotations

import h2.settings
import pytest
from websockets.frames import Opcode
from wsproto.utilities import generate_accept_token

from interceptor.model.hooks import FORWARD, Hook, ResponseHead, Verdict
from interceptor.proxy.core.events import Congested, Drained
from interceptor.proxy.ingress import Ingress
from tests.proxy.layers.http.http2_world import TO_H2C, World, engine, world  # noqa: F401 - a fixture
from tests.proxy.layers.http.test_http2_websocket import DEFLATE, OFFER, ask, kept, masked, plain
from tests.proxy.layers.test_websocket import ASKED
from tests.support.http2_peers import Http2Peer
from tests.support.paper_driver import PaperDriver, paper_settings, reverse

TAKES = {int(OFFER): 1, int(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS): 100}


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


@pytest.mark.parametrize("case", ["not told", "no connection"])
def test_otherwise_it_goes_over_http1(case: str) -> None:
    if case == "not told":
        w = connected(server_settings={})
        w.driver.greet = lambda connection: None
    else:
        w = world(speaks_http2=False)
    ask(w)
    assert w.driver.sent(w.driver.server).startswith(b"GET /chat?a HTTP/1.1\r\n")


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
