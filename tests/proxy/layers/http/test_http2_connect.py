"""CONNECT over HTTP/2: a stream becomes a connection of its own, and what is spoken in it is found out as on any other."""

from __future__ import annotations

import pytest

from interceptor.model.connection import StreamConnection
from interceptor.model.flow import TcpFlow
from interceptor.model.hooks import FORWARD, ConnectRequested, Hook, Kill, Respond, Verdict
from interceptor.model.http import Response
from interceptor.proxy.asks import ConnectFailed
from interceptor.proxy.core.events import Congested, Drained
from interceptor.proxy.layers.http.http2_connection import STREAM_WINDOW
from tests.proxy.layers.http.http2_world import World, world
from tests.support.http2_peers import Http2Peer
from tests.support.paper_driver import REGULAR

GET = b"GET /x HTTP/1.1\r\nHost: t.test\r\n\r\n"


def tunnelled(**options: object) -> tuple[World, int]:
    """A client with a tunnel to t.test:80."""
    w = world(REGULAR, speaks_http2=False, **options)  # type: ignore[arg-type]
    stream = w.client.ask(b"CONNECT", authority=b"t.test:80", ends=False)
    w.run()
    return w, stream


@pytest.mark.parametrize("is_eager", [True, False])
def test_http1_in_a_stream(is_eager: bool) -> None:
    w, stream = tunnelled(is_eager=is_eager)
    assert w.client.heard[stream].fields == [(b":status", b"200")] and not w.client.heard[stream].has_ended
    w.client.say(stream, GET)
    w.run()
    driver = w.driver
    assert driver.sent(driver.server) == GET and driver.server.peer == ("t.test", 80)
    driver.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", driver.server)
    w.run()
    assert w.client.heard[stream].body == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    client = driver.http.client
    assert isinstance(client, StreamConnection) and client.stream_id == stream and client.peer == driver.client.peer
    assert driver.errors() == [""] and len(driver.servers) == 1


def test_raw_bytes_and_half_closes() -> None:
    w, stream = tunnelled()
    w.client.say(stream, b"\1\2\3", ends=True)
    w.run()
    driver = w.driver
    assert driver.sent(driver.server) == b"\1\2\3" and driver.server in driver.half_closed
    driver.says(b"answer", driver.server)
    driver.ends(driver.server)
    w.run()
    heard = w.client.heard[stream]
    assert heard.body == b"answer" and heard.has_ended and heard.reset is None
    assert isinstance(driver.flows[-1], TcpFlow) and driver.errors() == [""]
    assert driver.client not in driver.closed
    again = w.client.ask(b"CONNECT", authority=b"u.test:81", ends=False)
    w.run()
    assert w.client.heard[again].status == 200 and driver.server.peer == ("u.test", 81)


def test_a_tunnel_and_requests_beside_it() -> None:
    w, stream = tunnelled()
    other = w.client.ask(authority=b"o.test")
    w.client.say(stream, b"\1")
    w.run()
    driver = w.driver
    assert [server.peer for server in driver.servers] == [("t.test", 80), ("o.test", 80)]
    driver.says(b"HTTP/1.1 204 No Content\r\n\r\n", driver.servers[1])
    w.run()
    assert w.client.heard[other].status == 204 and not w.client.heard[stream].has_ended


@pytest.mark.parametrize("code", [0, 8])
def test_the_client_resets_the_tunnel(code: int) -> None:
    w, stream = tunnelled()
    w.client.say(stream, b"\1")
    w.run()
    w.client.reset(stream, code)
    w.run()
    assert w.driver.server in w.driver.closed and w.driver.client not in w.driver.closed
    assert list(w.driver.stack.pipes) == [w.driver.client]


