"""Captures, read by tshark: what it sees in the packets is what flows say, on both legs."""

from __future__ import annotations

import io
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import Flow, FlowError, HttpFlow, Opcode, TcpFlow, TcpMessage, UdpFlow, WebSocketData
from interceptor.model.http import Headers, Request, Response
from interceptor.session.capture.packets import End, TcpStream, _checksum
from interceptor.session.capture.writer import CaptureWriter
from tests.session.formats import flows as some
from tests.session.formats.test_har_whole import chat, odd
from tests.support.certificates import TestAuthority
from tests.support.effort import examples
from tests.support.websocket_messages import spoken

START = 1_700_000_000.0
DNS_QUERY = bytes.fromhex("1234010000010000000000000377777707657861 6d706c6503636f6d0000010001".replace(" ", ""))
LARGE = bytes(range(256)) * 1200


@cache
def leaf() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return TestAuthority(Path(folder)).certificate.public_bytes(serialization.Encoding.DER)


def client(port: int, name: str = "") -> Connection:
    tls = TlsFacts("TLSv1.3", server_name=name) if name else None
    return Connection(Side.CLIENT, ("127.0.0.1", port), None, ("127.0.0.1", 8080), opened_at=START - 1, tls=tls)


def server(host: str, port: int, name: str = "", alpn: bytes = b"") -> Connection:
    tls = TlsFacts("TLSv1.3", server_name=name, alpn=alpn, chain=(leaf(),)) if name else None
    return Connection(Side.SERVER, (host, port), ("192.0.2.80", port), ("10.0.0.1", 40_000 + len(host)), opened_at=START, tls=tls)


def exchange(scheme: str, one: Connection, other: Connection, target: bytes, body: bytes = b"", **more: object) -> HttpFlow:
    host, port = other.peer or ("", 0)
    request = Request("POST" if body else "GET", scheme, host, port, target, headers=Headers([(b"Host", host.encode())]))
    if body:
        request.set_content(body)
    request.timestamp_start, request.timestamp_end = START + 1, START + 1.25
    response = Response(200, b"OK", headers=Headers([(b"Content-Type", b"text/plain")]), timestamp_start=START + 2)
    response.set_content(b"answer to " + target)
    response.timestamp_end = START + 2.5
    return HttpFlow(0, one, other, "regular", START + 1, START + 2.5, request=request, response=response, **more)  # type: ignore[arg-type]


def over_http2() -> Iterator[HttpFlow]:
    one, other = client(50_002, "h2.example"), server("h2.example", 443, "h2.example", b"h2")
    for number, body in ((3, b""), (5, LARGE)):
        flow = exchange("https", one, other, b"/two%d" % number, body, client_stream=number, server_stream=number + 2)
        flow.request.http_version = "HTTP/2.0"
        flow.request.headers.add("Connection", "close")
        assert flow.response is not None
        flow.response.http_version, flow.response.trailers = "HTTP/2.0", Headers([(b"grpc-status", b"0")])
        yield flow


