"""A client that asks at a steady rate over connections that stay open: load that leaves the processor to what is measured.

    python -m tests.support.paced_client PROXY_PORT URL RATE SECONDS        prints how many were answered each second, then all

A request is due at a fixed time. If its connection has not answered yet it waits, and is not sent twice: the rate printed is what
the proxy kept up with.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time

CONNECTIONS = 32
TICK_SECONDS = 0.01


class Asker:
    def __init__(self, port: int, url: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {url}?n=%d HTTP/1.1\r\nHost: {url.split('/')[2]}\r\nAccept: */*\r\n\r\n"
        self._seen = b""
        self._left = 0
        self.is_waiting = False

    def ask(self, number: int) -> None:
        self.is_waiting = True
        self.socket.sendall((self._request % number).encode())

    def read(self) -> bool:
        """True when the answer is complete."""
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit("the proxy closed a connection")
        if not self._left:
            self._seen += data
            head, found, body = self._seen.partition(b"\r\n\r\n")
            if not found:
                return False
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            self._left, self._seen = int(length[15:]) - len(body), b""
        else:
            self._left -= len(data)
        self.is_waiting = self._left > 0
        return not self.is_waiting


def run(port: int, url: str, rate: float, seconds: float) -> float:
    """Answers per second."""
    askers = [Asker(port, url) for _ in range(CONNECTIONS)]
    watched = selectors.DefaultSelector()
    for asker in askers:
        watched.register(asker.socket, selectors.EVENT_READ, asker)
    begin = time.monotonic()
    sent = answered = reported = 0
    second = 1
    while (now := time.monotonic() - begin) < seconds:
        due = int(now * rate) - sent
        for asker in askers:
            if due <= 0:
                break
            if not asker.is_waiting:
                asker.ask(sent)
                sent += 1
                due -= 1
        sent = max(sent, int(now * rate) - CONNECTIONS)  # what was not sent in time is left out, not made up for
        for key, _ in watched.select(TICK_SECONDS):
            answered += key.data.read()
        if now >= second:
            print(answered - reported, flush=True)
            second, reported = second + 1, answered
        time.sleep(max(0.0, TICK_SECONDS / 2))
    return answered / seconds


if __name__ == "__main__":
    print(f"{run(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])):.0f} answers a second", flush=True)
