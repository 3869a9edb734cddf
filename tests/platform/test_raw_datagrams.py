"""Packets made by hand, read by somebody else."""

from __future__ import annotations

import pytest

from interceptor.platform.raw_datagrams import datagram_packet


def ones_complement(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("content", [b"", b"x", b"even", b"\xff" * 1001])
def test_ipv6_has_a_checksum_that_adds_up(content: bytes) -> None:
    packet = datagram_packet(("2001:db8::1", 53), ("::1", 40000), content)
    header, datagram = packet[:40], packet[40:]
    assert header[0] >> 4 == 6 and header[6] == 17 and int.from_bytes(header[4:6], "big") == len(datagram) == 8 + len(content)
    assert datagram[:4] == b"\0\x35\x9c\x40" and datagram[8:] == content and datagram[6:8] != b"\0\0"
    assert ones_complement(header[8:] + len(datagram).to_bytes(4, "big") + b"\0\0\0\x11" + datagram) == 0xFFFF


def test_ipv4() -> None:
    packet = datagram_packet(("198.51.100.2", 53), ("127.0.0.1", 40000), b"hello")
    assert packet[:10] == b"\x45\0\0\x21\0\0\0\0\x40\x11" and packet[12:20] == b"\xc6\x33\x64\x02\x7f\0\0\1"
    assert packet[20:] == b"\0\x35\x9c\x40\0\x0d\0\0hello"
