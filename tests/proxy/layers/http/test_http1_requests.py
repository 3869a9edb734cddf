"""Requests as clients send them: kept connections, pipelining, old versions, every form of target, and what is refused."""

from __future__ import annotations

import pytest

from interceptor.model.connection import Origin
from interceptor.proxy.asks import ConnectFailed
from interceptor.proxy.core.events import Congested, Drained
from interceptor.proxy.ingress import Ingress
from tests.support.paper_driver import PaperDriver, paper_settings, reverse

GET = b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
TUNNELLED = Ingress("regular", Origin("tcp", "t.test", 80))


def answered(driver: PaperDriver, response: bytes = OK) -> bytes:
    """What the client gets when the server says this."""
    driver.says(response, driver.server)
    return driver.sent(driver.client)


def test_both_connections_are_kept_for_the_next_request() -> None:
    driver = PaperDriver()
    for path in (b"/1", b"/2", b"/3"):
        driver.says(b"GET http://a.test%b HTTP/1.1\r\nHost: a.test\r\n\r\n" % path)
        assert driver.sent(driver.server) == b"GET %b HTTP/1.1\r\nHost: a.test\r\n\r\n" % path
        assert answered(driver) == OK
    assert len(driver.servers) == 1 and not driver.closed
    assert driver.errors() == ["", "", ""]
    assert [flow.server for flow in driver.flows] == driver.servers * 3


def test_another_origin_gets_a_connection_of_its_own() -> None:
    driver = PaperDriver()
    driver.says(GET)
    answered(driver)
    driver.says(GET.replace(b"a.test", b"b.test"))
    assert [server.peer for server in driver.servers] == [("a.test", 80), ("b.test", 80)]


def test_pipelined_requests_are_answered_in_turn() -> None:
    driver = PaperDriver()
    driver.says(GET + GET.replace(b"/x", b"/y") + GET.replace(b"/x", b"/z")[:20])
    assert driver.sent(driver.server).startswith(b"GET /x ")
    assert answered(driver) == OK
    assert driver.sent(driver.server).startswith(b"GET /y ")
    driver.says(GET.replace(b"/x", b"/z")[20:])
    assert driver.sent(driver.server) == b"", "not before the second is answered"
    assert answered(driver) == OK
    assert driver.sent(driver.server).startswith(b"GET /z ")
    assert answered(driver) == OK
    assert len(driver.servers) == 1 and driver.errors() == ["", "", ""]


def test_pipelining_behind_a_body() -> None:
    driver = PaperDriver()
    post = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc"
    chunked = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    driver.says(post + chunked + GET)
    for ending in (b"\r\n\r\nabc", b"0\r\n\r\n", b"Host: a.test\r\n\r\n"):
        sent = driver.sent(driver.server)
        assert sent.endswith(ending) and sent.count(b"HTTP/1.1") == 1
        answered(driver)
    assert [flow.bytes_held() for flow in driver.flows] == [5, 5, 2]


def test_more_pipelined_bytes_than_the_mark_pause_the_client() -> None:
    driver = PaperDriver()
    driver.says(GET)
    for _ in range(5):
        driver.says(b"GET http://a.test/%b HTTP/1.1\r\nHost: a.test\r\n\r\n" % (b"p" * 16000))
    assert driver.client in driver.paused
    for _ in range(6):
        answered(driver)
    assert driver.client not in driver.paused and len(driver.ended) == 6


