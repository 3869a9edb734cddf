"""Proxies that our own goes over: each kind that a route knows, written for the tests alone, and none of our code in them.

    await start_parent("socks5h", host, port, …)      "http", "https" (HTTP/1.1 in TLS), "h2" (HTTP/2 in TLS), "socks"

Each wants credentials (`USER`, `PASSWORD`; SOCKS4 the user alone), and tells `log` of every tunnel or request that it leads on:
`kind host:port`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from pathlib import Path

from tests.support.http2_peers import Http2Peer

USER, PASSWORD = "me", "pw"
BASIC = b"Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())
Log = Callable[[str], None]
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


async def start_parent(kind: str, host: str | None, port: int, log: Log, certificate: Path | None = None) -> asyncio.Server:
    """`certificate`: what the kinds over TLS show."""
    context = None
    if kind in ("https", "h2"):
        assert certificate is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.set_alpn_protocols(["h2", "http/1.1"] if kind == "h2" else ["http/1.1"])
    serve = {"http": _http, "https": _http, "h2": _http2, "socks": _socks}[kind]

    async def accepted(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            await serve(reader, writer, lambda what: log(f"{kind} {what}"))
        writer.close()

    return await asyncio.start_server(accepted, host, port, ssl=context)


async def pump(reader: Reader, writer: Writer) -> None:
    """Until the end, which is passed on; a connection in TLS knows no half of it."""
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()


async def _both_ways(reader: Reader, writer: Writer, onward: tuple[Reader, Writer]) -> None:
    await asyncio.gather(pump(reader, onward[1]), pump(onward[0], writer))
    onward[1].close()


def _authority(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# --- HTTP/1 -----------------------------------------------------------------------------------------------------


async def _http(reader: Reader, writer: Writer, log: Log) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        line, *lines = head[:-4].split(b"\r\n")
        method, target, version = line.split(b" ")
        fields = [tuple(each.split(b": ", 1)) for each in lines]
        known = {name.lower(): value for name, value in fields}
        if known.get(b"proxy-authorization") != BASIC:
            writer.write(b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=p\r\nContent-Length: 0\r\n\r\n")
            continue
        if method == b"CONNECT":
            host, port = _authority(target.decode())
            log(_shown(host, port))
            onward = await asyncio.open_connection(host, port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return await _both_ways(reader, writer, onward)
        authority, slash, path = target.removeprefix(b"http://").partition(b"/")
        host, port = _authority(authority.decode() if b":" in authority.rpartition(b"]")[2] else authority.decode() + ":80")
        log(_shown(host, port))
        onward = await asyncio.open_connection(host, port)
        passed = [b"%b: %b" % each for each in fields if each[0].lower() not in (b"proxy-authorization", b"connection")]
        onward[1].write(b"\r\n".join([b"%b %b %b" % (method, slash + path, version), *passed, b"Connection: close", b"", b""]))
        return await _both_ways(reader, writer, onward)


# --- HTTP/2 -----------------------------------------------------------------------------------------------------


async def _http2(reader: Reader, writer: Writer, log: Log) -> None:
    """Tunnels alone, any number of them on the connection."""
    if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
        return await _http(reader, writer, log)
    peer, begun, taken = Http2Peer(is_client=False), set[int](), dict[int, int]()
    onwards: dict[int, asyncio.StreamWriter] = {}
    tasks: set[asyncio.Task[None]] = set()

    def flush() -> None:
        if not writer.is_closing():
            writer.write(peer.take())

    async def lead_on(stream: int, authority: str) -> None:
        host, port = _authority(authority)
        log(_shown(host, port))
        back, onward = await asyncio.open_connection(host, port)
        peer.answer(stream, ends=False)
        onwards[stream] = onward
        flush()
        pass_on(stream)
        with contextlib.suppress(OSError):
            while data := await back.read(65536):
                peer.say(stream, data)
                flush()
        if stream not in peer.ended:
            peer.say(stream, b"", ends=True)
            flush()

    def pass_on(stream: int) -> None:
        heard, onward = peer.heard[stream], onwards.get(stream)
        if onward is None:
            return
        onward.write(bytes(heard.body[taken.get(stream, 0) :]))
        taken[stream] = len(heard.body)
        if heard.reset is not None:
            onward.close()
        elif heard.has_ended:
            onward.write_eof()

    log("connection")
    flush()
    try:
        while data := await reader.read(65536):
            peer.feed(data)
            for stream, heard in list(peer.heard.items()):
                said = dict(heard.fields)
                if stream in begun or not said:
                    pass_on(stream)
                elif said.get(b"proxy-authorization") != BASIC:
                    begun.add(stream)
                    peer.answer(stream, [(b"proxy-authenticate", b"Basic realm=p")], status=407)
                elif said[b":method"] == b"CONNECT":
                    begun.add(stream)
                    tasks.add(asyncio.create_task(lead_on(stream, said[b":authority"].decode())))
                else:
                    begun.add(stream)
                    peer.answer(stream, status=501)
            flush()
    finally:
        for onward in onwards.values():
            onward.close()


# --- SOCKS ------------------------------------------------------------------------------------------------------


async def _socks(reader: Reader, writer: Writer, log: Log) -> None:
    version = (await reader.readexactly(1))[0]
    command, host, port = await (_asked5 if version == 5 else _asked4)(reader, writer)
    if not host:
        return
    if command == 3:
        return await _pass_on_datagrams(reader, writer, log)
    log(_shown(host, port))
    onward = await asyncio.open_connection(host, port)
    writer.write(b"\5\0\0\1" + bytes(6) if version == 5 else b"\0\x5a" + bytes(6))
    await _both_ways(reader, writer, onward)


async def _asked5(reader: Reader, writer: Writer) -> tuple[int, str, int]:
    methods = await reader.readexactly((await reader.readexactly(1))[0])
    if 2 not in methods:
        writer.write(b"\5\xff")
        return 0, "", 0
    writer.write(b"\5\2")
    assert await reader.readexactly(1) == b"\1"
    user, password = [await reader.readexactly((await reader.readexactly(1))[0]) for _ in range(2)]
    is_known = (user, password) == (USER.encode(), PASSWORD.encode())
    writer.write(b"\1\0" if is_known else b"\1\1")
    if not is_known:
        return 0, "", 0
    version, command, reserved = await reader.readexactly(3)
    assert (version, reserved) == (5, 0) and command in (1, 3)
    match (await reader.readexactly(1))[0]:
        case 1:
            host = socket.inet_ntop(socket.AF_INET, await reader.readexactly(4))
        case 4:
            host = socket.inet_ntop(socket.AF_INET6, await reader.readexactly(16))
        case kind:
            assert kind == 3
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    return command, host, int.from_bytes(await reader.readexactly(2), "big")


async def _pass_on_datagrams(reader: Reader, writer: Writer, log: Log) -> None:
    """Until the connection ends. All of them are the client's that come from where the first came from."""
    loop = asyncio.get_running_loop()
    here = writer.get_extra_info("sockname")[0].removeprefix("::ffff:")
    ways: dict[bytes, asyncio.DatagramTransport] = {}  # by header: a socket for each destination
    tasks: set[asyncio.Task[None]] = set()

    class Back(asyncio.DatagramProtocol):
        def __init__(self, peer: object) -> None:
            self.peer = peer

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            packed = ip_address(addr[0]).packed
            kind = b"\1" if len(packed) == 4 else b"\4"
            relay.sendto(bytes(3) + kind + packed + addr[1].to_bytes(2, "big") + data, self.peer)

    class Out(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            tasks.add(loop.create_task(self.lead_on(data, addr)))

        async def lead_on(self, data: bytes, addr: object) -> None:
            assert data[:3] == bytes(3)
            end = {1: 10, 4: 22, 3: 7 + data[4]}[data[3]]
            header, port = data[:end], int.from_bytes(data[end - 2 : end], "big")
            host = data[5 : end - 2].decode() if data[3] == 3 else str(ip_address(data[4 : end - 2]))
            if header not in ways:
                log(_shown(host, port))
                ways[header], _ = await loop.create_datagram_endpoint(lambda: Back(addr), remote_addr=(host, port))
            ways[header].sendto(data[end:])

    relay, _ = await loop.create_datagram_endpoint(Out, local_addr=(here, 0))
    packed = ip_address(here).packed
    port = relay.get_extra_info("sockname")[1]
    writer.write(b"\5\0\0" + (b"\1" if len(packed) == 4 else b"\4") + packed + port.to_bytes(2, "big"))
    await reader.read()
    for way in (relay, *ways.values()):
        way.close()


async def _asked4(reader: Reader, writer: Writer) -> tuple[int, str, int]:
    assert await reader.readexactly(1) == b"\1"
    port = int.from_bytes(await reader.readexactly(2), "big")
    address = IPv4Address(await reader.readexactly(4))
    user = (await reader.readuntil(b"\0"))[:-1]
    host = (await reader.readuntil(b"\0"))[:-1].decode() if int(address) < 256 else str(address)
    if user != USER.encode():
        writer.write(b"\0\x5d" + bytes(6))
        return 0, "", 0
    with contextlib.suppress(ValueError):
        assert ip_address(host).version == 4, "SOCKS4 knows no other"
    return 1, host, port
