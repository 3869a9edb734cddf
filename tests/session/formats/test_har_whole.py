"""HAR files of any size, and flows that come back from one as they were: every field of every kind."""

from __future__ import annotations

import base64
import copy
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.body import MemoryBody, passed_size
from interceptor.model.flow import FlowError, HttpFlow, Opcode, WebSocketData
from interceptor.model.http import Headers, Response
from interceptor.model.process import Process
from interceptor.session.formats.har import HarWriter, read_flows
from interceptor.session.formats.har_entry import LARGE_FROM
from interceptor.specs.errors import UserError
from tests.session.formats.flows import bare, connect, edited, http, told, websocket
from tests.session.formats.test_har import again, har_of, read, written
from tests.support.effort import examples
from tests.support.websocket_messages import facts, spoken
from tests.tui.some_flows import http_flow

FIXTURES = Path(__file__).parent / "fixtures"


def odd() -> HttpFlow:
    """What one meets seldom, all at once."""
    flow = http(replay_of=0, client_stream=5, server_stream=7, error=FlowError("reset by the peer", 1002.5))
    flow.request.method, flow.request.protocol = "M-SEARCH", "websocket"
    flow.request.not_sent, flow.request.trailers = (b"connection", b"te"), Headers()
    flow.request.http_version = "HTTP/3"
    assert flow.client is not None and flow.client.tls is not None
    flow.client.process = Process(7, "cat", "/bin/c\udcffat", ("cat", "a b"))
    flow.client.tls.hello, flow.client.tls.is_resumed, flow.client.tls.started_at = b"\x16\x03\x01", True, 1000.25
    flow.informational = [Response(103, b"Early\xff", headers=Headers([(b"link", b"</x>\xff")]), timestamp_start=1001.7)]
    flow.metadata = {"rules": ["a", "b\u20ac"], "n": [1, 2.5, None, True, b"\xff"], "deep": {"x": {"y": "é"}}}
    return flow


def chat() -> HttpFlow:
    flow = websocket()
    flow.websocket = WebSocketData(
        [
            spoken(True, b"\xff no UTF-8", 1006.0),
            spoken(False, "é".encode(), 1006.1, original=MemoryBody(b"\xfe")),
            spoken(False, b"", 1006.2, Opcode.PING),
            spoken(True, b"\x03\xe8bye", 1006.3, Opcode.CLOSE),
        ],
        True,
        1000,
        "bye",
        1007.0,
    )
    return flow


@pytest.mark.parametrize("make", [http, websocket, chat, edited, bare, connect, odd])
def test_a_flow_comes_back_as_it_was(make: Callable[[], HttpFlow]) -> None:
    flow = make()
    back = again(flow)
    assert told(back) == told(flow)
    if flow.websocket is not None and back.websocket is not None:
        assert facts(back.websocket.messages) == facts(flow.websocket.messages)


def test_connections_that_flows_share_are_one_again() -> None:
    one, two = http(), http()
    two.client, two.server = one.client, one.server
    raw = written(one, two)
    assert raw.count(b'"opened": 1001.0') == 1, "each stands in the file once"
    (first, second), _ = read(raw)
    assert first.client is second.client and first.server is second.server
    without_first = json.loads(raw)
    del without_first["log"]["entries"][0]
    (alone,), notices = read(json.dumps(without_first).encode())
    assert (alone.client, alone.server, notices) == (None, None, [])


def test_what_was_changed_in_the_file_by_hand_counts() -> None:
    har = json.loads(written(http_flow()))
    har["log"]["entries"][0]["request"]["url"] = "https://other.example/changed"
    (flow,), _ = read(json.dumps(har).encode())
    assert (flow.request.host, flow.request.target) == ("other.example", b"/changed")


# -- large files ----------------------------------------------------------------------------------------------------------


class Recorded:
    """A large body that is nowhere in memory."""

    size = LARGE_FROM + 1
    is_truncated = False

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        return b"\xa5" * min(self.size - start, self.size if count is None else count)


class Counted(io.RawIOBase):
    """Takes bytes and keeps their number, and some."""

    def __init__(self) -> None:
        self.size, self.kept = 0, b""

    def write(self, content: object) -> int:
        assert isinstance(content, bytes)
        self.size += len(content)
        self.kept += content[: 4096 - len(self.kept)]
        return len(content)


