"""Messages of a raw conversation in the console: held, edited as text and as bytes, dropped, resumed; and said by the user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import TestAuthority
from tests.support.console_program import Console
from tests.support.raw_server import Peer, RawServer
from tests.support.tunnel import through

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
