"""A WebSocket server that says what it hears.

On an event loop of its own: a TLS connection that one thread reads while another writes is not safe in Python before 3.13, and
loses what is written once in some hundred connections.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.asyncio.server import ServerConnection, serve

from tests.support.certificates import ServerCertificate


async def _echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


@contextmanager
def websocket_echo(certificate: ServerCertificate | None = None) -> Iterator[str]:
    """Gives its URL, `wss:` with a certificate. Messages of up to 16 MiB, compressed if the client wants it."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.file)
    loop, is_ready, ports = asyncio.new_event_loop(), threading.Event(), list[int]()
    is_over = asyncio.Event()

    async def run() -> None:
        async with serve(_echo, "127.0.0.1", 0, ssl=context, max_size=1 << 24) as server:
            ports.extend(sock.getsockname()[1] for sock in server.sockets)
            is_ready.set()
            await is_over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert is_ready.wait(10)
    yield f"{'ws' if certificate is None else 'wss'}://localhost:{ports[0]}"
    loop.call_soon_threadsafe(is_over.set)
    thread.join(10)
    loop.close()
