"""Forms: URL-encoded, in the query, multipart."""

from __future__ import annotations

import pytest

from interceptor.contentviews.form import show_form
from interceptor.contentviews.multipart import show_multipart
from interceptor.contentviews.query import show_query
from interceptor.contentviews.rendered import ContentFacts, NotThisView, Rendered, never, text_of


def texts(rendered: Rendered) -> list[str]:
    return [text_of(line) for line in rendered.lines]


def test_pairs_in_order_with_duplicates() -> None:
    shown = show_form(b"b=1&a=%C3%A9+x&&b=&c&=d\r\n", never)
    assert texts(shown) == ["b: 1", "a: é x", "b: ", "c", ": d"]
    assert shown.description == "URL-encoded form, 5 fields"
    assert shown.lines[0] == [("key", "b"), ("punctuation", ": "), ("string", "1")]


def test_hostile_values_are_escaped() -> None:
    assert texts(show_form(b"a=%1b%5b&b=%ff&c=1%0a2", never)) == ["a: \\x1b[", "b: \\xff", "c: 1\\n2"]


def test_long_values_are_cut() -> None:
    shown = show_form(b"a=" + b"x" * 50_000 + b"&b=1", never)
    assert len(shown.lines) == 4
    assert shown.description == "URL-encoded form, 2 fields"
    assert sum(text.count("x") for text in texts(shown)) == 50_000


def test_binary_is_no_form() -> None:
    with pytest.raises(NotThisView):
        show_form(b"a\0b", never)


def test_query() -> None:
    assert texts(show_query(ContentFacts("", True, "http://h/p?a=1&b#f=2"), never)) == ["a: 1", "b"]
    with pytest.raises(NotThisView):
        show_query(ContentFacts("", True, "http://h/p"), never)
    assert texts(show_query(ContentFacts("", True, "http://[bad/?a=1"), never)) == ["a: 1"]


MULTIPART = (
    b"preamble\r\n--b d\r\n"
    b'Content-Disposition: form-data; name="one"\r\n\r\nfirst\r\nsecond\r\n--b d  \r\n'
    b'Content-Disposition: form-data; name="two"; filename="x.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'
    + bytes(range(256)) * 2
    + b"\r\n--b dx is no boundary\r\n--b d\r\n\r\nno head\r\n--b d\r\n\r\n\r\n--b d--\r\nepilogue"
)


def test_multipart() -> None:
    shown = show_multipart(MULTIPART, ContentFacts('multipart/form-data; boundary="b d"'), never)
    assert shown.description == "Multipart, 4 parts"
    lines = texts(shown)
    assert lines[:6] == ["Part 1: one  13b", 'Content-Disposition: form-data; name="one"', "", "first", "second", ""]
    assert lines[6] == "Part 2: two  535b"
    assert lines[9:12] == ["", "binary", "00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  ................"]
    assert "… 279b more" in lines
    assert "no head" in lines and "epilogue" not in lines
    assert lines[-4:] == ["Part 4  0b", "", "no content", ""]


def test_the_boundary_is_found_without_a_type() -> None:
    shown = show_multipart(b"--q\nA: b\n\nc", ContentFacts(), never)
    assert texts(shown) == ["Part 1  1b", "A: b", "", "c", ""]
    assert shown.description == "Multipart, 1 part, the closing boundary is missing"


def test_many_parts_are_bounded() -> None:
    shown = show_multipart(b"--q\r\n\r\nx\r\n" * 5000 + b"--q--", ContentFacts("multipart/x; boundary=q"), never)
    assert shown.description == "Multipart, 5000 parts, only the first 1000 shown"
    assert len(shown.lines) == 4 * 1000


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"hello", ""), (b"hello", "multipart/x; boundary=q"), (b"x--q\r\n", "a/b; boundary=q")]
)
def test_what_is_not_multipart(body: bytes, content_type: str) -> None:
    with pytest.raises(NotThisView):
        show_multipart(body, ContentFacts(content_type), never)


def test_images_in_parts_are_told() -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x20\0\0\0\x10\x08\6\0\0\0"
    lines = texts(show_multipart(b"--q\r\nContent-Type: image/png\r\n\r\n" + png + b"\r\n--q--", ContentFacts(), never))
    assert "format PNG, dimensions 32 × 16, depth 8 bits, RGB with alpha" in lines
