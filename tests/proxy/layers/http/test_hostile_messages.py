"""What costs its sender little and could cost us much: refused or bounded at once, and the row says by which bytes."""

from __future__ import annotations

import time

import pytest

from interceptor.model.flow import TcpFlow
from interceptor.model.hooks import FORWARD, Hook, RequestHead, Respond, Verdict
from interceptor.model.http import Message, Response
from interceptor.model.records import BodyData
from interceptor.proxy.core.effects import ResumeReading
from interceptor.proxy.core.events import Congested, Drained
from interceptor.proxy.layers.http.head_scan import HeadError, read_request_head, read_status_head
from interceptor.proxy.layers.http.http1_bodies import CHUNKS_AT_ONCE, LINE_LIMIT, SECTION_LIMIT, ChunkedBody, take_unread
from interceptor.proxy.layers.http.http1_upstream import INFORMATIONAL_LIMIT
from tests.support.paper_driver import PaperDriver, paper_settings

GET = b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
PATIENCE = 5.0
"""Seconds in which what is measured below would be done many times over; without its bound it takes minutes."""


# --- heads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t"])
@pytest.mark.parametrize("end", [b"\x00\r\n", b"\n", b"\x7f", b"\r\r\n"])
def test_a_line_of_blanks_that_ends_badly_is_refused_at_once(blank: bytes, end: bytes) -> None:
    line = b"A:" + blank * (100_000 // len(blank)) + end
    started = time.process_time()
    for read, first in ((read_request_head, b"GET / HTTP/1.1\r\nHost: a\r\n"), (read_status_head, b"HTTP/1.1 200 OK\r\n")):
        with pytest.raises(HeadError):
            read(first + line + b"\r\n\r\n", 1000)  # type: ignore[operator]
    assert time.process_time() - started < PATIENCE


def test_a_line_of_megabytes_is_refused_at_the_limit() -> None:
    driver = PaperDriver()
    driver.says(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nA: ")
    pieces = 0
    while driver.client not in driver.closed and pieces < 800:
        driver.says(b"a" * 65536)
        pieces += 1
    assert pieces <= 5, "of 50 MB"
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 431 ")
    assert "header_size_limit" in driver.errors()[0] and "'aaaa" in driver.errors()[0]


def test_a_million_lines_are_refused_at_the_limit() -> None:
    driver = PaperDriver(settings=paper_settings(header_size_limit=8_000_000))
    driver.says(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n" + b"a:b\r\n" * 1_000_000 + b"\r\n")
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 431 ") and "header_count_limit" in driver.errors()[0]


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_thousands_of_empty_lines_before_a_request(step: int) -> None:
    few, many = PaperDriver(), PaperDriver()
    for driver, count in ((few, 1000), (many, 1001)):
        lines = b"\r\n" * count
        for start in range(0, len(lines), step):
            driver.says(lines[start : start + step])
        driver.says(GET)
    assert few.sent(few.server).startswith(b"GET /x") and not few.closed
    assert many.sent(many.client).startswith(b"HTTP/1.1 400 ") and "empty lines" in many.errors()[0]


def test_empty_lines_are_counted_for_each_request_anew() -> None:
    driver = PaperDriver()
    for _ in range(3):
        driver.says(b"\r\n" * 600 + GET)
        driver.says(OK, driver.server)
    assert len(driver.ended) == 3 and not driver.closed


# --- chunks ---------------------------------------------------------------------------------------------------


def test_chunks_of_a_byte_each_are_read_in_time() -> None:
    wire, reader, count = b"1\r\na\r\n" * 100_000, ChunkedBody(), 0
    started = time.process_time()
    while wire:
        body = reader.feed(wire)
        assert len(body) <= CHUNKS_AT_ONCE
        count += body.count(b"a")
        wire = take_unread(reader)
    assert count == 100_000 and time.process_time() - started < PATIENCE


@pytest.mark.parametrize("is_upload", [True, False])
def test_chunks_of_a_byte_each_take_many_turns_and_lose_nothing(is_upload: bool) -> None:
    chunks = b"1\r\na\r\n" * 5000 + b"0\r\nA: b\r\n\r\n"
    if is_upload:
        driver = PaperDriver()
        driver.says(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + GET)
        driver.says(OK, driver.server)
        driver.says(OK, driver.server)
        message: Message = driver.flows[0].request  # type: ignore[attr-defined]
    else:
        driver = asked()
        driver.says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, driver.server)
        assert driver.http.response is not None
        message = driver.http.response
    assert message.body.read() == b"a" * 5000 and message.trailers is not None
    assert driver.errors() == [""] * len(driver.flows) and not driver.closed
    records = [each for each in driver.records if isinstance(each, BodyData) and each.message is message]
    assert len(records) >= 5000 // CHUNKS_AT_ONCE


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"1;" + b"x" * 3_000_000, "before a chunk"),
        (b"1;%b\r\na\r\n" % (b"x" * 9000) * 300, "extensions"),
        (b"0\r\n" + b"A: b\r\n" * 500_000, "trailers"),
        (b"0\r\nA: " + b"b" * 3_000_000, "trailers"),
        (b"ffffffffffffffffff\r\na", "no chunk size"),
        (b"-1\r\na\r\n", "no chunk size"),
        (b"+1\r\na\r\n", "no chunk size"),
        (b"1;\x00\r\na\r\n", "no chunk size"),
        (b"1;" + b" " * 10_000 + b"\n\r\na\r\n", "no chunk size"),
        (b"1\r\nab\r\n", "does not end where its size says"),
    ],
)
@pytest.mark.parametrize("step", [1000, 100_000_000])
def test_chunk_framing_without_end_is_refused_at_the_limit(wire: bytes, reason: str, step: int) -> None:
    reader, fed = ChunkedBody(), 0
    with pytest.raises(HeadError, match=reason):
        for fed in range(0, len(wire), step):
            reader.feed(wire[fed : fed + step])
    assert fed <= SECTION_LIMIT + LINE_LIMIT + step


