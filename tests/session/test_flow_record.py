"""Flows become records and flows again; bytes that are no record are said to be none."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.arrivals import Arrivals
from interceptor.model.body import Body, MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.dns import DnsMessage
from interceptor.model.flow import (
    DnsFlow,
    Flow,
    FlowError,
    HttpFlow,
    Opcode,
    TcpFlow,
    TcpMessage,
    UdpFlow,
    WebSocketData,
    WebSocketMessage,
)
from interceptor.model.http import Headers, Message, Request, Response
from interceptor.model.process import Process
from interceptor.session.connection_record import packed_connection, unpacked_connection
from interceptor.session.flow_record import INLINE_BELOW, NOT_OVER, packed, unpacked
from interceptor.session.messages import MessageLog
from interceptor.session.record_parts import Malformed, Parts, joined
from interceptor.session.spool import Spool, SpooledBody
from interceptor.session.stored_body import digest_of

CLIENT = Connection(Side.CLIENT, ("10.0.0.1", 5000), opened_at=1.0)


class Shelf:
    """`Sources`, and what a writer does to bodies."""

    def __init__(self) -> None:
        self.bodies: dict[bytes, bytes] = {}
        self._spool = Spool()

    def record(self, flow: Flow) -> bytes:
        made = packed(flow, lambda connection: 0 if connection is None else 7)
        for place, body in made.bodies:
            digest = digest_of(body)
            self.bodies[digest] = body.read()
            made.parts[place] = digest + body.size.to_bytes(8, "little")
        return joined(made.parts)

    def connection(self, number: int) -> Connection | None:
        return CLIENT if number == 7 else None

    def body(self, digest: bytes, size: int, is_truncated: bool) -> Body:
        body = MemoryBody(self.bodies[digest])
        assert body.size == size
        body.is_truncated = is_truncated
        return body

    def new_spooled(self) -> SpooledBody:
        return self._spool.new_body()


def again(flow: Flow) -> Flow:
    shelf = Shelf()
    return unpacked(shelf.record(flow), shelf)


def message_facts(message: Message | None) -> object:
    if message is None:
        return None
    own = (
        (message.method, message.scheme, message.host, message.port, message.target, message.authority, message.is_absolute,
         message.protocol)
        if isinstance(message, Request)
        else (message.status_code, message.reason) if isinstance(message, Response) else ()
    )  # fmt: skip
    trailers = message.trailers.fields if message.trailers is not None else None
    arrivals = message.arrivals.tables() if message.arrivals is not None else None
    return (
        own, message.http_version, message.headers.fields, message.body.read(), message.body.is_truncated, trailers,
        message.timestamp_start, message.timestamp_end, message.not_sent, arrivals,
    )  # fmt: skip


def said(messages: Iterable[TcpMessage | WebSocketMessage]) -> object:
    return [
        (each.from_client, each.body.read(), each.timestamp, each.is_dropped, each.is_injected,
         each.original.read() if each.original is not None else None, getattr(each, "opcode", None))
        for each in messages
    ]  # fmt: skip


def facts(flow: Flow) -> object:
    common = (
        flow.kind, flow.id, flow.mode, flow.created_at, flow.ended_at, flow.error, flow.marker, flow.comment, flow.replay_of,
        flow.is_modified, flow.metadata, flow.client is not None, flow.server is not None,
    )  # fmt: skip
    if isinstance(flow, TcpFlow):
        return common, flow.message_count, flow.byte_count, said(flow.messages)
    assert isinstance(flow, HttpFlow)
    socket = flow.websocket
    spoken = None
    if socket is not None:
        spoken = (
            said(socket.messages), socket.closed_by_client, socket.close_code, socket.close_reason, socket.timestamp_end,
            socket.bytes_from_client, socket.bytes_from_server,
        )  # fmt: skip
    originals = [message_facts(each) for each in flow.original or ()]
    more = [message_facts(each) for each in flow.informational]
    return (
        common, message_facts(flow.request), message_facts(flow.response), more, originals, spoken, flow.is_upgraded,
        flow.client_stream, flow.server_stream,
    )  # fmt: skip


def request(**more: object) -> Request:
    return Request("GET", "https", "example.com", 443, b"/\xff?a", headers=Headers([(b"Host", b"x"), (b"X", b"\xff")]), **more)  # type: ignore[arg-type]


def full_flow() -> HttpFlow:
    arrivals = Arrivals()
    arrivals.add(5, 3.0)
    arrivals.add(7, 4.5)
    sent = request(trailers=Headers([(b"T", b"1"), (b"T", b"2")]), not_sent=(b"Upgrade",), authority="exämple:443")
    sent.body, sent.is_absolute, sent.protocol, sent.timestamp_end = MemoryBody(b"small"), True, "websocket", 2.0
    answer = Response(200, b"O\xffK", headers=Headers([(b"A", b"line\nbreak"), (b"", b"")]), arrivals=arrivals)
    answer.body = MemoryBody(b"large" * INLINE_BELOW)
    answer.body.is_truncated = True
    flow = HttpFlow(
        9, CLIENT, None, "regular", 1.5, 6.5, FlowError("broken\nfor a reason", 6.0), marker="star", comment="hé", replay_of=3,
        is_modified=True, metadata={"rules": ["/a/b"], "n": 1}, request=sent, response=answer,
    )  # fmt: skip
    flow.informational = [Response(103, b"Early Hints", headers=Headers([(b"Link", b"<a>")]))]
    flow.original = request(), Response(404)
    flow.client_stream, flow.server_stream, flow.is_upgraded = 5, 7, True
    return flow


def spoken_flow() -> HttpFlow:
    flow = HttpFlow(2, request=request(), response=Response(101))
    messages = [
        WebSocketMessage(True, Opcode.TEXT, MemoryBody(b"hi"), 1.0),
        WebSocketMessage(False, Opcode.BINARY, MemoryBody(b"x" * 5000), 2.0, original=MemoryBody(b"y")),
        WebSocketMessage(False, Opcode.PING, MemoryBody(b""), 3.0, is_injected=True),
        WebSocketMessage(True, Opcode.TEXT, MemoryBody(b"gone"), 4.0, is_dropped=True),
    ]
    flow.websocket = WebSocketData(messages, True, 1001, "going", 5.0)
    return flow


def raw_flow(kind: type[TcpFlow]) -> TcpFlow:
    log = MessageLog(Spool().new_body)
    log.append(True, b"hello", 1.0, None, False)
    log.append(False, b"changed", 2.0, b"received", False, True)
    log.append(True, b"dropped", 3.0, None, True)
    return kind(4, CLIENT, messages=log, message_count=3, byte_count=19, ended_at=9.0)


@pytest.mark.parametrize("flow", [full_flow(), spoken_flow(), raw_flow(TcpFlow), raw_flow(UdpFlow)], ids=lambda flow: flow.kind)
def test_a_flow_comes_back_as_it_was(flow: Flow) -> None:
    assert facts(again(flow)) == facts(flow)
    assert facts(again(again(flow))) == facts(flow), "as a flow that came from a file"


def test_numbers_that_no_message_has_do_no_harm() -> None:
    flow = full_flow()
    flow.request.port, flow.request.host = 1 << 80, "nul\0host"
    back = again(flow)
    assert isinstance(back, HttpFlow)
    assert (back.request.port, back.request.host) == ((1 << 63) - 1, "nul\ufffdhost")


def test_metadata_that_json_has_no_words_for_becomes_text() -> None:
    flow = full_flow()
    flow.metadata = {"a": {1}, "b": (1, 2)}
    assert again(flow).metadata == {"a": "{1}", "b": [1, 2]}
    loop: list[object] = []
    loop.append(loop)
    flow.metadata = {"loop": loop}
    assert again(flow).metadata == {"loop": "[[...]]"}


@pytest.mark.parametrize("original", [None, 0, 3])
def test_a_replay_stays_one_also_of_nobody_knows_what(original: int | None) -> None:
    back = again(HttpFlow(7, replay_of=original, request=request()))
    assert back.replay_of == original


def test_what_is_nested_without_end_is_no_record() -> None:
    shelf, marked = Shelf(), "!" * 20_000
    record = shelf.record(HttpFlow(7, comment=marked, request=request()))
    parts = [part if marked.encode() not in part else b"[" * len(part) for part in Parts(record).rest()]
    assert joined(parts) != record
    with pytest.raises(Malformed):
        unpacked(joined(parts), shelf)


def test_a_flow_that_ran_when_it_was_written_says_so() -> None:
    flow = HttpFlow(1, request=request(), is_live=True, created_at=5.0)
    back = again(flow)
    assert not back.is_live
    assert back.error == FlowError(NOT_OVER, 5.0)


def test_what_was_packed_does_not_change_with_the_flow() -> None:
    flow = spoken_flow()
    flow.request.body = growing = MemoryBody(b"a" * INLINE_BELOW)
    flow.is_live = True
    made = packed(flow, lambda connection: 0)
    (body,) = (body for _, body in made.bodies if body.size == INLINE_BELOW)
    growing.append(b"more")
    flow.request.headers["Host"] = "other"
    assert body.read() == b"a" * INLINE_BELOW
    assert not any(b"other" in part for part in made.parts)


def test_a_connection_comes_back_with_its_certificates() -> None:
    tls = TlsFacts("TLSv1.3", "AES", "a.test", (b"h2", b"http/1.1"), b"h2", (b"leaf" * 300, b"ca"), True, b"hello", 1.0, 2.0)
    connection = Connection(Side.SERVER, ("a.test", 443), ("::1", 443), ("::2", 9), "tcp", 1.0, 2.0, 3.0, tls, "ended")
    connection.process = Process(7, "cat", "/bin/c\udcffat", ("cat", "a b"))
    parts, bodies = packed_connection(connection)
    kept = {}
    for place, body in bodies:
        kept[digest_of(body)] = body.read()
        parts[place] = digest_of(body) + body.size.to_bytes(8, "little")
    back = unpacked_connection(joined(parts), lambda digest, size: kept[digest])
    for name in ("side", "peer", "resolved", "local", "transport", "opened_at", "connected_at", "closed_at", "tls", "error"):
        assert getattr(back, name) == getattr(connection, name), name
    assert back.process == connection.process


@given(st.data())
def test_a_damaged_record_is_said_to_be_one(data: st.DataObject) -> None:
    shelf = Shelf()
    record = bytearray(shelf.record(data.draw(st.sampled_from([full_flow(), spoken_flow(), raw_flow(TcpFlow)]))))
    for _ in range(data.draw(st.integers(1, 4))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(record[: data.draw(st.integers(0, len(record)))]) if data.draw(st.booleans()) else bytes(record)
    shelf.body = lambda digest, size, is_truncated: MemoryBody()  # type: ignore[method-assign]
    with suppress(Malformed):
        unpacked(cut, shelf)


@given(st.binary(max_size=60))
def test_noise_is_no_record(noise: bytes) -> None:
    with pytest.raises(Malformed):
        unpacked(noise, Shelf())


@given(st.lists(st.binary(max_size=9)))
def test_parts_come_back(parts: list[bytes]) -> None:
    assert Parts(joined(parts)).rest() == parts


def test_a_count_that_cannot_be_is_not_believed() -> None:
    with pytest.raises(Malformed):
        Parts((1 << 31).to_bytes(4, "little") + b"x" * 100)
    with pytest.raises(Malformed):
        Parts((1).to_bytes(4, "little") + array("I", [1 << 30]).tobytes())


@pytest.mark.parametrize("has_response", [False, True])
@pytest.mark.parametrize("original", [None, (b"asked", None), (b"asked", b"told")])
def test_dns(has_response: bool, original: tuple[bytes, bytes | None] | None) -> None:
    flow = DnsFlow(3, request=DnsMessage(b"query", 1.0))
    if has_response:
        flow.response = DnsMessage(b"answer", 2.0)
    if original is not None:
        flow.original = DnsMessage(original[0], 3.0), DnsMessage(original[1], 4.0) if original[1] is not None else None
        flow.is_modified = True
    shelf = Shelf()
    again = unpacked(shelf.record(flow), shelf)
    assert isinstance(again, DnsFlow) and again.id == 3 and again.is_modified == flow.is_modified
    for one, other in ((flow.request, again.request), (flow.response, again.response)):
        assert (one and (one.wire, one.timestamp)) == (other and (other.wire, other.timestamp))
    kept = [each and (each.wire, each.timestamp) for each in flow.original or ()]
    assert kept == [each and (each.wire, each.timestamp) for each in again.original or ()]
