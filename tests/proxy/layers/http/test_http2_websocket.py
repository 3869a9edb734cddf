"""WebSockets over HTTP/2 (RFC 8441): an extended CONNECT is asked for in HTTP/1 of the server, and its stream is the socket."""

from __future__ import annotations

from collections.abc import Callable

import h2.settings
import pytest
from websockets.frames import Frame, Opcode
from wsproto.utilities import generate_accept_token

from interceptor.model.connection import StreamConnection
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import FORWARD, Forward, Hook, RequestHead, Respond, ResponseHead, Verdict, WebSocketMessageReceived
from interceptor.model.http import Headers, Response
from interceptor.proxy.core.events import Congested, Drained, MessageInjected
from tests.proxy.layers.http.http2_world import World, engine, world  # noqa: F401 - a fixture
from tests.proxy.layers.test_websocket import collecting, kept, read
from tests.support.paper_driver import REGULAR, PaperDriver, paper_settings, reverse

OFFER = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
DEFLATE = (b"sec-websocket-extensions", b"permessage-deflate")


def masked(content: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    return Frame(opcode, content).serialize(mask=True)


def plain(content: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    return Frame(opcode, content).serialize(mask=False)


def ask(w: World, *fields: tuple[bytes, bytes], protocol: bytes = b"websocket", ends: bool = False) -> int:
    stream = w.client.h2.get_next_available_stream_id()
    pseudo = [(b":method", b"CONNECT"), (b":protocol", protocol), (b":scheme", b"http"), (b":authority", b"a.test")]
    w.client.say_head(stream, [*pseudo, (b":path", b"/chat?a"), *fields], ends)
    w.run()
    return stream


def asked(decide: Callable[[Hook], Verdict | None] = lambda hook: FORWARD, **settings: object) -> tuple[World, int, bytes]:
    """The world, the stream, and what the server was sent."""
    w = world(REGULAR, speaks_http2=False, decide=decide, **settings)
    stream = ask(w, DEFLATE, (b"sec-websocket-protocol", b"chat"), (b"origin", b"http://o.test"))
    return w, stream, w.driver.sent(w.driver.server) if w.driver.servers else b""


def field(head: bytes, name: bytes) -> bytes:
    found = [line.partition(b": ")[2] for line in head.split(b"\r\n") if line.lower().startswith(name + b":")]
    assert len(found) == 1, head
    return found[0]


def grant(head: bytes, *fields: bytes, accept: bytes | None = None, upgrade: bytes = b"websocket") -> bytes:
    answer = generate_accept_token(field(head, b"sec-websocket-key")) if accept is None else accept
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: " + upgrade, b"Connection: Upgrade", *fields]
    return b"\r\n".join([*lines, b"Sec-WebSocket-Accept: " + answer, b"", b""])


def refuse_http2(w: World) -> None:
    """As a server that speaks HTTP/1 alone does. The next connection is another."""
    assert w.driver.sent(w.driver.server).startswith(b"PRI * HTTP/2.0")
    refused = w.driver.server
    w.driver.says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", refused)
    w.run()
    assert refused in w.driver.closed and len(w.driver.servers) == 2


def opened(decide: Callable[[Hook], Verdict | None] = lambda hook: FORWARD, **settings: object) -> tuple[World, int]:
    w, stream, head = asked(decide, **settings)
    w.driver.says(grant(head), w.driver.server)
    w.run()
    assert w.client.heard[stream].status == 200 and not w.client.heard[stream].has_ended
    return w, stream


@pytest.mark.parametrize("is_on", [True, False])
def test_it_is_offered_unless_websockets_are_off(is_on: bool) -> None:
    w = world(REGULAR, speaks_http2=False, websocket=is_on)
    w.client.ask()
    w.run()
    assert w.client.h2.remote_settings.get(OFFER, 0) == is_on


@pytest.mark.usefixtures("engine")
def test_the_server_is_asked_in_http1_and_its_answer_is_told_in_http2() -> None:
    w, stream, head = asked()
    assert head.startswith(b"GET /chat?a HTTP/1.1\r\nhost: a.test\r\n")
    assert field(head, b"upgrade") == b"websocket" and field(head, b"connection") == b"Upgrade"
    assert field(head, b"sec-websocket-version") == b"13" and len(field(head, b"sec-websocket-key")) == 24
    assert field(head, b"sec-websocket-protocol") == b"chat" and field(head, b"sec-websocket-extensions") == DEFLATE[1]
    driver = w.driver
    driver.says(grant(head, b"Sec-WebSocket-Protocol: chat") + plain(b"early"), driver.server)
    w.run()
    heard = w.client.heard[stream]
    assert heard.fields == [(b":status", b"200"), (b"sec-websocket-protocol", b"chat")]
    assert heard.body == plain(b"early") and not heard.has_ended
    request, response = driver.http.request, driver.http.response
    assert (request.method, request.url, request.protocol) == ("GET", "http://a.test/chat?a", "websocket")
    assert "upgrade" not in request.headers and "sec-websocket-key" not in request.headers
    assert response is not None and response.status_code == 101 and "sec-websocket-accept" in response.headers
    assert set(response.not_sent) == {b"upgrade", b"connection", b"sec-websocket-accept"}
    assert driver.http.websocket is not None and driver.http.is_live and driver.http.client_stream == stream


def test_two_asks_have_two_keys() -> None:
    w, _, head = asked()
    ask(w)
    assert field(w.driver.sent(w.driver.server), b"sec-websocket-key") != field(head, b"sec-websocket-key")


@pytest.mark.usefixtures("engine")
def test_messages_pass_in_the_bytes_they_came_in_and_the_close_ends_the_stream_alone() -> None:
    w, stream = opened()
    driver, question, answer = w.driver, masked(b"hello"), plain(b"\x00\xff", Opcode.BINARY)
    w.client.say(stream, question)
    w.run()
    driver.says(answer, driver.server)
    w.run()
    assert driver.sent(driver.server) == question and w.client.heard[stream].body == answer
    driver.says(plain(b"\x03\xe8", Opcode.CLOSE), driver.server)
    w.client.say(stream, masked(b"\x03\xe8", Opcode.CLOSE), ends=True)
    w.run()
    driver.ends(driver.server)
    w.run()
    assert w.client.heard[stream].has_ended and w.client.heard[stream].reset is None
    assert driver.server in driver.closed and driver.client not in driver.closed and list(driver.stack.pipes) == [driver.client]
    names = [(from_client, name) for from_client, name, _ in kept(driver)]
    assert names == [(True, "TEXT"), (False, "BINARY"), (False, "CLOSE"), (True, "CLOSE")]
    assert driver.http.error is None and not driver.http.is_live
    assert w.client.ask() == stream + 2


def test_what_the_client_says_before_it_is_granted_waits() -> None:
    w, stream, head = asked()
    early = masked(b"x" * 200_000, Opcode.BINARY)
    w.client.say(stream, early)
    w.run()
    assert w.driver.sent(w.driver.server) == b""
    w.driver.says(grant(head), w.driver.server)
    w.run()
    assert w.driver.sent(w.driver.server) == early and w.client.h2.local_flow_control_window(stream) > 200_000


def test_the_client_may_end_its_side_before_it_is_granted() -> None:
    w, stream, head = asked()
    said = masked(b"all")
    w.client.say(stream, said, ends=True)
    w.run()
    w.driver.says(grant(head), w.driver.server)
    w.run()
    assert w.driver.sent(w.driver.server) == said and w.driver.server in w.driver.half_closed


def test_a_message_is_held_and_edited_and_another_put_in() -> None:
    w, stream = opened(collecting)
    w.client.say(stream, masked(b"hello"))
    w.run()
    driver = w.driver
    assert driver.sent(driver.server) == b""
    [held] = driver.held(WebSocketMessageReceived)
    driver.run(MessageInjected(driver.http.id, from_client=False, data=b"meanwhile", is_text=True))
    w.run()
    assert w.client.heard[stream].body == plain(b"meanwhile")
    driver.answer(held, Forward(data=b"other"))
    assert read(driver.sent(driver.server)) == [(Opcode.TEXT, b"other", True)]


@pytest.mark.parametrize("code", [0, 8])
def test_the_client_resets_the_stream(code: int) -> None:
    w, stream = opened()
    w.client.reset(stream, code)
    w.run()
    driver = w.driver
    assert driver.server in driver.closed and driver.client not in driver.closed
    assert driver.http.error is not None and driver.http.error.message.startswith("The client ended the connection without")


def test_the_client_resets_the_stream_before_it_is_granted() -> None:
    w, stream, _ = asked()
    w.client.reset(stream)
    w.run()
    assert w.driver.server in w.driver.closed and w.driver.errors() == ["The client gave up the request (CANCEL)."]


def test_the_server_vanishes() -> None:
    w, stream = opened()
    w.driver.vanishes(w.driver.server, "connection reset by peer")
    w.run()
    assert w.client.heard[stream].has_ended and w.driver.client not in w.driver.closed
    assert "The server ended the connection without a closing handshake" in w.driver.errors()[0]


def test_the_client_leaves() -> None:
    w, _ = opened()
    w.driver.vanishes(w.driver.client)
    assert w.driver.is_over and w.driver.server in w.driver.closed and not w.driver.http.is_live


def test_trailers_are_no_message() -> None:
    w, stream = opened()
    w.client.say_head(stream, [(b"x", b"y")], ends=True)
    w.run()
    assert w.client.heard[stream].reset == 1 and w.driver.server in w.driver.closed


def test_credit_is_given_as_the_server_takes_it() -> None:
    w, stream = opened()
    driver = w.driver
    driver.run(Congested(driver.server))
    w.client.say(stream, b"".join(masked(b"x" * 60_000, Opcode.BINARY) for _ in range(20)))
    w.run()
    assert w.client.h2.local_flow_control_window(stream) == 0
    driver.run(Drained(driver.server))
    w.run()
    assert [len(message) for _, _, message in kept(driver) if message is not None] == [60_000] * 20


@pytest.mark.parametrize("status", [302, 403, 426, 503])
def test_a_refusal_passes_as_it_is(status: int) -> None:
    w, stream, _ = asked()
    w.driver.says(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\nX-Why: so\r\n\r\nno" % status, w.driver.server)
    w.run()
    heard = w.client.heard[stream]
    assert heard.status == status and (b"X-Why".lower(), b"so") in heard.fields and heard.body == b"no"
    assert w.driver.errors() == [""] and w.driver.http.websocket is None


def not_a_grant(head: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (not_a_grant, "it answered 200"),
        (lambda head: grant(head, accept=b"wrong"), "Sec-WebSocket-Accept does not answer the key"),
        (lambda head: grant(head, upgrade=b"other"), "another protocol than WebSocket"),
    ],
)
def test_what_is_no_grant_does_not_look_like_one(answer: Callable[[bytes], bytes], why: str) -> None:
    w, stream, head = asked()
    w.driver.says(answer(head), w.driver.server)
    w.run()
    heard = w.client.heard[stream]
    assert heard.status == 502 and why.encode() in heard.body and (heard.has_ended or heard.reset == 0)
    assert why in w.driver.errors()[0] and w.driver.client not in w.driver.closed


@pytest.mark.parametrize("status", [101, 200])
def test_a_response_of_ours_is_no_grant(status: int) -> None:
    fields = Headers([(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")])

    def decide(hook: Hook) -> Verdict:
        return Respond(Response(status, headers=fields)) if isinstance(hook, RequestHead) else FORWARD

    w, stream, _ = asked(decide)
    heard = w.client.heard[stream]
    assert heard.reset is not None if status == 101 else heard.status == 502
    assert not w.driver.servers and w.driver.errors()[0]


def test_an_edit_of_the_response_that_takes_the_grant_back() -> None:
    def decide(hook: Hook) -> Verdict:
        if isinstance(hook, ResponseHead) and hook.flow.response is not None:
            hook.flow.response.status_code = 204
        return FORWARD

    w, stream, head = asked(decide)
    w.driver.says(grant(head), w.driver.server)
    w.run()
    assert w.client.heard[stream].status == 502 and w.driver.server in w.driver.closed


def test_another_protocol_is_not_implemented() -> None:
    w = world(REGULAR, speaks_http2=False)
    stream = ask(w, protocol=b"connect-udp")
    assert w.client.heard[stream].status == 501 and b"other than websocket" in w.client.heard[stream].body
    assert not w.driver.servers and "other than websocket" in w.driver.errors()[0]


@pytest.mark.parametrize(("fields", "ends", "settings"), [
    ([], True, {}), ([(b"content-length", b"3")], False, {}), ([], False, {"websocket": False}),
])  # fmt: skip
def test_what_cannot_be_one_is_reset(fields: list[tuple[bytes, bytes]], ends: bool, settings: dict[str, bool]) -> None:
    w = world(REGULAR, speaks_http2=False, **settings)
    stream = ask(w, *fields, ends=ends)
    assert w.client.heard[stream].reset == 1 and not w.driver.servers
    assert "extended CONNECT" in w.driver.errors()[0]


def test_reverse_mode_goes_to_its_origin() -> None:
    w = world(reverse("http://up.test:8000"), speaks_http2=False)
    ask(w)
    refuse_http2(w)
    assert w.driver.server.peer == ("up.test", 8000)
    assert field(w.driver.sent(w.driver.server), b"host") == b"up.test:8000"


def test_a_server_that_is_to_speak_http2_and_does_not_is_asked_in_http1() -> None:
    w = world(speaks_http2=False, http2_upstream="always")
    ask(w)
    refuse_http2(w)
    assert w.driver.sent(w.driver.server).startswith(b"GET /chat?a HTTP/1.1\r\n")


def test_requests_beside_it() -> None:
    w, stream = opened()
    socket = w.driver.server
    other = w.client.ask(authority=b"o.test")
    w.client.say(stream, masked(b"hi"))
    w.run()
    w.driver.says(b"HTTP/1.1 204 No Content\r\n\r\n", w.driver.servers[-1])
    w.run()
    assert w.client.heard[other].status == 204 and len(w.driver.sent(socket)) == len(masked(b"hi"))
    assert isinstance(w.driver.flows[0], HttpFlow) and w.driver.flows[0].is_live


def test_it_is_sent_again_in_http1() -> None:
    w, _ = opened()
    driver = PaperDriver(settings=paper_settings(), is_opened=False)
    twin = HttpFlow(99, None, None, request=w.driver.http.request.copy())
    driver.replay(twin, ())
    head = driver.sent(driver.server)
    assert head.startswith(b"GET /chat?a HTTP/1.1\r\n") and field(head, b"upgrade") == b"websocket"
    driver.says(grant(head), driver.server)
    assert twin.websocket is not None and twin.is_live


def test_its_connection_is_a_stream() -> None:
    w, stream = opened()
    streams = [each for each in w.driver.stack.pipes if isinstance(each, StreamConnection)]
    assert [each.stream_id for each in streams] == [stream]
