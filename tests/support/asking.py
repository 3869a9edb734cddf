"""Many requests a second, from a process of its own: `python -m tests.support.asking origin`, or PROXY ORIGIN FIRST STEP CLIENTS.

The origin says its port and answers until it is ended. The clients say that they are there, ask for one number after the other,
and when the proxy has gone they print each whose answer had come, with the moment (monotonic, the same for all processes).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from itertools import count

from tests.support.crash import body_of


class _Origin(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            path, self._buffer = self._buffer[:end].split(b" ", 2)[1], self._buffer[end + 4 :]
            body = body_of(int(path.rpartition(b"/")[2]))
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


class _Client(asyncio.Protocol):
    def __init__(self, origin: int, numbers: Iterator[int], completed: list[tuple[int, float]]) -> None:
        self._origin, self._numbers, self._completed = origin, numbers, completed
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._number, self._buffer, self._size = next(self._numbers), b"", -1
        self._transport.write(b"GET http://127.0.0.1:%d/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (self._origin, self._number))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end >= 0 and len(self._buffer) >= end + 4 + len(body_of(self._number)):
            assert self._buffer[end + 4 :] == body_of(self._number)
            self._completed.append((self._number, time.monotonic()))
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set_result(None)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Origin, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _ask(proxy: int, origin: int, first: int, step: int, clients: int) -> None:
    numbers, completed = count(first, step), list[tuple[int, float]]()
    made = [
        await asyncio.get_running_loop().create_connection(lambda: _Client(origin, numbers, completed), "127.0.0.1", proxy)
        for _ in range(clients)
    ]
    print("asking", flush=True)
    for _, client in made:
        await client.ended
    print("\n".join(f"{number} {moment}" for number, moment in completed))


if __name__ == "__main__":
    if sys.argv[1:] == ["origin"]:
        asyncio.run(_serve())
    else:
        asyncio.run(_ask(*map(int, sys.argv[1:])))
