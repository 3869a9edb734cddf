"""mitmproxy's flow file when it is old, new, damaged or hostile: what is good is read, the rest is named."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.flow import Flow, HttpFlow
from interceptor.session.formats.mitmproxy_flow import read_flows
from interceptor.session.formats.mitmproxy_write import VERSION, pem, state_of_flow
from interceptor.specs.errors import UserError
from tests.session.formats.flows import FIXTURE, State, http, packed, read, tcp, write
from tests.support.effort import examples


def old_state(version: object) -> State:
    """As files of version 7 were: other names, no field that came later."""
    conn = {"id": "x", "alpn_proto_negotiated": b"h2", "tls_version": "TLSv1.2", "timestamp_start": 1.0, "timestamp_end": 2.0}
    certificate = pem(b"\x30\x00")
    times = {"timestamp_start": 1.5, "timestamp_end": 1.75}
    message = times | {"http_version": b"HTTP/1.1", "headers": [[b"a", b"b"]], "content": b"c"}
    request = message | {
        "method": b"GET", "scheme": b"http", "host": b"h.example", "port": 80, "path": b"/", "first_line_format": "relative",
        "is_replay": True,
    }  # fmt: skip
    return {
        "version": version,
        "type": "http",
        "id": "y",
        "error": None,
        "intercepted": False,
        "marked": True,
        "mode": "regular",
        "client_conn": conn
        | {"address": [b"10.0.0.1", 5], "clientcert": None, "tls_established": True, "timestamp_tls_setup": 1.1,
           "cipher_name": "AES", "sni": b"h.example", "tls_extensions": None},
        "server_conn": conn
        | {"address": ["h.example", 443], "ip_address": ["192.0.2.1", 443, 0, 0], "source_address": ["10.0.0.2", 6],
           "cert": certificate, "ssl_established": True, "timestamp_ssl_setup": 1.2, "timestamp_tcp_setup": 1.1,
           "sni": True, "via": None},
        "request": request,
        "response": message | {"status_code": 200, "reason": b"OK", "is_replay": False},
    }  # fmt: skip


@pytest.mark.parametrize("version", range(4, VERSION + 1))
def test_names_of_older_versions_are_understood(version: int) -> None:
    (flow,), notices = read(packed(old_state(version)))
    assert notices == []
    assert isinstance(flow, HttpFlow) and flow.response is not None
    assert flow.request.url == "http://h.example/"
    assert (flow.marker, flow.replay_of, flow.mode, flow.created_at) == ("default", 0, "regular", 1.5)
    one, other = flow.client, flow.server
    assert one is not None and one.tls is not None and other is not None and other.tls is not None
    assert (one.peer, one.tls.alpn, one.tls.cipher, one.tls.server_name) == (("10.0.0.1", 5), b"h2", "AES", "h.example")
    assert (other.peer, other.resolved, other.local) == (("h.example", 443), ("192.0.2.1", 443), ("10.0.0.2", 6))
    assert (other.tls.server_name, other.tls.chain, other.tls.established_at) == ("h.example", (b"\x30\x00",), 1.2)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ([0, 10, 1], "version 0.10.1; those of mitmproxy 0.11 and later, up to version 21"),
        ([4, 0, 2], "version 4.0.2;"),
        (["0", 18], "version 0.18;"),
        (3, "version 3;"),
        (22, "version 22, newer"),
        (None, "None"),
        (True, "True"),
    ],
)
def test_other_versions_are_refused_by_name(version: object, message: str) -> None:
    good = write(http())
    flows = read_flows(io.BytesIO(good + packed(old_state(version))), pytest.fail)
    assert isinstance(next(flows), HttpFlow)
    with pytest.raises(UserError, match=message) as caught:
        next(flows)
    assert caught.value.position == len(good)


def test_keys_may_be_bytes() -> None:
    state = {key.encode(): value for key, value in old_state(7).items()}
    assert isinstance(read(packed(state))[0][0], HttpFlow)


# ---- damaged and hostile


def test_what_stands_before_the_damage_is_read() -> None:
    first = len(write(http()))
    good = write(http(), tcp())
    for kept in range(len(good)):
        flows: list[Flow] = []
        reading = read_flows(io.BytesIO(good[:kept]), pytest.fail)
        complete = kept in (0, first)
        try:
            flows.extend(reading)
        except UserError as error:
            assert not complete
            assert error.position is not None and error.position <= kept
            assert "from byte" in error.message
        else:
            assert complete, kept
        assert len(flows) == (kept >= first)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"request": None}, "NoneType stands where a dict belongs"),
        ({"type": "carrier pigeon"}, "unknown kind 'carrier pigeon'"),
        ({"type": "websocket"}, "without the request"),
        ({"client_conn": []}, "list stands where a dict belongs"),
        ({"comment": 5}, "int stands where text belongs"),
        ({"timestamp_created": 1e300}, "no time that a calendar has"),
        ({"timestamp_created": float("nan")}, "no time"),
        ({"error": {"timestamp": 1.0}}, "msg"),
        ({"websocket": {"messages": [[1]]}}, "unpack"),
    ],
)
def test_a_flow_that_is_not_as_it_should_be_costs_only_itself(change: State, message: str) -> None:
    flows, notices = read(packed(state_of_flow(http()) | change) + write(tcp()))
    assert [flow.kind for flow in flows] == ["tcp"]
    assert len(notices) == 1 and message in notices[0] and "at byte 0" in notices[0]


@pytest.mark.parametrize("raw", [b'{"log": {}}', b"GET / HTTP/1.1\r\n", b"4:true!", b"0:]"])
def test_another_file_is_recognised(raw: bytes) -> None:
    with pytest.raises(UserError, match="not a flow file"):
        read(raw)


def test_an_empty_file_has_no_flows() -> None:
    assert read(b"") == ([], [])


def test_one_flow_is_in_memory_at_a_time() -> None:
    """The second flow is not asked for before the first one has been taken."""
    raw = write(http()) * 3
    stream = io.BytesIO(raw)
    flows = read_flows(stream, pytest.fail)
    for count in range(1, 4):
        next(flows)
        assert stream.tell() == len(raw) // 3 * count


def test_a_flow_that_is_too_large_is_refused_before_it_is_read() -> None:
    stream = io.BytesIO(write(http()))
    with pytest.raises(UserError, match="more than the 100 that are read"):
        list(read_flows(stream, pytest.fail, largest=100))
    assert stream.tell() < 10


@examples(200)
@given(st.data())
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    raw = bytearray(FIXTURE.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    flows: list[Flow] = []
    try:
        flows.extend(read_flows(io.BytesIO(bytes(raw)), lambda notice: None))
    except UserError as error:
        assert error.position is not None and 0 <= error.position <= len(raw)
    write(*flows)  # and what was read can be written


def ancient_state(version: list[int]) -> dict[object, object]:
    """As mitmproxy wrote it then: in Python 2, where every text was bytes, up to 0.17; addresses in dicts up to 1.0."""
    number = version[0] * 100 + version[1]
    in_dict = number <= 100

    def address(host: str, port: int) -> object:
        pair = [host.encode(), port]
        return {"address": pair, "use_ipv6": False} if in_dict else pair

    conn: State = {"ssl_established": True, "timestamp_ssl_setup": 1.2, "timestamp_start": 1.0, "timestamp_end": 2.0}
    times: State = {"timestamp_start": 1.5, "timestamp_end": 1.75, "headers": [[b"a", b"b"]]}
    content = b"content" if number <= 13 or number >= 16 else b"body"
    http_version = {"httpversion": [1, 1]} if number <= 13 else {"http_version": b"HTTP/1.1"}
    resolved = "peer_address" if number == 17 else "ip_address"
    request: State = {"method": b"GET", "scheme": b"http", "host": b"h.example", "port": 80, "path": b"/", "is_replay": True}
    request["form_in" if number <= 13 else "first_line_format"] = b"relative"
    response: State = (
        {"code": 200, "msg": b"OK"} if number <= 13 else {"status_code": 200, "msg" if number <= 15 else "reason": b"OK"}
    )
    server: State = {"address": address("h.example", 443), "source_address": address("10.0.0.2", 6), "cert": None}
    server |= {"sni": b"h.example", "timestamp_tcp_setup": 1.1, "via": None, "state": []}
    if number >= 17:
        server[resolved] = address("192.0.2.1", 443)
    state: dict[object, object] = {
        "version": version,
        "type": b"http",
        "id": b"y",
        "error": None,
        "intercepted": False,
        "marked": True,
        "client_conn": conn | {"address": address("10.0.0.1", 5), "clientcert": None},
        "server_conn": conn | server,
        "request": times | request | http_version | {content.decode(): b"c"},
        "response": times | response | http_version | {content.decode(): b"d"},
    }
    if number >= 19:
        state |= {"mode": "regular", "metadata": {}}
    return in_bytes(state) if number <= 17 else state


def in_bytes(state: dict[object, object]) -> dict[object, object]:
    return {
        key.encode() if isinstance(key, str) else key: in_bytes(value) if isinstance(value, dict) else value
        for key, value in state.items()
    }


@pytest.mark.parametrize("version", [[0, minor] for minor in range(11, 20)] + [[1, 0, 1], [2, 0, 2], [3, 0, 4]], ids=str)
def test_versions_that_were_lists_of_numbers(version: list[int]) -> None:
    (flow,), notices = read(packed(ancient_state(version)))
    assert notices == []
    assert isinstance(flow, HttpFlow) and flow.response is not None
    assert (flow.request.url, flow.request.http_version, flow.request.body.read()) == ("http://h.example/", "HTTP/1.1", b"c")
    assert (flow.response.status_code, flow.response.reason, flow.response.body.read()) == (200, b"OK", b"d")
    assert (flow.response.http_version, flow.replay_of) == ("HTTP/1.1", 0)
    one, other = flow.client, flow.server
    assert one is not None and other is not None
    assert (one.peer, other.peer, other.local) == (("10.0.0.1", 5), ("h.example", 443), ("10.0.0.2", 6))
    if version >= [0, 17]:
        assert other.resolved == ("192.0.2.1", 443)


def test_messages_of_a_websocket_that_were_a_flow_of_their_own() -> None:
    begun = old_state(11) | {"metadata": {"websocket": True}, "id": "begun"}
    spoken: dict[object, object] = {
        **{key: value for key, value in begun.items() if key not in ("request", "response")},
        "type": "websocket", "id": "z", "metadata": {"websocket_handshake": "begun"},
        "messages": [[1, True, "hello", 3.0, False], [2, False, b"\xff", 4.0, False]],
        "close_sender": "server", "close_code": 1000, "close_reason": "bye",
    }  # fmt: skip
    alone = spoken | {"metadata": {"websocket_handshake": "none"}}
    flows, notices = read(packed(begun) + packed(spoken) + packed(alone))
    assert len(flows) == 2 and len(notices) == 1 and "without the request" in notices[0]
    both = flows[1]
    assert isinstance(both, HttpFlow) and both.websocket is not None and both.request.url == "http://h.example/"
    assert [(each.from_client, each.body.read()) for each in both.websocket.messages] == [(True, b"hello"), (False, b"\xff")]
    assert (both.websocket.closed_by_client, both.websocket.close_code, both.websocket.timestamp_end) == (False, 1000, 2.0)
