"""Long and rough: `make soak`. What is asked each time: it still serves, and it has given back what it took."""

from __future__ import annotations

import os
import random
import ssl
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import StartProxy, run
from tests.soak.watching import descriptors, eventually
from tests.support.certificates import ServerCertificate
from tests.support.nginx import Nginx, content
from tests.support.proxy import Proxy
from tests.support.raw_server import Peer, RawServer, connect
from tests.support.tunnel import through, trusting

pytestmark = pytest.mark.soak
SECONDS = min(float(os.environ.get("SOAK_SECONDS", "60")), 60.0)  # `test_mixed` is the one that goes on for long


def serve(peer: Peer) -> None:
    body = content("soak", 20_000)
    while peer.read_head():
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


class Visitor(threading.Thread):
    """Opens connections, some over TLS, sends requests, and leaves: before, in the middle of, or after a response."""

    def __init__(self, proxy: Proxy, plain: RawServer, tls: RawServer, seed: int, until: float) -> None:
        super().__init__(daemon=True)
        self._proxy, self._plain, self._tls, self._until = proxy, plain, tls, until
        self._random = random.Random(seed)
        self._trust = trusting(proxy.ca_file)
        self.complete = self.left = 0

    def run(self) -> None:
        while time.monotonic() < self._until:
            try:
                self._visit()
            except (OSError, ssl.SSLError, AssertionError):
                if self._proxy.process.poll() is not None:
                    return
                self.left += 1

    def _visit(self) -> None:
        is_tls = self._random.random() < 0.5
        server = self._tls if is_tls else self._plain
        with through(self._proxy.port, "localhost", server.port) as client:
            if is_tls:
                client.start_tls(self._trust, "localhost")
            for _ in range(self._random.randrange(1, 20)):
                client.send(b"GET /soak HTTP/1.1\r\nHost: localhost\r\n\r\n")
                fate = self._random.random()
                if fate < 0.05:
                    return
                if fate < 0.1:
                    client.read(self._random.randrange(1, 10_000))
                    return
                client.read_response()
                self.complete += 1


def test_visitors_who_leave_at_any_time(start_proxy: StartProxy, certificate: ServerCertificate) -> None:
    proxy = start_proxy("--set", "store_memory_limit=8m")
    with RawServer(serve) as plain, RawServer(serve, certificate) as tls:
        with through(proxy.port, "localhost", tls.port) as client:
            client.start_tls(trusting(proxy.ca_file), "localhost")
        before, until = descriptors(proxy), time.monotonic() + SECONDS
        visitors = [Visitor(proxy, plain, tls, seed, until) for seed in range(12)]
        for visitor in visitors:
            visitor.start()
        eventually(lambda: time.monotonic() > until - SECONDS * 0.7, SECONDS)
        memory = proxy.memory()
        for visitor in visitors:
            visitor.join(SECONDS + 60)
        assert sum(visitor.complete for visitor in visitors) > 100
        assert eventually(lambda: descriptors(proxy) <= before + 2), f"{before} descriptors before, {descriptors(proxy)} after"
    assert proxy.process.poll() is None
    assert "Traceback" not in proxy.log.read_text()
    assert proxy.memory() - memory < 40_000_000, "memory grows with the number of visits"


def test_garbage(start_proxy: StartProxy) -> None:
    """Random bytes, random cuts of right ones, random ends."""
    proxy, noise, until = start_proxy(), random.Random(7), time.monotonic() + SECONDS
    right = (
        b"GET http://localhost:1/ HTTP/1.1\r\nHost: localhost:1\r\n\r\n",
        b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n",
        b"POST http://localhost:1/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
    )
    while time.monotonic() < until:
        with connect(proxy.port) as client:
            for _ in range(noise.randrange(1, 5)):
                piece = (
                    bytearray(noise.choice(right))
                    if noise.random() < 0.8
                    else bytearray(noise.randbytes(noise.randrange(1, 3000)))
                )
                for _ in range(noise.randrange(3)):
                    piece[noise.randrange(len(piece))] = noise.randrange(256)
                try:
                    client.send(bytes(piece[: noise.randrange(1, len(piece) + 1)]))
                except OSError:
                    break
    assert proxy.process.poll() is None
    log = proxy.log.read_text()
    assert "Traceback" not in log
    assert "internal error" not in log.lower(), log[-3000:]


@pytest.mark.needs_nginx
@pytest.mark.needs_curl
def test_gigabytes_take_no_memory(start_proxy: StartProxy, nginx: Nginx, tmp_path: Path) -> None:
    """2 GB down and up, over TLS on both sides."""
    with (nginx.www / "huge.bin").open("wb") as file:
        for number in range(20):
            file.write(content(f"huge{number}", 100_000_000))
    proxy = start_proxy()
    before = proxy.memory()
    curl = ["curl", "-sS", "--fail", "--proxy", proxy.url, "--cacert", proxy.ca_file]
    run([*curl, "-o", tmp_path / "huge.bin", f"{nginx.https_url}/huge.bin"], seconds=300)
    run(["cmp", tmp_path / "huge.bin", nginx.www / "huge.bin"], seconds=300)
    run([*curl, "--upload-file", tmp_path / "huge.bin", f"{nginx.https_url}/upload/huge.bin"], seconds=300)
    run(["cmp", tmp_path / "huge.bin", nginx.folder / "upload" / "huge.bin"], seconds=300)
    assert proxy.memory() - before < 60_000_000
    for left in (tmp_path / "huge.bin", nginx.www / "huge.bin", nginx.folder / "upload" / "huge.bin"):
        left.unlink()


def test_thousands_of_idle_connections(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    before, count = proxy.memory(), 2000
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    clients = [connect(proxy.port) for _ in range(count)]
    assert eventually(lambda: descriptors(proxy) > count)
    with RawServer(serve) as server, connect(proxy.port) as client:
        client.send(b"GET http://localhost:%d/among-many HTTP/1.1\r\nHost: localhost\r\n\r\n" % server.port)
        assert client.read_response()[0].startswith(b"HTTP/1.1 200 OK")
    assert (proxy.memory() - before) / count < 40_000, "bytes for each idle connection"
    for each in clients:
        each.close()
    assert eventually(lambda: descriptors(proxy) < 100)
