"""Flows of every kind that a flow file holds, and shorthands to write, read and compare them."""

from __future__ import annotations

import io
from pathlib import Path

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import Flow, FlowError, HttpFlow, Opcode, TcpFlow, TcpMessage, UdpFlow, WebSocketData
from interceptor.model.http import Headers, Message, Request, Response
from interceptor.session.formats.mitmproxy_flow import read_flows, write_flow
from interceptor.session.formats.tnetstring import write_value
from tests.support.websocket_messages import spoken

FIXTURE = Path(__file__).parent / "fixtures" / "mitmproxy-12.2.3.flow"
State = dict[str, object]


def read(raw: bytes) -> tuple[list[Flow], list[str]]:
    notices: list[str] = []
    return list(read_flows(io.BytesIO(raw), notices.append)), notices


def write(*flows: Flow) -> bytes:
    stream = io.BytesIO()
    for flow in flows:
        write_flow(stream, flow)
    return stream.getvalue()


def packed(state: object) -> bytes:
    stream = io.BytesIO()
    write_value(stream, state)
    return stream.getvalue()


def again(flow: Flow) -> Flow:
    (one,), notices = read(write(flow))
    assert notices == []
    return one


def told(flow: Flow) -> str:
    """All that a flow says, with the bodies' content, to compare two of them."""

    def body(message: Message | None) -> object:
        return message and (message.body.read(), message.body.is_truncated)

    parts: list[object] = [flow, flow.client and fields(flow.client), flow.server and fields(flow.server)]
    if isinstance(flow, HttpFlow):
        messages = [flow.request, flow.response, *(flow.original or ())]
        parts += [body(each) for each in messages]
    elif isinstance(flow, TcpFlow):
        parts += [each.body.read() for each in flow.messages]
    return "\n".join(map(repr, parts))


def fields(connection: Connection) -> list[object]:
    return [getattr(connection, name) for name in Connection.__slots__ if name != "__weakref__"]


def client() -> Connection:
    tls = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "www.example.com", (b"h2", b"http/1.1"), b"h2", established_at=1000.5)
    return Connection(Side.CLIENT, ("127.0.0.1", 50001), None, ("127.0.0.1", 8080), "tcp", 1000.0, None, 1009.0, tls)


def server() -> Connection:
    tls = TlsFacts("TLSv1.2", "ECDHE", "www.example.com", (), b"", (b"not really DER" * 9, b"\x30"), established_at=1001.5)
    return Connection(
        Side.SERVER,
        ("www.example.com", 443),
        ("192.0.2.7", 443),
        ("192.0.2.1", 40000),
        "tcp",
        opened_at=1001.0,
        connected_at=1001.25,
        closed_at=1008.0,
        tls=tls,
        error="reset",
    )


def http(**changes: object) -> HttpFlow:
    headers = Headers([(b"X-One", b"1"), (b"x-one", b"2\xff"), (b"Host", b"www.example.com")])
    request = Request(
        "POST", "https", "www.example.com", 443, b"/a\xff?b=c", headers=headers, body=MemoryBody(b"sent\x00"),
        timestamp_start=1001.0, timestamp_end=1001.5,
    )  # fmt: skip
    response = Response(
        404, b"N\xf6", headers=Headers([(b"a", b"b")]), body=MemoryBody(b"gone"), trailers=Headers([(b"grpc-status", b"5")]),
        http_version="HTTP/2.0", timestamp_start=1002.0, timestamp_end=1003.0,
    )  # fmt: skip
    facts = {"mode": "reverse:https://www.example.com@8080", "created_at": 1000.75, "ended_at": 1003.0} | changes
    return HttpFlow(0, client(), server(), request=request, response=response, **facts)  # type: ignore[arg-type]


def websocket() -> HttpFlow:
    flow = http(ended_at=1007.0)
    flow.is_upgraded = True
    assert flow.response is not None
    flow.response.status_code = 101
    message = spoken(True, b"\x00", 1006.0, Opcode.BINARY, is_dropped=True)
    flow.websocket = WebSocketData([message], None, None, "", 1007.0)
    return flow


def edited() -> HttpFlow:
    flow = http(replay_of=0, marker="default", comment="ü", metadata={"a": [1, {"b": b"\xff"}], "is_replay": None})
    del flow.metadata["is_replay"]
    flow.backup()
    flow.request.set_content(b"longer than before")
    flow.request.host = "elsewhere.example"
    flow.response = None
    flow.error, flow.ended_at = FlowError("stopped", 1002.0), 1002.0
    return flow


def bare() -> HttpFlow:
    """Without connections, absolute-form, no timing at all."""
    request = Request("GET", "http", "2001:db8::1", 80, b"/", authority="[2001:db8::1]", is_absolute=True)
    return HttpFlow(0, mode="regular", request=request)


def connect() -> HttpFlow:
    request = Request("CONNECT", "http", "h.example", 443, b"h.example:443", timestamp_start=5.0)
    return HttpFlow(0, client(), mode="regular", created_at=5.0, request=request, response=Response(200), is_upgraded=True)


def tcp() -> TcpFlow:
    messages = [TcpMessage(True, MemoryBody(b"a\xff"), 1.0), TcpMessage(False, MemoryBody(b""), 2.0)]
    return TcpFlow(
        0, client(), server(), mode="regular", created_at=3.0, ended_at=1009.0, messages=messages, message_count=2, byte_count=2
    )


def udp() -> UdpFlow:
    one = Connection(Side.CLIENT, ("::1", 1), local=("::1", 2), transport="udp", opened_at=1.0)
    return UdpFlow(0, one, None, mode="regular", created_at=3.0)
