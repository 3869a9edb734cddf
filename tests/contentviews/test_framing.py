"""What raw messages are guessed to consist of: only where every byte is accounted for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.framing import LOOKED_AT, framing
from tests.support.client_hellos import client_hello

QUERY = b"\0\7\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\x1c\0\1"
ANSWER = QUERY[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + QUERY[12:] + b"\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10" + bytes(16)
GUESSES = {
    b"250-mx\r\n250 STARTTLS\r\n": "2 lines",
    client_hello("a.test"): "TLS: handshake",
    b"\x14\3\3\0\1\1" + b"\x17\3\3\0\2ab" * 2: "TLS: change of cipher, 2 × application data",
    QUERY: "DNS query: a.test AAAA",
    len(QUERY).to_bytes(2, "big") + QUERY: "DNS query: a.test AAAA",
    ANSWER: "DNS answer: a.test AAAA",
    b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12): "STUN request",
    b"\1\1\0\4\x21\x12\xa4\x42" + bytes(12) + b"abcd": "STUN response",
    b"\0\0\0\x08\x04\xd2\x16\x2f": "PostgreSQL: SSLRequest",
    b"D\0\0\0\x06\0\0" * 2 + b"Z\0\0\0\5I": "PostgreSQL: 2 × DataRow, ReadyForQuery",
    b"\x03\0\0\0\x0e\1\2\x02\0\0\1ab": "2 packets as MySQL has them",
    b"\0\0\0\5hello": "1 frame behind its length (4 bytes, big-endian)",
    b"\x02\0hi\x03\0you": "2 frames behind their length (2 bytes, little-endian)",
}


@pytest.mark.parametrize("data", GUESSES)
def test_it_is_told(data: bytes) -> None:
    assert framing(data) == GUESSES[data]


NOTHING = [b"", b"S", b"hello", b"EHLO me\r\n", b"\x16\3\1\0\5hell", bytes(64), b"\0\1x", b"x" * LOOKED_AT + b"\n", b"a\0\n"]


@pytest.mark.parametrize("data", NOTHING)
def test_nothing_is_said_where_nothing_is_known(data: bytes) -> None:
    assert framing(data) == ""


NEARLY = st.sampled_from(list(GUESSES)).flatmap(lambda data: st.binary(max_size=5).map(data.__add__))


@given(st.one_of(st.binary(max_size=200), NEARLY))
def test_whatever_comes_there_is_an_answer(data: bytes) -> None:
    assert isinstance(framing(data), str)
