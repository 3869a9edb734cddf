"""HTTP/2 on either side of an exchange, with h2 at the other ends: every combination with HTTP/1, heads, bodies, trailers."""

from __future__ import annotations

import hpack
import pytest

from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import FORWARD, Collect, Forward, Hook, RequestHead, ResponseHead, Verdict
from interceptor.model.http import Headers
from interceptor.proxy.asks import ConnectFailed
from tests.proxy.layers.http.http2_world import TO_H2C, World, engine, world  # noqa: F401 - a fixture
from tests.support.http2_peers import Http2Peer
from tests.support.paper_driver import REGULAR, PaperDriver, paper_settings, reverse

GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/x?y")]


def test_http2_on_both_sides() -> None:
    w = world()
    fields = [(b"b", b"1"), (b"a", b"2"), (b"b", b"3"), (b"cookie", b"x=1"), (b"cookie", b"y=2")]
    stream = w.client.ask(path=b"/x?y", fields=fields)
    w.run()
    assert w.server.heard[1].fields == [*GET, *fields]
    w.server.answer(1, [(b"set-cookie", b"b"), (b"x", b""), (b"set-cookie", b"a")], b"hello")
    w.run()
    heard = w.client.heard[stream]
    assert heard.fields == [(b":status", b"200"), (b"set-cookie", b"b"), (b"x", b""), (b"set-cookie", b"a")]
    assert heard.body == b"hello" and heard.has_ended
    flow = w.driver.http
    assert (flow.request.http_version, flow.response.http_version) == ("HTTP/2.0", "HTTP/2.0")  # type: ignore[union-attr]
    assert (flow.client_stream, flow.server_stream) == (1, 1) and flow.request.url == "http://a.test/x?y"
    assert w.driver.errors() == [""] and not w.driver.closed


def test_many_exchanges_share_a_connection() -> None:
    w = world()
    streams = [w.client.ask(path=b"/%d" % n) for n in range(50)]
    w.run()
    [server] = w.servers
    assert [dict(server.heard[stream].fields)[b":path"] for stream in streams] == [b"/%d" % n for n in range(50)]
    for stream in reversed(streams):
        server.answer(stream, [], b"%d" % stream)
    w.run()
    assert all(w.client.heard[stream].body == b"%d" % stream for stream in streams)
    assert len(w.driver.servers) == 1 and w.driver.errors() == [""] * 50


def test_bodies_and_trailers_both_ways() -> None:
    w = world()
    stream = w.client.ask(b"POST", fields=[(b"te", b"trailers")], body=b"abc", ends=False)
    w.client.say_head(stream, [(b"checksum", b"1")], ends=True)
    w.run()
    heard = w.server.heard[1]
    assert (heard.body, heard.trailers, heard.has_ended) == (b"abc", [(b"checksum", b"1")], True)
    assert (b"te", b"trailers") in heard.fields
    w.server.answer(1, [], b"xyz", trailers=[(b"grpc-status", b"0"), (b"a", b"b")])
    w.run()
    answer = w.client.heard[stream]
    assert (answer.body, answer.trailers) == (b"xyz", [(b"grpc-status", b"0"), (b"a", b"b")]) and answer.has_ended
    flow = w.driver.http
    assert flow.request.trailers == Headers([(b"checksum", b"1")])
    assert flow.response is not None and flow.response.trailers == Headers([(b"grpc-status", b"0"), (b"a", b"b")])


def test_a_response_of_trailers_only() -> None:
    w = world()
    stream = w.client.ask(b"POST", body=b"x")
    w.run()
    w.server.answer(1, [(b"grpc-status", b"12")])
    w.run()
    assert w.client.heard[stream].fields == [(b":status", b"200"), (b"grpc-status", b"12")] and w.client.heard[stream].has_ended


def test_informational_responses() -> None:
    w = world()
    stream = w.client.ask()
    w.run()
    w.server.say_head(1, [(b":status", b"103"), (b"link", b"</a.css>")])
    w.run()
    assert w.client.heard[stream].informational == [[(b":status", b"103"), (b"link", b"</a.css>")]]
    w.server.answer(1)
    w.run()
    assert w.client.heard[stream].status == 200 and [each.status_code for each in w.driver.http.informational] == [103]


@pytest.mark.usefixtures("engine")
def test_what_is_not_to_be_compressed_is_not() -> None:
    secret = hpack.NeverIndexedHeaderTuple(b"authorization", b"secret")
    client, driver = Http2Peer(is_client=True), PaperDriver(TO_H2C)
    for _ in range(2):
        client.ask(fields=[secret, (b"x", b"y")])
        driver.says(client.take())
    server = Http2Peer(is_client=False)
    heads = [event.headers for event in server.h2.receive_data(driver.sent(driver.server)) if hasattr(event, "headers")]
    assert [[field for field in head if not field.indexable] for head in heads] == [[(b"authorization", b"secret")]] * 2


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_head_and_an_empty_frame_are_a_whole_response(method: bytes) -> None:
    w = world()
    stream = w.client.ask(method)
    w.run()
    w.server.answer(1, [(b"content-length", b"7" if method == b"HEAD" else b"0")], ends=False)
    w.run()
    w.server.say(1, b"", ends=True)
    w.run()
    assert w.client.heard[stream].has_ended and w.client.heard[stream].reset is None and w.driver.errors() == [""]
    assert w.client.ask() == 3
    w.run()
    assert 3 in w.server.heard


