"""Where a redirected connection was meant to go: what the kernel remembers of it (transparent mode).

    nftables / iptables `redirect`  ─▸ the accepted socket still knows the address that was dialled (SO_ORIGINAL_DST)
    TPROXY                          ─▸ the accepted socket's own address *is* that address
    TPROXY, datagrams               ─▸ each comes with it (IP_RECVORIGDSTADDR); what answers is bound to it (IP_TRANSPARENT)

    pf of macOS and the BSDs               ─▸ a program has to be asked (`asks_pf`, see `pf`); OpenBSD's is like TPROXY
    Windows                                ─▸ we lead them here ourselves, and know (`is_diverted`, see `windivert`)

Elsewhere `unavailable` says so in a sentence.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address
from typing import Final

from interceptor.platform import windivert
from interceptor.platform.pf import PFCTL

_SO_ORIGINAL_DST: Final = 80  # <linux/netfilter_ipv4.h>, and IP6T_SO_ORIGINAL_DST of <linux/netfilter_ipv6/ip6_tables.h>
_IP_TRANSPARENT: Final = 19  # <linux/in.h>
_IPV6_TRANSPARENT: Final = 75  # <linux/in6.h>
_IP_RECVORIGDSTADDR: Final = 20  # also the kind of the message that tells it
_IPV6_RECVORIGDSTADDR: Final = 74
_SOCKADDR_IN: Final = struct.Struct("!HH4s8x")
_SOCKADDR_IN6: Final = struct.Struct("!HHI16sI")


def unavailable() -> str:
    """Why this system cannot tell where a connection was meant to go, or ""."""
    if sys.platform == "linux":
        return ""
    if sys.platform == "darwin" or "bsd" in sys.platform:
        return "" if os.path.exists(PFCTL) else f"transparent mode needs pf, and there is no {PFCTL}"
    if sys.platform == "win32":
        return windivert.unavailable()
    return "transparent mode is not there for this system; mode local takes what programs of this machine send"


def asks_pf() -> bool:
    """Whether `pf.ask_pf` tells where a connection was meant to go, and not its socket."""
    return sys.platform == "darwin" or ("bsd" in sys.platform and not sys.platform.startswith("openbsd"))


def is_diverted() -> bool:
    """Whether a `windivert.Diversion` leads connections to a listener, and tells where they were meant to go."""
    return sys.platform == "win32"


def takes_datagrams() -> bool:
    """Whether datagrams can be led to a transparent listener here."""
    return sys.platform == "linux"


def accept_for_others(listening: socket.socket) -> None:
    """Before `bind`: lets the socket accept connections to addresses that are not this machine's, as TPROXY hands them over. It
    takes CAP_NET_ADMIN; without, redirected connections are still accepted."""
    if sys.platform == "linux":
        with suppress(OSError):
            _make_transparent(listening)


def _make_transparent(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)


def take_datagrams_for_others(sock: socket.socket) -> None:
    """Before `bind`: each datagram that it gets will tell where it was to go. PermissionError without CAP_NET_ADMIN."""
    _make_transparent(sock)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVORIGDSTADDR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVORIGDSTADDR, 1)


def datagram_destination(ancillary: Iterable[tuple[int, int, bytes]]) -> tuple[str, int] | None:
    """What came beside a datagram (`recvmsg`): where it was to go; None if that is not told."""
    for level, kind, content in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_RECVORIGDSTADDR:
            return read_sockaddr_in(content)
        if level == socket.IPPROTO_IPV6 and kind == _IPV6_RECVORIGDSTADDR:
            return read_sockaddr_in6(content)
    return None


def socket_in_the_name_of(source: tuple[str, int]) -> socket.socket:
    """What it sends comes from that address, whosever it is. OSError if that cannot be."""
    family = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        _make_transparent(made)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        made.bind(source)
    except OSError:
        made.close()
        raise
    return made


def original_destination(accepted: socket.socket) -> tuple[str, int]:
    """(address, port) that the client dialled. Where nothing has redirected it, that is the address of the socket itself."""
    is_ipv6 = accepted.family == socket.AF_INET6
    try:
        if sys.platform != "linux":
            raise OSError  # there is no such question
        if is_ipv6:
            return read_sockaddr_in6(accepted.getsockopt(socket.IPPROTO_IPV6, _SO_ORIGINAL_DST, _SOCKADDR_IN6.size))
        return read_sockaddr_in(accepted.getsockopt(socket.IPPROTO_IP, _SO_ORIGINAL_DST, _SOCKADDR_IN.size))
    except OSError:  # not translated (ENOENT), or no connection tracking in this kernel (ENOPROTOOPT)
        host, port = accepted.getsockname()[:2]
        return host, port


def read_sockaddr_in(raw: bytes) -> tuple[str, int]:
    """`struct sockaddr_in`; the family stands in the machine's own byte order and is not looked at."""
    _, port, address = _SOCKADDR_IN.unpack(raw)
    return socket.inet_ntoa(address), port


def read_sockaddr_in6(raw: bytes) -> tuple[str, int]:
    """`struct sockaddr_in6`; a link-local address gets its zone."""
    _, port, _, address, _ = _SOCKADDR_IN6.unpack(raw)
    host = IPv6Address(address)
    zone = struct.unpack_from("=I", raw, _SOCKADDR_IN6.size - 4)[0]
    return f"{host}%{zone}" if host.is_link_local and zone else str(host), port
