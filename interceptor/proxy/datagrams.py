"""UDP between sockets and drivers: one socket per listener, a driver for each client's address; a socket of its own towards a
server.

    listening socket ─▸ DatagramSocket ─ by address ─▸ DatagramClient ─▸ its driver        pieces ─▸ sendto the client
    connected socket ─▸ DatagramServer ─▸ its driver                                         pieces ─▸ send

What the datagrams of a listening socket belong to is told by a key: the client's address; where they say themselves where they
are to go (SOCKS, TPROXY: `associations.py`, `redirected_datagrams.py`), by that as well.

Every piece that a layer sends is one datagram. Nothing here waits for room: what the system does not take at once is lost on the
way, as datagrams may be. Who is paused keeps a little; what comes above that is lost, too. There is a limit to the
clients of one socket; a new one above it takes the place of the one that was silent longest and has nothing held.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from interceptor.model.connection import Address, Connection
from interceptor.proxy.core.events import Closed, DataReceived, Event

LARGEST: Final = 65_535
AT_ONCE: Final = 16
"""So many are read before others have their turn."""
KEPT_WHILE_PAUSED: Final = 64 * 1024
CLIENTS: Final = 4_096
LOOKED_AT: Final = 64
_BUFFER_BYTES: Final = 1024 * 1024
_IP_PKTINFO: Final = 8  # Linux; the socket module has no name for it
_IS_LINUX: Final = sys.platform == "linux"


@dataclass(slots=True)
class Newcomer:
    """Whose first datagram has come. `key` tells its datagrams from others'; `destination` is where they are to go, None if the
    listener alone knows that."""

    key: Any
    peer: Any
    local: Any
    destination: Address | None = None


class Driving(Protocol):
    """What a transport knows of its driver."""

    @property
    def is_holding(self) -> bool: ...

    def deliver(self, event: Event) -> None: ...
    def transport_gone(self, connection: Connection) -> None: ...
    def shut_down(self, reason: str) -> None: ...


class _Datagrams:
    """What both ends have in common: see `transports.TcpTransport`, which does the same for streams."""

    __slots__ = ("_driver", "_loop", "connection", "is_closed", "pieces")

    def __init__(self, loop: asyncio.AbstractEventLoop, driver: Driving, connection: Connection) -> None:
        self._loop, self._driver, self.connection = loop, driver, connection
        self.is_closed = False
        self.pieces: list[bytes] = []

    def begin(self) -> None:
        """The stack knows of this connection."""

    def half_close(self) -> None:
        """There is no such thing."""

    def flush(self) -> None:
        pieces, self.pieces = self.pieces, []
        for piece in pieces:
            try:
                self._send(piece)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                return self._failed(error)

    def close(self, is_abrupt: bool = False) -> None:
        """After what was sent. No event of it is delivered any more."""
        if self.is_closed:
            return
        if self.pieces:
            self.flush()
        self.is_closed = True
        self._leave()
        self._loop.call_soon(self._driver.transport_gone, self.connection)

    def _failed(self, error: OSError) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self._leave()
        self._driver.deliver(Closed(self.connection, _in_words(error)))
        self._driver.transport_gone(self.connection)

    def _send(self, piece: bytes) -> None:
        raise AssertionError("each end sends in its own way")

    def _leave(self) -> None:
        raise AssertionError("each end leaves in its own way")


class DatagramServer(_Datagrams):
    """A connected socket: only its server is heard, and a refusal of it is told."""

    __slots__ = ("_is_reading", "_socket")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, driver: Driving, connection: Connection, connected: socket.socket
    ) -> None:
        super().__init__(loop, driver, connection)
        self._socket, self._is_reading = connected, False

    def begin(self) -> None:
        self.resume()

    def addresses(self) -> tuple[Address, Address]:
        return self._socket.getsockname()[:2], self._socket.getpeername()[:2]

    def pause(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._socket.fileno())

    def resume(self) -> None:
        if not self._is_reading and not self.is_closed:
            self._is_reading = True
            self._loop.add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        for _ in range(AT_ONCE):
            if not self._is_reading:
                return
            try:
                data = self._socket.recv(LARGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                return self._failed(error)
            self._driver.deliver(DataReceived(self.connection, data))

    def _send(self, piece: bytes) -> None:
        self._socket.send(piece)

    def _leave(self) -> None:
        self.pause()
        self._socket.close()


class DatagramClient(_Datagrams):
    """One client of a listening socket, by its key. `way` is the owner's: by which way it is answered."""

    __slots__ = ("_kept", "_kept_bytes", "_owner", "is_paused", "key", "way")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, driver: Driving, connection: Connection, owner: DatagramSocket, key: Any
    ) -> None:
        super().__init__(loop, driver, connection)
        self._owner, self.key = owner, key
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self.is_paused = False
        self.way: Any = None

    @property
    def driver(self) -> Driving:
        return self._driver

    def addresses(self) -> tuple[Address | None, Address | None]:
        return self.connection.local, self.connection.peer

    def received(self, data: bytes) -> None:
        if not self.is_paused and not self._kept:
            self._driver.deliver(DataReceived(self.connection, data))
        elif self._kept_bytes + len(data) <= KEPT_WHILE_PAUSED and len(self._kept) < KEPT_WHILE_PAUSED // 64:
            self._kept.append(data)
            self._kept_bytes += len(data)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False
        while self._kept and not self.is_paused and not self.is_closed:
            data = self._kept.popleft()
            self._kept_bytes -= len(data)
            self._driver.deliver(DataReceived(self.connection, data))

    def _send(self, piece: bytes) -> None:
        self._owner.send(piece, self)

    def _leave(self) -> None:
        self._kept.clear()
        self._owner.forget(self)


