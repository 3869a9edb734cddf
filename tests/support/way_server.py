"""Behind the gateway, for the matrix of ways: origins that say a little in each protocol, and a parent of each kind.

    python -m tests.support.way_server CERTIFICATE LOG

HTTP on 80 (a path is answered with itself, a WebSocket repeats), HTTP/2 in TLS on 443; raw conversations that begin with a
greeting and repeat on 2525, or repeat in TLS on 2526; datagrams turned round on 2527; DNS on 53. Parents tell LOG what they lead
on.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import ssl
import sys
from pathlib import Path

from tests.support.http2_peers import Http2Peer
from tests.support.parents import Reader, Writer, start_parent
from tests.support.way_cells import PARENTS, PORTS, origin_names

_WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def _http(reader: Reader, writer: Writer) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            line, *lines = head[:-4].split(b"\r\n")
            fields = {name.lower(): value for name, _, value in (each.partition(b": ") for each in lines)}
            if key := fields.get(b"sec-websocket-key"):
                accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET_KEY).digest())
                grant = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                writer.write(grant + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
                await _websocket(reader, writer)
                break
            path = line.split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))
    writer.close()


async def _websocket(reader: Reader, writer: Writer) -> None:
    """Short messages alone, until the client closes."""
    while True:
        first, size = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(await reader.readexactly(size & 0x7F)))
        writer.write(bytes((first, len(payload))) + payload)
        if first & 0xF == 8:
            return


async def _http2(reader: Reader, writer: Writer) -> None:
    peer, answered = Http2Peer(is_client=False), set[int]()
    writer.write(peer.take())
    while data := await reader.read(65536):
        peer.feed(data)
        for stream, heard in peer.heard.items():
            if heard.has_ended and stream not in answered:
                answered.add(stream)
                peer.answer(stream, body=dict(heard.fields)[b":path"])
        writer.write(peer.take())
    writer.close()


async def _greet(reader: Reader, writer: Writer) -> None:
    writer.write(b"220 ready\r\n")
    await _repeat(reader, writer)


async def _repeat(reader: Reader, writer: Writer) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


class _TurnRound(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._transport.sendto(data[::-1], addr)  # type: ignore[attr-defined]


def dns_answer(query: bytes) -> bytes:
    """Every name is 192.0.2.55."""
    return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x37"


class _Names(_TurnRound):
    def datagram_received(self, data: bytes, addr: object) -> None:
        self._transport.sendto(dns_answer(data), addr)  # type: ignore[attr-defined]


async def _names(reader: Reader, writer: Writer) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError):
        while size := await reader.readexactly(2):
            answer = dns_answer(await reader.readexactly(int.from_bytes(size, "big")))
            writer.write(len(answer).to_bytes(2, "big") + answer)
    writer.close()


async def _serve(certificate: Path, log: Path) -> None:
    context, context2 = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for each in (context, context2):
        each.load_cert_chain(certificate)
    context2.set_alpn_protocols(["h2"])
    await asyncio.start_server(_http, None, PORTS["HTTP/1"])
    await asyncio.start_server(_http2, None, PORTS["HTTPS, HTTP/2"], ssl=context2)
    await asyncio.start_server(_greet, None, PORTS["TCP"])
    await asyncio.start_server(_repeat, None, PORTS["TLS"], ssl=context)
    await asyncio.start_server(_names, None, PORTS["DNS by TCP"])
    for host in origin_names():  # each address its own: an answer comes from where it was asked
        if not host.endswith(".test"):
            await asyncio.get_running_loop().create_datagram_endpoint(_TurnRound, (host, PORTS["UDP"]))
            await asyncio.get_running_loop().create_datagram_endpoint(_Names, (host, PORTS["DNS"]))
    with log.open("w", buffering=1) as told:
        for kind, port in PARENTS.items():
            await start_parent(kind, None, port, lambda what: print(what, file=told), certificate)
        print("serving", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), Path(sys.argv[2])))
