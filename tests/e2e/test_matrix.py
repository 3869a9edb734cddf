"""Every version of HTTP towards a client with every version towards a server: the same messages come through.

A compact part of it runs with all other tests; `make matrix` runs the rest: megabytes both ways, events as they happen; with
hypercorn as the server, and WebSockets (test_matrix_hypercorn.py); gRPC (test_matrix_grpc.py).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.any_http import BIG, AnyHttp
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.matrix_ways import PAIRS, Ways, lines_of

pytestmark = [pytest.mark.needs_curl]


@pytest.fixture(scope="module")
def ways(
    tmp_path_factory: pytest.TempPathFactory, confdir: Path, authority: TestAuthority, certificate: ServerCertificate
) -> Iterator[Ways]:
    with AnyHttp(certificate) as origin:
        made = Ways(tmp_path_factory.mktemp("matrix"), confdir, authority, origin.plain.port, origin.tls.port)
        yield made
        made.stop()


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
    flow = ways.flow(client, server, "/fields")
    assert [item for item in flow["request"]["headers"] if item[0].lower() in ("x-a", "x-b")] == [
        [name.title() if sent and not client.startswith("h2") else name, value]
        for name, value, sent in (("x-b", "1", True), ("x-a", "2", True), ("x-b", "3", False))
    ]
    assert [f"{name}: {value}" for name, value in flow["response"]["headers"] if f"{name}: {value}" in wanted] == wanted

    body = b"some content" * 100
    (tmp_path / "body").write_bytes(body)
    got = ways.curl(client, server, "/echo", "-D", head, "--data-binary", f"@{tmp_path / 'body'}")
    digest = hashlib.sha256(body).hexdigest()
    assert got == body and f"x-sum: {digest}" in lines_of(head)
    flow = ways.flow(client, server, "/echo")
    assert flow["request"]["size"] == flow["response"]["size"] == len(body)
    assert flow["response"]["trailers"] == [["x-sum", digest]]
    assert ways.curl(client, server, "/echo", "-X", "POST") == b""
    assert ways.curl(client, server, "/early", "-D", head) == b"late"
    lines = lines_of(head)
    assert " 103" in lines[0] and "link: </style.css>; rel=preload" in lines and any(" 200" in line for line in lines[1:])
    assert [each["status_code"] for each in ways.flow(client, server, "/early")["informational"]] == [103]


@pytest.mark.matrix
@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_megabytes_both_ways(ways: Ways, tmp_path: Path, client: str, server: str) -> None:
    (tmp_path / "body").write_bytes(BIG)
    digest = hashlib.sha256(BIG).hexdigest()
    assert ways.curl(client, server, "/digest", "-T", tmp_path / "body").decode() == digest
    assert ways.curl(client, server, "/digest", "-H", "Transfer-Encoding: chunked", "-T", tmp_path / "body").decode() == digest
    assert hashlib.sha256(ways.curl(client, server, "/big")).hexdigest() == digest
    assert ways.flow(client, server, "/digest")["request"]["size"] == len(BIG)
    assert ways.flow(client, server, "/big")["response"]["size"] == len(BIG)


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
    assert ways.flow(client, server, "/events")["response"]["size"] == 22