def test_a_large_body_is_written_piece_by_piece() -> None:
    flow = http_flow(body=b"")
    assert flow.response is not None
    flow.response.body = Recorded()
    stream = Counted()
    tracemalloc.start()
    try:
        writer = HarWriter(stream)
        writer.write(flow)
        writer.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert stream.size > LARGE_FROM * 4 // 3
    assert peak < LARGE_FROM // 3


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_large_body_comes_back(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interceptor.session.formats.har_entry.LARGE_FROM", 1000)
    monkeypatch.setattr("interceptor.session.formats.har._STEP", 99)
    content = bytes(range(256)) * 30
    sent = gzip.compress(content, mtime=0) if coding else content
    fields = [(b"Content-Encoding", coding.encode())] if coding else []
    flow = http_flow("POST", body=sent if len(sent) > 1000 else sent + b"\0" * 1000, request_body=content, request_fields=fields)
    assert flow.response is not None
    flow.response.headers.fields += fields
    back = again(flow)
    assert back.response is not None
    assert back.request.body.read() == content
    assert back.response.body.read() == flow.response.body.read()


def test_a_large_file_is_read_with_one_entry_in_memory() -> None:
    entry = json.loads(written(http_flow(body=b"x" * 50_000)))["log"]["entries"][0]
    raw = har_of(*[entry] * 400)
    stream = io.BytesIO(raw)
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_flows(stream, pytest.fail))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 400 and len(raw) > 20_000_000
    assert peak < 6_000_000


class Dribble(io.RawIOBase):
    """Gives what it holds in pieces of those sizes, over and over."""

    def __init__(self, raw: bytes, sizes: list[int]) -> None:
        self._raw, self._sizes, self._at, self._turn = raw, sizes, 0, 0

    def read(self, size: int = -1) -> bytes:
        count = self._sizes[self._turn % len(self._sizes)]
        piece = self._raw[self._at : self._at + count]
        self._at, self._turn = self._at + count, self._turn + 1
        return piece


@examples(40)
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8), cut=st.integers(0, 400))
def test_however_it_is_cut_into_pieces_it_says_the_same(sizes: list[int], cut: int) -> None:
    plain = {"startedDateTime": "2026-01-01T00:00:00Z", "request": {"method": "GET", "url": "http://h/ü\\u00fc"}, "n": -1.5e3}
    raw = json.dumps({"log": {"a": [1, 22, {}], "t": True, "entries": [plain, 12345, plain]}}, ensure_ascii=False).encode()
    raw = raw[: len(raw) - cut] if cut < len(raw) else raw

    def outcome(pieces: list[int]) -> tuple[list[bytes], list[str], str]:
        notices: list[str] = []
        targets: list[bytes] = []
        failure = ""
        try:
            for flow in read_flows(Dribble(raw, pieces), notices.append):  # type: ignore[arg-type]
                assert isinstance(flow, HttpFlow)
                targets.append(flow.request.target)
        except UserError as error:
            failure = error.message
        return targets, notices, failure

    assert outcome(sizes) == outcome([1 << 20])


def test_in_utf16_and_in_gzip() -> None:
    text = written(http_flow()).decode()
    for raw in (text.encode("utf-16"), gzip.compress(text.encode())):
        flows, notices = read(raw)
        assert [flow.request.host for flow in flows] == ["example.com"] and notices == []


# -- what browsers save ---------------------------------------------------------------------------------------------------


