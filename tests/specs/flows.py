"""Flows of every kind for the tests of filters: small, and each with something that only it has."""

from __future__ import annotations

import zlib
from datetime import datetime

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import (
    Flow,
    FlowError,
    HoldPoint,
    HttpFlow,
    TcpFlow,
    TcpMessage,
    UdpFlow,
    WebSocketData,
)
from interceptor.model.http import Headers, Request, Response
from interceptor.model.process import Process
from tests.support.websocket_messages import spoken

NOON = datetime(2026, 11, 20, 12, 30, 15).timestamp()
"""When all flows began, in the local zone: filters speak of local times."""


def client(**changes: object) -> Connection:
    facts = {"peer": ("192.168.1.5", 50001), "local": ("127.0.0.1", 8080), "opened_at": NOON} | changes
    return Connection(Side.CLIENT, **facts)  # type: ignore[arg-type]


def server(**changes: object) -> Connection:
    facts = {"peer": ("www.example.com", 443), "resolved": ("192.0.2.7", 443), "opened_at": NOON} | changes
    return Connection(Side.SERVER, **facts)  # type: ignore[arg-type]


def get() -> HttpFlow:
    """A finished one: GET, 200, JSON in gzip, TLS 1.3 at the client and 1.2 at the server, one and a half seconds."""
    compressor = zlib.compressobj(wbits=31)
    body = compressor.compress(b'{"token":\n "secret"}') + compressor.flush()
    return HttpFlow(
        1,
        client(
            tls=TlsFacts("TLSv1.3", server_name="sni.example.com"),
            process=Process(4711, "curl", "/usr/bin/curl", ("curl", "--silent", "https://www.example.com/")),
        ),
        server(tls=TlsFacts("TLSv1.2", server_name="www.example.com")),
        created_at=NOON,
        ended_at=NOON + 1.5,
        request=Request(
            "GET",
            "https",
            "192.0.2.7",
            443,
            b"/api/items?page=2",
            headers=Headers([(b"Host", b"www.example.com"), (b"User-Agent", b"curl/8"), (b"Accept", b"*/*")]),
            http_version="HTTP/2",
            timestamp_start=NOON,
            timestamp_end=NOON + 0.1,
        ),
        response=Response(
            200,
            b"OK",
            headers=Headers([(b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip")]),
            body=MemoryBody(body),
            timestamp_start=NOON + 1,
            timestamp_end=NOON + 1.5,
        ),
    )


def upload() -> HttpFlow:
    """Still running and held, no response: POST of a form, plain HTTP, marked, edited, with a comment."""
    flow = HttpFlow(
        2,
        client(),
        created_at=NOON,
        is_live=True,
        held=HoldPoint.REQUEST,
        marker="red_circle",
        comment="look here",
        metadata={"tag": "blue"},
        request=Request(
            "POST",
            "http",
            "upload.example",
            8080,
            b"/form",
            headers=Headers([(b"content-type", b"application/x-www-form-urlencoded")]),
            body=MemoryBody(b"password=" + b"x" * 2000),
            timestamp_start=NOON,
        ),
    )
    flow.backup()
    return flow


def image() -> HttpFlow:
    """An asset that is missing, answered from a replay of a replayed request."""
    return HttpFlow(
        3,
        server=server(),
        created_at=NOON,
        ended_at=NOON + 0.02,
        replay_of=1,
        metadata={"is_replay": "response"},
        request=Request("GET", "https", "img.example", 443, b"/logo.png", timestamp_start=NOON),
        response=Response(404, b"Not Found", headers=Headers([(b"content-type", b"image/png")]), timestamp_end=NOON + 0.02),
    )


def chat() -> HttpFlow:
    """A WebSocket with a message each way."""
    messages = [spoken(True, b"ping from client", NOON), spoken(False, b"pong from server", NOON)]
    return HttpFlow(
        4,
        created_at=NOON,
        request=Request("GET", "https", "chat.example", 443, b"/ws", timestamp_start=NOON),
        response=Response(101, b"Switching Protocols"),
        websocket=WebSocketData(messages),
    )


def failed() -> TcpFlow:
    """A client that did not trust us: raw TCP with an error."""
    return TcpFlow(
        5,
        client(tls=TlsFacts("TLSv1.1", server_name="pinned.example")),
        server(peer=("pinned.example", 8443), resolved=None),
        created_at=NOON,
        ended_at=NOON + 60,
        error=FlowError("the client does not trust our certificate", NOON),
        messages=[TcpMessage(True, MemoryBody(b"hello tcp"), NOON), TcpMessage(False, MemoryBody(b"x" * 100), NOON)],
    )


def datagrams() -> UdpFlow:
    return UdpFlow(6, client(peer=("::1", 9999)), server(peer=("10.0.0.53", 53), resolved=None), created_at=NOON)


def every() -> dict[str, Flow]:
    return {
        "get": get(), "upload": upload(), "image": image(), "chat": chat(), "failed": failed(), "datagrams": datagrams()
    }  # fmt: skip
