"""Whoever leaves ends the exchange, at every stage: the other end is let go, asks are withdrawn, and the flow says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import FORWARD, Collect, Forward, Hook, RequestHead, RequestReady, ResponseHead, ResponseReady
from interceptor.proxy.asks import ConnectFailed
from interceptor.proxy.core.events import Congested
from tests.support.paper_driver import PaperDriver, paper_settings, reverse

GET = b"GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST http://a.test/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
LEFT = "The client closed the connection before the exchange was complete."


def holding(*kinds: type[Hook], collect: Collect = Collect.NO) -> Callable[[Hook], Forward | None]:
    return lambda hook: None if isinstance(hook, kinds) else Forward(collect=collect)


def at_request_head() -> PaperDriver:
    driver = PaperDriver(decide=holding(RequestHead))
    driver.says(GET)
    return driver


def at_request_head_with_a_body() -> PaperDriver:
    driver = PaperDriver(decide=holding(RequestHead))
    driver.says(POST + b"x" * 70000)
    assert driver.client in driver.paused
    return driver


def collecting_a_request() -> PaperDriver:
    driver = PaperDriver(decide=holding(RequestReady, collect=Collect.WHOLE))
    driver.says(POST + b"x" * 1000)
    return driver


def at_a_collected_request() -> PaperDriver:
    driver = PaperDriver(decide=holding(RequestReady, collect=Collect.FOR_HOLD))
    driver.says(POST + b"x" * 100000)
    assert driver.held(RequestReady)
    return driver


def dialling() -> PaperDriver:
    driver = PaperDriver(dials=lambda address: None)
    driver.says(GET)
    assert driver.dialling()
    return driver


def asked() -> PaperDriver:
    driver = PaperDriver()
    driver.says(GET)
    return driver


def uploading() -> PaperDriver:
    driver = PaperDriver()
    driver.says(POST + b"x" * 1000)
    return driver


def uploading_to_a_slow_server() -> PaperDriver:
    driver = uploading()
    driver.run(Congested(driver.server))
    driver.says(b"x" * 70000)
    assert driver.client in driver.paused
    return driver


def discarding() -> PaperDriver:
    driver = PaperDriver(dials=lambda address: ConnectFailed("a.test:80", "connect", "refused"))
    driver.says(POST + b"x" * 1000)
    return driver


def in_a_response_head() -> PaperDriver:
    driver = asked()
    driver.says(OK[:20], driver.server)
    return driver


def at_response_head() -> PaperDriver:
    driver = PaperDriver(decide=holding(ResponseHead))
    driver.says(GET)
    driver.says(OK, driver.server)
    return driver


def at_a_collected_response() -> PaperDriver:
    driver = PaperDriver(decide=holding(ResponseReady, collect=Collect.WHOLE))
    driver.says(GET)
    driver.says(OK, driver.server)
    return driver


def in_a_response() -> PaperDriver:
    driver = asked()
    driver.says(OK[:-1], driver.server)
    return driver


STAGES = [
    at_request_head, at_request_head_with_a_body, collecting_a_request, at_a_collected_request, dialling, asked, uploading,
    uploading_to_a_slow_server, discarding, in_a_response_head, at_response_head, at_a_collected_response, in_a_response,
]  # fmt: skip
LEAVING = [PaperDriver.ends, PaperDriver.vanishes]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("leaves", LEAVING)
def test_a_client_that_leaves(stage: Callable[[], PaperDriver], leaves: Callable[..., object]) -> None:
    driver = stage()
    [flow], asks = driver.flows, list(driver.asked)
    leaves(driver, driver.client)
    assert driver.ended == [flow] and not driver.ended_by_driver
    assert driver.withdrawn == asks, "whoever was asked is told"
    assert all(server in driver.closed for server in driver.servers)
    assert driver.errors() == ["a.test:80: connect: refused" if stage is discarding else LEFT]
    assert not driver.stack.alarms and not driver.stack.killers


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata:\n\r\n"


@pytest.mark.parametrize("leaves", LEAVING)
@pytest.mark.parametrize("kind", [b"text/event-stream; charset=utf-8", b"multipart/x-mixed-replace; boundary=a"])
def test_a_stream_that_has_no_end_ends_when_its_reader_leaves(kind: bytes, leaves: Callable[..., object]) -> None:
    driver = asked()
    driver.says(EVENTS % kind, driver.server)
    leaves(driver, driver.client)
    [flow] = driver.ended
    assert isinstance(flow, HttpFlow) and flow.response is not None and flow.response.timestamp_end is not None
    assert flow.error is None and not flow.is_live and driver.server in driver.closed


@pytest.mark.parametrize(
    "said",
    [
        (EVENTS % b"text/event-stream")[:-20],  # half a head
        EVENTS % b"text/plain",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata:\n",
    ],
)
def test_of_anything_else_something_is_missing(said: bytes) -> None:
    driver = asked()
    driver.says(said, driver.server)
    driver.ends(driver.client)
    assert driver.errors() == [LEFT]


@pytest.mark.parametrize("stage", STAGES)
def test_a_flow_that_is_killed(stage: Callable[[], PaperDriver]) -> None:
    driver = stage()
    [flow], asks = driver.flows, list(driver.asked)
    driver.kill(flow, "Killed by the user.")
    assert driver.ended == [flow] and driver.client in driver.closed and driver.withdrawn == asks
    assert driver.errors() == ["a.test:80: connect: refused" if stage is discarding else "Killed by the user."]


WITH_SERVER = [asked, uploading, uploading_to_a_slow_server, in_a_response_head]


@pytest.mark.parametrize("stage", WITH_SERVER)
@pytest.mark.parametrize("leaves", LEAVING)
def test_a_server_that_vanishes_before_its_answer(stage: Callable[[], PaperDriver], leaves: Callable[..., object]) -> None:
    driver = stage()
    [flow] = driver.flows
    leaves(driver, driver.server)
    driver.sent(driver.server)
    if stage in (uploading, uploading_to_a_slow_server):
        driver.says(b"x" * (100000 - driver.http.request.body.size))
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")
    assert driver.ended == [flow] and driver.client not in driver.closed
    assert driver.errors()[0].startswith("The server closed the connection")
    driver.says(GET)
    driver.says(OK, driver.server)
    assert driver.sent(driver.client) == OK and len(driver.servers) == 2, "the client goes on"


@pytest.mark.parametrize("leaves", LEAVING)
def test_a_server_that_vanishes_within_its_answer(leaves: Callable[..., object]) -> None:
    driver = in_a_response()
    leaves(driver, driver.server)
    assert driver.errors() == ["The server closed the connection before the response was complete."]
    assert driver.client in driver.closed, "the client must be able to tell"
    assert driver.sent(driver.client) == OK[:-1]


def test_a_server_that_vanishes_while_its_answer_is_held() -> None:
    driver = at_response_head()
    [hold] = driver.held(ResponseHead)
    driver.vanishes(driver.server)
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.client) == OK and driver.errors() == [""]


def test_a_server_that_vanishes_while_a_request_waits_elsewhere() -> None:
    driver = asked()
    driver.says(OK, driver.server)
    driver.vanishes(driver.server)
    driver.says(GET)
    assert len(driver.servers) == 2 and driver.errors() == [""]


# --- kept connections that close under a request ------------------------------------------------------------------


def second_request(request: bytes) -> PaperDriver:
    driver = asked()
    driver.says(OK, driver.server)
    driver.says(request)
    driver.sent(driver.client)
    driver.sent(driver.server)
    return driver


@pytest.mark.parametrize("leaves", LEAVING)
def test_an_idempotent_request_is_tried_again_on_a_new_connection(leaves: Callable[..., object]) -> None:
    driver = second_request(GET)
    leaves(driver, driver.servers[0])
    assert len(driver.servers) == 2 and driver.sent(driver.server) == b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"
    driver.says(OK, driver.server)
    assert driver.sent(driver.client) == OK and driver.errors() == ["", ""]
    assert driver.http.server is driver.servers[1]


def test_it_is_tried_again_once() -> None:
    driver = second_request(GET)
    driver.ends(driver.servers[0])
    driver.ends(driver.servers[1])
    assert len(driver.servers) == 2 and driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")
    assert driver.errors()[1] == "The server closed the connection without an answer."


def test_the_second_try_may_fail_to_connect() -> None:
    driver = second_request(GET)
    driver.dials = lambda address: ConnectFailed("a.test:80", "connect", "refused")
    driver.ends(driver.server)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ") and driver.errors()[1] == "a.test:80: connect: refused"


@pytest.mark.parametrize(
    "request_",
    [
        GET.replace(b"GET", b"POST"),
        b"PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["not idempotent", "body sent and not kept"],
)
def test_what_may_not_be_tried_again(request_: bytes) -> None:
    driver = second_request(request_)
    driver.ends(driver.server)
    assert len(driver.servers) == 1 and driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")


def test_no_second_try_after_the_first_byte_of_an_answer() -> None:
    driver = second_request(GET)
    driver.says(b"HTTP", driver.server)
    driver.ends(driver.server)
    assert len(driver.servers) == 1 and driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")


def test_a_fresh_connection_that_closes_is_no_reason_to_try_again() -> None:
    driver = asked()
    driver.ends(driver.server)
    assert len(driver.servers) == 1 and driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")


def test_a_collected_body_is_sent_again() -> None:
    driver = PaperDriver(decide=holding(collect=Collect.WHOLE))
    put = b"PUT http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000
    driver.says(put)
    driver.says(OK, driver.server)
    driver.says(put)
    driver.sent(driver.server)
    driver.vanishes(driver.server)
    assert driver.sent(driver.server).endswith(b"\r\n\r\n" + b"x" * 100000)
    driver.says(OK, driver.server)
    assert driver.errors() == ["", ""]


# --- reaching -----------------------------------------------------------------------------------------------------


def test_a_dial_that_takes_too_long_names_its_stage() -> None:
    driver = PaperDriver(settings=paper_settings(connect_timeout=30), dials=lambda address: None)
    driver.says(GET)
    dial = driver.dialling()
    driver.advance(29)
    assert not driver.ended
    driver.advance(1.5)
    assert dial in driver.withdrawn
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")
    assert driver.errors() == ["a.test:80: connect: no connection within 30 s (connect_timeout)"]


def test_a_refused_reverse_origin() -> None:
    driver = PaperDriver(reverse("http://o.test:80"), dials=lambda address: ConnectFailed("o.test:80", "connect", "refused"))
    driver.says(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    page = driver.sent(driver.client)
    assert page.startswith(b"HTTP/1.1 502 ") and b"o.test:80: connect: refused" in page
    assert driver.http.server is not None and driver.http.server.error == "refused"


def test_a_client_that_leaves_within_a_head_leaves_a_row() -> None:
    driver = PaperDriver()
    driver.says(GET[:20])
    driver.ends(driver.client)
    assert driver.errors() == ["The client left in the middle of a request's head."]


def test_a_client_that_leaves_between_requests_leaves_none() -> None:
    driver = asked()
    driver.says(OK, driver.server)
    driver.ends(driver.client)
    assert driver.errors() == [""] and driver.server in driver.closed


@pytest.mark.parametrize("end", ["killed", "malformed answer", "client leaves"])
def test_a_broken_upload_that_waits_for_room_ends_once(end: str) -> None:
    """What is still read of it when the server is let go must not end the exchange a second time."""
    driver = PaperDriver()
    driver.says(b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
    driver.run(Congested(driver.server))
    driver.says(b"3\r\nabc\r\nnonsense\r\n")
    match end:
        case "killed":
            driver.kill(driver.http, "Killed by the user.")
            assert driver.errors() == ["Killed by the user."] and driver.sent(driver.client) == b""
        case "malformed answer":
            driver.says(b"nonsense\r\n\r\n", driver.server)
            assert driver.sent(driver.client).count(b"HTTP/1.1 502 ") == 1 and "server's response" in driver.errors()[0]
        case _:
            driver.vanishes(driver.client)
            assert driver.errors() == [LEFT]
    assert driver.client in driver.closed and driver.server in driver.closed and not driver.ended_by_driver
