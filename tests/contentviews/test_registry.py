"""Which view is taken, and that there always is a result."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.registry import PRETTY_LIMIT, names, render, render_body
from interceptor.contentviews.rendered import COLOURS, STYLES, ContentFacts, Line, RenderCancelled, text_of
from interceptor.model.body import MemoryBody
from interceptor.model.encoding import encode_content
from interceptor.model.http import Headers, Request, Response
from interceptor.specs.errors import UserError
from tests.support.effort import examples

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x20\0\0\0\x10\x08\6\0\0\0"
HTML = b"<!doctype html><p>hello</p>"
FORM = b"a=1&b=2"
MULTIPART = b'--x\r\nContent-Disposition: form-data; name="n"\r\n\r\nv\r\n--x--\r\n'


def texts(lines: Sequence[Line]) -> list[str]:
    return [text_of(line) for line in lines]


@pytest.mark.parametrize(
    ("body", "content_type", "view"),
    [
        (b'{"a":1}', "application/json", "json"),
        (b'"scalar"', "application/vnd.api+json; charset=utf-8", "json"),
        (b'{"a":1}', "", "json"),
        (b'{"a":1}', "text/plain", "json"),
        (b'{"a":1}', "text/html", "json"),
        (b'{"a":1}', "application/x-www-form-urlencoded", "json"),
        (b"{oops", "application/json", "raw"),
        (HTML, "text/html; charset=utf-8", "xml/html"),
        (HTML, "", "xml/html"),
        (b"<a><b/></a>", "application/atom+xml", "xml/html"),
        (b"<svg></svg>", "image/svg+xml", "xml/html"),
        (b"1 < 2", "", "raw"),
        (b"var a = 1", "application/javascript", "javascript"),
        (b"a { b: c }", "text/css", "css"),
        (FORM, "application/x-www-form-urlencoded", "url-encoded"),
        (MULTIPART, "multipart/form-data; boundary=x", "multipart form"),
        (MULTIPART, "", "multipart form"),
        (PNG, "image/png", "image"),
        (PNG, "image/jpeg", "image"),
        (PNG, "text/html", "image"),
        (PNG, "", "image"),
        (b"hello", "", "raw"),
        (b"hello", "text/plain", "raw"),
        (b"\0\1\2\3", "", "hex dump"),
        (b"\0\1\2\3", "text/html", "hex dump"),
        (b"\0\1\2\3", "application/json", "hex dump"),
        (b"\0\1\2\3", "image/png", "hex dump"),
        (bytes(range(128, 256)) * 3, "application/octet-stream", "hex dump"),
        ("größer".encode("latin-1"), "text/plain; charset=iso-8859-1", "raw"),
        ("テスト".encode("shift_jis") * 50, "text/plain; charset=shift_jis", "raw"),
        ("abc".encode("utf-16"), "text/plain", "raw"),
        ('{"a":1}'.encode("utf-16"), "application/json", "json"),
        (b'{"query": "{a}"}', "application/json", "graphql"),
        (b'{"query": "{a}"}', "", "graphql"),
        (b"\x08\1", "application/x-protobuf", "protobuf"),
        (b"\x08\1", "application/vnd.example+proto; a=b", "protobuf"),
        (b"\0\0\0\0\2\x08\1", "application/grpc-web+proto", "grpc"),
        (b"\0\0\0\0\2\x08\1", "application/grpc", "grpc"),
        (b"\0\0\0\0\7\x08\1", "application/grpc", "hex dump"),
        (b"\x81\xa1a\x01", "application/msgpack", "msgpack"),
        (b"\x81\xa1a\x01", "application/vnd.example+msgpack", "msgpack"),
        (b"\xa1aa\x01", "application/cbor", "cbor"),
        (b"\xa1aa\x01", "application/senml+cbor", "cbor"),
        (b"\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", "application/dns-message", "dns"),
    ],
)
def test_auto(body: bytes, content_type: str, view: str) -> None:
    assert render(body, "auto", ContentFacts(content_type)).view_name == view


def test_empty_content() -> None:
    assert render(b"", "auto", ContentFacts()).description == "No content"
    assert render(b"", "json", ContentFacts()).lines == []
    shown = render(b"", "auto", ContentFacts("", True, "http://h/p?a=1&b=%41"))
    assert (shown.view_name, texts(shown.lines)) == ("query", ["a: 1", "b: A"])
    assert render(b"", "auto", ContentFacts("", False, "http://h/p?a=1")).description == "No content"


def test_a_view_that_cannot_says_why_and_text_takes_its_place() -> None:
    shown = render(b"[1,", "json", ContentFacts())
    assert shown.view_name == "raw"
    assert "not valid JSON" in shown.description
    assert texts(shown.lines) == ["[1,"]
    assert "not valid JSON" in render(b"[1,", "auto", ContentFacts("application/json")).description
    assert "binary, although sent as text/html" in render(b"\0" * 9, "auto", ContentFacts("text/html")).description


def test_an_unknown_view_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="there is no content view 'yaml'; there are auto, raw, json"):
        render(b"x", "yaml", ContentFacts())


def test_large_content_is_indented_only_on_request() -> None:
    body = json.dumps(list(range(PRETTY_LIMIT // 4))).encode()
    shown = render(body, "auto", ContentFacts("application/json"))
    assert shown.view_name == "raw"
    assert "too large to pretty-print (3.9m); press m to choose a view" in shown.description
    assert render(body, "json", ContentFacts()).view_name == "json"
    assert render(body[:100], "auto", ContentFacts("application/json"), pretty_limit=50).view_name == "raw"


@pytest.mark.parametrize(
    "view",
    ["json", "xml/html", "url-encoded", "multipart form", "javascript", "css", "protobuf", "grpc", "msgpack", "cbor", "graphql"],
)
def test_cancelling_reaches_the_views(view: str) -> None:
    body = {
        "json": b"[" + b"1," * 9000 + b"1]",
        "xml/html": b"<a>" * 9000,
        "url-encoded": FORM,
        "multipart form": MULTIPART,
        "protobuf": b"\x08\1" * 9000,
        "grpc": b"\0\0\0\0\0" * 2,
        "msgpack": b"\1" * 9000,
        "cbor": b"\1" * 9000,
        "graphql": b'{"query": "{a}"}',
    }.get(view, b"a b")
    with pytest.raises(RenderCancelled):
        render(body, view, ContentFacts(), cancelled=lambda: True)


def test_codings_are_undone_and_told() -> None:
    body = b'{"a": "' + b"x" * 100_000 + b'"}'
    encoded = gzip.compress(body)
    shown = render_body(MemoryBody(encoded), "gzip", "auto", ContentFacts("application/json"))
    assert shown.view_name == "json"
    assert shown.description == f"JSON · gzip, {len(encoded)}b → 98k"
    twice = encode_content(body, "br, zstd")
    assert "br, zstd, " in render_body(MemoryBody(twice), "br, zstd", "auto", ContentFacts()).description


def test_codings_that_fail_are_told() -> None:
    encoded = gzip.compress(b"hello " * 1000)
    cut = render_body(MemoryBody(encoded[:-12]), "gzip", "raw", ContentFacts())
    assert "gzip: the content ends before its end mark" in cut.description
    assert text_of(cut.lines[0]).startswith("hello hello")
    plain = render_body(MemoryBody(b"hello"), "gzip", "auto", ContentFacts())
    assert "shown as sent: not gzip" in plain.description and texts(plain.lines) == ["hello"]
    unknown = render_body(MemoryBody(b"hello"), "\x1b[x", "auto", ContentFacts())
    assert "unknown content coding" in unknown.description and "\x1b" not in unknown.description


def test_more_than_the_limit_is_cut_and_told() -> None:
    shown = render_body(MemoryBody(b"x\n" * 1000), "", "raw", ContentFacts(), limit=1000)
    assert len(shown.lines) == 500
    assert "only the first 1000b of 2k shown" in shown.description
    bomb = MemoryBody(gzip.compress(bytes(10_000_000)))
    shown = render_body(bomb, "gzip", "auto", ContentFacts(), limit=20_000)
    assert len(shown.lines) == 1250
    assert "only the first 20k shown" in shown.description


def test_a_hex_dump_is_read_from_the_body_itself() -> None:
    class Huge(MemoryBody):
        def read(self, start: int = 0, count: int | None = None) -> bytes:
            assert count is not None and count <= 16
            return bytes(count)

    body = Huge()
    body.size = 10**10
    shown = render_body(body, "", "hex dump", ContentFacts())
    assert text_of(shown.lines[-1]).startswith("0002540be3f0  00 00")


def test_a_body_that_could_not_be_kept_says_so() -> None:
    body = MemoryBody(b"x")
    body.is_truncated = True
    assert render_body(body, "", "auto", ContentFacts()).description == "Text · not all of it could be kept"


def test_facts_of_a_message() -> None:
    request = Request("GET", "http", "h", 80, b"/p?a=1", headers=Headers([(b"Content-Type", b'Text/X; Charset="utf-8"')]))
    facts = ContentFacts.of(request, request)
    assert (facts.media_type, facts.parameter("charset"), facts.query, facts.is_request) == ("text/x", "utf-8", "a=1", True)
    assert ContentFacts.of(request, Response(200)).is_request is False


@examples(300)
@given(
    body=st.binary(max_size=300) | st.text(alphabet="<>{}[]\"a1,:=&%\\/-'\n\r\t\0 é", max_size=200).map(str.encode),
    view=st.sampled_from(list(names())),
    content_type=st.sampled_from(
        ["", "application/json", "text/html", "text/css", "text/x-python", "image/png", "multipart/x", "application/grpc"]
    )
    | st.text(max_size=30)
    | st.sampled_from(["utf-8", "utf-16", "utf-7", "idna", "rot13", "hex", "unicode_escape", "big5", "x\0", "iso2022_jp"]).map(
        lambda name: f"text/plain; charset={name}"
    ),
    content_encoding=st.sampled_from(["", "gzip", "br, deflate", "zstd", "odd", ","]),
)
def test_any_bytes_under_any_view(body: bytes, view: str, content_type: str, content_encoding: str) -> None:
    facts = ContentFacts(content_type, True, "http://h/?q=\udcff%00&" + content_type)
    shown = render_body(MemoryBody(body), content_encoding, view, facts)
    assert shown.view_name in names() and shown.view_name != "auto"
    assert "failed" not in shown.description
    assert len(shown.lines) == len(list(shown.lines))
    for line in shown.lines:
        for style, text in line:
            assert style in STYLES or COLOURS.fullmatch(style)
            assert text and not any(character < " " and character != "\t" for character in text)
            text.encode()  # nothing that a terminal cannot be sent


@examples(200)
@given(
    start=st.sampled_from([PNG, b"GIF89a", b"\xff\xd8\xff\xe0", b"RIFF0000WEBPVP8", b"BM", b"\0\0\1\0"]),
    rest=st.binary(max_size=60),
)
def test_broken_images_do_not_fail(start: bytes, rest: bytes) -> None:
    assert "failed" not in render(start + rest, "image", ContentFacts("image/x")).description
