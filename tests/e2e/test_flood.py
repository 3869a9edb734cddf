"""A long list under traffic, for some seconds: it is drawn no more often than thirty times a second, and every key is answered.

How quickly is measured by `make soak` (tests/soak/test_flood.py).
"""

from __future__ import annotations

from pathlib import Path

from tests.support.flood import Flood
from tests.support.raw_server import Peer, RawServer

FLOWS, RATE, SECONDS = 10_000, 200, 2


def serve(peer: Peer) -> None:
    while peer.read_head():
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nflood")


def test_a_flood_is_drawn_thirty_times_a_second_at_most_and_every_key_is_answered(tmp_path: Path, confdir: Path) -> None:
    with RawServer(serve) as origin, Flood(tmp_path, f"http://127.0.0.1:{origin.port}/flood", FLOWS, RATE, confdir) as flood:
        drawn, shown = flood.console.frames, flood.console.shown
        flood.console.watch(SECONDS)
        drawn = flood.console.frames - drawn
        assert flood.console.shown > shown, "flows arrive"
        assert 0 < drawn <= SECONDS * 30 + 2
        assert flood.console.place == 1, "the cursor stays where it is"
        flood.use(1)
        assert len(flood.every_key().samples) > 8
