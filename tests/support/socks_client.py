"""SOCKS5 for programs that do not speak it: a connection for stdin and stdout (`ProxyCommand`), and ports here that lead on.

    python -m tests.support.socks_client PROXY_PORT HOST PORT
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from types import TracebackType
from typing import Self

from interceptor.proxy.socks_messages import read_address, write_address


def _asked(proxy_port: int, command: int, host: str, port: int) -> tuple[socket.socket, tuple[str, int]]:
    connection = socket.create_connection(("127.0.0.1", proxy_port), 10)
    connection.sendall(b"\5\1\0")
    assert connection.recv(2) == b"\5\0"
    connection.sendall(bytes((5, command, 0)) + write_address(host, port))
    answer = b""
    while len(answer) < 10:
        answer += connection.recv(10 - len(answer))
    found = read_address(answer[3:])
    assert answer[1] == 0 and found is not None, answer
    return connection, found[0]


def connect(proxy_port: int, host: str, port: int) -> socket.socket:
    return _asked(proxy_port, 1, host, port)[0]


class SocksForward:
    """`port` here, over TCP and UDP, is that port of that host there."""

    def __init__(self, proxy_port: int, host: str, port: int) -> None:
        self._proxy_port, self._to = proxy_port, (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(("127.0.0.1", self.port))
        self._association, self._relay = _asked(proxy_port, 3, "0.0.0.0", 0)
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._client: object = None
        for run in (self._accept, self._datagrams_up, self._datagrams_down):
            threading.Thread(target=_until_closed, args=(run,), daemon=True).start()

    def _accept(self) -> None:
        accepted, _ = self._listening.accept()
        there = connect(self._proxy_port, *self._to)
        for one, other in ((accepted, there), (there, accepted)):
            threading.Thread(target=_until_closed, args=(lambda one=one, other=other: _pump(one, other),), daemon=True).start()

    def _datagrams_up(self) -> None:
        data, self._client = self._datagrams.recvfrom(65_535)
        self._out.sendto(b"\0\0\0" + write_address(*self._to) + data, self._relay)

    def _datagrams_down(self) -> None:
        self._out.settimeout(None)
        found = read_address(self._out.recv(65_535)[3:])
        assert found is not None
        self._datagrams.sendto(found[1], self._client)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for sock in (self._listening, self._datagrams, self._association, self._out):
            sock.close()


def _until_closed(run: object) -> None:
    while callable(run):
        try:
            run()
        except (OSError, EOFError):
            return


def _pump(one: socket.socket, other: socket.socket) -> None:
    data = one.recv(65_536)
    if not data:
        other.shutdown(socket.SHUT_WR)
        raise EOFError
    other.sendall(data)


def _main() -> None:
    connection = connect(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

    def up() -> None:
        while data := os.read(0, 65_536):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    connection.settimeout(None)
    threading.Thread(target=up, daemon=True).start()
    while data := connection.recv(65_536):
        os.write(1, data)


if __name__ == "__main__":
    _main()
