"""dig asks a name server through the proxy, and gets what it gets without."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.console_program import PATIENCE_SECONDS, Console
from tests.support.dns_server import DnsServer
from tests.support.proxy import Proxy

pytestmark = pytest.mark.needs_dig
QUESTIONS = (
    "www.example.test A", "WWW.Example.Test AAAA", "alias.example.test A", "example.test MX", "example.test TXT",
    "_sip._tcp.example.test SRV", "example.test CAA", "plain.example.test HTTPS", "example.test DNSKEY", "example.test ANY",
    "nothing.example.test A", "www.example.test MX", "large.example.test TXT", "xn--bcher-kva.example.test A",
    "example.test SOA +noedns", "example.test NS +tcp", "www.example.test A +dnssec", "example.test TYPE65280",
)  # fmt: skip


def dig(port: int, *words: str) -> str:
    """Without what is never the same twice: the query's id, times and the server."""
    command = ["dig", "@127.0.0.1", "-p", str(port), "+tries=1", "+time=8", "+nocookie", *words]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    text = re.sub(r", id: \d+|^;; (Query time|SERVER|WHEN):.*\n|^; <<>>.*\n", "", text, flags=re.MULTILINE)
    assert "status:" in text, text
    return text.replace(str(port), "PORT")


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


@pytest.fixture(scope="module", params=["dns", "reverse"])
def proxy(
    request: pytest.FixtureRequest, server: DnsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("dns")
    mode = ["dns", "--set", f"dns_name_servers=127.0.0.1:{server.port}"]
    if request.param == "reverse":
        mode = [f"reverse:dns://127.0.0.1:{server.port}"]
    with Proxy(folder, "--mode", *mode, confdir=folder, trusted_ca=None) as running:
        yield running


def test_the_same_answers_as_without(proxy: Proxy, server: DnsServer) -> None:
    server.asked.clear()
    direct = {question: dig(server.port, *question.split()) for question in QUESTIONS}
    through = {question: dig(proxy.port, *question.split()) for question in QUESTIONS}
    assert through == direct
    assert "192.0.2.1" in through["www.example.test A"] and "REFUSED" in through["example.test ANY"]
    assert "NXDOMAIN" in through["nothing.example.test A"] and "019xxx" in through["large.example.test TXT"]
    proxy.flow_where(lambda flow: (flow["request"]["name"], flow["client"]["transport"]) == ("large.example.test", "tcp"))
    large = [flow for flow in proxy.flows() if flow["request"]["name"] == "large.example.test"]
    assert [(flow["client"]["transport"], flow["response"]["is_truncated"]) for flow in large] == [("udp", True), ("tcp", False)]
    assert server.asked.count(("tcp", "large.example.test. TXT")) == 2
    assert "alpn" in through["plain.example.test HTTPS"]


def test_keys_for_encrypted_client_hello_are_taken_out(proxy: Proxy, server: DnsServer) -> None:
    direct, through = (dig(port, "secure.example.test", "HTTPS") for port in (server.port, proxy.port))
    assert "ech=" in direct and "ech=" not in through
    assert 'alpn="h2,h3" ipv4hint=192.0.2.7' in through
    flow = proxy.flow_where(lambda flow: flow["request"]["name"] == "secure.example.test")
    assert flow["is_modified"] and "strip_ech" in flow["rules"][0]


def test_a_server_that_is_away_is_told(tmp_path: Path) -> None:
    with DnsServer() as gone:
        pass
    with Proxy(tmp_path, "--mode", f"reverse:dns://127.0.0.1:{gone.port}", confdir=tmp_path, trusted_ca=None) as proxy:
        assert "SERVFAIL" in dig(proxy.port, "www.example.test")
        assert "SERVFAIL" in dig(proxy.port, "www.example.test", "+tcp")
        first = proxy.flow_where(lambda flow: flow["client"]["transport"] == "udp")
        second = proxy.flow_where(lambda flow: flow["client"]["transport"] == "tcp")
        assert "connection refused" in first["error"]["message"] and "connection refused" in second["error"]["message"]


def test_held_edited_and_answered_by_hand(server: DnsServer, tmp_path: Path) -> None:
    mode = f"reverse:dns://127.0.0.1:{server.port}"
    with Console(tmp_path, "--mode", mode, confdir=tmp_path) as console, ThreadPoolExecutor(1) as clients:
        asked = clients.submit(dig, console.port, "alias.example.test", "AAAA")
        assert "2001:db8::1" in asked.result(PATIENCE_SECONDS)
        console.see("DNS", "AAAA alias.example.test = www.exam", "noerror")

        console.set_intercept("~dns & ~q")
        server.asked.clear()
        asked = clients.submit(dig, console.port, "www.example.test", "A")
        console.see("request held")
        console.press("G", "enter")
        console.see("www.example.test. IN A", "Request")
        console.edit("2", "Edit dns-response")
        console.press(*["down"] * 12, "end", "enter", ";ANSWER", "enter", "www.example.test. 60 IN A 203.0.113.9", "ctrl s")
        console.see("dns-response changed")
        console.press("a")
        answered = asked.result(PATIENCE_SECONDS)
        assert "203.0.113.9" in answered and "192.0.2.1" not in answered
        assert server.asked == []

        console.press("q")
        console.see("[2/2]")
        console.press(":", "set intercept '~dns & ~s'", "enter")
        console.see("[i:~dns & ~s]")
        asked = clients.submit(dig, console.port, "mail.example.test", "A")
        console.see("response held")
        console.press("G", "enter", "tab")
        console.see("192.0.2.25")
        console.press("w", str(tmp_path / "kept.mitm"), "enter")
        console.see("saved")
        console.press("a")
        assert "192.0.2.25" in asked.result(PATIENCE_SECONDS)
