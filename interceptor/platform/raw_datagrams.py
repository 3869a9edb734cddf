"""A datagram as a whole IP packet, for raw sockets (IP_HDRINCL): it comes from whoever it shall (RFC 791, 8200, 768)."""

from __future__ import annotations

import struct
from array import array
from ipaddress import ip_address
from typing import Final

_UDP: Final = 17
_HOPS: Final = 64
_IPV4: Final = struct.Struct(">BBHHHBBH4s4s")
_IPV6: Final = struct.Struct(">IHBB16s16s")
_PORTS: Final = struct.Struct(">HHHH")


def datagram_packet(source: tuple[str, int], to: tuple[str, int], content: bytes) -> bytes:
    """Both addresses of one family. The checksum of an IPv4 header is the kernel's to fill in; its UDP needs none."""
    (from_host, from_port), (to_host, to_port) = source, to
    one, other = (ip_address(host.partition("%")[0]).packed for host in (from_host, to_host))
    size = 8 + len(content)
    if len(one) == 4:
        header = _IPV4.pack(0x45, 0, 20 + size, 0, 0, _HOPS, _UDP, 0, one, other)
        return header + _PORTS.pack(from_port, to_port, size, 0) + content
    pseudo_header = one + other + struct.pack(">II", size, _UDP)
    checksum = _checksum(pseudo_header + _PORTS.pack(from_port, to_port, size, 0) + content)
    header = _IPV6.pack(6 << 28, size, _UDP, _HOPS, one, other)
    return header + _PORTS.pack(from_port, to_port, size, checksum) + content


def _checksum(data: bytes) -> int:
    """RFC 1071: the sum is the same in either order of bytes, if its result is put down in that order."""
    words = array("H", data if len(data) % 2 == 0 else data + b"\0")
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    found = ~total & 0xFFFF or 0xFFFF
    return int.from_bytes(found.to_bytes(2, _ORDER), "big")


_ORDER: Final = "little" if array("H", b"\1\0")[0] == 1 else "big"
