"""Ways in beside the regular one, and options whose effect can be seen from outside."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from pathlib import Path

import pytest

from tests.e2e.conftest import StartProxy, run
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.hypercorn import Hypercorn
from tests.support.nginx import Nginx, content, sha256
from tests.support.programs import free_port
from tests.support.proxy import Proxy
from tests.support.raw_server import Peer, RawServer, connect
from tests.support.tunnel import through, trusting

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer_ok(peer: Peer) -> None:
    while peer.read_head():
        peer.send(OK)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.needs_curl
def test_reverse(start_proxy: StartProxy, hypercorn: Hypercorn, scheme: str) -> None:
    """Clients come as if to the server, with and without TLS; the Host field becomes the server's."""
    proxy = start_proxy("-m", f"reverse:{hypercorn.url(scheme)}")
    for client_scheme in ("http", "https"):
        url = f"{client_scheme}://localhost:{proxy.port}/seen?reverse"
        seen = json.loads(run(["curl", "-sS", "--fail", "--cacert", proxy.ca_file, url]))
        assert dict(seen["headers"])["host"] == hypercorn.url(scheme).removeprefix(f"{scheme}://")
        assert seen["query"] == "reverse"


@pytest.mark.needs_curl
def test_reverse_with_keep_host_header(start_proxy: StartProxy, hypercorn: Hypercorn) -> None:
    proxy = start_proxy("-m", f"reverse:{hypercorn.https_url}", "--set", "keep_host_header=true")
    seen = json.loads(run(["curl", "-sS", "--fail", f"http://localhost:{proxy.port}/seen"]))
    assert dict(seen["headers"])["host"] == f"localhost:{proxy.port}"


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_reverse_to_what_is_not_http(start_proxy: StartProxy, certificate: ServerCertificate, scheme: str) -> None:
    def greet(peer: Peer) -> None:
        peer.send(b"hello\n")
        peer.send(b"you said " + peer.read_until(b"\n"))

    with RawServer(greet, certificate if scheme == "tls" else None) as server:
        proxy = start_proxy("-m", f"reverse:{scheme}://localhost:{server.port}")
        with connect(proxy.port) as client:
            assert client.read_until(b"\n") == b"hello\n"
            client.send(b"\x01 something\n")
            assert client.read_until(b"\n") == b"you said \x01 something\n"
    assert server.connections == 1


@pytest.mark.needs_nginx
@pytest.mark.needs_curl
def test_several_modes_at_once(start_proxy: StartProxy, nginx: Nginx) -> None:
    body = nginx.serve("modes.bin", content("modes", 1000))
    other = free_port()
    proxy = start_proxy("-m", "regular", "-m", f"reverse:{nginx.https_url}@{other}")
    assert run(["curl", "-sS", "--fail", f"http://localhost:{other}/modes.bin"]) == body
    through_proxy = ["curl", "-sS", "--fail", "--proxy", proxy.url, "--cacert", proxy.ca_file]
    assert run([*through_proxy, f"{nginx.https_url}/modes.bin"]) == body


@pytest.mark.parametrize("strategy", ["eager", "lazy"])
@pytest.mark.needs_curl
def test_connection_strategies(start_proxy: StartProxy, hypercorn: Hypercorn, strategy: str) -> None:
    proxy = start_proxy("--set", f"connection_strategy={strategy}")
    for host in ("localhost", "127.0.0.1"):
        url = f"https://{host}:{hypercorn.https_port}/seen?{strategy}"
        seen = json.loads(run(["curl", "-sS", "--fail", "--proxy", proxy.url, "--cacert", proxy.ca_file, url]))
        assert seen["query"] == strategy


