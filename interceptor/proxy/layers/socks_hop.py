"""A hop that speaks SOCKS: asked to lead on, by version 5 (RFC 1928, user and password by RFC 1929), 4 or 4a.

    5 ─▸ methods ◂─ method (─▸ user, password ◂─ 0) ─▸ CONNECT to ◂─ reply ─▸ open
    4 ─▸ CONNECT to, user ◂─ reply ─▸ open

socks5h and socks4a tell names to the hop; for socks5 and socks4 a name is resolved here first, as curl does it.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from interceptor.model.connection import Address, Hop
from interceptor.proxy.asks import ConnectFailed, Resolve
from interceptor.proxy.core.stack import Stack
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
    read_address,
    write_address,
)

_NAME_MARK: Final = b"\0\0\0\1"
"""The address that says to a SOCKS4a server: a name follows."""


class SocksHop(HopTunnel):
    def __init__(self, stack: Stack, hop: Hop, to: Address) -> None:
        super().__init__(stack, hop, to)
        self._is_version5 = hop.scheme.startswith("socks5")
        self.name = self.stage = "SOCKS5" if self._is_version5 else "SOCKS4"
        self._read: Callable[[bytes], bytes | None] = self._method if self._is_version5 else self._reply4

    def begin(self) -> None:
        if self._hop.scheme in ("socks5", "socks4") and not _is_address(self._to[0]):
            return self.ask(Resolve(self, *self._to), then=self._resolved)
        self._greet()

    def _resolved(self, answer: tuple[str, ...] | ConnectFailed) -> None:
        if isinstance(answer, ConnectFailed):
            return self.refuse(f"{answer.hop}: {answer.reason} (socks5h and socks4a leave names to the proxy)")
        usable = [address for address in answer if self._is_version5 or ":" not in address]
        if not usable:
            return self.refuse(f"{self._to[0]} has no IPv4 address, and SOCKS4 knows no other")
        self._to = usable[0], self._to[1]
        self._greet()

    def _greet(self) -> None:
        if self._is_version5:
            methods = bytes((NO_LOGIN, PASSWORD)) if self._hop.user is not None else bytes((NO_LOGIN,))
            return self.sink(bytes((SOCKS5, len(methods))) + methods)
        host, port = self._to
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
            to = write_address(*self._to)
        except ValueError as error:
            return self.refuse(str(error))
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


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
