"""What our reader of heads and bodies takes, h11 takes too, and reads the same in it. Not the other way round: h11 is lenient."""

from __future__ import annotations

import h11
import pytest

from interceptor.proxy.layers.http.head_scan import HeadError, read_request_head
from interceptor.proxy.layers.http.http1_bodies import ChunkedBody, CountedBody
from tests.conformance.mutations import RIGHT, mutations

pytestmark = pytest.mark.conformance

Reading = tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes, bytes]
"""Method, target, fields (lower case, Host first as h11 has it), body, what follows."""


def ours(text: bytes) -> Reading | None:
    end = text.find(b"\r\n\r\n")
    if end < 0:
        return None
    try:
        head = read_request_head(text[: end + 4], 1000)
        rest, framing = text[end + 4 :], head.framing
        body = b""
        if framing.is_chunked or framing.content_length:
            reader = ChunkedBody() if framing.is_chunked else CountedBody(framing.content_length or 0)
            body = reader.feed(rest) if rest else b""
            if not reader.has_ended:
                return None
            rest = reader.rest
    except HeadError:
        return None
    fields = [(name.lower(), value) for name, value in head.fields]
    return head.method, head.target, sorted(fields), body, rest


def theirs(text: bytes) -> Reading | None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(text)
    try:
        request = connection.next_event()
        if not isinstance(request, h11.Request):
            return None
        body = b""
        while isinstance(event := connection.next_event(), h11.Data):
            body += bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            return None
    except h11.RemoteProtocolError:
        return None
    fields = [(bytes(name), bytes(value)) for name, value in request.headers]
    return bytes(request.method), bytes(request.target), sorted(fields), body, connection.trailing_data[0]


def normalised(reading: Reading) -> Reading:
    """h11 joins equal lengths, and writes codings in lower case."""
    method, target, fields, body, rest = reading
    same = []
    for name, value in fields:
        if name == b"content-length":
            value = value.split(b",")[0].strip()
        elif name == b"transfer-encoding":
            value = value.lower()
        if (name, value) not in same or name != b"content-length":
            same.append((name, value))
    return method, target, same, body, rest


def test_right_requests_are_taken() -> None:
    for text in RIGHT:
        assert ours(text) is not None, text


@pytest.mark.parametrize("seed", range(4))
def test_the_same_is_read(seed: int) -> None:
    taken = 0
    for text in mutations(seed, 25_000):
        mine = ours(text)
        if mine is None or not mine[1].isascii():  # raw bytes in a target are taken on purpose: they are passed on as they are
            continue
        taken += 1
        other = theirs(text)
        assert other is not None, f"we take what h11 refuses: {text!r}"
        assert normalised(mine) == normalised(other), text
    assert taken > 1000
