"""gRPC through the matrix: grpcio in HTTP/2 on both sides, with and without TLS; and with HTTP/1 on either side of it."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import run
from tests.support.any_http import AnyHttp
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.matrix_ways import Ways, lines_of

pytestmark = [pytest.mark.matrix, pytest.mark.needs_curl]

LONG = b"abc" * 50_000


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


@pytest.fixture(scope="module")
def to_grpcio(
    tmp_path_factory: pytest.TempPathFactory, confdir: Path, authority: TestAuthority, certificate: ServerCertificate
) -> Iterator[Ways]:
    echo = Echo(certificate)
    made = Ways(tmp_path_factory.mktemp("grpc"), confdir, authority, echo.port, echo.tls_port)
    yield made
    made.stop()
    echo.server.stop(0)


@pytest.fixture(scope="module")
def to_any(
    tmp_path_factory: pytest.TempPathFactory, confdir: Path, authority: TestAuthority, certificate: ServerCertificate
) -> Iterator[Ways]:
    with AnyHttp(certificate) as origin:
        made = Ways(tmp_path_factory.mktemp("any"), confdir, authority, origin.plain.port, origin.tls.port)
        yield made
        made.stop()


def channel_to(ways: Ways, client: str, server: str) -> Any:
    import grpc

    address = f"localhost:{ways.port(server)}"
    if client == "h2c":
        return grpc.insecure_channel(address)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ways.proxy(server).ca_file.read_bytes()))


@pytest.mark.parametrize("client", ["h2-tls", "h2c"])
@pytest.mark.parametrize("server", ["h2-tls", "h2c"])
def test_client_and_server(to_grpcio: Ways, client: str, server: str) -> None:
    import grpc

    seen = len(to_grpcio.proxy(server).flows())
    with channel_to(to_grpcio, client, server) as channel:
        answer, call = channel.unary_unary("/echo/Say").with_call(LONG, timeout=30)
        assert answer == LONG[::-1] and ("seen", "150000") in [tuple(item) for item in call.trailing_metadata()]
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
    proxy = to_grpcio.proxy(server)
    proxy.flow_where(lambda flow: len(proxy.flows()) >= seen + 3)
    flows = {flow["request"]["path"]: flow for flow in proxy.flows()[seen:]}
    assert set(flows) == {"/echo/Say", "/echo/Fail", "/echo/Talk"}
    for path, flow in flows.items():
        assert flow["request"]["http_version"] == flow["response"]["http_version"] == "HTTP/2.0" and flow["error"] is None
        assert flow["streams"]["client"] and flow["streams"]["server"]
        trailers = flow["response"]["trailers"] or flow["response"]["headers"]  # of one that fails there is a head alone
        assert ["grpc-status", "9" if path == "/echo/Fail" else "0"] in trailers
    assert flows["/echo/Say"]["request"]["size"] == len(LONG) + 5


@pytest.mark.parametrize("client", ["h2-tls", "h2c"])
@pytest.mark.parametrize("server", ["h1", "h1-tls"])
def test_a_client_and_a_server_of_http1(to_any: Ways, client: str, server: str) -> None:
    """Trailers of chunked bodies are what the call ends with."""
    with channel_to(to_any, client, server) as channel:
        answer, call = channel.unary_unary("/echo/Say").with_call(LONG, timeout=30)
        assert answer == LONG[::-1] and ("seen", "150000") in [tuple(item) for item in call.trailing_metadata()]
        messages = [b"one", b"two", b"three"]
        assert list(channel.stream_stream("/echo/Talk")(iter(messages), timeout=30)) == [each[::-1] for each in messages]


@pytest.mark.parametrize("client", ["h1", "h1-tls"])
@pytest.mark.parametrize("server", ["h2-tls", "h2c"])
def test_a_client_of_http1_and_a_server(to_grpcio: Ways, tmp_path: Path, client: str, server: str) -> None:
    body, head = tmp_path / "body", tmp_path / "head"
    body.write_bytes(b"\0" + len(LONG).to_bytes(4, "big") + LONG)
    fields = ["-H", "Content-Type: application/grpc", "-H", "TE: trailers", "-H", "Expect:"]
    command = to_grpcio.command(client, server, "/echo/Say", *fields, "--data-binary", f"@{body}", "-D", head)
    command[-1] = command[-1].partition("?")[0]  # which grpcio would take for a part of the name
    before = len(to_grpcio.proxy(server).flows())
    got = run(command)
    assert got == b"\0" + len(LONG).to_bytes(4, "big") + LONG[::-1]
    lines = lines_of(head)
    assert lines[0] == "http/1.1 200 ok" and {"transfer-encoding: chunked", "grpc-status: 0", "seen: 150000"} <= set(lines)
    proxy = to_grpcio.proxy(server)
    proxy.flow_where(lambda flow: len(proxy.flows()) > before)
    assert ["grpc-status", "0"] in proxy.flows()[-1]["response"]["trailers"]
