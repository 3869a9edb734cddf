"""HAR: what is written says what happened, what is read is what was meant, and what is hostile does no harm."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import FlowError, HttpFlow, Opcode, WebSocketData
from interceptor.model.http import Headers, Request, Response
from interceptor.session.formats import mitmproxy_flow, recognised
from interceptor.session.formats.har import HarWriter, is_har_name, is_packed_name, read_flows
from interceptor.specs.errors import UserError
from tests.session.formats.flows import http, tcp
from tests.support.effort import examples
from tests.support.websocket_messages import facts, spoken
from tests.tui.some_flows import START, http_flow


def written(*flows: HttpFlow, is_packed: bool = False) -> bytes:
    stream = io.BytesIO()
    writer = HarWriter(stream, is_packed)
    assert all(writer.write(flow) for flow in flows)
    writer.close()
    return stream.getvalue()


def entry(flow: HttpFlow) -> dict[str, Any]:
    har = json.loads(written(flow))
    (one,) = har["log"]["entries"]
    assert isinstance(one, dict)
    return one


def read(raw: bytes) -> tuple[list[HttpFlow], list[str]]:
    notices: list[str] = []
    flows = [flow for flow in read_flows(io.BytesIO(raw), notices.append) if isinstance(flow, HttpFlow)]
    return flows, notices


def again(flow: HttpFlow) -> HttpFlow:
    (one,), notices = read(written(flow))
    assert notices == []
    return one


def har_of(*entries: object) -> bytes:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "x"}, "entries": entries, "pages": []}}).encode()


def browser_entry(**request: object) -> dict[str, Any]:
    asked = {"method": "GET", "url": "https://example.com/a?b=c", "httpVersion": "HTTP/1.1", "headers": [], "bodySize": 0}
    answered = {"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "headers": [], "content": {"size": 0}}
    return {
        "startedDateTime": "2023-11-14T22:13:20.000Z", "time": 6.5, "request": asked | request, "response": answered,
        "timings": {"blocked": 1, "dns": -1, "connect": 2, "ssl": 1, "send": 0.5, "wait": 2, "receive": 1},
    }  # fmt: skip


# -- writing --------------------------------------------------------------------------------------------------------------


def test_the_whole_is_har_1_2() -> None:
    log = json.loads(written())["log"]
    assert (log["version"], log["creator"]["name"], log["entries"]) == ("1.2", "interceptor", [])
    two = json.loads(written(http_flow(), http_flow(identity=2)))["log"]["entries"]
    assert len(two) == 2
    required = {
        "startedDateTime",
        "time",
        "request",
        "response",
        "cache",
        "timings",
        "serverIPAddress",
        "connection",
        "_interceptor",
    }
    assert all(set(each) == required for each in two)


def test_request_and_response() -> None:
    flow = http_flow(
        "POST",
        target=b"/p?q=1&q=%20&e=",
        status=302,
        content_type=b"text/plain",
        body=b"moved",
        request_body=b"a=1&b=x+y",
        request_fields=[(b"Content-Type", b"application/x-www-form-urlencoded"), (b"Cookie", b"k=v; flag; x=a=b")],
    )
    assert flow.response is not None
    flow.response.headers.add("Location", "/next")
    flow.response.headers.add("Set-Cookie", "s=1; Path=/; Expires=Wed, 21-Oct-2015 07:28:00 GMT; HttpOnly; Secure; SameSite=Lax")
    flow.response.headers.add("Set-Cookie", "t=2; Expires=whenever")
    one = entry(flow)
    request, response = one["request"], one["response"]
    assert request["url"] == "https://example.com/p?q=1&q=%20&e="
    assert request["queryString"] == [{"name": "q", "value": "1"}, {"name": "q", "value": " "}, {"name": "e", "value": ""}]
    assert [(each["name"], each["value"]) for each in request["cookies"]] == [("k", "v"), ("flag", ""), ("x", "a=b")]
    assert request["postData"] == {
        "mimeType": "application/x-www-form-urlencoded",
        "text": "a=1&b=x+y",
        "params": [{"name": "a", "value": "1"}, {"name": "b", "value": "x y"}],
    }
    assert request["bodySize"] == 9
    raw_head = b"POST /p?q=1&q=%20&e= HTTP/1.1\r\n" + bytes(flow.request.headers) + b"\r\n"
    assert request["headersSize"] == len(raw_head)
    raw_head = b"HTTP/1.1 302 OK\r\n" + bytes(flow.response.headers) + b"\r\n"
    assert response["headersSize"] == len(raw_head)
    assert (response["status"], response["redirectURL"], response["bodySize"]) == (302, "/next", 5)
    assert response["content"] == {"size": 5, "compression": 0, "mimeType": "text/plain", "text": "moved"}
    first, second = response["cookies"]
    assert first == {
        "name": "s", "value": "1", "path": "/", "expires": "2015-10-21T07:28:00+00:00",
        "httpOnly": True, "secure": True, "sameSite": "Lax",
    }  # fmt: skip
    assert second == {"name": "t", "value": "2"}
    assert one["serverIPAddress"] == "192.0.2.7"


def test_timings_add_up_and_connecting_is_told_once() -> None:
    flow = http_flow(milliseconds=10)
    assert flow.server is not None
    flow.server.tls = TlsFacts(established_at=START + 0.004)
    later = http_flow(identity=2)
    later.server = flow.server
    first, second = json.loads(written(flow, later))["log"]["entries"]
    assert first["startedDateTime"] == "2023-11-14T22:13:20.000000+00:00"
    assert first["timings"] == {
        "blocked": -1, "dns": -1, "connect": 3, "ssl": 2, "send": 1, "wait": 4, "receive": 2
    }  # fmt: skip
    assert first["time"] == 10
    assert (second["timings"]["connect"], second["timings"]["ssl"], second["connection"]) == (-1, -1, first["connection"])


def test_bodies_that_are_no_text_are_base64() -> None:
    flow = http_flow("POST", body=b"\x89PNG\0", content_type=b"image/png", request_body=b"\0\xff")
    assert entry(flow)["response"]["content"]["encoding"] == "base64"
    sent = base64.b64encode(b"\0\xff").decode()
    assert entry(flow)["request"]["postData"] == {"mimeType": "", "text": sent, "encoding": "base64"}


def test_compressed_bodies_are_shown_decoded_and_read_back_compressed() -> None:
    flow = http_flow(body=gzip.compress(b"hello " * 100), content_type=b"text/plain")
    assert flow.response is not None
    flow.response.headers.add("Content-Encoding", "gzip")
    content = entry(flow)["response"]["content"]
    assert content["text"] == "hello " * 100
    assert content["compression"] == 600 - flow.response.body.size
    back = again(flow).response
    assert back is not None
    assert gzip.decompress(back.body.read()) == b"hello " * 100
    assert back.headers["content-length"] == str(back.body.size)
    flow.response.body = MemoryBody(b"not gzip at all")
    broken = again(flow).response
    assert broken is not None and broken.body.read() == b"not gzip at all"


def test_a_flow_without_response() -> None:
    flow = http_flow(status=0)
    flow.error = FlowError("the server closed the connection", START + 1)
    one = entry(flow)
    assert (one["response"]["status"], one["response"]["_error"]) == (0, "the server closed the connection")
    back = again(flow)
    assert back.response is None
    assert back.error is not None and back.error.message == "the server closed the connection"


def test_other_flows_have_no_place() -> None:
    stream = io.BytesIO()
    writer = HarWriter(stream)
    assert not writer.write(tcp())
    writer.close()
    assert json.loads(stream.getvalue())["log"]["entries"] == []


# -- there and back -------------------------------------------------------------------------------------------------------


def test_a_flow_comes_back() -> None:
    flow = http(comment="ü", marker="default")
    flow.request.target = "/ä?b=c&d".encode()
    back = again(flow)
    for message, same in ((flow.request, back.request), (flow.response, back.response)):
        assert message is not None and same is not None
        assert same.headers == message.headers
        assert same.body.read() == message.body.read()
        assert same.http_version == message.http_version
    assert back.response is not None
    assert (back.request.method, back.request.url, back.request.target) == ("POST", flow.request.url, flow.request.target)
    assert (back.comment, back.marker) == ("ü", "default")
    assert back.server is not None
    assert (back.server.peer, back.server.resolved) == (("www.example.com", 443), ("192.0.2.7", 443))
    assert back.request.timestamp_start == pytest.approx(1001.0)
    assert back.response.timestamp_end == pytest.approx(1003.0, abs=0.6)


@pytest.mark.parametrize(("version", "kept"), [("HTTP/2.0", "HTTP/2.0"), ("HTTP/3", "HTTP/3"), ("HTTP/1.0", "HTTP/1.0")])
def test_versions_and_ports_come_back(version: str, kept: str) -> None:
    request = Request("GET", "http", "2001:db8::1", 8081, b"//x/?", http_version=version)
    flow = HttpFlow(1, request=request, response=Response(200, http_version=version))
    back = again(flow)
    assert back.response is not None
    assert (back.request.http_version, back.response.http_version) == (kept, kept)
    assert (back.request.host, back.request.port, back.request.target) == ("2001:db8::1", 8081, b"//x/?")


def test_connect_and_asterisk_come_back() -> None:
    connect = again(HttpFlow(1, request=Request("CONNECT", "http", "h.example", 443, b"h.example:443"), response=Response(200)))
    assert (connect.request.host, connect.request.port, connect.request.target) == ("h.example", 443, b"h.example:443")
    assert connect.is_upgraded
    options = again(HttpFlow(1, request=Request("OPTIONS", "http", "h.example", 80, b"*")))
    assert options.request.target == b"*"


def test_websocket_messages_come_back() -> None:
    flow = http_flow(status=101, body=b"")
    messages = [spoken(True, "hé".encode(), START + 1), spoken(False, b"\0\xff", START + 2, Opcode.BINARY)]
    flow.websocket = WebSocketData([*messages, spoken(True, b"", START + 3, is_dropped=True, is_injected=True)])
    one = entry(flow)
    assert one["request"]["url"] == "wss://example.com/"
    assert one["_webSocketMessages"][0] == {"type": "send", "time": START + 1, "opcode": 1, "data": "hé"}
    assert one["_webSocketMessages"][1] == {"type": "receive", "time": START + 2, "opcode": 2, "data": "AP8="}
    back = again(flow)
    assert back.websocket is not None and facts(back.websocket.messages) == facts(flow.websocket.messages)
    assert back.request.scheme == "https" and back.is_upgraded and back.request.protocol == ""


def test_a_websocket_over_http2_can_be_sent_again() -> None:
    flow = http_flow(status=101, body=b"")
    flow.request.http_version, flow.request.protocol = "HTTP/2.0", "websocket"
    flow.websocket = WebSocketData([spoken(True, b"x", START + 1)])
    assert again(flow).request.protocol == "websocket"


BODIES = st.binary(max_size=40) | st.text(max_size=20).map(str.encode)
VALUES = st.binary(max_size=20).map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\0"))
KINDS = st.sampled_from(
    [
        b"",
        b"text/html",
        b"text/html; charset=latin-1",
        b"a/b; charset=utf-16",
        b"a; charset=rot13",
        b"x; charset=\xff; charset*=y",
    ]
)


@examples(150)
@given(
    kind=KINDS, value=VALUES, request_body=BODIES, response_body=BODIES, reason=VALUES,
    target=st.text("aä/?&=%.+[]\"'<>\\^", max_size=12), host=st.sampled_from(["h.example", "192.0.2.1", "::1", "bücher.example"]),
    port=st.integers(1, 65535),
)  # fmt: skip
@example(b"text/plain; charset=utf-16", b"", b"a\0b\0", b"a\0b\0", b"OK", "", "h.example", 80)
@example(b"text/plain; charset=iso-2022-jp", b"", b"a\x1b(B", b"a\x1b(Bb", b"OK", "", "h.example", 80)
def test_bytes_come_back(
    kind: bytes, value: bytes, request_body: bytes, response_body: bytes, reason: bytes, target: str, host: str, port: int
) -> None:
    fields = [(b"Content-Type", kind), (b"x", value), (b"X", value)]
    request = Request("POST", "https", host, port, f"/{target}".encode(), headers=Headers(fields), body=MemoryBody(request_body))
    response = Response(200, reason, headers=Headers(fields), body=MemoryBody(response_body))
    back = again(HttpFlow(1, request=request, response=response))
    assert back.response is not None
    assert (back.request.host, back.request.port, back.request.target) == (host, port, request.target)
    assert (back.request.headers, back.response.headers) == (request.headers, response.headers)
    assert (back.request.body.read(), back.response.body.read()) == (request_body, response_body)


def test_packed_files() -> None:
    raw = written(http_flow(), is_packed=True)
    assert json.loads(zlib.decompress(raw))["log"]["entries"]
    assert [flow.request.host for flow in read(raw)[0]] == ["example.com"]
    assert [is_har_name(name) for name in ("a.har", "A.HAR", "a.zhar", "a.flow", "har")] == [True, True, True, False, False]
    assert [is_packed_name(name) for name in ("a.har", "a.ZHAR")] == [False, True]


# -- what browsers write --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("h2", "HTTP/2.0"), ("HTTP/2", "HTTP/2.0"), ("http/2.0", "HTTP/2.0"), ("HTTP/2.0", "HTTP/2.0"), ("h3", "HTTP/3"),
        ("h3-29", "HTTP/3"), ("HTTP/3", "HTTP/3"), ("http/2+quic/46", "HTTP/3"), ("http/1.1", "HTTP/1.1"),
        ("unknown", "HTTP/1.1"),
        ("", "HTTP/1.1"),
    ],
)  # fmt: skip
def test_versions_as_browsers_spell_them(said: str, meant: str) -> None:
    (flow,), _ = read(har_of(browser_entry(httpVersion=said)))
    assert flow.request.http_version == meant


def test_chrome() -> None:
    one = browser_entry(
        httpVersion="h2",
        url="https://example.com:8443/a",
        method="POST",
        headers=[{"name": ":authority", "value": "example.com:8443"}, {"name": "accept", "value": "*/*"}],
        postData={"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "é&"}]},
    )
    one |= {"serverIPAddress": "[2001:db8::1]", "connection": "17", "_resourceType": "document"}
    one["response"]["headers"] = [{"name": "set-cookie", "value": "a=1\nb=2"}]
    (flow, other), notices = read(b"\xef\xbb\xbf" + har_of(one, one, browser_entry(url="data:text/html,x")))
    assert len(notices) == 1 and "'data'" in notices[0] and "entry 3" in notices[0]
    assert flow.request.headers.fields == [(b"accept", b"*/*")]
    assert (flow.request.authority, flow.request.port) == ("example.com:8443", 8443)
    assert flow.request.body.read() == b"a+b=%C3%A9%26"
    assert flow.response is not None
    assert flow.response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert flow.server is not None and flow.server.resolved == ("2001:db8::1", 8443)
    assert other.server is flow.server
    assert flow.request.timestamp_start == START
    assert flow.response.timestamp_start == pytest.approx(START + 0.0055)
    assert flow.response.timestamp_end == pytest.approx(START + 0.0065)


def test_firefox_leaves_bodies_out() -> None:
    one = browser_entry()
    one["response"]["content"] = {"mimeType": "text/html; charset=utf-8", "size": 1234}
    one["response"]["bodySize"] = 500
    one["connection"] = 443
    (flow,), _ = read(har_of(one))
    assert flow.response is not None
    assert flow.response.body.is_truncated and flow.response.body.size == 0


# -- hostile files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_part",
    [
        {"method": "GET / HTTP/1.1\r\nX: y"},
        {"method": ""},
        {"url": "http:///nohost"},
        {"url": "http://h:99999/"},
        {"url": "http://[::1/"},
        {"url": ["http://h/"]},
        {"headers": [{"name": "a b", "value": ""}]},
        {"headers": [{"name": "a", "value": "x\rX: y"}]},
        {"headers": [{"name": "a", "value": "x\0"}]},
        {"headers": [{"value": "x"}]},
        {"headers": {"a": "b"}},
        {"postData": {"text": "%%", "encoding": "base64"}},
    ],
)
def test_a_bad_entry_costs_itself_only(request_part: dict[str, object]) -> None:
    flows, notices = read(har_of(browser_entry(**request_part), browser_entry()))
    assert len(flows) == 1
    assert len(notices) == 1 and notices[0].startswith("Entry 1 is not as it should be")


def test_nothing_is_smuggled_through_the_url() -> None:
    (flow,), _ = read(har_of(browser_entry(url="http://h/a\r\nX: y b\0#frag")))
    assert flow.request.target == b"/a%0D%0AX:%20y%20b%00"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "expecting"),
        (b'{"a": {"entries": [{}]}}', "log"),
        (b"[]", "stands"),
        (b'{"log": 5}', "stands"),
        (b'{"log": {"entries": [' + b"[" * 100_000, "nested"),
        (b'{"log": {"entries": [' + b"9" * 100_000 + b"]}}", "number"),
        (b'{"log": {"entries": [{}', "ends"),
        (b'{"log": {"entries": {}}}', "stands"),
        (b"{5: 1}", "name"),
        (b"\x78\x9cgarbage", "unpacked"),
    ],
)
def test_what_is_no_har_is_refused_with_the_place(raw: bytes, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        read(raw)


def test_what_stands_before_the_damage_is_read() -> None:
    raw = written(http_flow(), http_flow(identity=2))
    flows = []
    with pytest.raises(UserError):
        for flow in read_flows(io.BytesIO(raw[: raw.rindex(b"startedDateTime")]), lambda notice: None):
            flows.append(flow)
    assert len(flows) == 1


def test_a_bomb_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interceptor.session.formats.har_file._ALWAYS_UNPACKED", 1 << 20)
    for blown_up in (b" " * 10_000_000, b'{"log": {"x": "' + b" " * 10_000_000):
        tracemalloc.start()
        try:
            with pytest.raises(UserError, match="larger"):
                list(read_flows(io.BytesIO(zlib.compress(blown_up)), lambda notice: None, largest=1_000_000))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 8_000_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@examples(200)
@given(st.data())
def test_any_value_anywhere_is_read_or_left_out(data: st.DataObject) -> None:
    one = entry(http_flow("POST", request_body=b"x"))
    one["_webSocketMessages"] = [{"type": "send", "opcode": 1, "data": "x", "time": 1}]
    place: Any = one
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    flows, notices = read(har_of(one))
    assert len(flows) + len(notices) == 1


# -- which format it is ---------------------------------------------------------------------------------------------------


def test_the_first_byte_tells() -> None:
    flow_file = io.BytesIO()
    mitmproxy_flow.write_flow(flow_file, http())
    for raw in (written(http()), b"\xef\xbb\xbf \n" + written(http()), written(http(), is_packed=True), flow_file.getvalue()):
        assert [flow.kind for flow in recognised.read_flows(io.BytesIO(raw), pytest.fail)] == ["http"]
    with pytest.raises(UserError, match="flow file"):
        list(recognised.read_flows(io.BytesIO(b"hello"), pytest.fail))
    assert list(recognised.read_flows(io.BytesIO(b""), pytest.fail)) == []


def test_a_connection_is_numbered_by_itself() -> None:
    one, two = http_flow(), http_flow(identity=2)
    two.server = Connection(Side.SERVER, ("example.com", 443))
    assert [each["connection"] for each in json.loads(written(one, two))["log"]["entries"]] == ["1", "2"]
