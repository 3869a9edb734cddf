"""Name servers as typed."""

from __future__ import annotations

import pytest

from interceptor.specs.errors import UserError
from interceptor.specs.servers import NameServer, parse_server


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("9.9.9.9", NameServer("9.9.9.9")),
        ("[::1]:5353", NameServer("::1", 5353)),
        ("tls://1.1.1.1", NameServer("1.1.1.1", 853, "tls")),
        ("TLS://dns.quad9.net:8853", NameServer("dns.quad9.net", 8853, "tls")),
        ("https://1.1.1.1", NameServer("1.1.1.1", 443, "https", "/dns-query")),
        ("https://[2606:4700::1111]:8443/q?x=1", NameServer("2606:4700::1111", 8443, "https", "/q?x=1")),
    ],
)
def test_servers(text: str, server: NameServer) -> None:
    assert parse_server(text) == server
    assert parse_server(str(server)) == server


@pytest.mark.parametrize("text", ["", "dns.test", "9.9.9.9:0", "udp://1.1.1.1", "tls://", "tls://a/b", "tls://a:x", "https://me@a/x"])
def test_mistakes_are_told(text: str) -> None:
    with pytest.raises(UserError):
        parse_server(text)
