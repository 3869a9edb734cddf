"""Every version of HTTP towards a client with every version towards a server: the same messages come through.

A compact part of it runs with all other tests; `make matrix` runs the rest: megabytes both ways, events as they happen, gRPC.
"""

from __future__ import annotations

import hashlib
import json
import queue
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.conftest import run
from tests.support.any_http import BIG, AnyHttp
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.programs import free_port
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.needs_curl]

CLIENTS = {"h1": ["--http1.1"], "h1-tls": ["--http1.1"], "h2-tls": ["--http2"], "h2c": ["--http2-prior-knowledge"]}
SERVERS = ("h1", "h1-tls", "h2-tls", "h2c")
PAIRS = [(client, server) for client in CLIENTS for server in SERVERS]


class Ways:
    """Two proxies, one that speaks HTTP/2 to servers and one that does not, each with a plain and a TLS server behind it."""

    def __init__(self, folder: Path, confdir: Path, authority: TestAuthority, certificate: ServerCertificate) -> None:
        self.origin = AnyHttp(certificate)
        self.origin.__enter__()
        self.proxies: dict[str, Proxy] = {}
        self.tls_ports: dict[str, int] = {}
        for upstream in ("always", "never"):
            port = self.tls_ports[upstream] = free_port()
            self.proxies[upstream] = Proxy(
                folder / upstream,
                *("-m", f"reverse:http://127.0.0.1:{self.origin.plain.port}"),
                *("-m", f"reverse:https://localhost:{self.origin.tls.port}@{port}"),
                *("--set", f"http2_upstream={upstream}"),
                confdir=confdir,
                trusted_ca=authority.ca_file,
            )

    def stop(self) -> None:
        for proxy in self.proxies.values():
            proxy.stop()
        self.origin.__exit__(None, None, None)

    def proxy(self, server: str) -> Proxy:
        return self.proxies["always" if server.startswith("h2") else "never"]

    def url(self, client: str, server: str, path: str) -> str:
        upstream = "always" if server.startswith("h2") else "never"
        port = self.tls_ports[upstream] if server.endswith("-tls") else self.proxies[upstream].port
        return f"{'https' if client.endswith('-tls') else 'http'}://localhost:{port}{path}?{client}:{server}"

    def command(self, client: str, server: str, path: str, *arguments: str | Path) -> list[str]:
        trust = ["--cacert", self.proxy(server).ca_file]
        options = ["-sS", "--fail", "--noproxy", "*", *CLIENTS[client], *trust, *arguments]
        return [str(word) for word in ("curl", *options, self.url(client, server, path))]

    def curl(self, client: str, server: str, path: str, *arguments: str | Path) -> bytes:
        return run(self.command(client, server, path, *arguments))


@pytest.fixture(scope="module")
def ways(
    tmp_path_factory: pytest.TempPathFactory, confdir: Path, authority: TestAuthority, certificate: ServerCertificate
) -> Iterator[Ways]:
    made = Ways(tmp_path_factory.mktemp("matrix"), confdir, authority, certificate)
    yield made
    made.stop()


def lines_of(head: Path) -> list[str]:
    return [line.lower() for line in head.read_text().splitlines()]


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_messages_come_through(ways: Ways, tmp_path: Path, client: str, server: str) -> None:
    head = tmp_path / "head"
    sent = ["-H", "X-B: 1", "-H", "X-A: 2", "-H", "x-b: 3", "-b", "k=v; l=w"]
    seen = json.loads(ways.curl(client, server, "/fields", "-D", head, *sent))
    assert [each for each in seen if each[0] in ("x-a", "x-b")] == [["x-b", "1"], ["x-a", "2"], ["x-b", "3"]]
    assert ["cookie", "k=v; l=w"] in seen
    wanted = ["x-b: 1", "set-cookie: a=1", "x-a: 2", "x-b: 3", "set-cookie: b=2"]
    lines = lines_of(head)
    assert [line for line in lines if line in wanted] == wanted
    assert lines[0].startswith("http/2 200" if client.startswith("h2") else "http/1.1 200")
    flow = ways.proxy(server).flow(f"/fields?{client}:{server}")
    assert flow["request"]["http_version"] == ("HTTP/2.0" if client.startswith("h2") else "HTTP/1.1")
    assert flow["response"]["http_version"] == ("HTTP/2.0" if server.startswith("h2") else "HTTP/1.1")
    assert flow["error"] is None

    body = b"some content" * 100
    (tmp_path / "body").write_bytes(body)
    got = ways.curl(client, server, "/echo", "-D", head, "--data-binary", f"@{tmp_path / 'body'}")
    assert got == body and f"x-sum: {hashlib.sha256(body).hexdigest()}" in lines_of(head)
    assert ways.curl(client, server, "/echo", "-X", "POST") == b""
    assert ways.curl(client, server, "/early", "-D", head) == b"late"
    lines = lines_of(head)
    assert " 103" in lines[0] and "link: </style.css>; rel=preload" in lines and any(" 200" in line for line in lines[1:])


