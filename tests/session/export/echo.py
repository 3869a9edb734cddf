"""An origin that keeps what it is sent, and a shell that runs what was exported against it."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Echo:
    """One connection after the other; `requests` are the bytes of each, framed by what they announce."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                client.settimeout(10)
                self.requests.append(_read(client))
                client.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


def _read(client: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (piece := client.recv(65536)):
            return received
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    fields = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    announced = {name.lower(): value.strip().lower() for name, _, value in fields}
    if announced.get(b"expect") == b"100-continue" and not body:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if announced.get(b"transfer-encoding") == b"chunked":
        while not (body.endswith(b"0\r\n\r\n") and _dechunked(body) is not None):
            body += client.recv(65536)
        return head + b"\r\n\r\n" + (_dechunked(body) or b"")
    while len(body) < int(announced.get(b"content-length", b"0")):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def _dechunked(raw: bytes) -> bytes | None:
    content = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        count = int(size, 16)
        if not count:
            return content if raw == b"\r\n" else None
        if len(raw) < count + 2:
            return None
        content, raw = content + raw[:count], raw[count + 2 :]
    return None


@contextmanager
def listening() -> Iterator[Echo]:
    echo = Echo()
    try:
        yield echo
    finally:
        echo.close()


def run(shell: str, command: str, folder: Path) -> None:
    """As a person would by pasting it, on a machine without a configuration of curl."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HOME": str(folder), "CURL_HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [shell, "-s"], input=command.encode() + b"\n", cwd=folder, env=environment, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{done.stderr.decode(errors='replace')}\n{command}"
    assert list(folder.iterdir()) == [], f"it left something behind: {command}"


def is_harmless(text: str) -> bool:
    """Nothing in it that a terminal would act upon."""
    return text.replace("\n", "").isprintable()
