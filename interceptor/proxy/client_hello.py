"""The TLS ClientHello, read before there is a TLS connection: whom the client wants, and what it can (RFC 8446 §4.1.2, RFC 5246).

The hello may be split over records and packets. `read_client_hello` takes what has come so far and gives the hello, None if
there must be more, or raises `HelloError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_LIMIT: Final = 64 * 1024
_RECORDS_LIMIT: Final = 256  # each look at what has come so far goes through all of them
_ECDSA_SCHEMES: Final = frozenset((0x0403, 0x0503, 0x0603, 0x081A, 0x081B, 0x081C))
_TLS13_SUITES: Final = frozenset(range(0x1301, 0x1306))
_ECDSA_SUITES: Final = frozenset(
    (0xC009, 0xC00A, 0xC023, 0xC024, 0xC02B, 0xC02C, 0xC072, 0xC073, 0xC0AC, 0xC0AD, 0xC0AE, 0xC0AF, 0xCCA9)
)
VERSIONS: Final = {0x0002: "SSL 2", 0x0300: "SSL 3", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}


class HelloError(Exception):
    """Not a ClientHello that anybody could answer; the message says why."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """`server_name` is "" without SNI. `version` is the highest that the client offers, as on the wire (0x0304 is TLS 1.3)."""

    server_name: str
    alpn_offers: tuple[bytes, ...]
    version: int
    takes_ecdsa: bool


@dataclass(frozen=True, slots=True)
class Offers:
    """All that a hello offers, in its order, as numbers of the wire."""

    legacy_version: int
    suites: tuple[int, ...] = ()
    extensions: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    point_formats: tuple[int, ...] = ()
    schemes: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    alpn: tuple[bytes, ...] = ()


def looks_like_tls(first: bytes) -> bool | None:
    """Whether a conversation that begins like this is TLS (or SSL 2); None if more bytes are needed to tell."""
    if first[:1] == b"\x16":
        return None if len(first) < 3 else first[1] == 3 and first[2] <= 4
    if first[:1] >= b"\x80" and len(first) >= 5:
        return _is_ssl2(first)
    return False


def _is_ssl2(first: bytes) -> bool:
    length = int.from_bytes(first[:2], "big") & 0x7FFF
    return first[2] == _CLIENT_HELLO and (first[3], first[4]) in ((0, 2), (3, 0), (3, 1), (3, 2), (3, 3)) and length < 512


def read_client_hello(data: bytes) -> ClientHello | None:
    if len(data) >= 5 and data[0] >= 0x80 and _is_ssl2(data):
        raise HelloError("the client greets in SSL 2, which no server should speak (RFC 6176)")
    message = _handshake_message(data)
    return None if message is None else _parse(message)


def _handshake_message(data: bytes) -> bytes | None:
    """The body of the first handshake message, joined over its records."""
    collected = bytearray()
    position = count = 0
    while True:
        if len(collected) >= 4:
            if collected[0] != _CLIENT_HELLO:
                raise HelloError(f"the first handshake message is of type {collected[0]}, not a ClientHello")
            size = int.from_bytes(collected[1:4], "big")
            if size > _LIMIT:
                raise HelloError(f"a ClientHello of {size} bytes")
            if len(collected) >= 4 + size:
                return bytes(collected[4 : 4 + size])
        if len(data) < position + 5:
            return None
        if data[position] != _HANDSHAKE or data[position + 1] != 3:
            raise HelloError(f"bytes that are no TLS handshake record: {data[position : position + 5].hex(' ')}")
        length = int.from_bytes(data[position + 3 : position + 5], "big")
        if not length or length > 16384 + 256:
            raise HelloError(f"a TLS record of {length} bytes")
        collected += data[position + 5 : position + 5 + length]
        if len(data) < position + 5 + length:
            return None if len(collected) < 4 or collected[0] == _CLIENT_HELLO else _handshake_message(b"\x16\x03\x01\x00\x00")
        position += 5 + length
        count += 1
        if count > _RECORDS_LIMIT:
            raise HelloError(f"a ClientHello in more than {_RECORDS_LIMIT} records")


def offers_of(data: bytes) -> Offers | None:
    """What the hello at the beginning of these records offers; None if it is not all there. HelloError if it is malformed."""
    message = _handshake_message(data)
    if message is None:
        return None
    reader = _Reader(message)
    legacy_version = reader.number(2)
    reader.take(32)
    reader.vector(1)
    suites = tuple(reader.vector(2).numbers())
    reader.vector(1)
    kinds: list[int] = []
    found: dict[str, tuple[int, ...]] = {}
    alpn: tuple[bytes, ...] = ()
    extensions = reader.vector(2) if reader.has_more() else _Reader(b"")
    while extensions.has_more():
        kind, body = extensions.number(2), extensions.vector(2)
        kinds.append(kind)
        match kind:
            case 10:
                found["groups"] = tuple(body.vector(2).numbers())
            case 11:
                found["point_formats"] = tuple(body.vector(1).data)
            case 13:
                found["schemes"] = tuple(body.vector(2).numbers())
            case 16:
                alpn = _protocols(body.vector(2))
            case 43:
                found["versions"] = tuple(body.vector(1).numbers())
    return Offers(legacy_version, suites, tuple(kinds), alpn=alpn, **found)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise HelloError("a ClientHello whose lengths do not fit")
        piece, self.position = self.data[self.position : end], end
        return piece

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> _Reader:
        return _Reader(self.take(self.number(width)))

    def has_more(self) -> bool:
        return self.position < len(self.data)

    def numbers(self) -> list[int]:
        return [int.from_bytes(self.data[i : i + 2], "big") for i in range(0, len(self.data) - 1, 2)]


def read_datagram_hello(message: bytes) -> tuple[ClientHello, bytes]:
    """The body of a ClientHello of DTLS (RFC 6347 §4.2.1), and the cookie in it. HelloError if it is malformed."""
    reader = _Reader(message)
    reader.take(34)
    reader.vector(1)
    start = reader.position
    cookie = reader.vector(1).data
    hello = _parse(message[:start] + message[reader.position :])
    return hello, cookie


def _parse(message: bytes) -> ClientHello:
    reader = _Reader(message)
    version = reader.number(2)
    reader.take(32)
    reader.vector(1)
    suites = set(reader.vector(2).numbers())
    reader.vector(1)
    server_name, alpn, schemes = "", tuple[bytes, ...](), None
    extensions = reader.vector(2) if reader.has_more() else _Reader(b"")
    while extensions.has_more():
        kind, body = extensions.number(2), extensions.vector(2)
        if kind == 0 and body.has_more():
            server_name = _server_name(body.vector(2))
        elif kind == 16:
            alpn = _protocols(body.vector(2))
        elif kind == 13:
            schemes = set(body.vector(2).numbers())
        elif kind == 43:
            offered = [number for number in body.vector(1).numbers() if number in VERSIONS]
            version = max(offered, default=version)
    if schemes is None:
        takes_ecdsa = bool(suites & _ECDSA_SUITES)
    else:
        takes_ecdsa = bool(schemes & _ECDSA_SCHEMES) and bool(suites & (_ECDSA_SUITES | _TLS13_SUITES))
    return ClientHello(server_name, alpn, version, takes_ecdsa)


def _server_name(names: _Reader) -> str:
    while names.has_more():
        kind, name = names.number(1), names.vector(2).data
        if kind == 0:
            try:
                text = name.decode("ascii").rstrip(".").lower()
            except UnicodeDecodeError:
                return ""
            return text if 0 < len(text) <= 253 and text.isprintable() and not set(text) & set(" /\\@?#") else ""
    return ""


def _protocols(names: _Reader) -> tuple[bytes, ...]:
    found = []
    while names.has_more():
        found.append(names.vector(1).data)
    return tuple(name for name in found if name)
