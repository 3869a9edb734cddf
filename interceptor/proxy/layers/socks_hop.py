"""A hop that speaks SOCKS: asked to lead on, by version 5 (RFC 1928, user and password by RFC 1929), 4 or 4a.

    5 ─▸ methods ◂─ method (─▸ user, password ◂─ 0) ─▸ CONNECT to │ UDP ASSOCIATE ◂─ reply ─▸ open
    4 ─▸ CONNECT to, user ◂─ reply ─▸ open

socks5h and socks4a tell names to the hop; for socks5 and socks4 a name is resolved here first, as curl does it.

Datagrams go to where the hop says, each with a header that says where they are to go on (`SocksDatagrams`, RFC 1928 §7).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from interceptor.model.connection import Address, Hop
from interceptor.proxy.asks import ConnectFailed, Resolve
from interceptor.proxy.core.effects import Close, PipeEffect
from interceptor.proxy.core.events import Closed, DataReceived
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from interceptor.proxy.hop_tunnel import HopTunnel
from interceptor.proxy.socks_messages import (
    CONNECT,
    GRANTED4,
    NO_LOGIN,
    PASSWORD,
    REPLIES,
    REPLIES4,
    SOCKS4,
    SOCKS5,
    UDP_ASSOCIATE,
    read_address,
    unwrapped,
    write_address,
)

_NAME_MARK: Final = b"\0\0\0\1"
"""The address that says to a SOCKS4a server: a name follows."""


class SocksHop(HopTunnel):
    """`is_association`: for datagrams."""

    def __init__(self, stack: Stack, hop: Hop, to: Address, is_association: bool = False) -> None:
        super().__init__(stack, hop, to)
        self._is_association = is_association
        self._is_version5 = hop.scheme.startswith("socks5")
        self.name = self.stage = "SOCKS5" if self._is_version5 else "SOCKS4"
        if is_association:
            self.stage = "UDP ASSOCIATE"
        self._read: Callable[[bytes], bytes | None] = self._method if self._is_version5 else self._reply4

    def begin(self) -> None:
        if self._hop.scheme in ("socks5", "socks4") and not _is_address(self.to[0]):
            return self.ask(Resolve(self, *self.to), then=self._resolved)
        self._greet()

    def _resolved(self, answer: tuple[str, ...] | ConnectFailed) -> None:
        if isinstance(answer, ConnectFailed):
            return self.refuse(f"{answer.hop}: {answer.reason} (socks5h and socks4a leave names to the proxy)")
        usable = [address for address in answer if self._is_version5 or ":" not in address]
        if not usable:
            return self.refuse(f"{self.to[0]} has no IPv4 address, and SOCKS4 knows no other")
        self.to = usable[0], self.to[1]
        self._greet()

    def _greet(self) -> None:
        if self._is_version5:
            methods = bytes((NO_LOGIN, PASSWORD)) if self._hop.user is not None else bytes((NO_LOGIN,))
            return self.sink(bytes((SOCKS5, len(methods))) + methods)
        host, port = self.to
        name = b""
        if _is_address(host):
            if ":" in host:
                return self.refuse(f"{host} is an IPv6 address, which SOCKS4 cannot say")
            packed = ip_address(host).packed
        else:
            packed, name = _NAME_MARK, host.encode("utf-8", "surrogateescape") + b"\0"
        user = (self._hop.user or "").encode("utf-8", "surrogateescape")
        self.sink(bytes((SOCKS4, CONNECT)) + port.to_bytes(2, "big") + packed + user + b"\0" + name)

    def answered(self, held: bytes) -> bytes:
        while held and self.is_asking:
            rest = self._read(held)
            if rest is None:
                return held
            held = rest
        return held

    # Each reads one message: what follows it, or None if it is not whole yet.

    def _method(self, held: bytes) -> bytes | None:
        if held[0] != SOCKS5:
            return self._garbage(held)
        if len(held) < 2:
            return None
        match held[1]:
            case 0:
                self._request()
            case 2 if self._hop.user is not None:
                user, password = (said.encode("utf-8", "surrogateescape") for said in (self._hop.user, self._hop.password))
                self._read = self._login
                self.sink(bytes((1, len(user))) + user + bytes((len(password),)) + password)
            case 0xFF if self._hop.user is not None:
                self.refuse("it takes neither user and password nor clients without")
            case 0xFF:
                self.refuse("it wants a user and a password: write socks5h://user:password@host")
            case method:
                self.refuse(f"it chose a way to log in that it was not offered ({method})")
        return held[2:]

    def _login(self, held: bytes) -> bytes | None:
        if len(held) < 2:
            return None
        if held[1]:
            self.refuse(f"it does not take the password of {self._hop.user!r}")
        else:
            self._request()
        return held[2:]

    def _request(self) -> None:
        self._read = self._reply5
        try:
            to = write_address(*self.to)
        except ValueError as error:
            return self.refuse(str(error))
        if self._is_association:  # from which address we send is not known yet
            return self.sink(bytes((SOCKS5, UDP_ASSOCIATE, 0)) + write_address("0.0.0.0", 0))
        self.sink(bytes((SOCKS5, CONNECT, 0)) + to)

    def _reply5(self, held: bytes) -> bytes | None:
        if held[0] != SOCKS5:
            return self._garbage(held)
        if len(held) < 2:
            return None
        if held[1]:
            self.refuse(f"it answered {held[1]}, {REPLIES.get(held[1], 'which means nothing')}")
            return b""
        try:
            bound = read_address(held[3:])
        except ValueError:
            return self._garbage(held)
        if bound is None:
            return None
        self.bound = bound[0]
        self.open()
        return bound[1]

    def _reply4(self, held: bytes) -> bytes | None:
        if held[0] != 0:
            return self._garbage(held)
        if len(held) < 2:
            return None
        if held[1] != GRANTED4:
            self.refuse(f"it answered {held[1]}, {REPLIES4.get(held[1], 'which means nothing')}")
            return b""
        if len(held) < 8:
            return None
        self.open()
        return held[8:]

    def _garbage(self, held: bytes) -> bytes:
        self.refuse(f"it answered what is not {self.name}: {repr(held[:60])[1:]}")
        return b""


class SocksDatagrams(Tunnel):
    """Each with its header. What does not come from there is nothing of ours: a socket that is connected would not hear it
    either. Of a name only the hop knows the address."""

    def __init__(self, stack: Stack, to: Address, ended: Callable[[], None]) -> None:
        super().__init__(stack)
        self._to, self._ended, self._is_address = to, ended, _is_address(to[0])
        self._header = bytes(3) + write_address(*to)

    def from_above(self, data: bytes) -> None:
        self.sink(self._header + data)

    def from_below(self, data: bytes) -> None:
        try:
            source, content = unwrapped(data)
        except ValueError:
            return
        if source[1] == self._to[1] and (not self._is_address or _same_address(source[0], self._to[0])):
            self.above.receive(DataReceived(self.connection, content))

    def control_from_above(self, effect: PipeEffect) -> None:
        super().control_from_above(effect)
        if isinstance(effect, Close):
            self._ended()

    def closed_below(self, event: Closed) -> None:
        super().closed_below(event)
        self._ended()


def _same_address(said: str, wanted: str) -> bool:
    return _is_address(said) and ip_address(said) == ip_address(wanted.partition("%")[0])


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
