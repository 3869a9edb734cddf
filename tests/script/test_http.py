"""Requests, responses and flows by mitmproxy's attributes: what they show, and what becomes of the record behind them."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from interceptor.model.flow import Flow as Record
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers as Fields
from interceptor.model.http import Request as RequestRecord
from interceptor.model.http import Response as ResponseRecord
from interceptor.script.flow import Error
from interceptor.script.flowfilter import match, parse
from interceptor.script.http import Headers, HTTPFlow, Request, Response


class Changes(list[Record]):
    """A host that writes down what it is told."""

    def __init__(self) -> None:
        self.deeds: list[str] = []

    def changed(self, flow: Record) -> None:
        self.append(flow)

    def hold(self, flow: Record) -> None:
        self.deeds.append("hold")

    def resume(self, flow: Record) -> None:
        self.deeds.append("resume")

    def kill(self, flow: Record) -> None:
        self.deeds.append("kill")


def request(url: str = "http://example.com/a/b%20c?x=1&y=2&x=3", content: bytes = b"", **headers: str) -> Request:
    return Request.make(
        "POST" if content else "GET", url, content, {name.replace("_", "-"): text for name, text in headers.items()}
    )


def test_the_url_and_its_parts() -> None:
    asked = request()
    assert (asked.scheme, asked.host, asked.port, asked.path) == ("http", "example.com", 80, "/a/b%20c?x=1&y=2&x=3")
    assert asked.path_components == ("a", "b c")
    assert asked.query["x"] == "1"
    assert asked.query.get_all("x") == ["1", "3"]
    assert asked.headers["host"] == asked.host_header == asked.pretty_host == "example.com"
    asked.query["x"] = "new & old"
    assert asked.path == "/a/b%20c?x=new+%26+old&y=2"
    asked.query.clear()
    asked.path_components = ["p/q", "r"]
    assert asked.path == "/p%2Fq/r"
    asked.query = [("a", "1"), ("a", "2")]
    assert asked.url == "http://example.com/p%2Fq/r?a=1&a=2"
    asked.url = "https://other.example:8443/z"
    assert (asked.scheme, asked.host, asked.port, asked.path) == ("https", "other.example", 8443, "/z")
    assert asked.headers["host"] == "other.example:8443"


def test_another_host() -> None:
    asked = request()
    asked.host = "mitmproxy.example"
    assert asked.pretty_url.startswith("http://mitmproxy.example/")
    assert asked.headers["Host"] == "mitmproxy.example"
    asked.port = 81
    assert asked.headers["Host"] == "mitmproxy.example:81"
    asked.host_header = "named"
    assert (asked.host, asked.pretty_host) == ("mitmproxy.example", "named")


def test_cookies() -> None:
    asked = request(cookie="a=1; b=2; b=3")
    assert asked.cookies["b"] == "2"
    asked.cookies["b"] = "4"
    asked.cookies.add("c", "5")
    assert asked.headers["cookie"] == "a=1; b=4; c=5"
    asked.cookies = []
    assert "cookie" not in asked.headers
    answer = Response.make(200, b"", [(b"Set-Cookie", b"a=1; Path=/; HttpOnly"), (b"Set-Cookie", b"b=2")])
    value, attributes = answer.cookies["a"]
    assert (value, attributes["path"], attributes["httponly"]) == ("1", "/", None)
    answer.cookies["b"] = ("3", {"Max-Age": "9"})
    assert answer.headers.get_all("set-cookie") == ["a=1; Path=/; HttpOnly", "b=3; Max-Age=9"]


def test_forms() -> None:
    asked = request(content=b"a=1&b=%C3%A9", content_type="application/x-www-form-urlencoded")
    assert dict(asked.urlencoded_form) == {"a": "1", "b": "é"}
    asked.urlencoded_form["mitmproxy"] = "rocks it"
    assert asked.content == b"a=1&b=%C3%A9&mitmproxy=rocks+it"
    assert asked.headers["content-length"] == str(len(asked.content))
    assert not request(content=b"a=1").urlencoded_form
    other = request(content=b"{}")
    other.urlencoded_form = [("foo", "bar")]
    assert other.headers["content-type"] == "application/x-www-form-urlencoded"
    body = (
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\none\r\n--B--\r\n'
    )
    sent = request(content=body, content_type="multipart/form-data; boundary=B")
    assert sent.multipart_form[b"f"] == b"one"
    sent.multipart_form[b"g"] = b"two"
    assert dict(sent.multipart_form) == {b"f": b"one", b"g": b"two"}
    with pytest.raises(ValueError, match="boundary"):
        sent.multipart_form[b"g"] = b"x--Bx"


def test_content_and_its_coding() -> None:
    answer = Response.make(200, "héllo", {"Content-Type": "text/plain; charset=latin-1"})
    assert answer.raw_content == b"h\xe9llo"
    assert answer.text == "héllo"
    answer.text = "wörld ✓"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.content == "wörld ✓".encode()
    answer.encode("gzip")
    assert gzip.decompress(answer.raw_content or b"") == "wörld ✓".encode()
    assert answer.text == "wörld ✓"
    answer.content = b"again"
    assert gzip.decompress(answer.raw_content or b"") == b"again"
    assert answer.headers["content-length"] == str(len(answer.raw_content or b""))
    answer.decode()
    assert (answer.raw_content, answer.headers.get("content-encoding")) == (b"again", None)
    with pytest.raises(ValueError, match="unknown content coding"):
        answer.encode("rot13")
    answer.headers["content-encoding"] = "gzip"
    with pytest.raises(ValueError, match="gzip"):
        _ = answer.content
    assert answer.get_text(strict=False) == "again"
    answer.headers["content-encoding"] = "rot13"
    answer.content = b"plain"
    assert "content-encoding" not in answer.headers
    with pytest.raises(TypeError, match="content is bytes, not str"):
        answer.content = "text"  # type: ignore[assignment]
    assert Response.make(200, b'{"a": [1]}').json() == {"a": [1]}


def test_text_without_a_charset_comes_back_in_what_it_was() -> None:
    answer = Response.make(200, b"h\xe9llo, h\xe9llo", {"Content-Type": "text/plain"})
    assert answer.text == "héllo, héllo"
    answer.text = answer.text.replace("l", "L")
    assert answer.content == b"h\xe9LLo, h\xe9LLo"


def test_making_messages() -> None:
    answer = Response.make(404, "gone", {"X": "1"})
    assert (answer.status_code, answer.reason, answer.content, answer.headers["x"]) == (404, "Not Found", b"gone", "1")
    assert answer.headers["content-length"] == "4"
    asked = Request.make("PUT", "https://a.example:1/x", "t", Headers(x="1"))
    assert asked.headers.fields[0] == (b"Host", b"a.example:1")
    assert (asked.method, asked.text, asked.http_version, asked.is_http11) == ("PUT", "t", "HTTP/1.1", True)
    with pytest.raises(ValueError):
        Request.make("GET", "ftp://a.example/")
    with pytest.raises(AttributeError):
        _ = asked.no_such_attribute  # type: ignore[attr-defined]


def test_conditions_and_codings_of_a_request() -> None:
    asked = request(if_none_match="x", if_modified_since="y", accept_encoding="gzip, sdch, br")
    asked.anticache()
    assert "if-none-match" not in asked.headers and "if-modified-since" not in asked.headers
    asked.constrain_encoding()
    assert asked.headers["accept-encoding"] == "gzip, br"
    asked.anticomp()
    assert asked.headers["accept-encoding"] == "identity"


def test_a_response_given_again_is_as_fresh_as_it_was() -> None:
    answer = Response.make(
        200, b"", [(b"Date", b"Tue, 10 Nov 2026 10:00:00 GMT"), (b"Set-Cookie", b"a=1; Expires=Tue, 10 Nov 2026 11:00:00 GMT")]
    )
    answer.timestamp_start = 1000.0
    answer.refresh(now=1000.0 + 3600)
    assert answer.headers["date"] == "Tue, 10 Nov 2026 11:00:00 GMT"
    assert answer.headers["set-cookie"] == "a=1; Expires=Tue, 10 Nov 2026 12:00:00 GMT"


def flow_and_host() -> tuple[HTTPFlow, HttpFlow, Changes]:
    record = HttpFlow(
        7, request=RequestRecord("GET", "http", "example.com", 80, b"/", headers=Fields([(b"Host", b"example.com")]))
    )
    record.response = ResponseRecord(200, b"OK")
    host = Changes()
    return HTTPFlow(record, host), record, host


def test_looking_changes_nothing() -> None:
    flow, record, host = flow_and_host()
    answer: Any = flow.response
    seen = [
        flow.request.headers["host"],
        flow.request.query,
        flow.request.cookies,
        answer.text,
        answer.cookies,
        flow.request.json,
    ]
    flow.request.method = "GET"
    flow.request.host = "example.com"
    assert seen
    assert host == []
    assert not record.is_modified


@pytest.mark.parametrize(
    "edit",
    [
        lambda flow: flow.request.headers.update(x="1"),
        lambda flow: setattr(flow.request, "method", "POST"),
        lambda flow: setattr(flow.request, "path", "/x"),
        lambda flow: setattr(flow.request, "content", b"x"),
        lambda flow: setattr(flow.request, "host", "other"),
        lambda flow: flow.request.query.add("a", "b"),
        lambda flow: setattr(flow.response, "status_code", 201),
        lambda flow: setattr(flow.response, "headers", {"a": "b"}),
        lambda flow: setattr(flow, "response", Response.make(404)),
        lambda flow: setattr(flow, "request", Request.make("GET", "http://x/")),
    ],
)
def test_an_edit_keeps_what_was_received(edit: Any) -> None:
    flow, record, host = flow_and_host()
    edit(flow)
    assert record.is_modified
    assert flow.modified()
    assert set(host) == {record}
    assert record.original is not None
    assert (record.original[0].method, record.original[0].path, record.original[0].host) == ("GET", "/", "example.com")
    flow.revert()
    assert not record.is_modified
    assert record.request.headers.fields == [(b"Host", b"example.com")]
    assert flow.response is not None
    assert flow.response.status_code == 200


def test_an_answer_of_ones_own_can_be_edited_further() -> None:
    flow, record, _ = flow_and_host()
    answer = Response.make(404, b"x")
    flow.response = answer
    answer.headers["late"] = "1"
    assert record.response is not None
    assert record.response.headers["late"] == "1"


def test_what_a_flow_is() -> None:
    flow, record, host = flow_and_host()
    assert (flow.id, flow.type, flow.live, flow.intercepted, flow.is_replay, flow.error) == (
        "7",
        "http",
        False,
        False,
        None,
        None,
    )
    flow.marked, flow.comment = ":red_circle:", "hm"
    assert (record.marker, record.comment, flow.marked) == ("red_circle", "hm", ":red_circle:")
    flow.marked = True  # type: ignore[assignment]
    assert record.marker == "default"
    flow.marked = ""
    assert record.marker == ""
    assert not record.is_modified
    flow.metadata["k"] = 1
    assert record.metadata == {"k": 1}
    flow.error = Error("oh")
    assert record.error is not None
    assert record.error.message == str(flow.error) == "oh"
    assert flow == HTTPFlow(record)
    assert flow.server_conn.address is None
    record.is_live = True
    flow.intercept()
    flow.resume()
    flow.kill()
    flow.kill()
    assert host.deeds == ["hold", "resume", "kill"]


def test_a_copy_is_independent() -> None:
    flow, record, _ = flow_and_host()
    twin = flow.copy()
    assert isinstance(twin, HTTPFlow)
    twin.request.headers["x"] = "1"
    assert "x" not in record.request.headers
    assert twin != flow
    assert (twin.record.id, twin.live) == (0, False)


def test_filters() -> None:
    flow, _, _ = flow_and_host()
    assert match(parse("~d example.com"), flow)
    assert not match("~m POST", flow)
    assert match(None, flow)
    with pytest.raises(ValueError, match="~nonsense"):
        parse("~nonsense")
