"""What a stack may know of the options: an immutable snapshot, taken when the stack starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from interceptor.model.connection import Connection, Hop, Origin
from interceptor.proxy.trusting_clients import TrustingClients
from interceptor.specs.routes import Routes


class UpstreamTls(Protocol):
    """Where layers get what OpenSSL needs for a connection to a server."""

    def context(self, host: str, *, is_verified: bool) -> object:
        """A client-side OpenSSL context, complete and cached. UserError if the configured trust cannot be read."""
        ...

    def datagram_context(self, host: str, *, is_verified: bool) -> object:
        """The same for DTLS."""
        ...

    def unproven_context(self) -> object:
        """A server-side one for DTLS, without a certificate, for clients that must first show that they are where they say."""
        ...

    def session(self, key: tuple[object, str, int]) -> tuple[object, tuple[bytes, ...]] | None:
        """A session to resume, for (context, host, port), and the certificates (DER) of the handshake that it comes from."""
        ...

    def keep_session(self, key: tuple[object, str, int], session: object, chain: tuple[bytes, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes in bytes, times in seconds; None is no limit."""

    upstream_tls: UpstreamTls
    trusting_clients: TrustingClients = field(default_factory=TrustingClients)
    wants_login: bool = False  # proxyauth: who speaks SOCKS to us must name user and password
    is_eager: bool = True  # connection_strategy
    rules_may_answer: bool = False  # in a server's place, or send requests elsewhere: one that is away may not be missed
    upstream_cert: bool = True
    ssl_insecure: bool = False
    rawtcp: bool = True
    websocket: bool = True
    keep_host_header: bool = False
    validate_inbound_headers: bool = True
    http2: bool = True
    http2_upstream: str = "client"  # or "always", "never"
    http2_ping_keepalive: float = 58.0  # 0: none
    normalize_outbound_headers: bool = True
    ignore_hosts: tuple[str, ...] = ()
    show_ignored_hosts: bool = False
    allow_hosts: tuple[str, ...] = ()
    tcp_hosts: tuple[str, ...] = ()
    udp_hosts: tuple[str, ...] = ()
    raw_hosts: tuple[str, ...] = ()
    header_size_limit: int = 256 * 1024
    header_count_limit: int = 1000
    body_size_limit: int | None = None
    stream_large_bodies: int | None = None
    store_streamed_bodies: bool = True
    connect_timeout: float = 30.0
    tls_handshake_timeout: float = 30.0
    header_timeout: float = 60.0
    tcp_timeout: float = 600.0
    udp_timeout: float = 20.0
    routes: Routes = field(default_factory=Routes)
    upstream_auth: tuple[str, str] | None = None  # user and password for the proxy of an upstream mode
    upstream_auth_scheme: str = "basic"  # or "ntlm", "negotiate": how http and https hops are told who we are
    proxy_protocol_from: tuple[IPv4Network | IPv6Network, ...] = ()  # whose PROXY headers are believed
    proxy_protocol_to: tuple[str, ...] = ()  # patterns of `host:port` of servers that are told one
    proxy_protocol_version: int = 2
    http_connect_send_host_header: bool = True
    strip_ech: bool = True

    def takes_proxy_header(self, client: Connection) -> bool:
        """What it says of its client in a PROXY header is believed."""
        if not self.proxy_protocol_from or client.peer is None:
            return False
        address = ip_address(client.peer[0].partition("%")[0])
        mapped = address.ipv4_mapped if address.version == 6 else None
        return any((mapped or address) in network for network in self.proxy_protocol_from)

    def proxy_header_for(self, origin: Origin) -> int | None:
        """The version of the PROXY header that it is to be told; None: none."""
        if not self.proxy_protocol_to or origin.transport == "udp":
            return None
        names = [origin.authority, *([f"{origin.server_name}:{origin.port}"] if origin.server_name else [])]
        is_meant = any(re.search(pattern, name, re.IGNORECASE) for pattern in self.proxy_protocol_to for name in names)
        return self.proxy_protocol_version if is_meant else None

    def login_with(self, hop: Hop) -> str:
        """"NTLM" or "Negotiate" if that is how we log in there, else ""."""
        if not hop.speaks_http or self.upstream_auth_scheme == "basic":
            return ""
        if self.upstream_auth_scheme == "negotiate":
            return "Negotiate"  # the system may know who its user is
        return "NTLM" if hop.user is not None else ""
