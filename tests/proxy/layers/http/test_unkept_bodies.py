"""`store_streamed_bodies` off: of bodies that stream as they are large, or because a script says so, the size alone is kept."""

from __future__ import annotations

import pytest

from interceptor.model.body import MemoryBody, UnkeptBody, passed_size
from interceptor.model.hooks import FORWARD, Collect, Forward, Hook, RequestHead, ResponseHead, Verdict
from interceptor.model.http import Message
from interceptor.model.records import BodyData, FlowChanged
from tests.support.paper_driver import PaperDriver, paper_settings

HOST = b"HTTP/1.1\r\nHost: a.test\r\n"
GET = b"GET http://a.test/x " + HOST + b"\r\n"
PIECE = b"0123456789" * 10


def off(most: int | None = 250, **others: object) -> PaperDriver:
    return PaperDriver(settings=paper_settings(store_streamed_bodies=False, stream_large_bodies=most, **others))


def with_length(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def assert_unkept(message: Message | None, size: int) -> None:
    assert message is not None
    assert isinstance(message.body, UnkeptBody) and message.body.passed == passed_size(message.body) == size
    assert (message.body.size, message.body.read(), message.body.is_truncated) == (0, b"", True)


def test_a_body_that_announces_more_passes_and_is_not_kept() -> None:
    driver = off()
    driver.says(GET)
    driver.says(with_length(300), driver.server)
    for _ in range(3):
        driver.says(PIECE, driver.server)
    assert driver.sent(driver.client) == with_length(300) + PIECE * 3
    assert not any(isinstance(record, BodyData) for record in driver.records), "not a byte is recorded first"
    assert_unkept(driver.http.response, 300)
    assert driver.errors() == [""]


def test_one_that_turns_out_to_be_larger_is_forgotten_from_there_on() -> None:
    driver = off()
    driver.says(GET)
    driver.says(CHUNKED + chunk(PIECE) + chunk(PIECE), driver.server)
    assert driver.http.response is not None
    assert driver.http.response.body.read() == PIECE * 2
    driver.says(chunk(PIECE), driver.server)
    assert_unkept(driver.http.response, 300)
    seen = sum(isinstance(record, FlowChanged) for record in driver.records)
    driver.says(chunk(PIECE), driver.server)
    assert_unkept(driver.http.response, 400)
    assert sum(isinstance(record, FlowChanged) for record in driver.records) == seen + 1, "its growth is told"
    driver.says(b"0\r\n\r\n", driver.server)
    assert driver.sent(driver.client).count(PIECE[:10]) == 40 and driver.errors() == [""]


@pytest.mark.parametrize(("most", "size"), [(250, 200), (250, 250), (None, 5000)])
def test_what_is_not_large_is_kept(most: int | None, size: int) -> None:
    """Without stream_large_bodies nothing is: bodies stream, and are recorded as they pass."""
    driver = off(most)
    driver.says(GET)
    driver.says(with_length(size) + b"x" * size, driver.server)
    assert driver.http.response is not None
    assert driver.http.response.body.read() == b"x" * size and type(driver.http.response.body) is MemoryBody


def test_requests_likewise_and_what_was_received_is_not_kept_behind_the_edit_either() -> None:
    def edits_the_head(hook: Hook) -> Verdict:
        if isinstance(hook, RequestHead):
            hook.flow.backup()
            hook.flow.request.headers["X-New"] = "1"
        return FORWARD

    driver = off()
    driver.decide = edits_the_head
    driver.says(b"POST http://a.test/x " + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(PIECE) * 2)
    driver.says(chunk(PIECE) * 2 + b"0\r\n\r\n")
    assert driver.sent(driver.server).count(PIECE[:10]) == 40
    flow = driver.http
    assert_unkept(flow.request, 400)
    assert flow.original is not None
    assert_unkept(flow.original[0], 400)


@pytest.mark.parametrize("most", [None, 250])
def test_what_a_script_streams_is_not_kept_whatever_its_size(most: int | None) -> None:
    driver = off(most)
    driver.decide = lambda hook: Forward(Collect.STREAM) if isinstance(hook, (RequestHead, ResponseHead)) else FORWARD
    driver.says(b"POST http://a.test/x " + HOST + b"Content-Length: 6\r\n\r\nabcdef")
    driver.says(with_length(2) + b"ok", driver.server)
    assert_unkept(driver.http.request, 6)
    assert_unkept(driver.http.response, 2)
    assert driver.sent(driver.client) == with_length(2) + b"ok"


def test_what_a_rule_wants_whole_is_kept_unless_it_is_larger() -> None:
    driver = off()
    driver.decide = lambda hook: Forward(Collect.WHOLE) if isinstance(hook, ResponseHead) else FORWARD
    driver.says(GET)
    driver.says(CHUNKED + chunk(PIECE) * 2 + b"0\r\n\r\n", driver.server)
    assert driver.http.response is not None and driver.http.response.body.read() == PIECE * 2
    driver.sent(driver.client)
    driver.says(GET)
    driver.says(CHUNKED + chunk(PIECE) * 3, driver.server)
    driver.says(chunk(PIECE) + b"0\r\n\r\n", driver.server)
    _, _, body = driver.sent(driver.client).partition(b"\r\n\r\n")
    assert body.count(PIECE[:10]) == 40, "what was collected until it was too large is sent, too"
    assert_unkept(driver.http.response, 400)


def test_the_limit_of_bodies_counts_what_is_not_kept() -> None:
    driver = off(body_size_limit=350)
    driver.says(GET)
    driver.says(CHUNKED + chunk(PIECE) * 3, driver.server)
    assert driver.errors() == []
    driver.says(chunk(PIECE), driver.server)
    assert driver.errors() == ["The body is larger than body_size_limit."]


def test_on_it_changes_nothing() -> None:
    driver = PaperDriver(settings=paper_settings(stream_large_bodies=250))
    driver.says(GET)
    driver.says(with_length(300) + PIECE * 3, driver.server)
    assert driver.http.response is not None and driver.http.response.body.read() == PIECE * 3
