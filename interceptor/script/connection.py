"""Connections as scripts see them. `Client` and `Server` are facades over the records of the two ends of a flow.

Where there is no connection (yet) the facade is there all the same, and its addresses are None.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Flag
from typing import TYPE_CHECKING, Any, ClassVar

from interceptor.model.connection import Address, Side
from interceptor.model.connection import Connection as Record
from interceptor.model.process import Process

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


class ConnectionState(Flag):
    CLOSED = 0
    CAN_READ = 1
    CAN_WRITE = 2
    OPEN = CAN_READ | CAN_WRITE


class Connection:
    _side: ClassVar[Side]

    def __init__(self, record: Record | None = None) -> None:
        self.record: Any = record if record is not None else Record(self._side)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Connection) and self.record is other.record

    def __hash__(self) -> int:
        return id(self.record)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.peername or self.address!r})"

    @property
    def id(self) -> str:
        return f"{id(self.record):x}"

    @property
    def state(self) -> ConnectionState:
        is_open = self.record.connected_at is not None and self.record.closed_at is None
        return ConnectionState.OPEN if is_open else ConnectionState.CLOSED

    @property
    def connected(self) -> bool:
        return self.state is ConnectionState.OPEN

    @property
    def transport_protocol(self) -> str:
        """ "tcp" or "udp"."""
        transport: str = self.record.transport
        return transport

    @property
    def peername(self) -> Address | None:
        """The IP address of the other end, and its port."""
        peer: Address | None = self.record.resolved or self.record.peer
        return peer

    @property
    def address(self) -> Address | None:
        peer: Address | None = self.record.peer
        return peer

    @property
    def sockname(self) -> Address | None:
        local: Address | None = self.record.local
        return local

    @property
    def error(self) -> str | None:
        """Why it failed."""
        return self.record.error or None

    @error.setter
    def error(self, error: str | None) -> None:
        self.record.error = error or ""

    @property
    def timestamp_start(self) -> float:
        seconds: float = self.record.opened_at
        return seconds

    @property
    def timestamp_end(self) -> float | None:
        seconds: float | None = self.record.closed_at
        return seconds

    @property
    def timestamp_tls_setup(self) -> float | None:
        seconds: float | None = self._tls("established_at", None)
        return seconds

    # TLS

    def _tls(self, name: str, without: Any) -> Any:
        return without if self.record.tls is None else getattr(self.record.tls, name)

    @property
    def tls(self) -> bool:
        return self.record.tls is not None

    @property
    def tls_established(self) -> bool:
        return self.timestamp_tls_setup is not None

    @property
    def tls_version(self) -> str | None:
        return self._tls("version", "") or None

    @property
    def cipher(self) -> str | None:
        return self._tls("cipher", "") or None

    @property
    def sni(self) -> str | None:
        return self._tls("server_name", "") or None

    @property
    def alpn(self) -> bytes | None:
        chosen: bytes | None = self._tls("alpn", None)
        return chosen

    @property
    def alpn_offers(self) -> Sequence[bytes]:
        offers: Sequence[bytes] = self._tls("alpn_offers", ())
        return offers

    @property
    def certificate_list(self) -> Sequence[Certificate]:
        """Those that the other end showed, its own first, as `cryptography` reads them."""
        from cryptography.x509 import load_der_x509_certificate

        return [load_der_x509_certificate(each) for each in self._tls("chain", ())]


class Client(Connection):
    _side = Side.CLIENT

    @property
    def process(self) -> Process | None:
        """Which program of this machine it is (`pid`, `name`, `executable`, `arguments`); None if that cannot be told."""
        process: Process | None = self.record.process
        return process


class Server(Connection):
    _side = Side.SERVER

    @property
    def address(self) -> Address | None:
        """Host and port as they were asked for. In `server_connect` it can be set: that is where the connection goes."""
        peer: Address | None = self.record.peer
        return peer

    @address.setter
    def address(self, address: Address) -> None:
        host, port = address
        self.record.peer = (host, port)

    @property
    def peername(self) -> Address | None:
        resolved: Address | None = self.record.resolved
        return resolved

    @property
    def ip_address(self) -> Address | None:
        return self.peername

    @property
    def timestamp_tcp_setup(self) -> float | None:
        seconds: float | None = self.record.connected_at
        return seconds

    @property
    def via(self) -> tuple[str, Address] | None:
        """(scheme, address) of the proxy that is asked for the server, the last one on the way; None if there is none."""
        via = self.record.via
        return (via[-1].scheme, via[-1].address) if via else None
