"""Protobuf and gRPC: guesses, and that they are written back as the same bytes, right or wrong."""

from __future__ import annotations

import base64
import time
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.grpc_view import read_grpc, show_grpc
from interceptor.contentviews.notation import editable_text
from interceptor.contentviews.protobuf_text import read_protobuf, varint
from interceptor.contentviews.protobuf_view import DEEPEST, show_protobuf
from interceptor.contentviews.rendered import ContentFacts, NotThisView, never, text_of
from interceptor.model.encoding import encode_content
from interceptor.model.http import Headers
from interceptor.specs.errors import UserError
from tests.support.effort import examples


def field(number: int, wire: int, content: bytes) -> bytes:
    return varint(number << 3 | wire) + (varint(len(content)) if wire == 2 else b"") + content


def text(body: bytes) -> str:
    return editable_text(show_protobuf(body, never).lines)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (field(1, 0, varint(150)), "1: 150\n"),
        (field(1, 0, varint(-1)), "1: -1\n"),
        (field(2, 2, b"testing"), '2: "testing"\n'),
        (field(2, 2, b""), '2: ""\n'),
        (field(2, 2, b"a\nb\t\xc3\xa9"), '2: "a\\nb\té"\n'),
        (field(3, 2, field(1, 0, varint(150))), "3: {\n  1: 150\n}\n"),
        (field(3, 2, field(1, 2, b"hello wor")), '3: {\n  1: "hello wor"\n}\n'),
        (field(4, 2, b"\x03\x8e\x02\x9e\xa7\x05"), "4: h'038e029ea705'\n"),
        (field(4, 2, b"\x03\x04\x05\x00"), "4: packed [3 4 5 0]\n"),
        (field(4, 2, bytes([3]) * 17), "4: packed [\n  " + " ".join("3" * 17) + "\n]\n"),
        (field(4, 2, pack("<3f", 1.1, -2, 0)), "4: packed float [1.1 -2.0 0.0]\n"),
        (field(4, 2, pack("<2d", 0.1, -2e5)), "4: packed double [0.1 -200000.0]\n"),
        (field(5, 5, pack("<f", 1.5)), "5: float 1.5  # fixed32 1069547520\n"),
        (field(5, 5, pack("<I", 7)), "5: fixed32 7\n"),
        (field(5, 1, pack("<d", -1.5)), "5: double -1.5  # fixed64 13832806255468478464\n"),
        (field(5, 1, pack("<Q", 7)), "5: fixed64 7\n"),
        (field(6, 3, field(1, 0, b"\5")) + field(6, 4, b""), "6: group {\n  1: 5\n}\n"),
        (field(7, 2, b"\xff\xfe"), "7: h'fffe'\n"),
        (field(1, 0, b"\1") + b"\xff\xff", "1: 1\nrest h'ffff'\n"),
        (field(1, 0, b"\1") + field(6, 3, field(1, 0, b"\5")), "1: 1\nrest h'330805'\n"),
    ],
)
def test_protobuf(body: bytes, shown: str) -> None:
    assert text(body) == shown
    assert read_protobuf(shown) == body


@examples(400)
@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from([0, 1, 2, 2, 2, 5]), st.binary(max_size=40), st.integers(0, 1 << 63)),
        min_size=1,
        max_size=12,
    )
)
def test_any_message_comes_back(fields: list[tuple[int, int, bytes, int]]) -> None:
    body = b""
    for number, wire, raw, value in fields:
        content = {0: varint(value), 1: value.to_bytes(8, "little"), 5: (value & 0xFFFFFFFF).to_bytes(4, "little")}.get(wire, raw)
        body += field(number, wire, content)
    shown = text(body)
    again = read_protobuf(shown)
    assert text(again) == shown
    if len(again) == len(body):  # else some number inside was not in its shortest form
        assert again == body


@examples(300)
@given(st.binary(min_size=1, max_size=80))
def test_any_bytes(body: bytes) -> None:
    try:
        shown = text(body)
    except NotThisView:
        return
    read_protobuf(shown)


