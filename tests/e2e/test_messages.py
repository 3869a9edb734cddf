"""Messages of a raw conversation and of a WebSocket in the console: held, edited, dropped, resumed; and said by the user."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.support.certificates import TestAuthority
from tests.support.console_program import PATIENCE_SECONDS, Console
from tests.support.raw_server import Peer, RawServer
from tests.support.tunnel import through
from tests.support.websocket_server import websocket_echo

Start = Callable[..., Console]


def echo(peer: Peer) -> None:
    peer.send(b"hello\r\n")
    while line := peer.read_until(b"\n"):
        peer.send(b"got " + line)


@pytest.fixture
def console(tmp_path: Path, confdir: Path, authority: TestAuthority) -> Iterator[Console]:
    with Console(tmp_path, confdir=confdir, trusted_ca=authority.ca_file) as running:
        yield running


def test_held_messages_are_edited_dropped_and_new_ones_said(console: Console) -> None:
    with RawServer(echo) as server, through(console.port, "localhost", server.port) as client:
        assert client.read_until(b"\n") == b"hello\r\n"
        console.set_intercept("~tcp")
        client.send(b"first\n")
        console.see("1 held")
        console.press("G", "enter")
        console.see("→ server", "held", "first")

        console.edit("1", "Edit tcp-message")
        console.press("FIRST \\xff", "ctrl s")
        console.see("message changed", "edited")
        console.press("a")
        console.see("got FIRST ÿfirst")  # the answer is held, and shown
        console.press("a")
        assert client.read_until(b"\n") == b"got FIRST \xfffirst\n"

        client.send(b"second\n")
        console.see("second", "held")
        console.press("delete")
        console.see("message dropped", "dropped")
        console.press("I")
        console.see("[Xi:~tcp]")
        client.send(b"third\n")
        assert client.read_until(b"\n") == b"got third\n"

        console.press(":", 'inject.tcp @focus true "from \\x00 us\\n"', "enter")
        console.see("10 bytes sent to the client", "injected")
        assert client.read_until(b"\n") == b"from \0 us\n"
        console.edit("s", "Edit inject to server")
        console.press("in your name", "enter", "ctrl s")
        console.see("sent to the server")
        assert client.read_until(b"\n") == b"got in your name\n"
    console.see("injected")
    console.press(":", "inject.tcp @focus true late", "enter")
    console.see("has ended")


def test_datagrams_are_held_edited_dropped_and_new_ones_said(
    tmp_path: Path, confdir: Path, authority: TestAuthority
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for each in (server, client):
            each.settimeout(PATIENCE_SECONDS)
        server.bind(("127.0.0.1", 0))
        mode = f"reverse:udp://127.0.0.1:{server.getsockname()[1]}"
        with Console(tmp_path, "--mode", mode, confdir=confdir, trusted_ca=authority.ca_file) as console:
            console.set_intercept("~udp & ~fromclient")
            client.connect(("127.0.0.1", console.port))
            client.send(b"first")
            console.see("UDP", "1 held")
            console.press("G", "enter")
            console.see("→ server", "held", "first")
            console.edit("1", "Edit udp-message")
            console.press("FIRST ", "ctrl s")
            console.see("message changed", "edited")
            console.press("a")
            data, from_us = server.recvfrom(100)
            assert data == b"FIRST first"
            server.sendto(b"an answer", from_us)
            assert client.recv(100) == b"an answer"
            console.see("← server", "an answer")

            client.send(b"second")
            console.see("second", "held")
            console.press("delete")
            console.see("message dropped", "dropped")
            console.press(":", "inject.udp @focus false ours\\x00", "enter")
            console.see("5 bytes sent to the server", "injected")
            assert server.recv(100) == b"ours\0"

            console.press("w", str(tmp_path / "kept.mitm"), "enter")
            console.see("saved")
            console.press("q", "z", ":", f"view.flows.load {tmp_path / 'kept.mitm'}", "enter")
            console.see("UDP")
            console.press("enter")
            console.see("FIRST first", "an answer")


def test_messages_of_a_websocket(console: Console) -> None:
    with websocket_echo() as url:
        _talk(console, f"{url}/chat")
        console.see("close 1000")
        console.press("r")
        console.see("[1/2]")
        console.press("q", "G", "enter", "tab", "tab")
        console.see("FIRST first first first", "first first third", "close 1000")


def _talk(console: Console, url: str) -> None:
    with connect(url, proxy=f"http://127.0.0.1:{console.port}") as client:
        client.send("before")
        assert client.recv(timeout=10) == "before"
        console.press("enter")
        console.see("101", "Messages")
        console.press("tab", "tab")
        console.see("→ server", "text", "before")

        console.set_intercept("~websocket & ~fromclient")
        client.send("first first first")
        console.see("first first first", "held")
        console.edit("1", "Edit websocket-message")
        console.press("FIRST ", "ctrl s")
        console.see("message changed", "edited")
        console.press("a")
        assert client.recv(timeout=10) == "FIRST first first first", "compressed messages can be edited, too"

        client.send(b"\x00second")
        console.see("second", "held")
        console.press("delete")
        console.see("message dropped", "dropped")
        console.press("I")
        console.see("[Xi:")
        client.send("first first third")
        assert client.recv(timeout=10) == "first first third"

        console.press(":", "inject.websocket @focus true hello", "enter")
        console.see("5 bytes sent to the client", "injected")
        assert client.recv(timeout=10) == "hello"
        console.edit("S", "Edit inject to server as binary")
        console.press("in your name", "ctrl s")
        console.see("sent to the server")
        assert client.recv(timeout=10) == b"in your name"
