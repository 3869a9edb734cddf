"""Who may use the proxy at all: clients from public addresses are refused, from private ones on request, from this machine never.

An open proxy is found by strangers within hours; that is why `block_global` is on by default. What is neither public nor this
machine counts as private: RFC 1918, link-local, unique local, and carrier-grade NAT, which overlay networks use (RFC 6598).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from interceptor.model.connection import Connection
from interceptor.model.hooks import Kill
from interceptor.options import Options


class Block:
    """An addon. Options are looked at for each client, so a change applies from the next one on."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def client_connected(self, client: Connection, mode: str) -> Kill | None:
        if client.peer is None or mode.startswith("local"):  # local capture: the client is a program on this machine
            return None
        address = _address(client.peer[0])
        if address is None or address.is_loopback:
            return None
        if address.is_global:
            if self._options.block_global:
                return Kill(f"{address} is a public address and block_global is on: turn it off to let such clients in.")
        elif self._options.block_private:
            return Kill(f"{address} is a private address and block_private is on: turn it off to let such clients in.")
        return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """None if it is not an address but a name or a path. A dual-stack listener sees IPv4 clients as ::ffff:a.b.c.d."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
