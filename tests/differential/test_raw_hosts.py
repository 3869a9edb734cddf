"""Hosts that are marked raw: what is refused elsewhere gets through byte for byte, and is recorded as a raw conversation."""

from __future__ import annotations

import pytest

from interceptor.model.flow import HttpFlow, TcpFlow
from interceptor.proxy.ingress import Ingress
from tests.support.paper_driver import PaperDriver, paper_settings, reverse

RAW = {"raw_hosts": (r"^a\.test:80$",)}
TARGET = reverse("http://a.test:80")
MALFORMED = (
    b"GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a.test\n\n",
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nmore",
)
ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    b"ICY 200 OK\r\n\r\nmusic",
)


def driver_of(ingress: Ingress = TARGET, **settings: object) -> PaperDriver:
    return PaperDriver(ingress, paper_settings(**{"keep_host_header": True, **settings}))


@pytest.mark.parametrize("request_", MALFORMED)
def test_a_malformed_request_and_all_behind_it(request_: bytes) -> None:
    driver = driver_of(**RAW)
    driver.says(request_)
    driver.says(b"\x00 and more")
    assert driver.sent(driver.server) == request_ + b"\x00 and more"
    driver.says(b"what it said", driver.server)
    assert driver.sent(driver.client) == b"what it said"
    [flow] = driver.flows
    assert isinstance(flow, TcpFlow) and flow.error is None
    assert flow.comment.startswith("Passed on as it is (raw_hosts): ") and " at byte " in flow.comment
    assert driver.messages(from_client=True) == request_ + b"\x00 and more"


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_malformed_response_and_all_behind_it(answer: bytes) -> None:
    driver = driver_of(**RAW)
    driver.says(b"GET /r HTTP/1.1\r\nHost: a.test\r\n\r\n")
    driver.says(answer, driver.server)
    driver.says(b"tail", driver.server)
    assert driver.sent(driver.client) == answer + b"tail"
    asked, raw = driver.flows
    assert isinstance(asked, HttpFlow) and asked.response is None
    assert asked.error is not None and asked.error.message.startswith("The server's response is malformed: ")
    assert isinstance(raw, TcpFlow) and asked.error.message in raw.comment
    driver.ends(driver.server)
    driver.vanishes(driver.client)
    assert len(driver.ended) == 2


def test_what_is_right_is_http_as_everywhere() -> None:
    driver = driver_of(**RAW)
    driver.says(b"GET /r HTTP/1.1\r\nHost: a.test\r\n\r\n")
    driver.says(b"HTTP/1.1 204 No Content\r\n\r\n", driver.server)
    assert driver.errors() == [""] and driver.http.response is not None
    driver.says(MALFORMED[0])
    assert driver.sent(driver.server).endswith(MALFORMED[0])


def test_a_response_that_begins_before_the_request_is_complete_is_refused() -> None:
    driver = driver_of(**RAW)
    driver.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbegin")
    driver.says(ANSWERS[0], driver.server)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")


def test_other_hosts_are_not_let_through_and_the_refusal_says_how_they_would_be() -> None:
    driver = driver_of(raw_hosts=("other",))
    driver.says(MALFORMED[0])
    page = driver.sent(driver.client)
    assert page.startswith(b"HTTP/1.1 400 ") and b"add a.test:80 to raw_hosts" in page and not driver.servers
    assert "add a.test:80 to raw_hosts" in driver.errors()[0]
    assert driver.tcp.server is not None and driver.tcp.server.peer == ("a.test", 80)

    driver = driver_of()
    driver.says(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    driver.says(ANSWERS[0], driver.server)
    assert b"add a.test:80 to raw_hosts" in driver.sent(driver.client)
    assert "add a.test:80 to raw_hosts" in driver.errors()[0]


def test_in_a_tunnel_it_is_the_name_of_the_tunnel() -> None:
    driver = driver_of(Ingress("regular"), **RAW)
    driver.says(b"CONNECT a.test:80 HTTP/1.1\r\n\r\n")
    driver.sent(driver.client)
    driver.says(MALFORMED[0])
    assert driver.sent(driver.server) == MALFORMED[0]


def test_a_response_to_a_request_that_was_sent_to_the_proxy_itself() -> None:
    driver = driver_of(Ingress("regular"), **RAW)
    driver.says(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
    driver.says(ANSWERS[0], driver.server)
    assert driver.sent(driver.client) == ANSWERS[0]
