"""The laboratory: one case through the real proxy over real sockets, and everything that anybody saw of it.

    client ─ socket ─▸ driver and stack ─ socket ─▸ recording origin

The proxy is the one that users run, without its listeners: the ingress of a case says how the client asks.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, time

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Origin
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.hooks import FORWARD, Hook, Verdict
from interceptor.model.records import BodyData, FlowEnded, FlowStarted, MessageData, Record
from interceptor.proxy.assembly import Assembly
from interceptor.proxy.driver import Driver, Services, client_connection
from interceptor.proxy.hangups import HangUps
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.settings import Settings
from tests.differential.cases import Case, Way
from tests.differential.readers import strict_messages
from tests.support.paper_driver import paper_settings

PATIENCE = 10.0
ANSWER = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno"
ANSWER_TO_HEAD = b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n"


def settings(**changes: object) -> Settings:
    return paper_settings(**{"rawtcp": False, **changes})


@dataclass
class Seen:
    """`client`, `origins`: all bytes that each received, for the origin one item a connection that brought any."""

    sent: bytes = b""
    client: bytes = b""
    origins: list[bytearray] = field(default_factory=list)
    flows: list[Flow] = field(default_factory=list)
    ended: list[Flow] = field(default_factory=list)
    raw: dict[bool, bytes] = field(
        default_factory=lambda: {True: b"", False: b""}
    )  # of raw conversations, from the client or not
    reports: list[str] = field(default_factory=list)

    @property
    def good(self) -> list[HttpFlow]:
        return [flow for flow in self.flows if isinstance(flow, HttpFlow) and flow.error is None]

    @property
    def failed(self) -> list[Flow]:
        return [flow for flow in self.flows if flow.error is not None]

    # --- Recorder and Decider ---------------------------------------------------------------------------------

    def record(self, what: Record) -> None:
        match what:
            case FlowStarted(flow=flow):
                self.flows.append(flow)
            case FlowEnded(flow=flow):
                self.ended.append(flow)
            case BodyData(message=message, data=data):
                assert isinstance(message.body, MemoryBody)
                message.body.append(data)
            case MessageData(from_client=from_client, data=data):
                self.raw[from_client] += data or b""

    def heeds(self, hook: Hook) -> bool:
        return True

    def decide(self, hook: Hook, answer: Callable[[Verdict], None]) -> Verdict | None:
        return FORWARD

    def withdraw(self, hook: Hook) -> None:
        """Who left while it was being asked."""


def request_seen(case: Case, chosen: Settings, step: int = 0) -> Seen:
    """The case sent by a client; `step` bytes at a time, or all at once."""
    return asyncio.run(_in_time(_Lab(case, chosen).request(step)))


def response_seen(case: Case, chosen: Settings, step: int = 0) -> Seen:
    """The case sent by the origin."""
    return asyncio.run(_in_time(_Lab(case, chosen).response(step)))


async def _in_time(work: object) -> Seen:
    async with asyncio.timeout(PATIENCE):
        return await work  # type: ignore[misc, no-any-return]


class _Lab:
    def __init__(self, case: Case, chosen: Settings) -> None:
        self._case, self._settings = case, chosen
        self._seen = Seen()
        self._origin_tasks: list[asyncio.Task[None]] = []

    async def request(self, step: int) -> Seen:
        async with await self._origin(self._record_requests) as server:
            port = server.sockets[0].getsockname()[1]
            wire = self._seen.sent = self._case.at(port)
            reader, writer, services = await self._through_the_proxy(port)
            reading = asyncio.ensure_future(self._read_answers(reader, self._case.passes))  # a reset takes what was not read
            await _send(writer, wire, step)
            if self._case.is_cut:
                writer.write_eof()
            await reading
            writer.close()
            await self._settled(services)
        return self._seen

    async def response(self, step: int) -> Seen:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._seen.origins.append(bytearray(await reader.readuntil(b"\r\n\r\n")))
            await _send(writer, self._seen.sent, step)
            writer.write_eof()
            with suppress(ConnectionError):
                self._seen.origins[-1] += await reader.read()

        async with await self._origin(answer) as server:
            port = server.sockets[0].getsockname()[1]
            self._seen.sent = self._case.at(port)
            reader, writer, services = await self._through_the_proxy(port)
            writer.write(b"%b / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % (self._case.method, port))
            with suppress(ConnectionError):
                self._seen.client = await reader.read()
            writer.close()
            await self._settled(services)
        return self._seen

    # --- the peers --------------------------------------------------------------------------------------------

    async def _origin(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]) -> asyncio.Server:
        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._origin_tasks.append(task)
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer)  # type: ignore[misc]
            writer.close()

        return await asyncio.start_server(served, "127.0.0.1", 0)

    async def _record_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received, answered = bytearray(), 0
        while data := await reader.read(65536):
            if not received:
                self._seen.origins.append(received)
            received += data
            with suppress(ValueError):
                complete, _, _ = strict_messages(bytes(received))
                for message in complete[answered:]:
                    writer.write(ANSWER_TO_HEAD if message.line.startswith(b"HEAD ") else ANSWER)
                answered = len(complete)

    async def _read_answers(self, reader: asyncio.StreamReader, count: int) -> None:
        """Until there are as many, if no more is to come; else to the end."""
        seen, case = self._seen, self._case
        goes_on = bool(case.refused or case.breaks or case.is_cut)
        with suppress(ConnectionError):
            while goes_on or seen.client.count(ANSWER_TO_HEAD) < count:
                data = await reader.read(65536)
                if not data:
                    return
                seen.client += data

    async def _through_the_proxy(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Services]:
        loop, seen = asyncio.get_running_loop(), self._seen
        services = Services(
            loop,
            seen,
            HangUps(loop),
            lambda text, error: seen.reports.append(f"{text}: {error!r}"),
            lambda host, port, transport: False,
        )
        services.decider = seen
        ingress = Ingress("regular", None if self._case.way is Way.PROXY else Origin("tcp", "127.0.0.1", port))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            connecting = asyncio.ensure_future(asyncio.open_connection(*listener.getsockname()))
            accepted, peer = await loop.sock_accept(listener)
            driver = Driver(services, Assembly(self._settings, itertools.count(1), time() - monotonic()))
            transport = driver.start_client(client_connection(peer, accepted.getsockname(), time()), ingress)
            await loop.connect_accepted_socket(lambda: transport, accepted)
            driver.opened()
            reader, writer = await connecting
        return reader, writer, services

    async def _settled(self, services: Services) -> None:
        while services.drivers:
            await asyncio.sleep(0.001)
        for task in self._origin_tasks:
            await task
        services.hangups.close()


async def _send(writer: asyncio.StreamWriter, wire: bytes, step: int) -> None:
    for start in range(0, len(wire), step or len(wire) or 1):
        if writer.is_closing():
            return
        writer.write(wire[start : start + (step or len(wire))])
        if step:
            await asyncio.sleep(0.0005)
    with suppress(ConnectionError):
        await writer.drain()
