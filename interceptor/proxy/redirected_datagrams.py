"""Datagrams that the system leads to us (TPROXY): each tells where it was to go, and its answer has to come from there.

client ─▸ to 198.51.100.2:53 ─▸ our socket ─▸ a conversation for each (client, destination)
client ◂─ from 198.51.100.2:53 ◂─ `Answers`: a socket bound to that address, shared by who talks to it; or by hand
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, Protocol

from interceptor.model.connection import Address
from interceptor.platform.destinations import datagram_destination, socket_in_the_name_of, take_datagrams_for_others
from interceptor.platform.raw_datagrams import datagram_packet
from interceptor.proxy.datagrams import DatagramClient, DatagramSocket, Newcomer

_ANCILLARY_BYTES: Final = 128


class Answers(Protocol):
    """Sends in the name of others. `begin` before the first that a client is sent from there, `end` after the last."""

    def begin(self, source: Address) -> None:
        """OSError if it cannot be."""
        ...

    def send(self, piece: bytes, source: Address, peer: Any) -> None: ...
    def end(self, source: Address) -> None: ...
    def close(self) -> None: ...


class TransparentSockets:
    """A socket for each address in whose name something is sent. They are for sending: what comes to that address is led to the
    listening socket before."""

    def __init__(self) -> None:
        self._sockets: dict[Address, socket.socket] = {}
        self._users: dict[Address, int] = {}

    def begin(self, source: Address) -> None:
        if source not in self._sockets:
            self._sockets[source] = socket_in_the_name_of(source)
        self._users[source] = self._users.get(source, 0) + 1

    def send(self, piece: bytes, source: Address, peer: Any) -> None:
        self._sockets[source].sendto(piece, peer)

    def end(self, source: Address) -> None:
        self._users[source] -= 1
        if not self._users[source]:
            del self._users[source]
            self._sockets.pop(source).close()

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        self._users.clear()


class RawSocket:
    """In a network in which we can make no sockets: whole packets over one that was made there."""

    def __init__(self, raw: socket.socket) -> None:
        self._socket = raw

    def begin(self, source: Address) -> None:
        """Nothing is needed for it."""

    def send(self, piece: bytes, source: Address, peer: Any) -> None:
        host, port, *rest = peer
        self._socket.sendto(datagram_packet(source, (host, port), piece), (host, 0, *rest))

    def end(self, source: Address) -> None:
        """Nothing was."""

    def close(self) -> None:
        self._socket.close()


class RedirectedSocket(DatagramSocket):
    """A client is known by its address and its destination."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bound: socket.socket, answers: Answers) -> None:
        super().__init__(loop, bound)
        self._answers = answers

    def receive(self) -> tuple[Any, Any, bytes] | None:
        size, ancillary, _, peer = self.socket.recvmsg_into([self.buffer], _ANCILLARY_BYTES)
        destination = datagram_destination(ancillary)
        if destination is None or not destination[1]:
            return None
        return (peer, destination), None, bytes(memoryview(self.buffer)[:size])

    def newcomer(self, key: Any, way: Any) -> tuple[Newcomer, Any]:
        peer, destination = key
        return Newcomer(key, peer, self.local, destination), None

    def send(self, piece: bytes, client: DatagramClient) -> None:
        peer, destination = client.key
        if client.way is None:
            self._answers.begin(destination)
            client.way = self._answers
        self._answers.send(piece, destination, peer)

    def forget(self, client: DatagramClient) -> None:
        super().forget(client)
        if client.way is not None:
            client.way = None
            self._answers.end(client.key[1])

    def close(self, reason: str = "The listener was closed.") -> None:
        super().close(reason)
        self._answers.close()


def bound_redirected_socket(family: int, address: Any) -> socket.socket:
    """PermissionError without the right to stand in for others (CAP_NET_ADMIN), OSError if the address cannot be had."""
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        take_datagrams_for_others(bound)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setblocking(False)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
