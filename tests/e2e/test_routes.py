"""Over other proxies: our own as an http, https and socks parent of another, and parents that fail in every way there is."""

from __future__ import annotations

import base64
import contextlib
import html
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import StartProxy, run
from tests.support.any_http import AnyHttp
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.nginx import Nginx, content
from tests.support.programs import free_port, with_pause
from tests.support.proxy import Flow, Proxy
from tests.support.raw_server import Peer, RawServer, connect
from tests.support.tunnel import through

SOCKS_PORT = free_port()
BODY = content("routes", 1024)
pytestmark = pytest.mark.needs_curl


@pytest.fixture(scope="module", autouse=True)
def file(nginx: Nginx) -> None:
    (nginx.www / "routes.bin").write_bytes(BODY)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory, confdir: Path, authority: TestAuthority) -> Iterator[Proxy]:
    """Wants credentials."""
    folder = tmp_path_factory.mktemp("parent")
    modes = ("-m", "regular", "-m", f"socks5@{SOCKS_PORT}")
    with Proxy(folder, *modes, "--proxyauth", "me:pw", confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def relay() -> Iterator[int]:
    """The port of an HTTP proxy that does CONNECT and no more."""

    def lead_on(peer: Peer) -> None:
        host, _, port = peer.read_head().split(b" ")[1].decode().rpartition(":")
        with connect(int(port), host) as onward:
            peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(onward, peer))
            back.start()
            pump(peer, onward)
            back.join(10)

    def pump(source: Peer, sink: Peer) -> None:
        with contextlib.suppress(OSError):
            while data := source.read():
                sink.send(data)
            sink.socket.shutdown(socket.SHUT_WR)

    with RawServer(lead_on) as server:
        yield server.port


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """The port of a UDP server that says who asked, and what."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            while (received := server.recvfrom(65535))[0] != b"enough":
                server.sendto(f"{received[1][1]} said ".encode() + received[0], received[1])

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        server.sendto(b"enough", server.getsockname())
        thread.join(10)


class Child(Proxy):
    """`ports`: of its listeners, by name."""

    ports: dict[str, int]


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory, parent: Proxy, relay: int, echo: int) -> Iterator[Child]:
    """Goes over the parent, and trusts what that shows."""
    folder = tmp_path_factory.mktemp("child")
    ports = {name: free_port() for name in ("http", "https", "without", "udp", "lost")}
    modes = {
        "http": f"upstream:http://me:pw@127.0.0.1:{parent.port}@{ports['http']}",
        "https": f"upstream:https://me:pw@localhost:{parent.port}@{ports['https']}",
        "without": f"upstream:http://127.0.0.1:{parent.port}@{ports['without']}",
        "udp": f"reverse:udp://127.0.0.1:{echo}@{ports['udp']}",
        "lost": f"reverse:udp://127.0.0.2:{echo}@{ports['lost']}",
    }
    arguments = [word for mode in modes.values() for word in ("-m", mode)]
    socks = f"socks5h://me:pw@127.0.0.1:{SOCKS_PORT}"
    arguments += ["--set", "udp_timeout=0.3", "--route", f"^127.0.0.1: {socks}", "--route", f"^127.0.0.2: {socks},http://127.0.0.1:{relay}"]
    with Child(
        folder, "-m", f"regular@{free_port()}", *arguments, confdir=folder / "home", trusted_ca=parent.ca_file, port=ports["http"]
    ) as proxy:
        proxy.ports = ports
        yield proxy


def curl(proxy: Proxy, port: int, *arguments: str) -> bytes:
    return run(["curl", "-sS", "--cacert", proxy.ca_file, "-x", f"http://127.0.0.1:{port}", *arguments])


@pytest.mark.parametrize("way", ["http", "https"])
def test_over_an_http_or_https_parent(child: Child, parent: Proxy, certificate: ServerCertificate, way: str) -> None:
    """Plain requests, requests in a tunnel, HTTPS in HTTP/1 and HTTP/2."""
    with AnyHttp(certificate) as origin:
        for scheme, more in (("http", ""), ("http", "-p"), ("https", "--http1.1"), ("https", "--http2")):
            path = f"/?{way}{scheme}{more}"
            port = origin.tls.port if scheme == "https" else origin.plain.port
            assert curl(child, child.ports[way], *more.split(), f"{scheme}://localhost:{port}{path}") == b"ok"
            seen = parent.flow(path)
            assert seen["request"]["http_version"] == ("HTTP/2.0" if more == "--http2" else "HTTP/1.1")
            flow = child.flow(path)
            assert flow["server"]["via"] == [f"{way}://{'127.0.0.1' if way == 'http' else 'localhost'}:{parent.port}"]
            assert "pw" not in flow["mode"]


def test_over_a_socks_parent_and_a_chain_whatever_the_mode(child: Child, parent: Proxy, certificate: ServerCertificate) -> None:
    with AnyHttp(certificate) as origin:
        for scheme, more in (("http", "--http1.1"), ("https", "--http2")):
            port = origin.tls.port if scheme == "https" else origin.plain.port
            path = f"/?socks{scheme}"
            assert curl(child, child.ports["http"], more, f"{scheme}://127.0.0.1:{port}{path}") == b"ok"
            assert parent.flow(path)["mode"].startswith("socks5")
            assert child.flow(path)["server"]["via"] == [f"socks5h://127.0.0.1:{SOCKS_PORT}"]


def test_datagrams_over_a_socks_parent(child: Child, parent: Proxy, echo: int) -> None:
    """Ours asks ours, with user and password; where datagrams cannot go the flow says so, and nothing goes past the proxies."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(("127.0.0.1", child.ports["udp"]))
        for words in (b"one", b"", b"x" * 9000):
            client.send(words)
            port, _, said = client.recv(65535).partition(b" said ")
            assert said == words and int(port) != client.getsockname()[1]
        client.connect(("127.0.0.1", child.ports["lost"]))
        client.send(b"out?")
        lost = child.flow_where(lambda flow: flow["server"] and flow["server"]["address"] == f"127.0.0.2:{echo}")
        assert "datagrams cannot go over this proxy, only over SOCKS5" in lost["error"]["message"]
    flow = child.flow_where(lambda flow: flow["server"] and flow["server"]["address"] == f"127.0.0.1:{echo}")
    assert flow["server"]["via"] == [f"socks5h://127.0.0.1:{SOCKS_PORT}"]
    seen = parent.flow_where(lambda flow: flow["type"] == "udp" and flow["server"]["address"] == f"127.0.0.1:{echo}")
    assert seen["error"] is None, "who asked has gone, and with it the association"


