"""Who talks to whom: records of transport conversations, and where an exchange wants to go.

A `Connection` is made by whoever accepted or dialled it and is filled in as things become known; layers use it as the key of
its pipe and compare it by identity. It holds no socket. Times are seconds since the epoch (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from interceptor.model.process import Process

Address = tuple[str, int]
"""(host or IP literal without brackets, port)."""


class Side(Enum):
    """Which way a connection faces: to the client that uses us, or to a server that we use."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(slots=True)
class TlsFacts:
    """What a finished (or failed) TLS handshake told. `chain` is the peer's certificates, DER, leaf first; empty if none."""

    version: str = ""  # "TLSv1.3"
    cipher: str = ""
    server_name: str = ""  # SNI, "" if there was none
    alpn_offers: tuple[bytes, ...] = ()
    alpn: bytes = b""  # what was chosen, b"" if nothing
    chain: tuple[bytes, ...] = ()
    is_resumed: bool = False
    hello: bytes = b""  # the records that the ClientHello came in, or went out in; b"" if it was very long
    started_at: float | None = None
    established_at: float | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """A proxy on the way out. `scheme` is "http", "https", "socks5" (names are resolved here), "socks5h" (names are resolved
    there), "socks4" or "socks4a" (likewise). The password is in no text that is made of it."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)

    @property
    def address(self) -> Address:
        return self.host, self.port

    @property
    def speaks_http(self) -> bool:
        return self.scheme in ("http", "https")

    def __str__(self) -> str:
        return f"{self.scheme}://{bracketed(self.host)}:{self.port}"


Route = tuple[Hop, ...]
"""The way to an origin, the nearest hop first; empty is direct."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class Connection:
    """One transport conversation with one remote; the key of its pipe."""

    side: Side
    peer: Address | None = None  # as asked for: for a server the origin's name and port
    resolved: Address | None = None  # the IP address that answered, if `peer` is a name; or the balancer that told a client's
    local: Address | None = None
    transport: str = "tcp"  # or "udp"
    opened_at: float = 0.0  # accepted, or dialling began
    connected_at: float | None = None  # the transport's own handshake is done
    closed_at: float | None = None
    tls: TlsFacts | None = None  # the innermost TLS on this connection
    error: str = ""  # why it failed, in words for a person
    via: Route = ()  # the hops that it goes over; the socket leads to the first of them
    is_forwarded: bool = False  # no tunnel: the last hop is told whole URLs, and asks their servers itself
    relay: Address | None = None  # where a SOCKS5 hop takes the datagrams of this one
    process: Process | None = None  # of a client on this machine: which program it is; known a moment after it has connected

    @property
    def dialled(self) -> Address | None:
        """Where its socket leads."""
        return self.relay or (self.via[0].address if self.via else self.peer)

    def __repr__(self) -> str:
        host, port = self.peer or ("?", 0)
        return f"<{self.side.value} {host}:{port}>"


@dataclass(eq=False, slots=True, repr=False)
class StreamConnection(Connection):
    """A stream of a multiplexed connection, as a transport of its own: its pipe's floor is the codec that carries it."""

    parent: Connection | None = None
    stream_id: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an exchange wants to go. `scheme` is "http", "https", "tcp" (bytes as they are), "tls" (bytes in TLS), "udp"
    (datagrams as they are), "dtls" (datagrams in DTLS) or "dns" (queries, in datagrams); `server_name` is what to send as SNI and
    to verify, by default the host."""

    scheme: str
    host: str
    port: int
    server_name: str = field(default="")

    @property
    def is_tls(self) -> bool:
        return self.scheme in ("https", "tls", "dtls")

    @property
    def transport(self) -> str:
        return "udp" if self.scheme in ("udp", "dtls", "dns") else "tcp"

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around an IPv6 literal."""
        return f"{bracketed(self.host)}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def bracketed(host: str) -> str:
    """An IPv6 literal gets the brackets that a URL or a Host field wants; anything else stays as it is."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


DEFAULT_PORTS = {"http": 80, "https": 443, "dns": 53}
