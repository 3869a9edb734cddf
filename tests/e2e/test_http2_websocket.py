"""WebSockets over HTTP/2 (RFC 8441) of a real client through the program, to a real server of HTTP/1."""

from __future__ import annotations

import zlib
from collections import deque
from urllib.parse import urlsplit

import pytest
from websockets.frames import Frame, Opcode

from interceptor.proxy.websocket_frames import FramePiece, FrameReader
from tests.e2e.test_http2_proxy import Client
from tests.support.certificates import ServerCertificate
from tests.support.nginx import content
from tests.support.proxy import Proxy
from tests.support.websocket_server import websocket_echo


class Socket:
    """A WebSocket on a stream of that client's connection."""

    def __init__(self, client: Client, authority: str, scheme: str, path: str) -> None:
        self._client, self._peer, self._reader = client, client.peer, FrameReader()
        self._taken, self._pieces = 0, deque[FramePiece]()
        while not self._peer.h2.remote_settings.enable_connect_protocol:
            client.step()
        self.stream = self._peer.h2.get_next_available_stream_id()
        fields = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", scheme.encode())]
        fields += [(b":authority", authority.encode()), (b":path", path.encode()), (b"sec-websocket-version", b"13")]
        self._peer.say_head(self.stream, [*fields, (b"sec-websocket-extensions", b"permessage-deflate")])
        while self.stream not in self._peer.heard:
            client.step()
        self.granted = dict(self._peer.heard[self.stream].fields)
        compressor = zlib.compressobj(wbits=-15)
        self._deflate = lambda data: (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
        self._inflater = zlib.decompressobj(-15)

    def say(self, message: bytes, opcode: Opcode = Opcode.TEXT) -> None:
        is_compressed = opcode in (Opcode.TEXT, Opcode.BINARY)
        raw = Frame(opcode, self._deflate(message) if is_compressed else message).serialize(mask=True)
        self._peer.say(self.stream, bytes([raw[0] | is_compressed << 6]) + raw[1:])

    def hear(self) -> bytes:
        """The next message, or a close."""
        payload = b""
        while True:
            body = self._peer.heard[self.stream].body
            self._pieces += self._reader.feed(bytes(body[self._taken :]))
            self._taken = len(body)
            while self._pieces:
                piece = self._pieces.popleft()
                payload += piece.payload
                if piece.is_last and piece.is_final:
                    return payload if piece.is_control else self._inflater.decompress(payload + b"\0\0\xff\xff")
            self._client.step()


@pytest.mark.parametrize("is_secure", [False, True])
def test_a_conversation(proxy: Proxy, certificate: ServerCertificate, is_secure: bool) -> None:
    path, large = f"/h2-socket-{is_secure}", content("h2-socket", 400_000)
    with websocket_echo(certificate if is_secure else None) as url:
        client = Client(proxy.port, proxy)
        socket = Socket(client, urlsplit(url).netloc, "https" if is_secure else "http", path)
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
