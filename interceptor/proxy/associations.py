"""UDP for a client of SOCKS5 (RFC 1928 §7): a socket of its own, whose datagrams say in a header where they are to go.

    client ─▸ [0 0, fragment 0, kind, address, port] data ─▸ a conversation for each destination     answers go back in the same

Only the client is heard: the host that its connection comes from, and there one port, the announced one or else the first that
something comes from. Fragments are refused, as is what has no such header. What is refused is told once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

from interceptor.model.connection import Address, bracketed
from interceptor.proxy.datagrams import DatagramClient, DatagramSocket, Newcomer, bound_datagram_socket
from interceptor.proxy.socks_messages import unwrapped

CONVERSATIONS: Final = 512
"""Of one association."""


class Association(DatagramSocket):
    """`local` is where the client is to send. OSError if there is no socket to be had."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, client: Address, announced: Address, at_host: str, tell: Callable[[str], None]
    ) -> None:
        family = socket.AF_INET6 if ":" in at_host else socket.AF_INET
        super().__init__(loop, bound_datagram_socket(family, (at_host, 0)), CONVERSATIONS)
        self._client_host, self._client_port = client[0], announced[1]
        self._tell, self._told = tell, set[str]()

    def receive(self) -> tuple[Any, Any, bytes] | None:
        size, peer = self.socket.recvfrom_into(self.buffer)
        data = bytes(memoryview(self.buffer)[:size])
        if not self._is_the_client(peer):
            return None
        try:
            destination, content = unwrapped(data)
        except ValueError as error:
            self._refused(str(error))
            return None
        return (peer, destination), data[: len(data) - len(content)], content

    def newcomer(self, key: Any, way: Any) -> tuple[Newcomer, Any]:
        peer, destination = key
        return Newcomer(key, peer, self.local, destination), way

    def send(self, piece: bytes, client: DatagramClient) -> None:
        self.socket.sendto(client.way + piece, client.key[0])

    def _is_the_client(self, peer: Any) -> bool:
        if not _is_same_host(peer[0], self._client_host):
            self._refused(f"it comes from {bracketed(peer[0])}, and not from {bracketed(self._client_host)}")
            return False
        if not self._client_port:
            self._client_port = peer[1]
        if peer[1] != self._client_port:
            self._refused(f"it comes from port {peer[1]}, and not from {self._client_port}")
            return False
        return True

    def _refused(self, reason: str) -> None:
        if reason not in self._told and len(self._told) < 4:
            self._told.add(reason)
            self._tell(f"A datagram for the SOCKS client {bracketed(self._client_host)} was dropped: {reason}.")


def _is_same_host(one: str, other: str) -> bool:
    return one == other or ip_address(one.partition("%")[0]) == ip_address(other.partition("%")[0])
