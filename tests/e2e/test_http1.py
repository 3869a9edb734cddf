"""HTTP/1 as it is on the wire, through the real proxy: informational responses, trailers, upgrades, pipelining, old clients."""

from __future__ import annotations

import contextlib
import threading

import pytest

from tests.support.certificates import ServerCertificate
from tests.support.nginx import content
from tests.support.proxy import Proxy
from tests.support.raw_server import Peer, RawServer, connect
from tests.support.tunnel import through, trusting

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
WAYS = pytest.mark.parametrize("way", ["plain", "tls"])


def reach(proxy: Proxy, server: RawServer, way: str) -> Peer:
    """To where a request in origin-form can be sent: through a tunnel, in TLS or not."""
    peer = through(proxy.port, "localhost", server.port)
    if way == "tls":
        peer.start_tls(trusting(proxy.ca_file), "localhost")
    return peer


def server_of(serve: object, way: str, certificate: ServerCertificate) -> RawServer:
    assert callable(serve)
    return RawServer(serve, certificate if way == "tls" else None)


@WAYS
def test_informational_responses_are_passed_on(proxy: Proxy, certificate: ServerCertificate, way: str) -> None:
    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.css>; rel=preload\r\n\r\n")
        peer.send(OK)

    with server_of(serve, way, certificate) as server, reach(proxy, server, way) as client:
        client.send(b"GET /informational HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_head().startswith(b"HTTP/1.1 102 Processing\r\n")
        assert (
            client.read_head()
            == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.css>; rel=preload\r\n\r\n"
        )
        assert client.read_response() == (OK[:-2], b"ok")


@WAYS
def test_trailers_both_ways(proxy: Proxy, certificate: ServerCertificate, way: str) -> None:
    seen: list[bytes] = []

    def serve(peer: Peer) -> None:
        peer.read_head()
        seen.append(peer.read_until(b"0\r\n") + peer.read_until(b"\r\n\r\n"))
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n")

    with server_of(serve, way, certificate) as server, reach(proxy, server, way) as client:
        client.send(b"POST /trailers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\n\r\n")
        client.send(b"3\r\nabc\r\n0\r\nX-Up: yes\r\n\r\n")
        head = client.read_head()
        assert b"Transfer-Encoding: chunked" in head
        assert client.read_until(b"0\r\n").endswith(b"hello\r\n0\r\n")
        assert client.read_until(b"\r\n\r\n") == b"X-Sum: 1\r\nx-sum: 2\r\n\r\n"
    assert seen[0].endswith(b"abc\r\n0\r\nX-Up: yes\r\n\r\n")


@WAYS
def test_expect_100_continue_is_the_servers_to_answer(proxy: Proxy, certificate: ServerCertificate, way: str) -> None:
    """The body waits until the server wants it."""
    is_asked = threading.Event()

    def serve(peer: Peer) -> None:
        head = peer.read_head()
        assert b"\r\nExpect: 100-continue\r\n" in head
        is_asked.set()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert peer.read_exactly(4) == b"body"
        peer.send(OK)

    with server_of(serve, way, certificate) as server, reach(proxy, server, way) as client:
        client.send(b"POST /expect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert client.read_head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert is_asked.is_set(), "the proxy answered in the server's place"
        client.send(b"body")
        assert client.read_response()[1] == b"ok"


@WAYS
def test_expect_that_is_refused(proxy: Proxy, certificate: ServerCertificate, way: str) -> None:
    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

    with server_of(serve, way, certificate) as server, reach(proxy, server, way) as client:
        client.send(b"POST /refused HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        head, body = client.read_response()
        assert head.startswith(b"HTTP/1.1 413 Too Large\r\n")
        assert body == b"no"


@WAYS
def test_upgrade_is_relayed(proxy: Proxy, certificate: ServerCertificate, way: str) -> None:
    """After 101 the bytes are the new protocol's, those behind the head in the same packet too."""

    def serve(peer: Peer) -> None:
        assert b"\r\nUpgrade: chat\r\n" in peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nwelcome\n")
        while line := peer.read_until(b"\n"):
            peer.send(b"you said " + line)

    with server_of(serve, way, certificate) as server, reach(proxy, server, way) as client:
        client.send(b"GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
        assert client.read_head().startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert client.read_until(b"\n") == b"welcome\n"
        client.send(b"\x00one\n")
        assert client.read_until(b"\n") == b"you said \x00one\n"


@WAYS
def test_pipelined_requests_are_answered_in_order(proxy: Proxy, certificate: ServerCertificate, way: str) -> None:
    def serve(peer: Peer) -> None:
        while head := peer.read_head():
            path = head.split()[1]
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    with server_of(serve, way, certificate) as server, reach(proxy, server, way) as client:
        client.send(b"".join(b"GET /pipelined/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number for number in range(30)))
        assert [client.read_response()[1] for _ in range(30)] == [b"/pipelined/%d" % number for number in range(30)]


@WAYS
def test_one_server_connection_serves_a_keep_alive_client(proxy: Proxy, certificate: ServerCertificate, way: str) -> None:
    def serve(peer: Peer) -> None:
        while peer.read_head():
            peer.send(OK)

    with server_of(serve, way, certificate) as server:
        with reach(proxy, server, way) as client:
            for _ in range(20):
                client.send(b"GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert client.read_response()[1] == b"ok"
        assert server.connections == 1


def test_http_1_0_client(proxy: Proxy) -> None:
    """Gets its answer and the end of the connection, without chunks; no keep-alive that it never wanted."""

    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")

    with RawServer(serve) as server, connect(proxy.port) as client:
        client.send(b"GET http://localhost:%d/old HTTP/1.0\r\n\r\n" % server.port)
        head, _, body = client.read_to_end().partition(b"\r\n\r\n")
        assert head.split(b"\r\n")[0].endswith(b"200 OK")
        assert b"chunked" not in head.lower()
        assert body == b"hello world"


def test_http_1_0_server_and_a_body_until_the_end(proxy: Proxy) -> None:
    body = content("until close", 200_000)

    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.0 200 Fine By Me\r\nX-Old: yes\r\n\r\n" + body)

    with RawServer(serve) as server, connect(proxy.port) as client:
        client.send(b"GET http://localhost:%d/old-server HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % server.port)
        head = client.read_head()
        assert b" 200 Fine By Me\r\n" in head
        rest = client.read_to_end()
        if b"transfer-encoding: chunked" in head.lower():
            joined = b""
            while (size := int(rest[: (at := rest.index(b"\r\n"))], 16)) > 0:
                joined += rest[at + 2 : at + 2 + size]
                rest = rest[at + 4 + size :]
            rest = joined
        assert rest == body


def test_head_order_case_duplicates_and_path_survive(proxy: Proxy) -> None:
    seen: list[bytes] = []
    answer = b"HTTP/1.1 299 Own  Words\r\nX-b: 1\r\nSet-Cookie: a\r\nx-B: 2\r\nSet-Cookie: b\r\nCONTENT-length: 0\r\n\r\n"

    def serve(peer: Peer) -> None:
        seen.append(peer.read_head())
        peer.send(answer)

    with RawServer(serve) as server, connect(proxy.port) as client:
        fields = b"X-Last: \xff\r\nHOST: localhost:%d\r\nx-last: again\r\nAccept: */*\r\n\r\n" % server.port
        client.send(b"GET http://localhost:%d/%%7e/..//\xc3\xa9?a=%%00|b HTTP/1.1\r\n%b" % (server.port, fields))
        assert client.read_head() == answer
    assert seen == [b"GET /%7e/..//\xc3\xa9?a=%00|b HTTP/1.1\r\n" + fields]


def test_options_asterisk(proxy: Proxy) -> None:
    seen: list[bytes] = []

    def serve(peer: Peer) -> None:
        seen.append(peer.read_head())
        peer.send(OK)

    with RawServer(serve) as server, through(proxy.port, "localhost", server.port) as client:
        client.send(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_response()[1] == b"ok"
    assert seen[0].startswith(b"OPTIONS * HTTP/1.1\r\n")


@WAYS
def test_the_server_hears_that_the_client_has_left(proxy: Proxy, certificate: ServerCertificate, way: str) -> None:
    """In the middle of a response that never ends."""
    is_sending, has_ended = threading.Event(), threading.Event()

    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbeginning")
        is_sending.set()
        with contextlib.suppress(ConnectionError):
            assert peer.read() == b""
        has_ended.set()

    with server_of(serve, way, certificate) as server:
        client = reach(proxy, server, way)
        client.send(b"GET /left-%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % way.encode())
        client.read_head()
        client.read_exactly(9)
        assert is_sending.wait(10)
        client.close()
        assert has_ended.wait(10), "the server was left alone with a request that nobody waits for"
    assert proxy.flow(f"/left-{way}")["error"]


def test_a_malformed_request_is_refused_readably(proxy: Proxy) -> None:
    """Two parsers could read it differently: Content-Length beside Transfer-Encoding."""
    reached: list[bytes] = []

    def serve(peer: Peer) -> None:
        reached.append(peer.read())

    with RawServer(serve) as server, connect(proxy.port) as client:
        client.send(
            b"POST http://localhost:%d/smuggled HTTP/1.1\r\nHost: localhost\r\n" % server.port
            + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        answer = client.read_to_end()
        assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
        assert b"Content-Length" in answer
    assert reached in ([], [b""])


@pytest.mark.needs_ipv6
def test_ipv6_literal(proxy: Proxy, certificate: ServerCertificate) -> None:
    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send(OK)

    with RawServer(serve, certificate, host="::1") as server, through(proxy.port, "[::1]", server.port) as client:
        client.start_tls(trusting(proxy.ca_file), "::1")
        client.send(b"GET /v6 HTTP/1.1\r\nHost: [::1]:%d\r\n\r\n" % server.port)
        assert client.read_response()[1] == b"ok"
