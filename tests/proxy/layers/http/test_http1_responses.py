"""Responses as servers send them: every framing, informational ones, switches of protocol, and what is malformed."""

from __future__ import annotations

import pytest

from interceptor.proxy.core.events import Congested, Drained
from tests.support.paper_driver import PaperDriver, paper_settings

HOST = b"HTTP/1.1\r\nHost: a.test\r\n"


def asked(method: bytes = b"GET", fields: bytes = b"", **settings: object) -> PaperDriver:
    """The server has been asked."""
    driver = PaperDriver(settings=paper_settings(**settings))
    driver.says(b"%b http://a.test/ %b%b\r\n" % (method, HOST, fields))
    driver.sent(driver.server)
    return driver


def passed(driver: PaperDriver, *pieces: bytes) -> bytes:
    """What the client gets when the server says this."""
    for piece in pieces:
        driver.says(piece, driver.server)
    return driver.sent(driver.client)


SAME = [
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n"),
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA:\r\nA: b\r\na: c\r\n\r\nhi".replace(b"A:\r", b"A: \r")),
    (b"GET", b"HTTP/1.1 418 \xc3\x9cber\r\nContent-Length: 0\r\n\r\n"),
    (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"),
    (b"GET", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (b"HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
]


@pytest.mark.parametrize(("method", "response"), SAME)
def test_it_is_passed_on_as_it_is_and_both_connections_are_kept(method: bytes, response: bytes) -> None:
    driver = asked(method)
    assert passed(driver, response) == response
    assert driver.errors() == [""] and not driver.closed
    assert driver.http.response is not None and driver.http.response.timestamp_end is not None
    driver.says(b"GET http://a.test/2 " + HOST + b"\r\n")
    assert len(driver.servers) == 1 and driver.sent(driver.server).startswith(b"GET /2")


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_body_until_the_connection_ends(is_reset: bool) -> None:
    driver = asked()
    assert passed(driver, b"HTTP/1.1 200 OK\r\n\r\nab", b"cd") == b"HTTP/1.1 200 OK\r\n\r\nabcd"
    if is_reset:
        driver.vanishes(driver.server, "connection reset by peer")
        assert "before the response was complete (connection reset by peer)" in driver.errors()[0]
    else:
        driver.ends(driver.server)
        assert driver.errors() == [""]
    assert driver.client in driver.closed and driver.server in driver.closed


def test_a_server_that_closes_after_its_answer() -> None:
    driver = asked()
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    assert passed(driver, response) == response
    assert driver.client in driver.closed and driver.server in driver.closed and driver.errors() == [""]


def test_an_old_server_is_not_kept_but_its_client_is() -> None:
    driver = asked()
    passed(driver, b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    assert driver.server in driver.closed and driver.client not in driver.closed
    assert driver.http.response is not None and driver.http.response.http_version == "HTTP/1.0"


def test_informational_responses_are_passed_on() -> None:
    driver = asked()
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert passed(driver, b"HTTP/1.1 102 Processing\r\n\r\n", early + early[:9]) == b"HTTP/1.1 102 Processing\r\n\r\n" + early
    assert passed(driver, early[9:]) == early
    assert passed(driver, b"HTTP/1.1 100 Continue\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    passed(driver, b"HTTP/1.1 204 No Content\r\n\r\n")
    assert [response.status_code for response in driver.http.informational] == [102, 103, 103, 100]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "LF without CR"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi", "not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi", "together"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\nhi", "white space"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "header_count_limit"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 4000, "header_size_limit"),
    ],
)
def test_a_malformed_response_is_a_502(response: bytes, reason: str) -> None:
    driver = asked(header_size_limit=2000, header_count_limit=100)
    got = passed(driver, response)
    assert got.startswith(b"HTTP/1.1 502 Bad Gateway\r\n") and got.count(b"\r\nContent-Type:") == 1
    assert "The server's response is malformed" in driver.errors()[0] and reason in driver.errors()[0]
    assert driver.server in driver.closed and driver.client not in driver.closed
    assert driver.http.response is None


def test_a_malformed_chunk_breaks_the_response_off() -> None:
    driver = asked()
    passed(driver, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"zz\r\n")
    assert "malformed chunked body: no chunk size at byte 8" in driver.errors()[0]
    assert driver.client in driver.closed and driver.server in driver.closed


def test_bytes_behind_a_response_spoil_its_connection() -> None:
    driver = asked()
    assert passed(driver, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n").endswith(b"hi")
    assert driver.server in driver.closed and driver.http.error is None
    assert any("'HTTP/1.1 200 OK" in error for error in driver.errors()), "they have a row of their own"
    driver = asked()
    passed(driver, b"HTTP/1.1 204 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n")
    assert driver.server in driver.closed and driver.client not in driver.closed


def test_a_slow_client_pauses_the_server() -> None:
    driver = asked()
    driver.says(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", driver.server)
    driver.sent(driver.client)
    driver.run(Congested(driver.client))
    for _ in range(12):
        driver.says(b"x" * 16384, driver.server)
    assert driver.server in driver.paused and driver.sent(driver.client) == b""
    driver.run(Drained(driver.client))
    assert driver.server not in driver.paused
    driver.says(b"x" * (200000 - 12 * 16384), driver.server)
    assert driver.sent(driver.client) == b"x" * 200000 and driver.errors() == [""]


def test_a_body_above_the_limit() -> None:
    driver = asked(body_size_limit=10)
    assert passed(driver, b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n").startswith(b"HTTP/1.1 502 ")
    assert driver.server in driver.closed and "body_size_limit" in driver.errors()[0]
    driver = asked(body_size_limit=10)
    passed(driver, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"a\r\n0123456789\r\n", b"1\r\nx\r\n")
    assert driver.client in driver.closed and driver.server in driver.closed and "body_size_limit" in driver.errors()[0]
    driver = asked(b"HEAD", body_size_limit=10)
    assert passed(driver, b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n").startswith(b"HTTP/1.1 200 ")


# --- switching protocols --------------------------------------------------------------------------------------

UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tlog/2\r\n\r\n"


def test_after_101_bytes_pass_both_ways_also_those_that_were_early() -> None:
    driver = asked(fields=UPGRADE)
    driver.says(b"client early")
    assert driver.sent(driver.server) == b""
    assert passed(driver, SWITCHING + b"server early") == SWITCHING + b"server early"
    assert driver.sent(driver.server) == b"client early"
    assert passed(driver, b"more") == b"more"
    driver.says(b"more")
    assert driver.sent(driver.server) == b"more"
    assert driver.flows[0] is driver.http and driver.http.is_upgraded and not driver.http.is_live
    assert driver.messages(from_client=True) == b"client earlymore"
    assert driver.messages(from_client=False) == b"server earlymore"
    driver.ends(driver.client)
    assert driver.server in driver.half_closed
    driver.ends(driver.server)
    assert driver.errors() == ["", ""] and not driver.ended_by_driver


def test_much_that_is_early_pauses_both_and_is_let_go_by_the_switch() -> None:
    driver = asked(fields=UPGRADE)
    for _ in range(6):
        driver.says(b"c" * 16384)
    assert driver.client in driver.paused
    got = passed(driver, SWITCHING + b"s" * 70000)
    assert got == SWITCHING + b"s" * 70000
    assert driver.sent(driver.server) == b"c" * 6 * 16384
    assert not driver.paused, "nothing waits any more"


def test_a_server_that_does_not_switch() -> None:
    driver = asked(fields=UPGRADE)
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    assert passed(driver, response) == response
    driver.says(b"GET http://a.test/ " + HOST + b"\r\n")
    passed(driver, response)
    assert driver.errors() == ["", ""] and not driver.http.is_upgraded


# --- answers before the request is complete ---------------------------------------------------------------------


def uploading() -> PaperDriver:
    driver = asked(b"POST", b"Content-Length: 1000\r\n")
    driver.says(b"x" * 100)
    return driver


def test_an_early_answer_is_passed_on_while_the_upload_goes_on() -> None:
    driver = uploading()
    response = b"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno"
    assert passed(driver, response) == response
    driver.says(b"x" * 900)
    assert driver.sent(driver.server) == b"x" * 1000
    assert driver.errors() == [""] and not driver.closed


def test_an_early_answer_of_a_server_that_takes_no_more() -> None:
    driver = uploading()
    driver.run(Congested(driver.server))
    driver.says(b"x" * 800)
    passed(driver, b"HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    driver.vanishes(driver.server, "connection reset by peer")
    driver.says(b"x" * 100)
    assert driver.errors() == [""] and driver.client in driver.closed


def test_a_malformed_early_answer_of_a_server_that_takes_no_more() -> None:
    driver = uploading()
    driver.run(Congested(driver.server))
    driver.says(b"x" * 800)
    assert passed(driver, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 502 ")
    driver.says(b"x" * 100)
    assert "malformed" in driver.errors()[0] and not driver.ended_by_driver
