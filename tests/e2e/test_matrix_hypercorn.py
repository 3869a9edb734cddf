"""The matrix with hypercorn as the server, in each version that it speaks; and WebSockets through every pair."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.frames import Opcode
from websockets.sync.client import connect

from tests.support.any_http import BIG
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.http2_client import Http2Client, StreamSocket
from tests.support.hypercorn import Hypercorn
from tests.support.matrix_ways import PAIRS, Ways, lines_of
from tests.support.nginx import content

pytestmark = [pytest.mark.matrix, pytest.mark.needs_curl, pytest.mark.parametrize(("client", "server"), PAIRS)]


@pytest.fixture(scope="module")
def ways(
    tmp_path_factory: pytest.TempPathFactory, confdir: Path, authority: TestAuthority, certificate: ServerCertificate
) -> Iterator[Ways]:
    origin = Hypercorn(tmp_path_factory.mktemp("origin"), certificate, alpn=("h2", "http/1.1"))
    made = Ways(tmp_path_factory.mktemp("hypercorn"), confdir, authority, origin.http_port, origin.https_port)
    yield made
    made.stop()
    origin.stop()


def test_messages(ways: Ways, tmp_path: Path, client: str, server: str) -> None:
    sent = ["-H", "X-B: 1", "-H", "X-A: 2", "-H", "x-b: 3", "-b", "k=v; l=w"]
    seen = json.loads(ways.curl(client, server, "/seen", *sent))
    assert [each for each in seen["headers"] if each[0] in ("x-a", "x-b")] == [["x-b", "1"], ["x-a", "2"], ["x-b", "3"]]
    assert ["cookie", "k=v; l=w"] in seen["headers"] and seen["method"] == "GET"
    ways.flow(client, server, "/seen")
    assert json.loads(ways.curl(client, server, "/seen?post", "-X", "POST"))["method"] == "POST"

    (tmp_path / "body").write_bytes(BIG)
    assert hashlib.sha256(ways.curl(client, server, "/mirror", "-T", tmp_path / "body")).digest() == hashlib.sha256(BIG).digest()
    assert ways.flow(client, server, "/mirror")["response"]["size"] == len(BIG)
    chunked = ["-H", "Transfer-Encoding: chunked", "-T", tmp_path / "body"]
    digest = json.loads(ways.curl(client, server, "/digest", *chunked))
    assert digest == {"size": len(BIG), "sha256": hashlib.sha256(BIG).hexdigest()}


def test_what_comes_before_and_behind(ways: Ways, tmp_path: Path, client: str, server: str) -> None:
    head = tmp_path / "head"
    is_http2 = server.startswith("h2")  # hypercorn has none of it in HTTP/1
    ways.curl(client, server, "/early", "-D", head)
    assert ("link: </style.css>; rel=preload" in lines_of(head)) is is_http2
    assert [each["status_code"] for each in ways.flow(client, server, "/early")["informational"]] == [103] * is_http2
    assert ways.curl(client, server, "/trailers", "-D", head, "-H", "TE: trailers") == b"body"
    assert ("x-sum: 1" in lines_of(head)) is is_http2
    assert ways.flow(client, server, "/trailers")["response"]["trailers"] == ([["x-sum", "1"]] if is_http2 else None)


def test_events(ways: Ways, tmp_path: Path, client: str, server: str) -> None:
    head = tmp_path / "head"
    with subprocess.Popen(ways.command(client, server, "/events", "-N", "-D", head), stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        assert curl.stdout.readline() == b"data: one\n"
        assert ways.curl(client, server, "/next") == b"ok"
        assert curl.stdout.read() == b"\ndata: two\n\n"
        assert curl.wait(10) == 0
    assert [line for line in lines_of(head) if line.startswith("x-")] == ["x-b: 1", "x-a: 2", "x-b: 3"]
    assert ways.flow(client, server, "/events")["response"]["size"] == 22


def test_websocket(ways: Ways, client: str, server: str) -> None:
    url, ca_file, large = ways.url(client, server, "/socket"), ways.proxy(server).ca_file, content("matrix-socket", 400_000)
    messages: list[str | bytes] = ["hello", large, "hello " * 50, b""]
    if client.startswith("h1"):
        context = ssl.create_default_context(cafile=str(ca_file)) if client == "h1-tls" else None
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])  # who offers nothing may be about to speak anything
        with connect(url.replace("http", "ws", 1), ssl=context, max_size=None) as socket:
            for message in messages:
                socket.send(message)
                assert socket.recv(timeout=20) == message
    else:
        wire = Http2Client(ways.port(server), ca_file if client == "h2-tls" else None)
        authority, _, path = url.partition("://")[2].partition("/")
        stream = StreamSocket(wire, authority, url.partition(":")[0], f"/{path}")
        assert stream.granted[b":status"] == b"200"
        for message in messages:
            raw = message.encode() if isinstance(message, str) else message
            stream.say(raw, Opcode.TEXT if isinstance(message, str) else Opcode.BINARY)
            assert stream.hear() == raw
        stream.say(b"\x03\xe8", Opcode.CLOSE)
        assert stream.hear() == b"\x03\xe8"
        wire.peer.say(stream.stream, b"", ends=True)  # in HTTP/2 hypercorn waits for that
        wire.socket.sendall(wire.peer.take())
        flow = ways.flow(client, server, "/socket")
        wire.socket.close()
    flow = ways.flow(client, server, "/socket")
    assert flow["request"]["method"] == "GET" and flow["response"]["status_code"] == 101
    assert flow["websocket"]["close_code"] == 1000 and flow["websocket"]["message_count"] == 2 * len(messages) + 2
