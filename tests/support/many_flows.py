"""Many flows as a browser's day makes them: hosts, paths, types, sizes and times that differ, and are the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.session.store import Store

START = 1_760_000_000.0
FLOWS_PER_CONNECTION = 10
_HOSTS = [f"{name}.{domain}" for domain in ("example.com", "example.org", "shop.test") for name in ("www", "api", "cdn", "img")]
_KINDS = (
    ("text/html; charset=utf-8", "page"),
    ("application/json", "items"),
    ("application/javascript", "app.js"),
    ("image/webp", "photo"),
    ("text/css", "style.css"),
)
_METHODS = ("GET", "GET", "GET", "GET", "GET", "POST", "PUT", "DELETE")
_STATUSES = (200, 200, 200, 200, 204, 301, 304, 403, 404, 500)
_BODY = b"0123456789abcdef" * 64
_AGENT = b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"


def many_flows(count: int) -> Iterator[HttpFlow]:
    """Finished ones, a hundredth of a second apart."""
    chance = random.Random(count)
    for number in range(count):
        if number % FLOWS_PER_CONNECTION == 0:
            host = chance.choice(_HOSTS)
            client = Connection(Side.CLIENT, ("127.0.0.1", 40_000 + number % 20_000), opened_at=START + number / 100)
            server = Connection(Side.SERVER, (host, 443), ("192.0.2.7", 443), opened_at=START + number / 100)
        begin = START + number / 100
        kind, name = chance.choice(_KINDS)
        fields = [
            (b"Host", host.encode()),
            (b"User-Agent", _AGENT),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"gzip, deflate, br"),
            (b"Cookie", b"session=%016x" % chance.getrandbits(64)),
        ]
        target = b"/%d/%s?page=%d" % (chance.randrange(10_000), name.encode(), number)
        request = Request(chance.choice(_METHODS), "https", host, 443, target, headers=Headers(fields))
        request.timestamp_start = request.timestamp_end = begin
        size = chance.randrange(len(_BODY))
        response = Response(chance.choice(_STATUSES), b"OK", body=MemoryBody(_BODY[:size]))
        response.headers = Headers(
            [(b"Content-Type", kind.encode()), (b"Content-Length", b"%d" % size), (b"ETag", b'"%x"' % chance.getrandbits(64))]
        )
        response.timestamp_start = begin + 0.001
        response.timestamp_end = begin + chance.random() ** 4 * 3
        flow = HttpFlow(0, client, server, "regular", begin, response.timestamp_end, request=request)
        flow.response = response
        yield flow


def fill(store: Store, count: int) -> None:
    for flow in many_flows(count):
        store.add(flow)
