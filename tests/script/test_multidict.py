"""Dictionaries whose keys repeat, and header fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.http import Headers as Fields
from interceptor.script.headers import Headers, fields_from
from interceptor.script.multidict import MultiDict, MultiDictView

RAW = ((b"Host", b"example.com"), (b"Accept", b"a"), (b"X", b"1"), (b"accept", b"b"))


def test_header_fields_as_a_dictionary() -> None:
    headers = Headers(RAW)
    assert headers["host"] == headers["HOST"] == "example.com"
    assert headers["accept"] == "a, b"
    assert headers.get_all("Accept") == ["a", "b"]
    assert headers.get("nothing") is None
    assert list(headers) == ["Host", "Accept", "X"]
    assert len(headers) == 3
    assert "x" in headers
    assert b"x" in headers  # type: ignore[comparison-overlap]
    assert 1 not in headers
    assert list(headers.keys(multi=True)) == ["Host", "Accept", "X", "accept"]
    assert headers.items(multi=True)[3] == ("accept", "b")
    assert dict(headers.items()) == {"Host": "example.com", "Accept": "a, b", "X": "1"}
    assert bytes(headers) == b"Host: example.com\r\nAccept: a\r\nX: 1\r\naccept: b\r\n"
    with pytest.raises(KeyError):
        headers["nothing"]


def test_header_fields_are_changed_in_their_place() -> None:
    headers = Headers(RAW)
    headers["ACCEPT"] = "c"
    assert headers.fields == ((b"Host", b"example.com"), (b"Accept", b"c"), (b"X", b"1"))
    headers.set_all("x", ["2", "3"])
    headers.add("New", "é")
    headers.insert(0, "First", "0")
    assert headers.fields == (
        (b"First", b"0"),
        (b"Host", b"example.com"),
        (b"Accept", b"c"),
        (b"X", b"2"),
        (b"x", b"3"),
        (b"New", "é".encode()),
    )
    assert headers.pop("x") == "2, 3"
    assert headers.pop("x", None) is None
    del headers["first"]
    headers.update({"host": "other"})
    assert headers.fields == ((b"Host", b"other"), (b"Accept", b"c"), (b"New", "é".encode()))
    with pytest.raises(KeyError):
        del headers["first"]
    with pytest.raises(TypeError):
        headers["number"] = 1  # type: ignore[assignment]


def test_header_fields_from_what_scripts_write() -> None:
    assert Headers(content_type="text/html").fields == ((b"content-type", b"text/html"),)
    assert fields_from({"A": "1", b"B": b"2"}).fields == [(b"A", b"1"), (b"B", b"2")]
    assert fields_from(Headers(RAW)).fields == list(RAW)
    with pytest.raises(TypeError):
        Headers([("a", "b")])  # type: ignore[list-item]


def test_header_fields_of_a_message_tell_before_they_change() -> None:
    record = Fields([(b"a", b"1")])
    before: list[bytes] = []
    headers = Headers.of(record, lambda: before.append(bytes(record)))
    assert headers["a"] == "1"
    assert before == []
    headers["a"] = "2"
    assert before == [b"a: 1\r\n"]
    assert record.fields == [(b"a", b"2")]
    twin = headers.copy()
    twin["a"] = "3"
    assert record.fields == [(b"a", b"2")]


def test_a_view_writes_back() -> None:
    kept = [("a", "1"), ("a", "2")]

    def write(pairs: tuple[tuple[str, str], ...]) -> None:
        kept[:] = pairs

    view: MultiDict[str, str] = MultiDictView(lambda: tuple(kept), write)
    assert view["a"] == "1"
    view["b"] = "3"
    view.set_all("a", ["4"])
    assert kept == [("a", "4"), ("b", "3")]
    assert view == MultiDict([("a", "4"), ("b", "3")])
    view.clear()
    assert kept == []
    assert not view


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=3))), st.sampled_from("abc"), st.lists(st.text(max_size=3)))
def test_set_all_is_what_get_all_gives_and_leaves_the_rest_in_order(
    pairs: list[tuple[str, str]], key: str, values: list[str]
) -> None:
    several = MultiDict(pairs)
    several.set_all(key, values)
    assert several.get_all(key) == values
    assert [pair for pair in several.fields if pair[0] != key] == [pair for pair in pairs if pair[0] != key]
