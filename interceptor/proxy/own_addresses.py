"""Addresses of this machine: which are its own, and under which others reach it."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address


def is_local(host: str, own_host: str) -> bool:
    """Whether that host is this machine, seen from a listener on `own_host`: can its address be bound here?"""
    is_everywhere = own_host in ("0.0.0.0", "::")
    names = {"localhost", "127.0.0.1", "::1", "ip6-localhost"}
    if host in names:
        return is_everywhere or own_host in names
    if not is_everywhere:
        return False
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def network_addresses() -> list[str]:
    """This machine's IPv4 addresses, the one towards the rest of the world first. Nothing is sent."""
    found: list[str] = []
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737): asks the routing table only
        found.append(probe.getsockname()[0])
    if not found:
        import psutil

        entries = [entry for some in psutil.net_if_addrs().values() for entry in some if entry.family == socket.AF_INET]
        found = [entry.address for entry in entries if not ip_address(entry.address).is_loopback]
    return found
