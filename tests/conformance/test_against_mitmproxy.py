"""Flow files that we write, read and written anew by mitmproxy itself: what comes back says the same, for every kind of flow.

mitmproxy is taken from the PATH, or from build/mitmproxy:
python3 -m venv build/mitmproxy && build/mitmproxy/bin/pip install mitmproxy
"""

from __future__ import annotations

import io
import json
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Hop
from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow, Flow, FlowError, HttpFlow, Opcode, TcpFlow, TcpMessage, UdpFlow, WebSocketData
from interceptor.model.http import Headers
from interceptor.session.formats.har import HarWriter
from interceptor.session.formats.mitmproxy_flow import read_flows
from interceptor.session.formats.recognised import read_flows as read_any
from tests.conftest import mitmproxy_folder
from tests.session.formats import flows as samples
from tests.session.formats.flows import client, http, told, write
from tests.support.certificates import TestAuthority
from tests.support.websocket_messages import facts, spoken

pytestmark = [pytest.mark.conformance, pytest.mark.needs_mitmproxy]

REWRITE = """
import sys
from mitmproxy.io import FlowReader, FlowWriter
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
    writer = FlowWriter(target)
    for flow in FlowReader(source).stream():
        writer.add(flow)
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    """mitmproxy parses certificates when it loads them, so they are real."""
    authority = TestAuthority(tmp_path_factory.mktemp("authority"))
    return (authority.certificate.public_bytes(Encoding.DER),)


def http2() -> HttpFlow:
    flow = http(
        client_stream=7,
        server_stream=3,
        marker="red_circle",
        comment="gr\u00fc\u00dfe",
        replay_of=5,
        metadata={"n": [1, {"b": b"\xff"}]},
    )
    flow.id = 9
    flow.request.http_version = flow.request.http_version = "HTTP/2.0"
    flow.request.authority = "www.example.com:443"
    flow.request.trailers = Headers([(b"x-checksum", b"\x80")])
    return flow


def failed() -> HttpFlow:
    flow = http(error=FlowError("reset by the peer\nwith a second line", 1002.5), ended_at=1002.5)
    flow.response = None
    return flow


def body_not_kept() -> HttpFlow:
    flow = http()
    assert flow.response is not None
    flow.response.body = MemoryBody(b"")
    flow.response.body.is_truncated = True
    return flow


def websocket() -> HttpFlow:
    flow = samples.websocket()
    messages = [
        spoken(True, "h\u00e9llo".encode(), 1006.0),
        spoken(False, b"\x00\xff", 1006.25, Opcode.BINARY, is_injected=True),
        spoken(True, b"dropped", 1006.5, is_dropped=True),
    ]
    flow.websocket = WebSocketData(messages, True, 1001, "going away", 1007.0)
    return flow


def through_a_proxy() -> HttpFlow:
    flow = http(mode="upstream:http://proxy.example:3128")
    assert flow.server is not None
    flow.server.via = (Hop("https", "proxy.example", 3128),)
    return flow


def noisy(number: int) -> HttpFlow:
    """Bytes of every kind wherever bytes may stand."""
    noise = random.Random(number)
    flow = http()
    flow.request.method = "M" + "".join(noise.choices("ABC-_.!", k=5))
    flow.request.target = b"/" + noise.randbytes(30).replace(b" ", b"").replace(b"\n", b"")
    flow.request.headers = Headers([(noise.randbytes(6), noise.randbytes(20)) for _ in range(10)])
    flow.request.body = MemoryBody(noise.randbytes(5000))
    assert flow.response is not None
    flow.response.reason, flow.response.status_code = noise.randbytes(12), noise.randrange(100, 1000)
    flow.response.body = MemoryBody(noise.randbytes(100_000))
    return flow


def tcp() -> TcpFlow:
    flow = samples.tcp()
    flow.error = FlowError("closed", 1008.0)
    return flow


def udp() -> UdpFlow:
    flow = samples.udp()
    flow.messages = [TcpMessage(True, MemoryBody(b"ping"), 3.5), TcpMessage(False, MemoryBody(b""), 4.0)]
    flow.message_count, flow.byte_count, flow.ended_at = 2, 4, 4.0
    return flow


def dns() -> DnsFlow:
    import dns.message
    import dns.rrset

    query = dns.message.make_query("www.example.com", "A", id=77)
    answer = dns.message.make_response(query)
    answer.answer.append(dns.rrset.from_text("www.example.com.", 300, "IN", "A", "192.0.2.1"))
    request, response = DnsMessage(query.to_wire(), 3.0), DnsMessage(answer.to_wire(), 3.5)
    return DnsFlow(0, client(), None, mode="dns", created_at=3.0, ended_at=3.5, request=request, response=response)


KINDS: list[Callable[[], Flow]] = [
    http, http2, failed, samples.edited, samples.bare, samples.connect, body_not_kept, websocket, through_a_proxy, tcp, udp, dns,
]  # fmt: skip


def rewritten(raw: bytes, folder: Path) -> bytes:
    """What mitmproxy makes of the file."""
    ours, theirs = folder / "ours", folder / "theirs"
    ours.write_bytes(raw)
    program = [str(mitmproxy_folder() / "python"), "-c", REWRITE, str(ours), str(theirs)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return theirs.read_bytes()


def with_chain(flow: Flow, chain: tuple[bytes, ...]) -> Flow:
    for connection in (flow.client, flow.server):
        if connection is not None and connection.tls is not None and connection.tls.chain:
            connection.tls.chain = chain
    return flow


def read(raw: bytes) -> Sequence[Flow]:
    return list(read_flows(io.BytesIO(raw), pytest.fail))


def whole(flow: Flow) -> object:
    """All that it says."""
    said: list[object] = [told(flow)]
    if isinstance(flow, HttpFlow) and flow.websocket is not None:
        said.append(facts(flow.websocket.messages))
    if isinstance(flow, DnsFlow):
        said += [flow.request.wire, flow.response and flow.response.wire]
    return said


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_nothing_is_lost_by_way_of_mitmproxy(make: Callable[[], Flow], tmp_path: Path, chain: tuple[bytes, ...]) -> None:
    raw = write(with_chain(make(), chain))
    (ours,), (theirs,) = read(raw), read(rewritten(raw, tmp_path))
    assert whole(theirs) == whole(ours)


def test_bytes_of_any_kind_come_through(tmp_path: Path, chain: tuple[bytes, ...]) -> None:
    raw = write(*(with_chain(noisy(number), chain) for number in range(100)))
    assert [whole(flow) for flow in read(rewritten(raw, tmp_path))] == [whole(flow) for flow in read(raw)]


def test_what_a_replay_repeats_comes_through(tmp_path: Path, chain: tuple[bytes, ...]) -> None:
    flows = [with_chain(http(), chain), with_chain(http(replay_of=3), chain)]
    flows[0].id, flows[1].id = 3, 8
    taken: list[Flow] = []
    for flow in read_flows(io.BytesIO(rewritten(write(*flows), tmp_path)), pytest.fail):
        flow.id = 20 + len(taken)
        taken.append(flow)
    assert [flow.replay_of for flow in taken] == [None, 20]


def test_mitmdump_shows_what_we_wrote(tmp_path: Path, chain: tuple[bytes, ...]) -> None:
    file = tmp_path / "ours"
    file.write_bytes(write(*(with_chain(make(), chain) for make in KINDS)))
    program = [str(mitmproxy_folder() / "mitmdump"), "-n", "-r", str(file), "--set", f"confdir={tmp_path}", "--flow-detail", "1"]
    done = subprocess.run(program, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr, done.stderr
    assert "www.example.com" in done.stdout


def test_mitmproxy_reads_our_har(tmp_path: Path) -> None:
    """It reads HAR, too; what it makes of ours we read as the same requests and responses."""
    file, theirs = tmp_path / "ours.har", tmp_path / "theirs"
    with file.open("wb") as stream:
        writer = HarWriter(stream)
        for make in (http, http2, samples.bare):
            writer.write(make())
        writer.close()
    json.loads(file.read_bytes())
    program = [str(mitmproxy_folder() / "python"), "-c", REWRITE, str(file), str(theirs)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with theirs.open("rb") as stream:
        flows = [flow for flow in read_any(stream, pytest.fail) if isinstance(flow, HttpFlow)]
    assert [flow.request.host for flow in flows] == [make().request.host for make in (http, http2, samples.bare)]
    assert [flow.response.status_code for flow in flows if flow.response is not None][:2] == [404, 404]