def test_the_place_of_a_bad_chunk_counts_from_the_bodys_first_byte() -> None:
    reader = ChunkedBody()
    reader.feed(b"5\r\nhel")
    with pytest.raises(HeadError, match="no chunk size at byte 10: 'zz'"):
        reader.feed(b"lo\r\nzz\r\n")


def test_a_chunk_of_any_size_takes_no_memory_of_its_own() -> None:
    driver = PaperDriver(settings=paper_settings(body_size_limit=1000))
    driver.says(POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n" + b"a" * 500)
    driver.says(b"b" * 501)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 413 ") and "body_size_limit" in driver.errors()[0]


# --- responses ------------------------------------------------------------------------------------------------


def asked(request: bytes = GET) -> PaperDriver:
    driver = PaperDriver()
    driver.says(request)
    driver.sent(driver.server)
    return driver


def test_informational_responses_without_end() -> None:
    driver = asked()
    driver.says(b"HTTP/1.1 102 Processing\r\n\r\n" * INFORMATIONAL_LIMIT, driver.server)
    assert driver.sent(driver.client).count(b" 102 ") == INFORMATIONAL_LIMIT and not driver.closed
    driver.says(b"HTTP/1.1 102 Processing\r\n\r\n" * 10_000, driver.server)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ") and driver.server in driver.closed
    assert "informational" in driver.errors()[0] and len(driver.http.informational) == INFORMATIONAL_LIMIT


@pytest.mark.parametrize("closes", [b"", b"Connection: close\r\n"])
@pytest.mark.parametrize("is_at_once", [True, False])
def test_a_response_to_a_request_that_nobody_sent_has_a_row(is_at_once: bool, closes: bytes) -> None:
    driver = asked()
    first = OK.replace(b"\r\n\r\n", b"\r\n%b\r\n" % closes)
    for piece in [first + OK] if is_at_once else [first, OK]:
        driver.says(piece, driver.server)
    assert driver.sent(driver.client) == first, "the client gets none of it"
    assert driver.server in driver.closed
    told = [each.error.message for each in driver.ended if isinstance(each, TcpFlow) and each.error]
    if is_at_once or not closes:
        assert len(told) == 1 and "nobody asked for" in told[0] and "HTTP/1.1 200 OK" in told[0]
    assert driver.http.error is None


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_body_where_there_is_none_is_no_answer_to_the_next_request(method: bytes) -> None:
    driver = asked(GET.replace(b"GET", method))
    status = b"304 Not Modified" if method == b"GET" else b"200 OK"
    driver.says(b"HTTP/1.1 %b\r\nContent-Length: 38\r\n\r\n" % status + OK, driver.server)
    driver.says(GET)
    assert len(driver.servers) == 2 and driver.servers[0] in driver.closed
    assert any("nobody asked for" in error for error in driver.errors())


def test_a_line_end_behind_a_response_has_no_row() -> None:
    driver = asked()
    driver.says(OK + b"\r\n", driver.server)
    assert driver.server in driver.closed and driver.errors() == [""]


@pytest.mark.parametrize(("fields", "is_abrupt"), [(b"", True), (b"Content-Length: 9\r\n", False)])
def test_a_client_can_tell_that_a_response_was_cut_off(fields: bytes, is_abrupt: bool) -> None:
    """If nothing but the end of the connection says where it ends, an orderly end would say that it is complete."""
    driver = asked()
    driver.says(b"HTTP/1.1 200 OK\r\n%b\r\nhalf" % fields, driver.server)
    driver.vanishes(driver.server, "connection reset by peer")
    closes = [effect for effect in driver.order if getattr(effect, "connection", None) is driver.client]
    assert getattr(closes[-1], "is_abrupt", None) is is_abrupt and "reset" in driver.errors()[0]


# --- clients that do not read, and that do not go on ------------------------------------------------------------


def refuse(hook: Hook) -> Verdict | None:
    return Respond(Response(200, b"OK")) if isinstance(hook, RequestHead) else FORWARD


def test_who_does_not_read_answers_gets_no_more_of_them() -> None:
    driver = PaperDriver(decide=refuse)
    driver.says(GET)
    driver.run(Congested(driver.client))
    driver.sent(driver.client)
    for _ in range(10):
        driver.says(GET * 200)
    assert driver.sent(driver.client) == b"" and driver.client in driver.paused
    driver.run(Drained(driver.client))
    assert driver.sent(driver.client).count(b"HTTP/1.1 200 OK\r\n") == 2000 and not driver.paused


@pytest.mark.parametrize("framing", [b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"])
def test_a_body_that_does_not_go_on(framing: bytes) -> None:
    driver = PaperDriver(settings=paper_settings(tcp_timeout=600))
    driver.says(POST + framing)
    driver.advance(599)
    driver.says(b"1" if b"chunked" in framing else b"d")
    driver.advance(599)
    assert not driver.closed
    driver.advance(3)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 400 ")
    assert driver.client in driver.closed and driver.server in driver.closed and "tcp_timeout" in driver.errors()[0]


def test_a_body_that_was_told_to_wait_may_be_late() -> None:
    expecting = PaperDriver(settings=paper_settings(tcp_timeout=600))
    expecting.says(POST + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n")
    expecting.advance(2000)
    assert not expecting.closed, "nobody has told it to go on"
    paused = PaperDriver(settings=paper_settings(tcp_timeout=600))
    paused.says(POST + b"Content-Length: 1000000\r\n\r\n")
    paused.run(Congested(paused.server))
    paused.says(b"x" * 100_000)
    assert paused.client in paused.paused
    paused.advance(2000)
    assert not paused.closed


def test_pipelined_requests_without_end_are_read_as_they_are_answered() -> None:
    driver = PaperDriver()
    for _ in range(100):
        driver.says(GET * 300)
    held = driver.stack.pipes[driver.client].head._held  # type: ignore[attr-defined]
    most = 64 * 1024 + 300 * len(GET)
    for _ in range(1000):
        assert len(held) <= most
        driver.says(OK, driver.server)
    assert len(driver.ended) == 1000 and driver.client in driver.paused
    resumed = sum(isinstance(effect, ResumeReading) for effect in driver.order)
    assert resumed <= 1000 * len(GET) // (3 * 16 * 1024) + 1, "not once for each request"
