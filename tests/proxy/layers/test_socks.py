"""Clients that speak SOCKS to us: granted in any split of their bytes, logged in, refused with the right reply and a row."""

from __future__ import annotations

import pytest

from interceptor.model.connection import Address
from interceptor.model.hooks import FORWARD, Hook, Kill, SocksLogin, Verdict
from interceptor.proxy.asks import Associate, ConnectFailed, Dial
from interceptor.proxy.core.events import HalfClosed
from interceptor.proxy.ingress import Ingress
from tests.support.paper_driver import PaperDriver, paper_settings

SOCKS = Ingress("socks5", is_socks=True)
BOUND = b"\0\1\0\0\0\0\0\0"
GRANTED5 = b"\5\0" + BOUND
GRANTED4 = b"\0\x5a" + bytes(6)
TO_NAME = b"\5\1\0\3\6a.test\0\x50"
GET = b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"


def started(**settings: object) -> PaperDriver:
    return PaperDriver(SOCKS, paper_settings(**settings))


ASKING = {
    "a name": (b"\5\2\0\2" + TO_NAME, b"\5\0" + GRANTED5, ("a.test", 80)),
    "IPv4": (b"\5\1\0\5\1\0\1\xc0\0\2\7\1\xbb", b"\5\0" + GRANTED5, ("192.0.2.7", 443)),
    "IPv6": (b"\5\1\0\5\1\0\4" + bytes(15) + b"\1\1\xbb", b"\5\0" + GRANTED5, ("::1", 443)),
    "SOCKS4": (b"\4\1\1\xbb\xc0\0\2\7me\0", GRANTED4, ("192.0.2.7", 443)),
    "SOCKS4a": (b"\4\1\0\x50\0\0\0\1\0a.test\0", GRANTED4, ("a.test", 80)),
}


@pytest.mark.parametrize("piece", [1, 4, 1000])
@pytest.mark.parametrize("asking", ASKING)
@pytest.mark.parametrize("is_eager", [True, False])
def test_what_comes_through_is_told_by_its_first_bytes(asking: str, piece: int, is_eager: bool) -> None:
    said, answer, to = ASKING[asking]
    driver = started(is_eager=is_eager)
    for start in range(0, len(said), piece):
        driver.says(said[start : start + piece])
    assert driver.sent(driver.client) == answer and bool(driver.servers) == is_eager
    driver.says(GET)
    assert driver.server.peer == to and driver.sent(driver.server) == GET
    assert not driver.closed and not [flow for flow in driver.flows if flow.error]


def test_what_is_said_before_the_answer_waits_for_it() -> None:
    driver = started()
    driver.dials = lambda address: None
    driver.says(b"\5\1\0" + TO_NAME + GET[:9])
    assert driver.sent(driver.client) == b"\5\0"
    driver.says(GET[9:])
    [dial] = [ask for ask in driver.asked if isinstance(ask, Dial)]
    driver.connected(dial)
    assert driver.sent(driver.client) == GRANTED5 and driver.sent(driver.server) == GET


def test_a_server_that_speaks_first_is_heard() -> None:
    driver = started()
    driver.says(b"\5\1\0" + TO_NAME)
    driver.sent(driver.client)
    driver.says(b"220 hello\r\n", driver.server)
    assert driver.sent(driver.client) == b"220 hello\r\n"


def decide(hook: Hook) -> Verdict | None:
    if isinstance(hook, SocksLogin):
        return FORWARD if (hook.user, hook.password) == ("me", "pw") else Kill("wrong.")
    return FORWARD


def test_user_and_password_are_wanted_and_asked_about() -> None:
    driver = PaperDriver(SOCKS, paper_settings(wants_login=True), decide=decide)
    driver.says(b"\5\2\0\2")
    assert driver.sent(driver.client) == b"\5\2"
    driver.says(b"\1\2me\2pw")
    assert driver.sent(driver.client) == b"\1\0"
    driver.says(TO_NAME)
    assert driver.sent(driver.client) == GRANTED5


