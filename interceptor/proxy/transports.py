"""TCP between asyncio and a driver: callbacks become events, write marks become Congested and Drained, half-closes stay half."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from contextlib import suppress
from typing import Final, Protocol, cast

from interceptor.model.connection import Address, Connection
from interceptor.proxy.core.events import (
    Closed,
    Congested,
    DataReceived,
    Drained,
    Event,
    HalfClosed,
    HungUp,
)
from interceptor.proxy.hangups import HangUps

HIGH: Final = 256 * 1024
LOW: Final = 64 * 1024
_RESETS: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER: closing sends a reset instead of an end."""
LINGER_SECONDS: Final = 30.0
"""How long what was written may take to reach a peer after we closed; then it is cut."""


class Driving(Protocol):
    """What a transport knows of its driver."""

    def deliver(self, event: Event) -> None: ...
    def transport_gone(self, connection: Connection) -> None: ...


class Transport(Protocol):
    """What a driver knows of a socket. `pieces` are the bytes of the running turn, written at its end by `flush`."""

    pieces: list[bytes]

    def begin(self) -> None: ...
    def addresses(self) -> tuple[Address | None, Address | None]: ...
    def flush(self) -> None: ...
    def half_close(self) -> None: ...
    def close(self, is_abrupt: bool = False) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


def _reason(exception: Exception | None) -> str:
    """Of a connection's end; "" if there is none: also if the end of our side just came too late for a peer that had gone."""
    if isinstance(exception, ConnectionResetError):
        return "connection reset by peer"
    has_gone = isinstance(exception, OSError) and exception.errno == errno.ENOTCONN
    return "" if exception is None or has_gone else str(exception)


class TcpTransport(asyncio.Protocol):
    """Adapter of one socket; a `Transport`."""

    __slots__ = ("_driver", "_early", "_fd", "_hangups", "_is_paused", "_transport", "connection", "is_closed", "pieces")

    def __init__(self, driver: Driving, connection: Connection, hangups: HangUps) -> None:
        self._driver, self.connection, self._hangups = driver, connection, hangups
        self._transport: asyncio.Transport | None = None
        self._fd = -1
        self._is_paused = False
        self._early: list[Event] | None = []  # what comes before the stack knows of this connection
        self.is_closed = False
        self.pieces: list[bytes] = []

    # --- from asyncio -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH, LOW)
        sock = transport.get_extra_info("socket")
        self._fd = sock.fileno() if sock is not None else -1
        if self.is_closed:
            self._transport.abort()

    def begin(self) -> None:
        """The stack knows of this connection: from now on, and with what has come already, its events are delivered."""
        early, self._early = self._early or [], None
        for event in early:
            self._driver.deliver(event)

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early.append(DataReceived(self.connection, data))
        elif not self.is_closed:
            self._driver.deliver(DataReceived(self.connection, data))

    def eof_received(self) -> bool:
        if self._early is not None:
            self._early.append(HalfClosed(self.connection))
        elif not self.is_closed:
            self._driver.deliver(HalfClosed(self.connection))
        return True  # keep our side open

    def connection_lost(self, exception: Exception | None) -> None:
        self._hangups.forget(self._fd)
        if not self.is_closed:
            self.is_closed = True
            reason = _reason(exception)
            if self._early is not None:
                self._early.append(Closed(self.connection, reason))
            else:
                self._driver.deliver(Closed(self.connection, reason))
        self._driver.transport_gone(self.connection)

    def pause_writing(self) -> None:
        if not self.is_closed:
            self._driver.deliver(Congested(self.connection))

    def resume_writing(self) -> None:
        if not self.is_closed:
            self._driver.deliver(Drained(self.connection))

    # --- from the driver --------------------------------------------------------------------------------------

    def addresses(self) -> tuple[Address | None, Address | None]:
        """Our end and the peer's, as the operating system knows them."""
        transport = self._transport
        ends = [transport.get_extra_info(name) if transport is not None else None for name in ("sockname", "peername")]
        ours, theirs = (tuple(end[:2]) if end else None for end in ends)
        return ours, theirs

    def flush(self) -> None:
        pieces, self.pieces = self.pieces, []
        if self._transport is not None and not self._transport.is_closing():
            if len(pieces) == 1:
                self._transport.write(pieces[0])
            else:
                self._transport.writelines(pieces)

    def half_close(self) -> None:
        if self.pieces:
            self.flush()
        if self._transport is not None and not self._transport.is_closing() and self._transport.can_write_eof():
            with suppress(OSError):  # the peer has gone already: that is told when it is read
                self._transport.write_eof()

    def close(self, is_abrupt: bool = False) -> None:
        """After what was written. No event of it is delivered any more. `is_abrupt`: by a reset."""
        if self.is_closed:
            return
        if self.pieces:
            self.flush()
        self.is_closed = True
        self._hangups.forget(self._fd)
        transport = self._transport
        if transport is not None:
            if self._is_paused:
                transport.resume_reading()  # else asyncio never notices that the peer has gone
            if is_abrupt and (sock := transport.get_extra_info("socket")) is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
            transport.close()
            if transport.get_write_buffer_size():
                asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    def pause(self) -> None:
        if self._transport is not None and not self._is_paused and not self._transport.is_closing():
            self._is_paused = True
            self._transport.pause_reading()
            self._hangups.watch(self._fd, self._hung_up)

    def resume(self) -> None:
        if self._transport is not None and self._is_paused:
            self._is_paused = False
            self._hangups.forget(self._fd)
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def _hung_up(self, is_reset: bool) -> None:
        if not self.is_closed:
            self._driver.deliver(HungUp(self.connection, is_reset))
