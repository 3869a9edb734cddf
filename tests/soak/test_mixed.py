"""Half an hour in small: good and hostile traffic at once (`SOAK_SECONDS=1800 make soak ARGS="-k mixed -s"`).

    visitors ─ GET, HEAD, POST; plain and TLS; by length, chunked, until the end ─▸ proxy ─▸ an origin that knows what each is
    attackers ─ every class of `attacks`, in turn ─▸ proxy

Each response is compared byte by byte, and each exchange that a visitor has seen to its end is a complete flow in the record.
The memory is flat after the first quarter, in which the store is filled to its limit; no descriptor is left at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import ssl
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.soak.attacks import LIMITS, Attack
from tests.soak.watching import Memory, descriptors, eventually
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.nginx import content
from tests.support.programs import with_pause
from tests.support.proxy import Flow, Proxy
from tests.support.raw_server import Peer, RawServer, connect
from tests.support.tunnel import through, trusting

pytestmark = pytest.mark.soak
SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
VISITORS = 6
PAUSE_SECONDS = 0.02
GROWTH_LIMIT = 10_000_000
_PATH = re.compile(r"/good/(\d+)/(\d+)\?(\w+)")
_HOW = ("length", "chunked", "close", "nothing")

Key = tuple[int, int]


def wanted(number: int) -> bytes:
    """The body of every exchange of that number."""
    sizes = (0, 1, 700, 5_000, 70_000, 300_000)
    return content(f"good{number % 60}", sizes[number % len(sizes)])


def serve(peer: Peer) -> None:
    """A POST gets its own body back."""
    while head := peer.read_head():
        found = _PATH.search(head.decode())
        assert found is not None
        body, how = wanted(int(found[2])), found[3]
        if head.startswith(b"POST"):
            length = re.search(rb"Content-Length: (\d+)", head)
            assert length is not None
            body = peer.read_exactly(int(length[1]))
        if how == "chunked":
            pieces = [body[start : start + 9_999] for start in range(0, len(body), 9_999)]
            framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n")
        elif how == "close":
            peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
            if isinstance(peer.socket, ssl.SSLSocket):
                with contextlib.suppress(OSError):
                    peer.socket.unwrap()  # close_notify: without it nobody knows whether that was all
            return
        elif how == "nothing":
            peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body * (not head.startswith(b"HEAD")))


class RecordedProxy(Proxy):
    """Of what it prints only this is kept: which good exchanges are complete, and which flows of theirs are not."""

    def _read_flows(self) -> None:
        self.complete: dict[Key, int] = {}
        self.incomplete: dict[Key, Flow] = {}
        self.others = 0
        self.left_live = 0
        assert self.process.stdout is not None
        for line in self.process.stdout:
            flow = json.loads(line)
            found = _PATH.match(flow.get("request", {}).get("path", ""))
            self.left_live += (flow["error"] or {}).get("message") == "The program ended."
            if found is None:
                self.others += 1
            elif flow["error"] or not flow["response"] or not flow["ended"]:
                self.incomplete[int(found[1]), int(found[2])] = flow
            else:
                self.complete[int(found[1]), int(found[2])] = flow["response"]["size"]


class Visitor(threading.Thread):
    """`seen`: the exchanges that came to their end, and how many bytes were in the body."""

    def __init__(self, name: int, proxy: Proxy, plain: RawServer, tls: RawServer, until: float) -> None:
        super().__init__(daemon=True)
        self._name, self._proxy, self._plain, self._tls, self._until = name, proxy, plain, tls, until
        self._random = random.Random(name)
        self._trust = trusting(proxy.ca_file)
        self.seen: dict[Key, int] = {}
        self.failures: list[str] = []
        self.next_number = 0

    def run(self) -> None:
        while time.monotonic() < self._until and not self.failures:
            try:
                self._visit()
            except (OSError, ssl.SSLError, AssertionError) as error:
                self.failures.append(f"exchange {self._name}/{self.next_number - 1}: {type(error).__name__}: {error}")

    def _visit(self) -> None:
        is_tls = self._random.random() < 0.4
        server = self._tls if is_tls else self._plain
        with through(self._proxy.port, "localhost", server.port) if is_tls else connect(self._proxy.port) as client:
            if is_tls:
                client.start_tls(self._trust, "localhost")
            prefix = b"" if is_tls else b"http://localhost:%d" % server.port
            for _ in range(self._random.randrange(1, 12)):
                if not self._exchange(client, prefix):
                    return
                with_pause(PAUSE_SECONDS)

    def _exchange(self, client: Peer, prefix: bytes) -> bool:
        """False if that was the last one of its connection."""
        number, self.next_number = self.next_number, self.next_number + 1
        method, how = self._random.choice((b"GET", b"GET", b"HEAD", b"POST")), self._random.choice(_HOW)
        if method == b"HEAD":
            how = "length"
        body, sent = wanted(number), b""
        target = b"%b/good/%d/%d?%b" % (prefix, self._name, number, how.encode())
        if method == b"POST":
            sent = b"Content-Length: %d\r\n" % len(body)
        client.send(b"%b %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (method, target, sent) + body * (method == b"POST"))
        head = client.read_head()
        assert head.startswith(b"HTTP/1.1 20"), head
        got = b""
        if how == "length" and method != b"HEAD":
            got = client.read_exactly(len(body))
        elif how == "chunked":
            while size := int(client.read_until(b"\r\n"), 16):
                got += client.read_exactly(size)
                client.read_exactly(2)
            client.read_exactly(2)
        elif how == "close":
            got = client.read_to_end()
        assert got == (body if method != b"HEAD" and how != "nothing" else b""), f"{len(got)} of {len(body)} bytes, or others"
        self.seen[self._name, number] = len(got)
        return how != "close"


def test_mixed_traffic(
    tmp_path: Path, confdir: Path, authority: TestAuthority, certificate: ServerCertificate
) -> None:
    settings = [word for name, seconds in LIMITS.items() for word in ("--set", f"{name}={seconds:g}")]
    settings += ["--set", "store_memory_limit=8m"]
    with RawServer(serve) as plain, RawServer(serve, certificate) as tls:
        with RecordedProxy(tmp_path, *settings, confdir=confdir, trusted_ca=authority.ca_file) as proxy:
            until = time.monotonic() + SECONDS
            first = Visitor(VISITORS, proxy, plain, tls, time.monotonic() + 2)
            first.start()
            first.join()
            visitors = [Visitor(name, proxy, plain, tls, until) for name in range(VISITORS)]
            attacks = [Attack("each", proxy.port, certificate), Attack("backwards", proxy.port, certificate)]
            with Memory(proxy, every_seconds=0.25) as memory:
                for each in (*visitors, *attacks):
                    each.start() if isinstance(each, Visitor) else each.go()
                for visitor in visitors:
                    visitor.join(SECONDS + 60)
                results = [attack.rest() for attack in attacks]
            for attack in attacks:
                attack.close()
            judge(proxy, [first, *visitors], memory, results)
        assert not proxy.left_live, f"{proxy.left_live} flows were still live at the end"


def judge(proxy: RecordedProxy, visitors: list[Visitor], memory: Memory, results: list[dict[str, Any]]) -> None:
    seen = {key: size for visitor in visitors for key, size in visitor.seen.items()}
    is_told = eventually(lambda: len(proxy.complete) >= len(seen), 10)
    sizes = [size for _, size in memory.samples]
    quarter = len(sizes) // 4
    early, late = statistics.median(sizes[quarter : 2 * quarter]), statistics.median(sizes[3 * quarter :])
    is_closed = eventually(lambda: descriptors(proxy) <= 20, 30)
    print(
        f"\n{len(seen)} good exchanges, {sum(seen.values()) / 1e6:.0f} MB, {proxy.others} other flows;"
        f" {sum(result['attempts'] for result in results)} attacks, the slowest refused within"
        f" {max(result['slowest'] for result in results):.2f} s; memory {early / 1e6:.1f} -> {late / 1e6:.1f} MB,"
        f" at most {memory.most / 1e6:.1f}; {descriptors(proxy)} descriptors at the end"
    )
    failures = [failure for visitor in visitors for failure in visitor.failures]
    assert not failures, f"{failures}; what the proxy says of them: {list(proxy.incomplete.items())[:3]}"
    assert len(seen) > SECONDS and all(not result["failures"] and result["attempts"] for result in results), results
    assert not proxy.incomplete, list(proxy.incomplete.items())[:3]
    assert is_told, f"{len(seen)} exchanges were complete for the visitors, {len(proxy.complete)} are in the record"
    assert {key: size for key, size in seen.items() if proxy.complete.get(key) != size} == {}
    assert late - early < GROWTH_LIMIT, "memory grows with what has passed"
    assert is_closed, f"{descriptors(proxy)} descriptors are still open"
    assert proxy.process.poll() is None
    log = proxy.log.read_text()
    assert "Traceback" not in log and "nternal error" not in log, log[-3000:]