def over_websocket() -> HttpFlow:
    flow = exchange("http", client(50_003), server("ws.example", 80), b"/chat")
    flow.request.headers.fields += [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Key", b"x" * 24)]
    headers = Headers([(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Accept", b"y" * 28)])
    flow.response = Response(101, b"Switching Protocols", headers=headers, timestamp_start=START + 2)
    messages = [spoken(True, b"hello there", START + 3), spoken(False, b"\xff" * 70_000, START + 4, Opcode.BINARY)]
    messages.append(spoken(True, b"never sent", START + 5, is_dropped=True))
    flow.websocket, flow.is_upgraded = WebSocketData(messages), True
    return flow


def raw() -> TcpFlow:
    flow = TcpFlow(0, client(50_004), server("mail.example", 25), created_at=START, ended_at=START + 9)
    flow.messages = [
        TcpMessage(False, MemoryBody(b"220 mail.example\r\n"), START + 1),
        TcpMessage(True, MemoryBody(b"QUIT\r\n"), START + 2),
    ]
    return flow


def dns() -> UdpFlow:
    one = Connection(Side.CLIENT, ("127.0.0.1", 50_005), None, ("127.0.0.1", 53), "udp")
    other = Connection(Side.SERVER, ("2001:db8::53", 53), None, None, "udp")
    flow = UdpFlow(0, one, other, created_at=START)
    answer = DNS_QUERY[:2] + b"\x81\x80\0\1\0\1" + DNS_QUERY[8:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    flow.messages = [TcpMessage(True, MemoryBody(DNS_QUERY), START + 1), TcpMessage(False, MemoryBody(answer), START + 2)]
    return flow


def everything() -> list[Flow]:
    one, other = client(50_001, "one.example"), server("one.example", 443, "one.example", b"http/1.1")
    first, second = exchange("https", one, other, b"/first", LARGE), exchange("https", one, other, b"/second")
    first.comment = "look at this"
    failed = exchange("http", client(50_006), server("down.example", 80), b"/failed")
    failed.response, failed.error = None, FlowError("refused", START + 3)
    return [first, second, *over_http2(), over_websocket(), raw(), dns(), failed]


def captured(flows: list[Flow], key_log: list[bytes] | None = None) -> bytes:
    stream = io.BytesIO()
    writer = CaptureWriter(stream, key_log or ())
    assert all(writer.write(flow) for flow in flows)
    writer.close()
    return stream.getvalue()


_FIELDS = """
    frame.interface_name frame.time_epoch frame.comment ip.dst ipv6.dst ip.checksum.status udp.checksum.status _ws.malformed
    tcp.srcport tcp.stream tcp.checksum.status tcp.flags.syn tcp.flags.ack tcp.flags.fin tcp.flags.reset
    tcp.analysis.retransmission tcp.analysis.lost_segment tcp.analysis.out_of_order
    http.request http.request.method http.request.uri http.content_length http.response.code http.response_for.uri http.file_data
    tls.record.version tls.handshake.type tls.handshake.extensions_server_name tls.handshake.extensions_alpn_str
    tls.handshake.certificate x509sat.uTF8String
    http2.type http2.streamid http2.header.name http2.header.value http2.headers.path http2.headers.method http2.data.data
    websocket websocket.opcode websocket.payload_length smtp smtp.response.code smtp.req.command dns dns.qry.name dns.a
"""
FIELDS = _FIELDS.split()
YES = ("1", "True")
"""As versions of tshark write it."""


class Packet(dict[str, str]):
    """What tshark sees in it, by field; "" what is not there."""

    def has(self, *fields: str) -> bool:
        return all(self[field] for field in fields)

    def all_of(self, field: str) -> list[str]:
        """It may be there more than once."""
        return self[field].split(",")


Read = Callable[..., list[list[str]]]


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> list[Packet]:
    path = tmp_path_factory.mktemp("capture") / "all.pcapng"
    path.write_bytes(captured(everything()))
    verify = [word for kind in ("tcp", "ip", "udp") for word in ("-o", f"{kind}.check_checksum:TRUE")]
    shown = [word for field in FIELDS for word in ("-e", field)]
    command = ["tshark", "-r", str(path), *verify, "-T", "fields", *shown]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return [Packet(zip(FIELDS, line.split("\t"), strict=True)) for line in done.stdout.decode().splitlines()]


@pytest.fixture
def read(packets: list[Packet]) -> Read:
    """The interface and these fields of those that are as asked for."""

    def rows(is_wanted: Callable[[Packet], object], *fields: str) -> list[list[str]]:
        return [[packet[field] for field in ("frame.interface_name", *fields)] for packet in packets if is_wanted(packet)]

    return rows


@pytest.mark.needs_tshark
def test_requests_and_responses_on_both_legs(read: Read) -> None:
    asked = read(
        lambda it: it.has("http.request"), "http.request.method", "http.request.uri", "http.content_length", "tls.record.version"
    )
    posted = str(len(LARGE))
    assert [row[:4] for row in asked] == [
        ["client", "CONNECT", "one.example:443", ""],
        ["client", "POST", "/first", posted],
        ["server", "POST", "/first", posted],
        ["client", "GET", "/second", ""],
        ["server", "GET", "/second", ""],
        ["client", "CONNECT", "h2.example:443", ""],
        ["client", "GET", "/chat", ""],
        ["server", "GET", "/chat", ""],
        ["client", "GET", "/failed", ""],
        ["server", "GET", "/failed", ""],
    ]
    assert [bool(row[4]) for row in asked] == [False, True, True, True, True, False, False, False, False, False]
    answers = read(lambda it: it["http.response.code"] == "200" and it.has("http.file_data"))
    assert answers == [["client"], ["server"]] * 2
    times = read(lambda it: it["http.request.uri"] == "/second", "frame.time_epoch")
    assert {float(at) for _, at in times} == {START + 1}


@pytest.mark.needs_tshark
def test_tls_http2_and_what_is_in_it(read: Read) -> None:
    hellos = read(
        lambda it: "1" in it.all_of("tls.handshake.type"),
        "tls.handshake.extensions_server_name",
        "tls.handshake.extensions_alpn_str",
    )
    assert hellos == [
        ["client", "one.example", "http/1.1"],
        ["server", "one.example", "http/1.1"],
        ["client", "h2.example", "h2"],
        ["server", "h2.example", "h2"],
    ]
    certificates = read(lambda it: it.has("tls.handshake.certificate"), "x509sat.uTF8String")
    assert [row[0] for row in certificates] == ["server", "server"]
    heads = read(lambda it: "/two" in it["http2.header.value"], "http2.streamid", "http2.headers.path", "http2.headers.method")
    assert heads == [
        ["client", "3", "/two3", "GET"],
        ["server", "5", "/two3", "GET"],
        ["client", "5", "/two5", "POST"],
        ["server", "7", "/two5", "POST"],
    ]
    assert read(lambda it: "connection" in it.all_of("http2.header.name")) == []
    assert len(read(lambda it: "grpc-status" in it.all_of("http2.header.name"))) == 4
    bodies = read(
        lambda it: it.has("http2.data.data") and "0" in it.all_of("http2.type") and it["tcp.srcport"] == "443", "http2.streamid"
    )
    assert {row[1] for row in bodies} == {"5", "7"}


@pytest.mark.needs_tshark
def test_websockets_raw_conversations_and_dns(read: Read) -> None:
    spoken_on = read(lambda it: it.has("websocket.opcode"), "websocket.opcode", "websocket.payload_length")
    # 127: the length follows in eight bytes; what was dropped reached us, and went no further
    dropped = ["client", "1", "10"]
    assert spoken_on == [["client", "1", "11"], ["client", "2", "127"], dropped, ["server", "1", "11"], ["server", "2", "127"]]
    mail = read(lambda it: it.has("smtp"), "smtp.response.code", "smtp.req.command")
    assert [row for row in mail if row[0] == "server"] == [["server", "220", ""], ["server", "", "QUIT"]]
    names = read(lambda it: it.has("dns"), "dns.qry.name", "dns.a", "ipv6.dst")
    assert [row[:3] for row in names] == [
        ["client", "www.example.com", ""],
        ["client", "www.example.com", "192.0.2.1"],
        ["server", "www.example.com", ""],
        ["server", "www.example.com", "192.0.2.1"],
    ]
    assert names[2][3] == "2001:db8::53"


@pytest.mark.needs_tshark
def test_packets_are_as_they_should_be(packets: list[Packet], read: Read) -> None:
    for kind in ("tcp", "udp", "ip"):
        assert {packet[f"{kind}.checksum.status"] for packet in packets} - {""} == {"1"}, f"{kind}: all verified, all good"
    analysis = [field for field in FIELDS if field.startswith("tcp.analysis.")]
    assert read(lambda it: it["_ws.malformed"] or any(it[field] for field in analysis)) == []
    opened = read(lambda it: it["tcp.flags.syn"] in YES and it["tcp.flags.ack"] not in YES)
    ended = read(lambda it: it["tcp.flags.fin"] in YES or it["tcp.flags.reset"] in YES, "tcp.stream")
    assert len(opened) == len({row[1] for row in ended}) == 10
    assert [row[1] for row in read(lambda it: it.has("frame.comment"), "frame.comment")] == ["look at this"] * 2


def test_addresses_have_the_names_that_were_asked_for() -> None:
    raw = captured(everything())
    for name in (b"one.example", b"h2.example", b"mail.example"):
        assert raw.count(ip_address("192.0.2.80").packed + name + b"\0") == 1
    named = captured([exchange("http", client(1), Connection(Side.SERVER, ("somewhere.example", 80)), b"/")])
    assert b"somewhere.example\0" in named, "and what was not resolved has an address that stands in"


def secrets(raw: bytes) -> list[bytes]:
    """The key logs in the blocks of secrets."""
    found, at = [], 0
    while at < len(raw):
        kind, length = struct.unpack_from("<II", raw, at)
        assert length % 4 == 0 and raw[at + length - 4 : at + length] == raw[at + 4 : at + 8]
        if kind == 10:
            tag, size = struct.unpack_from("<II", raw, at + 8)
            assert tag == 0x544C534B
            found.append(raw[at + 16 : at + 16 + size])
        at += length
    return found


def test_recorded_secrets_of_the_connections_go_along() -> None:
    flow = exchange("https", client(1, "a.example"), server("a.example", 443, "a.example"), b"/")
    random = bytes(range(32))
    assert flow.server is not None and flow.server.tls is not None
    flow.server.tls.hello = b"\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03" + random + b"\0\0"
    ours = b"CLIENT_TRAFFIC_SECRET_0 %b aa" % random.hex().encode()
    log = [ours + b"\r\n", b"CLIENT_RANDOM %b bb\n" % (b"0" * 64), b"# comment\n", b"\n"]
    *made_up, last = secrets(captured([flow], log))
    assert len(made_up) == 2 and all(line.startswith(b"CLIENT_RANDOM ") for line in made_up)
    assert last == ours + b"\n"
    assert len(secrets(captured([flow]))) == 2


@pytest.mark.parametrize("make", [some.http, some.websocket, some.edited, some.bare, some.connect, some.tcp, some.udp, odd, chat])
def test_every_kind_of_flow_can_be_written(make: Callable[[], Flow]) -> None:
    assert captured([make(), make()]).startswith(b"\x0a\x0d\x0d\x0a")


@given(st.binary(max_size=50))
def test_a_checksum_makes_the_sum_come_out(content: bytes) -> None:
    even = content + b"\0" * (len(content) % 2)
    assert _checksum(even + struct.pack("!H", _checksum(content))) in (0, 0xFFFF)


@examples(30)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100_000)), max_size=6), st.integers(0, 1 << 40))
def test_sequence_numbers_follow_each_other(sent: list[tuple[bool, int]], number: int) -> None:
    packets: list[bytes] = []
    stream = TcpStream(
        lambda at, packet: packets.append(packet), End(ip_address("10.0.0.1"), 1), End(ip_address("10.0.0.2"), 2), 0, number
    )
    for from_client, size in sent:
        stream.send(from_client, bytes(size), 1.0)
    stream.close(2.0)
    expected: dict[int, int] = {}
    received = {1: 0, 2: 0}
    for packet in packets:
        source, _, number_, _, _, flags = struct.unpack("!HHIIBB", packet[20:34])
        size = len(packet) - 40
        assert expected.get(source, number_) == number_
        expected[source] = (number_ + size + bool(flags & 2) + bool(flags & 1)) & 0xFFFFFFFF
        received[source] += size
    assert received == {1: sum(size for mine, size in sent if mine), 2: sum(size for mine, size in sent if not mine)}
