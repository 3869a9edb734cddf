"""The console as its users run it: `python -m interceptor` under a pseudo-terminal, with a client and an origin around it.

with Console(folder, confdir=…) as console:      drawn, and accepting connections
    answer = console.ask("GET", origin.url("/x"))    a client of its own thread; answer.result() is (head, body)
    console.press("a"); console.see("1 flow resumed")
    head, body = origin.next()
"""

from __future__ import annotations

import os
import queue
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.certificates import ServerCertificate
from tests.support.console_screen import Driven
from tests.support.programs import free_port
from tests.support.raw_server import Peer, RawServer, connect

PATIENCE_SECONDS = 30.0
Answer = tuple[bytes, bytes]


class Origin(RawServer):
    """Answers one request per connection, always the same, and keeps what it was asked."""

    def __init__(
        self, answer: bytes = b"the answer", fields: str = "", certificate: ServerCertificate | None = None
    ) -> None:
        super().__init__(self._serve_one, certificate)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n{fields}\r\n"
        self._answer = head.encode("latin-1") + answer
        self._seen: queue.Queue[Answer] = queue.Queue()

    def _serve_one(self, peer: Peer) -> None:
        peer.socket.settimeout(PATIENCE_SECONDS)
        head, body = peer.read_response()
        if head:
            self._seen.put((head, body))
            peer.send(self._answer)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def next(self) -> Answer:
        """The next request's head and body; waited for."""
        return self._seen.get(timeout=PATIENCE_SECONDS)

    def was_asked(self) -> bool:
        return not self._seen.empty()


class Console(Driven):
    """Started by the constructor; `arguments` come behind those that every run gets. `program` is run instead of the module."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        confdir: Path,
        trusted_ca: Path | None = None,
        size: tuple[int, int] = (100, 30),
        program: Path | None = None,
        first_text: str = "No flows yet.",
        **environment: str,
    ) -> None:
        self.port = free_port()
        trust = [] if trusted_ca is None else ["--set", f"ssl_verify_upstream_trusted_ca={trusted_ca}"]
        start = ["-m", "interceptor"] if program is None else [str(program)]
        top = str(Path(__file__).parents[2])
        super().__init__(
            [sys.executable, *start, "-p", str(self.port), "--set", f"confdir={confdir}", *trust, *arguments],
            size[0],
            size[1],
            HOME=str(folder),
            PYTHONPATH=top,
            **environment,
        )
        self._clients = ThreadPoolExecutor(8)
        try:
            self.see(first_text, f"127.0.0.1:{self.port}")
        except BaseException:
            self.close()
            raise

    # -- clients ----------------------------------------------------------------------------------------------------------

    def connect(self) -> Peer:
        peer = connect(self.port)
        peer.socket.settimeout(PATIENCE_SECONDS)
        return peer

    def ask(self, method: str, url: str, body: bytes = b"", fields: str = "") -> Future[Answer]:
        """From a connection of its own; (b"", b"") is what a client gets whose connection was ended."""

        def client() -> Answer:
            with self.connect() as peer:
                peer.send(request(method, url, body, fields))
                return peer.read_response()

        return self._clients.submit(client)

    def answer(self, method: str, url: str, body: bytes = b"", fields: str = "") -> Answer:
        """Of a request that nobody holds."""
        return self.ask(method, url, body, fields).result(PATIENCE_SECONDS)

    # -- what is often done -----------------------------------------------------------------------------------------------

    def set_intercept(self, filter_text: str) -> None:
        self.press("i")
        self.see(": set intercept")
        self.press(filter_text, "enter")
        self.see(f"[i:{filter_text}]")

    def edit(self, shortcut: str, shown: str) -> None:
        """Opens an editor by its key in the chooser, and sees what it shows."""
        self.press("e")
        self.see("Edit…")
        self.press(shortcut)
        self.see(shown)

    def set_line(self, shortcut: str, shown: str, text: str) -> None:
        """Edits a part that is one line."""
        self.edit(shortcut, shown)
        self.press("ctrl u", text, "enter")
        self.see("changed")

    def memory(self) -> int:
        """Resident bytes now."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        super().close()
        self._clients.shutdown(wait=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def request(method: str, url: str, body: bytes = b"", fields: str = "") -> bytes:
    host = url.split("/")[2]
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {url} HTTP/1.1\r\nHost: {host}\r\n{length}{fields}\r\n".encode("latin-1") + body
