"""HTTP/2 explored: a client and servers that say right and broken things at the same time, in pieces as sockets give.

Whatever they say: nothing of ours raises, every flow starts once and ends once, what is held stays under its marks, and when
everybody has finished no stream is left on either side.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress

from h2.exceptions import ProtocolError
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.connection import Connection
from interceptor.model.hooks import FORWARD
from interceptor.proxy.asks import Dial, RunHook
from interceptor.proxy.core.conversation import Conversation
from interceptor.proxy.core.events import Congested, Drained
from interceptor.proxy.core.layer import MARK
from interceptor.proxy.layers.http.ending import PIECE
from interceptor.proxy.layers.http.http2_connection import CONNECTION_WINDOW, Http2Connection
from interceptor.proxy.layers.http.http2_engine import MAX_FRAME
from tests.proxy.layers.http.test_http2_properties import KINDS, Fuzz, Raw
from tests.support.http2_peers import Fields, Http2Peer, frame

READ = 16 * 1024
"""What a socket gives at a time."""
CONTROL = 256 * 1024
"""Of what is not data (answers to pings and settings, credit, resets, heads) no more waits to be sent."""

BAD_HEADS: list[Fields] = [
    [(b"X-Upper", b"1")],
    [(b"connection", b"close")],
    [(b"a", b"b\r\nc: d")],
    [(b"a:b", b"c")],
    [(b"content-length", b"7")],
    [(b"content-length", b"x")],
    [(b":path", b"/again")],
    [(b"a", b"b" * 17_000)],
    [(b"te", b"gzip"), (b"transfer-encoding", b"chunked")],
]
PAYLOADS = [
    b"",
    b"\x82\x84\x86\x41\x01a",  # a head
    b"\xff\xff\xff\xff\xff\xff",  # no head
    b"\x3f\xff\xff\xff\x0f",  # a table size beyond what is allowed
    bytes(4),
    bytes(5),
    bytes(8),
    b"\0\4\0\0\0\0",  # SETTINGS: no initial window
    b"\0\4\x7f\xff\xff\xff",  # the largest
    b"\0\4\xff\xff\xff\xff",  # a larger one
    b"\0\5\0\0\0\1",  # frames of a byte
    b"\0\3\0\0\0\0",  # no streams
    b"\0\0\0\1",
    b"\x7f\xff\xff\xff",  # a window without end
    b"\xff" + b"p" * 20,  # more padding than frame
    b"d" * MAX_FRAME,
]


class Exploration(Fuzz):
    """Both sides say something in each step. `codecs` are all that have been there."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self.codecs: dict[int, Http2Connection] = {}
        self.congested: set[Connection] = set()
        self.misused: set[tuple[Http2Peer, int]] = set()  # a peer takes these streams for closed
        self.breaks = chance.random() < 0.5  # frames that may end a connection, or leave a stream as nobody knows it

    # --- what they do -----------------------------------------------------------------------------------------

    def step(self) -> None:
        super().step()
        for _ in range(self.chance.randrange(3)):
            if not self.driver.is_over:
                deeds = [self._bad_head, self._bad_answer, self._stop, self._go_on, self._frames]
                self.chance.choices(deeds, [4, 4, 3, 6, 2 * self.breaks])[0]()
        if not self.driver.is_over:
            self._exchange()
        self._look()

    def _frames(self) -> None:
        """On both sides, in one go."""
        self.is_noisy = True
        driver, chance = self.driver, self.chance
        for connection in [driver.client, *driver.servers]:
            said = b""
            for _ in range(chance.randrange(4)):
                kind, flags = chance.choice(KINDS), chance.choice([0, 1, 4, 5, 8, 0x20, 0x24, 0xFF])
                said += frame(kind, flags, chance.choice([0, 1, 2, *self.streams, 99]), chance.choice(PAYLOADS))
            self._deliver(said, connection)

    def _bad_head(self) -> None:
        fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/bad")]
        self._try(self.client, self.client.h2.get_next_available_stream_id(), fields)

    def _bad_answer(self) -> None:
        for peer in self.servers.values():
            if isinstance(peer, Http2Peer):
                waiting = [number for number, heard in peer.heard.items() if heard.fields and number not in peer.ended]
                if waiting:
                    self._try(peer, self.chance.choice(waiting), [(b":status", b"200")])

    def _try(self, peer: Http2Peer, stream: int, fields: Fields) -> None:
        self.is_noisy = True
        try:
            peer.say_head(stream, [*fields, *self.chance.choice(BAD_HEADS)], self.chance.random() < 0.5)
            if stream not in peer.ended:
                peer.say(stream, self.chance.choice([b"", b"x", b"y" * 100_000]), self.chance.random() < 0.5)
        except ProtocolError:
            self.misused.add((peer, stream))

    def _stop(self) -> None:
        connection = self.chance.choice([self.driver.client, *self.driver.servers])
        if connection not in self.driver.closed and connection not in self.congested:
            self.congested.add(connection)
            self.driver.run(Congested(connection))

    def _go_on(self) -> None:
        for connection in sorted(self.congested, key=lambda each: each.opened_at):
            self.congested.discard(connection)
            if connection not in self.driver.closed and not self.driver.is_over:
                self.driver.run(Drained(connection))

    def _congestion(self) -> None:
        self._stop()

    def _noise(self) -> None:
        if self.breaks:
            super()._noise()

    def _exchange(self) -> None:
        for pipe in self.driver.stack.pipes.values():
            if isinstance(pipe.head, Http2Connection):
                self.codecs[id(pipe.head)] = pipe.head
        driver = self.driver
        for connection in driver.servers:
            if connection not in self.servers and connection not in self.congested and (first := driver.sent(connection)):
                self.servers[connection] = Http2Peer(is_client=False, is_strict=False) if first[:3] == b"PRI" else Raw()
                self._hear(self.servers[connection], first)
        for connection, peer in [(driver.client, self.client), *self.servers.items()]:
            if connection not in self.congested:
                self._hear(peer, driver.sent(connection))
            self._deliver(peer.take(), connection)

    def _hear(self, peer: Http2Peer | Raw, said: bytes) -> None:
        try:
            peer.feed(said)
        except Exception as error:
            if not self.is_noisy:
                raise AssertionError("we sent what h2 does not take") from error

    def _deliver(self, said: bytes, connection: Connection) -> None:
        for start in range(0, len(said), READ):
            if not self.driver.is_over:
                self.driver.says(said[start : start + READ], connection)

    # --- what must hold ---------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Under the marks: at most that and what came last."""
        assert self.driver.stack.failure is None
        for pipe in self.driver.stack.pipes.values():
            if isinstance(pipe.head, Http2Connection):
                self._look_at(pipe.head)
        for conversation in self._conversations():
            for strand in conversation.strands:
                held = sum(size for _, size in strand.mailbox)
                assert held == strand.mark.held and held <= CONNECTION_WINDOW
                if not strand.mark.is_paused:
                    assert held <= MARK + READ

    def _look_at(self, codec: Http2Connection) -> None:
        engine, waiting = codec.engine, 0
        assert len(engine._rest) <= MAX_FRAME + 9 + READ
        assert len(engine._out) <= CONTROL
        for stream in codec.streams.values():
            assert stream.pending_size == sum(map(len, stream.pending))
            assert stream.pending_size <= MARK + PIECE + READ, "its sink said that there is no room"
            assert len(getattr(stream, "early", b"")) <= stream.window
            waiting += stream.owed
        assert waiting <= CONNECTION_WINDOW + len(codec.streams) * READ

    def _conversations(self) -> Iterator[Conversation]:
        for codec in self.codecs.values():
            for stream in codec.streams.values():
                if isinstance(exchange := getattr(stream, "_serving", None), Conversation):
                    yield exchange

    def finish(self) -> None:
        """Everybody says what they still owe, and hears what there is."""
        driver = self.driver
        for _ in range(30):
            if driver.is_over:
                return
            self._go_on()
            for ask in list(driver.asked):
                if isinstance(ask, RunHook):
                    driver.answer(ask, FORWARD)
                elif isinstance(ask, Dial):
                    driver.connected(ask)
            for peer in [self.client, *self.servers.values()]:
                if isinstance(peer, Http2Peer):
                    with suppress(ProtocolError):  # its connection has ended
                        peer.read_on()
                        self._say_the_rest(peer)
            self._exchange()

    def _answer(self) -> None:
        """Often more than any mark allows to wait."""
        super()._answer()
        for peer in self.servers.values():
            if isinstance(peer, Http2Peer) and self.chance.random() < 0.3:
                for number, heard in list(peer.heard.items()):
                    if heard.fields and heard.reset is None and number not in peer.ended:
                        with suppress(ProtocolError):
                            peer.answer(number, [], b"v" * 500_000)
                        break

    def _say_the_rest(self, peer: Http2Peer) -> None:
        for number, heard in list(peer.heard.items()):
            if peer is not self.client and heard.fields and heard.reset is None and number not in peer.ended:
                peer.say_head(number, [(b":status", b"204")], ends=True)
        for number in self.streams if peer is self.client else ():
            stream = peer.h2.streams.get(number)
            if number not in peer.ended and stream is not None and not stream.closed:
                peer.say(number, b"", ends=True)

    def look_for_leaks(self) -> None:
        """No stream is kept that its peer knows as closed."""
        for connection, peer in [(self.driver.client, self.client), *self.servers.items()]:
            pipe = self.driver.stack.pipes.get(connection)
            if pipe is not None and isinstance(codec := pipe.head, Http2Connection) and isinstance(peer, Http2Peer):
                theirs = peer.h2.streams
                kept = {number for number in codec.streams if number not in theirs or theirs[number].closed}
                assert not {(peer, number) for number in kept} - self.misused, f"on {connection}"
            

CHANCES = st.one_of(st.randoms(use_true_random=False), st.integers(0, 1 << 32).map(random.Random))


@given(CHANCES, st.integers(5, 25))
def test_both_sides_say_anything(chance: random.Random, steps: int) -> None:
    exploration = Exploration(chance)
    driver = exploration.driver
    exploration._exchange()
    for _ in range(steps):
        if not driver.is_over:
            exploration.step()
    if not exploration.breaks:
        exploration.finish()
        exploration._look()
        exploration.look_for_leaks()
    if not driver.is_over:
        driver.vanishes(driver.client)
    assert driver.is_over and driver.stack.failure is None
    assert set(map(id, driver.flows)) == set(map(id, driver.ended))
    assert not driver.asked and all(server in driver.closed for server in driver.servers)
    assert not any(conversation.strands for conversation in exploration._conversations())
    left = {type(codec).__name__: codec.streams for codec in exploration.codecs.values() if codec.streams}
    assert not left, "streams of connections that have gone"
