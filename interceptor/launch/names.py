"""DNS for a program in a network of its own: queries go to this machine's name server, and answers back, as they are."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

RESOLV_CONF: Final = Path("/etc/resolv.conf")
_SECONDS: Final = 10.0
_MOST_WAITING: Final = 1_000


def name_servers(path: Path = RESOLV_CONF) -> Sequence[str]:
    """Addresses, in the order of the file (resolv.conf(5)); the local one where it names none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    return [each[1] for each in words if len(each) > 1 and each[0] == "nameserver"] or ["127.0.0.1"]


class Names:
    """Serves the sockets until `close`. Queries that nobody answers are forgotten; the program asks again."""

    def __init__(self, sockets: Sequence[socket.socket], server: tuple[str, int] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = server or (name_servers()[0], 53)
        self._sockets = list(sockets)
        self._waiting: set[asyncio.Task[None]] = set()
        for sock in self._sockets:
            sock.setblocking(False)
            self._loop.add_reader(sock.fileno(), self._asked, sock)

    def _asked(self, sock: socket.socket) -> None:
        try:
            query, peer = sock.recvfrom(65_535)
        except OSError:
            return
        if len(self._waiting) < _MOST_WAITING:
            task = self._loop.create_task(self._answer(sock, query, peer))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _answer(self, sock: socket.socket, query: bytes, peer: Any) -> None:
        answer: asyncio.Future[bytes] = self._loop.create_future()
        try:
            transport, _ = await self._loop.create_datagram_endpoint(lambda: _Asking(answer.set_result), remote_addr=self._server)
            try:
                transport.sendto(query)
                sock.sendto(await asyncio.wait_for(answer, _SECONDS), peer)
            finally:
                transport.close()
        except OSError:  # TimeoutError is one
            pass

    def close(self) -> None:
        for task in self._waiting:
            task.cancel()
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets = []


class _Asking(asyncio.DatagramProtocol):
    def __init__(self, answered: Callable[[bytes], None]) -> None:
        self._answered, self._is_answered = answered, False

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self._is_answered:
            self._is_answered = True
            self._answered(data)
