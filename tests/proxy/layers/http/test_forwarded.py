"""Plain requests whose way leads over a proxy: told as whole URLs where that forwards them, through a tunnel where it cannot."""

from __future__ import annotations

import pytest

from interceptor.proxy.asks import ConnectFailed
from interceptor.specs.routes import Routes, parse_route
from tests.support.paper_driver import REGULAR, PaperDriver, paper_settings, reverse

GET = b"GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
BASIC = b"Proxy-Authorization: Basic bWU6cHc=\r\n"  # me:pw


def over(route: str, ingress: object = REGULAR, **settings: object) -> PaperDriver:
    return PaperDriver(ingress, paper_settings(routes=Routes(otherwise=parse_route(route)), **settings))  # type: ignore[arg-type]


def test_the_proxy_is_told_the_whole_url_and_its_connection_kept() -> None:
    driver = over("http://gate:8")
    for _ in range(2):
        driver.says(GET)
        assert driver.sent(driver.server) == GET
        driver.says(OK, driver.server)
        assert driver.sent(driver.client) == OK
    assert len(driver.servers) == 1 and driver.server.dialled == ("gate", 8)
    assert driver.errors() == ["", ""]


def test_credentials_take_the_place_of_those_of_the_client_and_are_not_on_the_flow() -> None:
    driver = over("http://me:pw@gate:8")
    driver.says(GET[:-2] + b"Proxy-Authorization: Basic xxxx\r\n\r\n")
    assert driver.sent(driver.server) == GET[:-2] + BASIC + b"\r\n"
    assert "bWU6cHc" not in str(driver.flows[0].request.headers)  # type: ignore[attr-defined]
    driver = over("http://gate:8")
    driver.says(GET[:-2] + b"Proxy-Authorization: Basic xxxx\r\n\r\n")
    assert b"Basic xxxx" in driver.sent(driver.server), "the client may log in itself"


def test_in_a_reverse_mode_too() -> None:
    driver = over("http://gate:8", reverse("http://a.test:81"))
    driver.says(b"GET /x HTTP/1.1\r\nHost: other\r\n\r\n")
    assert driver.sent(driver.server) == b"GET http://a.test:81/x HTTP/1.1\r\nHost: a.test:81\r\n\r\n"


def test_options_for_the_server_itself_has_no_path() -> None:
    driver = over("http://gate:8")
    driver.says(b"OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert driver.sent(driver.server) == b"OPTIONS http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n"


def test_what_becomes_something_else_gets_a_tunnel() -> None:
    driver = over("http://gate:8")
    driver.says(GET[:-2] + b"Connection: upgrade\r\nUpgrade: odd\r\n\r\n")
    assert driver.sent(driver.server) == b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n"
    driver.says(b"HTTP/1.1 200 OK\r\n\r\n", driver.server)
    assert driver.sent(driver.server).startswith(b"GET /x?y HTTP/1.1\r\n")


@pytest.mark.parametrize("route", ["socks4a://gate:8", "http://one:1,socks4a://gate:8"])
def test_a_hop_that_speaks_no_http_gets_a_tunnel(route: str) -> None:
    driver = over(route)
    driver.says(GET)
    if "one" in route:
        assert driver.sent(driver.server).startswith(b"CONNECT gate:8 ")
        driver.says(b"HTTP/1.1 200 OK\r\n\r\n", driver.server)
    assert driver.sent(driver.server) == b"\4\1\0\x50\0\0\0\1\0a.test\0"
    driver.says(b"\0\x5a" + bytes(6), driver.server)
    assert driver.sent(driver.server) == b"GET /x?y HTTP/1.1\r\nHost: a.test\r\n\r\n"


def test_the_clients_tunnel_leads_through_one_of_our_own() -> None:
    driver = over("http://gate:8")
    driver.says(b"CONNECT a.test:80 HTTP/1.1\r\n\r\n")
    assert driver.sent(driver.server).startswith(b"CONNECT a.test:80 ") and driver.sent(driver.client) == b""
    driver.says(b"HTTP/1.1 200 OK\r\n\r\n", driver.server)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 200 ")
    driver.says(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert driver.sent(driver.server) == b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n" and len(driver.servers) == 1


def test_a_proxy_that_refuses_is_named_to_the_client_and_on_the_row() -> None:
    driver = over("http://gate:8")
    driver.says(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n")
    driver.says(b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", driver.server)
    reason = "http://gate:8: CONNECT: it wants credentials (Basic): write http://user:password@gate, 407 Login"
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ") and driver.errors() == [reason]


def test_a_proxy_that_is_down_is_named() -> None:
    driver = over("http://gate:8")
    driver.dials = lambda address: ConnectFailed("http://gate:8", "connect", "connection refused")
    driver.says(GET)
    assert driver.sent(driver.client).startswith(b"HTTP/1.1 502 ")
    assert driver.errors() == ["http://gate:8: connect: connection refused"]
