"""Heads: what passes keeps its bytes; what could be read in two ways is refused, with the place named. h11 is the reference."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.proxy.layers.http.head_scan import (
    HeadError,
    read_request_head,
    read_status_head,
    write_request_head,
    write_status_head,
)

GET = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"

REFUSED_REQUESTS = [
    # head, offset of the culprit, a word of the reason, status
    (b"GET /\r\nHost: a\r\n\r\n", 0, "request line", 400),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 0, "request line", 400),
    (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 0, "request line", 400),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 0, "request line", 400),
    (b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n", 1, "control character", 400),
    (b"GET /\x0b HTTP/1.1\r\nHost: a\r\n\r\n", 5, "control character", 400),
    (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 14, "control character", 400),
    (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 0, "request line", 400),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", 0, "request line", 400),
    (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 11, "version", 505),
    (b"PRI * HTTP/2.0\r\n\r\n", 11, "version", 505),
    (GET + b"\r\n", 0, "without Host", 400),
    (GET + HOST + b"Host: b\r\n\r\n", 25, "more than one Host", 400),
    (GET + HOST + b"Host: a\r\n\r\n", 25, "more than one Host", 400),
    (GET + HOST + b"A : b\r\n\r\n", 25, "white space before the colon", 400),
    (GET + HOST + b"A b: c\r\n\r\n", 25, "not a field name", 400),
    (GET + HOST + b": c\r\n\r\n", 25, "not a field name", 400),
    (GET + HOST + b"nocolon\r\n\r\n", 25, "without a colon", 400),
    (GET + HOST + b"A: b\r\n folded\r\n\r\n", 31, "folded", 400),
    (GET + b" folded\r\n" + HOST + b"\r\n", 16, "folded", 400),
    (GET + HOST + b"A: b\nC: d\r\n\r\n", 29, "LF without CR", 400),
    (GET + HOST + b"A: b\rC\r\n\r\n", 29, "control character 0x0d", 400),
    (GET + HOST + b"A: b\x00c\r\n\r\n", 29, "control character 0x00", 400),
    (GET + HOST + b"A: \x7f\r\n\r\n", 28, "control character 0x7f", 400),
    (GET + HOST + b"Content-Length: +3\r\n\r\n", 25, "not a number", 400),
    (GET + HOST + b"Content-Length: 3 4\r\n\r\n", 25, "not a number", 400),
    (GET + HOST + b"Content-Length: \r\n\r\n", 25, "not a number", 400),
    (GET + HOST + b"Content-Length: 0x3\r\n\r\n", 25, "not a number", 400),
    (GET + HOST + b"Content-Length: 99999999999999999999\r\n\r\n", 25, "not a number", 400),
    (GET + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 44, "twice", 400),
    (GET + HOST + b"Content-Length: 3, 4\r\n\r\n", 25, "twice", 400),
    (GET + HOST + b"Content-Length: 3, 3\r\n\r\n", 25, "twice", 400),
    (GET + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 44, "twice", 400),
    (b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\n", 31, "CONNECT with a body", 400),
    (GET + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 44, "together", 400),
    (GET + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 25, "single chunked", 501),
    (GET + HOST + b"Transfer-Encoding: identity\r\n\r\n", 25, "single chunked", 501),
    (GET + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 53, "single chunked", 501),
    (GET + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n", 44, "control character", 400),
    (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 16, "HTTP/1.0", 400),
]


@pytest.mark.parametrize(("block", "offset", "reason", "status"), REFUSED_REQUESTS)
def test_a_request_that_could_be_read_in_two_ways_is_refused(block: bytes, offset: int, reason: str, status: int) -> None:
    with pytest.raises(HeadError) as caught:
        read_request_head(block, 100)
    assert reason in str(caught.value)
    assert f" at byte {offset}" in str(caught.value)
    assert caught.value.status == status


REFUSED_RESPONSES = [
    (b"ICY 200 OK\r\n\r\n", 0, "status line"),
    (b"HTTP/1.1 20 OK\r\n\r\n", 0, "status line"),
    (b"HTTP/1.1 2000 OK\r\n\r\n", 0, "status line"),
    (b"HTTP/1.1  200 OK\r\n\r\n", 0, "status line"),
    (b"HTTP/2.0 200 OK\r\n\r\n", 5, "version"),
    (b"HTTP/1.1 200 O\x00K\r\n\r\n", 14, "control character"),
    (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 17, "white space before the colon"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 36, "together"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 17, "single chunked"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n", 36, "twice"),
    (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 23, "folded"),
]


@pytest.mark.parametrize(("block", "offset", "reason"), REFUSED_RESPONSES)
def test_a_response_that_could_be_read_in_two_ways_is_refused(block: bytes, offset: int, reason: str) -> None:
    with pytest.raises(HeadError) as caught:
        read_status_head(block, 100)
    assert reason in str(caught.value) and f" at byte {offset}" in str(caught.value)


def test_more_fields_than_allowed() -> None:
    block = GET + HOST + b"A: b\r\n" * 10 + b"\r\n"
    assert len(read_request_head(block, 11).fields) == 11
    with pytest.raises(HeadError, match="header_count_limit") as caught:
        read_request_head(block, 10)
    assert caught.value.status == 431


def test_what_the_framing_fields_say() -> None:
    head = read_request_head(
        b"POST /p HTTP/1.1\r\nhOST: a:1\r\nContent-Length: 7\r\nConnection: Keep-Alive, X\r\nconnection: close\r\n"
        b"Expect: 100-Continue\r\nUpgrade: websocket\r\n\r\n",
        100,
    )
    framing = head.framing
    assert (framing.host, framing.content_length, framing.is_chunked) == (b"a:1", 7, False)
    assert framing.connection == {b"keep-alive", b"x", b"close"}
    assert framing.expects_continue and framing.has_upgrade
    assert read_request_head(GET + HOST + b"Transfer-Encoding: Chunked\r\n\r\n", 9).framing.is_chunked
    assert read_request_head(b"GET / HTTP/1.0\r\n\r\n", 9).framing.host is None


def test_a_status_line_may_lack_its_reason() -> None:
    assert read_status_head(b"HTTP/1.1 200\r\n\r\n", 9).reason == b""
    assert read_status_head(b"HTTP/1.1 200 \r\n\r\n", 9).reason == b""
    head = read_status_head(b"HTTP/1.0 999 \xc3\x9cber \tgut\r\nA: b\r\n\r\n", 9)
    assert (head.status, head.reason, head.minor, head.fields) == (999, b"\xc3\x9cber \tgut", 0, [(b"A", b"b")])


# --- properties -----------------------------------------------------------------------------------------------

TOKENS = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=12).map(str.encode)
TARGETS = st.lists(st.integers(0x21, 0xFF).filter(lambda byte: byte != 0x7F), min_size=1, max_size=30).map(bytes)
VALUES = st.lists(st.integers(0x20, 0xFF).filter(lambda byte: byte != 0x7F) | st.just(0x09), max_size=20).map(
    lambda raw: bytes(raw).strip(b" \t")
)
FRAMING = {b"host", b"content-length", b"transfer-encoding", b"expect", b"connection", b"upgrade", b"proxy-connection"}
FIELDS = st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() not in FRAMING), VALUES), max_size=8)


@given(TOKENS, TARGETS, FIELDS, st.integers(0, 8))
def test_a_request_is_written_as_it_was_read(method: bytes, target: bytes, fields: list[tuple[bytes, bytes]], place: int) -> None:
    fields.insert(min(place, len(fields)), (b"HoSt", b"a.test"))
    block = write_request_head(method, target, 1, fields)
    head = read_request_head(block, 100)
    assert (head.method, head.target, head.minor, head.fields) == (method, target, 1, fields)
    assert write_request_head(head.method, head.target, head.minor, head.fields) == block


@given(st.integers(200, 999), VALUES, FIELDS)
def test_a_response_is_written_as_it_was_read(status: int, reason: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    block = write_status_head(status, reason, fields)
    head = read_status_head(block, 100)
    assert (head.status, head.reason, head.fields) == (status, reason, fields)


PIECES = st.sampled_from(
    [b"GET", b"POST", b"/", b"*", b"http://a/b", b" ", b"  ", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"\r\n", b"\n", b"\r", b"\t",
     b"Host: a\r\n", b"Host:b\r\n", b"Content-Length: 3\r\n", b"Content-Length: 3, 3\r\n", b"Content-Length: 03\r\n",
     b"Content-Length:\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"A: b\r\n",
     b"A : b\r\n",
     b" folded\r\n", b"A: \xff\x01\r\n", b"A:\x00\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b":", b"\xe4"]
)  # fmt: skip
GARBLED = st.builds(
    lambda start, pieces: start + b"".join(pieces) + b"\r\n\r\n",
    st.sampled_from([b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.0\r\n", b"POST /p HTTP/1.1\r\n", b"GET ", b""]),
    st.lists(PIECES | st.binary(max_size=2), max_size=6),
)


def _as_h11_reads(block: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]] | None:
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(block)
    try:
        event = reader.next_event()
    except h11.RemoteProtocolError:
        return None
    return (event.method, event.target, list(event.headers.raw_items())) if isinstance(event, h11.Request) else None


def _deliberately_taken(block: bytes) -> bool:
    """What we let pass although h11 does not: raw bytes in the target get through as they are."""
    line = block.partition(b"\r\n")[0]
    return any(byte >= 0x80 for byte in line)


@given(GARBLED)
def test_what_h11_refuses_we_refuse_and_what_both_take_is_read_alike(block: bytes) -> None:
    block = block[: block.find(b"\r\n\r\n") + 4]
    try:
        head = read_request_head(block, 100)
    except HeadError:
        return  # stricter: the table above says where
    reading = _as_h11_reads(block)
    if reading is None:
        assert _deliberately_taken(block), "h11 refuses this"
        return
    method, target, fields = reading
    assert (head.method, head.target) == (method, target)
    theirs = sorted((name.lower(), value) for name, value in fields if name.lower() not in FRAMING)
    assert sorted((name.lower(), value) for name, value in head.fields if name.lower() not in FRAMING) == theirs


RIGHT = st.builds(
    lambda method, target, fields: write_request_head(method, target, 1, [(b"Host", b"a"), *fields]),
    TOKENS,
    st.text("!#$%&'()*+,-./:;=?@[]_~09azAZ", min_size=1, max_size=20).map(str.encode),
    FIELDS,
)


@given(RIGHT)
def test_what_h11_takes_we_take_if_it_is_right(block: bytes) -> None:
    assert _as_h11_reads(block) is not None
    read_request_head(block, 100)


def test_a_connect_may_do_without_host() -> None:
    assert read_request_head(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n", 100).target == b"a.test:443"
