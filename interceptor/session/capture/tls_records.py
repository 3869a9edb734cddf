"""TLS around what is decrypted already, so that a reader of packets sees the handshake (name, ALPN, certificates) and the inside.

The records are those of a TLS 1.2 connection with TLS_RSA_WITH_NULL_SHA256: nothing is encrypted, but everything has its MAC, for
which the secret is given away in the line of a key log. Names and certificates are those that were recorded; version, cipher and
random numbers are not.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable, Iterable
from typing import Final, Protocol

_HANDSHAKE, _CHANGE_CIPHER, _APPLICATION = 22, 20, 23
_NULL_SHA256: Final = 0x003B
_RECORD: Final = 16_000


class Stream(Protocol):
    def send(self, from_client: bool, content: bytes, at: float) -> None: ...


class TlsStream:
    """Shakes hands with the first bytes. `seed` makes its random numbers, the same each time; `secret` is told the line of the
    key log before anything is sent."""

    def __init__(
        self, below: Stream, seed: bytes, name: str, alpn: bytes, chain: Iterable[bytes], secret: Callable[[bytes], None]
    ) -> None:
        self._below, self._name, self._alpn, self._chain, self._secret = below, name, alpn, tuple(chain), secret
        self._randoms = [hashlib.sha256(b"server" + seed).digest(), hashlib.sha256(b"client" + seed).digest()]
        self._master = hashlib.sha384(b"master" + seed).digest()
        block = _prf(self._master, b"key expansion", self._randoms[False] + self._randoms[True], 64)
        self._keys = [block[32:], block[:32]]
        self._numbers = [0, 0]
        self._is_open = False

    def send(self, from_client: bool, content: bytes, at: float) -> None:
        self.open(at)
        for start in range(0, len(content), _RECORD):
            self._below.send(from_client, self._protected(from_client, _APPLICATION, content[start : start + _RECORD]), at)

    def open(self, at: float) -> None:
        if self._is_open:
            return
        self._is_open = True
        self._secret(b"CLIENT_RANDOM %b %b\n" % (self._randoms[True].hex().encode(), self._master.hex().encode()))
        hello = _message(1, self._hello(True))
        answer = _message(2, self._hello(False))
        answer += _message(11, _long(b"".join(_long(each) for each in self._chain if each))) + _message(14, b"")
        exchange = _message(16, struct.pack("!H", 48) + bytes(48))
        self._below.send(True, _records(_HANDSHAKE, hello), at)
        self._below.send(False, _records(_HANDSHAKE, answer), at)
        transcript = hello + answer + exchange
        for from_client, label, before in ((True, b"client finished", exchange), (False, b"server finished", b"")):
            finished = _message(20, _prf(self._master, label, hashlib.sha256(transcript).digest(), 12))
            transcript += finished
            plain = (_records(_HANDSHAKE, before) if before else b"") + _records(_CHANGE_CIPHER, b"\x01")
            self._below.send(from_client, plain + self._protected(from_client, _HANDSHAKE, finished), at)

    def _hello(self, from_client: bool) -> bytes:
        extensions = b""
        if from_client and self._name:
            name = self._name.encode("utf-8", "replace")[:255]
            entry = struct.pack("!BH", 0, len(name)) + name
            extensions += _extension(0, struct.pack("!H", len(entry)) + entry)
        if self._alpn:
            entry = struct.pack("!B", len(self._alpn[:255])) + self._alpn[:255]
            extensions += _extension(16, struct.pack("!H", len(entry)) + entry)
        suites = struct.pack("!HHBB", 2, _NULL_SHA256, 1, 0) if from_client else struct.pack("!HB", _NULL_SHA256, 0)
        session = b"\0" if from_client else b"\x20" + hashlib.sha256(self._master).digest()  # a new one, or it looks resumed
        return b"\x03\x03" + self._randoms[from_client] + session + suites + struct.pack("!H", len(extensions)) + extensions

    def _protected(self, from_client: bool, kind: int, content: bytes) -> bytes:
        head = struct.pack("!QBHH", self._numbers[from_client], kind, 0x0303, len(content))
        self._numbers[from_client] += 1
        mac = hmac.digest(self._keys[from_client], head + content, "sha256")
        return struct.pack("!BHH", kind, 0x0303, len(content) + 32) + content + mac


def client_random(hello: bytes) -> bytes:
    """Of the records that a ClientHello came in; b"" if it is not there."""
    return hello[11:43] if len(hello) >= 43 and hello[0] == _HANDSHAKE and hello[5] == 1 else b""


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("!I", kind << 24 | len(body)) + body


def _long(content: bytes) -> bytes:
    return struct.pack("!I", len(content))[1:] + content


def _extension(number: int, content: bytes) -> bytes:
    return struct.pack("!HH", number, len(content)) + content


def _records(kind: int, content: bytes) -> bytes:
    pieces = [content[start : start + _RECORD] for start in range(0, len(content), _RECORD)]
    return b"".join(struct.pack("!BHH", kind, 0x0303, len(piece)) + piece for piece in pieces)


def _prf(secret: bytes, label: bytes, seed: bytes, count: int) -> bytes:
    """RFC 5246 §5."""
    seed, chained, output = label + seed, label + seed, b""
    while len(output) < count:
        chained = hmac.digest(secret, chained, "sha256")
        output += hmac.digest(secret, chained + seed, "sha256")
    return output[:count]
