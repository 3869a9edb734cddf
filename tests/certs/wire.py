"""Handshakes in memory: two pyOpenSSL connections joined by their memory BIOs, no socket and no loop."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL

from interceptor.certs.authority import Authority


def authority_in(folder: Path, key_type: str = "ec", key_size: int = 2048) -> Authority:
    """A new CA; EC because it is made in no time."""
    return Authority.load_or_create(folder, key_type, key_size)


def pump(client: SSL.Connection, server: SSL.Connection) -> None:
    """Runs both sides until neither has anything to say. Raises what the first of them raises."""
    is_done = {client: False, server: False}
    for _ in range(20):
        for near, far in ((client, server), (server, client)):
            if not is_done[near]:
                try:
                    near.do_handshake()
                    is_done[near] = True
                except SSL.WantReadError:
                    pass
                finally:
                    _carry(near, far)
        if all(is_done.values()):
            return
    raise AssertionError("the handshake never ends")


def _carry(near: SSL.Connection, far: SSL.Connection) -> None:
    while True:
        try:
            far.bio_write(near.bio_read(16384))
        except SSL.WantReadError:
            return


def pair(client_context: SSL.Context, server_context: SSL.Context) -> tuple[SSL.Connection, SSL.Connection]:
    """A client and a server connection, not yet shaken hands."""
    client, server = SSL.Connection(client_context), SSL.Connection(server_context)
    client.set_connect_state()
    server.set_accept_state()
    return client, server


def leaf_seen(client: SSL.Connection) -> x509.Certificate:
    leaf = client.get_peer_certificate(as_cryptography=True)
    assert leaf is not None
    return leaf


def visit(authority: Authority, context: SSL.Context, host: str, **limits: object) -> ssl.SSLObject:
    """A standard library client that trusts the authority alone opens `host` in memory, host name and chain verified strictly.
    `limits` are attributes of its context; `ciphers` is its cipher list."""
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    settings.load_verify_locations(cadata=authority.certificate_pem.decode())
    settings.verify_flags |= ssl.VERIFY_X509_STRICT
    for name, value in limits.items():
        if name == "ciphers":
            settings.set_ciphers(str(value))
        else:
            setattr(settings, name, value)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = settings.wrap_bio(incoming, outgoing, server_hostname=host)
    server = SSL.Connection(context)
    server.set_accept_state()
    server.set_app_data((b"h2", b"http/1.1"))
    is_done = False
    for _ in range(10):
        try:
            client.do_handshake()
            is_done = True
        except ssl.SSLWantReadError:
            pass
        if outgoing.pending:
            server.bio_write(outgoing.read())
        with suppress(SSL.WantReadError):
            server.do_handshake()
        try:
            incoming.write(server.bio_read(65536))
        except SSL.WantReadError:
            if is_done:
                return client
    raise AssertionError("the handshake never ends")
