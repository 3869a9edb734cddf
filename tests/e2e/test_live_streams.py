"""What is told as it happens is passed on and seen as it happens: server-sent events while their response goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import TestAuthority
from tests.support.console_program import Console
from tests.support.raw_server import Peer, RawServer, connect

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


@pytest.fixture
def console(tmp_path: Path, confdir: Path, authority: TestAuthority) -> Iterator[Console]:
    with Console(tmp_path, confdir=confdir, trusted_ca=authority.ca_file) as running:
        yield running


def test_events_are_seen_one_by_one(console: Console) -> None:
    may_go_on = [threading.Event(), threading.Event()]

    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send(HEAD + chunk(b'event: price\ndata: {"tea": 3}\n\n'))
        may_go_on[0].wait(20)
        peer.send(chunk(b"id: 2\ndata: second\n\n"))
        may_go_on[1].wait(20)
        peer.send(b"0\r\n\r\n")

    with RawServer(serve) as server, connect(console.port) as client:
        client.send(f"GET http://localhost:{server.port}/ticks HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode())
        assert b'"tea"' in client.read_until(b"}\n\n")
        console.see("/ticks")
        console.press("enter", "tab")
        console.see("event stream, 1 event", "price", '"tea": 3', "running")
        may_go_on[0].set()
        assert client.read_until(b"second\n\n")
        console.see("event stream, 2 events", "message  #2", "second")
        assert len([line for line in console.text.splitlines() if " s  " in line and line.startswith("+")]) == 2
        may_go_on[1].set()
        console.wait(lambda: "running" not in console.text, "the end")
