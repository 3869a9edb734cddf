"""Twenty megabytes on the screen while others use the proxy: how soon one sees them, and what the others feel of it.

`make soak ARGS="-s -k large"` prints the figures.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import TestAuthority
from tests.support.console_program import Console, Origin
from tests.support.raw_server import Peer, RawServer

pytestmark = pytest.mark.soak
SIZE = 20_000_000


def _filled(begin: bytes, item: bytes, end: bytes, between: bytes = b"") -> bytes:
    return begin + between.join([item] * (SIZE // (len(item) + len(between)))) + end


BODIES = {
    "json": ("application/json", _filled(b"[", b'{"id":1,"tags":["a","b"],"text":"some words"}', b"]", b","), '"id": 1'),
    "html": ("text/html", _filled(b"<html>", b'<div class="a"><p>text &amp; more</p></div>', b"</html>"), "<div"),
    "xml": ("application/xml", _filled(b"<r>", b'<item id="1"><n>text</n></item>', b"</r>"), "<item"),
    "javascript": ("text/javascript", _filled(b"", b"function f(a){if(a){return a+1}}", b""), "function f"),
    "protobuf": ("application/x-protobuf", _filled(b"", b"\x08\x96\x01\x12\x07testing\x1a\x02\x08\x05", b""), '"testing"'),
    "hex": ("application/octet-stream", random.Random(1).randbytes(SIZE), "00000000"),
}


def small(peer: Peer) -> None:
    while peer.read_head():
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class Neighbour:
    """Another client: one small request after the other, each with a little rest behind it."""

    def __init__(self, console: Console, port: int) -> None:
        self.milliseconds: list[float] = []
        self._is_over = threading.Event()
        self._console, self._port = console, port
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with self._console.connect() as peer:
            while not self._is_over.is_set():
                begin = time.perf_counter()
                peer.send(b"GET http://127.0.0.1:%d/small HTTP/1.1\r\nHost: x\r\n\r\n" % self._port)
                assert peer.read_until(b"ok").endswith(b"ok")
                self.milliseconds.append((time.perf_counter() - begin) * 1000)
                self._is_over.wait(0.002)

    def __enter__(self) -> Neighbour:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._is_over.set()
        self._thread.join()

    def part(self, share: float) -> float:
        return sorted(self.milliseconds)[int(len(self.milliseconds) * share)]


@pytest.fixture
def console(tmp_path: Path, confdir: Path, authority: TestAuthority) -> Iterator[Console]:
    with Console(tmp_path, "--set", "view_filter=~u /large", confdir=confdir, trusted_ca=authority.ca_file) as running:
        yield running


@pytest.mark.parametrize("kind", BODIES)
def test_large_bodies_are_seen_at_once_and_others_do_not_feel_it(console: Console, kind: str) -> None:
    content_type, body, shown = BODIES[kind]
    with Origin(body, f"Content-Type: {content_type}\r\n") as origin, RawServer(small) as server:
        console.answer("GET", origin.url("/large"))
        console.see("/large", "200")
        with Neighbour(console, server.port) as alone:
            time.sleep(2)
        console.press("enter", "tab")
        with Neighbour(console, server.port) as beside:
            console.press("esc")
            console.see_no("Response  ")
            begin = time.perf_counter()
            console.press("enter")
            console.see(shown)
            seconds = time.perf_counter() - begin
            console.press("/", "no such text anywhere", "enter")
            time.sleep(2)
            console.press("G")
            time.sleep(2)
            console.press("esc")
            console.see("[1/1")
    figures = [f"{each.part(0.5):.2f}/{each.part(0.99):.2f}" for each in (alone, beside)]
    print(f"\n{kind}: first screen {seconds * 1000:.0f} ms; neighbour's p50/p99 {figures[0]} ms, beside it {figures[1]} ms")
    assert seconds < 3, "the budget is 0.3 s, on a machine that has nothing else to do"
    assert beside.part(0.5) < alone.part(0.5) * 5 + 5
