"""The driver and its sockets, on loopback, on both event loops: what no driver on paper can show."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from unittest.mock import Mock

import pytest
import uvloop

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.hooks import (
    FORWARD,
    ClientConnected,
    Hook,
    HttpHook,
    Kill,
    RequestHead,
    Respond,
    ResponseHead,
    Verdict,
)
from interceptor.model.http import Headers, Request, Response
from interceptor.model.records import BodyData, FlowEnded, FlowStarted, Record
from interceptor.proxy import driver, listeners, transports
from interceptor.proxy.core.events import Closed
from interceptor.proxy.driver import Services
from interceptor.proxy.hangups import HangUps
from interceptor.proxy.listeners import Listeners
from interceptor.specs.errors import UserError
from interceptor.specs.modes import parse_mode
from tests.support.paper_driver import paper_settings

Main = Callable[[], Coroutine[Any, Any, None]]
PATIENCE = 10.0


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], None]:
    def run_on(main: Main) -> None:
        async def in_time() -> None:
            async with asyncio.timeout(2 * PATIENCE):
                await main()

        factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(in_time())

    return run_on


class Running:
    """A proxy of one listener, and what it told; `decide` is who decides, None holds."""

    def __init__(self, mode: str = "regular@127.0.0.1:0") -> None:
        loop = asyncio.get_running_loop()
        self.flows: list[Flow] = []
        self.ended: list[Flow] = []
        self.reports: list[str] = []
        self.held: dict[int, Callable[[Verdict], None]] = {}
        self.withdrawn: list[Hook] = []
        self.is_heeding = True
        self.asked: list[Hook] = []
        self.decides: Callable[[Hook], Verdict | None] = lambda hook: FORWARD
        self.hangups = HangUps(loop)
        self.services = Services(
            loop, self, self.hangups, lambda text, error: self.reports.append(text), self.is_own
        )
        self.services.decider = self
        self.listeners = Listeners(self.services, paper_settings, itertools.count(1))
        self.listeners.apply([parse_mode(mode)], "", None)
        self.port = self.listeners.listeners[0].addresses[0][1]

    def is_own(self, host: str, port: int, transport: str) -> bool:
        return self.listeners.is_own_address(host, port, transport)

    def record(self, what: Record) -> None:
        match what:
            case FlowStarted(flow=flow):
                self.flows.append(flow)
            case FlowEnded(flow=flow):
                assert flow not in self.ended
                self.ended.append(flow)
            case BodyData(message=message, data=data):
                assert isinstance(message.body, MemoryBody)
                message.body.append(data)

    def heeds(self, hook: Hook) -> bool:
        return self.is_heeding

    def decide(self, hook: Hook, answer: Callable[[Verdict], None]) -> Verdict | None:
        self.asked.append(hook)
        verdict = self.decides(hook)
        if verdict is None:
            self.held[id(hook)] = answer
        return verdict

    def withdraw(self, hook: Hook) -> None:
        self.withdrawn.append(hook)

    async def client(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    def errors(self) -> list[str]:
        return [flow.error.message if flow.error else "" for flow in self.ended]

    def close(self) -> None:
        self.listeners.close()
        self.hangups.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def reset(self) -> None:
        """RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")