def test_socks_clients(parent: Proxy, nginx: Nginx, certificate: ServerCertificate) -> None:
    """curl by SOCKS5 with and without the right password, and SOCKS4a, which cannot log in; then what may go through."""
    address = f"127.0.0.1:{SOCKS_PORT}"
    for scheme in ("http", "https"):
        url = f"{nginx.url(scheme)}/routes.bin?direct{scheme}"
        way = ("-x", f"socks5h://me:pw@{address}", "--cacert", parent.ca_file)
        assert run(["curl", "-sS", *way, url]) == BODY
        assert parent.flow(f"/routes.bin?direct{scheme}")["mode"] == f"socks5@{SOCKS_PORT}"
    for proxy in (f"socks5h://me:no@{address}", f"socks5h://{address}", f"socks4a://me@{address}"):
        failed = subprocess.run(["curl", "-sS", "-x", proxy, nginx.http_url], capture_output=True, timeout=20)
        assert failed.returncode == 97, failed.stderr


def test_socks4_and_a_server_that_speaks_first(start_proxy: StartProxy, nginx: Nginx) -> None:
    proxy = start_proxy("-m", "socks5")
    way = ("curl", "-sS", "-x")
    assert run([*way, f"socks4a://127.0.0.1:{proxy.port}", f"{nginx.http_url}/routes.bin?4a"]) == BODY
    assert run([*way, f"socks4://127.0.0.1:{proxy.port}", f"http://127.0.0.1:{nginx.http_port}/routes.bin?4"]) == BODY
    assert run([*way, f"socks5://127.0.0.1:{proxy.port}", f"{nginx.http_url}/routes.bin?5"]) == BODY
    with RawServer(lambda peer: peer.send(b"220 hello\r\n")) as server, connect(proxy.port) as client:
        client.send(b"\5\1\0\5\1\0\3\x09localhost" + server.port.to_bytes(2, "big"))
        assert client.read_exactly(12) == b"\5\0\5\0\0\1" + bytes(6)
        assert client.read_until(b"\r\n") == b"220 hello\r\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"], ids=["socks", "socks, then http"])
