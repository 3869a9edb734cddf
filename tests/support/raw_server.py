"""A server of one function: each accepted connection is handed to it, in a thread of its own, as a plain socket with a reader.

For what no well-behaved server does: odd framing, informational responses, banners, breaking off in the middle.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.certificates import ServerCertificate


class Peer:
    """One connection, from either side. Reads raise AssertionError after ten seconds of silence; b"" is the end."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.settimeout(10)
        self._kept = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, at_most: int = 65536) -> bytes:
        """What there is, at least a byte; b"" at the end."""
        if self._kept:
            data, self._kept = self._kept[:at_most], self._kept[at_most:]
            return data
        try:
            return self.socket.recv(at_most)
        except TimeoutError:
            raise AssertionError("nothing came for ten seconds") from None

    def read_exactly(self, size: int) -> bytes:
        """Fewer only at the end."""
        pieces: list[bytes] = []
        while size and (piece := self.read(min(size, 65536))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def read_until(self, mark: bytes) -> bytes:
        """Up to and including the mark; less only at the end."""
        seen = b""
        while mark not in seen:
            piece = self.read()
            if not piece:
                return seen
            seen += piece
        found, self._kept = seen[: seen.index(mark) + len(mark)], seen[seen.index(mark) + len(mark) :] + self._kept
        return found

    def read_head(self) -> bytes:
        return self.read_until(b"\r\n\r\n")

    def read_response(self) -> tuple[bytes, bytes]:
        """Head and body of one that has a Content-Length, or no body."""
        head = self.read_head()
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        return head, self.read_exactly(int(fields.get(b"content-length", b"0")))

    def read_to_end(self) -> bytes:
        pieces: list[bytes] = []
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def start_tls(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        """From here on over TLS, as client if a name is given. Works over TLS too."""
        if isinstance(self.socket, ssl.SSLSocket):
            self.socket = _TlsInTls(self.socket, context, server_name)  # type: ignore[assignment]
        else:
            self.socket = context.wrap_socket(self.socket, server_side=server_name is None, server_hostname=server_name)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _TlsInTls:
    """The part of a socket that `Peer` uses, as client TLS inside of a TLS socket (`ssl` cannot wrap one in another)."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, server_name: str | None) -> None:
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inner = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_name is None, server_hostname=server_name
        )
        self._run(self._inner.do_handshake)

    def _run(self, step: Callable[[], object]) -> object:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._flush()
                if data := self._outer.recv(65536):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            finally:
                self._flush()

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._outer.sendall(data)

    def sendall(self, data: bytes) -> None:
        self._run(lambda: self._inner.write(data))

    def recv(self, at_most: int) -> bytes:
        try:
            data = self._run(lambda: self._inner.read(at_most))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        assert isinstance(data, bytes)
        return data

    def getpeercert(self) -> object:
        return self._inner.getpeercert()

    def shutdown(self, how: int) -> None:
        self._outer.shutdown(how)

    def close(self) -> None:
        self._outer.close()


class RawServer:
    """Use with `with`. What the function raises is raised again at the end, so that a failing server fails the test."""

    def __init__(
        self,
        serve: Callable[[Peer], None],
        certificate: ServerCertificate | None = None,
        host: str = "127.0.0.1",
        alpn: tuple[str, ...] = (),
        port: int = 0,
    ) -> None:
        self._serve = serve
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.file)
            if alpn:
                self._context.set_alpn_protocols(alpn)
        self._listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._peers: list[Peer] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        peer = Peer(connection)
        try:
            if self._context is not None:
                try:
                    peer.start_tls(self._context)
                except (OSError, ssl.SSLError):
                    return  # the client did not like us; it is for the test to find out
            self._peers.append(peer)
            self._serve(peer)
        except (ConnectionError, ssl.SSLError):
            pass  # the other side has gone
        except BaseException as failure:
            self._failures.append(failure)
        finally:
            peer.close()

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(12)  # so that every connection has its thread
        for thread in self._threads:
            thread.join(0.5 if error else 12)
        if error is None and self._failures:
            raise self._failures[0]


def connect(port: int, host: str = "127.0.0.1") -> Peer:
    return Peer(socket.create_connection((host, port), timeout=10))