# --- HTTP/2 to HTTP/1 and back ------------------------------------------------------------------------------------


def test_from_http2_to_http1() -> None:
    w = world(REGULAR, speaks_http2=False)
    fields = [(b"cookie", b"x=1"), (b"accept", b"*/*"), (b"cookie", b"y=2")]
    stream = w.client.ask(path=b"/x?y", fields=fields)
    w.run()
    driver = w.driver
    assert driver.sent(driver.server) == b"GET /x?y HTTP/1.1\r\nhost: a.test\r\ncookie: x=1; y=2\r\naccept: */*\r\n\r\n"
    driver.says(
        b"HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nSet-Cookie: a\r\nset-COOKIE: b\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: t\r\n\r\n",
        driver.server,
    )
    w.run()
    heard = w.client.heard[stream]
    assert heard.fields == [(b":status", b"200"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
    assert heard.body == b"abc" and heard.trailers == [(b"x-t", b"t")]
    response = driver.http.response
    assert response is not None and response.reason == b"Fine" and "Keep-Alive" in response.headers
    assert response.not_sent == (b"connection", b"x-hop", b"keep-alive", b"transfer-encoding")
    assert driver.http.request.headers.fields == fields, "as it was received"


def test_a_body_of_unknown_length_is_chunked_for_http1() -> None:
    w = world(REGULAR, speaks_http2=False)
    stream = w.client.ask(b"POST", body=b"abc", ends=False)
    w.run()
    driver = w.driver
    assert driver.sent(driver.server) == (
        b"POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
    )
    w.client.say_head(stream, [(b"t", b"1")], ends=True)
    w.run()
    assert driver.sent(driver.server) == b"0\r\nt: 1\r\n\r\n"


@pytest.mark.parametrize(("body", "expected"), [(b"", b"content-length: 0\r\n\r\n"), (b"ab", b"content-length: 2\r\n\r\nab")])
def test_a_post_has_a_length_in_http1(body: bytes, expected: bytes) -> None:
    w = world(REGULAR, speaks_http2=False)
    w.client.ask(b"POST", fields=[(b"content-length", b"2")] if body else [], body=body)
    w.run()
    assert w.driver.sent(w.driver.server) == b"POST / HTTP/1.1\r\nhost: a.test\r\n" + expected


def http1_to_http2() -> World:
    return world(reverse("http://a.test:80"), http2_upstream="always")


def test_from_http1_to_http2() -> None:
    w = http1_to_http2()
    driver = w.driver
    del driver.peers[driver.client]
    driver.says(
        b"POST /x HTTP/1.1\r\nHost: ignored\r\nConnection: keep-alive, Foo\r\nFoo: 1\r\nTE: trailers\r\nX-B: 1\r\n"
        b"Cookie: a; b\r\nx-b: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: t\r\n\r\n"
    )
    w.run()
    heard = w.server.heard[1]
    assert heard.fields == [
        (b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/x"),
        (b"te", b"trailers"), (b"x-b", b"1"), (b"cookie", b"a; b"), (b"x-b", b"2"),
    ]  # fmt: skip
    assert heard.body == b"abc" and heard.trailers == [(b"x-t", b"t")]
    assert driver.http.request.not_sent == (b"connection", b"foo", b"transfer-encoding")
    w.server.say_head(1, [(b":status", b"103"), (b"link", b"l")])
    w.server.answer(1, [(b"x", b"y")], b"body", trailers=[(b"t", b"u")])
    w.run()
    assert driver.sent(driver.client) == (
        b"HTTP/1.1 103 Early Hints\r\nlink: l\r\n\r\nHTTP/1.1 200 OK\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n"
        b"4\r\nbody\r\n0\r\nt: u\r\n\r\n"
    )
    driver.says(b"GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n")
    w.run()
    assert 3 in w.server.heard and len(driver.servers) == 1, "the connection is kept on both sides"


def test_names_are_sent_as_they_are_if_so_wished() -> None:
    w = world(reverse("http://a.test:80"), http2_upstream="always", normalize_outbound_headers=False)
    w.driver.peers.clear()
    w.driver.says(b"GET /x HTTP/1.1\r\nHost: a.test\r\nX-Odd: 1\r\n\r\n")
    raw = w.driver.sent(w.driver.server)
    peer = Http2Peer(is_client=False, is_strict=False)
    peer.feed(raw)
    assert (b"X-Odd", b"1") in peer.heard[1].fields


def test_an_upgrade_goes_by_http1_where_http2_is_not_spoken() -> None:
    w = world(reverse("http://a.test:80"), http2_upstream="always", speaks_http2=False)
    w.driver.peers.clear()
    w.driver.says(b"GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    w.driver.vanishes(w.driver.server)
    assert w.driver.sent(w.driver.server).startswith(b"GET /ws HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n", b""),
        (
            b"Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMA\r\n",
            b"Connection: keep-alive\r\n",
        ),
        (
            b"Upgrade: websocket, h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMA\r\n",
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        ),
        (b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    ],
)
def test_h2c_by_upgrade_is_not_passed_on(asked: bytes, sent: bytes) -> None:
    driver = PaperDriver()
    driver.says(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n" + asked + b"\r\n")
    assert driver.sent(driver.server) == b"GET / HTTP/1.1\r\nHost: a.test\r\n" + sent + b"\r\n"
    assert driver.http.request.not_sent == (() if asked == sent else (b"Upgrade: h2c", b"HTTP2-Settings"))


# --- where requests go --------------------------------------------------------------------------------------------


def test_a_reverse_mode_names_its_server() -> None:
    w = world(reverse("http://o.test:8000"), speaks_http2=True)
    w.client.ask(authority=b"elsewhere", fields=[(b"host", b"elsewhere")])
    w.run()
    heard = dict(w.server.heard[1].fields)
    assert w.driver.server.peer == ("o.test", 8000) and heard[b":authority"] == b"o.test:8000" == heard[b"host"]
    kept = world(reverse("http://o.test:8000"), speaks_http2=True, keep_host_header=True)
    kept.client.ask(authority=b"elsewhere")
    kept.run()
    assert dict(kept.server.heard[1].fields)[b":authority"] == b"elsewhere"


def test_requests_to_the_proxy_go_where_they_say() -> None:
    w = world(REGULAR, speaks_http2=False)
    w.client.ask(authority=b"one.test")
    w.client.ask(authority=b"two.test:81")
    w.client.ask(authority=b"[::1]:82")
    w.run()
    assert [server.peer for server in w.driver.servers] == [("one.test", 80), ("two.test", 81), ("::1", 82)]


def test_a_server_that_cannot_be_reached() -> None:
    w = world(REGULAR, dials=lambda address: ConnectFailed("a.test:80", "connect", "refused"))
    stream = w.client.ask()
    w.run()
    heard = w.client.heard[stream]
    assert heard.status == 502 and b"refused" in heard.body and heard.has_ended and not w.driver.closed
    assert w.driver.errors() == ["a.test:80: connect: refused"]


def test_an_edited_url_is_followed() -> None:
    def decide(hook: Hook) -> Verdict:
        if isinstance(hook, RequestHead):
            hook.flow.backup()
            hook.flow.request.set_url("http://b.test/new")
        return FORWARD

    w = world(decide=decide)
    w.client.ask()
    w.run()
    heard = dict(w.server.heard[1].fields)
    assert w.driver.server.peer == ("b.test", 80) and (heard[b":authority"], heard[b":path"]) == (b"b.test", b"/new")


@pytest.mark.parametrize("collect", list(Collect))
def test_collected_bodies(collect: Collect) -> None:
    w = world(decide=lambda hook: Forward(collect) if isinstance(hook, (RequestHead, ResponseHead)) else FORWARD)
    body = bytes(range(256)) * 2000
    stream = w.client.ask(b"PUT", fields=[(b"content-length", b"%d" % len(body))], body=body)
    w.run()
    assert w.server.heard[1].body == body and w.server.heard[1].has_ended
    w.server.answer(1, [], body[::-1], trailers=[(b"t", b"u")])
    w.run()
    heard = w.client.heard[stream]
    assert heard.body == body[::-1] and heard.trailers == [(b"t", b"u")] and w.driver.errors() == [""]


def test_a_replay_speaks_http2_again() -> None:
    w = world()
    w.client.ask(path=b"/again", fields=[(b"x", b"y")])
    w.run()
    w.server.answer(1)
    w.run()
    asked = w.driver.http.request.copy()
    asked.scheme, asked.port = "https", 443
    driver = PaperDriver(settings=paper_settings(), is_opened=False, dials=lambda address: None)
    driver.replay(HttpFlow(next(driver.flow_ids), request=asked))
    [ask] = [ask for ask in driver.stack.waiting() if hasattr(ask, "alpn_offers")]
    assert ask.alpn_offers == (b"h2", b"http/1.1")




def test_small_pieces_of_one_turn_are_one_frame() -> None:
    w = world()
    stream = w.client.ask()
    w.run()
    w.server.say_head(1, [(b":status", b"200")])
    for piece in (b"one", b"two", b"three"):
        w.server.say(1, piece)
    del w.driver.peers[w.driver.client]
    w.run()
    raw, kinds = w.driver.sent(w.driver.client), []
    rest = raw
    while rest:
        kinds.append(rest[3])
        rest = rest[9 + int.from_bytes(rest[:3], "big") :]
    assert kinds == [1, 0], "a head and one DATA"
    w.client.feed(raw)
    assert w.client.heard[stream].body == b"onetwothree"
