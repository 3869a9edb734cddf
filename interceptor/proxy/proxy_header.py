"""PROXY protocol headers, versions 1 and 2 (haproxy.org/download/2.9/doc/proxy-protocol.txt): read strictly, written.

A balancer in front of us says by one who its client is; we say by one, to servers that want it, who ours is.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from interceptor.model.connection import Address

SIGNATURE1: Final = b"PROXY "
SIGNATURE2: Final = b"\r\n\r\n\0\r\nQUIT\n"
_LONGEST1: Final = 107
_HOST1, _PORT1 = rb" ([0-9A-Fa-f:.]{2,45})", rb" (0|[1-9][0-9]{0,4})"
_LINE1: Final = re.compile(rb"PROXY (TCP4|TCP6)" + _HOST1 * 2 + _PORT1 * 2)
_FAMILIES2: Final = {0x10: (4, IPv4Address), 0x20: (16, IPv6Address)}
"""High half of the family byte -> bytes of an address, and what they are."""


class HeaderError(Exception):
    """It begins as a header and is none; the message says why."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`source` and `destination` are None where the sender speaks for itself, or does not know. `rest` follows the header."""

    source: Address | None
    destination: Address | None
    rest: bytes


def may_be_header(data: bytes) -> bool:
    """False: whatever follows, this is none."""
    return any(data.startswith(each) or each.startswith(data) for each in (SIGNATURE1, SIGNATURE2))


def read_header(data: bytes) -> ProxyHeader | None:
    """None if there has to come more; call it with what `may_be_header`. HeaderError if it is malformed."""
    if data.startswith(SIGNATURE1):
        return _read1(data)
    if data.startswith(SIGNATURE2):
        return _read2(data)
    return None


def _read1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _LONGEST1)
    if end < 0:
        if len(data) >= _LONGEST1 or b"\n" in data:
            raise HeaderError(f"version 1, and no line of at most {_LONGEST1} bytes: {repr(data[:60])[1:]}")
        return None
    line, rest = data[:end], data[end + 2 :]
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return ProxyHeader(None, None, rest)
    match = _LINE1.fullmatch(line)
    if match is None:
        raise HeaderError(f"version 1, and not `PROXY TCP4|TCP6 source destination port port`: {repr(line)[1:]}")
    wanted = 4 if match[1] == b"TCP4" else 6
    addresses: list[Address] = []
    for host, port in ((match[2], match[4]), (match[3], match[5])):
        try:
            address = ip_address(host.decode())
        except ValueError:
            raise HeaderError(f"version 1, and {host.decode()!r} is no address") from None
        if address.version != wanted or int(port) > 65535:
            raise HeaderError(f"version 1, and an address or a port that is none of {match[1].decode()}: {repr(line)[1:]}")
        addresses.append((str(address), int(port)))
    return ProxyHeader(addresses[0], addresses[1], rest)


def _read2(data: bytes) -> ProxyHeader | None:
    if len(data) < 16:
        return None
    command, family, size = struct.unpack_from("!BBH", data, 12)
    if command not in (0x20, 0x21):
        raise HeaderError(f"version 2, and its version and command are {command:#04x}")
    if len(data) < 16 + size:
        return None
    said, rest = data[16 : 16 + size], data[16 + size :]
    if command == 0x20 or family & 0xF0 not in _FAMILIES2 or family & 0x0F != 1:
        return ProxyHeader(None, None, rest)  # for itself (a check of its), or of what has no such addresses
    width, kind = _FAMILIES2[family & 0xF0]
    if size < 2 * width + 4:
        raise HeaderError(f"version 2, and {size} bytes are too few for its addresses")
    source, destination = (str(kind(said[start : start + width])) for start in (0, width))
    ports = struct.unpack_from("!HH", said, 2 * width)
    return ProxyHeader((source, ports[0]), (destination, ports[1]), rest)


def write_header(version: int, source: Address | None, destination: Address | None) -> bytes:
    """None for either: we speak for ourselves. A family of its own each becomes IPv6 for both."""
    if source is None or destination is None:
        return b"PROXY UNKNOWN\r\n" if version == 1 else SIGNATURE2 + b"\x20\0\0\0"
    one, other = (ip_address(host.partition("%")[0]) for host, _ in (source, destination))
    if one.version != other.version:
        one, other = (IPv6Address(f"::ffff:{each}") if each.version == 4 else each for each in (one, other))
    if version == 1:
        return f"PROXY TCP{one.version} {one} {other} {source[1]} {destination[1]}\r\n".encode()
    family = 0x11 if one.version == 4 else 0x21
    body = one.packed + other.packed + struct.pack("!HH", source[1], destination[1])
    return SIGNATURE2 + struct.pack("!BBH", 0x21, family, len(body)) + body
