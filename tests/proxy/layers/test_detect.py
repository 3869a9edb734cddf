"""Who speaks first, and what: the layers that the policy names take over, and nothing that came is lost."""

from __future__ import annotations

import pytest

from interceptor.model.connection import Origin
from interceptor.model.flow import HttpFlow, TcpFlow
from interceptor.proxy.asks import ConnectFailed
from interceptor.proxy.core.events import HungUp
from interceptor.proxy.ingress import Ingress
from interceptor.specs.routes import Routes, parse_route
from tests.support.paper_driver import PaperDriver, paper_settings, reverse

TUNNEL = Ingress("regular", Origin("tcp", "t.test", 443))
EAGER, LAZY = paper_settings(), paper_settings(is_eager=False)


def test_eager_the_server_is_reached_before_the_client_speaks() -> None:
    assert len(PaperDriver(TUNNEL, EAGER).servers) == 1
    assert PaperDriver(TUNNEL, LAZY).servers == []
    assert PaperDriver(reverse("http://o.test:80"), EAGER).servers == [], "HTTP reaches for itself"


def test_http_by_its_first_word() -> None:
    driver = PaperDriver(TUNNEL, EAGER)
    driver.says(b"GE")
    assert not driver.flows
    driver.says(b"T / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert isinstance(driver.flows[0], HttpFlow) and len(driver.servers) == 1, "the connection is used, not another made"


def test_a_method_of_its_own() -> None:
    driver = PaperDriver(TUNNEL, EAGER)
    driver.says(b"FROBNICATE /x")
    assert not driver.flows
    driver.says(b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert isinstance(driver.flows[0], HttpFlow)


@pytest.mark.parametrize("first", [b"\x00\x01", b"SSH-2.0-x\r\n", b"QUIT\r\n", b"a" * 40, b"\x16\x02\x00", b"\x80abc"])
def test_anything_else_is_relayed(first: bytes) -> None:
    driver = PaperDriver(TUNNEL, EAGER)
    driver.says(first)
    driver.advance(1)
    assert isinstance(driver.flows[0], TcpFlow) and driver.sent(driver.server) == first


def test_without_rawtcp_it_is_told_that_it_is_no_http() -> None:
    driver = PaperDriver(TUNNEL, paper_settings(rawtcp=False))
    driver.says(b"QUIT\r\n\r\n")
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("ends", [False, True])
def test_a_server_that_speaks_in_one_piece_with_the_last_hops_answer(ends: bool) -> None:
    """It is reached once, and what it said is said once."""
    driver = PaperDriver(TUNNEL, paper_settings(routes=Routes(otherwise=parse_route("socks5h://gate"))))
    [server] = driver.servers
    driver.says(b"\5\0", server)
    driver.says(b"\5\0\0\1" + bytes(6) + b"220 mail", server)
    if ends:
        driver.ends(server)
    assert driver.sent(driver.client) == b"220 mail" and driver.servers == [server]
    assert isinstance(driver.flows[0], TcpFlow) and driver.flows[0].server is server and driver.flows[0].is_live


def test_a_server_that_speaks_first() -> None:
    driver = PaperDriver(TUNNEL, EAGER)
    driver.says(b"220 mail", driver.server)
    assert driver.sent(driver.client) == b"220 mail"
    driver.says(b"GET / HTTP/1.1\r\n")
    assert isinstance(driver.flows[0], TcpFlow) and driver.sent(driver.server) == b"GET / HTTP/1.1\r\n"


def test_lazy_a_silent_client_is_connected_after_a_moment() -> None:
    driver = PaperDriver(TUNNEL, LAZY)
    driver.advance(0.4)
    assert not driver.servers
    driver.advance(0.2)
    assert len(driver.servers) == 1
    driver.says(b"220 mail", driver.server)
    assert driver.sent(driver.client) == b"220 mail"


def test_an_unclear_beginning_is_relayed_after_a_moment() -> None:
    driver = PaperDriver(TUNNEL, EAGER)
    driver.says(b"GETTING")
    driver.advance(0.6)
    assert driver.sent(driver.server) == b"GETTING"


def test_a_client_that_waits_for_its_connection_loses_nothing() -> None:
    driver = PaperDriver(TUNNEL, EAGER, dials=lambda address: None)
    dial = driver.dialling()
    driver.says(b"\x00one")
    driver.says(b"two")
    driver.ends(driver.client)
    driver.answer(dial, driver._dialled(dial.connection))
    assert driver.sent(driver.server) == b"\x00onetwo" and driver.server in driver.half_closed


def test_a_client_that_leaves_without_a_word() -> None:
    for leaves in (PaperDriver.ends, PaperDriver.vanishes):
        driver = PaperDriver(TUNNEL, EAGER)
        leaves(driver, driver.client)
        assert not driver.flows and driver.client in driver.closed and driver.server in driver.closed
        driver = PaperDriver(TUNNEL, EAGER, dials=lambda address: None)
        dial = driver.dialling()
        leaves(driver, driver.client)
        assert dial in driver.withdrawn and not driver.stack.alarms


def test_a_server_that_closes_before_anybody_spoke() -> None:
    driver = PaperDriver(TUNNEL, EAGER)
    driver.vanishes(driver.server)
    assert driver.client in driver.closed, "as it would be without us"
    assert driver.errors() == [""]
    driver = PaperDriver(TUNNEL, EAGER)
    driver.ends(driver.server)
    assert driver.client in driver.half_closed
    driver.ends(driver.client)
    assert driver.client in driver.closed and driver.server in driver.closed


def test_a_server_that_ends_while_the_client_is_unclear() -> None:
    for leaves in (PaperDriver.ends, PaperDriver.vanishes):
        driver = PaperDriver(TUNNEL, EAGER)
        driver.says(b"GE")
        leaves(driver, driver.server)
        driver.says(b"T / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert len(driver.servers) == 2, "HTTP reaches again"
        driver.says(b"HTTP/1.1 204 OK\r\n\r\n", driver.server)
        assert driver.sent(driver.client) == b"HTTP/1.1 204 OK\r\n\r\n" and driver.errors() == [""]


def test_a_server_that_is_not_there_is_told_in_the_clients_language() -> None:
    failed = ConnectFailed("t.test:443", "connect", "refused")
    driver = PaperDriver(TUNNEL, EAGER, dials=lambda address: failed)
    driver.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")
    driver = PaperDriver(TUNNEL, EAGER, dials=lambda address: failed)
    driver.says(b"\x00\x01")
    assert driver.client in driver.closed and driver.errors() == ["t.test:443: connect: refused"]


def test_a_silent_client_of_the_proxy_is_closed_in_the_end() -> None:
    driver = PaperDriver(settings=paper_settings(tcp_timeout=600))
    driver.advance(599)
    assert not driver.closed
    driver.advance(2)
    assert driver.client in driver.closed


def test_a_client_that_says_much_while_its_server_is_dialled_is_paused() -> None:
    driver = PaperDriver(reverse("tcp://o.test:9"), dials=lambda address: None)
    for _ in range(100):
        driver.says(b"\x00" * 16384)
    assert driver.client in driver.paused
    held = sum(len(event.data) for event in driver.stack.pipes[driver.client].head._held)  # type: ignore[attr-defined]
    assert held <= 64 * 1024 + 16384
    driver.connected(driver.dialling())
    assert driver.client not in driver.paused
    assert driver.sent(driver.server) == b"\x00" * 1_638_400 and driver.tcp.is_live


def test_a_client_that_says_much_and_is_gone_while_its_server_is_dialled() -> None:
    driver = PaperDriver(reverse("tcp://o.test:9"), dials=lambda address: None)
    dial = driver.dialling()
    for _ in range(6):
        driver.says(b"\x00" * 16384)
    driver.run(HungUp(driver.client, is_reset=True))
    assert driver.client in driver.closed and dial in driver.withdrawn
