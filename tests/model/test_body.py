"""A body in memory reads as the bytes that were appended, and reading does not change it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.body import MemoryBody


@given(st.binary(max_size=20), st.lists(st.binary(max_size=20), max_size=5), st.integers(0, 130), st.none() | st.integers(0, 130))
def test_reading_is_slicing_bytes(first: bytes, pieces: list[bytes], start: int, count: int | None) -> None:
    body, content = MemoryBody(first), first
    for piece in pieces:
        assert body.read() == content
        body.append(piece)
        content += piece
        assert body.size == len(content)
    assert body.read(start, count) == (content[start:] if count is None else content[start : start + count])
    assert type(body.read()) is bytes


def test_what_was_read_or_given_does_not_change_with_the_body() -> None:
    given_bytes = b"one"
    body = MemoryBody(given_bytes)
    read = body.read()
    assert read is given_bytes  # no copy of a body that came in one piece
    body.append(b" two")
    again = body.read()
    body.append(b" three")
    assert (read, again, body.read()) == (b"one", b"one two", b"one two three")
