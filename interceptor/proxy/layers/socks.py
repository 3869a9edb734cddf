"""A client that speaks SOCKS to us: logged in, the origin reached if we connect eagerly, granted (RFC 1928, 1929; SOCKS4, 4a).

    5 ◂ methods ─▸ method (◂ user, password ─▸ 0) ◂ CONNECT to ─▸ reply ─▸ what comes next is looked at as after an HTTP CONNECT
    4 ◂ CONNECT to, user ─▸ reply ─▸ likewise

    5 ◂ UDP ASSOCIATE ─▸ where to send datagrams, as long as this connection lasts (proxy/associations.py)

Only a refusal leaves a row; what goes through a granted tunnel makes its own rows. BIND is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, Final

from interceptor.model.connection import Address, Connection, Origin
from interceptor.model.hooks import Kill, SocksLogin
from interceptor.proxy.asks import Associate, ConnectFailed, Reach, RunHook
from interceptor.proxy.core.conversation import Conversation, Strand
from interceptor.proxy.core.effects import Close, PauseReading, ResumeReading, Send
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, PipeEvent, TimedOut
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.ingress import Ingress, record_failure
from interceptor.proxy.settings import Settings
from interceptor.proxy.socks_messages import (
    BIND,
    CONNECT,
    GRANTED4,
    NO_LOGIN,
    NOTHING_FITS,
    PASSWORD,
    SOCKS4,
    SOCKS5,
    UDP_ASSOCIATE,
    read_address,
    read_name,
    write_address,
)

_COMMANDS: Final = {BIND: "BIND", UDP_ASSOCIATE: "UDP ASSOCIATE"}
_FAILED: Final = 1
_REFUSED: Final = 5
_NOT_A_COMMAND: Final = 7
_NOT_AN_ADDRESS: Final = 8
_REJECTED4: Final = 0x5B
_NAME_LIMIT: Final = 512  # bytes of a user or a host in SOCKS4
_BOUND: Final = b"\0\1\0\0\0\0\0\0"
"""The address that we connect from: not told, as most proxies do it."""
_WORDS: Final = (("refused", _REFUSED), ("network is unreachable", 3), ("no route", 4), ("cannot be resolved", 4), ("within", 6))
"""What the reason of a failure says, and the reply that comes nearest to it."""

Granted = Callable[[Ingress, list[PipeEvent]], None]


class _Refused(Exception):
    """`answer` is for the client; the message, for the row, is empty if there is none to be left."""

    def __init__(self, message: str, answer: bytes = b"") -> None:
        super().__init__(message)
        self.answer = answer


class Socks(Conversation):
    """Head of the client's pipe until `granted` puts the next one there."""

    def __init__(self, stack: Stack, settings: Settings, ingress: Ingress, client: Connection, granted: Granted) -> None:
        super().__init__(stack)
        self._settings, self._ingress, self._client, self._granted = settings, ingress, client, granted
        self._held = b""
        self._origin: Origin | None = None
        self._attempted: Connection | None = None
        self._has_said = False
        self._strand: Strand[DataReceived | HalfClosed] = Strand(
            self, self._run, lambda: self.wire(PauseReading(client)), lambda: self.wire(ResumeReading(client))
        )
        self.strands.append(self._strand)
        self._until = 0.0

    def start(self) -> None:
        self._until = self.stack.now + self._settings.header_timeout
        self._strand.start()

    def receive(self, event: PipeEvent) -> None:
        match event:
            case DataReceived(data=data):
                self._strand.deliver(event, len(data))
            case HalfClosed():
                self._strand.deliver(event)
            case Closed():
                self.end()
            case _:
                pass

    async def _run(self, strand: Strand[Any]) -> None:
        try:
            version = (await self._take(1))[0]
            if version == SOCKS5:
                command, (host, port) = await self._version5(strand)
                if command == UDP_ASSOCIATE:
                    return await self._associate(strand, (host, port))
            elif version == SOCKS4:
                host, port = await self._version4()
            else:
                raise _not_socks(bytes((version,)) + self._held)
            self._origin = Origin("tcp", host, port)
            await self._reach(strand, version)
        except _Refused as refused:
            return self._refuse(str(refused), refused.answer)
        self._say(_reply(version))
        waiting: list[PipeEvent] = [DataReceived(self._client, self._held)] if self._held else []
        waiting += [item for item, _ in strand.mailbox]
        strand.mark.take_all()  # resume first: what comes here next may pause again
        self._granted(replace(self._ingress, origin=self._origin, is_socks=False), waiting)

    # --- SOCKS5 -----------------------------------------------------------------------------------------------

    async def _version5(self, strand: Strand[Any]) -> tuple[int, Address]:
        methods = await self._take((await self._take(1))[0])
        wanted = PASSWORD if self._settings.wants_login else NO_LOGIN
        if wanted not in methods:
            reason = "offers no way to log in that is known here"
            if wanted == PASSWORD:
                reason = "must log in with user and password (proxyauth)"
            raise _Refused(f"The SOCKS client {reason}.", bytes((SOCKS5, NOTHING_FITS)))
        self._say(bytes((SOCKS5, wanted)))
        if wanted == PASSWORD:
            await self._log_in(strand)
        version, command, _ = await self._take(3)
        if version != SOCKS5:
            raise _Refused(f"The SOCKS client is malformed: its request is of version {version}.")
        if command not in (CONNECT, UDP_ASSOCIATE):
            named = _COMMANDS.get(command, f"command {command}")
            there = "CONNECT and UDP ASSOCIATE are there"
            raise _Refused(f"The SOCKS client asked for {named}, and only {there}.", _reply5(_NOT_A_COMMAND))
        try:
            while (found := read_address(self._held)) is None:
                await self._more()
        except ValueError as error:
            raise _Refused(f"The SOCKS client is malformed: {error}.", _reply5(_NOT_AN_ADDRESS)) from None
        address, self._held = found
        return command, address

    async def _associate(self, strand: Strand[Any], announced: Address) -> None:
        """It lasts until the client ends its connection, on which nothing more is said."""
        answer = await strand.ask(Associate(strand, self._client, announced))
        if isinstance(answer, ConnectFailed):
            raise _Refused(str(answer), _reply5(_FAILED))
        self._say(bytes((SOCKS5, 0, 0)) + write_address(*answer))
        self._held = b""
        while not isinstance(await strand.next_item(), HalfClosed):
            pass
        self.wire(Close(self._client, ""))

    async def _log_in(self, strand: Strand[Any]) -> None:
        version, size = await self._take(2)
        if version != 1:
            raise _Refused(f"The SOCKS client is malformed: its login is of version {version}.")
        user = await self._take(size)
        password = await self._take((await self._take(1))[0])
        said = (each.decode("utf-8", "surrogateescape") for each in (user, password))
        verdict = await strand.ask(RunHook(strand, SocksLogin(self._client, *said)))
        if isinstance(verdict, Kill):
            raise _Refused(f"The SOCKS client was refused: {verdict.reason}", b"\1\1")
        self._say(b"\1\0")

    # --- SOCKS4 -----------------------------------------------------------------------------------------------

    async def _version4(self) -> Address:
        command, high, low, *raw = await self._take(7)
        await self._text()  # who the user is, which nobody can verify
        refused = _reply(SOCKS4, _REJECTED4)
        if self._settings.wants_login:
            raise _Refused("The client must log in (proxyauth), and SOCKS4 has no passwords: it must use SOCKS5.", refused)
        if command != CONNECT:
            named = _COMMANDS.get(command, f"command {command}")
            raise _Refused(f"The SOCKS client asked for {named}, and only CONNECT is there.", refused)
        host = str(IPv4Address(bytes(raw)))
        if raw[:3] == [0, 0, 0] and raw[3]:
            try:
                host = read_name(await self._text())
            except ValueError as error:
                raise _Refused(f"The SOCKS client is malformed: {error}.", refused) from None
        return host, high << 8 | low

    async def _text(self) -> bytes:
        """Up to its zero byte."""
        while (end := self._held.find(b"\0")) < 0:
            if len(self._held) > _NAME_LIMIT:
                raise _Refused("The SOCKS client is malformed: a name does not end.")
            await self._more()
        text, self._held = self._held[:end], self._held[end + 1 :]
        return text

    # --- both -------------------------------------------------------------------------------------------------

    async def _reach(self, strand: Strand[Any], version: int) -> None:
        if not self._settings.is_eager:
            return
        assert self._origin is not None
        answer = await strand.ask(Reach(strand, self._origin))
        if isinstance(answer, ConnectFailed) and not self._settings.rules_may_answer:
            self._attempted = answer.connection
            status = next((reply for words, reply in _WORDS if words in answer.reason), _FAILED)
            raise _Refused(str(answer), _reply(version, status if version == SOCKS5 else _REJECTED4))

    async def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            await self._more()
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    async def _more(self) -> None:
        item = await self._strand.next_item(until=self._until)
        if isinstance(item, TimedOut):
            raise _Refused("The SOCKS client did not say what it wants in time (header_timeout)." if self._has_said else "")
        if isinstance(item, HalfClosed):
            raise _Refused("The SOCKS client left before it had said what it wants." if self._has_said else "")
        self._has_said = True
        self._held += item.data

    def _say(self, data: bytes) -> None:
        self.wire(Send(self._client, data))

    def _refuse(self, message: str, answer: bytes) -> None:
        if answer:
            self._say(answer)
        if message:
            ingress = replace(self._ingress, origin=self._origin)
            record_failure(self.stack, ingress, self._client, self._attempted, message)
        self.wire(Close(self._client, message))


def _not_socks(first: bytes) -> _Refused:
    shown = repr(first[:60])[1:]
    if first[:1].isalpha():
        hint = b"This is a SOCKS proxy, not an HTTP proxy.\n"
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        head += b"Content-Length: %d\r\n\r\n" % len(hint)
        return _Refused(f"The client speaks HTTP, not SOCKS: {shown}. For that there is mode regular.", head + hint)
    return _Refused(f"The client does not speak SOCKS: {shown}.")


def _reply(version: int, status: int = 0) -> bytes:
    if version == SOCKS4:
        return bytes((0, status or GRANTED4)) + bytes(6)
    return _reply5(status)


def _reply5(status: int) -> bytes:
    return bytes((SOCKS5, status)) + _BOUND
