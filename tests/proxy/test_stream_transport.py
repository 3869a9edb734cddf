"""Streams of mitmproxy_rs as transports, with streams on paper: what is read, what is written, marks, ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from interceptor.model.connection import Connection, Side
from interceptor.proxy.core.events import Closed, Congested, DataReceived, Drained, Event, HalfClosed
from interceptor.proxy.stream_transport import StreamTransport
from interceptor.proxy.transports import HIGH, LOW


class PaperStream:
    """What it is to read is put into `coming`; an exception there is raised."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.written: list[bytes | str] = []
        self.may_drain = asyncio.Event()

    async def read(self, n: int) -> bytes:
        what = await self.coming.get()
        if isinstance(what, Exception):
            raise what
        return what

    def write(self, data: bytes) -> None:
        self.written.append(data)

    async def drain(self) -> None:
        await self.may_drain.wait()

    def write_eof(self) -> None:
        self.written.append("end")

    def close(self) -> None:
        self.written.append("closed")

    def get_extra_info(self, name: str) -> Any:
        raise KeyError(name)


class PaperDriver:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.came = asyncio.Event()
        self.gone: list[Connection] = []

    def deliver(self, event: Event) -> None:
        self.events.append(event)
        self.came.set()

    def transport_gone(self, connection: Connection) -> None:
        self.gone.append(connection)
        self.came.set()

    async def until(self, claim: Callable[[], bool]) -> None:
        while not claim():
            self.came.clear()
            await self.came.wait()


Main = Callable[[StreamTransport, PaperStream, PaperDriver], Coroutine[Any, Any, None]]


def over(main: Main, transport: str = "tcp") -> None:
    async def run() -> None:
        driver, stream = PaperDriver(), PaperStream()
        connection = Connection(Side.CLIENT, ("10.0.0.1", 5), local=("192.0.2.1", 80), transport=transport)
        made = StreamTransport(asyncio.get_running_loop(), driver, connection, stream)
        reading = asyncio.ensure_future(made.run())
        async with asyncio.timeout(10):
            await main(made, stream, driver)
            made.close()
            await reading

    asyncio.run(run())


def test_nothing_is_delivered_before_the_stack_knows_of_it_nor_while_it_is_paused() -> None:
    async def main(made: StreamTransport, stream: PaperStream, driver: PaperDriver) -> None:
        stream.coming.put_nowait(b"early")
        for _ in range(5):
            await asyncio.sleep(0)
        assert driver.events == []
        made.begin()
        await driver.until(lambda: len(driver.events) == 1)
        made.pause()
        stream.coming.put_nowait(b"one may be on its way")
        stream.coming.put_nowait(b"but no second")
        for _ in range(9):
            await asyncio.sleep(0)
        assert len(driver.events) == 2
        made.resume()
        await driver.until(lambda: len(driver.events) == 3)
        assert all(isinstance(event, DataReceived) for event in driver.events)

    over(main)


def test_a_half_close_of_the_client_leaves_our_half_open() -> None:
    async def main(made: StreamTransport, stream: PaperStream, driver: PaperDriver) -> None:
        made.begin()
        stream.coming.put_nowait(b"")
        await driver.until(lambda: bool(driver.events))
        assert isinstance(driver.events[0], HalfClosed) and not made.is_closed
        made.pieces = [b"a", b"b"]
        made.half_close()
        assert stream.written == [b"ab", "end"]

    over(main)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_stream_that_breaks_is_told_of_once(transport: str) -> None:
    async def main(made: StreamTransport, stream: PaperStream, driver: PaperDriver) -> None:
        made.begin()
        stream.coming.put_nowait(OSError("Connection RESET"))
        await driver.until(lambda: bool(driver.gone))
        assert driver.events == [Closed(made.connection, "connection reset")]
        made.close()
        await asyncio.sleep(0)
        assert len(driver.gone) == 1

    over(main, transport)


def test_marks_are_told_of_and_what_is_below_them_is_not() -> None:
    async def main(made: StreamTransport, stream: PaperStream, driver: PaperDriver) -> None:
        made.pieces = [b"x" * (LOW - 1)]
        made.flush()
        assert driver.events == []
        made.pieces = [b"x" * HIGH]
        made.flush()
        assert driver.events == [Congested(made.connection)]
        stream.may_drain.set()
        await driver.until(lambda: len(driver.events) == 2)
        assert driver.events[1] == Drained(made.connection)

    over(main)


def test_datagrams_stay_apart_and_their_end_is_the_end() -> None:
    async def main(made: StreamTransport, stream: PaperStream, driver: PaperDriver) -> None:
        made.begin()
        made.pieces = [b"one", b"two"]
        made.flush()
        assert stream.written == [b"one", b"two"]
        stream.coming.put_nowait(b"answer")
        stream.coming.put_nowait(b"")
        await driver.until(lambda: bool(driver.gone))
        assert [type(event) for event in driver.events] == [DataReceived, Closed]

    over(main, "udp")


def test_what_was_written_before_the_end_goes_out_and_nothing_is_delivered_after_it() -> None:
    async def main(made: StreamTransport, stream: PaperStream, driver: PaperDriver) -> None:
        made.begin()
        made.pieces = [b"last"]
        made.close()
        assert stream.written == [b"last", "closed"]
        stream.coming.put_nowait(b"late")
        await driver.until(lambda: bool(driver.gone))
        assert driver.events == [] and driver.gone == [made.connection]

    over(main)
