"""Hostile peers of the proxy, one class each, as a program of its own (`python -m tests.soak.attacks`, see `Attack`).

    test ─"go"─▸ attempts, one after the other, a pause of four times as long after each ─"rest"─▸ one JSON line: what happened

Each attempt says how many seconds after the limit was reached it was refused or bounded. It runs at niceness 19 and most of the
time not at all, so that what a victim notices is what the proxy does, and not what the attacker does to the machine.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.certificates import ServerCertificate
from tests.support.client_hellos import extension, hello_with, records, server_name
from tests.support.raw_server import Peer, RawServer, connect
from tests.support.tunnel import through

TOP: Final = Path(__file__).parents[2]
LIMITS: Final = {"header_timeout": 2.0, "tls_handshake_timeout": 2.0, "tcp_timeout": 4.0}
"""The options with which the proxy is to run, in seconds."""
PIECE: Final = 64 * 1024
GET: Final = b"GET http://localhost:%d/%b HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"
POST: Final = b"POST http://localhost:%d/attack HTTP/1.1\r\nHost: localhost\r\n"


@dataclass
class Field:
    """Where the attack takes place: the proxy, and an origin of our own that does what `serve` says."""

    port: int
    certificate: ServerCertificate
    serve: Callable[[Peer], None] = lambda peer: None
    origin: RawServer = field(init=False)
    tls_origin: RawServer = field(init=False)

    def __post_init__(self) -> None:
        self.origin = RawServer(lambda peer: self.serve(peer))
        self.tls_origin = RawServer(lambda peer: self.serve(peer), self.certificate)


def since(started: float, limit: float = 0.0) -> float:
    return time.monotonic() - started - limit


def flood(client: Peer, pieces: Iterable[bytes]) -> None:
    """As much as it takes."""
    with contextlib.suppress(OSError):
        for piece in pieces:
            client.send(piece)


def until_closed(client: Peer) -> bytes:
    heard = b""
    with contextlib.suppress(OSError):
        while piece := client.read():
            heard = (heard + piece)[-PIECE:]
    return heard


def refused(field: Field, pieces: Iterable[bytes]) -> float:
    """A client that says this is answered or not, and closed."""
    started = time.monotonic()
    with connect(field.port) as client:
        flood(client, pieces)
        until_closed(client)
    return since(started)


def reset(client: Peer) -> None:
    with contextlib.suppress(OSError):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def endless(first: bytes, piece: bytes, size: int = 50_000_000) -> Iterator[bytes]:
    yield first
    for _ in range(size // len(piece)):
        yield piece


# --- clients: heads ---------------------------------------------------------------------------------------------


def head_of_one_line(field: Field) -> float:
    return refused(field, endless(b"GET / HTTP/1.1\r\nHost: a\r\nA: ", b"a" * PIECE))


def head_of_a_million_lines(field: Field) -> float:
    return refused(field, endless(b"GET / HTTP/1.1\r\nHost: a\r\n", b"a: b\r\n" * 10_000, 6_000_000))


def head_of_blanks(field: Field) -> float:
    return refused(field, [b"GET / HTTP/1.1\r\nHost: a\r\nA:" + b" " * 200_000 + b"\x00\r\n\r\n"])


def empty_lines(field: Field) -> float:
    return refused(field, endless(b"", b"\r\n" * 10_000, 2_000_000))


MALFORMED: Final = (
    b"GET / HTTP/1.1\r\nHost: a\r\nA: \x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/3.9\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"\x80\x2e\x01\x03\x01garbage\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
)


def malformed_heads(field: Field) -> float:
    return max(refused(field, [head]) for head in MALFORMED)


def slow_heads(field: Field) -> float:
    """Loris: two hundred of them, a byte at a time."""
    clients, started = [connect(field.port) for _ in range(200)], time.monotonic()
    open_ones = {client.socket.fileno(): client for client in clients}
    last = started
    while open_ones and since(started) < 10:
        for client in open_ones.values():
            with contextlib.suppress(OSError):
                client.send(b"G" if since(started) < 1 else b"E")
        for number in select.select(list(open_ones), [], [], 0.2)[0]:
            until_closed(open_ones.pop(number))
            last = time.monotonic()
    for client in clients:
        client.close()
    assert not open_ones, f"{len(open_ones)} slow heads are still waited for"
    return last - started - LIMITS["header_timeout"]


def half_requests(field: Field) -> float:
    started = time.monotonic()
    for cut in range(1, 60, 3):
        client = connect(field.port)
        client.send((GET % (field.origin.port, b"half", 1))[:cut])
        (reset if cut % 2 else Peer.close)(client)
    return since(started)


# --- clients: bodies --------------------------------------------------------------------------------------------


def chunked(field: Field, pieces: Iterable[bytes]) -> float:
    field.serve = lambda peer: (until_closed(peer), None)[1]
    first = POST % field.origin.port + b"Transfer-Encoding: chunked\r\n\r\n"
    return refused(field, [first, *pieces])


def bad_chunk_sizes(field: Field) -> float:
    return max(chunked(field, [size + b"\r\nab"]) for size in (b"f" * 18, b"-1", b"0x1", b"", b"1 1", b"1\x00"))


def chunk_extensions(field: Field) -> float:
    return max(chunked(field, [b"1;", *[b"x" * PIECE] * 80]), chunked(field, [b"1;%b\r\na\r\n" % (b"x" * 9000)] * 300))


def trailers_without_end(field: Field) -> float:
    return chunked(field, [b"0\r\n", *[b"A: b\r\n" * 10_000] * 50])


def chunks_of_a_byte(field: Field) -> float:
    """Not wrong, so not refused; it must not hold up others."""
    started = time.monotonic()
    field.serve = serve_upload
    with connect(field.port) as client:
        client.send(POST % field.origin.port + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(10):
            client.send(b"1\r\na\r\n" * 1000)
        client.send(b"0\r\n\r\n")
        assert client.read_head().startswith(b"HTTP/1.1 200")
    return since(started)


def serve_upload(peer: Peer) -> None:
    if peer.read_head():
        peer.read_until(b"\r\n0\r\n\r\n")
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def slow_body(field: Field) -> float:
    field.serve = lambda peer: (until_closed(peer), None)[1]
    with connect(field.port) as client:
        client.send(POST % field.origin.port + b"Content-Length: 1000\r\n\r\nabc")
        started = time.monotonic()
        until_closed(client)
    return since(started, LIMITS["tcp_timeout"])


def answers_that_nobody_reads(field: Field) -> float:
    """Requests without end, pipelined, to the page that the proxy serves itself."""
    with connect(field.port) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)  # else the kernels hold a thousand answers
        client.socket.settimeout(0.5)
        request = b"GET http://interceptor.test/ HTTP/1.1\r\nHost: interceptor.test\r\n\r\n"
        with contextlib.suppress(OSError):
            for _ in range(1000):
                client.send(request * 500)
            raise AssertionError("it read forty megabytes of requests whose answers nobody takes")
    return 0.0


# --- TLS --------------------------------------------------------------------------------------------------------


def hellos_without_end(field: Field) -> float:
    wires = (
        records(b"\x01\x01\x00\x01" + bytes(65_537), *([16_000] * 4)),
        records(b"\x01\x00\xff\xff" + bytes(60_000), *([1] * 50_000)),
        b"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + bytes(100),
        b"\x16\x03\x01\x00\x00" * 1000,
    )
    limits = (0.0, 0.0, LIMITS["tls_handshake_timeout"], 0.0)
    return max(refused(field, [wire]) - limit for wire, limit in zip(wires, limits, strict=True))


def names_of_ten_thousand_bytes(field: Field) -> float:
    return refused(field, [records(hello_with(server_name(b"a" * 10_000) + extension(13, b"\x00\x02\x04\x03")))])


def handshakes_abandoned(field: Field) -> float:
    started = time.monotonic()
    wire = records(hello_with(server_name(b"a.test")))
    for cut in range(1, len(wire), 6):
        client = connect(field.port)
        client.send(wire[:cut])
        (reset if cut % 2 else Peer.close)(client)
    return since(started)


def renegotiation(field: Field) -> float:
    from OpenSSL import SSL

    started = time.monotonic()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    with connect(field.port) as peer:
        peer.socket.setblocking(True)
        connection = SSL.Connection(context, peer.socket)
        connection.set_tlsext_host_name(b"localhost")
        connection.set_connect_state()
        connection.do_handshake()
        with contextlib.suppress(SSL.Error):
            for _ in range(100):
                connection.renegotiate()
                connection.do_handshake()
            raise AssertionError("it renegotiated a hundred times")
    return since(started)


def alerts_and_truncations(field: Field) -> float:
    """Within the TLS of a tunnel: an alert, garbage, an end without close_notify."""
    field.serve = lambda peer: (until_closed(peer), None)[1]
    started = time.monotonic()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for last in (b"\x15\x03\x03\x00\x02\x02\x28", b"\x17\x03\x03\x00\x20" + bytes(32), b"\x17\x03\x03\xff\xff", b""):
        client = through(field.port, "localhost", field.tls_origin.port)
        number = os.dup(client.socket.fileno())
        client.start_tls(context, "localhost")
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        raw = socket.socket(fileno=number)
        raw.sendall(last) if last else raw.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError, ssl.SSLError):
            while client.read():
                pass
        raw.close()
        client.close()
    return since(started)


# --- servers ----------------------------------------------------------------------------------------------------


def asked(field: Field, serve: Callable[[Peer], None], is_tls: bool = False) -> float:
    """A client that asks that origin, and takes whatever comes to its end."""
    field.serve = serve
    origin = field.tls_origin if is_tls else field.origin
    started = time.monotonic()
    with connect(field.port) as client:
        wanted = GET % (origin.port, b"attack", origin.port)
        if is_tls:
            wanted = wanted.replace(b"http://", b"https://")
        client.send(wanted.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        until_closed(client)
    return since(started)


def says(*pieces: bytes, resets: bool = False) -> Callable[[Peer], None]:
    def serve(peer: Peer) -> None:
        if peer.read_head():
            flood(peer, pieces)
            if resets:
                reset(peer)

    return serve


def informational_without_end(field: Field) -> float:
    return asked(field, says(*[b"HTTP/1.1 100 Continue\r\n\r\n" * 2000] * 200))


def response_head_without_end(field: Field) -> float:
    return max(
        asked(field, says(*endless(b"HTTP/1.1 200 OK\r\nA: ", b"a" * PIECE))),
        asked(field, says(*endless(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 10_000, 6_000_000))),
        asked(field, says(b"HTTP/1.1 200 OK\r\nA:" + b" " * 200_000 + b"\x00\r\n\r\n")),
    )


def responses_that_nobody_asked_for(field: Field) -> float:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    return max(
        asked(field, says(ok * 1000)),
        asked(field, says(ok, ok)),
        asked(field, says(b"HTTP/1.1 304 No\r\nContent-Length: 38\r\n\r\n" + ok)),
        asked(field, lambda peer: peer.send(ok)),
    )


def garbage_around_responses(field: Field) -> float:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    return max(
        asked(field, says(b"\x00garbage\r\n\r\n" + ok)),
        asked(field, says(b"\r\n\r\n" + ok)),
        asked(field, says(ok + b"\x00garbage" * 1000)),
        asked(field, says(b"SSH-2.0-hello\r\n")),
        asked(field, says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n")),
    )


def servers_that_vanish(field: Field) -> float:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhi"
    stages = (b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-", ok, ok.replace(b"Content-Length: 100", b"A: b"))
    slowest = max(asked(field, says(stage, resets=resets) if stage else reset) for stage in stages for resets in (False, True))
    return max(slowest, *(asked(field, says(stage, resets=True), is_tls=True) for stage in stages if stage))


def tiny_chunks_of_a_server(field: Field) -> float:
    pieces = [b"1\r\na\r\n" * 1000] * 10
    return asked(field, says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *pieces, b"0\r\n\r\n"))


_BOMB: Final = gzip.compress(bytes(1_000_000)) * 1000


def bombs(field: Field) -> float:
    """A megabyte that would be a gigabyte."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BOMB)
    return asked(field, says(head, _BOMB))


