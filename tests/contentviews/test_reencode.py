"""Editing a view and writing it back, by the names of the views."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.registry import edit_text, editable, names, reencode
from interceptor.contentviews.rendered import ContentFacts
from interceptor.specs.errors import UserError
from tests.support.effort import examples

FACTS = ContentFacts()


def test_the_editable_views_are_views() -> None:
    assert set(editable()) == {"json", "protobuf", "grpc", "msgpack", "cbor", "dns", "hex dump", "hex stream"}
    assert set(editable()) <= set(names())


@examples(200)
@given(body=st.binary(max_size=100), view=st.sampled_from(list(editable())))
def test_what_was_not_edited_stays_what_it_is(body: bytes, view: str) -> None:
    try:
        text = edit_text(view, body, FACTS)
    except UserError as error:
        assert "cannot be edited as" in error.message
        return
    assert reencode(view, text, body, FACTS) is body
    assert reencode(view, text.rstrip("\n"), body, FACTS) is body


@examples(300)
@given(text=st.text(max_size=60) | st.text(alphabet="01:{}[]\"h'f #\n", max_size=60), view=st.sampled_from(list(editable())))
def test_any_text_is_content_or_a_mistake(text: str, view: str) -> None:
    try:
        assert isinstance(reencode(view, text, b"\0", FACTS), bytes)
    except UserError as error:
        assert "line " in error.message


@given(st.binary(max_size=100))
def test_hex_dumps_come_back(body: bytes) -> None:
    text = edit_text("hex dump", body, FACTS)
    assert reencode("hex dump", text + "00", body, FACTS) == body + b"\0"


def test_hex_dumps_as_people_edit_them() -> None:
    assert edit_text("hex dump", b"GET / HTTP/1.1\r\n\xff", FACTS) == (
        "00000000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  | GET / HTTP/1.1..\n"
        "00000010  ff                                                | .\n"
    )
    assert reencode("hex dump", "00000000  47 4554\n\n 0a | ff", b"", FACTS) == b"GET\n"
    assert reencode("hex dump", "deadbeef00", b"", FACTS) == bytes.fromhex("deadbeef00")
    with pytest.raises(UserError, match=r"line 2: two hexadecimal digits.*'4z'"):
        reencode("hex dump", "47\n4z", b"", FACTS)


def test_views_that_cannot_be_edited_are_told() -> None:
    with pytest.raises(UserError, match="the view 'image' cannot be edited; those that can are json, protobuf, grpc"):
        reencode("image", "", b"", FACTS)
    with pytest.raises(UserError, match="cannot be edited as dns"):
        edit_text("dns", b"x", FACTS)
    with pytest.raises(UserError, match="too much"):
        edit_text("hex dump", bytes(10_000_000), FACTS)
