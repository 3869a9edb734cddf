"""Reading and writing heads of HTTP/1, beside h11 on the same bytes."""

from __future__ import annotations

from collections.abc import Callable

import h11

from interceptor.proxy.layers.http.head_scan import read_request_head, read_status_head, write_request_head
from tests.bench.measure import Benchmark

REQUEST = b"GET /assets/app.3f9c.js?v=12 HTTP/1.1\r\nHost: www.example.com\r\n" + b"".join(
    b"%b: %b\r\n" % field
    for field in (
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"),
        (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
        (b"Accept-Language", b"en-GB,en;q=0.9,de;q=0.8"),
        (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
        (b"Referer", b"https://www.example.com/start"),
        (b"Cookie", b"session=0123456789abcdef0123456789abcdef; theme=dark; consent=1"),
        (b"Sec-Fetch-Mode", b"no-cors"),
        (b"Sec-Fetch-Site", b"same-origin"),
        (b"Cache-Control", b"no-cache"),
        (b"Connection", b"keep-alive"),
    )
) + b"\r\n"  # fmt: skip
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nDate: Mon, 02 Jun 2025 10:00:00 GMT\r\nContent-Type: application/javascript\r\nContent-Length: 1024\r\n"
    b'ETag: "5f-abc"\r\nCache-Control: max-age=31536000\r\nServer: nginx\r\nVary: Accept-Encoding\r\n\r\n'
)


def _reading() -> Callable[[], object]:
    return lambda: read_request_head(REQUEST, 1000)


def _reading_response() -> Callable[[], object]:
    return lambda: read_status_head(RESPONSE, 1000)


def _writing() -> Callable[[], object]:
    head = read_request_head(REQUEST, 1000)
    return lambda: write_request_head(head.method, head.target, head.minor, head.fields)


def _with_h11() -> Callable[[], object]:
    def read() -> object:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(REQUEST)
        return connection.next_event()

    return read


BENCHMARKS = [
    Benchmark("head: read a browser's request", _reading),
    Benchmark("head: read a response", _reading_response),
    Benchmark("head: write the request", _writing),
    Benchmark("head: the same request read by h11", _with_h11),
]