@pytest.mark.matrix
@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_megabytes_both_ways(ways: Ways, tmp_path: Path, client: str, server: str) -> None:
    (tmp_path / "body").write_bytes(BIG)
    digest = hashlib.sha256(BIG).hexdigest()
    assert ways.curl(client, server, "/digest", "-T", tmp_path / "body").decode() == digest
    assert ways.curl(client, server, "/digest", "-H", "Transfer-Encoding: chunked", "-T", tmp_path / "body").decode() == digest
    assert hashlib.sha256(ways.curl(client, server, "/big")).hexdigest() == digest
    flow = ways.proxy(server).flow(f"/big?{client}:{server}")
    assert flow["response"]["size"] == len(BIG) and flow["error"] is None


@pytest.mark.matrix
@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_events_pass_at_once(ways: Ways, client: str, server: str) -> None:
    command = ways.command(client, server, "/events", "-N")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        assert curl.stdout.readline() == b"data: one\n"
        assert ways.curl(client, server, "/next") == b"ok"
        assert curl.stdout.read() == b"\ndata: two\n\n"
        assert curl.wait(10) == 0


class Echo:
    """A gRPC server of bytes: `/echo/Say` answers one message, `/echo/Talk` each message of a stream as it comes."""

    def __init__(self, certificate: ServerCertificate) -> None:
        import grpc

        self.server = grpc.server(ThreadPoolExecutor(4))
        methods = {
            "Say": grpc.unary_unary_rpc_method_handler(self._say),
            "Talk": grpc.stream_stream_rpc_method_handler(self._talk),
            "Fail": grpc.unary_unary_rpc_method_handler(self._fail),
        }
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo", methods),))
        pem = certificate.file.read_bytes()
        credentials = grpc.ssl_server_credentials([(pem, pem)])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.tls_port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.server.start()

    @staticmethod
    def _say(request: bytes, context: object) -> bytes:
        context.set_trailing_metadata((("seen", str(len(request))),))  # type: ignore[attr-defined]
        return request[::-1]

    @staticmethod
    def _talk(requests: Iterator[bytes], context: object) -> Iterator[bytes]:
        for request in requests:
            yield request.upper()

    @staticmethod
    def _fail(request: bytes, context: object) -> bytes:
        import grpc

        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")  # type: ignore[attr-defined]
        return b""


@pytest.mark.matrix
@pytest.mark.parametrize("is_tls", [False, True])
def test_grpc(tmp_path: Path, confdir: Path, authority: TestAuthority, certificate: ServerCertificate, is_tls: bool) -> None:
    import grpc

    echo = Echo(certificate)
    mode = f"reverse:https://localhost:{echo.tls_port}" if is_tls else f"reverse:http://127.0.0.1:{echo.port}"
    with Proxy(tmp_path, "-m", mode, confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        address = f"localhost:{proxy.port}"
        roots = grpc.ssl_channel_credentials(proxy.ca_file.read_bytes())
        with grpc.secure_channel(address, roots) if is_tls else grpc.insecure_channel(address) as channel:
            answer, call = channel.unary_unary("/echo/Say").with_call(b"abc" * 50_000, timeout=30)
            assert answer == b"cba" * 50_000 and ("seen", "150000") in [tuple(item) for item in call.trailing_metadata()]
            with pytest.raises(grpc.RpcError) as failed:
                channel.unary_unary("/echo/Fail")(b"", timeout=30)
            assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION and failed.value.details() == "not now"

            said: queue.Queue[bytes | None] = queue.Queue()
            answers = channel.stream_stream("/echo/Talk")(iter(said.get, None), timeout=30)
            for message in (b"one", b"two", b"three"):  # each is answered before the next one is said
                said.put(message)
                assert next(answers) == message.upper()
            said.put(None)
            assert list(answers) == []
        flow = proxy.flow("/echo/Say")
        assert flow["request"]["http_version"] == flow["response"]["http_version"] == "HTTP/2.0"
        assert ["grpc-status", "0"] in flow["response"]["trailers"] and flow["streams"]["client"]
        assert proxy.flow("/echo/Talk")["error"] is None
    echo.server.stop(0)
