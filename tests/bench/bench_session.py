"""What each flow costs beside the wire: judged by a filter, kept by the store, printed, and made readable."""

from __future__ import annotations

import json
from collections.abc import Callable

from interceptor.contentviews.registry import render
from interceptor.contentviews.rendered import ContentFacts
from interceptor.flow_json import flow_line
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.specs.filter import parse
from tests.bench.measure import Benchmark


def _flow() -> HttpFlow:
    client, server = Connection(Side.CLIENT, ("127.0.0.1", 5000)), Connection(Side.SERVER, ("www.example.com", 443))
    fields = Headers([(b"Host", b"www.example.com"), (b"Accept", b"*/*"), (b"User-Agent", b"bench")])
    request = Request("GET", "https", "www.example.com", 443, b"/search?q=a&page=2", headers=fields)
    response = Response(200, b"OK", headers=Headers([(b"Content-Type", b"application/json"), (b"Content-Length", b"0")]))
    flow = HttpFlow(1, client, server, "regular", request=request)
    flow.response = response
    return flow


def _judging(text: str) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        chosen, flow = parse(text), _flow()
        assert chosen.matches(flow)
        return lambda: chosen.matches(flow)

    return prepare


def _printing() -> Callable[[], object]:
    flow = _flow()
    return lambda: flow_line(flow)


BODY = json.dumps(
    [{"id": number, "name": f"name {number}", "tags": ["a", "b"], "price": number / 7} for number in range(4000)]
).encode()


def _rendering() -> Callable[[], object]:
    facts = ContentFacts("application/json", False, "https://www.example.com/")
    return lambda: list(render(BODY, "auto", facts).lines[:50])


BENCHMARKS = [
    Benchmark("filter: one operator", _judging("~d example.com")),
    Benchmark("filter: four operators", _judging("~d example.com & ~m GET & ~c 2xx & !~u nothing")),
    Benchmark("flow: one JSON line", _printing),
    Benchmark("view: JSON of 250 kB, the first screen", _rendering, len(BODY)),
]
