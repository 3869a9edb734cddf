"""Many WebSockets through a proxy, each message with its number: load for measuring, in a process of its own.

    python -m tests.support.websocket_load serve                              prints its port; says every message back
    python -m tests.support.websocket_load ask PROXY_PORT URL SOCKETS SECONDS RATE     prints how many came back, all in order

Frames are written and read by hand: a library would take more of the processor than the proxy that is measured.
"""

from __future__ import annotations

import asyncio
import sys
import time
from urllib.parse import urlsplit

from websockets.utils import apply_mask

SIZE = 128
UNDER_WAY = 16
"""Messages of one socket that may be on their way."""

_KEY = b"\x01\x02\x03\x04"
GRANTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def content(number: int) -> bytes:
    return b"%010d" % number + b"." * (SIZE - 10)


def _from_client(number: int) -> bytes:
    return b"\x81\xfe\x00\x80" + _KEY + apply_mask(content(number), _KEY)


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._held, self._is_open = b"", False

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self._is_open:
            head, end, self._held = self._held.partition(b"\r\n\r\n")
            if not end:
                self._held = head
                return
            self._is_open = True
            self._transport.write(GRANTED)
        out = []
        while len(self._held) >= SIZE + 8:
            frame, self._held = self._held[: SIZE + 8], self._held[SIZE + 8 :]
            out.append(b"\x81\x7e\x00\x80" + apply_mask(frame[8:], frame[4:8]))
        if out:
            self._transport.write(b"".join(out))


class Asker(asyncio.Protocol):
    def __init__(self, url: str) -> None:
        self._url, self._held, self.is_open = url, b"", False
        self.sent = self.heard = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="
        fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\n{key}"
        self._transport.write(f"GET {self._url} HTTP/1.1\r\nHost: {urlsplit(self._url).netloc}\r\n{fields}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self.is_open:
            head, end, self._held = self._held.partition(b"\r\n\r\n")
            if not end:
                self._held = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self.is_open = True
        while len(self._held) >= SIZE + 4:
            assert self._held[4 : SIZE + 4] == content(self.heard), f"message {self.heard} is not what comes next"
            self._held = self._held[SIZE + 4 :]
            self.heard += 1

    def say(self, most: int) -> int:
        """So many more, as far as may be on their way."""
        count = min(most, UNDER_WAY - (self.sent - self.heard)) if self.is_open else 0
        if count > 0:
            self._transport.write(b"".join(_from_client(self.sent + index) for index in range(count)))
            self.sent += count
        return max(count, 0)

    def close(self) -> None:
        self._transport.write(b"\x88\x82" + _KEY + apply_mask(b"\x03\xe8", _KEY))
        self._transport.close()


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def ask(port: int, url: str, sockets: int, seconds: float, rate: float) -> int:
    loop = asyncio.get_running_loop()
    askers = [Asker(f"{url}{number}") for number in range(sockets)]
    for asker in askers:
        await loop.create_connection(lambda asker=asker: asker, "127.0.0.1", port)
    while not all(asker.is_open for asker in askers):
        await asyncio.sleep(0.01)
    begin, said = time.monotonic(), 0
    while (now := time.monotonic() - begin) < seconds:
        due = int(now * rate) - said
        for asker in askers:
            said += asker.say(-(-due // sockets))
        said = max(said, int(now * rate) - sockets * UNDER_WAY)  # what could not be sent in time is left out
        await asyncio.sleep(0.005)
    while any(asker.heard < asker.sent for asker in askers):
        await asyncio.sleep(0.01)
    for asker in askers:
        asker.close()
    return sum(asker.heard for asker in askers)


if __name__ == "__main__":
    import uvloop

    if sys.argv[1] == "serve":
        uvloop.run(serve())
    else:
        proxy, url, count, *numbers = sys.argv[2:]
        print(uvloop.run(ask(int(proxy), url, int(count), *map(float, numbers))), flush=True)
