"""Content made to hurt whoever looks at it: nested without end, packed a thousandfold, growing out of entities."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from functools import cache

import brotli
import pytest
import zstandard

from interceptor.contentviews.registry import names, render, render_body
from interceptor.contentviews.rendered import LONGEST_LINE, ContentFacts, text_of
from interceptor.contentviews.visible import escape_control
from interceptor.model.body import MemoryBody
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.specs.filter import parse
from interceptor.tui.paint import visible
from tests.support.effort import whole

LEVELS = whole(100_000, 25_000)


def protobuf_levels(count: int) -> bytes:
    """Messages in messages, as far as their lengths go on."""
    body = b""
    for _ in range(count):
        size, length = len(body), bytearray()
        while True:
            length.append(size & 0x7F | (0x80 if size > 0x7F else 0))
            size >>= 7
            if not size:
                break
        body = b"\x0a" + bytes(length) + body
    return body


def nested(levels: int) -> dict[str, bytes]:
    return {
        "json": b"[" * levels + b"]" * levels,
        "graphql": b'{"query":"' + b"{a" * levels + b'"}',
        "xml/html": b"<a>" * levels + b"</a>" * levels,
        "msgpack": b"\x91" * levels,
        "cbor": b"\x9f" * levels,
        "protobuf": b"\x0b" * levels,
        "grpc": b"\0\0\0\x10\0" + protobuf_levels(max(levels // 100, 20)),
        "wbxml": b"\x03\x01\x6a\x00" + b"\x45" * levels,
        "multipart form": b"--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n" * (levels // 10),
    }


DEEP, SHALLOWER = nested(LEVELS), nested(2000)


def assert_shown(body: bytes, view: str) -> None:
    rendered = render(body, view, ContentFacts("multipart/mixed; boundary=a"))
    count = len(rendered.lines)
    assert "failed" not in rendered.description, (view, rendered.description)
    for line in [*rendered.lines[:20], *rendered.lines[max(count - 20, 0) :]]:
        assert len(text_of(line)) <= 5 * LONGEST_LINE


@pytest.mark.whole
@pytest.mark.parametrize("view", DEEP)
def test_nesting_costs_neither_recursion_nor_long_lines(view: str) -> None:
    """Under every view: what is sent decides what it looks like, not what it says that it is."""
    assert_shown(DEEP[view], view)
    for other in names():
        assert_shown(SHALLOWER[view], other)


def test_entities_are_not_expanded() -> None:
    body = b'<!DOCTYPE a [<!ENTITY x "' + b"lol" * 10 + b'"><!ENTITY y "&x;&x;">]><a>&y;' + b"&y;" * 1000 + b"</a>"
    shown = "".join(text_of(line) for line in render(body, "xml/html", ContentFacts("application/xml")).lines)
    assert shown.count("lol") == 10 and shown.count("&y;") == 1001


def zstd_bomb(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(content)


BOMB_SIZE = 100_000_000
BOMBS = {
    "gzip": lambda: gzip.compress(bytes(BOMB_SIZE), 1),
    "deflate": lambda: zlib.compress(bytes(BOMB_SIZE), 1),
    "br": lambda: brotli.compress(bytes(BOMB_SIZE), quality=1),
    "zstd": lambda: zstd_bomb(bytes(BOMB_SIZE)),
    "gzip, gzip": lambda: gzip.compress(bomb("gzip"), 1),
}


@cache
def bomb(coding: str) -> bytes:
    return BOMBS[coding]()


@pytest.mark.parametrize("coding", BOMBS)
def test_what_unpacks_to_very_much_is_cut_where_it_is_looked_at_and_searched(coding: str) -> None:
    packed = bomb(coding)
    response = Response(200, b"OK", headers=Headers([(b"Content-Encoding", coding.encode())]), body=MemoryBody(packed))
    flow = HttpFlow(1, request=Request("GET", "http", "a.test", 80, b"/"), response=response)
    tracemalloc.start()
    try:
        rendered = render_body(response.body, coding, "auto", ContentFacts(), limit=4_000_000)
        assert "only the first 3.8m shown" in rendered.description and len(rendered.lines) > 0
        assert not parse("~b neverthere").matches(flow)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000, "half of what it unpacks to would be too much"


def test_an_image_that_claims_to_be_enormous_is_not_drawn() -> None:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\x7f\xff\xff\xff" * 2 + b"\x08\x06\0\0\0\0\0\0\0"
    rendered = render(header + b"\0\0\0\0IDATxxxx", "image", ContentFacts("image/png"))
    assert any("2147483647" in text_of(line) for line in rendered.lines) and len(rendered.lines) < 20


def test_what_is_escaped_in_bodies_is_escaped_everywhere_on_the_screen() -> None:
    blocks = (0, 0x3200), (0xD7F0, 0xE010), (0xFE00, 0x10000), (0xE0000, 0xE1000)
    for code in (code for block in blocks for code in range(*block)):
        character = chr(code)
        if escape_control(character) != character:
            assert visible(character) != character, f"U+{code:04X}"

