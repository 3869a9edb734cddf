"""Bodies: by length, chunked, until the connection's end; however they are split, and wherever they break."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.http import Headers
from interceptor.proxy.layers.http.head_scan import HeadError
from interceptor.proxy.layers.http.http1_bodies import BodyReader, BodyUntilClose, BodyWriter, ChunkedBody, CountedBody


def read(reader: BodyReader, data: bytes, cuts: list[int]) -> bytes:
    """The body; what came behind it is in `reader.rest`, as far as the reader saw it."""
    body, edges = b"", sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        if reader.has_ended:
            reader.rest += data[start:end]
        else:
            body += reader.feed(data[start:end])
    return body


CUTS = st.lists(st.integers(0, 10_000), max_size=10)


@given(st.binary(max_size=50), st.binary(max_size=20), CUTS)
def test_by_length(body: bytes, rest: bytes, cuts: list[int]) -> None:
    reader = CountedBody(len(body))
    assert (read(reader, body + rest, cuts), reader.rest) == (body, rest)
    assert reader.has_ended and reader.end_of_stream()


def test_a_counted_body_that_is_cut_off() -> None:
    reader = CountedBody(5)
    assert reader.feed(b"abc") == b"abc"
    assert not reader.has_ended and not reader.end_of_stream()


def test_until_the_connection_ends() -> None:
    reader = BodyUntilClose()
    assert reader.feed(b"abc") == b"abc" and not reader.has_ended
    assert reader.end_of_stream() and reader.has_ended


TRAILERS = st.none() | st.just(Headers([(b"X-Sum", b"1"), (b"x-sum", b"2")]))


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), TRAILERS, st.binary(max_size=20), CUTS)
def test_what_is_written_chunked_is_read_back(
    pieces: list[bytes], trailers: Headers | None, rest: bytes, cuts: list[int]
) -> None:
    writer, reader = BodyWriter(is_chunked=True), ChunkedBody()
    wire = b"".join(writer.data(piece) for piece in pieces) + writer.end(trailers)
    assert (read(reader, wire + rest, cuts), reader.rest) == (b"".join(pieces), rest)
    assert reader.has_ended and reader.trailers == trailers


def test_chunk_extensions_and_leading_zeros_are_taken() -> None:
    reader = ChunkedBody()
    assert reader.feed(b'03;name="value"\r\nabc\r\n000\r\n\r\nmore') == b"abc"
    assert reader.has_ended and reader.rest == b"more"


def test_a_body_that_begins_with_a_blank_is_no_folded_trailer() -> None:
    reader = ChunkedBody()
    assert reader.feed(b"3\r\na") + reader.feed(b" b\r\n0\r\nA: b\r\n\r\n") == b"a b"
    assert reader.trailers == Headers([(b"A", b"b")])


@pytest.mark.parametrize(
    "wire",
    [
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b" 3\r\nabc\r\n0\r\n\r\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"g\r\nabc\r\n0\r\n\r\n",
        b"\r\n3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nA : b\r\n\r\n",
        b"3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
        b"3\r\nabc\r\n0\r\nA: b\n\r\n\r\n",
        b"3\r\nabc\r\n0\r\nA: b\r\nC: d\n\r\n\r\n",
        b"3\r\nabc\r\n0\r\nA: b\r\n\nC: d\r\n\r\n",
        b"3\r\nabc\r\n0\r\nA: b\r\n folded\r\nC: d\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\n\r\n",
        b"3\r\nabc\r\n0\n\r\n",
        b"123456789012345678901\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_malformed_chunks_are_refused_however_they_are_split(wire: bytes) -> None:
    for step in (1, 3, len(wire)):
        reader = ChunkedBody()
        with pytest.raises(HeadError):
            for start in range(0, len(wire), step):
                reader.feed(wire[start : start + step])
                assert not reader.has_ended, "taken as complete"


@given(
    st.binary(max_size=60) | st.lists(st.sampled_from([b"3", b"\r", b"\n", b"\r\n", b"abc", b"0", b";", b"A: b"])).map(b"".join)
)
def test_noise_is_refused_or_waited_for(noise: bytes) -> None:
    reader = ChunkedBody()
    try:
        reader.feed(noise)
    except HeadError:
        return
    assert reader.has_ended or not reader.end_of_stream()