def test_the_server_resets_the_tunnel() -> None:
    w, stream = tunnelled()
    w.client.say(stream, b"\1")
    w.run()
    w.driver.vanishes(w.driver.server, "connection reset by peer")
    w.run()
    assert w.client.heard[stream].has_ended or w.client.heard[stream].reset is not None
    assert list(w.driver.stack.pipes) == [w.driver.client] and w.client.ask() == 3


def test_the_client_leaves() -> None:
    w, stream = tunnelled()
    w.client.say(stream, b"\1")
    w.run()
    w.driver.vanishes(w.driver.client)
    assert w.driver.is_over and stream == 1 and len(w.driver.ended) == 1


def test_a_tunnel_that_cannot_be_had() -> None:
    w, stream = tunnelled(dials=lambda address: ConnectFailed("t.test:80", "connect", "refused"))
    heard = w.client.heard[stream]
    assert heard.status == 502 and b"refused" in heard.body and heard.has_ended
    assert w.driver.errors() == ["t.test:80: connect: refused"] and w.driver.client not in w.driver.closed


@pytest.mark.parametrize(
    ("verdict", "status", "reset"), [(Respond(Response(407, b"Log in")), 407, None), (Kill("no"), None, 2)]
)
def test_a_tunnel_that_is_not_allowed(verdict: Verdict, status: int | None, reset: int | None) -> None:
    def decide(hook: Hook) -> Verdict:
        return verdict if isinstance(hook, ConnectRequested) else FORWARD

    w, stream = tunnelled(decide=decide)
    heard = w.client.heard[stream]
    assert (heard.status if heard.fields else None, heard.reset if status is None else None) == (status, reset)
    assert not w.driver.servers


def test_credit_is_given_as_the_tunnel_takes_it() -> None:
    w, stream = tunnelled()
    w.client.say(stream, b"\1")
    w.run()
    driver = w.driver
    driver.run(Congested(driver.server))
    w.client.say(stream, b"\2" * 3_000_000)
    w.run()
    taken = len(driver.sent(driver.server))
    assert taken < 10 and w.client.h2.local_flow_control_window(stream) == 0
    driver.run(Drained(driver.server))
    w.run()
    assert taken + len(driver.sent(driver.server)) == 3_000_001


def test_a_client_that_does_not_apply_our_window_to_a_tunnel_is_given_credit_in_time() -> None:
    """Firefox, if it has opened the tunnel before our SETTINGS came."""
    w, stream = tunnelled()
    w.client.h2.streams[stream].outbound_flow_control_window -= STREAM_WINDOW - 65_535
    w.client.say(stream, b"\1" * 3_000_000)
    w.run()
    assert len(w.driver.sent(w.driver.server)) == 3_000_000


def test_a_client_that_does_not_read_its_tunnel() -> None:
    w, stream = tunnelled(reads=False)
    w.client.say(stream, b"\1")
    w.run()
    driver = w.driver
    for _ in range(40):
        driver.says(b"y" * 16_000, driver.server)
    w.run()
    assert driver.server in driver.paused and len(w.client.heard[stream].body) == 65_535
    w.client.read_on()
    w.run()
    assert driver.server not in driver.paused and len(w.client.heard[stream].body) == 640_000


def test_http2_in_a_stream_of_http2() -> None:
    w = world(REGULAR, speaks_http2=True)
    stream = w.client.ask(b"CONNECT", authority=b"t.test:80", ends=False)
    w.run()
    inner = Http2Peer(is_client=True)
    asked = inner.ask(path=b"/deep", authority=b"t.test")

    def exchange() -> None:
        for _ in range(6):
            if data := inner.take():
                w.client.say(stream, data)
            w.run()
            heard = w.client.heard[stream]
            inner.feed(bytes(heard.body))
            heard.body.clear()

    exchange()
    assert dict(w.server.heard[1].fields)[b":path"] == b"/deep"
    w.server.answer(1, [], b"answer")
    exchange()
    assert inner.heard[asked].body == b"answer" and w.driver.http.request.http_version == "HTTP/2.0"