@pytest.mark.parametrize(
    ("request_fields", "response_fields", "is_kept"),
    [
        (b"", b"", False),
        (b"Connection: keep-alive\r\n", b"Connection: keep-alive\r\n", True),
        (b"Connection: Keep-Alive\r\n", b"", True),
        (b"Proxy-Connection: keep-alive\r\n", b"", True),
        (b"Connection: keep-alive\r\n", b"Connection: close\r\n", False),
        (b"Connection: close\r\n", b"", False),
    ],
)
def test_http_1_0(request_fields: bytes, response_fields: bytes, is_kept: bool) -> None:
    driver = PaperDriver()
    driver.says(b"GET http://a.test/ HTTP/1.0\r\nHost: a.test\r\n%b\r\n" % request_fields)
    assert driver.sent(driver.server).startswith(b"GET / HTTP/1.0\r\n")
    got = answered(driver, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\nhi" % response_fields)
    assert got.endswith(b"\r\n\r\nhi")
    assert (driver.client not in driver.closed) is is_kept
    if is_kept:
        assert b"keep-alive" in got, "an old client is told"
    assert driver.errors() == [""]


def test_http_1_0_gets_no_chunks_and_no_informational() -> None:
    driver = PaperDriver()
    driver.says(b"GET http://a.test/ HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
    answered(driver, b"HTTP/1.1 103 Early Hints\r\n\r\n")
    driver.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", driver.server)
    driver.says(b"3\r\nabc\r\n0\r\nX: y\r\n\r\n", driver.server)
    assert driver.sent(driver.client) == b"HTTP/1.1 200 OK\r\n\r\nabc"
    assert driver.client in driver.closed, "its end is the body's end"


def test_the_client_wants_to_close() -> None:
    driver = PaperDriver()
    driver.says(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
    assert b"Connection: close" in driver.sent(driver.server)
    assert answered(driver) == OK
    assert driver.client in driver.closed and driver.errors() == [""]


# --- targets --------------------------------------------------------------------------------------------------

TARGETS = [
    # what the client sends, what the server gets, whom it is sent to
    (b"GET http://a.test HTTP/1.1\r\nHost: a.test", b"GET / HTTP/1.1\r\nHost: a.test", ("a.test", 80)),
    (b"GET http://a.test?q HTTP/1.1\r\nHost: a.test", b"GET /?q HTTP/1.1\r\nHost: a.test", ("a.test", 80)),
    (b"GET HTTP://a.test:8/%7e/../\xff HTTP/1.1\r\nHost: a.test:8",
     b"GET /%7e/../\xff HTTP/1.1\r\nHost: a.test:8", ("a.test", 8)),
    (b"GET http://[::1]:8/ HTTP/1.1\r\nHost: [::1]:8", b"GET / HTTP/1.1\r\nHost: [::1]:8", ("::1", 8)),
    (b"GET http://a.test/ HTTP/1.1\r\nA: b\r\nHost: other.test", b"GET / HTTP/1.1\r\nA: b\r\nHost: a.test", ("a.test", 80)),
    (b"GET http://a.test/ HTTP/1.0\r\nA: b", b"GET / HTTP/1.0\r\nHost: a.test\r\nA: b", ("a.test", 80)),
    (b"GET http://u:p@a.test/ HTTP/1.1\r\nHost: a.test", b"GET / HTTP/1.1\r\nHost: a.test", ("a.test", 80)),
    (b"GET /p HTTP/1.1\r\nHost: a.test:81", b"GET /p HTTP/1.1\r\nHost: a.test:81", ("a.test", 81)),
    (b"GET /p HTTP/1.1\r\nHost: a.test", b"GET /p HTTP/1.1\r\nHost: a.test", ("a.test", 80)),
    (b"OPTIONS * HTTP/1.1\r\nHost: a.test", b"OPTIONS * HTTP/1.1\r\nHost: a.test", ("a.test", 80)),
    (b"OPTIONS http://a.test HTTP/1.1\r\nHost: a.test", b"OPTIONS * HTTP/1.1\r\nHost: a.test", ("a.test", 80)),
    (b"OPTIONS http://a.test/ HTTP/1.1\r\nHost: a.test", b"OPTIONS / HTTP/1.1\r\nHost: a.test", ("a.test", 80)),
    (b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nProxy-Connection: x", b"GET / HTTP/1.1\r\nHost: a.test", ("a.test", 80)),
    ("GET http://b\u00fccher.test/ HTTP/1.1\r\nHost: x".encode(), "GET / HTTP/1.1\r\nHost: b\u00fccher.test".encode(),
     ("xn--bcher-kva.test", 80)),
]  # fmt: skip


@pytest.mark.parametrize(("head", "sent", "peer"), TARGETS)
def test_a_request_to_the_proxy_goes_where_its_target_says(head: bytes, sent: bytes, peer: tuple[str, int]) -> None:
    driver = PaperDriver()
    driver.says(head + b"\r\n\r\n")
    assert driver.sent(driver.server) == sent + b"\r\n\r\n"
    assert driver.server.peer == peer


@pytest.mark.parametrize("strategy", [True, False])
def test_inside_of_a_tunnel_the_tunnel_says_where(strategy: bool) -> None:
    driver = PaperDriver(TUNNELLED, paper_settings(is_eager=strategy))
    driver.says(b"GET /p HTTP/1.1\r\nHost: other.test\r\n\r\n")
    assert driver.sent(driver.server) == b"GET /p HTTP/1.1\r\nHost: other.test\r\n\r\n"
    assert [server.peer for server in driver.servers] == [("t.test", 80)]
    answered(driver)
    driver.says(b"GET http://c.test/p HTTP/1.1\r\nHost: c.test\r\n\r\n")
    assert driver.sent(driver.server) == b"GET http://c.test/p HTTP/1.1\r\nHost: c.test\r\n\r\n", "to a proxy inside"
    assert len(driver.servers) == 1


def test_connect_inside_of_a_tunnel_is_for_the_proxy_inside() -> None:
    driver = PaperDriver(TUNNELLED)
    driver.says(b"CONNECT c.test:443 HTTP/1.1\r\nHost: c.test:443\r\n\r\nearly")
    assert driver.sent(driver.server) == b"CONNECT c.test:443 HTTP/1.1\r\nHost: c.test:443\r\n\r\n"
    assert driver.servers[0].peer == ("t.test", 80)
    assert answered(driver, b"HTTP/1.1 200 Fine\r\n\r\nbanner") == b"HTTP/1.1 200 Fine\r\n\r\nbanner"
    assert driver.sent(driver.server) == b"early"
    assert driver.http.is_upgraded and driver.tcp.is_live


def test_a_reverse_mode_says_where_and_corrects_the_host() -> None:
    driver = PaperDriver(reverse("http://o.test:8080"))
    driver.says(b"GET /p HTTP/1.1\r\nA: b\r\nhost: localhost\r\n\r\n")
    assert driver.sent(driver.server) == b"GET /p HTTP/1.1\r\nA: b\r\nhost: o.test:8080\r\n\r\n"
    kept = PaperDriver(reverse("http://o.test:8080"), paper_settings(keep_host_header=True))
    kept.says(b"GET /p HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert kept.sent(kept.server) == b"GET /p HTTP/1.1\r\nhost: localhost\r\n\r\n"


REFUSED = [
    (b"GET / HTTP/1.1\r\nA b: c\r\n\r\n", b"400", "not a field name at byte 16"),
    (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", b"400", "control character"),
    (b"GET / HTTP/1.1\nHost: a\n\n", b"400", "at byte 14"),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", b"505", "version"),
    (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", b"400", "neither a path nor"),
    (b"GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n", b"400", "not a host and port"),
    (b"GET http://a:99999/ HTTP/1.1\r\nHost: a\r\n\r\n", b"400", "not a host and port"),
    (b"GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n", b"400", "not a host and port"),
    (b"GET /p HTTP/1.0\r\n\r\n", b"400", "must name its destination"),
    (b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", b"400", "a port is missing"),
    (b"CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", b"400", "not a host and port"),
    (b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"501", "Transfer-Encoding"),
    (b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", b"400", "together"),
    (b"\x16\x02garbage\n\r\n\r\n", b"400", ""),
]


@pytest.mark.parametrize(("head", "status", "reason"), REFUSED)
def test_a_malformed_request_gets_a_page_and_a_row(head: bytes, status: bytes, reason: str) -> None:
    driver = PaperDriver()
    driver.says(head + b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n")
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 " + status)
    assert driver.client in driver.closed and not driver.servers
    assert len(driver.ended) == 1 and reason in driver.errors()[0]


def test_refused_once_and_nothing_more_is_read() -> None:
    driver = PaperDriver(TUNNELLED, dials=lambda address: None)
    driver.says(b"GET /p HTTP/1.1\r\nA b: c\r\n\r\n")
    driver.says(b"GET /p HTTP/1.1\r\nHost: a\r\n\r\n")  # both wait for the server, and are read in one turn
    driver.connected(driver.dialling())
    assert driver.sent(driver.client).count(b"HTTP/1.1 400 ") == 1 and len(driver.flows) == 1


# --- limits and time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_head_that_is_too_large(is_complete: bool) -> None:
    driver = PaperDriver(settings=paper_settings(header_size_limit=1000))
    head = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nA: %b\r\n" % (b"a" * 1000)
    driver.says(head + b"\r\n" * is_complete)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 431 ")
    assert "header_size_limit" in driver.errors()[0] and driver.client in driver.closed


def test_a_head_with_too_many_fields() -> None:
    driver = PaperDriver(settings=paper_settings(header_count_limit=5))
    driver.says(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n" + b"A: b\r\n" * 5 + b"\r\n")
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 431 ")


def test_a_head_that_takes_too_long() -> None:
    driver = PaperDriver(settings=paper_settings(header_timeout=60))
    for _ in range(5):
        driver.says(b"A")
        driver.advance(10)
    driver.advance(5)
    assert not driver.closed
    driver.advance(10)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 408 ")
    assert driver.client in driver.closed and "header_timeout" in driver.errors()[0]


def test_the_second_head_has_its_own_time() -> None:
    driver = PaperDriver(settings=paper_settings(header_timeout=60))
    driver.says(GET + GET[:10])
    driver.advance(100)
    answered(driver)
    driver.advance(59)
    assert not driver.closed, "it was not read before the first was answered"
    driver.advance(2)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 408 ")


def test_an_idle_client_is_closed_and_a_busy_one_is_not() -> None:
    driver = PaperDriver(settings=paper_settings(tcp_timeout=600))
    driver.says(GET)
    driver.advance(1000)
    assert not driver.closed, "an answer may take its time"
    answered(driver)
    driver.advance(2)
    assert driver.client in driver.closed and driver.errors() == [""]
    silent = PaperDriver(settings=paper_settings(tcp_timeout=600))
    silent.advance(601)
    assert silent.client in silent.closed and not silent.flows


def test_empty_lines_before_a_request_are_skipped() -> None:
    driver = PaperDriver()
    driver.says(b"\r\n")
    driver.says(b"\r\n\r\n" + GET)
    assert driver.sent(driver.server).startswith(b"GET /x")
    answered(driver)
    driver.advance(100)
    assert not driver.closed


# --- bodies ---------------------------------------------------------------------------------------------------

POST = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n"


def test_a_body_streams_as_it_comes() -> None:
    driver = PaperDriver()
    driver.says(POST + b"Content-Length: 6\r\n\r\nab")
    assert driver.sent(driver.server) == b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\n\r\nab"
    driver.says(b"cd")
    assert driver.sent(driver.server) == b"cd"
    driver.says(b"ef")
    assert driver.sent(driver.server) == b"ef"
    assert answered(driver) == OK
    assert driver.http.request.body.read() == b"abcdef" and driver.errors() == [""]
    assert driver.http.request.timestamp_end is not None


def test_a_chunked_body_with_trailers() -> None:
    driver = PaperDriver()
    driver.says(POST + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n")
    assert driver.sent(driver.server).endswith(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    driver.says(b"00\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n")
    assert driver.sent(driver.server) == b"0\r\nX-Sum: 1\r\nx-sum: 2\r\n\r\n"
    assert driver.http.request.trailers is not None and len(driver.http.request.trailers) == 2
    answered(driver)
    assert driver.errors() == [""] and not driver.closed


def test_a_malformed_chunk_ends_the_exchange() -> None:
    driver = PaperDriver()
    driver.says(POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    driver.says(b"zz\r\n" + GET)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 400 ")
    assert driver.client in driver.closed and driver.server in driver.closed
    assert "malformed chunked body: no chunk size at byte 8" in driver.errors()[0] and len(driver.flows) == 1


def test_a_slow_server_pauses_the_client() -> None:
    driver = PaperDriver()
    driver.says(POST + b"Content-Length: 200000\r\n\r\n")

    driver.sent(driver.server)
    driver.run(Congested(driver.server))
    for _ in range(12):
        driver.says(b"x" * 16384)
    assert driver.client in driver.paused and driver.sent(driver.server) == b""
    driver.run(Drained(driver.server))
    assert driver.client not in driver.paused
    driver.says(b"x" * (200000 - 12 * 16384))
    assert driver.sent(driver.server) == b"x" * 200000
    answered(driver)
    assert driver.errors() == [""]


@pytest.mark.parametrize("framing", [b"Content-Length: 11\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nb\r\n"])
def test_a_body_above_the_limit(framing: bytes) -> None:
    driver = PaperDriver(settings=paper_settings(body_size_limit=10))
    driver.says(POST + framing)
    driver.says(b"x" * 11)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 413 ")
    if framing.startswith(b"Transfer"):
        driver.says(b"\r\n0\r\n\r\n")
    else:
        assert not driver.servers, "an announced length is refused at once"
    assert driver.client in driver.closed, "the page says so"
    assert "body_size_limit" in driver.errors()[0]


# --- Expect: 100-continue -------------------------------------------------------------------------------------

EXPECTING = POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"


def test_a_client_that_waits_for_100_gets_the_servers() -> None:
    driver = PaperDriver()
    driver.says(EXPECTING)
    assert b"Expect: 100-continue" in driver.sent(driver.server)
    assert answered(driver, b"HTTP/1.1 100 Continue\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    driver.says(b"abc")
    assert driver.sent(driver.server) == b"abc"
    assert answered(driver) == OK
    assert [response.status_code for response in driver.http.informational] == [100]


def test_a_client_that_waits_for_100_and_a_server_that_is_not_there() -> None:

    driver = PaperDriver(dials=lambda address: ConnectFailed("a.test:80", "connect", "refused"))
    driver.says(EXPECTING)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")
    assert driver.client in driver.closed, "else the next request would be taken for the body"
    assert driver.errors() == ["a.test:80: connect: refused"]


def test_a_body_that_follows_a_refusal_is_read_and_the_connection_kept() -> None:

    driver = PaperDriver(dials=lambda address: ConnectFailed("a.test:80", "connect", "refused"))
    driver.says(POST + b"Content-Length: 3\r\n\r\na")
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")
    assert driver.ended == []
    driver.says(b"bc")
    assert len(driver.ended) == 1 and not driver.closed and driver.http.request.body.read() == b"abc"
    driver.says(GET)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")


@pytest.mark.parametrize("cut", [14, 15, 16, 17])
def test_a_head_may_be_split_at_its_line_ends(cut: int) -> None:
    head = b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n\r\n"
    assert head[14:16] == b"\r\n"
    driver = PaperDriver()
    for piece in (head[:cut], head[cut : cut + 1], head[cut + 1 : cut + 2], head[cut + 2 :]):
        driver.says(piece)
    assert driver.sent(driver.server) == head
    for piece in (OK[:17], OK[17:18], OK[18:]):
        driver.says(piece, driver.server)
    assert driver.sent(driver.client) == OK


def test_a_bare_line_feed_is_refused_as_soon_as_it_comes() -> None:
    for head in (b"GET / HTTP/1.1\r\nA: b\n", b"GET / HTTP/1.1\n"):
        driver = PaperDriver()
        for index in range(len(head)):
            assert not driver.closed
            driver.says(head[index : index + 1])
        assert driver.sent(driver.client).startswith(b"HTTP/1.1 400 ")
        assert f"LF without CR at byte {len(head) - 1}" in driver.errors()[0]
