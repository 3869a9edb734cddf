"""TLS as clients really speak it: hellos in pieces, old versions, RSA only, resumption, client certificates."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from tests.e2e.conftest import StartProxy
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.proxy import Proxy
from tests.support.raw_server import Peer, RawServer
from tests.support.tunnel import through, trusting

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET /tls HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answer_ok(peer: Peer) -> None:
    while peer.read_head():
        peer.send(OK)


class Handshake:
    """A client's TLS on memory BIOs, so that the test says how its bytes are cut."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def hello(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def finish(self, peer: Peer) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                peer.send(self.outgoing.read())
                data = peer.read()
                assert data, "the connection was closed in the handshake"
                self.incoming.write(data)
            else:
                return peer.send(self.outgoing.read())

    def exchange(self, peer: Peer, request: bytes) -> bytes:
        self.tls.write(request)
        peer.send(self.outgoing.read())
        answer = b""
        while not answer.endswith(b"\r\n\r\nok"):
            try:
                answer += self.tls.read(65536)
            except ssl.SSLWantReadError:
                data = peer.read()
                assert data, f"the connection was closed after {answer!r}"
                self.incoming.write(data)
        return answer


@pytest.mark.parametrize("cut", ["bytes", "records", "records and bytes"])
def test_a_client_hello_in_pieces(proxy: Proxy, certificate: ServerCertificate, cut: str) -> None:
    with RawServer(answer_ok, certificate) as server, through(proxy.port, "localhost", server.port) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handshake = Handshake(trusting(proxy.ca_file))
        hello = handshake.hello()
        if "records" in cut:  # the same message in records of 50 bytes
            message = hello[5:]
            pieces = [message[at : at + 50] for at in range(0, len(message), 50)]
            hello = b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)
        if "bytes" in cut:
            for at in range(len(hello)):
                client.send(hello[at : at + 1])
        else:
            client.send(hello)
        data = client.read()
        assert data[:1] == b"\x16", data
        handshake.incoming.write(data)
        handshake.finish(client)
        assert handshake.exchange(client, GET) == OK


def test_a_version_that_nobody_should_speak_is_refused_readably(proxy: Proxy, certificate: ServerCertificate) -> None:
    """TLS 1.0: an alert, and a row that says why."""
    hello = Handshake(trusting(proxy.ca_file)).hello()
    body = b"\x03\x01" + bytes(32) + b"\x00" + b"\x00\x04\xc0\x13\x00\x2f" + b"\x01\x00" + b"\x00\x00"
    old = b"\x01" + len(body).to_bytes(3, "big") + body
    assert len(hello) > len(old)
    with RawServer(answer_ok, certificate) as server:
        with through(proxy.port, "localhost", server.port) as client:
            client.send(b"\x16\x03\x01" + len(old).to_bytes(2, "big") + old)
            answer = client.read_to_end()
        flow = proxy.flow_where(lambda flow: bool(flow["error"]) and "tls_version_client_min" in flow["error"]["message"])
    assert answer[:3] == b"\x15\x03\x01", answer
    assert answer[-2:] == b"\x02\x46", "protocol_version"
    assert "TLS" in flow["error"]["message"]


def test_a_client_that_knows_rsa_only_gets_an_rsa_leaf(proxy: Proxy, certificate: ServerCertificate) -> None:
    context = trusting(proxy.ca_file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with RawServer(answer_ok, certificate) as server, through(proxy.port, "localhost", server.port) as client:
        client.start_tls(context, "localhost")
        client.send(GET)
        assert client.read_response()[1] == b"ok"
        assert isinstance(client.socket, ssl.SSLSocket)
        cipher = client.socket.cipher()
        assert cipher is not None
        assert cipher[0] == "ECDHE-RSA-AES128-GCM-SHA256"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_can_resume_its_session(proxy: Proxy, certificate: ServerCertificate, version: ssl.TLSVersion) -> None:
    context = trusting(proxy.ca_file)
    context.minimum_version = context.maximum_version = version
    session: ssl.SSLSession | None = None
    with RawServer(answer_ok, certificate) as server:
        for _ in range(2):
            with through(proxy.port, "localhost", server.port) as client:
                plain = client.socket
                client.socket = context.wrap_socket(plain, server_hostname="localhost", session=session)
                client.send(GET)
                assert client.read_response()[1] == b"ok"
                assert isinstance(client.socket, ssl.SSLSocket)
                assert client.socket.session_reused is (session is not None)
                session = client.socket.session


def test_a_server_that_wants_a_client_certificate_gets_it(start_proxy: StartProxy, authority: TestAuthority) -> None:
    own = authority.issue("a client")
    proxy = start_proxy("--set", f"client_certs={own.file}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue().file)
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    shown: list[object] = []

    def serve(peer: Peer) -> None:
        peer.start_tls(context)
        peer.read_head()
        assert isinstance(peer.socket, ssl.SSLSocket)
        shown.append(peer.socket.getpeercert(binary_form=True))
        peer.send(OK)

    with RawServer(serve) as server, through(proxy.port, "localhost", server.port) as client:
        client.start_tls(trusting(proxy.ca_file), "localhost")
        client.send(GET)
        assert client.read_response()[1] == b"ok"
    assert shown == [ssl.PEM_cert_to_DER_cert(own.file.read_text().partition("-----BEGIN PRIVATE KEY")[0].strip() + "\n")]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_side_may_speak_its_own_version(proxy: Proxy, certificate: ServerCertificate, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def serve(peer: Peer) -> None:
        peer.start_tls(context)
        answer_ok(peer)

    trust = trusting(proxy.ca_file)
    trust.minimum_version = trust.maximum_version = version
    with RawServer(serve) as server, through(proxy.port, "localhost", server.port) as client:
        client.start_tls(trust, "localhost")
        client.send(GET)
        assert client.read_response()[1] == b"ok"


def test_what_the_client_offers_is_offered_to_the_server(proxy: Proxy, certificate: ServerCertificate) -> None:
    """ALPN: except what we do not speak, so that nobody waits for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file)
    context.set_alpn_protocols(["http/1.1", "h2"])
    trust = trusting(proxy.ca_file)
    trust.set_alpn_protocols(["h2", "http/1.1"])
    chosen: list[str | None] = []

    def serve(peer: Peer) -> None:
        peer.start_tls(context)
        assert isinstance(peer.socket, ssl.SSLSocket)
        chosen.append(peer.socket.selected_alpn_protocol())
        answer_ok(peer)

    with RawServer(serve) as server, through(proxy.port, "localhost", server.port) as client:
        client.start_tls(trust, "localhost")
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.selected_alpn_protocol() == "http/1.1"
        client.send(GET)
        assert client.read_response()[1] == b"ok"
    assert chosen == ["http/1.1"]


def test_the_secrets_of_both_sides_are_logged(start_proxy: StartProxy, certificate: ServerCertificate, tmp_path: Path) -> None:
    log = tmp_path / "secrets"
    proxy = start_proxy("--set", f"tls_keylog_file={log}")
    with RawServer(answer_ok, certificate) as server, through(proxy.port, "localhost", server.port) as client:
        client.start_tls(trusting(proxy.ca_file), "localhost")
        client.send(GET)
        assert client.read_response()
    lines = [line.split() for line in log.read_text().splitlines()]
    randoms = {line[1] for line in lines if line[0] == "CLIENT_TRAFFIC_SECRET_0"}
    assert len(randoms) == 2, "ours with the client, and ours with the server"
    assert log.stat().st_mode & 0o077 == 0
