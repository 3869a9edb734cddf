"""When something goes wrong: the client gets an answer that it can read, and a flow says what happened."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable

import pytest

from tests.e2e.conftest import StartProxy
from tests.support.certificates import TestAuthority
from tests.support.proxy import Flow, Proxy
from tests.support.raw_server import Peer, RawServer, connect
from tests.support.tunnel import through, trusting


def serve(peer: Peer) -> None:
    if peer.read_head():
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def error_of(flow: Flow) -> str:
    assert flow["error"] is not None, flow
    return str(flow["error"]["message"])


def failed_on(port: int) -> Callable[[Flow], bool]:
    """A claim: a flow that failed, and whose server has this port."""

    def claim(flow: Flow) -> bool:
        server, request = flow["server"] or {}, flow.get("request") or {}
        return bool(flow["error"]) and (str(server.get("address")).endswith(f":{port}") or request.get("port") == port)

    return claim


@pytest.mark.parametrize(
    ("names", "days_left", "word"),
    [(("elsewhere.test",), 20, "name"), ((), -1, "expired"), (None, 20, "")],
    ids=["name", "expired", "unknown"],
)
def test_bad_server_certificate(
    proxy: Proxy,
    authority: TestAuthority,
    tmp_path_factory: pytest.TempPathFactory,
    names: tuple[str, ...] | None,
    days_left: int,
    word: str,
) -> None:
    if names is None:
        certificate = TestAuthority(tmp_path_factory.mktemp("stranger")).issue()
    else:
        certificate = authority.issue(*names, days_left=days_left)
    with RawServer(serve, certificate) as server:
        with connect(proxy.port) as client:
            client.send(b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % (server.port, server.port))
            head, body = client.read_response()
            if head.startswith(b"HTTP/1.1 200"):
                client.start_tls(trusting(proxy.ca_file), "localhost")
                client.send(b"GET /bad-certificate HTTP/1.1\r\nHost: localhost\r\n\r\n")
                head, body = client.read_response()
        flow = proxy.flow_where(failed_on(server.port))
    assert head.startswith(b"HTTP/1.1 502 "), head
    assert b"certificate" in body.lower()
    assert "certificate" in error_of(flow).lower()
    if word:
        assert word in error_of(flow).lower()


def test_ssl_insecure_accepts_it(start_proxy: StartProxy, tmp_path_factory: pytest.TempPathFactory) -> None:
    certificate = TestAuthority(tmp_path_factory.mktemp("stranger")).issue()
    proxy = start_proxy("--set", "ssl_insecure=true")
    with RawServer(serve, certificate) as server, through(proxy.port, "localhost", server.port) as client:
        client.start_tls(trusting(proxy.ca_file), "localhost")
        client.send(b"GET /insecure HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_head().startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_rejects_our_ca(proxy: Proxy, authority: TestAuthority) -> None:
    """What everybody sees first who has not installed the CA yet: the row says what to do."""
    with RawServer(serve, authority.issue()) as server:
        client = through(proxy.port, "localhost", server.port)
        with pytest.raises(ssl.SSLCertVerificationError):
            client.start_tls(trusting(authority.ca_file), "localhost")
        client.close()
        flow = proxy.flow_where(failed_on(server.port))
    assert "trust" in error_of(flow).lower(), error_of(flow)


def test_plain_request_to_a_server_that_is_not_there(proxy: Proxy) -> None:
    with RawServer(serve) as server:
        port = server.port
    with connect(proxy.port) as client:
        client.send(b"GET http://localhost:%d/nobody HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % (port, port))
        head, body = client.read_response()
        assert head.startswith(b"HTTP/1.1 502 ")
        assert str(port).encode() in body
        client.send(b"GET http://localhost:%d/nobody-again HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % (port, port))
        assert client.read_response()[0].startswith(b"HTTP/1.1 502 ")
    assert str(port) in error_of(proxy.flow("/nobody"))


def test_unknown_host(proxy: Proxy) -> None:
    with connect(proxy.port) as client:
        client.send(b"GET http://does-not-exist.invalid/unknown-host HTTP/1.1\r\nHost: does-not-exist.invalid\r\n\r\n")
        head, _ = client.read_response()
    assert head.startswith(b"HTTP/1.1 502 ")
    assert "does-not-exist.invalid" in error_of(proxy.flow("/unknown-host"))


def test_a_server_that_breaks_off(proxy: Proxy) -> None:
    """The client must not take half a body for the whole."""

    def break_off(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with RawServer(break_off) as server, connect(proxy.port) as client:
        client.send(b"GET http://localhost:%d/half HTTP/1.1\r\nHost: localhost\r\n\r\n" % server.port)
        client.read_head()
        try:
            rest = client.read_to_end()
        except ConnectionError:
            rest = b""
    assert len(rest) < 100
    assert error_of(proxy.flow("/half"))


def test_garbage_from_the_server(proxy: Proxy) -> None:
    def babble(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"\x16\x03 this is not HTTP\r\n\r\n")

    with RawServer(babble) as server, connect(proxy.port) as client:
        client.send(b"GET http://localhost:%d/garbage HTTP/1.1\r\nHost: localhost\r\n\r\n" % server.port)
        assert client.read_head().startswith(b"HTTP/1.1 502 ")
    assert error_of(proxy.flow("/garbage"))


def test_garbage_from_the_client(proxy: Proxy) -> None:
    """Neither brings the proxy down nor hangs."""
    for garbage in (
        b"\x00" * 100,
        b"\x16\x03\x01\xff\xff" + b"\xff" * 50,
        b"GET\r\n\r\n",
        b"\r\n" * 50 + b"?\r\n\r\n",
        b"\x80\x2e\x01\x03\x01",
    ):
        with connect(proxy.port) as client:
            client.send(garbage)
            client.socket.shutdown(1)
            with contextlib.suppress(ConnectionError):
                client.read_to_end()
    with RawServer(serve) as server, connect(proxy.port) as client:
        client.send(b"GET http://localhost:%d/after-garbage HTTP/1.1\r\nHost: localhost\r\n\r\n" % server.port)
        assert client.read_head().startswith(b"HTTP/1.1 200 OK")


def test_a_request_to_the_proxys_own_address_is_refused(proxy: Proxy) -> None:
    with connect(proxy.port) as client:
        client.send(b"GET http://127.0.0.1:%d/loop HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (proxy.port, proxy.port))
        head = client.read_head()
    assert head[9:12] in (b"400", b"403", b"421", b"502", b"508"), head
