"""HTTP/2 when things go wrong or wait: malformed messages, resets, GOAWAY, limits, windows, floods; what ends, and what not."""

from __future__ import annotations

import pytest

from interceptor.model.hooks import FORWARD, Hook, RequestHead, ResponseHead, Verdict
from interceptor.proxy.asks import RunHook
from interceptor.proxy.core.events import Congested, Drained
from interceptor.proxy.core.layer import MARK
from interceptor.proxy.layers.http.http2_connection import MAX_STREAMS, STREAM_WINDOW
from tests.proxy.layers.http.http2_world import TO_H2C, World, engine, world  # noqa: F401 - a fixture
from tests.support.http2_peers import PREFACE, Fields, Http2Peer, frame
from tests.support.paper_driver import REGULAR, PaperDriver, reverse

pytestmark = pytest.mark.usefixtures("engine")
SETTINGS = frame(4, 0, 0)
PSEUDO: Fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/")]


def rows(w: World) -> list[str]:
    return [error for error in w.driver.errors() if error]


def loose_client(w: World) -> Http2Peer:
    """A client that may say anything."""
    w.client = Http2Peer(is_client=True, is_strict=False)
    w.driver.peers[w.driver.client] = w.client
    return w.client


# --- one bad message, one stream ----------------------------------------------------------------------------------

MALFORMED: list[tuple[Fields, str]] = [
    ([*PSEUDO, (b"X-Upper", b"1")], "a field name with capitals"),
    ([*PSEUDO, (b"connection", b"close")], "a field about the connection"),
    ([*PSEUDO, (b"transfer-encoding", b"chunked")], "a field about the connection"),
    ([*PSEUDO, (b"te", b"gzip")], "TE other than trailers"),
    ([*PSEUDO, (b"a", b"b\r\nc: d")], "control character in a field value"),
    ([*PSEUDO, (b"a", b"b\0")], "control character in a field value"),
    ([*PSEUDO, (b"a", b" b")], "white space around"),
    ([*PSEUDO, (b"a b", b"c")], "not a field name"),
    ([*PSEUDO, (b"", b"c")], "not a field name"),
    ([*PSEUDO, (b"transfer-encoding:chunked", b"")], "not a field name"),  # which would be another field in HTTP/1
    ([*PSEUDO, (b"content-length", b"5"), (b"content-length", b"5")], "Content-Length twice"),
    ([*PSEUDO, (b"x", b"y"), (b":path", b"/2")], "a pseudo-header field behind others"),
    ([*PSEUDO, (b":path", b"/2")], "a pseudo-header field twice"),
    ([*PSEUDO, (b":status", b"200")], "a pseudo-header field that requests do not have"),
    ([*PSEUDO, (b":protocol", b"websocket")], ":protocol without CONNECT"),
    ([*PSEUDO, (b"host", b"b.test")], "Host is not what :authority says"),
    ([*PSEUDO, (b"host", b"a.test"), (b"host", b"a.test")], "more than one Host"),
    ([*PSEUDO, (b"content-length", b"5")], "Content-Length of a body that does not come"),
    ([*PSEUDO[:3], (b":path", b"")], ":path does not begin with a slash"),
    ([*PSEUDO[:3], (b":path", b"/a b")], ":path does not begin with a slash"),
    ([*PSEUDO[:3], (b":path", b"x")], ":path does not begin with a slash"),
    ([*PSEUDO[:3]], ":path does not begin with a slash"),
    ([*PSEUDO[1:]], "no method"),
    ([(b":method", b"G T"), *PSEUDO[1:]], "no method, or not a method"),
    ([PSEUDO[0], PSEUDO[3], (b":authority", b"u@a.test"), (b":scheme", b"http")], ":authority is not a host and port"),
    ([(b":method", b"CONNECT"), (b":authority", b"a.test:443"), (b":path", b"/")], "CONNECT has :authority"),
]


@pytest.mark.parametrize(("fields", "reason"), MALFORMED, ids=[f"{index} {text}" for index, (_, text) in enumerate(MALFORMED)])
def test_a_malformed_request_has_its_own_stream_reset(fields: Fields, reason: str) -> None:
    w = world(REGULAR, speaks_http2=False)
    client = loose_client(w)
    before = client.ask(b"POST", body=b"x", ends=False)
    client.say_head(3, fields, ends=True)
    after = client.ask()
    w.run()
    assert client.heard[3].reset == 1 and before not in client.heard and after not in client.heard
    [row] = rows(w)
    assert row.startswith("The client's request is malformed: ") and reason in row
    assert w.driver.http.client_stream == after == 5


