"""Whatever is in a flow, and however small the screen: it is drawn, on exactly that screen, and no control character with it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.registry import names, render_body
from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import (
    Flow,
    FlowError,
    HoldPoint,
    HttpFlow,
    Opcode,
    TcpFlow,
    TcpMessage,
    UdpFlow,
    WebSocketData,
    WebSocketMessage,
)
from interceptor.model.http import Headers, Request, Response
from interceptor.tui.flow_list import FlowListBox
from interceptor.tui.flow_view import FlowDetail
from interceptor.tui.present.summary import tabs
from interceptor.tui.present.text import width
from tests.support.effort import examples
from tests.tui.some_flows import Options, Shown

raw = st.binary(max_size=40) | st.sampled_from(
    [b"\x1b[31mred\x07", "日本語/ファイル".encode(), b"\xe2\x80\xaeevil\r\n\t", b"a" * 300]
)
# As the model decodes what came: with lone surrogates for bytes that are no UTF-8.
text = raw.map(lambda content: content.decode("utf-8", "surrogateescape")) | st.text(max_size=20)
times = st.floats() | st.sampled_from([0.0, -1.0, 1.7e9, 1.7e9 + 0.01])
addresses = st.none() | st.tuples(text, st.integers(-1, 70000))
headers = st.builds(Headers, st.lists(st.tuples(raw, raw) | st.just((b"Content-Length", b"7")), max_size=4))
bodies = st.builds(MemoryBody, raw | st.sampled_from([b'{"a": [1, "\x1b"]}', b"<a b='c'>d</a>", b"x\n" * 50]))
codes = st.integers(-1, 1000)
versions = st.sampled_from(["HTTP/1.1", "HTTP/2", "HTTP/3"]) | text

tls = st.builds(
    TlsFacts,
    text,
    text,
    text,
    st.lists(raw, max_size=2).map(tuple),
    raw,
    st.lists(raw, max_size=2).map(tuple),
    st.booleans(),
    raw,
    st.none() | times,
    st.none() | times,
)


def connections(side: Side) -> st.SearchStrategy[Connection]:
    maybe = st.none() | times
    return st.builds(
        Connection,
        st.just(side),
        addresses,
        addresses,
        addresses,
        st.sampled_from(["tcp", "udp"]),
        times,
        maybe,
        maybe,
        st.none() | tls,
        text,
    )


def of_message() -> dict[str, st.SearchStrategy[object]]:
    return {
        "headers": headers,
        "body": bodies,
        "trailers": st.none() | headers,
        "http_version": versions,
        "timestamp_start": times,
        "timestamp_end": st.none() | times,
    }


requests = st.builds(Request, text, text, text, st.integers(-1, 70000), raw, text, st.booleans(), **of_message())
responses = st.builds(Response, codes, raw, **of_message())
messages = st.builds(TcpMessage, st.booleans(), bodies, times, st.booleans(), st.none() | bodies)
websocket_messages = st.builds(
    WebSocketMessage,
    st.booleans(),
    st.sampled_from(Opcode),
    bodies,
    times,
    is_dropped=st.booleans(),
    is_injected=st.booleans(),
    original=st.none() | bodies,
)
websockets = st.builds(
    WebSocketData, st.lists(websocket_messages, max_size=3), st.none() | st.booleans(), st.none() | codes, text, st.none() | times
)
of_flow: dict[str, st.SearchStrategy[object]] = {
    "client": st.none() | connections(Side.CLIENT),
    "server": st.none() | connections(Side.SERVER),
    "mode": text,
    "created_at": times,
    "ended_at": st.none() | times,
    "error": st.none() | st.builds(FlowError, text, times),
    "is_live": st.booleans(),
    "held": st.none() | st.sampled_from(HoldPoint),
    "body_is_editable": st.booleans(),
    "marker": text,
    "comment": text,
    "replay_of": st.none() | st.integers(0, 9),
    "is_modified": st.booleans(),
    "metadata": st.dictionaries(text, text | st.integers(), max_size=2),
}
http_flows = st.builds(
    HttpFlow,
    st.integers(0, 9),
    request=requests,
    response=st.none() | responses,
    informational=st.lists(responses, max_size=1),
    websocket=st.none() | websockets,
    original=st.none() | st.tuples(requests, st.none() | responses),
    **of_flow,
)
raw_flows = st.builds(
    TcpFlow, st.integers(0, 9), messages=st.lists(messages, max_size=3), byte_count=st.integers(0, 99), **of_flow
)
udp_flows = st.builds(UdpFlow, st.integers(0, 9), messages=st.lists(messages, max_size=3), **of_flow)
flows = http_flows | raw_flows | udp_flows
sizes = st.tuples(st.integers(1, 30), st.integers(1, 12)) | st.sampled_from([(80, 24), (120, 40), (200, 50)])


def assert_drawn(canvas_text: list[bytes], size: tuple[int, int]) -> None:
    assert len(canvas_text) == size[1]
    for row in canvas_text:
        shown = row.decode()
        assert width(shown) == size[0]
        bad = [
            character for character in shown if ord(character) < 32 or 127 <= ord(character) < 160 or character in "\u200b\u202e"
        ]
        assert bad == []


@examples(150)
@given(st.lists(flows, min_size=1, max_size=4), sizes, st.booleans(), times, st.sampled_from(["table", "list"]))
def test_any_flows_in_the_list(some: list[Flow], size: tuple[int, int], showhost: bool, now: float, layout: str) -> None:
    widget = FlowListBox(Shown(some, some[0]), Options(showhost, layout), {}, now=lambda: now)
    assert_drawn(widget.render(size).text, size)
    widget.end()
    assert_drawn(widget.render(size).text, size)


@examples(200)
@given(flows, sizes, times, st.sampled_from(list(names())), text)
def test_any_flow_in_detail(flow: Flow, size: tuple[int, int], now: float, view: str, pattern: str) -> None:
    widget = FlowDetail(Options(), render_body, {}, lambda: None, now=lambda: now)
    for tab in tabs(flow):
        widget.show(flow, tab)
        widget.set_content_view(view)
        assert_drawn(widget.render(size).text, size)
        widget.search(pattern, False)
        widget.end()
        assert_drawn(widget.render(size).text, size)
        widget.scroll_right()
        assert_drawn(widget.render(size).text, size)
