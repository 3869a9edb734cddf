"""TLS as a tunnel: bytes down from a head and up to it; the peer on the other side is the standard library's TLS."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from OpenSSL import SSL

from interceptor.model.connection import Connection, Origin, Side
from interceptor.proxy.core.effects import Effect, Send
from interceptor.proxy.core.events import DataReceived, Opened, PipeEvent
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.server_tls import ServerTls
from interceptor.proxy.settings import Settings
from tests.bench.measure import Benchmark
from tests.support.certificates import TestAuthority

SIZE = 65536


class UpstreamTls:
    """Trusts one CA; resumes nothing."""

    def __init__(self, ca_file: Path) -> None:
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._context.load_verify_locations(str(ca_file))
        self._context.set_verify(SSL.VERIFY_PEER)

    def context(self, host: str, *, is_verified: bool) -> object:
        return self._context

    def session(self, key: object) -> object | None:
        return None

    def keep_session(self, key: object, session: object) -> None:
        pass


class Counting(Layer):
    received = 0

    def receive(self, event: PipeEvent) -> None:
        if isinstance(event, DataReceived):
            self.received += len(event.data)


class Wire:
    """A server connection with TLS on a stack, and its peer. Everything that either says is carried to the other."""

    def __init__(self, authority: TestAuthority, context: ssl.SSLContext) -> None:
        self.stack, self.server = Stack(), Connection(Side.SERVER)
        settings = Settings(upstream_tls=UpstreamTls(authority.ca_file))
        self.head = Counting(self.stack)
        tunnel = ServerTls(self.stack, settings, Origin("https", "localhost", 443), (b"http/1.1",))
        self.stack.open(self.server, [tunnel], self.head)
        self._to_peer, self._from_peer = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer = context.wrap_bio(self._to_peer, self._from_peer, server_side=True)

    def shake_hands(self) -> None:
        self._carry(self.stack.turn(Opened(self.server), 0.0))
        for _ in range(5):
            try:
                self.peer.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._answer()
        self._answer()
        assert self.server.tls is not None
        assert self.server.tls.version, self.server.error

    def down(self, data: bytes) -> None:
        self.head.wire(Send(self.server, data))
        self._carry(self.stack.turn(DataReceived(Connection(Side.CLIENT), b"x"), 0.0))
        left = len(data)
        while left:
            left -= len(self.peer.read(SIZE))

    def up(self, data: bytes) -> None:
        self.peer.write(data)
        self._answer()

    def _carry(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._to_peer.write(effect.data)

    def _answer(self) -> None:
        while data := self._from_peer.read(SIZE):
            self._carry(self.stack.turn(DataReceived(self.server, data), 0.0))


def _open_wire() -> Wire:
    with tempfile.TemporaryDirectory() as folder:
        authority = TestAuthority(Path(folder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue().file)
        wire = Wire(authority, context)
    wire.shake_hands()
    return wire


def _down() -> Callable[[], object]:
    wire, data = _open_wire(), b"x" * SIZE
    return lambda: wire.down(data)


def _up() -> Callable[[], object]:
    wire, data = _open_wire(), b"x" * SIZE
    return lambda: wire.up(data)


def _handshake() -> Callable[[], object]:
    folder = tempfile.TemporaryDirectory()
    authority = TestAuthority(Path(folder.name))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue().file)

    def shake() -> object:
        assert folder.name
        wire = Wire(authority, context)
        wire.shake_hands()
        return wire

    return shake


BENCHMARKS = [
    Benchmark("tls: 64 KiB down, both ends", _down, SIZE),
    Benchmark("tls: 64 KiB up, both ends", _up, SIZE),
    Benchmark("tls: handshake with a server, both ends, no resumption", _handshake),
]
