"""The policy alone: what reads on, from the first bytes and where they came from."""

from __future__ import annotations

import pytest

from interceptor.model.connection import Origin
from interceptor.proxy.choose import Next, choose
from interceptor.proxy.ingress import Ingress
from tests.support.client_hellos import client_hello
from tests.support.paper_driver import REGULAR, paper_settings, reverse

TUNNEL = Ingress("regular", Origin("tcp", "t.test", 443))
HELLO = client_hello("name.test")
GET = b"GET / HTTP/1.1\r\n"

CASES = [
    # first bytes, ingress, what follows
    (GET, REGULAR, Next.HTTP1),
    (b"\x00nonsense", REGULAR, Next.HTTP1),
    (b"\x16", REGULAR, Next.MORE),
    (HELLO, REGULAR, Next.TLS),
    (HELLO[:3], REGULAR, Next.TLS),
    (GET, TUNNEL, Next.HTTP1),
    (HELLO, TUNNEL, Next.TLS),
    (b"\x16\x03", TUNNEL, Next.MORE),
    (b"\x16\x02\x00", TUNNEL, Next.RELAY),
    (b"\x80\x2e\x01\x00\x02", TUNNEL, Next.TLS),
    (b"M-SEARCH", TUNNEL, Next.MORE),
    (b"M-SEARCH * HTTP/1.1\r\n", TUNNEL, Next.HTTP1),
    (b"QUIT\r\n", TUNNEL, Next.RELAY),
    (b"EHLO a.test\r\n", TUNNEL, Next.RELAY),
    (b"\x00", TUNNEL, Next.RELAY),
    (b"GET " + b"a" * 17_000, TUNNEL, Next.HTTP1),
    (b"FOO " + b"a" * 17_000, TUNNEL, Next.RELAY),
    (GET, reverse("tcp://o.test:1"), Next.RELAY),
    (b"anything", reverse("http://o.test:1"), Next.HTTP1),
    (HELLO, reverse("http://o.test:1"), Next.TLS),
]


@pytest.mark.parametrize(("first", "ingress", "following"), CASES)
def test_by_what_is_said(first: bytes, ingress: Ingress, following: Next) -> None:
    assert choose(first, ingress, paper_settings()) is following


def test_without_rawtcp_what_is_not_tls_is_http() -> None:
    assert choose(b"\x00", TUNNEL, paper_settings(rawtcp=False)) is Next.HTTP1
    assert choose(HELLO, TUNNEL, paper_settings(rawtcp=False)) is Next.TLS


HOSTS = [
    # option, pattern, what follows after a ClientHello for name.test, and after a GET; both to t.test:443
    ("ignore_hosts", r"t\.test:443", Next.IGNORE, Next.IGNORE),
    ("ignore_hosts", r"^name\.test:443$", Next.IGNORE, Next.HTTP1),
    ("ignore_hosts", r"other", Next.TLS, Next.HTTP1),
    ("allow_hosts", r"T\.TEST", Next.TLS, Next.HTTP1),
    ("allow_hosts", r"name\.test:443", Next.TLS, Next.IGNORE),
    ("allow_hosts", r"other", Next.IGNORE, Next.IGNORE),
    ("tcp_hosts", r"t\.test", Next.TLS, Next.RELAY),
    ("tcp_hosts", r"other", Next.TLS, Next.HTTP1),
]


@pytest.mark.parametrize(("option", "pattern", "tls", "plain"), HOSTS)
def test_by_the_host(option: str, pattern: str, tls: Next, plain: Next) -> None:
    settings = paper_settings(**{option: (pattern,)})
    assert choose(HELLO, TUNNEL, settings) is tls
    assert choose(GET, TUNNEL, settings) is plain
    assert choose(GET, REGULAR, settings) is Next.HTTP1, "what is said to the proxy itself is for the proxy"


def test_the_name_is_waited_for() -> None:
    settings = paper_settings(ignore_hosts=("name",))
    assert choose(HELLO[:-1], TUNNEL, settings) is Next.MORE
    assert choose(b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", TUNNEL, settings) is Next.TLS, "TLS says what is wrong"
