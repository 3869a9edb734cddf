"""TCP connections and UDP datagrams as IP packets, with everything that a reader of packets checks: handshake, sequence numbers,
acknowledgements, checksums, the end.

    TcpStream.send(from_client, bytes, time) ─▸ segments, each at most 32 KiB, and one acknowledgement
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

Ip = IPv4Address | IPv6Address
EmitPacket = Callable[[float, bytes], None]

_TCP, _UDP = 6, 17
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_SEGMENT: Final = 32_000
_DATAGRAM: Final = 65_000
_WINDOW: Final = 65_535


@dataclass(frozen=True, slots=True)
class End:
    ip: Ip
    port: int


class TcpStream:
    """Opens itself with the first bytes. `close` ends it; what is sent after that goes over a new connection between the same
    ends."""

    def __init__(self, emit: EmitPacket, client: End, server: End, opened_at: float, number: int) -> None:
        """`number` is of no other connection in the file; its sequence numbers begin there."""
        self._number = number
        self._emit, self._ends = emit, (server, client)  # indexed by from_client
        self._opened_at = opened_at
        self._count = 0
        self.is_open = False
        self._next = [0, 0]
        self._at = self._last = 0.0

    def send(self, from_client: bool, content: bytes, at: float) -> None:
        if not content:
            return
        self.open(at)
        self._at, self._last = at, max(self._last, at)
        for start in range(0, len(content), _SEGMENT):
            piece = content[start : start + _SEGMENT]
            self._segment(from_client, _PSH | _ACK, piece)
            self._next[from_client] = (self._next[from_client] + len(piece)) & 0xFFFFFFFF
        self._segment(not from_client, _ACK)

    def open(self, at: float) -> None:
        if self.is_open:
            return
        self.is_open = True
        self._count += 1
        self._at = min(at, self._opened_at) if self._opened_at and self._count == 1 else at
        start = (self._number * 0x3000003 + self._count * 0x1000003) & 0xFFFFFFFF
        self._next = [start, start ^ 0x5A5A5A5A]
        self._segment(True, _SYN, number=self._next[True], acknowledged=0)
        self._next[True] = (self._next[True] + 1) & 0xFFFFFFFF
        self._segment(False, _SYN | _ACK)
        self._next[False] = (self._next[False] + 1) & 0xFFFFFFFF
        self._segment(True, _ACK)

    def close(self, at: float, is_reset: bool = False, from_client: bool = True) -> None:
        if not self.is_open:
            return
        self._at = max(self._last, at)
        self.is_open = False
        if is_reset:
            self._segment(from_client, _RST | _ACK)
            return
        for side in (from_client, not from_client):
            self._segment(side, _FIN | _ACK)
            self._next[side] = (self._next[side] + 1) & 0xFFFFFFFF
        self._segment(from_client, _ACK)

    def _segment(
        self, from_client: bool, flags: int, payload: bytes = b"", number: int | None = None, acknowledged: int | None = None
    ) -> None:
        source, target = self._ends[from_client], self._ends[not from_client]
        number = self._next[from_client] if number is None else number
        acknowledged = self._next[not from_client] if acknowledged is None else acknowledged
        head = struct.pack("!HHIIBBH", source.port, target.port, number, acknowledged, 5 << 4, flags, _WINDOW)
        checksum = _checksum(_pseudo(source.ip, target.ip, _TCP, 20 + len(payload)) + head + b"\0\0\0\0" + payload)
        self._emit(self._at, _ip(source.ip, target.ip, _TCP, head + struct.pack("!HH", checksum, 0) + payload))


def datagram(source: End, target: End, content: bytes) -> bytes:
    """A UDP packet; what does not fit into one is cut off."""
    payload = content[:_DATAGRAM]
    head = struct.pack("!HHH", source.port, target.port, 8 + len(payload))
    checksum = _checksum(_pseudo(source.ip, target.ip, _UDP, 8 + len(payload)) + head + b"\0\0" + payload)
    return _ip(source.ip, target.ip, _UDP, head + struct.pack("!H", checksum or 0xFFFF) + payload)


def _ip(source: Ip, target: Ip, protocol: int, payload: bytes) -> bytes:
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + source.packed + target.packed + payload
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol)
    addresses = source.packed + target.packed
    return head + struct.pack("!H", _checksum(head + b"\0\0" + addresses)) + addresses + payload


def _pseudo(source: Ip, target: Ip, protocol: int, length: int) -> bytes:
    return source.packed + target.packed + struct.pack("!IxxxB", length, protocol)


def _checksum(content: bytes) -> int:
    """RFC 1071. The sum of 16-bit words with carries added back is the number modulo 2¹⁶ - 1."""
    number = int.from_bytes(content + b"\0" * (len(content) % 2), "big")
    rest = number % 0xFFFF
    return ~(rest or (0xFFFF if number else 0)) & 0xFFFF
