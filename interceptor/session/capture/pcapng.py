"""pcapng, the file format of Wireshark: blocks of packets, names and secrets, written one after the other.

    section header · an interface for each leg · then, as they come: names of addresses, TLS secrets, packets

Packets are bare IP (link type RAW), times are microseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Protocol

_RAW_IP: Final = 101
_NAMES, _PACKET, _SECRETS = 4, 6, 10
_TLS_KEY_LOG: Final = 0x544C534B
_COMMENT, _APPLICATION, _INTERFACE_NAME, _RESOLUTION = 1, 4, 2, 9


class Output(Protocol):
    def write(self, content: bytes, /) -> object: ...


class PcapngFile:
    def __init__(self, stream: Output, interfaces: Sequence[str], application: str) -> None:
        self._stream = stream
        header = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        self._block(0x0A0D0D0A, header + _options((_APPLICATION, application.encode())))
        for name in interfaces:
            options = _options((_INTERFACE_NAME, name.encode()), (_RESOLUTION, b"\x06"))
            self._block(1, struct.pack("<HHI", _RAW_IP, 0, 0) + options)

    def packet(self, interface: int, at: float, content: bytes, comment: str = "") -> None:
        """`at`: seconds since the epoch."""
        moment = max(0, round(at * 1_000_000))
        head = struct.pack("<IIIII", interface, moment >> 32, moment & 0xFFFFFFFF, len(content), len(content))
        options = _options((_COMMENT, comment.encode("utf-8", "replace")[:60_000])) if comment else b""
        self._block(_PACKET, head + _padded(content) + options)

    def name(self, address: IPv4Address | IPv6Address, name: str) -> None:
        """What Wireshark is to call the address."""
        record = address.packed + name.encode("utf-8", "replace").replace(b"\0", b"?")[:255] + b"\0"
        kind = 1 if address.version == 4 else 2
        self._block(_NAMES, struct.pack("<HH", kind, len(record)) + _padded(record) + struct.pack("<HH", 0, 0))

    def secrets(self, key_log: bytes) -> None:
        """Lines of an NSS key log; they have to come before the packets that they are for."""
        self._block(_SECRETS, struct.pack("<II", _TLS_KEY_LOG, len(key_log)) + _padded(key_log))

    def _block(self, kind: int, body: bytes) -> None:
        length = len(body) + 12
        self._stream.write(struct.pack("<II", kind, length) + body + struct.pack("<I", length))


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 4)


def _options(*options: tuple[int, bytes]) -> bytes:
    said = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return said + struct.pack("<HH", 0, 0)
