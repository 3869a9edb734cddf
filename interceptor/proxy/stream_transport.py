"""A stream of mitmproxy_rs as a transport: a connection, or a conversation of datagrams, that came out of a virtual network.

    stream.read ─▸ DataReceived │ HalfClosed │ Closed          pieces ─▸ stream.write, `drain` tells of the marks

It does for these streams what `transports.TcpTransport` does for sockets. Of datagrams every piece is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, Protocol

from interceptor.model.connection import Address, Connection
from interceptor.proxy.core.events import Closed, Congested, DataReceived, Drained, HalfClosed
from interceptor.proxy.transports import HIGH, LOW, Driving

_READ: Final = 65_535


class Stream(Protocol):
    """What we know of `mitmproxy_rs.Stream`."""

    def read(self, n: int) -> Awaitable[bytes]: ...
    def write(self, data: bytes) -> None: ...
    def drain(self) -> Awaitable[None]: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...
    def get_extra_info(self, name: str) -> Any: ...


class StreamTransport:
    """A `transports.Transport`. `run` reads until the stream, or the proxy, has had enough."""

    __slots__ = (
        "_driver", "_is_congested", "_is_datagrams", "_is_draining", "_loop", "_may_read", "_reader", "_stream", "_tasks",
        "_undrained", "connection", "is_closed", "pieces",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, driver: Driving, connection: Connection, stream: Stream) -> None:
        self._loop, self._driver, self.connection, self._stream = loop, driver, connection, stream
        self._is_datagrams = connection.transport == "udp"
        self._may_read = asyncio.Event()
        self._undrained = 0
        self._is_congested = self._is_draining = False
        self._reader: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_closed = False
        self.pieces: list[bytes] = []

    async def run(self) -> None:
        """Until it is closed by either side."""
        self._reader = self._loop.create_task(self._read())
        with suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self) -> None:
        reason = ""
        try:
            while not self.is_closed:
                await self._may_read.wait()
                data = await self._stream.read(_READ)
                if self.is_closed:
                    return
                if data:
                    self._driver.deliver(DataReceived(self.connection, data))
                elif self._is_datagrams:
                    break
                else:
                    self._driver.deliver(HalfClosed(self.connection))
                    return
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
        if not self.is_closed:
            self._leave()
            self._driver.deliver(Closed(self.connection, reason))
            self._driver.transport_gone(self.connection)

    # --- from the driver --------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The stack knows of this connection."""
        self._may_read.set()

    def addresses(self) -> tuple[Address | None, Address | None]:
        return self.connection.local, self.connection.peer

    def flush(self) -> None:
        pieces, self.pieces = self.pieces, []
        if self.is_closed:
            return
        with suppress(OSError):  # who reads will be told
            for piece in pieces if self._is_datagrams else (b"".join(pieces),):
                self._stream.write(piece)
                self._undrained += len(piece)
        if self._undrained >= LOW and not self._is_draining and not self._is_datagrams:
            self._is_draining = True
            task = self._loop.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._undrained >= HIGH and not self._is_congested and not self._is_datagrams:
            self._is_congested = True
            self._driver.deliver(Congested(self.connection))

    async def _drain(self) -> None:
        while self._undrained >= LOW and not self.is_closed:
            self._undrained = 0
            with suppress(OSError):
                await self._stream.drain()
        self._is_draining = False
        if self._is_congested and not self.is_closed:
            self._is_congested = False
            self._driver.deliver(Drained(self.connection))

    def half_close(self) -> None:
        if self.pieces:
            self.flush()
        if not self.is_closed and not self._is_datagrams:
            with suppress(OSError):
                self._stream.write_eof()

    def close(self, is_abrupt: bool = False) -> None:
        """After what was written. No event of it is delivered any more."""
        if self.is_closed:
            return
        if self.pieces:
            self.flush()
        self._leave()
        if self._reader is not None:
            self._reader.cancel()
        self._loop.call_soon(self._driver.transport_gone, self.connection)

    def pause(self) -> None:
        self._may_read.clear()

    def resume(self) -> None:
        self._may_read.set()

    def _leave(self) -> None:
        self.is_closed = True
        with suppress(OSError):
            self._stream.close()