Admit = Callable[[Newcomer], DatagramClient | None]
"""Makes the transport of a new one, or None if it is not wanted."""


class DatagramSocket:
    """A bound socket and its clients. Subclasses say in `receive`, `newcomer` and `send` how datagrams tell where they belong."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bound: socket.socket, clients: int = CLIENTS) -> None:
        self._loop, self.socket, self._limit = loop, bound, clients
        self._clients: dict[Any, DatagramClient] = {}  # the one that was heard last is the last
        self.buffer = bytearray(LARGEST)
        self._admit: Admit = lambda newcomer: None
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self.local = bound.getsockname()
        self._is_everywhere = _IS_LINUX and self.local[0] in ("0.0.0.0", "::") and _tells_own_address(bound)

    def start(self, admit: Admit) -> None:
        self._admit = admit
        self._loop.add_reader(self.socket.fileno(), self._readable)

    def close(self, reason: str = "The listener was closed.") -> None:
        """Its clients' conversations end with it; with no reason, well."""
        if self.socket.fileno() < 0:
            return
        self._loop.remove_reader(self.socket.fileno())
        for client in list(self._clients.values()):
            client.driver.shut_down(reason)
        self.socket.close()

    def forget(self, client: DatagramClient) -> None:
        if self._clients.get(client.key) is client:
            del self._clients[client.key]

    def receive(self) -> tuple[Any, Any, bytes] | None:
        """(key, way, content) of one datagram, or None if it is nobody's. OSError as from the socket."""
        if self._is_everywhere:
            size, route, _, peer = self.socket.recvmsg_into([self.buffer], 64)
            return peer, route, bytes(memoryview(self.buffer)[:size])
        size, peer = self.socket.recvfrom_into(self.buffer)
        return peer, (), bytes(memoryview(self.buffer)[:size])

    def newcomer(self, key: Any, way: Any) -> tuple[Newcomer, Any]:
        """And the way by which it is answered."""
        return Newcomer(key, key, (_destination(way) or self.local[0], self.local[1])), _answering(way)

    def send(self, piece: bytes, client: DatagramClient) -> None:
        if client.way:
            self.socket.sendmsg([piece], client.way, 0, client.key)
        else:
            self.socket.sendto(piece, client.key)

    def _readable(self) -> None:
        for _ in range(AT_ONCE):
            try:
                arrived = self.receive()
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # of one that was sent earlier; on some systems that is told here, and not whose it was
            if arrived is None:
                continue
            key, way, content = arrived
            if client := self._clients.pop(key, None) or self._new(key, way):
                self._clients[key] = client
                client.received(content)
            if self.socket.fileno() < 0:
                return

    def _new(self, key: Any, way: Any) -> DatagramClient | None:
        if len(self._clients) >= self._limit and not self._made_room():
            return None
        newcomer, way_back = self.newcomer(key, way)
        client = self._admit(newcomer)
        if client is None or client.is_closed:
            return None
        client.way = way_back
        return client

    def _made_room(self) -> bool:
        for _, client in zip(range(LOOKED_AT), list(self._clients.values()), strict=False):
            if not client.driver.is_holding:
                client.driver.shut_down("A newer conversation took its place: there were too many at once.")
                return True
        return False


def bound_datagram_socket(family: int, address: Any) -> socket.socket:
    """OSError if it cannot be had."""
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setblocking(False)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _tells_own_address(bound: socket.socket) -> bool:
    """Bound to all addresses, it has to be asked for which of them a datagram came to, so that the answer comes from there."""
    try:
        if bound.family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            bound.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    except OSError:
        return False
    return True


def _destination(route: Sequence[tuple[int, int, bytes]]) -> str:
    for level, _, content in route:
        if level == socket.IPPROTO_IPV6:
            return socket.inet_ntop(socket.AF_INET6, content[:16])
        return socket.inet_ntop(socket.AF_INET, content[8:12])
    return ""


def _answering(route: Sequence[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """The same address as the source of what is sent; the system chooses the interface for IPv4."""
    return [
        (level, kind, content if level == socket.IPPROTO_IPV6 else struct.pack("i", 0) + content[8:12] + bytes(4))
        for level, kind, content in route
    ]


def _in_words(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nobody listens on that UDP port"
    return (error.strerror or str(error)).lower()
