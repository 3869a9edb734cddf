"""Asking a proxy for a tunnel, byte by byte, for tests that say themselves what goes through it."""

from __future__ import annotations

import ssl
from pathlib import Path

from tests.support.raw_server import Peer, connect


def through(proxy_port: int, host: str, port: int) -> Peer:
    """A CONNECT that was granted: what is sent next goes to the origin."""
    peer = connect(proxy_port)
    peer.send(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    head = peer.read_head()
    assert head.startswith(b"HTTP/1.1 200"), head
    return peer


def trusting(ca_file: Path) -> ssl.SSLContext:
    """A client that trusts this CA alone."""
    return ssl.create_default_context(cafile=str(ca_file))