def clients_that_vanish(field: Field) -> float:
    """Before the answer to CONNECT, in TLS, in a head, in a body, in a response."""
    field.serve = says(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", *[bytes(PIECE)] * 150)
    started = time.monotonic()
    stages = (
        b"CONNECT localhost:%d HTTP/1.1\r\n\r\n" % field.origin.port,
        b"CONNECT localhost:%d HTTP/1.1\r\n\r\n\x16\x03\x01\x02\x00\x01\x00" % field.origin.port,
        b"CONNECT localhost:1 HTTP/1.1\r\n\r\n",
        POST % field.origin.port,
        POST % field.origin.port + b"Content-Length: 100\r\n\r\nabc",
        POST % field.origin.port + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        GET % (field.origin.port, b"attack", 1),
    )
    for leave in (reset, Peer.close):
        for stage in stages:
            client = connect(field.port)
            client.send(stage)
            if stage.startswith(b"GET"):
                client.read()
            leave(client)
    return since(started)


ATTACKS: Final[dict[str, Callable[[Field], float]]] = {
    each.__name__: each
    for each in (
        *(head_of_one_line, head_of_a_million_lines, head_of_blanks, empty_lines, malformed_heads, slow_heads, half_requests),
        *(bad_chunk_sizes, chunk_extensions, trailers_without_end, chunks_of_a_byte, slow_body, answers_that_nobody_reads),
        *(hellos_without_end, names_of_ten_thousand_bytes, handshakes_abandoned, renegotiation, alerts_and_truncations),
        *(informational_without_end, response_head_without_end, responses_that_nobody_asked_for, garbage_around_responses),
        *(servers_that_vanish, tiny_chunks_of_a_server, bombs, clients_that_vanish),
    )
}


class Attack:
    """The program seen from the test. `name`: one of `ATTACKS`; "each" or "backwards": all of them in turn. `go`,
    then `rest`, as often as wanted; `close` at the end."""

    def __init__(self, name: str, port: int, certificate: ServerCertificate) -> None:
        command = [sys.executable, "-m", "tests.soak.attacks", name, str(port), str(certificate.file)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=TOP, text=True)

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def go(self) -> None:
        self._say("go")

    def rest(self) -> dict[str, Any]:
        """What has happened since the start: `attempts`, `slowest` refusal in seconds, `failures`."""
        self._say("rest")
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the attack ended by itself"
        result: dict[str, Any] = json.loads(line)
        return result

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def main(name: str, port: int, certificate: Path) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, 19)
    field = Field(port, ServerCertificate(certificate))
    chosen = {"each": list(ATTACKS), "backwards": list(reversed(ATTACKS))}.get(name, [name])
    is_going, words = threading.Event(), iter(sys.stdin)
    attempts, slowest, failures = 0, 0.0, list[str]()
    resting = threading.Event()

    def listen() -> None:
        for word in words:
            if word == "go\n":
                resting.clear()
                is_going.set()
            else:
                is_going.clear()
                resting.wait()
                print(json.dumps({"attempts": attempts, "slowest": slowest, "failures": failures[:5]}), flush=True)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    with field.origin, field.tls_origin:
        while True:
            if not is_going.is_set():
                resting.set()
                is_going.wait()
            started, running = time.monotonic(), chosen[attempts % len(chosen)]
            try:
                slowest = max(slowest, ATTACKS[running](field))
            except Exception as error:
                failures.append(f"{running}: {type(error).__name__}: {error}")
            attempts += 1
            pause = time.monotonic() + min(max(4 * since(started), 0.1), 1.0)
            while is_going.is_set() and time.monotonic() < pause:
                time.sleep(0.005)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
