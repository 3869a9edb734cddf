"""One leg of flows: a connection between two addresses, and what is spoken on it.

    Leg ─ send ─▸ TLS, if there is any ─▸ TCP ─▸ packets on the interface of its side

Addresses are those that were recorded. Where only a name is known, or nothing, an address of the networks for documentation and
benchmarks stands in for it (RFC 5737, 3849, 2544), and the file says what it is called.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from interceptor.model.connection import Address, Connection, Side
from interceptor.session.capture.messages import PREFACE, settings, settings_acknowledged
from interceptor.session.capture.packets import End, Ip, TcpStream
from interceptor.session.capture.pcapng import PcapngFile
from interceptor.session.capture.tls_records import TlsStream

INTERFACES: Final = ("client", "server")
_BENCHMARK_NET: Final = int(IPv4Address("198.18.0.0"))
_OURSELVES: Final = IPv4Address("192.0.2.1")
_OURSELVES_IN_6: Final = IPv6Address("2001:db8::1")
_DEFAULT_PORT: Final = {Side.CLIENT: 8080, Side.SERVER: 443}


class Names:
    """Addresses for names, told to the file once each."""

    def __init__(self, file: PcapngFile) -> None:
        self._file = file
        self._known: set[tuple[Ip, str]] = set()

    def end(self, address: Address | None, resolved: Address | None, port: int) -> End:
        """`port` where none is known."""
        if address is None and resolved is None:
            return End(_OURSELVES, port)
        named, at = address or resolved or ("", 0), resolved or address or ("", 0)
        ip = _literal(at[0])
        if ip is None:
            ip = IPv4Address(
                _BENCHMARK_NET + int.from_bytes(hashlib.sha256(at[0].encode("utf-8", "replace")).digest()[:2], "big")
            )
        name = named[0]
        if name and _literal(name) is None and (ip, name) not in self._known and len(self._known) < 100_000:
            self._known.add((ip, name))
            self._file.name(ip, name)
        return End(ip, at[1] & 0xFFFF or port)


def ends_of(connection: Connection, names: Names, number: int) -> tuple[End, End]:
    """(the side that asks, the side that is asked); `number` tells connections apart whose ports are not known."""
    any_port = 49152 + number % 16_000
    if connection.side is Side.CLIENT:
        asks = names.end(connection.peer, None, any_port)
        asked = names.end(connection.local, None, _DEFAULT_PORT[Side.CLIENT])
    else:
        asks = names.end(connection.local, None, any_port)
        asked = names.end(connection.peer, connection.resolved, _DEFAULT_PORT[Side.SERVER])
    if asks.ip.version != asked.ip.version:  # one of them is made up
        asks = End(_ourselves(asked.ip.version), asks.port)
    return asks, asked


class Leg:
    """`send` bytes in order of time; TLS begins with the first that are to be secret."""

    def __init__(self, file: PcapngFile, names: Names, connection: Connection, number: int) -> None:
        self._file, self._connection = file, connection
        self.interface = 0 if connection.side is Side.CLIENT else 1
        self._number, self._times_opened = number, 0
        asks, asked = ends_of(connection, names, number)
        self._tcp = TcpStream(self._packet, asks, asked, connection.opened_at, number)
        self._tls: TlsStream | None = None
        self._comment = ""
        self._last_stream = 0
        self._has_preface = False

    def say(self, comment: str) -> None:
        """To stand beside the next packet."""
        self._comment = comment

    def secure(self, alpn: bytes) -> None:
        """From here on in TLS."""
        if self._tls is not None:
            return
        tls, connection = self._connection.tls, self._connection
        self._times_opened += 1
        seed = f"{self.interface} {self._number} {self._times_opened}".encode()
        name = (tls.server_name if tls is not None else "") or (
            connection.peer[0] if connection.side is Side.SERVER and connection.peer else ""
        )
        chain = tls.chain if tls is not None and connection.side is Side.SERVER else ()
        self._tls = TlsStream(self._tcp, seed, name if _literal(name) is None else "", alpn, chain, self._file.secrets)

    @property
    def is_begun(self) -> bool:
        """Something has been said on this connection."""
        return self._tcp.is_open

    def send(self, from_client: bool, content: bytes, at: float) -> None:
        (self._tls or self._tcp).send(from_client, content, at)

    def http2_stream(self, wanted: int, at: float) -> int:
        """The number of a new stream: the one that was recorded, if it can be."""
        if not self._has_preface:
            self._has_preface = True
            self.send(True, PREFACE + settings(), at)
            self.send(False, settings() + settings_acknowledged(), at)
            self.send(True, settings_acknowledged(), at)
        self._last_stream = (
            wanted if wanted > self._last_stream and wanted % 2 else self._last_stream + 2 - (self._last_stream + 1) % 2
        )
        return self._last_stream

    def close(self, at: float, is_reset: bool = False, from_client: bool = True) -> None:
        self._tcp.close(max(at, self._connection.closed_at or 0.0), is_reset, from_client)
        self._tls, self._has_preface, self._last_stream = None, False, 0

    def _packet(self, at: float, content: bytes) -> None:
        self._file.packet(self.interface, at, content, self._comment)
        self._comment = ""


def _literal(host: str) -> Ip | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _ourselves(version: int) -> Ip:
    return _OURSELVES if version == 4 else _OURSELVES_IN_6
