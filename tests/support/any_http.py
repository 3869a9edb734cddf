"""An origin that speaks HTTP/1.1 or HTTP/2, whichever a connection begins with, and does the same things in both.

GET  /fields    the fields of the request as JSON, in order; the response has duplicates and two cookies
*    /echo      the same body, and a trailer with its SHA-256
GET  /early     103, then 200
GET  /big       ten million bytes
PUT  /digest    the SHA-256 of what was sent
GET  /events    a server-sent event; the second one when somebody asks for /next
POST /echo/…    gRPC: each message turned round, when all have come
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.certificates import ServerCertificate
from tests.support.http2_peers import PREFACE, Http2Peer
from tests.support.nginx import content
from tests.support.raw_server import Peer, RawServer

Fields = list[tuple[bytes, bytes]]
BIG = content("matrix", 10_000_000)
FIELDS: Fields = [(b"x-b", b"1"), (b"set-cookie", b"a=1"), (b"x-a", b"2"), (b"x-b", b"3"), (b"set-cookie", b"b=2")]
EARLY: Fields = [(b"link", b"</style.css>; rel=preload")]


@dataclass
class Answer:
    fields: Fields
    body: bytes
    trailers: Fields | None = None
    early: Fields | None = None
    second_event: bytes = b""


class AnyHttp:
    """`plain.port` and `tls.port`; as a context."""

    def __init__(self, certificate: ServerCertificate) -> None:
        self.plain = RawServer(self._serve)
        self.tls = RawServer(self._serve, certificate, alpn=("h2", "http/1.1"))
        self._next = threading.Event()

    def __enter__(self) -> AnyHttp:
        self.plain.__enter__()
        self.tls.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._next.set()
        self.plain.__exit__(*error)  # type: ignore[arg-type]
        self.tls.__exit__(*error)  # type: ignore[arg-type]

    def _serve(self, peer: Peer) -> None:
        peer.socket.settimeout(60)
        first = peer.read_exactly(3)
        if first == b"PRI":
            self._http2(peer, first)
        elif first:
            self._http1(peer, first)

    def _answer(self, method: str, path: str, fields: Fields, body: bytes) -> Answer:
        path = path.partition("?")[0]
        if path == "/fields":
            seen = [[name.decode().lower(), value.decode()] for name, value in fields]
            return Answer(FIELDS, json.dumps(seen).encode())
        if path == "/echo":
            return Answer([], body, trailers=[(b"x-sum", hashlib.sha256(body).hexdigest().encode())])
        if path == "/early":
            return Answer([], b"late", early=EARLY)
        if path == "/big":
            return Answer([(b"content-length", b"%d" % len(BIG))], BIG)
        if path == "/digest":
            return Answer([], hashlib.sha256(body).hexdigest().encode())
        if path == "/events":
            self._next.clear()
            return Answer([(b"content-type", b"text/event-stream")], b"data: one\n\n", second_event=b"data: two\n\n")
        if path.startswith("/echo/"):
            messages = list(_grpc_messages(body))
            trailers = [(b"grpc-status", b"0"), (b"seen", b"%d" % sum(map(len, messages)))]
            framed = b"".join(b"\0" + len(each).to_bytes(4, "big") + each[::-1] for each in messages)
            return Answer([(b"content-type", b"application/grpc")], framed, trailers=trailers)
        if path == "/next":
            self._next.set()
        return Answer([], b"ok")

    # --- HTTP/1 -----------------------------------------------------------------------------------------------

    def _http1(self, peer: Peer, first: bytes) -> None:
        while head := first + peer.read_head():
            first = b""
            line, *lines = head[:-4].split(b"\r\n")
            fields = [(name, value.strip()) for name, _, value in (each.partition(b":") for each in lines)]
            known = {name.lower(): value for name, value in fields}
            if b"expect" in known:
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = self._body(peer) if b"transfer-encoding" in known else peer.read_exactly(int(known.get(b"content-length", 0)))
            method, path, _ = line.decode().split(" ")
            self._write(peer, self._answer(method, path, fields, body))

    def _body(self, peer: Peer) -> bytes:
        pieces = []
        while size := int(peer.read_until(b"\r\n"), 16):
            pieces.append(peer.read_exactly(size))
            peer.read_exactly(2)
        while peer.read_until(b"\r\n") != b"\r\n":
            pass
        return b"".join(pieces)

    def _write(self, peer: Peer, answer: Answer) -> None:
        if answer.early is not None:
            peer.send(b"HTTP/1.1 103 Early Hints\r\n" + _lines(answer.early) + b"\r\n")
        is_chunked = answer.trailers is not None or bool(answer.second_event)
        if is_chunked:
            framing: Fields = [(b"Transfer-Encoding", b"chunked")]
        elif b"content-length" in dict(answer.fields):
            framing = []
        else:
            framing = [(b"Content-Length", b"%d" % len(answer.body))]
        peer.send(b"HTTP/1.1 200 OK\r\n" + _lines([*answer.fields, *framing]) + b"\r\n")
        if not is_chunked:
            return peer.send(answer.body)
        if answer.body:
            peer.send(b"%x\r\n%b\r\n" % (len(answer.body), answer.body))
        if answer.second_event:
            assert self._next.wait(20), "nobody asked for /next"
            peer.send(b"%x\r\n%b\r\n" % (len(answer.second_event), answer.second_event))
        peer.send(b"0\r\n" + _lines(answer.trailers or []) + b"\r\n")

    # --- HTTP/2 -----------------------------------------------------------------------------------------------

    def _http2(self, peer: Peer, first: bytes) -> None:
        server = Http2Peer(is_client=False)
        server.feed(first + peer.read_exactly(len(PREFACE) - len(first)))
        lock, answered = threading.Lock(), set[int]()
        peer.send(server.take())
        while data := peer.read():
            with lock:
                server.feed(data)
                for stream, heard in list(server.heard.items()):
                    if heard.has_ended and stream not in answered:
                        answered.add(stream)
                        pseudo = dict(heard.fields)
                        fields = [item for item in heard.fields if not item[0].startswith(b":")]
                        answer = self._answer(
                            pseudo[b":method"].decode(), pseudo[b":path"].decode(), fields, bytes(heard.body)
                        )
                        self._say(peer, server, stream, answer, lock)
                peer.send(server.take())

    def _say(self, peer: Peer, server: Http2Peer, stream: int, answer: Answer, lock: threading.Lock) -> None:
        if answer.early is not None:
            server.say_head(stream, [(b":status", b"103"), *answer.early])
        server.answer(stream, answer.fields, answer.body, trailers=answer.trailers, ends=not answer.second_event)
        if answer.second_event:

            def go_on() -> None:
                self._next.wait(20)
                with lock:
                    server.say(stream, answer.second_event, ends=True)
                    peer.send(server.take())

            threading.Thread(target=go_on, daemon=True).start()


def _grpc_messages(body: bytes) -> Iterator[bytes]:
    while body:
        size = int.from_bytes(body[1:5], "big")
        yield body[5 : 5 + size]
        body = body[5 + size :]


def _lines(fields: Fields) -> bytes:
    return b"".join(b"%b: %b\r\n" % item for item in fields)
