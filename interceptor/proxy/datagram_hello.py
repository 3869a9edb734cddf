"""The ClientHello of DTLS, put together from its fragments (RFC 6347 §4.2.3). Pure.

    datagram ─▸ records [type 22, version, epoch, number, length] ─▸ handshake fragments [type, length, message, offset, length]
"""

from __future__ import annotations

from typing import Final

from interceptor.proxy.client_hello import ClientHello, HelloError, read_datagram_hello

_RECORD_HEADER: Final = 13
_FRAGMENT_HEADER: Final = 12
_LONGEST: Final = 32 * 1024
_VERSIONS: Final = (b"\xfe\xff", b"\xfe\xfd", b"\xfe\xfc", b"\x01\0")


def looks_like_datagram_hello(first: bytes) -> bool:
    """A handshake record of epoch 0 that fits, and in it the beginning of a ClientHello."""
    return (
        len(first) > _RECORD_HEADER + _FRAGMENT_HEADER
        and first[0] == 22
        and first[1:3] in _VERSIONS
        and first[3:5] == b"\0\0"
        and first[_RECORD_HEADER] == 1
        and first[19:22] == b"\0\0\0"
        and _RECORD_HEADER + int.from_bytes(first[11:13], "big") <= len(first)
    )


class HelloFragments:
    """Of one hello after the other: a client says it again when it is asked for a cookie. `datagrams` are those that the present
    one has come in."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self._message = -1
        self._collected = b""

    def feed(self, datagram: bytes) -> tuple[ClientHello, bytes] | None:
        """The hello and its cookie when it is complete. HelloError if there will never be one."""
        at = 0
        found: tuple[ClientHello, bytes] | None = None
        while at + _RECORD_HEADER + _FRAGMENT_HEADER <= len(datagram) and datagram[at] == 22:
            start = at + _RECORD_HEADER
            at = start + int.from_bytes(datagram[at + 11 : at + 13], "big")
            found = self._fragment(datagram[start:at], datagram) or found
        return found

    def _fragment(self, fragment: bytes, datagram: bytes) -> tuple[ClientHello, bytes] | None:
        if len(fragment) < _FRAGMENT_HEADER or fragment[0] != 1:
            return None
        size, message, offset, length = (
            int.from_bytes(fragment[start:end], "big") for start, end in ((1, 4), (4, 6), (6, 9), (9, 12))
        )
        if size > _LONGEST:
            raise HelloError(f"a ClientHello of {size} bytes")
        if message != self._message:
            self._message, self._collected, self.datagrams = message, b"", []
        if offset != len(self._collected):
            return None  # out of order, or again: the client will say it once more
        if not self.datagrams or self.datagrams[-1] is not datagram:
            self.datagrams.append(datagram)
        self._collected += fragment[_FRAGMENT_HEADER : _FRAGMENT_HEADER + length]
        if len(self._collected) < size:
            return None
        self._message = -1  # what comes next is another, or this one said again
        return read_datagram_hello(self._collected)
