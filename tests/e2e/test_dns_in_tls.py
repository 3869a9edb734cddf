"""Name servers over TLS and over HTTPS: dig asks in datagrams, the proxy asks them, and who fails gives way to the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import StartProxy
from tests.e2e.test_dns import dig
from tests.support.any_http import Answer, AnyHttp, Fields
from tests.support.certificates import ServerCertificate
from tests.support.dns_server import DnsServer
from tests.support.raw_server import Peer, RawServer

pytestmark = pytest.mark.needs_dig
QUESTIONS = ("www.example.test A", "large.example.test TXT", "nothing.example.test A")


class OverHttps(AnyHttp):
    """At /dns-query; elsewhere nothing is DNS."""

    def __init__(self, certificate: ServerCertificate, names: DnsServer) -> None:
        super().__init__(certificate)
        self._names = names
        self.seen: list[str] = []

    def _answer(self, method: str, path: str, fields: Fields, body: bytes) -> Answer:
        kind = {name.lower(): value for name, value in fields}.get(b"content-type", b"")
        self.seen.append(f"{method} {path} {kind.decode()} {body[:2].hex()}")
        if path == "/dns-query":
            return Answer([(b"content-type", b"application/dns-message")], self._names._answer(body, "tcp"))
        return Answer([(b"content-type", b"text/html")], b"<p>Here is nothing.")


@pytest.fixture(scope="module")
def names() -> Iterator[DnsServer]:
    with DnsServer() as running:
        yield running


@pytest.mark.parametrize("version", ["HTTP/2", "HTTP/1"])
def test_over_https(start_proxy: StartProxy, names: DnsServer, certificate: ServerCertificate, version: str) -> None:
    with OverHttps(certificate, names) as server:
        base = f"https://localhost:{server.tls.port}"
        servers = [word for path in ("/other", "/dns-query") for word in ("--set", f"dns_name_servers={base}{path}")]
        proxy = start_proxy("-m", "dns", *servers, "--set", f"http2={str(version == 'HTTP/2').lower()}")
        for question in QUESTIONS:
            assert dig(proxy.port, *question.split()) == dig(names.port, *question.split())
        assert server.seen[:2] == [f"POST {path} application/dns-message 0000" for path in ("/other", "/dns-query")]
        flow = proxy.flow_where(lambda flow: flow["type"] == "dns")
        assert flow["error"] is None and flow["server"]["tls"]["alpn"] == ("h2" if version == "HTTP/2" else "http/1.1")
        proxy.stop()  # which keeps its connections for a while: the server waits for their end


def test_over_tls(start_proxy: StartProxy, names: DnsServer, certificate: ServerCertificate) -> None:
    def serve(peer: Peer) -> None:
        while size := peer.read_exactly(2):
            answer = names._answer(peer.read_exactly(int.from_bytes(size, "big")), "tcp")
            peer.send(len(answer).to_bytes(2, "big") + answer)

    with RawServer(serve, certificate) as server:
        proxy = start_proxy("-m", "dns", "--set", f"dns_name_servers=tls://localhost:{server.port}")
        for question in (*QUESTIONS, "www.example.test A +tcp"):
            assert dig(proxy.port, *question.split()) == dig(names.port, *question.split())
        flow = proxy.flow_where(lambda flow: flow["type"] == "dns")
        assert flow["error"] is None and flow["server"]["tls"]["version"] == "TLSv1.3"
        untrusted = start_proxy("-m", "dns", "--set", f"dns_name_servers=tls://127.0.0.2:{server.port}", trusted_ca=None)
        assert "SERVFAIL" in dig(untrusted.port, "www.example.test")
        proxy.stop()
