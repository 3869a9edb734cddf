"""What comes through CONNECT that is not HTTP, or is wrapped once more: raw TCP, a server that speaks first, TLS in TLS."""

from __future__ import annotations

import threading

import pytest

from tests.support.certificates import ServerCertificate
from tests.support.nginx import content, sha256
from tests.support.proxy import Flow, Proxy
from tests.support.raw_server import Peer, RawServer, connect
from tests.support.tunnel import through, trusting


def chat(peer: Peer) -> None:
    """Like SMTP: the server speaks first, then line by line."""
    peer.send(b"220 mail.example ESMTP\r\n")
    while line := peer.read_until(b"\r\n"):
        peer.send(b"250 " + line)


def talk(client: Peer) -> None:
    assert client.read_until(b"\r\n") == b"220 mail.example ESMTP\r\n"
    for line in (b"EHLO me\r\n", b"MAIL FROM:<a@example>\r\n", b"\x80\x00 binary\r\n"):
        client.send(line)
        assert client.read_until(b"\r\n") == b"250 " + line


def is_to(flow: Flow, port: int) -> bool:
    return flow["server"] is not None and bool(flow["server"]["address"].endswith(f":{port}"))


def test_a_server_that_speaks_first(proxy: Proxy) -> None:
    with RawServer(chat) as server:
        with through(proxy.port, "localhost", server.port) as client:
            talk(client)
        flow = proxy.flow_where(lambda flow: flow["type"] == "tcp" and is_to(flow, server.port))
    assert flow["error"] is None


def test_a_server_that_speaks_first_inside_tls(proxy: Proxy, certificate: ServerCertificate) -> None:
    with RawServer(chat, certificate) as server, through(proxy.port, "localhost", server.port) as client:
        client.start_tls(trusting(proxy.ca_file), "localhost")
        talk(client)


def test_tls_inside_of_tls_to_the_proxy(proxy: Proxy, certificate: ServerCertificate) -> None:
    trust = trusting(proxy.ca_file)
    with RawServer(chat, certificate) as server, connect(proxy.port) as client:
        client.start_tls(trust, "localhost")
        client.send(b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % (server.port, server.port))
        assert client.read_head().startswith(b"HTTP/1.1 200")
        client.start_tls(trust, "localhost")
        talk(client)


@pytest.mark.parametrize("is_tls", [False, True])
def test_megabytes_both_ways_at_once(proxy: Proxy, certificate: ServerCertificate, is_tls: bool) -> None:
    up, down = b"\x05" + content("up", 8_000_000), content("down", 8_000_000)
    received: list[bytes] = []

    def serve(peer: Peer) -> None:
        reader = threading.Thread(target=lambda: received.append(peer.read_exactly(len(up))))
        if is_tls:  # a TLS socket of the standard library is not for two threads at once
            received.append(peer.read_exactly(len(up)))
            peer.send(down)
            return
        reader.start()
        peer.send(down)
        reader.join()

    with RawServer(serve, certificate if is_tls else None) as server, through(proxy.port, "localhost", server.port) as client:
        if is_tls:
            client.start_tls(trusting(proxy.ca_file), "localhost")
            client.send(up)
        else:
            writer = threading.Thread(target=client.send, args=(up,))
            writer.start()
        assert sha256(client.read_exactly(len(down))) == sha256(down)
    assert [sha256(each) for each in received] == [sha256(up)], "one connection, with all of it"


def test_half_close_is_passed_on(proxy: Proxy) -> None:
    """The client has said all, and hears the answer to it."""

    def serve(peer: Peer) -> None:
        everything = peer.read_to_end()
        peer.send(b"you sent %d bytes" % len(everything))

    with RawServer(serve) as server, through(proxy.port, "localhost", server.port) as client:
        client.send(b"\x01\x02\x03" * 1000)
        client.socket.shutdown(1)
        assert client.read_to_end() == b"you sent 3000 bytes"


def test_a_server_that_is_not_there(proxy: Proxy) -> None:
    """The client of a tunnel to nowhere hears of it in words, and there is a row that says so."""
    with RawServer(chat) as server:
        port = server.port
    with connect(proxy.port) as client:
        client.send(b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % (port, port))
        head, body = client.read_response()
        assert head.startswith(b"HTTP/1.1 502 "), head
        assert b"localhost" in body
        client.send(b"GET http://localhost:%d/same-connection HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % (port, port))
        assert client.read_response()[0].startswith(b"HTTP/1.1 502 ")
