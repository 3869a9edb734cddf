"""Datagrams of SOCKS clients on loopback, on both event loops: wherever they want to go, from the client alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from interceptor.model.flow import DnsFlow, UdpFlow
from interceptor.proxy.socks_messages import read_address, write_address
from tests.proxy.test_datagrams import server, until
from tests.proxy.test_driver import PATIENCE, Main, Running, proxy, run
from tests.support.paper_driver import paper_settings

__all__ = ["run"]


class SocksClient:
    """Its connection, and a socket for datagrams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.socket = self.another()
        self.to = ("", 0)

    async def associate(self, port: int = 0) -> None:
        self.writer.write(b"\5\1\0")
        assert await self.reader.readexactly(2) == b"\5\0"
        self.writer.write(b"\5\3\0" + write_address("0.0.0.0", port))
        answer = await self.reader.readexactly(10)
        assert answer[:3] == b"\5\0\0"
        found = read_address(answer[3:])
        assert found is not None
        self.to = found[0]

    @staticmethod
    def another() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        return made

    def say(self, data: bytes, host: str, port: int, sock: socket.socket | None = None) -> None:
        (sock or self.socket).sendto(b"\0\0\0" + write_address(host, port) + data, self.to)

    async def hear(self) -> tuple[object, bytes]:
        async with asyncio.timeout(PATIENCE):
            data = await asyncio.get_running_loop().sock_recv(self.socket, 65_535)
        found = read_address(data[3:])
        assert data[:3] == b"\0\0\0" and found is not None
        return found


@asynccontextmanager
async def associated(running: Running, port: int = 0) -> AsyncIterator[SocksClient]:
    client = SocksClient(*await asyncio.open_connection("127.0.0.1", running.port))
    await client.associate(port if port >= 0 else client.socket.getsockname()[1])
    try:
        yield client
    finally:
        client.writer.close()
        client.socket.close()


def test_each_destination_is_a_conversation(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with server() as (_, one), server() as (_, two), proxy("socks5@127.0.0.1:0") as running:
            async with associated(running) as client:
                for host, port in (("127.0.0.1", one), ("localhost", two), ("127.0.0.1", one)):
                    client.say(b"hello", host, port)
                    assert await client.hear() == ((host, port), b"got hello")
                client.say(b"", "127.0.0.1", one)
                assert await client.hear() == (("127.0.0.1", one), b"got ")
                assert [flow.server and flow.server.peer for flow in running.flows] == [("127.0.0.1", one), ("localhost", two)]
                assert all(isinstance(flow, UdpFlow) and flow.mode == "socks5@127.0.0.1:0" for flow in running.flows)
                assert not running.ended
            await until(lambda: len(running.ended) == 2 and not running.services.drivers)
            assert running.errors() == ["", ""]
            with pytest.raises(OSError):  # nobody listens there any more
                plain = SocksClient.another()
                plain.connect(client.to)
                for _ in range(20):
                    plain.send(b"anybody?")
                    await asyncio.sleep(0.01)

    run(main)


def test_a_query_is_a_dns_flow(run: Callable[[Main], None]) -> None:
    query = b"\0\x07\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1"
    answer = query[:2] + b"\x81\x80" + query[4:]

    async def main() -> None:
        async with server() as (talker, port), proxy("socks5@127.0.0.1:0") as running, associated(running) as client:
            talker.answers = lambda data: [answer]
            client.say(query, "127.0.0.1", port)
            assert await client.hear() == (("127.0.0.1", port), answer)
            [flow] = running.flows
            assert isinstance(flow, DnsFlow) and flow.request.wire == query

    run(main)


DROPPED = {
    "a fragment": lambda where: b"\0\0\1" + where + b"piece",
    "no SOCKS header": lambda where: b"hello",
    "does not say where": lambda where: b"\0\0\0" + where[:3],
    "no kind of address": lambda where: b"\0\0\0\7" + where[1:],
}


@pytest.mark.parametrize("what", DROPPED)
def test_what_is_dropped_is_told_once(run: Callable[[Main], None], what: str) -> None:
    async def main() -> None:
        async with server() as (talker, port), proxy("socks5@127.0.0.1:0") as running, associated(running) as client:
            for _ in range(2):
                client.socket.sendto(DROPPED[what](write_address("127.0.0.1", port)), client.to)
            client.say(b"good", "127.0.0.1", port)
            assert await client.hear() == (("127.0.0.1", port), b"got good")
            assert len(running.reports) == 1 and what in running.reports[0] and talker.got.get_nowait() == b"good"

    run(main)


@pytest.mark.parametrize("port", [0, -1])
def test_another_port_of_the_same_host_is_not_heard(run: Callable[[Main], None], port: int) -> None:
    """Neither of one that announced its port (-1), nor of one that has spoken."""

    async def main() -> None:
        async with server() as (talker, to), proxy("socks5@127.0.0.1:0") as running, associated(running, port) as client:
            stranger = client.another()
            if port == 0:
                client.say(b"mine", "127.0.0.1", to)
                await client.hear()
            client.say(b"theirs", "127.0.0.1", to, stranger)
            client.say(b"mine", "127.0.0.1", to)
            assert await client.hear() == (("127.0.0.1", to), b"got mine")
            stranger.close()
            assert b"theirs" not in [talker.got.get_nowait() for _ in range(talker.got.qsize())]
            assert len(running.reports) == 1 and "comes from port" in running.reports[0]

    run(main)


def test_a_silent_conversation_ends_and_the_association_stays(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with server() as (_, port), proxy("socks5@127.0.0.1:0") as running:
            running.listeners.admission.settings = lambda: paper_settings(udp_timeout=0.05)
            async with associated(running) as client:
                for count in (1, 2):
                    client.say(b"hello", "127.0.0.1", port)
                    assert await client.hear() == (("127.0.0.1", port), b"got hello")
                    await until(lambda count=count: len(running.ended) == count)  # type: ignore[misc]
                assert running.errors() == ["", ""]

    run(main)
