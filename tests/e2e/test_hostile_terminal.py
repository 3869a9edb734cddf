"""Peers that want to speak to the terminal: every byte that the real program writes to it is one of its own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import TestAuthority
from tests.support.console_program import PATIENCE_SECONDS, Console
from tests.support.raw_server import Peer, RawServer

SPOKEN = (
    b"\x1b[6n\x1b[>c\x1b[?1003l\x1b]0;TITLE\x07\x1b]52;c;UFdORUQ=\x07\x1b]8;;http://x\x1b\\\x1bP$qm\x1b\\\x1bc\x0e\x07\x08\x9b6n\x9d0;T\x9c"
)
"""None of it is in `OWN`: reports asked for, a mode, a title, the clipboard, a link, DCS, a reset; the same in C1."""
UNICODE = "\u202eevil\u2066\u200b\u061c\x9b6n日本e\u0301\U0001f469\u200d\U0001f4bb\ufeff".encode()
OWN = re.compile(
    rb"\x1b\[(?:[0-9;]*[mHABCDK]|[0-9]*J|4[lh]|\?(?:12|25|47|1000|1002|1006|1049|2004|2026)[hl]|\?[0-9]+\$p|0?c)"
    rb"|\x1b[()][B0U]|\x1b[=>78]|[\r\n\x0f]"
)
"""What urwid writes: attributes, the cursor, its character set, modes that it sets or asks about."""


@pytest.fixture
def console(tmp_path: Path, confdir: Path, authority: TestAuthority) -> Iterator[Console]:
    with Console(tmp_path, confdir=confdir, trusted_ca=authority.ca_file, size=(120, 40)) as running:
        yield running


def answer(peer: Peer) -> None:
    """A little of everything in the first response, then bytes that are no HTTP."""
    target = peer.read_head().split(b" ")[1]
    if target.startswith(b"/noise"):
        peer.send(SPOKEN + b"\r\n\r\n")
        return
    body = b"<html><title>" + UNICODE + SPOKEN.replace(b"\x9b", b"") + b"</title></html>"
    fields = b"Content-Type: text/html\r\nX-Wide: " + UNICODE + b"\r\nSet-Cookie: a=" + UNICODE + b"\r\nServer: \xff\x9b6n"
    peer.send(b"HTTP/1.1 200 O\xff" + UNICODE + b"\r\n" + fields + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def foreign(raw: bytes) -> list[str]:
    """What is not of the program's own, each with what stands around it."""
    text = OWN.sub(b"", raw).decode("utf-8", "surrogateescape")
    found = [match.start() for match in re.finditer(r"[^ -~]", text) if unicodedata.category(match[0]) in _COMMANDS]
    return [repr(text[max(0, at - 20) : at + 20]) for at in found]


_COMMANDS = ("Cc", "Cf", "Cs", "Zl", "Zp")


def test_nothing_that_a_peer_says_gets_to_the_terminal_as_a_command(console: Console) -> None:
    with RawServer(answer) as server:
        url = f"http://127.0.0.1:{server.port}".encode()
        heads = [
            b"GET " + url + b"/a/" + UNICODE + b"?q=\xff" + UNICODE + b" HTTP/1.1\r\nHost: a\r\nX-Said: " + UNICODE,
            b"GET " + url + b"/" + SPOKEN.replace(b" ", b"") + b" HTTP/1.1\r\nHost: a",
            b"GET " + url + b"/spoken HTTP/1.1\r\nHost: a\r\nX-Said: " + SPOKEN,
            b"GET " + url + b"/noise HTTP/1.1\r\nHost: a",
            SPOKEN + b" / HTTP/1.1\r\nHost: a",
            b"CONNECT " + SPOKEN + b":443 HTTP/1.1\r\nHost: a",
            b"GET http://" + SPOKEN + b"/host HTTP/1.1\r\nHost: a",
        ]
        for head in heads:
            with console.connect() as peer:
                peer.send(head + b"\r\nConnection: close\r\n\r\n")
                peer.socket.settimeout(PATIENCE_SECONDS)
                while peer.read():
                    pass
    console.see("/noise", f"/{len(heads)}]")
    console.press("E")
    console.see("Events:")
    console.press("q", "g", "enter")
    console.see("evil", "\\u202e")
    for _ in range(len(heads)):
        for _ in range(3):
            console.press("tab")
            console.is_silent_for(0.05)
        console.press(" ")
        console.is_silent_for(0.05)
    console.press("q", "f", "~u \\x9b6n", "enter")
    console.press(":", "cut @all request.url,request.path,response.reason,response.content,error.msg", "enter")
    console.see("evil")
    console.press("q")
    console.press("ctrl c")
    console.ended()
    assert foreign(console.raw) == []
    assert console.screen.title == ""
