"""mitmproxy's flow file: what mitmproxy wrote reads as meant, and what we write reads back whole.

`fixtures/mitmproxy-12.2.3.flow` was written by that release: a PUT edited from a POST, a failure, a WebSocket, a DNS query, TCP,
UDP and a CONNECT, each with the same two connections.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import dns.message
import dns.rrset
import pytest

from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow, Flow, FlowError, HoldPoint, HttpFlow, Opcode, TcpFlow, UdpFlow
from interceptor.model.http import Headers
from interceptor.session.formats.mitmproxy_flow import write_flow
from interceptor.session.formats.mitmproxy_write import pem, state_of_flow
from interceptor.session.formats.tnetstring import read_values
from interceptor.specs.errors import UserError
from tests.session.formats.flows import (
    FIXTURE,
    again,
    bare,
    client,
    connect,
    edited,
    http,
    read,
    tcp,
    told,
    udp,
    websocket,
    write,
)
from tests.support.websocket_messages import facts, spoken

# ---- what mitmproxy wrote


def test_what_mitmproxy_wrote_is_read_as_meant() -> None:
    flows, notices = read(FIXTURE.read_bytes())
    assert [flow.kind for flow in flows] == ["http", "http", "http", "dns", "tcp", "udp", "http"]
    assert notices == []
    first = flows[0]
    assert isinstance(first, HttpFlow) and first.response is not None and first.original is not None
    assert (first.request.method, first.original[0].method, first.is_modified) == ("PUT", "POST", True)
    assert first.request.url == "https://www.example.com/form?a=1"
    assert (first.request.authority, first.request.is_absolute) == ("www.example.com", False)
    assert first.request.headers.fields == [(b"X-One", b"1"), (b"x-one", b"2\xff")]
    assert first.request.body.read() == b"sent\x00body"
    assert (first.response.status_code, first.response.body.read(), first.response.http_version) == (404, b"gone", "HTTP/2.0")
    assert first.response.trailers == Headers([(b"grpc-status", b"5")])
    assert (first.marker, first.comment, first.replay_of) == ("grapes", "look at this", 0)
    assert first.metadata == {"reason": "why", "n": [1, 2.5, None, True, b"raw"]}
    assert first.mode == "reverse:https://www.example.com@8080"
    assert (first.created_at, first.ended_at) == (1000.75, 1003.0)


def test_connections_that_mitmproxy_wrote() -> None:
    flows, _ = read(FIXTURE.read_bytes())
    one, other = flows[0].client, flows[0].server
    assert one is not None and one.tls is not None and other is not None and other.tls is not None
    assert (one.peer, one.local, one.opened_at, one.closed_at) == (("127.0.0.1", 50001), ("127.0.0.1", 8080), 1000.0, 1009.0)
    assert one.tls == client().tls
    assert (other.peer, other.resolved, other.local) == (("www.example.com", 443), ("192.0.2.7", 443), ("192.0.2.1", 40000))
    assert (other.opened_at, other.connected_at, other.closed_at) == (1001.0, 1001.25, 1008.0)
    assert (other.tls.version, other.tls.established_at, other.tls.alpn) == ("TLSv1.2", 1001.5, b"h2")
    assert base64.b64encode(other.tls.chain[0]).startswith(b"MIIB")
    others = [flow for flow in flows if flow.kind != "dns"]  # which has connections of its own
    assert all(flow.client is one and flow.server is other for flow in others), "one connection is one object"


def test_the_other_kinds_that_mitmproxy_wrote() -> None:
    flows, _ = read(FIXTURE.read_bytes())
    _, failed, chat, _, tcp, udp, connect = flows
    assert failed.error == FlowError("connection refused", 1005.0)
    assert failed.held is None, "nothing that comes from a file waits for anybody"
    assert isinstance(chat, HttpFlow) and chat.is_upgraded and chat.websocket is not None and chat.response is not None
    assert chat.response.body.is_truncated, "mitmproxy did not keep that body"
    assert facts(chat.websocket.messages) == facts(
        [
            spoken(True, b"hello", 1006.0),
            spoken(False, b"\x00\xff", 1006.5, Opcode.BINARY, is_dropped=True, is_injected=True),
        ]
    )
    end = chat.websocket
    assert (end.closed_by_client, end.close_code, end.close_reason, end.timestamp_end) == (False, 1001, "going away", 1007.0)
    assert isinstance(tcp, TcpFlow) and isinstance(udp, UdpFlow)
    assert [(each.from_client, each.body.read(), each.timestamp) for each in tcp.messages] == [
        (True, b"ping", 1006.0),
        (False, b"pong\xff", 1006.5),
    ]
    assert (tcp.message_count, tcp.byte_count, udp.message_count) == (2, 9, 1)
    assert isinstance(connect, HttpFlow)
    assert (connect.request.target, connect.metadata) == (b"www.example.com:443", {"is_replay": "response"})


def test_what_mitmproxy_wrote_is_written_as_it_was() -> None:
    """Field by field, but for ids, and where the formats differ in what they can say."""
    flows, _ = read(FIXTURE.read_bytes())
    theirs = [value for _, value in read_values(io.BytesIO(FIXTURE.read_bytes()))]
    ours = [value for _, value in read_values(io.BytesIO(write(*flows)))]
    for expected, found in zip([each for each in theirs if isinstance(each, dict)], ours, strict=True):
        assert isinstance(found, dict)
        backup = expected["backup"]
        for one in (expected, found, *([backup, found["backup"]] if backup else [])):
            one["intercepted"] = False
            del one["id"], one["client_conn"]["id"], one["server_conn"]["id"]
        if backup:  # what surrounds the messages in it is of now, not of then
            assert all(backup[part] == found["backup"][part] for part in ("request", "response"))
        expected["backup"] = found["backup"] = None
        if expected["type"] == "dns":  # its connections have what no real one has, a cipher list among it
            del expected["client_conn"], expected["server_conn"], found["client_conn"], found["server_conn"]
        assert found == expected


# ---- what we write


def test_a_websocket_over_http2_can_be_sent_again() -> None:
    flow = websocket()
    flow.request.http_version, flow.request.protocol = "HTTP/2.0", "websocket"
    back = again(flow)
    assert isinstance(back, HttpFlow) and back.request.protocol == "websocket"
    flow.request.http_version, flow.request.protocol = "HTTP/1.1", ""
    back = again(flow)
    assert isinstance(back, HttpFlow) and back.request.protocol == ""


def test_the_streams_that_carried_it_are_kept_in_the_metadata() -> None:
    flow = http()
    flow.metadata["mine"], flow.client_stream, flow.server_stream = 1, 7, 3
    (state,) = [value for _, value in read_values(io.BytesIO(write(flow)))]
    assert isinstance(state, dict) and state["metadata"] == flow.metadata | {"interceptor_streams": [7, 3]}
    back = again(flow)
    assert isinstance(back, HttpFlow)
    assert (back.metadata, back.client_stream, back.server_stream) == (flow.metadata, 7, 3)
    flow.metadata["interceptor_streams"], flow.client_stream, flow.server_stream = ["x"], 0, 0
    back = again(flow)
    assert isinstance(back, HttpFlow) and back.client_stream == 0, "somebody else's value of that name"


@pytest.mark.parametrize("make", [http, websocket, edited, bare, connect, tcp, udp])
def test_what_is_written_reads_back_whole(make: Callable[[], Flow]) -> None:
    flow = make()
    assert told(again(flow)) == told(flow)


@pytest.mark.parametrize(
    ("make", "keys"),
    [
        (http, "backup client_conn comment error id intercepted is_replay marked metadata request response server_conn "
               "timestamp_created type version websocket"),
        (tcp, "backup client_conn comment error id intercepted is_replay marked messages metadata server_conn "
              "timestamp_created type version"),
    ],
)  # fmt: skip
def test_every_field_is_written_and_no_other(make: Callable[[], Flow], keys: str) -> None:
    theirs = [value for _, value in read_values(io.BytesIO(FIXTURE.read_bytes())) if isinstance(value, dict)]
    example = next(each for each in theirs if each["type"] == make().kind)
    state = state_of_flow(make())
    assert sorted(state) == sorted(example) == keys.split()
    for part in ("client_conn", "server_conn", "request", "response"):
        if part in state:
            assert sorted(state[part]) == sorted(example[part]), part


def test_a_held_flow_is_marked_as_such_for_mitmproxy_and_does_not_wait_when_read() -> None:
    flow = http(held=HoldPoint.RESPONSE)
    assert state_of_flow(flow)["intercepted"] is True
    assert again(flow).held is None


def test_what_mitmproxy_would_refuse_is_replaced() -> None:
    flow = http(mode="something new", metadata={"thing": object, "deep": [[]], 5: 1 << 200, "nan": float("nan"), "t": (1, 2)})
    assert flow.server is not None and flow.server.tls is not None
    flow.server.tls.version = "TLSv9"
    state = state_of_flow(flow)
    assert state["client_conn"]["proxy_mode"] == "regular"
    assert state["server_conn"]["tls_version"] is None
    assert state["metadata"] == {"thing": repr(object), "deep": [[]], "5": str(1 << 200), "nan": "nan", "t": [1, 2]}


def test_metadata_that_holds_itself_is_cut() -> None:
    knot: list[object] = []
    knot.append(knot)
    assert again(http(metadata={"knot": knot})).metadata.keys() == {"knot"}


def test_text_that_is_no_unicode_is_written_so_that_it_can_be_read() -> None:
    assert again(http(comment="a\udcffb")).comment == "a\\udcffb"


def test_a_kind_that_has_no_place_is_refused() -> None:
    stream = io.BytesIO()
    with pytest.raises(UserError, match="no place"):
        write_flow(stream, Flow(7))
    assert stream.getvalue() == b""


def test_a_certificate_in_pem() -> None:
    assert pem(b"\x00" * 49) == b"-----BEGIN CERTIFICATE-----\n" + b"A" * 64 + b"\nAA==\n-----END CERTIFICATE-----\n"


# ---- DNS


def test_dns_reads_back_as_it_was_written() -> None:
    query = dns.message.make_query("www.example.test", "HTTPS", use_edns=0)
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text("www.example.test.", 60, "IN", "HTTPS", "1 . alpn=h2"))
    flow = DnsFlow(1, created_at=1.0, request=DnsMessage(query.to_wire(), 1.0))
    flow.backup()
    flow.response = DnsMessage(response.to_wire(), 2.0)
    again = read(write(flow))[0][0]
    assert isinstance(again, DnsFlow) and again.response is not None and again.is_modified
    assert dns.message.from_wire(again.request.wire) == query and again.response.timestamp == 2.0
    assert again.request.text().splitlines() == flow.request.text().splitlines()
    assert again.response.text().splitlines() == flow.response.text().splitlines()
    broken = read(write(DnsFlow(1, request=DnsMessage(b"\0" * 5))))[0][0]
    assert isinstance(broken, DnsFlow) and broken.response is None


def test_the_query_that_mitmproxy_wrote() -> None:
    [flow] = [flow for flow in read(FIXTURE.read_bytes())[0] if isinstance(flow, DnsFlow)]
    assert flow.request.text() and flow.request.name
