"""WebSockets over HTTP/2 (RFC 8441) of a real client through the program, to a real server of HTTP/1."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from websockets.frames import Opcode

from tests.support.certificates import ServerCertificate
from tests.support.http2_client import Http2Client, StreamSocket
from tests.support.nginx import content
from tests.support.proxy import Proxy
from tests.support.websocket_server import websocket_echo


@pytest.mark.parametrize("is_secure", [False, True])
def test_a_conversation(proxy: Proxy, certificate: ServerCertificate, is_secure: bool) -> None:
    path, large = f"/h2-socket-{is_secure}", content("h2-socket", 400_000)
    with websocket_echo(certificate if is_secure else None) as url:
        client = Http2Client(proxy.port, proxy.ca_file)
        socket = StreamSocket(client, urlsplit(url).netloc, "https" if is_secure else "http", path)
        assert socket.granted[b":status"] == b"200" and b"permessage-deflate" in socket.granted[b"sec-websocket-extensions"]
        for message, opcode in ((b"hello", Opcode.TEXT), (large, Opcode.BINARY), (b"hello hello", Opcode.TEXT)):
            socket.say(message, opcode)
            assert socket.hear() == message
        socket.say(b"\x03\xe8", Opcode.CLOSE)
        assert socket.hear() == b"\x03\xe8"
        client.wait_for(socket.stream)
        client.socket.close()
    flow = proxy.flow(path)
    assert flow["request"]["method"] == "GET" and flow["response"]["status_code"] == 101 and flow["error"] is None
    assert (flow["request"]["http_version"], flow["response"]["http_version"]) == ("HTTP/2.0", "HTTP/1.1")
    assert flow["websocket"]["close_code"] == 1000 and flow["websocket"]["message_count"] == 8
