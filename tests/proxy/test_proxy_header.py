"""PROXY protocol headers: read whatever the pieces, refused where malformed, written so that they are read as the same."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.connection import Origin
from interceptor.model.flow import HttpFlow, TcpFlow
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.proxy_header import SIGNATURE2, HeaderError, ProxyHeader, may_be_header, read_header, write_header
from interceptor.specs.routes import Routes, parse_route
from tests.support.paper_driver import PaperDriver, paper_settings, reverse

V2_IPV4 = SIGNATURE2 + b"\x21\x11\x00\x0f" + bytes((203, 0, 113, 7, 192, 0, 2, 1)) + b"\x04\xd2\x01\xbb" + b"\x04\x00\x00"
CLIENT = ("203.0.113.7", 1234)
TRUSTED = paper_settings(proxy_protocol_from=(ip_network("192.0.2.0/24"),), header_timeout=5)
ports = st.integers(0, 65535)
addresses = st.tuples(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str), ports)


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 443\r\nGET", ProxyHeader(CLIENT, ("192.0.2.1", 443), b"GET")),
        (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", ProxyHeader(("2001:db8::1", 1), ("::1", 2), b"")),
        (b"PROXY UNKNOWN\r\nx", ProxyHeader(None, None, b"x")),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ProxyHeader(None, None, b"")),
        (V2_IPV4 + b"GET", ProxyHeader(CLIENT, ("192.0.2.1", 443), b"GET")),
        (SIGNATURE2 + b"\x20\x00\x00\x00x", ProxyHeader(None, None, b"x")),
        (SIGNATURE2 + b"\x21\x31\x00\x02abx", ProxyHeader(None, None, b"x")),
    ],
)
def test_headers_are_read_when_they_are_there(data: bytes, header: ProxyHeader) -> None:
    assert read_header(data) == header
    whole = len(data) - len(header.rest)
    for size in range(1, whole):
        assert may_be_header(data[:size]) and read_header(data[:size]) is None, "there has to come more"


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1234\r\n",
        b"PROXY TCP4 203.0.113.7 ::1 1 2\r\n",
        b"PROXY TCP4 203.0.113.777 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1 65536\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 01 2\r\n",
        b"PROXY  TCP4 203.0.113.7 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1 2\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE2 + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE2 + b"\x21\x11\x00\x04" + bytes(4),
    ],
)
def test_malformed_headers_are_refused(data: bytes) -> None:
    with pytest.raises(HeaderError):
        read_header(data)
    driver = PaperDriver(reverse("tcp://o.test:1"), TRUSTED)
    driver.says(data)
    assert driver.client in driver.closed and not driver.servers
    assert driver.errors()[0].startswith("The client's PROXY header is malformed (version ")


@given(addresses, addresses, st.sampled_from([1, 2]))
def test_what_is_written_is_read(source: tuple[str, int], destination: tuple[str, int], version: int) -> None:
    header = read_header(write_header(version, source, destination) + b"rest")
    assert header is not None and header.rest == b"rest" and header.source is not None and header.destination is not None
    assert (header.source[1], header.destination[1]) == (source[1], destination[1])
    if (":" in source[0]) == (":" in destination[0]):
        assert (header.source, header.destination) == (source, destination)


def test_other_protocols_are_not_taken_for_it() -> None:
    for first in (b"PRI * HTTP/2.0\r\n", b"PROPFIND /", b"POST /", b"\x16\x03\x01", b"\r\n\r\n\r\n", b"GET /"):
        assert not may_be_header(first)


# --- in a stack -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [V2_IPV4, b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 443\r\n"], ids=["v2", "v1"])
@pytest.mark.parametrize("size", [1, 1000])
def test_the_client_is_whom_a_trusted_balancer_says(header: bytes, size: int) -> None:
    driver = PaperDriver(settings=TRUSTED)
    said = header + b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"
    for start in range(0, len(said), size):
        driver.says(said[start : start + size])
    [flow] = driver.flows
    assert isinstance(flow, HttpFlow) and flow.client is not None
    assert (flow.client.peer, flow.client.resolved) == (CLIENT, ("192.0.2.1", 5000))


def test_in_mode_socks_too() -> None:
    driver = PaperDriver(Ingress("socks5", is_socks=True), TRUSTED)
    driver.says(V2_IPV4 + b"\5\1\0")
    assert driver.sent(driver.client) == b"\5\0" and driver.client.peer == CLIENT


def test_without_a_header_and_from_others_all_is_as_ever() -> None:
    driver = PaperDriver(settings=TRUSTED)
    driver.says(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert isinstance(driver.flows[0], HttpFlow) and driver.client.peer == ("192.0.2.1", 5000)
    driver = PaperDriver(reverse("tcp://mail.test:25"), TRUSTED)
    assert not driver.servers
    driver.advance(1)
    driver.says(b"220 mail", driver.server)
    assert driver.sent(driver.client) == b"220 mail", "a client that waits for its server has none"
    driver = PaperDriver(settings=paper_settings(proxy_protocol_from=(ip_network("10.0.0.0/8"),)))
    driver.says(b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 443\r\n\r\n")
    assert driver.client.peer == ("192.0.2.1", 5000) and driver.sent(driver.client).startswith(b"HTTP/1.1 400 ")
    driver = PaperDriver(settings=TRUSTED)
    driver.says(b"PROXY TCP4 203")
    driver.advance(6)
    assert driver.errors() == ["The client's PROXY header was not complete within 5 s (header_timeout)."]


@pytest.mark.parametrize("version", [1, 2])
def test_a_server_is_told_who_the_client_is(version: int) -> None:
    settings = paper_settings(proxy_protocol_to=("^o.test:",), proxy_protocol_version=version)
    driver = PaperDriver(reverse("tcp://o.test:1"), settings)
    wanted = write_header(version, ("192.0.2.1", 5000), ("192.0.2.99", 8080))
    assert driver.sent(driver.server) == wanted
    driver.says(b"hello")
    assert driver.sent(driver.server) == b"hello" and isinstance(driver.flows[0], TcpFlow)
    other = PaperDriver(reverse("tcp://other.test:1"), settings)
    other.says(b"hello")
    assert other.sent(other.server) == b"hello", "others are told nothing"


def test_it_is_told_through_the_tunnel_of_a_hop() -> None:
    settings = paper_settings(proxy_protocol_to=("o.test",), routes=Routes(otherwise=parse_route("http://gate")))
    driver = PaperDriver(Ingress("regular", Origin("tcp", "o.test", 1)), settings)
    [server] = driver.servers
    driver.sent(server)
    driver.says(b"HTTP/1.1 200 OK\r\n\r\n", server)
    assert driver.sent(server) == write_header(2, ("192.0.2.1", 5000), ("192.0.2.99", 8080))
