"""The traffic that the pictures show: a shop's page, its API, pictures, failures and holds. All of it fixed, none of it real."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from dataclasses import dataclass, field

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import Flow, FlowError, HttpFlow, Opcode, TcpFlow, TcpMessage, WebSocketData, WebSocketMessage
from interceptor.model.http import Field, Headers, Request, Response

NOW = 1_767_261_600.0  # 2026-01-01 10:00:00 UTC
_BEGIN = NOW - 62.0
_AGENT = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_LEAF = base64.b64decode(
    "MIIBizCCATGgAwIBAgIFbwwp4bcwCgYIKoZIzj0EAwIwQDEfMB0GA1UECgwWRXhhbXBsZSBUcnVzdCBTZXJ2aWNlczEdMBsGA1UEAwwURXhhbX"
    "BsZSBJc3N1aW5nIENBIDEwHhcNMjUxMTAzMDAwMDAwWhcNMjYwMjAxMDAwMDAwWjAtMRQwEgYDVQQKDAtUZWFwb3RzIEx0ZDEVMBMGA1UEAwwM"
    "c2hvcC5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZXfn8dqsycpsdnHCx5LjOMEGknPMbBvuYu1ymoxxQo21+i2znDAEm9AIxy"
    "iTDWerV5cj9Ny4tb3BWURtnWHJGKMrMCkwJwYDVR0RBCAwHoIMc2hvcC5leGFtcGxlgg4qLnNob3AuZXhhbXBsZTAKBggqhkjOPQQDAgNIADBF"
    "AiAxecV2tuyIOY8qlYIpczoWu8qdb1X1g8jyYmyDkp+hKQIhAISStpW/ISeHczI3GEcRlhhu1rFc8xxYYZ8BTnZo1JY2"
)
_ISSUER = base64.b64decode(
    "MIIBfjCCASSgAwIBAgICKhcwCgYIKoZIzj0EAwIwODEfMB0GA1UECgwWRXhhbXBsZSBUcnVzdCBTZXJ2aWNlczEVMBMGA1UEAwwMRXhhbXBsZS"
    "BSb290MB4XDTIyMDEwMTAwMDAwMFoXDTMyMDEwMTAwMDAwMFowQDEfMB0GA1UECgwWRXhhbXBsZSBUcnVzdCBTZXJ2aWNlczEdMBsGA1UEAwwU"
    "RXhhbXBsZSBJc3N1aW5nIENBIDEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ68ePUpyQbtxSZ2lrPe87Wv/sOw/X+1DxUmFLMvmGm3++QfE"
    "5HXgYp9fRS1947pc4fT47gZRGS0FYGKwlxjWJxoxYwFDASBgNVHRMBAf8ECDAGAQH/AgEAMAoGCCqGSM49BAMCA0gAMEUCIEtcYxwZoX9IRpr1"
    "mio3jDm41wYIeZUJlatNzopNKgfhAiEAjkd2c+NtlrjZj+lGsSIkaqCZNaHfRKInWQW9hq6NQoU="
)
_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsIm5hbWUiOiJBZGEiLCJleHAiOjE3NjcyNjUyMDB9.c2lnbmF0dXJl"


@dataclass
class Sample:
    """Flows in order of arrival. `held` are the requests, `held_responses` the responses, that somebody is to decide about."""

    flows: list[Flow] = field(default_factory=list)
    held: list[HttpFlow] = field(default_factory=list)
    held_responses: list[HttpFlow] = field(default_factory=list)
    _at: float = _BEGIN

    def connections(self, host: str, port: int, is_tls: bool, alpn: bytes = b"http/1.1") -> tuple[Connection, Connection]:
        at, number = self._at, len(self.flows)
        address = f"203.0.113.{10 + sum(host.encode()) % 200}"
        client = Connection(Side.CLIENT, ("127.0.0.1", 51_000 + number * 7), local=("127.0.0.1", 8080))
        client.opened_at, client.connected_at = at - 0.004, at - 0.004
        server = Connection(Side.SERVER, (host, port), (address, port), ("192.168.1.20", 42_000 + number * 3))
        server.opened_at, server.connected_at = at + 0.001, at + 0.013
        if is_tls:
            client.tls = TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256", host, (b"h2", b"http/1.1"), alpn)
            client.tls.started_at, client.tls.established_at = at - 0.003, at - 0.001
            server.tls = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", host, (b"h2", b"http/1.1"), alpn, (_LEAF, _ISSUER))
            server.tls.started_at, server.tls.established_at = at + 0.013, at + 0.031
        return client, server

    def http(
        self,
        method: str,
        host: str,
        target: str,
        status: int = 200,
        kind: str = "text/html; charset=utf-8",
        content: bytes = b"",
        size: int = 0,
        took: float = 0.043,
        after: float = 0.4,
        scheme: str = "https",
        port: int = 0,
        sent: bytes = b"",
        fields: tuple[Field, ...] = (),
        answer_fields: tuple[Field, ...] = (),
    ) -> HttpFlow:
        """`status` 0: there is no response. `size`: of a body that nobody looks at."""
        self._at += after
        at, port = self._at, port or (443 if scheme == "https" else 80)
        shown = host if port in (80, 443) else f"{host}:{port}"
        request = Request(
            method,
            scheme,
            host,
            port,
            target.encode(),
            headers=Headers(
                [
                    (b"Host", shown.encode()),
                    (b"User-Agent", _AGENT),
                    (b"Accept", b"*/*"),
                    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
                    *fields,
                ]
            ),
        )
        if sent:
            request.set_content(sent)
        request.timestamp_start, request.timestamp_end = at, at + 0.001
        client, server = self.connections(host, port, scheme == "https")
        flow = HttpFlow(len(self.flows) + 1, client, server, "regular", at, request=request)
        if status:
            body = content or bytes(size)
            reason = {
                200: b"OK",
                201: b"Created",
                204: b"No Content",
                302: b"Found",
                304: b"Not Modified",
                404: b"Not Found",
                401: b"Unauthorized",
                429: b"Too Many Requests",
                503: b"Service Unavailable",
                101: b"Switching Protocols",
            }
            response = Response(status, reason[status], body=MemoryBody(body))
            response.headers = Headers(
                [
                    (b"Date", b"Thu, 01 Jan 2026 09:59:00 GMT"),
                    (b"Content-Type", kind.encode()),
                    (b"Content-Length", b"%d" % len(body)),
                    *answer_fields,
                ]
            )
            response.timestamp_start, response.timestamp_end = at + took * 0.8, at + took
            flow.response, flow.ended_at = response, at + took
        self.flows.append(flow)
        return flow

    def tcp(self, host: str, port: int, *messages: tuple[bool, bytes]) -> TcpFlow:
        self._at += 0.7
        client, server = self.connections(host, port, False)
        flow = TcpFlow(len(self.flows) + 1, client, server, "regular", self._at, self._at + 2.4)
        flow.messages = [
            TcpMessage(is_ours, MemoryBody(content), self._at + number * 0.3)
            for number, (is_ours, content) in enumerate(messages)
        ]
        flow.message_count, flow.byte_count = len(messages), sum(len(content) for _, content in messages)
        self.flows.append(flow)
        return flow


def _png(columns: int, rows: int) -> bytes:
    """A picture of a sunset, more or less."""
    lines = b"".join(
        b"\0" + b"".join(bytes((255 - row * 3, 120 + row, min(255, 60 + column * 2))) for column in range(columns))
        for row in range(rows)
    )

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def sample() -> Sample:
    shop, api, cdn = "shop.example", "api.shop.example", "cdn.shop.example"
    made = Sample()
    made.http(
        "GET", "shop.example", "/", 302, scheme="http", took=0.018, answer_fields=((b"Location", b"https://shop.example/"),)
    )
    page = b"<!doctype html>\n<html><head><title>The shop</title></head><body><h1>Teapots</h1></body></html>"
    made.http("GET", shop, "/", content=page * 40, took=0.212)
    made.http("GET", cdn, "/static/css/main.3f9c2d1b.css", kind="text/css", size=18_432, took=0.031, after=0.05)
    made.http("GET", cdn, "/static/js/app.8a71e2.js", kind="application/javascript", size=412_300, took=0.094, after=0.01)
    made.http("GET", cdn, "/img/teapots/brown-betty@2x.webp?w=640&q=80", kind="image/webp", size=61_200, took=0.047, after=0.01)
    made.http("GET", cdn, "/img/sunset.png", kind="image/png", content=_png(64, 40), took=0.039, after=0.02)
    made.http("GET", cdn, "/fonts/inter-var.woff2", 304, kind="font/woff2", took=0.012, after=0.01)
    items = [
        {"id": number, "name": name, "price": price, "currency": "EUR", "in_stock": stock, "tags": ["tea", "kitchen"]}
        for number, name, price, stock in (
            (17, "Brown Betty", 24.9, True),
            (18, "Kyūsu 急須", 58.0, True),
            (23, "Théière à piston", 41.5, False),
            (31, "Samovar", 189.0, True),
        )
    ]
    listing = json.dumps({"page": 2, "per_page": 20, "total": 143, "items": items}, ensure_ascii=False).encode()
    made.http(
        "GET",
        api,
        "/v2/products?category=teapots&page=2&per_page=20&sort=popularity",
        kind="application/json",
        content=listing,
        took=0.088,
        fields=(
            (b"Authorization", b"Bearer " + _TOKEN.encode()),
            (b"Referer", b"https://shop.example/"),
            (b"X-Request-Id", b"7f1c-41ab"),
        ),
        answer_fields=(
            (b"Cache-Control", b"private, max-age=60"),
            (b"Set-Cookie", b"seen=17; Path=/; Secure; HttpOnly; SameSite=Lax"),
            (b"Strict-Transport-Security", b"max-age=63072000"),
            (b"Vary", b"Accept-Encoding"),
        ),
    ).comment = "page 2 repeats an item of page 1"
    order = json.dumps(
        {"items": [{"id": 18, "count": 2}], "voucher": "NEWYEAR", "gift": True, "note": "für Großmutter"}, ensure_ascii=False
    )
    flow = made.http(
        "POST",
        api,
        "/v2/orders",
        201,
        kind="application/json",
        content=b'{"order":"A-20260101-0042","state":"placed"}',
        took=0.341,
        sent=order.encode(),
        fields=(
            (b"Content-Type", b"application/json"),
            (b"Cookie", b"session=4f1d09c2; theme=dark; consent=1"),
            (b"X-CSRF-Token", b"b1946ac92492d2347c6235b4d2611184"),
        ),
    )
    flow.marker, flow.is_modified = "red_circle", True
    flow.original = flow.request.copy(), None
    flow.original[0].set_content(order.encode().replace(b'"count": 2', b'"count": 1'))
    made.http(
        "PUT",
        api,
        "/v2/cart/items/18",
        204,
        kind="",
        took=0.052,
        sent=b'{"count":2}',
        fields=((b"Content-Type", b"application/json"),),
    )
    made.http("DELETE", api, "/v2/cart/items/23", 204, kind="", took=0.049)
    made.http(
        "GET",
        api,
        "/v2/users/42/recommendations?" + "&".join(f"exclude[]={n}" for n in range(40)),
        503,
        kind="application/problem+json",
        content=b'{"title":"The recommender is busy","status":503}',
        took=10.02,
    )
    made.http(
        "GET",
        "metrics.example",
        "/collect?v=2&tid=G-7QX1&cid=55.66&t=pageview&dl=https%3A%2F%2Fshop.example%2F",
        204,
        kind="",
        took=0.021,
    )
    failed = made.http("GET", "images.partner.example", "/banner/summer.jpg", 0, after=0.1)
    failed.error, failed.ended_at = (
        FlowError("images.partner.example refused the connection (203.0.113.77:443)", made._at + 0.004),
        made._at + 0.004,
    )
    failed = made.http("GET", "self-signed.example", "/", 0, after=0.3)
    failed.error = FlowError("The server's certificate is not trusted: self-signed certificate", made._at + 0.026)
    failed.ended_at = made._at + 0.026
    made.http(
        "POST",
        shop,
        "/login",
        401,
        took=0.130,
        sent=b"user=ada&password=hunter2&remember=on&next=%2Fcheckout",
        fields=((b"Content-Type", b"application/x-www-form-urlencoded"),),
        content=b"<h1>Wrong password</h1>",
    )
    again = made.http(
        "POST",
        shop,
        "/login",
        302,
        took=0.117,
        after=4.0,
        sent=b"user=ada&password=correct+horse&next=%2Fcheckout",
        fields=((b"Content-Type", b"application/x-www-form-urlencoded"),),
    )
    again.replay_of = again.id - 1
    chat = made.http("GET", "chat.shop.example", "/socket?room=support", 101, kind="", took=0.061)
    chat.is_upgraded, chat.websocket = (
        True,
        WebSocketData(
            [
                WebSocketMessage(True, Opcode.TEXT, MemoryBody(b'{"type":"hello","user":42}'), made._at + 0.1),
                WebSocketMessage(False, Opcode.TEXT, MemoryBody(b'{"type":"welcome","agents":3,"queue":0}'), made._at + 0.2),
                WebSocketMessage(
                    True, Opcode.TEXT, MemoryBody('{"type":"say","text":"Is the Kyūsu back in stock?"}'.encode()), made._at + 4.0
                ),
            ]
        ),
    )
    made.tcp(
        "mail.example",
        25,
        (False, b"220 mail.example ESMTP\r\n"),
        (True, b"EHLO laptop\r\n"),
        (False, b"250-mail.example\r\n250 STARTTLS\r\n"),
    )
    made.http(
        "GET", "2001:db8::7", "/status", scheme="http", port=8081, kind="application/json", content=b'{"ok":true}', took=0.007
    )
    made.http("GET", "münchen.example", "/straße/übersicht?q=日本語のクエリ", 404, took=0.066)
    made.http("GET", cdn, "/video/kettle-1080p.mp4", kind="video/mp4", size=24_300_000, took=3.7)
    made.http(
        "GET",
        api,
        "/v2/limits",
        429,
        kind="text/plain",
        content=b"slow down",
        took=0.020,
        answer_fields=((b"Retry-After", b"30"),),
    )
    held = made.http(
        "POST",
        api,
        "/v2/payments",
        0,
        after=9.0,
        sent=b'{"order":"A-20260101-0042","amount":116.00,"currency":"EUR","method":"sepa"}',
        fields=((b"Content-Type", b"application/json"), (b"Idempotency-Key", b"2f6a1f0e-98d1")),
    )
    made.held.append(held)
    held = made.http(
        "GET",
        api,
        "/v2/orders/A-20260101-0042",
        kind="application/json",
        took=0.050,
        after=2.0,
        content=b'{"order":"A-20260101-0042","state":"awaiting payment"}',
    )
    held.ended_at = None
    made.held_responses.append(held)
    live = made.http("GET", api, "/v2/events", kind="text/event-stream", took=0.1, after=3.0, content=b"data: connected\n\n")
    live.is_live, live.ended_at = True, None
    assert live.response is not None
    live.response.timestamp_end = None
    return made
