"""A WebSocket server that says what it hears."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.server import Server, ServerConnection, serve

from tests.support.certificates import ServerCertificate


def _echo(socket: ServerConnection) -> None:
    for message in socket:
        socket.send(message)


@contextmanager
def websocket_echo(certificate: ServerCertificate | None = None) -> Iterator[str]:
    """Gives its URL, `wss:` with a certificate. Messages of up to 16 MiB, compressed if the client wants it."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.file)
    server: Server = serve(_echo, "127.0.0.1", 0, ssl=context, max_size=1 << 24)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"{'ws' if certificate is None else 'wss'}://localhost:{server.socket.getsockname()[1]}"
    server.shutdown()
    thread.join(5)
