"""The other end of an HTTP/2 connection on paper: h2 itself, with all its checks on, as a client or a server.

    client = Http2Peer(is_client=True); stream = client.ask(path=b"/x"); driver.says(client.take())
    server.heard[1].fields, .body, .trailers, .has_ended, .reset      what came on a stream
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

Fields = list[tuple[bytes, bytes]]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass
class Heard:
    """What a peer has heard on one stream."""

    fields: Fields = field(default_factory=list)
    informational: list[Fields] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    trailers: Fields | None = None
    has_ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(dict(self.fields)[b":status"])


class Http2Peer:
    """A `Peer` for the driver on paper. It gives credit as it reads, unless `reads` is False."""

    def __init__(
        self, *, is_client: bool, reads: bool = True, settings: dict[int, int] | None = None, is_strict: bool = True
    ) -> None:
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=is_client,
                header_encoding=None,
                normalize_inbound_headers=False,
                normalize_outbound_headers=False,
                validate_outbound_headers=False,
                validate_inbound_headers=is_strict,
            )
        )
        if settings is not None:
            self.h2.local_settings = h2.settings.Settings(client=is_client, initial_values=settings)  # type: ignore[arg-type]
        self.h2.initiate_connection()
        self.reads = reads
        self.heard: dict[int, Heard] = {}
        self.goaway: h2.events.ConnectionTerminated | None = None
        self.pings = 0
        self.unread: dict[int, int] = {}
        self.ended: set[int] = set()  # streams on which it has said all
        self._unsent: deque[tuple[int, bytes | Fields, bool]] = deque()  # data, or trailers behind it

    # --- Peer -------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            self._happened(event)
        self._send_on()

    def take(self) -> bytes:
        return self.h2.data_to_send()

    def _happened(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived() | h2.events.ResponseReceived():
                self._of(event).fields = list(map(tuple, event.headers))  # type: ignore[arg-type]
            case h2.events.InformationalResponseReceived():
                self._of(event).informational.append(list(map(tuple, event.headers)))  # type: ignore[arg-type]
            case h2.events.TrailersReceived():
                self._of(event).trailers = list(map(tuple, event.headers))  # type: ignore[arg-type]
            case h2.events.DataReceived():
                self._of(event).body += event.data
                size = event.flow_controlled_length
                if self.reads and size:
                    self.h2.acknowledge_received_data(size, event.stream_id)
                else:
                    self.unread[event.stream_id] = self.unread.get(event.stream_id, 0) + size
            case h2.events.StreamEnded():
                self._of(event).has_ended = True
            case h2.events.StreamReset():
                self._of(event).reset = int(event.error_code)
            case h2.events.ConnectionTerminated():
                self.goaway = event
            case h2.events.PingReceived():
                self.pings += 1

    def _of(self, event: Any) -> Heard:
        return self.heard.setdefault(event.stream_id, Heard())

    # --- what it says -----------------------------------------------------------------------------------------

    def ask(
        self,
        method: bytes = b"GET",
        path: bytes = b"/",
        fields: Fields = (),  # type: ignore[assignment]
        body: bytes = b"",
        *,
        authority: bytes = b"a.test",
        scheme: bytes = b"http",
        ends: bool = True,
    ) -> int:
        """The number of the stream."""
        stream = self.h2.get_next_available_stream_id()
        pseudo = [(b":method", method), (b":scheme", scheme), (b":authority", authority), (b":path", path)]
        if method == b"CONNECT":
            pseudo = [(b":method", method), (b":authority", authority)]
        self.say_head(stream, [*pseudo, *fields], ends and not body)
        if body:
            self.say(stream, body, ends)
        return stream

    def answer(
        self,
        stream: int,
        fields: Fields = (),  # type: ignore[assignment]
        body: bytes = b"",
        *,
        status: int = 200,
        trailers: Fields | None = None,
        ends: bool = True,
    ) -> None:
        self.say_head(stream, [(b":status", b"%d" % status), *fields], ends and not body and not trailers)
        if body:
            self.say(stream, body, ends and not trailers)
        if trailers:
            self.ended.add(stream)
            self._unsent.append((stream, trailers, True))
            self._send_on()

    def say_head(self, stream: int, fields: Fields, ends: bool = False) -> None:
        self.h2.send_headers(stream, fields, end_stream=ends)
        if ends:
            self.ended.add(stream)

    def say(self, stream: int, data: bytes, ends: bool = False) -> None:
        """As far as the windows allow; the rest follows when they open."""
        if ends:
            self.ended.add(stream)
        self._unsent.append((stream, data, ends))
        self._send_on()

    def _send_on(self) -> None:
        blocked: deque[tuple[int, bytes | Fields, bool]] = deque()
        stopped: set[int] = set()
        while self._unsent:
            stream, data, ends = self._unsent.popleft()
            if stream in stopped:
                blocked.append((stream, data, ends))
                continue
            try:
                if isinstance(data, list):
                    self.say_head(stream, data, True)
                    continue
                while data or ends:
                    room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
                    if data and room <= 0:
                        break
                    piece, data = data[:room], data[room:]
                    self.h2.send_data(stream, piece, end_stream=ends and not data)
                    if not data:
                        ends = False
            except h2.exceptions.ProtocolError:
                continue  # it has been reset
            if data:
                stopped.add(stream)
                blocked.append((stream, data, ends))
        self._unsent = blocked

    def reset(self, stream: int, code: int = 8) -> None:
        self.h2.reset_stream(stream, code)
        self.ended.add(stream)

    def read_on(self) -> None:
        """Gives the credit that it has withheld."""
        unread, self.unread = self.unread, {}
        for stream, size in unread.items():
            self.h2.acknowledge_received_data(size, stream)
        self.reads = True


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Any frame, right or wrong."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