@pytest.mark.parametrize("text", [b"x", b"-1", b"+1", b"1, 1", b""])
def test_a_content_length_that_is_none(text: bytes) -> None:
    w = world(REGULAR, speaks_http2=False)
    client = loose_client(w)
    client.say_head(1, [*PSEUDO, (b"content-length", text)])
    client.ask()
    w.run()
    assert client.heard[1].reset == 1 and client.goaway is None and len(w.driver.flows) == 2


@pytest.mark.parametrize("body", [b"1234", b"123456"])
def test_a_body_of_another_length_than_announced(body: bytes) -> None:
    w = world()
    client = loose_client(w)
    stream = client.ask(b"POST", fields=[(b"content-length", b"5")], ends=False)
    w.run()
    client.say(stream, body, ends=True)
    client.ask()
    w.run()
    assert client.heard[stream].reset == 1 and client.goaway is None
    assert w.server.heard[1].reset == 1 and w.server.heard[3].has_ended
    assert "malformed" in rows(w)[0] and "5" in rows(w)[0]


def test_trailers_that_do_not_end_the_request() -> None:
    w = world()
    client = loose_client(w)
    stream = client.ask(b"POST", body=b"x", ends=False)
    w.run()
    raw = client.h2.encoder.encode([(b"a", b"b")])
    w.driver.says(frame(1, 4, stream, raw))
    w.run()
    assert client.heard[stream].reset == 1 and client.goaway is None and "malformed" in rows(w)[0]
    client.ask()
    w.run()
    assert 3 in w.server.heard


def test_malformed_trailers() -> None:
    w = world()
    client = loose_client(w)
    stream = client.ask(b"POST", body=b"x", ends=False)
    client.say_head(stream, [(b"content-length", b"1")], ends=True)
    w.run()
    assert client.heard[stream].status == 400 and w.server.heard[1].reset is not None


@pytest.mark.parametrize(
    "fields",
    [
        [(b":status", b"20")],
        [(b":status", b"101")],
        [(b":status", b"200"), (b"A", b"b")],
        [(b":status", b"200"), (b"connection", b"close")],
        [(b"x", b"y")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b":status", b"200"), (b"content-length", b"x")],
    ],
)
def test_a_malformed_response(fields: Fields) -> None:
    w = world()
    streams = [w.client.ask(), w.client.ask()]
    w.run()
    w.driver.says(frame(1, 4, 1, w.server.h2.encoder.encode(fields)), w.driver.server)
    w.server.answer(3, [], b"fine")
    w.run()
    broken, fine = (w.client.heard[stream] for stream in streams)
    assert broken.status == 502 and b"malformed" in broken.body and fine.body == b"fine" and fine.has_ended
    assert w.server.heard[1].reset == 1 and w.server.goaway is None


def test_a_response_shorter_than_announced() -> None:
    w = world()
    stream, other = w.client.ask(), w.client.ask()
    w.run()
    w.server.answer(1, [(b"content-length", b"10")], b"123")
    w.server.answer(3, [], b"fine")
    w.run()
    assert w.client.heard[stream].reset == 2 and w.client.heard[other].has_ended
    assert "malformed" in rows(w)[0]


def test_a_head_that_is_too_large_is_answered() -> None:
    w = world(REGULAR, speaks_http2=False, header_size_limit=2000, header_count_limit=10)
    large = w.client.ask(fields=[(b"a", b"b" * 2000)])
    many = w.client.ask(fields=[(b"a", b"b")] * 11)
    fine = w.client.ask(fields=[(b"a", b"b" * 500)])
    w.run()
    assert w.client.heard[large].status == w.client.heard[many].status == 431 and fine not in w.client.heard
    assert "header_size_limit" in rows(w)[0] and "header_count_limit" in rows(w)[1]


# --- resets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 2, 7, 8, 11, 13, 99])
def test_what_the_client_gives_up_is_given_up_at_the_server(code: int) -> None:
    w = world()
    stream = w.client.ask()
    w.run()
    w.client.reset(stream, code)
    w.run()
    assert w.server.heard[1].reset == code and "The client gave up the request" in rows(w)[0]
    assert w.driver.client not in w.driver.closed and w.driver.server not in w.driver.closed