def test_lazily_nothing_is_connected_before_it_is_needed(start_proxy: StartProxy, certificate: ServerCertificate) -> None:
    proxy = start_proxy("--set", "connection_strategy=lazy")
    with RawServer(answer_ok, certificate) as server:
        with through(proxy.port, "localhost", server.port) as client:
            client.start_tls(trusting(proxy.ca_file), "localhost")
            assert server.connections == 0
            client.send(b"GET /lazy HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.read_response()[1] == b"ok"
        assert server.connections == 1


def test_the_leaf_is_modelled_on_the_servers(proxy: Proxy, authority: TestAuthority) -> None:
    """A client that names an address gets a certificate with the server's other names in it too."""
    with RawServer(answer_ok, authority.issue("127.0.0.1", "other.test")) as server:
        with through(proxy.port, "127.0.0.1", server.port) as client:
            client.start_tls(trusting(proxy.ca_file), "127.0.0.1")
            assert isinstance(client.socket, ssl.SSLSocket)
            shown = client.socket.getpeercert()
            assert shown is not None
            names = {value for _, value in shown["subjectAltName"]}
        assert {"127.0.0.1", "other.test"} <= names


def test_ignored_hosts_are_passed_through_untouched(start_proxy: StartProxy, authority: TestAuthority) -> None:
    """The client sees the server's own certificate, and no flow is made."""
    proxy = start_proxy("--set", "ignore_hosts=^localhost:")
    with RawServer(answer_ok, authority.issue()) as server, through(proxy.port, "localhost", server.port) as client:
        client.start_tls(trusting(authority.ca_file), "localhost")
        client.send(b"GET /ignored HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_response()[1] == b"ok"
    with RawServer(answer_ok) as server, connect(proxy.port) as client:
        client.send(b"GET http://127.0.0.1:%d/seen HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % server.port)
        client.read_response()
    proxy.flow("/seen")
    assert [flow["type"] for flow in proxy.flows()] == ["http"]


def test_own_certificates(start_proxy: StartProxy, authority: TestAuthority) -> None:
    proxy = start_proxy("--certs", f"localhost={authority.issue('localhost').file}")
    with RawServer(answer_ok, authority.issue()) as server, through(proxy.port, "localhost", server.port) as client:
        client.start_tls(trusting(authority.ca_file), "localhost")
        client.send(b"GET /own HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_response()[1] == b"ok"


def test_large_bodies_that_stream_are_not_kept_where_that_is_said(start_proxy: StartProxy) -> None:
    def answer(peer: Peer) -> None:
        while peer.read_head():
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"x" * 400_000)

    proxy = start_proxy("--set", "store_streamed_bodies=false", "--set", "stream_large_bodies=300k")
    with RawServer(answer) as server, connect(proxy.port) as client:
        client.send(b"GET http://127.0.0.1:%d/large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % server.port)
        assert client.read_response()[1] == b"x" * 400_000
    response = proxy.flow("/large")["response"]
    assert (response["size"], response["is_truncated"]) == (400_000, True)


def test_proxyauth(start_proxy: StartProxy, certificate: ServerCertificate) -> None:
    proxy = start_proxy("--proxyauth", "me:secret")
    password = base64.b64encode(b"me:secret")
    with RawServer(answer_ok, certificate) as server:
        with connect(proxy.port) as client:
            connecting = b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n" % (server.port, server.port)
            client.send(connecting + b"\r\n")
            head, _ = client.read_response()
            assert head.startswith(b"HTTP/1.1 407 ")
            assert b"\r\nproxy-authenticate: basic" in head.lower()
        with connect(proxy.port) as client:
            client.send(connecting + b"Proxy-Authorization: Basic " + password + b"\r\n\r\n")
            assert client.read_head().startswith(b"HTTP/1.1 200")
            client.start_tls(trusting(proxy.ca_file), "localhost")
            client.send(b"GET /logged-in HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.read_response()[1] == b"ok"


def test_the_password_does_not_reach_the_server(start_proxy: StartProxy) -> None:
    proxy = start_proxy("--proxyauth", "any")
    seen: list[bytes] = []

    def serve(peer: Peer) -> None:
        seen.append(peer.read_head())
        peer.send(OK)

    with RawServer(serve) as server, connect(proxy.port) as client:
        client.send(
            b"GET http://localhost:%d/secret HTTP/1.1\r\nHost: localhost\r\nProxy-Authorization: Basic YTpi\r\n\r\n" % server.port
        )
        assert client.read_response()[1] == b"ok"
    assert b"YTpi" not in seen[0]


@pytest.mark.parametrize("host", ["interceptor.test", "mitm.it"])
def test_devices_get_the_ca_through_the_proxy(proxy: Proxy, host: str) -> None:
    with connect(proxy.port) as client:
        client.send(f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head, page = client.read_response()
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert b"Android" in page
        client.send(f"GET http://{host}/cert/pem HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        head, certificate = client.read_response()
        assert head.startswith(b"HTTP/1.1 200 "), head
    assert certificate == proxy.ca_file.read_bytes()


def test_a_body_above_the_limit_is_refused(start_proxy: StartProxy) -> None:
    proxy = start_proxy("--set", "body_size_limit=10k")

    def large(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20000)

    with RawServer(large) as server, connect(proxy.port) as client:
        client.send(b"GET http://localhost:%d/large HTTP/1.1\r\nHost: localhost\r\n\r\n" % server.port)
        assert client.read_head().startswith(b"HTTP/1.1 502 ")
    assert "body_size_limit" in proxy.flow("/large")["error"]["message"]


def test_a_head_above_the_limit_is_refused(start_proxy: StartProxy) -> None:
    proxy = start_proxy("--set", "header_size_limit=4k")
    with connect(proxy.port) as client:
        client.send(b"GET http://localhost:1/ HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 5000 + b"\r\n\r\n")
        assert client.read_head().startswith(b"HTTP/1.1 431 ")


def test_what_was_written_can_be_read_again(start_proxy: StartProxy, tmp_path: Path) -> None:
    """`-w` while it happens, `-n -r` afterwards: the same flows, with their bodies."""
    file, body = tmp_path / "flows.mitm", content("written", 400_000)
    proxy = start_proxy("-w", str(file))

    def serve(peer: Peer) -> None:
        while peer.read_head():
            peer.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )

    with RawServer(serve) as server, connect(proxy.port) as client:
        for number in range(3):
            client.send(b"GET http://localhost:%d/written?%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % (server.port, number))
            assert client.read_response()[1] == body
    proxy.flow("/written?2")
    assert proxy.interrupt() == 0
    command = Proxy.command("-n", "-r", str(file), "--flow-detail", "4", confdir=proxy.confdir, trusted_ca=None, port=0)
    flows = [json.loads(line) for line in run(command, PYTHONPATH=str(Path(__file__).parents[2])).splitlines()]
    assert [flow["request"]["path"] for flow in flows] == [f"/written?{number}" for number in range(3)]
    assert [sha256(base64.b64decode(flow["response"]["body"]["base64"])) for flow in flows] == [sha256(body)] * 3


@pytest.mark.needs_nginx
@pytest.mark.needs_curl
def test_a_large_download_takes_no_memory(start_proxy: StartProxy, nginx: Nginx, tmp_path: Path) -> None:
    """Bodies stream, and are kept on disk."""
    body = nginx.serve("memory.bin", content("memory", 100_000_000))
    proxy = start_proxy()
    before = proxy.memory()
    fetch = ["curl", "-sS", "--fail", "--proxy", proxy.url, "--cacert", proxy.ca_file, "-o", tmp_path / "got"]
    run([*fetch, f"{nginx.https_url}/memory.bin"])
    assert (tmp_path / "got").read_bytes() == body
    assert proxy.memory() - before < 40_000_000


def test_a_slow_client_makes_the_server_wait(proxy: Proxy) -> None:
    """Nothing piles up in between: of 100 MB only what sockets and marks hold is taken from the server."""
    taken: list[int] = []

    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        peer.socket.settimeout(0.5)
        sent, piece = 0, b"x" * 65536
        try:
            while sent < 100_000_000:
                sent += peer.socket.send(piece)
        except TimeoutError:
            pass
        taken.append(sent)

    with connect(proxy.port) as client, RawServer(serve) as server:
        client.send(b"GET http://localhost:%d/slow-client HTTP/1.1\r\nHost: localhost\r\n\r\n" % server.port)
        client.read_head()
    assert taken[0] < 30_000_000


def test_a_slow_server_makes_the_client_wait(proxy: Proxy) -> None:
    is_done = threading.Event()

    def serve(peer: Peer) -> None:
        peer.read_head()
        is_done.wait(30)

    sent, piece = 0, b"x" * 65536
    with RawServer(serve) as server, connect(proxy.port) as client:
        client.send(b"PUT http://localhost:%d/slow-server HTTP/1.1\r\nHost: localhost\r\n" % server.port)
        client.send(b"Content-Length: 100000000\r\n\r\n")
        client.socket.settimeout(0.5)
        try:
            while sent < 100_000_000:
                sent += client.socket.send(piece)
        except TimeoutError:
            pass
        is_done.set()
    assert sent < 30_000_000
