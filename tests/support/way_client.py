"""The client of the matrix of ways: says its little in each protocol, by each way in.

    python -m tests.support.way_client CA GATEWAY GATEWAY6 <names of cells, one a line     prints {name: "" or what went wrong}
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address

from tests.support.http2_peers import Http2Peer
from tests.support.parents import Reader, Writer
from tests.support.way_cells import LED, Cell, cells
from tests.support.way_server import dns_answer

AT_ONCE = 8
SECONDS = 30.0
Ends = tuple[Reader, Writer]


class Client:
    def __init__(self, ca_file: str, gateway: str, gateway6: str) -> None:
        self._gateways = {"4": gateway, "6": gateway6, "n": gateway}
        self._one_at_a_time = asyncio.Lock()
        self._trust = ssl.create_default_context(cafile=ca_file)
        self._trust.check_hostname = False  # of the proxy itself: its certificate is for the address that it was reached at
        self._origin_trust = ssl.create_default_context(cafile=ca_file)
        self._origin_trust2 = ssl.create_default_context(cafile=ca_file)
        self._origin_trust2.set_alpn_protocols(["h2"])

    async def run(self, cell: Cell) -> str:
        try:
            await asyncio.wait_for(self._say(cell), SECONDS)
        except TimeoutError:
            return f"not finished within {SECONDS:g} s"
        except (OSError, AssertionError, asyncio.IncompleteReadError, ssl.SSLError) as error:
            return repr(error)
        return ""

    async def _say(self, cell: Cell) -> None:
        own_ways = {"UDP": self._udp, "DNS": self._dns, "DNS by TCP": self._dns_by_tcp}
        if cell.protocol in own_ways:
            return await own_ways[cell.protocol](cell)
        is_forwarded = cell.mode.startswith("regular") and cell.protocol == "HTTP/1"
        ends = await (self._to_proxy(cell) if is_forwarded else self._reach(cell))
        say = {
            "HTTP/1": self._http1,
            "HTTPS, HTTP/2": self._http2,
            "WebSocket": self._websocket,
            "TCP": self._tcp,
            "TLS": self._tls,
        }[cell.protocol]
        await say(cell, *ends)
        ends[1].close()

    # --- ways in ----------------------------------------------------------------------------------------------

    async def _to_proxy(self, cell: Cell) -> Ends:
        secure = self._trust if cell.mode == "regular, over TLS" else None
        return await asyncio.open_connection(self._gateways[cell.family], cell.port, ssl=secure)

    async def _reach(self, cell: Cell) -> Ends:
        """What is said on it goes to the origin."""
        host, port = cell.origin
        if cell.mode in LED:
            return await asyncio.open_connection(host, port)
        reader, writer = await self._to_proxy(cell)
        if cell.mode.startswith("regular"):
            writer.write(f"CONNECT {cell.authority} HTTP/1.1\r\nHost: {cell.authority}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head + await reader.read(1000)
        elif cell.mode == "socks5":
            writer.write(b"\5\1\0" + b"\5\1\0" + self._socks_address(cell))
            answer = await reader.readexactly(12)
            assert answer[:4] == b"\5\0\5\0", answer
        elif cell.mode == "socks5 (4a)":
            address, name = (b"\0\0\0\1", host.encode() + b"\0") if cell.family == "n" else (ip_address(host).packed, b"")
            writer.write(b"\4\1" + port.to_bytes(2, "big") + address + b"\0" + name)
            answer = await reader.readexactly(8)
            assert answer[:2] == b"\0\x5a", answer
        return reader, writer

    @staticmethod
    def _socks_address(cell: Cell) -> bytes:
        host, port = cell.origin
        kinds = {"4": b"\1", "6": b"\4", "n": b"\3"}
        said = bytes((len(host),)) + host.encode() if cell.family == "n" else ip_address(host).packed
        return kinds[cell.family] + said + port.to_bytes(2, "big")

    # --- what is said -----------------------------------------------------------------------------------------

    async def _http1(self, cell: Cell, reader: Reader, writer: Writer) -> None:
        target = f"http://{cell.authority}" if cell.mode.startswith("regular") else ""
        writer.write(f"GET {target}/{cell.name} HTTP/1.1\r\nHost: {cell.authority}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        wanted = f"/{cell.name}".encode()
        assert head.startswith(b"HTTP/1.1 200 "), head + await reader.read(2000)
        assert await reader.readexactly(len(wanted)) == wanted

    async def _http2(self, cell: Cell, reader: Reader, writer: Writer) -> None:
        await writer.start_tls(self._origin_trust2, server_hostname=cell.origin[0])
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        peer, path = Http2Peer(is_client=True), f"/{cell.name}".encode()
        stream = peer.ask(path=path, authority=cell.authority.encode(), scheme=b"https")
        writer.write(peer.take())
        while stream not in peer.heard or not peer.heard[stream].has_ended:
            data = await reader.read(65536)
            assert data, "the connection was closed"
            peer.feed(data)
            writer.write(peer.take())
        heard = peer.heard[stream]
        assert (heard.status, bytes(heard.body)) == (200, path), heard

    async def _websocket(self, cell: Cell, reader: Reader, writer: Writer) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET /{cell.name} HTTP/1.1\r\nHost: {cell.authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 "), answer + await reader.read(2000)
        for frame in (b"\x81\x05hello", b"\x88\x02\x03\xe8"):  # a text, then a close
            mask = b"\1\2\3\4"
            masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(frame[2:]))
            writer.write(frame[:1] + bytes((frame[1] | 0x80,)) + mask + masked)
            assert await reader.readexactly(len(frame)) == frame

    async def _tcp(self, cell: Cell, reader: Reader, writer: Writer) -> None:
        greeting = await reader.readexactly(11)
        assert greeting == b"220 ready\r\n", greeting
        await self._conversation(cell, reader, writer)

    async def _tls(self, cell: Cell, reader: Reader, writer: Writer) -> None:
        await writer.start_tls(self._origin_trust, server_hostname=cell.origin[0])
        await self._conversation(cell, reader, writer)

    async def _conversation(self, cell: Cell, reader: Reader, writer: Writer) -> None:
        for words in (cell.name.encode(), b"and more"):
            writer.write(words)
            heard = await reader.readexactly(len(words))
            assert heard == words, heard

    async def _udp(self, cell: Cell) -> None:
        async with self._datagrams(cell) as ask:
            for words in (cell.name.encode(), b"and more"):
                assert await ask(words) == words[::-1]

    async def _dns(self, cell: Cell) -> None:
        async with self._datagrams(cell) as ask, self._turn(cell):
            query = _query(cell)
            assert await ask(query) == dns_answer(query)

    async def _dns_by_tcp(self, cell: Cell) -> None:
        reader, writer = await self._to_proxy(cell)
        query = _query(cell)
        async with self._turn(cell):
            writer.write(len(query).to_bytes(2, "big") + query)
            size = int.from_bytes(await reader.readexactly(2), "big")
            assert await reader.readexactly(size) == dns_answer(query)
        writer.close()

    def _turn(self, cell: Cell) -> contextlib.AbstractAsyncContextManager[None]:
        """Queries to mode `dns` go one after the other."""
        return self._one_at_a_time if cell.mode == "dns" else contextlib.nullcontext()

    @contextlib.asynccontextmanager
    async def _datagrams(self, cell: Cell) -> AsyncIterator[Callable[[bytes], Awaitable[bytes]]]:
        """A conversation in which one is sent and one comes back."""
        loop, came = asyncio.get_running_loop(), asyncio.Queue[bytes]()

        class Ear(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                came.put_nowait(data)

        to, header, writer = (self._gateways[cell.family], cell.port), b"", None
        if cell.mode in LED:
            to = cell.origin
        elif cell.mode == "socks5":
            reader, writer = await self._to_proxy(cell)
            writer.write(b"\5\1\0" + b"\5\3\0" + bytes((1, 0, 0, 0, 0, 0, 0)))
            answer = await reader.readexactly(24 if cell.family == "6" else 12)
            assert answer[:5] == b"\5\0\5\0\0", answer
            to, header = (to[0], int.from_bytes(answer[-2:], "big")), b"\0\0\0" + self._socks_address(cell)
        transport, _ = await loop.create_datagram_endpoint(Ear, remote_addr=to)

        async def ask(words: bytes) -> bytes:
            transport.sendto(header + words)
            heard = await came.get()
            assert heard.startswith(header), heard
            return heard[len(header) :]

        yield ask
        transport.close()
        if writer is not None:
            writer.close()


def _query(cell: Cell) -> bytes:
    """For the addresses of its name."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in cell.question.split("."))
    return b"\x12\x34\1\0\0\1" + bytes(6) + labels + b"\0\0\1\0\1"


async def _main() -> None:
    client = Client(*sys.argv[1:4])
    known = {cell.name: cell for cell in cells()}
    wanted = sys.stdin.read().split()
    turns = asyncio.Semaphore(AT_ONCE)

    async def take_turn(name: str) -> str:
        async with turns:
            return await client.run(known[name])

    results = await asyncio.gather(*map(take_turn, wanted))
    print(json.dumps(dict(zip(wanted, results, strict=True))))


if __name__ == "__main__":
    asyncio.run(_main())
