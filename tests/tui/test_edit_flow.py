"""Each part of a flow is read, written and refused as it should be."""

from __future__ import annotations

import gzip

import pytest

from interceptor.model.flow import HoldPoint, HttpFlow, TcpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.specs.errors import UserError
from interceptor.tui import edit_flow
from interceptor.tui.edit_flow import part_named, parts, read_grid, read_text, write_grid, write_text


def flow(**request: object) -> HttpFlow:
    made = Request("GET", "http", "a.test", 80, b"/p?x=1&y=%20z", headers=Headers([(b"Host", b"a.test"), (b"X-Two", b"1")]))
    for name, value in request.items():
        setattr(made, name, value)
    answer = Response(200, b"OK", headers=Headers([(b"Content-Type", b"text/plain")]))
    answer.set_content(b"hello")
    return HttpFlow(1, request=made, response=answer)


def test_parts_follow_what_there_is() -> None:
    whole = flow()
    names = [part.name for part in parts(whole)]
    assert {"request-headers", "response-headers", "url", "port", "status_code", "request-body ($EDITOR)"} <= set(names)
    assert "multipart form" not in names
    whole.response = None
    assert not [part for part in parts(whole) if part.subject == "response"]
    assert [part.name for part in parts(TcpFlow(2))] == ["comment"]
    with pytest.raises(UserError, match="it has comment"):
        part_named(TcpFlow(2), "url")


def test_every_part_written_as_read_changes_nothing() -> None:
    edited = flow()
    before = edited.request.copy()
    assert edited.response is not None
    answer = edited.response.copy()
    for part in parts(edited):
        if part.kind is edit_flow.PartKind.GRID and part.name not in ("query", "urlencoded form"):
            write_grid(edited, part, read_grid(edited, part))
        elif part.name not in ("request-body", "request-body ($EDITOR)", "query", "urlencoded form"):
            write_text(edited, part, read_text(edited, part))
    assert (edited.request.headers, edited.request.url, edited.request.method) == (before.headers, before.url, before.method)
    assert (edited.response.headers.get("content-type"), edited.response.status_code, edited.response.reason) == (
        answer.headers.get("content-type"),
        200,
        b"OK",
    )
    assert edited.response.body.read() == b"hello"


@pytest.mark.parametrize(
    ("part", "text", "url", "host"),
    [
        ("url", "https://b.test/q", "https://b.test/q", "b.test"),
        ("url", "http://[::1]:81/", "http://[::1]:81/", "[::1]:81"),
        ("host", "b.test", "http://b.test/p?x=1&y=%20z", "b.test"),
        ("host", "::1", "http://[::1]/p?x=1&y=%20z", "[::1]"),
        ("port", "8080", "http://a.test:8080/p?x=1&y=%20z", "a.test:8080"),
        ("scheme", "https", "https://a.test:80/p?x=1&y=%20z", "a.test:80"),
        ("path", "/other", "http://a.test/other", "a.test"),
    ],
)
def test_the_destination_and_what_names_it(part: str, text: str, url: str, host: str) -> None:
    edited = flow()
    write_text(edited, part_named(edited, part), text)
    assert edited.request.url == url
    assert edited.request.headers["host"] == host


def test_a_host_field_that_says_something_else_stays_when_only_the_path_changes() -> None:
    edited = flow(headers=Headers([(b"Host", b"virtual.test")]))
    write_text(edited, part_named(edited, "url"), "http://a.test/new")
    assert edited.request.headers["host"] == "virtual.test"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("url", "ftp://x/"),
        ("url", "http://a.test/a b"),
        ("url", "http://a.test:99999/"),
        ("method", "G ET"),
        ("method", ""),
        ("path", "no-slash"),
        ("path", "/a b"),
        ("port", "0"),
        ("port", "http"),
        ("scheme", "gopher"),
        ("host", "a/b"),
        ("status_code", "20"),
        ("reason", "a\\x0ab"),
    ],
)
def test_what_is_refused_changes_nothing(part: str, text: str) -> None:
    edited = flow()
    before = (edited.request.url, edited.request.method, bytes(edited.request.headers))
    with pytest.raises(UserError):
        write_text(edited, part_named(edited, part), text)
    assert (edited.request.url, edited.request.method, bytes(edited.request.headers)) == before


def test_status_code_brings_its_reason() -> None:
    edited = flow()
    write_text(edited, part_named(edited, "status_code"), "404")
    assert edited.response is not None
    assert (edited.response.status_code, edited.response.reason) == (404, b"Not Found")


def test_headers_keep_order_case_duplicates_and_odd_bytes() -> None:
    fields = [(b"B", b"1"), (b"a", b"\xff"), (b"B", b"2")]
    edited = flow(headers=Headers(fields))
    part = part_named(edited, "request-headers")
    rows = read_grid(edited, part)
    assert rows == [("B", "1"), ("a", "\\xff"), ("B", "2")]
    write_grid(edited, part, [*rows, ("", ""), ("C", "3")])
    assert edited.request.headers.fields == [*fields, (b"C", b"3")]


@pytest.mark.parametrize("row", [("a b", "1"), ("", "1"), ("A", "x\\x0d\\x0aB: 1"), (":path", "/")])
def test_a_field_that_would_break_the_head_is_refused(row: tuple[str, str]) -> None:
    edited = flow()
    before = list(edited.request.headers.fields)
    with pytest.raises(UserError, match="row 1"):
        write_grid(edited, part_named(edited, "request-headers"), [row])
    assert edited.request.headers.fields == before


