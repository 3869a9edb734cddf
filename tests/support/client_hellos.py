"""ClientHellos as clients send them, and put together by hand."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import suppress


def client_hello(server_name: str | None, alpn: Sequence[str] = (), ciphers: str | None = None) -> bytes:
    """What the standard library sends first: records as on the wire."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def records(message: bytes, *sizes: int) -> bytes:
    """A handshake message cut into records of these sizes, and the rest."""
    wire, start = b"", 0
    for size in [*sizes, len(message) - sum(sizes)]:
        wire += b"\x16\x03\x01" + size.to_bytes(2, "big") + message[start : start + size]
        start += size
    return wire


def hello_with(extensions: bytes) -> bytes:
    """A ClientHello message (no records) of TLS 1.2 with these extensions."""
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\xc0\x2b" + b"\x01\x00" + len(extensions).to_bytes(2, "big") + extensions
    return b"\x01" + len(body).to_bytes(3, "big") + body


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content


def server_name(name: bytes) -> bytes:
    entry = b"\x00" + len(name).to_bytes(2, "big") + name
    return extension(0, len(entry).to_bytes(2, "big") + entry)
