"""Messages as HTTP/1 text, and names for files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.body import MemoryBody
from interceptor.model.flow import HttpFlow, Opcode, WebSocketData
from interceptor.model.http import Headers, Request, Response
from interceptor.options import Options
from interceptor.session.export.formats import export, file_name, names
from interceptor.specs.errors import UserError
from tests.support.websocket_messages import spoken
from tests.tui.some_flows import http_flow, tcp_flow

OPTIONS = Options()


def test_the_formats() -> None:
    assert names() == ("curl", "httpie", "python", "fetch", "go", "powershell", "raw", "raw_request", "raw_response", "har")


def test_request_and_response_as_on_the_wire() -> None:
    fields = [(b"x-a", b"1"), (b"X-A", b"2\xfe")]
    flow = http_flow("POST", target=b"/\xffx", request_body=b"ab", request_fields=fields, body=b"hi")
    request = b"POST /\xffx HTTP/1.1\r\nHost: example.com\r\nx-a: 1\r\nX-A: 2\xfe\r\n\r\nab"
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi"
    assert export("raw_request", flow, OPTIONS) == request
    assert export("raw_response", flow, OPTIONS) == response
    assert export("raw", flow, OPTIONS) == request + b"\r\n\r\n" + response


def test_a_websocket_over_http2_is_one_in_http1() -> None:
    flow = http_flow("GET", target=b"/chat", request_fields=[(b"sec-websocket-protocol", b"x")])
    flow.request.http_version, flow.request.protocol, flow.request.authority = "HTTP/2.0", "websocket", "example.com"
    assert export("raw_request", flow, OPTIONS) == (
        b"GET /chat HTTP/1.1\r\nHost: example.com\r\nsec-websocket-protocol: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert "upgrade" not in flow.request.headers, "as it was received"


def test_bodies_are_decoded_and_framed_anew() -> None:
    flow = http_flow(body=gzip.compress(b"hello"))
    assert flow.response is not None
    flow.response.headers.add("Content-Encoding", "gzip")
    raw = export("raw_response", flow, OPTIONS)
    assert raw == b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello"
    assert "content-encoding" in flow.response.headers, "the flow itself stays as it is"
    flow.response.body = MemoryBody(b"not gzip")
    broken = export("raw_response", flow, OPTIONS)
    assert isinstance(broken, bytes)
    assert b"Content-Encoding: gzip" in broken and broken.endswith(b"\r\n\r\nnot gzip")


def test_chunks_and_trailers() -> None:
    response = Response(200, b"OK", headers=Headers([(b"Transfer-Encoding", b"chunked")]), body=MemoryBody(b"0123456789abcdef"))
    response.trailers = Headers([(b"T", b"1")])
    flow = HttpFlow(1, request=Request("GET", "http", "h", 80, b"/"), response=response)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert export("raw_response", flow, OPTIONS) == head + b"10\r\n0123456789abcdef\r\n0\r\nT: 1\r\n\r\n"


def test_http_2_and_absolute_form() -> None:
    flow = HttpFlow(1, request=Request("GET", "https", "h", 443, b"/", authority="h.example", http_version="HTTP/2.0"))
    assert export("raw_request", flow, OPTIONS) == b"GET / HTTP/1.1\r\nHost: h.example\r\n\r\n"
    absolute = HttpFlow(1, request=Request("GET", "http", "h", 81, b"/", authority="h:81", is_absolute=True))
    assert export("raw_request", absolute, OPTIONS) == b"GET http://h:81/ HTTP/1.1\r\n\r\n"


def test_websocket_messages_follow() -> None:
    flow = http_flow(status=101, body=b"")
    messages = [spoken(True, b"a", 1.0), spoken(False, b"\0", 2.0, Opcode.BINARY)]
    flow.websocket = WebSocketData([*messages, spoken(True, b"dropped", 3.0, is_dropped=True)])
    raw = export("raw", flow, OPTIONS)
    assert isinstance(raw, bytes)
    assert raw.endswith(b"\r\n\r\n[OUTGOING] a\n[INCOMING] \0")


def test_a_raw_conversation() -> None:
    flow = tcp_flow((True, b"a\xff"), (False, b"b"), (True, b"c"))
    assert [export(name, flow, OPTIONS) for name in ("raw", "raw_request", "raw_response")] == [b"a\xffbc", b"a\xffc", b"b"]


def test_what_is_not_there() -> None:
    for name in ("raw", "raw_response"):
        with pytest.raises(UserError, match="no response"):
            export(name, http_flow(status=0), OPTIONS)


def test_one_flow_as_har() -> None:
    har = export("har", http_flow(), OPTIONS)
    assert [entry["request"]["url"] for entry in json.loads(har)["log"]["entries"]] == ["https://example.com/"]


@given(host=st.text(max_size=300), target=st.binary(max_size=300))
def test_a_file_name_is_only_a_name(host: str, target: bytes) -> None:
    flow = HttpFlow(7, request=Request("GET", "http", host, 80, target))
    name = file_name("har", flow)
    assert name.endswith("-7.har") and len(name) < 100
    assert not name.startswith((".", "-")) and ".." not in name
    assert all(character.isascii() and (character.isalnum() or character in "._-") for character in name)


PATHS = ("../../etc/passwd", "a/..", "~root", "-rf", ".bashrc", "a\0b", "NUL", "x" * 999, "con.", "日本", "\u202egpj.exe")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["con.example", "AUX.", "lpt1", "..", "-o", "a/../../b", "~", "[::1]"])
def test_a_file_name_stays_in_its_folder_on_every_system(host: str, path: str, tmp_path: Path) -> None:
    flow = HttpFlow(7, request=Request("GET", "http", host, 80, b"/" + path.encode()))
    for each in names():
        name = file_name(each, flow)
        target = tmp_path / name
        assert target.parent == target.resolve().parent == tmp_path and 0 < len(name) < 120
        assert not name.startswith(("-", ".", "~")) and not name.endswith((".", " "))
        assert name.partition(".")[0].lower() not in ("con", "prn", "aux", "nul", "lpt1"), name
        assert not PureWindowsPath(name).is_reserved()
        target.write_bytes(b"")


def test_a_file_name_says_what_it_is() -> None:
    assert file_name("curl", http_flow(target=b"/a/b/../list.json/?q=1", identity=3)) == "example.com-list.json-3.sh"
    assert file_name("raw", tcp_flow(identity=4)) == "flow-4.http"