def test_query_and_cookies() -> None:
    edited = flow(headers=Headers([(b"Cookie", b"a=1; b=x=y")]))
    query = part_named(edited, "query")
    assert read_grid(edited, query) == [("x", "1"), ("y", " z")]
    write_grid(edited, query, [("k", "a&b é")])
    assert edited.request.path == "/p?k=a%26b+%C3%A9"
    write_grid(edited, query, [])
    assert edited.request.path == "/p"
    cookies = part_named(edited, "cookies")
    assert read_grid(edited, cookies) == [("a", "1"), ("b", "x=y")]
    write_grid(edited, cookies, [("c", "3")])
    assert edited.request.headers["cookie"] == "c=3"
    write_grid(edited, cookies, [])
    assert "cookie" not in edited.request.headers


@pytest.mark.parametrize(
    ("path", "rows", "written"),
    [
        ("/a%20b/c?x=1", [("a b",), ("c",)], "/a%20b/c?x=1"),
        ("/a%20b/%63?x=1", [("a b",), ("d/é",), ("c",)], "/a%20b/d%2F%C3%A9/%63?x=1"),
        ("/dir/", [("dir",)], "/dir/"),
        ("/dir/", [("dir",), ("file",)], "/dir/file/"),
        ("/", [], "/"),
        ("/a/b", [], "/"),
    ],
)
def test_the_components_of_a_path(path: str, rows: list[tuple[str]], written: str) -> None:
    edited = flow()
    edited.request.path = path
    part = part_named(edited, "path components")
    if written == path:
        assert read_grid(edited, part) == rows
    write_grid(edited, part, rows)
    assert edited.request.path == written


def test_a_path_with_an_empty_component_is_no_grid() -> None:
    edited = flow()
    edited.request.path = "/a//b"
    with pytest.raises(UserError, match="edit it as path"):
        read_grid(edited, part_named(edited, "path components"))


def test_set_cookies_keep_their_attributes() -> None:
    edited = flow()
    assert edited.response is not None
    edited.response.headers.fields += [(b"Set-Cookie", b"a=1; Path=/; HttpOnly"), (b"Set-Cookie", b"b=2")]
    part = part_named(edited, "set-cookies")
    rows = read_grid(edited, part)
    assert rows == [("a", "1", "Path=/; HttpOnly"), ("b", "2", "")]
    write_grid(edited, part, rows)
    assert edited.response.headers.get_all("set-cookie") == ["a=1; Path=/; HttpOnly", "b=2"]


def test_forms() -> None:
    edited = flow(headers=Headers([(b"Content-Type", b"application/x-www-form-urlencoded")]))
    edited.request.set_content(b"a=1&b=")
    part = part_named(edited, "urlencoded form")
    assert read_grid(edited, part) == [("a", "1"), ("b", "")]
    write_grid(edited, part, [("a", "2&3")])
    assert edited.request.body.read() == b"a=2%263"
    assert edited.request.headers["content-length"] == "7"


def test_multipart_keeps_its_boundary() -> None:
    body = (
        b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n'
        b'--XX\r\nContent-Disposition: form-data; name="f"; filename="n.bin"\r\nContent-Type: image/png\r\n\r\n'
        b"\x89\r\n\xff\r\n--XX--\r\n"
    )
    edited = flow(headers=Headers([(b"Content-Type", b"multipart/form-data; boundary=XX")]))
    edited.request.set_content(body)
    part = part_named(edited, "multipart form")
    rows = read_grid(edited, part)
    assert rows == [("a", "", "", "one"), ("f", "n.bin", "image/png", "\\x89\\x0d\n\\xff")]
    write_grid(edited, part, rows)
    assert edited.request.body.read() == body


def test_a_compressed_body_is_read_plain_and_written_compressed() -> None:
    edited = flow()
    assert edited.response is not None
    edited.response.headers["Content-Encoding"] = "gzip"
    edited.response.set_content(gzip.compress(b"line\n"))
    part = part_named(edited, "response-body")
    assert read_text(edited, part) == "line\n"
    write_text(edited, part, "other\n")
    raw = edited.response.body.read()
    assert gzip.decompress(raw) == b"other\n"
    assert edited.response.headers["content-length"] == str(len(raw))


def test_a_body_that_is_not_in_its_coding_is_edited_as_it_is() -> None:
    edited = flow()
    assert edited.response is not None
    edited.response.headers["Content-Encoding"] = "gzip"
    part = part_named(edited, "response-body")
    assert read_text(edited, part) == "hello"
    write_text(edited, part, "bye")
    assert edited.response.body.read() == b"bye"


def test_a_body_that_is_still_at_the_peer_can_only_be_replaced() -> None:
    edited = flow()
    edited.held, edited.body_is_editable, edited.is_live = HoldPoint.RESPONSE, False, True
    part = part_named(edited, "response-body")
    assert read_text(edited, part) == ""
    edited.request.set_content(b"whole")
    assert read_text(edited, part_named(edited, "request-body")) == "whole"
    write_text(edited, part, "new")
    assert edited.response is not None
    assert edited.response.body.read() == b"new"


def test_trailers() -> None:
    edited = flow()
    part = part_named(edited, "request-trailers")
    assert read_grid(edited, part) == []
    write_grid(edited, part, [("Digest", "x")])
    assert edited.request.trailers == Headers([(b"Digest", b"x")])
    write_grid(edited, part, [])
    assert edited.request.trailers is None


def test_shortcuts_are_unique() -> None:
    keys = [part.shortcut for part in edit_flow.PARTS]
    assert len(set(keys)) == len(keys)
    assert "q" not in keys