@asynccontextmanager
async def proxy(mode: str = "regular@127.0.0.1:0") -> AsyncIterator[Running]:
    running = Running(mode)
    try:
        yield running
    finally:
        running.close()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def origin(serve: Serve) -> AsyncIterator[int]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def say_hi(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")


async def until(is_so: Callable[[], object]) -> None:
    """What the operating system has to carry first cannot be waited for otherwise."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0.002)


def get(port: int) -> bytes:
    return b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (port, port)


def test_requests_pass_on_kept_connections(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with proxy() as running, origin(say_hi) as port:
            client = await running.client()
            for _ in range(3):
                client.writer.write(get(port))
                assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n") and await client.reader.readexactly(2) == b"hi"
            assert running.errors() == ["", "", ""] and len({id(flow.server) for flow in running.flows}) == 1
            server = running.flows[0].server
            assert server is not None and server.resolved == ("127.0.0.1", port) and server.local is not None
            client.writer.close()
            await until(lambda: not running.services.drivers)
            assert server.closed_at is not None

    run(main)


def test_hooks_that_nobody_heeds_are_not_asked(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with proxy() as running, origin(say_hi) as port:
            client = await running.client()
            for is_heeding, path in ((False, b"/a"), (True, b"/b"), (False, b"/c")):
                running.is_heeding = is_heeding
                client.writer.write(b"GET http://127.0.0.1:%d%b HTTP/1.1\r\nHost: a\r\n\r\n" % (port, path))
                assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n") and await client.reader.readexactly(2) == b"hi"
            asked = [(type(hook), hook.flow.request.target) for hook in running.asked if isinstance(hook, HttpHook)]
            assert asked == [(RequestHead, b"/b"), (ResponseHead, b"/b")]
            client.writer.close()
            await until(lambda: not running.services.drivers)

    run(main)


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_client_that_leaves_while_its_reading_is_paused(run: Callable[[Main], None], is_reset: bool) -> None:
    async def main() -> None:
        async with proxy() as running:
            running.decides = lambda hook: None if isinstance(hook, RequestHead) else FORWARD
            client = await running.client()
            client.writer.write(
                b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n"
                + b"x" * 120_000  # above our mark, below what the kernel takes
            )
            await until(lambda: running.held and running.hangups._watched)
            client.reset() if is_reset else client.writer.close()
            await until(lambda: running.ended)
            assert running.errors() == ["The client closed the connection before the exchange was complete."]
            assert len(running.withdrawn) == 1 and not running.services.drivers and not running.hangups._watched

    run(main)


def test_a_client_that_reads_nothing_pauses_its_server(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        sent = 0

        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            writer.transport.set_write_buffer_limits(0)
            for _ in range(600):
                writer.write(b"x" * 100_000)
                await writer.drain()
                sent += 100_000

        async with proxy() as running, origin(pour) as port:
            client = await running.client()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.writer.write(get(port))
            await until(lambda: running.hangups._watched)
            assert sent < 60_000_000, "it waits"
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
            assert len(await client.reader.read()) == 60_000_000
            await until(lambda: running.ended)
            assert running.errors() == [""]

    run(main)


def test_no_descriptors_left_pauses_accepting(run: Callable[[Main], None], monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = 0
    accept = socket.socket.accept

    def exhausted(sock: socket.socket) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(sock)

    async def main() -> None:
        async with proxy() as running, origin(say_hi) as port:
            with monkeypatch.context() as patched:
                patched.setattr("interceptor.proxy.listeners._PAUSE_SECONDS", 0.01)
                patched.setattr(socket.socket, "accept", exhausted)
                client = await running.client()
                await until(lambda: attempts > 2)
            client.writer.write(get(port))
            assert (await client.head()).startswith(b"HTTP/1.1 200")
            assert len(running.reports) == 1 and "ulimit -n" in running.reports[0], "it is said once"

    run(main)


def answering(size: int) -> Callable[[Hook], Verdict]:
    body = MemoryBody(b"x" * size)
    headers = Headers([(b"Content-Length", b"%d" % size), (b"Connection", b"close")])
    return lambda hook: Respond(Response(200, b"OK", headers=headers, body=body)) if isinstance(hook, RequestHead) else FORWARD


def test_what_was_written_arrives_though_we_closed(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with proxy() as running:
            running.decides = answering(200_000)
            client = await running.client()
            client.writer.write(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await until(lambda: running.ended)
            assert (await client.head()).startswith(b"HTTP/1.1 200") and await client.reader.read() == b"x" * 200_000

    run(main)


def test_who_takes_nothing_is_cut_in_the_end(run: Callable[[Main], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transports, "LINGER_SECONDS", 0.05)
    monkeypatch.setattr(transports, "HIGH", 64 * 1024 * 1024)  # all is written at once

    async def main() -> None:
        async with proxy() as running:
            running.decides = answering(30_000_000)
            client = await running.client()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.writer.write(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await until(lambda: running.ended)
            await asyncio.sleep(0.2)
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            taken = 0
            with suppress(ConnectionError):
                while piece := await client.reader.read(1_000_000):
                    taken += len(piece)
            assert taken < 30_000_000

    run(main)


def test_a_running_flow_is_killed(run: Callable[[Main], None]) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        async with proxy() as running, origin(silent) as port:
            client = await running.client()
            client.writer.write(get(port))
            await until(lambda: running.flows and running.flows[0].server)
            assert running.listeners.active_connections == 1
            [address] = running.listeners.describe()
            assert running.listeners.report().startswith(f"regular\n    at {address}, TCP: accepts\n\n1 client connected.")
            assert running.listeners.kill(running.flows[0].id, "Killed by the user.")
            assert await client.reader.read() == b"" and running.errors() == ["Killed by the user."]
            assert not running.listeners.kill(running.flows[0].id, "again")

    run(main)


def test_a_replay(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with proxy() as running, origin(say_hi) as port:
            request = Request("GET", "http", "127.0.0.1", port, b"/", headers=Headers([(b"Host", b"a.test")]))
            flow = HttpFlow(99, request=request)
            running.listeners.replay(flow)
            assert running.services.drivers and running.listeners.active_connections == 0
            await until(lambda: running.ended)
            assert flow.response is not None and flow.response.body.read() == b"hi" and running.errors() == [""]
            assert not running.services.drivers
            refused = HttpFlow(100, request=Request("GET", "http", "127.0.0.1", 1, b"/"))
            running.listeners.replay(refused)
            await until(lambda: len(running.ended) == 2)
            assert "connection refused" in running.errors()[1] and not running.services.drivers

    run(main)


def test_a_request_to_ourselves_is_refused(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with proxy() as running:
            client = await running.client()
            client.writer.write(get(running.port))
            assert (await client.head()).startswith(b"HTTP/1.1 502 ")
            assert "this proxy itself" in running.errors()[0]

    run(main)


def test_a_client_that_is_refused(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with proxy() as running:
            running.decides = lambda hook: Kill("not you") if isinstance(hook, ClientConnected) else FORWARD
            client = await running.client()
            with suppress(ConnectionError):
                assert await client.reader.read() == b""
            assert len(running.reports) == 1 and "not you" in running.reports[0] and not running.services.drivers

    run(main)


def test_a_layer_that_raises_ends_its_client_and_no_other(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with proxy() as running, origin(say_hi) as port:
            one, other = await running.client(), await running.client()
            running.decides = lambda hook: "no verdict"  # type: ignore[assignment,return-value]
            one.writer.write(get(port))
            assert await one.reader.read() == b""
            assert "Internal error" in running.errors()[0] and len(running.reports) == 1
            running.decides = lambda hook: FORWARD
            other.writer.write(get(port))
            assert (await other.head()).startswith(b"HTTP/1.1 200")

    run(main)


def test_the_program_ends(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with proxy() as running:
            running.decides = lambda hook: None if isinstance(hook, RequestHead) else FORWARD
            client = await running.client()
            client.writer.write(get(9))
            await until(lambda: running.held)
            running.listeners.close()
            assert await client.reader.read() == b"" and running.errors() == ["The program ended."]
            assert len(running.withdrawn) == 1 and not running.services.drivers
            [answer] = running.held.values()
            answer(FORWARD)  # late: ignored

    run(main)


def test_half_closes_pass_both_ways(run: Callable[[Main], None]) -> None:
    async def reverse_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read())[::-1])
        await writer.drain()

    async def main() -> None:
        async with proxy() as running, origin(reverse_all) as port:
            running.listeners.apply([parse_mode(f"reverse:tcp://127.0.0.1:{port}@127.0.0.1:0")], "", None)
            [(_, running.port)] = running.listeners.listeners[0].addresses
            client = await running.client()
            client.writer.write(b"abc" * 100_000)
            client.writer.write_eof()
            assert await client.reader.read() == b"cba" * 100_000
            await until(lambda: running.ended)
            assert running.errors() == [""]

    run(main)


def test_a_busy_stack_lets_others_have_their_turn(run: Callable[[Main], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """With slices of no time each turn is one: others are served in between, order stays, nothing is left."""
    monkeypatch.setattr(driver, "SLICE_SECONDS", 1e-9)

    async def main() -> None:
        async with proxy() as running, origin(say_hi) as port:
            between: list[int] = []

            def decide(hook: Hook) -> Verdict:
                if isinstance(hook, RequestHead):
                    asyncio.get_running_loop().call_soon(lambda: between.append(len(running.ended)))
                    return Respond(Response(200, b"OK", headers=Headers([(b"Path", hook.flow.request.target)])))
                return FORWARD

            running.decides = decide
            client = await running.client()
            client.writer.write(b"".join(b"GET /%d HTTP/1.1\r\nHost: a:%d\r\n\r\n" % (number, port) for number in range(50)))
            for number in range(50):
                assert b"Path: /%d\r\n" % number in await client.head()
            assert len(set(between)) > 25, "the loop went on while they were answered"
            client.writer.close()
            await until(lambda: not running.services.drivers)
            assert running.errors() == [""] * 50

    run(main)


def test_an_abrupt_end_is_a_reset(run: Callable[[Main], None]) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhalf")
        await writer.drain()
        await said.wait()
        Client(reader, writer).reset()

    said = asyncio.Event()

    async def main() -> None:
        async with proxy() as running, origin(break_off) as port:
            client = await running.client()
            client.writer.write(get(port))
            assert (await client.head()).startswith(b"HTTP/1.1 200 OK") and await client.reader.readexactly(4) == b"half"
            said.set()
            with pytest.raises(ConnectionResetError):
                await client.reader.read()
            await until(lambda: not running.services.drivers)
            assert "reset" in running.errors()[0]

    run(main)


def test_where_a_program_has_to_be_asked_connections_wait_for_its_answer(
    run: Callable[[Main], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pf of macOS is asked: in a thread, and whoever it knows nothing of is refused with the reason."""

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        async with origin(serve) as port, proxy("transparent@127.0.0.1:0") as running:
            answers: list[tuple[str, int] | Exception] = [("127.0.0.1", port), listeners.NotTold("pf has no state for it")]
            asked: list[tuple[str, int]] = []

            def ask(client: tuple[str, int]) -> tuple[str, int]:
                asked.append(client)
                if isinstance(answer := answers.pop(0), Exception):
                    raise answer
                return answer

            monkeypatch.setattr(listeners, "asks_pf", lambda: True)
            monkeypatch.setattr(listeners, "ask_pf", ask)
            client = await running.client()
            client.writer.write(b"GET /led HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert (await client.head()).startswith(b"HTTP/1.1 200")
            assert asked == [client.writer.get_extra_info("sockname")]
            stranger = await running.client()
            assert await stranger.reader.read() == b""
            assert any("was refused: pf has no state for it" in report for report in running.reports)

    run(main)


def test_where_we_lead_connections_here_ourselves_we_know_where_they_were_to_go(
    run: Callable[[Main], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows: the listener has a diversion, which ends with it; one that may not be is said, and nothing listens."""

    class Diverted:
        def __init__(self, port: int, tell: object) -> None:
            self.connections, self.port, self.is_running = self, port, False
            made.append(self)

        def start(self) -> None:
            if refusals:
                raise listeners.NotDiverted(refusals.pop())
            self.is_running = True

        def destination(self, client: tuple[str, int]) -> tuple[str, int]:
            return "127.0.0.1", origin_port

        def close(self) -> None:
            self.is_running = False

    made, refusals, origin_port = list[Diverted](), list[str](), 0
    monkeypatch.setattr(listeners, "is_diverted", lambda: True)
    monkeypatch.setattr(listeners, "Diversion", Diverted)

    async def main() -> None:
        nonlocal origin_port

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        async with origin(serve) as origin_port, proxy("transparent@127.0.0.1:0") as running:
            client = await running.client()
            client.writer.write(b"GET /led HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert (await client.head()).startswith(b"HTTP/1.1 200")
            assert (made[-1].port, made[-1].is_running) == (running.port, True)
            refusals.append("it takes an administrator")
            with pytest.raises(UserError, match="it takes an administrator"):
                running.listeners.apply([parse_mode("transparent@127.0.0.1:0"), parse_mode("transparent@127.0.0.2:0")], "", None)
            assert [each.is_running for each in made] == [True, False]
        assert not made[0].is_running

    run(main)


def test_a_peer_that_has_gone_can_be_told_the_end_of_our_side() -> None:
    """Its reset has not been read yet. asyncio says so at once, uvloop when it has closed the connection."""
    told: list[str] = []

    class Driving:
        def deliver(self, event: Closed) -> None:
            told.append(event.reason)

        def transport_gone(self, connection: Connection) -> None:
            told.append("gone")

    class Gone(asyncio.Transport):
        def write_eof(self) -> None:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

        def can_write_eof(self) -> bool:
            return True

        def is_closing(self) -> bool:
            return False

        def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    transport = transports.TcpTransport(cast(Any, Driving()), Connection(Side.SERVER), cast(Any, Mock()))
    transport.begin()
    transport.connection_made(Gone())
    transport.half_close()
    assert not transport.is_closed
    transport.connection_lost(OSError(errno.ENOTCONN, "Transport endpoint is not connected"))
    assert told == ["", "gone"]