def test_nesting_is_bounded_and_costs_no_more_than_length() -> None:
    body = b""
    for _ in range(DEEPEST * 3):
        body = field(1, 2, body)
    lines = show_protobuf(body, never).lines
    assert max(len(text_of(line)) - len(text_of(line).lstrip()) for line in lines) <= 2 * DEEPEST
    assert read_protobuf(editable_text(lines)) == body
    started = time.process_time()
    body = field(1, 0, b"\1") + field(1, 3, b"") * 100_000
    assert len(show_protobuf(body, never).lines) < 100
    assert time.process_time() - started < 12


def test_what_is_no_message_is_not_shown_as_one() -> None:
    for body in (b"\0abc", b"\xff\xff", b"\x0f"):
        with pytest.raises(NotThisView):
            show_protobuf(body, never)


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        ("1: 2\n2: {\n  1: 5\n", "line 4, column 1: the number of a field or '}' expected, but the text ends"),
        ("1: 2\n2: oops", "line 2, column 4: a value expected.*'oops'"),
        ("0: 1", "the number of a field expected"),
        ("1: 1.5", "float 1.5, double 1.5"),
        ("1: fixed32 4294967296", "a number expected"),
        ("1: float 1e300", "of this width"),
        ("1: 2 }", "the number of a field expected"),
        ("1: {" * 1000, "levels"),
        ("1: packed [1 x]", "a number or ']' expected"),
    ],
)
def test_mistakes_name_their_line(edited: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_protobuf(edited)


MESSAGE = field(1, 2, b"hello") + field(2, 0, b"\5")


def frame(content: bytes, flags: int = 0) -> bytes:
    return bytes([flags]) + len(content).to_bytes(4, "big") + content


def facts(coding: str = "", media_type: str = "application/grpc") -> ContentFacts:
    return ContentFacts(media_type, headers=Headers([(b"grpc-encoding", coding.encode())] if coding else []))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_grpc_messages_are_decompressed_and_compressed_again(coding: str) -> None:
    body = frame(MESSAGE) + frame(encode_content(MESSAGE, coding), 1)
    shown = editable_text(show_grpc(body, facts(coding), never).lines)
    assert shown.count('  1: "hello"\n  2: 5\n}') == 2
    assert f"message {coding} {{" in shown
    again = read_grpc(shown.replace("hello", "goodbye"), facts(coding))
    assert editable_text(show_grpc(again, facts(coding), never).lines).count('"goodbye"') == 2
    assert again[: len(MESSAGE) + 7] == frame(MESSAGE.replace(b"\x05hello", b"\x07goodbye"))


def test_grpc_that_cannot_be_decoded_stays_as_it_is() -> None:
    body = frame(b"not gzip", 1) + frame(b"", 0) + frame(b"\xff\xff") + b"\0\0"
    for coding in ("", "gzip", "odd"):
        shown = show_grpc(body, facts(coding), never)
        assert "2 bytes at the end are no whole message" in shown.description
        assert read_grpc(editable_text(shown.lines), facts(coding)) == body


def test_grpc_bombs_are_bounded() -> None:
    bomb = encode_content(bytes(100_000_000), "gzip")
    shown = show_grpc(frame(bomb, 1) * 3, facts("gzip"), never)
    assert [text_of(line).split("h'")[0] for line in shown.lines if "message" in text_of(line)] == ["message undecoded "] * 3


def test_grpc_web_text_and_trailers() -> None:
    body = base64.b64encode(frame(MESSAGE)) + base64.b64encode(frame(b"grpc-status:0\r\n", 0x80))
    about = facts(media_type="application/grpc-web-text+proto")
    shown = show_grpc(body, about, never)
    assert shown.description == "gRPC, 1 message"
    assert text_of(shown.lines[-1]) == 'trailers "grpc-status:0\\r\\n"'
    assert base64.b64decode(read_grpc(editable_text(shown.lines), about)) == frame(MESSAGE) + frame(b"grpc-status:0\r\n", 0x80)


def test_grpc_with_json_and_long_values() -> None:
    body = frame(b'{"a": "' + b"x" * 50_000 + b'"}')
    about = facts(media_type="application/grpc+json")
    shown = show_grpc(body, about, never)
    assert read_grpc(editable_text(shown.lines), about) == body
    with pytest.raises(NotThisView):
        show_grpc(b"\0\0\0\0\5abc", facts(), never)
    with pytest.raises(UserError, match=r"line 2.*'message', 'trailers' or 'rest' expected"):
        read_grpc("message {}\noops", facts())