@pytest.mark.parametrize(("code", "is_wrong"), [(0, False), (8, False), (2, True), (3, True)])
def test_an_event_stream_ends_by_being_given_up(code: int, is_wrong: bool) -> None:
    w = world()
    stream = w.client.ask()
    w.run()
    w.server.say_head(1, [(b":status", b"200"), (b"content-type", b"text/event-stream")])
    w.server.say(1, b"data: x\n\n")
    w.run()
    w.client.reset(stream, code)
    w.run()
    assert w.server.heard[1].reset == code and len(w.driver.ended) == 1
    assert bool(rows(w)) == is_wrong


@pytest.mark.parametrize("code", [1, 2, 8, 11, 13, 99])
def test_what_the_server_resets_is_reset_for_the_client(code: int) -> None:
    w = world()
    early, late = w.client.ask(), w.client.ask()
    w.run()
    w.server.say_head(3, [(b":status", b"200")])
    w.server.say(3, b"begin")
    w.run()
    w.server.reset(1, code)
    w.server.reset(3, code)
    w.run()
    assert [w.client.heard[stream].reset for stream in (early, late)] == [code, code]
    assert "without an answer" in rows(w)[0] and "in the middle" in rows(w)[1]


def test_a_client_of_http1_gets_a_page_for_a_reset() -> None:
    w = http1_client()
    w.driver.says(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    w.run()
    w.server.reset(1, 2)
    w.run()
    assert w.driver.sent(w.driver.client).startswith(b"HTTP/1.1 502 ") and "INTERNAL_ERROR" in rows(w)[0]


def http1_client(**settings: object) -> World:
    w = world(reverse("http://a.test:80"), http2_upstream="always", **settings)  # type: ignore[arg-type]
    del w.driver.peers[w.driver.client]
    return w


def test_a_refused_stream_is_tried_once_more() -> None:
    w = world()
    stream = w.client.ask(b"POST", body=b"")
    w.run()
    w.server.reset(1, 7)
    w.run()
    assert w.server.heard[3].fields, "on the same connection"
    w.server.answer(3, [], b"x")
    w.run()
    assert w.client.heard[stream].body == b"x" and rows(w) == []
    again = w.client.ask()
    w.run()
    w.server.reset(5, 7)
    w.run()
    w.server.reset(7, 7)
    w.run()
    assert w.client.heard[again].reset == 7, "but not for ever"


def test_the_client_leaves() -> None:
    w = world()
    w.client.ask()
    w.client.ask()
    w.run()
    w.driver.vanishes(w.driver.client)
    assert [flow.error.message[:32] for flow in w.driver.ended if flow.error] == ["The client closed the connection"] * 2
    assert w.driver.server in w.driver.closed


def test_the_server_leaves() -> None:
    w = world()
    streams = [w.client.ask(), w.client.ask(b"POST")]
    w.run()
    w.server.say_head(1, [(b":status", b"200")])
    w.server.say(1, b"begin")
    w.run()
    w.driver.vanishes(w.driver.server)
    w.run()
    assert w.client.heard[streams[0]].reset == 2 and w.client.heard[streams[1]].status == 502
    assert "before the response was complete" in rows(w)[0] and "without an answer" in rows(w)[1]


def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    w = world()
    first = w.client.ask()
    w.run()
    w.server.answer(1)
    w.run()
    w.driver.ends(w.driver.server)
    again = w.client.ask()
    w.run()
    assert len(w.servers) == 2
    w.server.answer(1)
    w.run()
    assert w.client.heard[first].has_ended and w.client.heard[again].has_ended and rows(w) == []


def test_a_user_kills_a_flow() -> None:
    w = world()
    stream, other = w.client.ask(), w.client.ask()
    w.run()
    w.driver.kill(w.driver.flows[0], "killed")
    w.run()
    assert w.client.heard[stream].reset == 2 and w.server.heard[1].reset == 8 and other not in w.client.heard


# --- GOAWAY -------------------------------------------------------------------------------------------------------


def test_goaway_ends_no_stream_that_is_still_served() -> None:
    w = world()
    streams = [w.client.ask(path=b"/%d" % n) for n in range(3)]
    w.run()
    old = w.server
    w.driver.says(frame(7, 0, 0, (3).to_bytes(4, "big") + bytes(4) + b"restart"), w.driver.server)
    w.run()
    assert len(w.servers) == 2 and dict(w.server.heard[1].fields)[b":path"] == b"/2", "what it did not look at goes elsewhere"
    new = w.client.ask(path=b"/3")
    w.run()
    assert dict(w.server.heard[3].fields)[b":path"] == b"/3"
    for stream in (1, 3):
        old.answer(stream, [], b"old")
    for stream in (1, 3):
        w.server.answer(stream, [], b"new")
    w.run()
    assert [bytes(w.client.heard[stream].body) for stream in (*streams, new)] == [b"old", b"old", b"new", b"new"]
    first, second = w.driver.servers
    assert first in w.driver.closed and second not in w.driver.closed and rows(w) == []


def test_a_client_that_goes_away_is_served_to_the_end() -> None:
    w = world()
    stream = w.client.ask()
    w.run()
    w.driver.says(frame(7, 0, 0, bytes(8)))
    w.server.answer(1, [], b"late")
    w.run()
    assert w.client.heard[stream].body == b"late"


# --- limits and windows -------------------------------------------------------------------------------------------


def test_requests_above_the_servers_limit_wait_their_turn() -> None:
    w = world(server_settings={3: 2, 4: 65535})
    w.client.ask()
    w.run()
    w.server.answer(1)
    w.run()
    streams = [w.client.ask(path=b"/%d" % n) for n in range(5)]
    w.run()
    assert [len(w.server.heard), len(w.servers)] == [3, 1]
    for number in (3, 5, 7, 9, 11):
        w.server.answer(number, [], b"x")
        w.run()
    assert all(w.client.heard[stream].has_ended for stream in streams) and rows(w) == []


def test_who_waits_for_a_turn_and_leaves_is_forgotten() -> None:
    w = world(server_settings={3: 1, 4: 65535})
    w.client.ask()
    w.run()
    stopped = [w.client.ask(b"POST", body=b"x" * 100_000, ends=False) for _ in range(2)]
    w.run()
    w.client.reset(stopped[0])
    w.run()
    w.server.answer(1)
    w.run()
    assert sorted(w.server.heard) == [1, 3] and w.server.heard[3].body == b"x" * 100_000


def test_more_streams_than_we_allow_are_refused() -> None:
    w = world(decide=lambda hook: None)
    client = loose_client(w)
    for _ in range(MAX_STREAMS + 3):
        client.ask()
    w.run()
    assert [stream for stream, heard in client.heard.items() if heard.reset == 7] == [2 * MAX_STREAMS + n for n in (1, 3, 5)]
    assert client.goaway is None and len(w.driver.flows) == MAX_STREAMS


def test_a_held_upload_stalls_itself_alone() -> None:
    def decide(hook: Hook) -> Verdict | None:
        return None if isinstance(hook, RequestHead) and hook.flow.request.target == b"/held" else FORWARD

    w = world(decide=decide)
    body = b"x" * 3_000_000
    held = w.client.ask(b"PUT", b"/held", body=body)
    fine = w.client.ask(b"PUT", b"/fine", body=body)
    w.run()
    assert w.server.heard[1].body == body and w.server.heard[1].has_ended
    assert w.client.h2.local_flow_control_window(held) == 0
    [ask] = w.driver.held()
    exchange = ask.asker.conversation  # type: ignore[attr-defined]
    assert exchange._from_client.mark.held <= STREAM_WINDOW + MARK
    w.server.answer(1)
    w.driver.answer(ask, FORWARD)
    w.run()
    assert w.server.heard[3].body == body and fine == 3 and rows(w) == []


def test_a_slow_client_stalls_its_own_response_alone() -> None:
    w = world(reads=False)
    slow, other = w.client.ask(), w.client.ask()
    w.run()
    body = b"y" * 2_000_000
    w.server.answer(1, [], body)
    w.run()
    assert len(w.client.heard[slow].body) == 65_535
    assert len(w.driver.flows[0].response.body.read()) < STREAM_WINDOW + 400_000  # type: ignore[attr-defined]
    assert w.server.h2.local_flow_control_window(1) == 0, "the server is made to wait"
    w.client.read_on()
    w.server.answer(3, [], b"z")
    w.run()
    assert w.client.heard[slow].body == body and w.client.heard[other].body == b"z"


def test_streams_that_the_connections_window_stops_take_turns() -> None:
    w = world(reads=False)
    streams = [w.client.ask() for _ in range(4)]
    w.run()
    for stream in (1, 3, 5, 7):
        w.server.answer(stream, [], b"y" * 60_000)
    w.run()
    for _ in range(12):
        for stream in w.client.unread.copy():
            w.client.h2.acknowledge_received_data(w.client.unread.pop(stream), stream)
        w.run()
    assert all(w.client.heard[stream].has_ended for stream in streams)


def test_a_congested_connection_takes_no_more_data() -> None:
    w = world()
    w.client.ask()
    w.run()
    w.driver.run(Congested(w.driver.client))
    w.server.answer(1, [], b"y" * 500_000)
    w.run()
    assert len(w.client.heard[1].body) == 0
    w.driver.run(Drained(w.driver.client))
    w.run()
    assert len(w.client.heard[1].body) == 500_000


def test_a_large_upload_is_given_larger_windows() -> None:
    w = world()
    stream = w.client.ask(b"PUT", body=b"", ends=False)
    w.run()
    for _ in range(40):
        w.client.say(stream, b"x" * 200_000)
        w.run()
    assert w.client.h2.streams[stream].outbound_flow_control_window > 2 * STREAM_WINDOW
    assert len(w.server.heard[1].body) == 8_000_000


# --- time ---------------------------------------------------------------------------------------------------------


def test_pings_keep_a_silent_server() -> None:
    w = world(http2_ping_keepalive=20)
    w.client.ask()
    w.run()
    w.driver.advance(50)
    w.run()
    assert w.server.pings == 2
    off = world(http2_ping_keepalive=0)
    off.client.ask()
    off.run()
    off.driver.advance(500)
    off.run()
    assert off.server.pings == 0


def test_an_idle_client_is_told_to_go() -> None:
    w = world(tcp_timeout=30)
    w.client.ask()
    w.run()
    w.driver.advance(100)
    assert w.driver.client not in w.driver.closed, "a request runs"
    w.server.answer(1)
    w.run()
    w.driver.advance(31)
    w.run()
    assert w.client.goaway is not None and w.client.goaway.error_code == 0 and w.driver.client in w.driver.closed


def test_a_head_that_never_ends() -> None:
    driver = PaperDriver()
    driver.says(PREFACE + SETTINGS + frame(1, 0, 1, b"\x82"))
    driver.advance(61)
    assert driver.client in driver.closed and "header_timeout" in driver.errors()[0]


# --- what ends a connection ---------------------------------------------------------------------------------------

LONG = frame(1, 0, 1, b"\x82") + frame(9, 0, 1, b"\x84") * 70
BOMB = frame(1, 4, 1, b"\x82\x40\x01a\x7f\x81\x1e" + b"b" * 4000 + b"\xbe" * 12_000)
FATAL: list[tuple[bytes, int, str]] = [
    (b"\0\x40\x01\0\0\0\0\0\x01", 6, "a frame of 16385 bytes"),
    (frame(0, 0, 0, b"x"), 1, ""),
    (frame(0, 0, 1, b"x"), 1, ""),
    (frame(1, 4, 2, b"\x82"), 1, ""),
    (frame(1, 0, 1, b"\x82") + frame(6, 0, 0, bytes(8)), 1, "another frame within a header block"),
    (frame(1, 4, 1, b"\xff\xff\xff\xff"), 9, "header block"),
    (LONG, 11, "CONTINUATION"),
    (BOMB, 11, "header block"),
    (frame(5, 4, 1, bytes(5)), 1, "pushed"),
    (frame(7, 0, 0, b"x"), 6, "GOAWAY"),
    (frame(4, 0, 0, b"\0\4\xff\xff\xff\xff"), 3, ""),
    (frame(4, 0, 0, b"\0\5\0\0\0\1"), 1, ""),
    (frame(8, 0, 0, bytes(4)), 1, ""),
    (frame(8, 0, 0, b"\x7f\xff\xff\xff"), 3, ""),
    (frame(3, 0, 9, bytes(4)), 1, ""),
    (frame(9, 4, 1, b"\x82"), 1, ""),
    (frame(6, 0, 0, bytes(8)) * 600, 11, "PING"),
    (frame(4, 0, 0) * 200, 11, "SETTINGS"),
    (frame(2, 0, 1, bytes(5)) * 5000, 11, "carry nothing"),
    (frame(99, 0, 1, b"") * 5000, 11, "carry nothing"),
]


@pytest.mark.parametrize(("said", "code", "reason"), FATAL, ids=[f"{index} {what[2]}" for index, what in enumerate(FATAL)])
def test_what_ends_a_connection(said: bytes, code: int, reason: str) -> None:
    driver = PaperDriver()
    driver.says(PREFACE + SETTINGS + said)
    sent = driver.sent(driver.client)
    assert driver.client in driver.closed and driver.is_over
    peer = Http2Peer(is_client=True)
    peer.feed(sent)
    assert peer.goaway is not None and int(peer.goaway.error_code) == code, driver.errors()
    assert reason in driver.errors()[-1] and driver.errors()[-1].startswith("The client's HTTP/2 connection was closed: ")


def test_a_flood_of_resets() -> None:
    w = world(REGULAR, speaks_http2=False)
    client = loose_client(w)
    for _ in range(700):
        client.reset(client.ask())
    w.run()
    assert client.goaway is not None and int(client.goaway.error_code) == 11
    assert w.driver.is_over and "a flood of streams that are reset" in rows(w)[-1]
    assert len(w.driver.flows) < 600


def test_a_flood_of_empty_data() -> None:
    w = world()
    w.client.ask(b"POST", ends=False, body=b"x")
    w.run()
    w.driver.says(frame(0, 0, 1) * 600)
    w.run()
    assert w.client.goaway is not None and int(w.client.goaway.error_code) == 11


def test_a_flood_from_a_server() -> None:
    w = world()
    stream = w.client.ask()
    w.run()
    w.driver.says(frame(6, 0, 0, bytes(8)) * 600, w.driver.server)
    w.run()
    heard = w.client.heard[stream]
    assert heard.status == 502 and b"a flood of PING frames" in heard.body and w.driver.server in w.driver.closed
    assert w.driver.client not in w.driver.closed


def test_frames_that_mean_nothing_here_do_no_harm() -> None:
    w = world()
    stream = w.client.ask()
    w.run()
    altsvc = b"\0\0" + b'h2="alt.test:443"'
    strange = frame(10, 0, 1, altsvc) + frame(12, 0, 0, b"") + frame(2, 0, 1, b"\0\0\0\1\0") + frame(42, 9, 7)
    w.driver.says(strange, w.driver.server)
    w.driver.says(frame(2, 0, 1, b"\0\0\0\1\0") + frame(16, 0, 0, b"\0\0\0\1u=3"))
    w.server.answer(1, [], b"x")
    w.run()
    assert w.client.heard[stream].body == b"x"


def test_priority_in_a_head_is_dropped() -> None:
    w = world()
    client = loose_client(w)
    raw = client.h2.encoder.encode(PSEUDO)
    on_itself = frame(1, 0x24 | 1, 1, b"\0\0\0\1\0" + raw)
    padded = frame(1, 0x2C | 1, 3, b"\3" + b"\0\0\0\0\7" + raw + bytes(3))
    w.driver.says(client.take() + on_itself + padded)
    w.run()
    assert sorted(w.server.heard) == [1, 3]


def test_a_settings_frame_cannot_make_our_compression_large() -> None:
    w = world()
    w.driver.says(w.client.take() + frame(4, 0, 0, b"\0\1\x7f\xff\xff\xff"))
    w.client.ask()
    w.run()
    codec = w.driver.stack.pipes[w.driver.client].head
    assert codec.engine._h2.encoder.header_table_size == 64 * 1024  # type: ignore[attr-defined]


def test_http2_can_be_switched_off() -> None:
    driver = PaperDriver(TO_H2C, world(http2=False).driver.assembly._settings)
    driver.says(PREFACE + SETTINGS)
    assert not [ask for ask in driver.asked if isinstance(ask, RunHook)] and driver.client not in driver.paused
    assert all(flow.kind == "tcp" for flow in driver.flows)


def test_a_response_hold_leaves_the_other_streams_alone() -> None:
    w = world(decide=lambda hook: None if isinstance(hook, ResponseHead) and hook.flow.id == 1 else FORWARD)
    streams = [w.client.ask() for _ in range(100)]
    w.run()
    for stream in streams:
        w.server.answer(stream, [], b"x" * 1000)
    w.run()
    assert [stream for stream in streams if stream not in w.client.heard] == [1]
    w.driver.answer(w.driver.held()[0], FORWARD)
    w.run()
    assert all(w.client.heard[stream].has_ended for stream in streams)