def test_a_file_in_the_shape_of_chromium() -> None:
    flows, notices = read((FIXTURES / "chromium.har").read_bytes())
    assert len(notices) == 1 and "'blob'" in notices[0]
    page, posted, picture, spoken_over, failed = flows
    assert (page.request.http_version, page.request.authority, page.response and page.response.status_code) == (
        "HTTP/2.0", "shop.example", 200,
    )  # fmt: skip
    assert page.response is not None and gzip.decompress(page.response.body.read()) == b"<!doctype html><p>h\xc3\xa9llo</p>\n"
    assert page.response.headers.get_all("set-cookie") == ["sid=1; Path=/; HttpOnly", "theme=dark; Max-Age=60"]
    assert page.server is not None and page.server.resolved == ("192.0.2.80", 443)
    assert posted.request.body.read() == b"name=J%C3%BCrgen&note=a+b" and posted.request.http_version == "HTTP/3"
    assert posted.response is not None and posted.response.status_code == 302
    assert picture.response is not None and picture.response.body.read().startswith(b"\x89PNG")
    assert spoken_over.websocket is not None and spoken_over.request.url == "https://shop.example:8443/live"
    assert [(each.from_client, each.opcode, each.body.read()) for each in spoken_over.websocket.messages] == [
        (True, Opcode.TEXT, b'{"subscribe":"cart"}'),
        (False, Opcode.BINARY, b"\x00\x01\xff"),
    ]
    assert spoken_over.error is not None and spoken_over.error.message == "A server must not mask any frames."
    assert failed.response is None and failed.error is not None and failed.error.message == "net::ERR_CONNECTION_REFUSED"


def test_a_file_in_the_shape_of_firefox() -> None:
    flows, notices = read((FIXTURES / "firefox.har").read_bytes())
    assert notices == []
    page, posted, kept_out = flows
    assert page.request.http_version == "HTTP/2.0" and page.response is not None
    assert page.response.headers["content-type"] == "text/html; charset=iso-8859-1"
    assert page.response.body.read() == b"<p>caf\xe9</p>"
    assert page.request.timestamp_start == pytest.approx(1_790_000_000.123)
    assert page.server is not None and page.server.resolved == ("2001:db8::5", 443)
    assert posted.request.body.read() == b'{"q": "\xe2\x82\xac"}'
    assert posted.response is not None and posted.response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert base64.b64encode(posted.response.body.read()) == b"R0lGODlhAQABAAAAACw="
    assert kept_out.response is not None and kept_out.response.body.is_truncated
    assert passed_size(kept_out.response.body) == 5_400_123


@pytest.mark.parametrize("name", ["chromium-156.har", "firefox-153.har"])
def test_a_file_that_a_browser_saved(name: str) -> None:
    """The same page, as the developer tools of Chromium and of Firefox saved it."""
    flows, notices = read((FIXTURES / name).read_bytes())
    assert notices == []
    asked = {(flow.request.method, flow.request.path): flow for flow in flows if flow.request.port == 18099}
    page, new, sent = asked["GET", "/"], asked["GET", "/new"], asked["POST", "/api?q=1"]
    assert page.response is not None and page.response.headers["content-encoding"] == "gzip"
    assert "<p>h\u00e9llo</p>".encode() in gzip.decompress(page.response.body.read())
    assert page.response.headers.get_all("set-cookie") == ["sid=1; Path=/; HttpOnly", "theme=dark; Max-Age=60"]
    assert new.response is not None and new.response.body.read() == b"caf\xe9", "in the charset of the header"
    assert sent.request.body.read() == '{"name":"J\u00fcrgen"}'.encode() and sent.request.headers["x-one"] == "1"
    assert asked["POST", "/form"].request.body.read() == b"a=1+2&b=%E2%82%AC"
    picture = asked["GET", "/dot.png?a=1&b=zwei%20drei"].response
    assert picture is not None and picture.body.read().startswith(b"\x89PNG")
    for path, status in (("/old", 302), ("/empty", 204), ("/missing", 404), ("/style.css", 200)):
        flow = asked["GET", path]
        assert flow.response is not None and flow.response.status_code == status
        assert flow.error is None and not flow.response.body.is_truncated
        assert (flow.response.body.size == 0) == (status in (302, 204))
    (refused,) = [flow for flow in flows if flow.request.port == 1]
    assert refused.response is None and refused.error is not None
    assert all(flow.ended_at is not None and 0 < flow.created_at <= flow.ended_at for flow in flows)


@pytest.mark.parametrize("name", ["chromium.har", "firefox.har", "chromium-156.har", "firefox-153.har"])
def test_what_browsers_saved_is_saved_again(name: str) -> None:
    flows, _ = read((FIXTURES / name).read_bytes())
    again_read, notices = read(written(*(copy.copy(flow) for flow in flows)))
    assert notices == []
    assert [told(flow) for flow in again_read] == [told(flow) for flow in flows]
