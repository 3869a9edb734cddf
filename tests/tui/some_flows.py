"""Flows for the tests of what is shown, small and with times that one can calculate with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import Flow, HttpFlow, TcpFlow, TcpMessage
from interceptor.model.http import Field, Headers, Request, Response

START = 1_700_000_000.0


def http_flow(
    method: str = "GET",
    host: str = "example.com",
    target: bytes = b"/",
    status: int = 200,
    content_type: bytes = b"text/html; charset=utf-8",
    body: bytes = b"x" * 257,
    milliseconds: float = 6,
    request_body: bytes = b"",
    request_fields: Sequence[Field] = (),
    identity: int = 1,
) -> HttpFlow:
    """A finished exchange over https; `status` 0: without a response."""
    end = START + milliseconds / 1000
    request = Request(method, "https", host, 443, target, headers=Headers([(b"Host", host.encode()), *request_fields]))
    request.body = MemoryBody(request_body)
    request.timestamp_start, request.timestamp_end = START, START + 0.001
    client = Connection(Side.CLIENT, ("127.0.0.1", 40000), opened_at=START - 0.01, connected_at=START - 0.01)
    server = Connection(Side.SERVER, (host, 443), ("192.0.2.7", 443), opened_at=START + 0.001, connected_at=START + 0.002)
    flow = HttpFlow(identity, client, server, "regular", START, end, request=request)
    if status:
        fields = [(b"Content-Type", content_type), (b"Content-Length", str(len(body)).encode())]
        flow.response = Response(status, b"OK", headers=Headers(fields), body=MemoryBody(body))
        flow.response.timestamp_start, flow.response.timestamp_end = end - 0.002, end
    return flow


def tcp_flow(*messages: tuple[bool, bytes], identity: int = 1) -> TcpFlow:
    flow = TcpFlow(identity, Connection(Side.CLIENT, ("127.0.0.1", 40000)), Connection(Side.SERVER, ("mail.example", 25)))
    flow.created_at, flow.ended_at = START, START + 0.01
    flow.messages = [
        TcpMessage(from_client, MemoryBody(content), START + 0.001 * number)
        for number, (from_client, content) in enumerate(messages)
    ]
    flow.message_count = len(messages)
    flow.byte_count = sum(len(content) for _, content in messages)
    return flow


@dataclass
class Shown:
    """A view of a fixed list."""

    flows: list[Flow] = field(default_factory=list)
    focus: Flow | None = None
    hidden_flows: list[Flow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.flows)

    def __getitem__(self, index: int) -> Flow:
        return self.flows[index]

    def index(self, flow: Flow) -> int | None:
        return self.flows.index(flow) if flow in self.flows else None

    @property
    def hidden_count(self) -> int:
        return len(self.hidden_flows)


@dataclass
class Options:
    showhost: bool = False
    console_flowlist_layout: str = "table"
    console_flowlist_columns: Sequence[str] = ()
    console_layout_headers: bool = False
    view_order: str = "time"
    view_order_reversed: bool = False
    console_default_contentview: str = "auto"
