"""UDP on loopback, on both event loops: one socket for many clients, and one for each towards the server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from interceptor.model.flow import HoldPoint, UdpFlow
from interceptor.model.hooks import FORWARD, ClientConnected, Hook, Kill, Verdict
from interceptor.proxy import datagrams
from tests.proxy.test_driver import PATIENCE, Main, Running, proxy, run
from tests.support.paper_driver import paper_settings

__all__ = ["run"]


class Talker(asyncio.DatagramProtocol):
    """A client, or (with `answers`) a server."""

    def __init__(self, answers: Callable[[bytes], list[bytes]] = lambda data: []) -> None:
        self.answers = answers
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.peers: list[Any] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        self.peers.append(peer)
        self.got.put_nowait(data)
        for answer in self.answers(data):
            self.transport.sendto(answer, peer)

    def say(self, data: bytes) -> None:
        self.transport.sendto(data)

    async def hear(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.got.get()


@asynccontextmanager
async def server(host: str = "127.0.0.1") -> AsyncIterator[tuple[Talker, int]]:
    loop = asyncio.get_running_loop()
    transport, talker = await loop.create_datagram_endpoint(
        lambda: Talker(lambda data: [b"got " + data]), local_addr=(host, 0)
    )
    try:
        yield talker, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def client(running: Running, host: str = "127.0.0.1") -> Talker:
    _, talker = await asyncio.get_running_loop().create_datagram_endpoint(Talker, remote_addr=(host, running.port))
    return talker


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not claim():
            await asyncio.sleep(0.01)


def test_many_clients_of_one_socket_each_with_a_conversation_of_its_own(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with server() as (_, port), proxy(f"reverse:udp://127.0.0.1:{port}@127.0.0.1:0") as running:
            clients = [await client(running) for _ in range(5)]
            for number, talker in enumerate(clients):
                talker.say(b"%d" % number)
            assert [await talker.hear() for talker in clients] == [b"got %d" % number for number in range(5)]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:  # asyncio's own sends no empty ones
                plain.setblocking(False)
                plain.connect(("127.0.0.1", running.port))
                plain.send(b"")
                assert await asyncio.get_running_loop().sock_recv(plain, 100) == b"got "
            clients[0].say(b"x" * 60_000)
            assert await clients[0].hear() == b"got " + b"x" * 60_000
            assert len(running.flows) == 6 and all(isinstance(flow, UdpFlow) for flow in running.flows)
            ports = {flow.server.local[1] for flow in running.flows if flow.server and flow.server.local}
            assert len(ports) == 6
            assert running.listeners.active_connections == 6

    run(main)


def test_a_server_by_name_and_one_that_refuses(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with server() as (_, port), proxy(f"reverse:udp://localhost:{port}@127.0.0.1:0") as running:
            talker = await client(running)
            talker.say(b"one")
            assert await talker.hear() == b"got one"
        async with server() as (_, port):
            pass
        async with proxy(f"reverse:udp://127.0.0.1:{port}@127.0.0.1:0") as running:
            talker = await client(running)
            talker.say(b"one")
            await until(lambda: bool(running.ended))
            assert running.errors() == ["connection refused: nobody listens on that UDP port"]
            assert running.listeners.active_connections == 0
            talker.say(b"two")  # is a conversation of its own
            await until(lambda: len(running.ended) == 2)

    run(main)


def test_it_ends_after_silence_and_the_client_may_come_again(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with server() as (_, port), proxy(f"reverse:udp://127.0.0.1:{port}@127.0.0.1:0") as running:
            running.listeners.admission.settings = lambda: paper_settings(udp_timeout=0.05)
            talker = await client(running)
            talker.say(b"one")
            assert await talker.hear() == b"got one"
            await until(lambda: len(running.ended) == 1 and not running.services.drivers)
            assert running.errors() == [""]
            talker.say(b"two")
            assert await talker.hear() == b"got two"

    run(main)


def test_above_the_limit_the_one_that_was_silent_longest_gives_way(
    run: Callable[[Main], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with server() as (_, port), proxy(f"reverse:udp://127.0.0.1:{port}@127.0.0.1:0") as running:
            [listener] = running.listeners.listeners
            monkeypatch.setattr(listener.datagram_sockets[0], "_limit", 2)
            clients = [await client(running) for _ in range(3)]
            for number in (0, 1, 0, 2):
                clients[number].say(b"%d" % number)
                await clients[number].hear()
            assert [flow.id for flow in running.ended] == [2]
            assert "too many" in running.errors()[0]
            for flow in running.flows:
                flow.held = HoldPoint.MESSAGE  # none of them may be ended
            clients[1].say(b"lost")
            clients[0].say(b"last")
            assert await clients[0].hear() == b"got last" and len(running.flows) == 3

    run(main)


def test_a_client_that_may_not_come_is_told_of_once(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with server() as (talker, port), proxy(f"reverse:udp://127.0.0.1:{port}@127.0.0.1:0") as running:

            def refuse(hook: Hook) -> Verdict:
                return Kill("not you") if isinstance(hook, ClientConnected) else FORWARD

            running.decides = refuse
            stranger = await client(running)
            for _ in range(3):
                stranger.say(b"one")
            await until(lambda: len(running.asked) == 3)
            assert len(running.reports) == 1 and "not you" in running.reports[0]
            assert talker.got.empty() and not running.flows

    run(main)


def test_what_comes_while_paused_is_kept_within_bounds() -> None:
    delivered: list[object] = []

    class Driving:
        is_holding = False

        def deliver(self, event: Any) -> None:
            delivered.append(event.data)

        def transport_gone(self, connection: object) -> None: ...
        def shut_down(self, reason: str) -> None: ...

    async def main() -> None:
        from interceptor.model.connection import Connection, Side

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.bind(("127.0.0.1", 0))
            loop = asyncio.get_running_loop()
            owner = datagrams.DatagramSocket(loop, bound)
            kept = datagrams.DatagramClient(loop, Driving(), Connection(Side.CLIENT), owner, None)
            kept.pause()
            for number in range(100):
                kept.received(b"%04d" % number * 256)
            assert delivered == []
            kept.resume()
            assert delivered == [b"%04d" % number * 256 for number in range(64)]

    asyncio.run(main())


@pytest.mark.needs_ipv6
def test_all_addresses_of_both_families_answered_from_where_it_was_asked(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with server() as (_, port), proxy(f"reverse:udp://127.0.0.1:{port}@:0") as running:
            for host in ("127.0.0.1", "127.0.0.2", "::1"):
                talker = await client(running, host)  # connected: it hears nobody else
                talker.say(b"one")
                assert await talker.hear() == b"got one"
            clients = [flow.client for flow in running.flows if flow.client]
            assert {each.local[0] for each in clients if each.local} == {"127.0.0.1", "127.0.0.2", "::1"}

    run(main)