REFUSED = [
    ("wants_login", b"\5\1\2\1\2me\2xx", b"\5\2\1\1", "was refused: wrong."),
    ("wants_login", b"\5\1\0", b"\5\xff", "must log in with user and password (proxyauth)"),
    ("wants_login", b"\4\1\0\x50\0\0\0\1\0a.test\0", b"\0\x5b" + bytes(6), "SOCKS4 has no passwords"),
    ("", b"\5\1\2", b"\5\xff", "offers no way to log in"),
    ("", b"\5\1\0\5\2\0\1\0\0\0\0\0\0", b"\5\0\5\7" + BOUND, "BIND"),
    ("", b"\5\1\0\5\1\0\7", b"\5\0\5\x08" + BOUND, "no kind of address 7"),
    ("", b"\5\1\0\5\1\0\3\2a\n\0\1", b"\5\0\5\x08" + BOUND, "no host name"),
    ("", b"\5\1\0\4\1\0\1", b"\5\0", "its request is of version 4"),
    ("", b"\4\2\0\x50\x7f\0\0\1\0", b"\0\x5b" + bytes(6), "BIND"),
    ("", b"\4\1\0\x50\x7f\0\0\1" + b"x" * 600, b"", "a name does not end"),
    ("", b"\x16\3\1\0\5hello", b"", "does not speak SOCKS"),
]


@pytest.mark.parametrize(("option", "said", "answer", "reason"), REFUSED)
def test_refused_with_the_right_reply_and_a_row(option: str, said: bytes, answer: bytes, reason: str) -> None:
    driver = PaperDriver(SOCKS, paper_settings(**({option: True} if option else {})), decide=decide)
    driver.says(said)
    assert driver.sent(driver.client) == answer and driver.client in driver.closed
    [error] = driver.errors()
    assert reason in error and not driver.servers


def test_datagrams_are_taken_as_long_as_the_connection_lasts() -> None:
    driver = started()
    asked: list[Associate] = []

    def associate(ask: Associate) -> Address:
        asked.append(ask)
        return "192.0.2.99", 4242

    driver.stack.answers[Associate] = associate
    driver.says(b"\5\1\0\5\3\0\1\0\0\0\0\x10\1")
    assert driver.sent(driver.client) == b"\5\0\5\0\0\1\xc0\0\2\x63\x10\x92"
    assert [(ask.client, ask.announced) for ask in asked] == [(driver.client, ("0.0.0.0", 4097))]
    driver.says(b"whatever")
    driver.advance(3600)
    assert not driver.closed and not driver.flows
    driver.ends(driver.client)
    assert driver.client in driver.closed and not driver.flows


def test_no_socket_for_datagrams() -> None:
    driver = started()
    driver.stack.answers[Associate] = lambda ask: ConnectFailed("this proxy", "UDP ASSOCIATE", "too many open files")
    driver.says(b"\5\1\0\5\3\0\1\0\0\0\0\0\0")
    assert driver.sent(driver.client) == b"\5\0\5\1" + BOUND and "too many open files" in driver.errors()[0]


def test_http_is_told_what_this_is() -> None:
    driver = started()
    driver.says(b"GET http://a.test/ HTTP/1.1\r\n\r\n")
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 400 ") and "speaks HTTP, not SOCKS" in driver.errors()[0]


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("connection refused", 5),
        ("the name cannot be resolved: no", 4),
        ("network is unreachable", 3),
        ("no connection within 30 s (connect_timeout)", 6),
        ("odd", 1),
    ],
)
def test_an_origin_that_cannot_be_reached(reason: str, status: int) -> None:
    for said, answer in (
        (b"\5\1\0" + TO_NAME, b"\5\0\5" + bytes((status,)) + BOUND),
        (b"\4\1\0\x50\0\0\0\1\0a.test\0", b"\0\x5b" + bytes(6)),
    ):
        driver = started()
        driver.dials = lambda address: ConnectFailed("a.test:80", "connect", reason)
        driver.says(said)
        assert driver.sent(driver.client) == answer and driver.errors() == [f"a.test:80: connect: {reason}"]
        assert driver.flows[0].server is not None and driver.client in driver.closed


def test_a_client_that_says_nothing_or_leaves_in_the_middle() -> None:
    driver = started(header_timeout=7)
    driver.advance(8)
    assert driver.client in driver.closed and not driver.flows
    driver = started(header_timeout=7)
    driver.says(b"\5\3")
    driver.advance(8)
    assert "in time (header_timeout)" in driver.errors()[0]
    driver = started()
    driver.run(HalfClosed(driver.client))
    assert driver.client in driver.closed and not driver.flows
