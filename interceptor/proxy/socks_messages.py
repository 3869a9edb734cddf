"""The pieces that messages of SOCKS are made of, for who asks and for who is asked (RFC 1928, RFC 1929; SOCKS4 and 4a)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from interceptor.model.connection import Address

SOCKS4: Final = 4
SOCKS5: Final = 5
CONNECT: Final = 1
BIND: Final = 2
UDP_ASSOCIATE: Final = 3
NO_LOGIN: Final = 0
PASSWORD: Final = 2
NOTHING_FITS: Final = 0xFF
GRANTED4: Final = 0x5A

REPLIES: Final = {
    0: "granted",
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "time to live expired",
    7: "command not supported",
    8: "kind of address not supported",
}
REPLIES4: Final = {
    0x5A: "granted",
    0x5B: "rejected or failed",
    0x5C: "it cannot ask our identd who we are",
    0x5D: "our identd names another user",
}


def write_address(host: str, port: int) -> bytes:
    """Kind, address and port. A name goes as a name. ValueError if it is longer than SOCKS can say."""
    return _write_host(host) + port.to_bytes(2, "big")


def _write_host(host: str) -> bytes:
    try:
        literal = ip_address(host.partition("%")[0])
    except ValueError:
        name = host.encode("utf-8", "surrogateescape")
        if not 0 < len(name) < 256:
            raise ValueError(f"a host name of {len(name)} bytes cannot be told by SOCKS") from None
        return bytes((3, len(name))) + name
    return bytes((1 if literal.version == 4 else 4,)) + literal.packed


def read_address(data: bytes) -> tuple[Address, bytes] | None:
    """(host, port) and what follows; None if more must come. ValueError if that is no kind of address, or no name."""
    if not data:
        return None
    kind, start = data[0], 1
    if kind == 3:
        if len(data) < 2:
            return None
        size, start = data[1], 2
    elif kind in (1, 4):
        size = 4 if kind == 1 else 16
    else:
        raise ValueError(f"there is no kind of address {kind}")
    end = start + size
    if len(data) < end + 2:
        return None
    raw, port = data[start:end], int.from_bytes(data[end : end + 2], "big")
    host = read_name(raw) if kind == 3 else str(IPv4Address(raw) if kind == 1 else IPv6Address(raw))
    return (host, port), data[end + 2 :]


def unwrapped(datagram: bytes) -> tuple[Address, bytes]:
    """What the header of a datagram says, where it is to go or comes from, and its content. ValueError if it is none of ours."""
    if datagram[:2] != b"\0\0" or len(datagram) < 4:
        raise ValueError("it has no SOCKS header")
    if datagram[2]:
        raise ValueError("it is a fragment, and those are not put together here")
    found = read_address(datagram[3:])
    if found is None or not found[0][1]:
        raise ValueError("its SOCKS header does not say where it is to go")
    return found


def read_name(raw: bytes) -> str:
    """ValueError if it cannot be a host's."""
    if not raw or any(byte <= 0x20 or byte == 0x7F for byte in raw):
        raise ValueError(f"{repr(raw[:60])[1:]} is no host name")
    name = raw.decode("utf-8", "surrogateescape")
    if name.isascii():
        return name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"{repr(raw[:60])[1:]} is no host name") from None