def test_a_raw_conversation_over_one_parent_and_over_two(child: Child, parent: Proxy, host: str) -> None:
    def chat(peer: Peer) -> None:
        peer.send(b"220 hello\r\n")
        peer.send(b"250 " + peer.read_until(b"\r\n"))

    with RawServer(chat, host=host) as server, through(child.ports["http"], host, server.port) as client:
        assert client.read_until(b"\r\n") == b"220 hello\r\n"
        client.send(b"QUIT\r\n")
        assert client.read_until(b"\r\n") == b"250 QUIT\r\n"


def test_a_parent_that_wants_credentials(child: Child, parent: Proxy, nginx: Nginx) -> None:
    port = child.ports["without"]
    status = curl(child, port, "-o", "/dev/null", "-w", "%{http_code}", f"{nginx.http_url}/routes.bin?without")
    assert status == b"407" and child.flow("/routes.bin?without")["response"]["status_code"] == 407
    with connect(port) as client:
        client.send(b"CONNECT localhost:1 HTTP/1.1\r\n\r\n")
        head, body = client.read_response()
    assert head.startswith(b"HTTP/1.1 502 ") and b"CONNECT: it wants credentials (Basic)" in body
    with_client = curl(child, port, "--proxy-user", "me:pw", f"{nginx.http_url}/routes.bin?own")
    assert with_client == BODY, "the client may log in itself"


def _hang_up(peer: Peer) -> None:
    peer.read_head()


def _garbage(peer: Peer) -> None:
    peer.read_head()
    peer.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    peer.read()


def _silence(peer: Peer) -> None:
    peer.read_to_end()


def _drips(peer: Peer) -> None:
    """A byte now and then, for ever: it is slow, not silent."""
    with contextlib.suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
            peer.send(bytes((byte,)))
            with_pause(0.05)


