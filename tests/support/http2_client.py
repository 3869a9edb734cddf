"""A client of HTTP/2 on a real socket, and a WebSocket on one of its streams (RFC 8441)."""

from __future__ import annotations

import socket
import ssl
import zlib
from collections import deque
from pathlib import Path

from websockets.frames import Frame, Opcode

from interceptor.proxy.websocket_frames import FramePiece, FrameReader
from tests.support.http2_peers import Http2Peer


class Http2Client:
    """To a proxy, or to what looks like a server: over TLS with a `ca_file`, else by prior knowledge."""

    def __init__(self, port: int, ca_file: Path | None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        if ca_file is not None:
            context = ssl.create_default_context(cafile=str(ca_file))
            context.set_alpn_protocols(["h2", "http/1.1"])
            self.socket = secure = context.wrap_socket(self.socket, server_hostname="localhost")
            assert secure.selected_alpn_protocol() == "h2"
        self.peer = Http2Peer(is_client=True)

    def wait_for(self, *streams: int) -> None:
        """Until these have ended; AssertionError if the connection ends first."""
        while not all(stream in self.peer.heard and self.peer.heard[stream].has_ended for stream in streams):
            self.step()

    def step(self) -> None:
        self.socket.sendall(self.peer.take())
        data = self.socket.recv(65536)
        assert data, "the connection was closed"
        self.peer.feed(data)
        self.socket.sendall(self.peer.take())


class StreamSocket:
    """A WebSocket on a stream of that client's connection, compressed."""

    def __init__(self, client: Http2Client, authority: str, scheme: str, path: str) -> None:
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
        payload, is_compressed = b"", False
        while True:
            body = self._peer.heard[self.stream].body
            self._pieces += self._reader.feed(bytes(body[self._taken :]))
            self._taken = len(body)
            while self._pieces:
                piece = self._pieces.popleft()
                is_compressed = is_compressed or bool(piece.rsv)
                payload += piece.payload
                if piece.is_last and piece.is_final:
                    return self._inflater.decompress(payload + b"\0\0\xff\xff") if is_compressed else payload
            self._client.step()
