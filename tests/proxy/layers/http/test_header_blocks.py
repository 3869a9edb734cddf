"""Header blocks that break off, told from those that do not."""

from __future__ import annotations

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from interceptor.proxy.layers.http.header_blocks import fragment_of, is_whole
from tests.support.http2_peers import frame

FIELDS = st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.binary(max_size=300)), max_size=8)


@given(FIELDS, FIELDS, st.booleans())
def test_what_an_encoder_makes_is_whole(
    first: list[tuple[bytes, bytes]], second: list[tuple[bytes, bytes]], huffman: bool
) -> None:
    encoder = Encoder()
    for fields in (first, second, first):
        encoder.header_table_size = 100 + len(fields)
        assert is_whole(encoder.encode(fields, huffman=huffman))


@given(FIELDS.filter(bool), st.integers(1, 200))
def test_what_is_cut_in_a_string_is_not(fields: list[tuple[bytes, bytes]], cut: int) -> None:
    block = Encoder().encode([*fields, (b"x-last", b"y" * 200)], huffman=False)
    assert not is_whole(block[:-cut])


BROKEN = [b"\x40", b"\x00", b"\x41", b"\x40\x01a", b"\xff", b"\x80", b"\x3f", b"\xff\xff\xff\xff\xff\xff", b"\x41\x7f\xff"]


@pytest.mark.parametrize("block", BROKEN)
def test_fragments_of_fields(block: bytes) -> None:
    assert not is_whole(block) and not is_whole(b"\x82" + block)


def test_padding_is_not_block() -> None:
    assert fragment_of(frame(1, 4, 1, b"\x82")) == b"\x82"
    assert fragment_of(frame(1, 12, 1, b"\x02\x82\x84\0\0")) == b"\x82\x84"
    assert fragment_of(frame(1, 12, 1, b"\x09\x82")) == b""