def _other_credentials(peer: Peer) -> None:
    peer.read_head()
    peer.send(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")


def _breaks_off(peer: Peer) -> None:
    peer.read_head()
    peer.send(b"HTTP/1.1 200 O")


def _breaks_off_tls(peer: Peer) -> None:
    """The beginning of a ServerHello."""
    peer.read()
    peer.send(b"\x16\x03\x03\x00\x7a\x02\x00")


def _socks(*answers: bytes) -> Callable[[Peer], None]:
    def serve(peer: Peer) -> None:
        for answer in answers:
            peer.read()
            peer.send(answer)
        peer.socket.shutdown(socket.SHUT_WR)
        peer.read_to_end()

    return serve


def test_parents_that_fail_are_named_with_how_far_it_came(
    tmp_path: Path, confdir: Path, authority: TestAuthority, certificate: ServerCertificate
) -> None:
    """Down, silent, slow, closing in the middle, wanting others, talking nonsense, no TLS where it was to be, ourselves."""
    with contextlib.ExitStack() as servers:

        def at(serve: Callable[[Peer], None], certificate: ServerCertificate | None = None) -> str:
            return f"127.0.0.1:{servers.enter_context(RawServer(serve, certificate)).port}"

        down, own, nonsense = free_port(), free_port(), at(_garbage)
        breaks_off, wants_others = at(_breaks_off), at(_other_credentials)
        says_little, says_other = at(_socks(b"\5")), at(_socks(b"HTTP/1.0 400 Bad"))
        wants_another, wants_a_password = at(_socks(b"\5\2", b"\1\1")), at(_socks(b"\5\xff"))
        has_no_way = at(_socks(b"\5\0", b"\5\3\0\1" + bytes(6)))
        has_tls = at(_silence, certificate).replace("127.0.0.1", "localhost")
        cases = {
            "down.test": (f"http://127.0.0.1:{down}", "connect: connection refused"),
            "closes.test": (f"http://{at(_hang_up)}", "CONNECT: it closed the connection without an answer"),
            "odd.test": (f"http://{nonsense}", "CONNECT: it answered what is not HTTP/1: 'SSH-2.0"),
            "silent.test": (f"http://{at(_silence)}", "CONNECT: not finished within 0.5 s (connect_timeout)"),
            "slow.test": (f"http://{at(_drips)}", "CONNECT: not finished within 0.5 s (connect_timeout)"),
            "half.test": (f"http://{breaks_off}", "CONNECT: it closed the connection in the middle of its answer, after "),
            "others.test": (f"http://me:pw@{wants_others}", "CONNECT: it does not take the credentials of 'me': 407 No"),
            "none.test": (f"http://{wants_others}", "CONNECT: it wants credentials (Basic): write http://user:password@"),
            "socks.test": (f"socks5h://{at(_silence)}", "SOCKS5: not finished within 0.5 s (connect_timeout)"),
            "socks-others.test": (f"socks5h://me:pw@{wants_another}", "SOCKS5: it does not take the password of 'me'"),
            "socks-none.test": (f"socks5h://{wants_a_password}", "SOCKS5: it wants a user and a password: write"),
            "socks-half.test": (f"socks5h://{says_little}", "SOCKS5: it closed the connection in the middle of its answer"),
            "socks-odd.test": (f"socks5h://{says_other}", "SOCKS5: it answered what is not SOCKS5: 'HTTP/1.0"),
            "unroutable.test": (f"socks5h://{has_no_way}", "SOCKS5: it answered 3, "),
            "plain.test": (f"https://{nonsense.replace('127.0.0.1', 'localhost')}", "TLS handshake: not finished within 0.6 s"),
            "tls-half.test": (f"https://{at(_breaks_off_tls)}", "TLS handshake: the server closed the connection"),
            "chain.test": (f"https://{has_tls},http://two:1", "CONNECT: not finished within 0.5 s"),
            "stranger.test": (f"https://127.0.0.2:{has_tls.rpartition(':')[2]}", "connect: connection refused"),
            "loop.test": (f"http://localhost:{own}", "connect: that is this proxy itself; a request to it would never end"),
        }
        routes = [word for host, (way, _) in cases.items() for word in ("--route", f"^{host}: {way}")]
        times = ["--set", "connect_timeout=0.5", "--set", "tls_handshake_timeout=0.6"]
        ca = authority.ca_file
        proxy = servers.enter_context(Proxy(tmp_path, *routes, *times, confdir=confdir, trusted_ca=ca, port=own))
        clients = {host: connect(proxy.port) for host in cases}
        for host, client in clients.items():
            client.send(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
        for host, (way, reason) in cases.items():
            head, body = clients[host].read_response()
            clients[host].close()
            said = f"{way.partition(',')[0].replace('me:pw@', '')}: {reason}"
            assert head.startswith(b"HTTP/1.1 502 ") and said in html.unescape(body.decode()), (host, body)

            def is_it(flow: Flow, host: str = host) -> bool:
                return bool(flow["request"]["host"] == host)

            assert proxy.flow_where(is_it)["error"]["message"].startswith(said)


def test_origins_that_cannot_be_reached_and_ourselves(start_proxy: StartProxy) -> None:
    """No route, a name that is nobody's, this proxy by each of its names."""
    proxy = start_proxy("--set", "connect_timeout=0.5")
    itself = "connect: that is this proxy itself; a request to it would never end"
    cases = {
        "255.255.255.255:443": "connect: network is unreachable",
        "nobody.invalid:443": "connect: the name cannot be resolved: ",
        f"127.0.0.1:{proxy.port}": itself,
        f"localhost:{proxy.port}": itself,
    }
    for authority, reason in cases.items():
        with connect(proxy.port) as client:
            client.send(f"CONNECT {authority} HTTP/1.1\r\n\r\n".encode())
            head, body = client.read_response()
        said = f"{authority}: {reason}"
        assert head.startswith(b"HTTP/1.1 502 ") and said in html.unescape(body.decode()), body

        def is_it(flow: Flow, authority: str = authority) -> bool:
            return f"{flow['request']['host']}:{flow['request']['port']}" == authority

        assert said in proxy.flow_where(is_it)["error"]["message"]


class NtlmParent:
    """Wants NTLM of each connection, whose other side is pyspnego's; then it leads on, or answers requests itself."""

    def __init__(self) -> None:
        self.logins = 0
        self.targets: list[str] = []

    def serve(self, peer: Peer) -> None:
        import spnego

        context, is_known = spnego.server(protocol="ntlm"), False
        while head := peer.read_head():
            fields = dict(line.split(b": ", 1) for line in head[:-4].split(b"\r\n")[1:])
            method, target = head.split(b" ")[:2]
            kind, _, token = fields.get(b"Proxy-Authorization", b"").partition(b" ")
            challenge = b""
            if kind == b"NTLM":
                try:
                    answer = context.step(base64.b64decode(token))
                except spnego.exceptions.InvalidTokenError:  # not the right password
                    answer = None
                is_known = context.complete
                self.logins += is_known
                challenge = b" " + base64.b64encode(answer) if answer else b""
            if not is_known:
                page = b"" if method == b"HEAD" else b"Log in."
                peer.send(b"HTTP/1.1 407 Log in\r\nProxy-Authenticate: NTLM%b\r\nContent-Length: 7\r\n\r\n%b" % (challenge, page))
                continue
            self.targets.append(f"{method.decode()} {target.decode()}")
            if method == b"CONNECT":
                peer.send(b"HTTP/1.1 200 OK\r\n\r\n220 hello\r\n")
                peer.send(b"250 " + peer.read_until(b"\r\n"))
                return
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def test_a_parent_that_wants_ntlm(start_proxy: StartProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users").write_text("CORP:me:pw\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "users"))
    parent = NtlmParent()
    with RawServer(parent.serve) as server:
        scheme = ("--set", "upstream_auth_scheme=ntlm")
        proxy = start_proxy("-m", f"upstream:http://CORP%5Cme:pw@127.0.0.1:{server.port}", *scheme)
        with through(proxy.port, "raw.test", 25) as client:
            assert client.read_until(b"\r\n") == b"220 hello\r\n"
            client.send(b"QUIT\r\n")
            assert client.read_until(b"\r\n") == b"250 QUIT\r\n"
        with connect(proxy.port) as client:
            for number in (1, 2):
                client.send(b"GET http://a.test/%d HTTP/1.1\r\nHost: a.test\r\n\r\n" % number)
                assert client.read_response()[1] == b"ok"
        assert parent.targets == ["CONNECT raw.test:25", "GET http://a.test/1", "GET http://a.test/2"]
        assert parent.logins == 2 and server.connections == 2, "one login for each connection"
        assert proxy.flow("/1")["error"] is None
        wrong = start_proxy("-m", f"upstream:http://CORP%5Cme:no@127.0.0.1:{server.port}", *scheme)
        with connect(wrong.port) as client:
            client.send(b"CONNECT raw.test:25 HTTP/1.1\r\n\r\n")
            head, body = client.read_response()
        assert head.startswith(b"HTTP/1.1 502 ") and b"it does not take the credentials of" in body


def test_proxy_headers_from_a_balancer_and_to_a_server(start_proxy: StartProxy, nginx: Nginx) -> None:
    """A balancer says who its client is; what we tell another of ours behind us is the same."""
    behind = start_proxy("--set", "proxy_protocol_from=127.0.0.0/8", "-m", f"reverse:{nginx.http_url}")
    front = start_proxy(
        *("--set", "proxy_protocol_from=127.0.0.1", "--set", f"proxy_protocol_to=:{behind.port}$"),
        *("-m", f"reverse:http://127.0.0.1:{behind.port}"),
    )
    with connect(front.port) as client:
        client.send(b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 80\r\nGET /routes.bin?balanced HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read_response()[1] == BODY
    for proxy in (front, behind):
        seen = proxy.flow("/routes.bin?balanced")["client"]
        assert seen["address"] == "203.0.113.7:1234" and seen["ip_address"].startswith("127.0.0.1:")
