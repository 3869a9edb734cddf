"""A hop that speaks HTTP/2: one connection to it carries any number of tunnels, each a stream that was asked for by CONNECT
(RFC 9113 §8.5), with Basic credentials if it has some.

    tunnel(…) ─▸ HEADERS CONNECT ◂─ 2xx ─▸ Opened at the foot of the stream's own pipe      else ─▸ Closed, with what it said

Head of the pipe of the connection to that hop. The tunnels of one client share it; it ends with that client.
"""

from __future__ import annotations

from interceptor.model.connection import Address, Connection, Hop, Side, StreamConnection, bracketed
from interceptor.model.http import Field
from interceptor.proxy.core.events import Congested, Drained, HalfClosed, Opened, Receiver
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.hop_tunnel import basic_credentials, refusal
from interceptor.proxy.layers.http.error_codes import ErrorCode, code_name
from interceptor.proxy.layers.http.head_scan import HeadError
from interceptor.proxy.layers.http.http2_connection import Http2Connection, Http2Stream
from interceptor.proxy.layers.http.http2_heads import read_status
from interceptor.proxy.layers.http.http2_pipes import PipedStream
from interceptor.proxy.settings import Settings

_COUNT_LIMIT = 1000


class HopStream(PipedStream):
    """One tunnel: the floor of its connection's pipe from the first moment on."""

    __slots__ = ("_is_granted", "hop", "owner")

    def __init__(self, owner: Http2Hop, hop: Hop, stream_id: int) -> None:
        super().__init__(owner, stream_id)
        self.owner, self.hop, self._is_granted = owner, hop, False

    def stand_under(self, connection: Connection, head: Receiver) -> None:
        self.connection, self.has_pipe = connection, True
        self.carrier.stack.open(connection, (), head, floor=self)

    def is_open(self) -> bool:
        return self.owner.streams.get(self.id) is self

    # --- from the hop -----------------------------------------------------------------------------------------

    def head_arrived(self, fields: list[Field], is_last: bool) -> None:
        if self._is_granted:
            return self.owner.reset(self, ErrorCode.PROTOCOL_ERROR, "it sent trailers in a tunnel")
        try:
            head = read_status(fields, self.owner.settings.header_size_limit, _COUNT_LIMIT)
        except HeadError as error:
            return self.owner.reset(self, ErrorCode.PROTOCOL_ERROR, f"its answer is malformed: {error}")
        if head.status < 200:
            return
        self.has_ended = is_last
        if head.status >= 300:
            return self.owner.reset(self, ErrorCode.CANCEL, refusal(self.hop, head.status, b"", head.fields))
        self._is_granted = True
        self.carrier.stack.enter(Opened(self.connection))
        if is_last and self.has_pipe:
            self.carrier.stack.enter(HalfClosed(self.connection))

    def arrived(self, data: bytes, is_last: bool) -> None:
        self.has_ended = is_last
        if self.has_pipe and self._is_granted:
            self.rises(data, is_last)
        elif self.is_finished and is_last:
            self.owner.forget(self)
        self.give_credit()

    def broke(self, reason: str) -> None:
        """It has been reset, by the hop or by us, or the connection has gone."""
        self.drop_pending()
        self.owner.forget(self)
        if self.has_pipe:
            self.lose_pipe(reason)

    # --- PipedStream ------------------------------------------------------------------------------------------

    def finished(self) -> None:
        """Nobody stands on it any more."""
        if not self._is_granted:
            self.owner.reset(self, ErrorCode.CANCEL, "no longer wanted")
        elif self.is_sending_over:
            self.sent_all()

    def sent_all(self) -> None:
        if self.has_pipe:
            return
        if not self.has_ended:
            self.owner.reset(self, ErrorCode.CANCEL, "no longer wanted")
        else:
            self.owner.forget(self)

    def congested(self) -> None:
        if self.has_pipe:
            self.post(Congested(self.connection))

    def drained(self) -> None:
        if self.has_pipe:
            self.post(Drained(self.connection))


class Http2Hop(Http2Connection):
    """`start` when it stands in its pipe; then what came before it got there."""

    def __init__(self, stack: Stack, settings: Settings, connection: Connection, hop: Hop) -> None:
        super().__init__(stack, settings, connection, is_client=True)
        self._hop = hop
        self._goaway = ""

    @property
    def takes_more(self) -> bool:
        """Another tunnel can be asked for."""
        return not self.is_closed and not self._goaway and len(self.streams) < self.engine.peer_allows

    def tunnel(self, to: Address, record: Connection, head: Receiver) -> StreamConnection | None:
        """A connection like `record` that leads there over this one; `Opened` or `Closed` comes to its head. None if this one
        takes no more."""
        stream_id = self.engine.new_stream_id() if self.takes_more else None
        if stream_id is None:
            return None
        parent, now = self.connection, self.stack.wall_time()
        connection = StreamConnection(
            Side.SERVER,
            record.peer,
            local=parent.local,
            opened_at=record.opened_at,
            connected_at=now,
            via=record.via,
            is_forwarded=record.is_forwarded,
            parent=parent,
            stream_id=stream_id,
        )
        stream = self.streams[stream_id] = HopStream(self, self._hop, stream_id)
        stream.stand_under(connection, head)
        authority = f"{bracketed(to[0])}:{to[1]}".encode("ascii", "surrogateescape")
        said = [(name.lower(), value) for name, value in basic_credentials(self._hop)]
        self.engine.head(stream_id, [(b":method", b"CONNECT"), (b":authority", authority), *said], False)
        self.touch(stream)
        return connection

    def reset(self, stream: HopStream, code: int, reason: str) -> None:
        if stream.is_open():
            self.engine.reset(stream.id, code)
            self.touch(None)
        stream.broke(reason)

    def forget(self, stream: Http2Stream) -> None:
        if self.streams.get(stream.id) is stream:
            del self.streams[stream.id]
            self.stopped.pop(stream, None)
        if self._goaway and not self.streams:
            self.close(self._goaway)

    # --- Listener: from the engine ----------------------------------------------------------------------------

    def head_received(self, stream_id: int, fields: list[Field], is_last: bool) -> None:
        if (stream := self.streams.get(stream_id)) is not None:
            stream.head_arrived(fields, is_last)

    def reset_received(self, stream_id: int, code: int) -> None:
        if (stream := self.streams.get(stream_id)) is not None:
            stream.broke(f"the proxy reset the stream ({code_name(code)})")

    def malformed(self, stream_id: int, reason: str) -> None:
        if (stream := self.streams.get(stream_id)) is not None:
            stream.broke(f"its answer is malformed: {reason}")

    def goaway_received(self, last_stream_id: int, code: int, explanation: bytes) -> None:
        said = explanation[:100].decode("utf-8", "replace")
        self._goaway = f"the proxy is going away ({code_name(code)}{f': {said}' if said else ''})"
        for stream in [stream for number, stream in self.streams.items() if number > last_stream_id]:
            stream.broke(self._goaway)
        if not self.streams:
            self.close(self._goaway)

    def broken(self, reason: str) -> None:
        self.close(reason)
        self._end_tunnels(f"the proxy broke the HTTP/2 protocol: {reason}")

    def left(self, reason: str) -> None:
        self.close("the proxy left")
        self._end_tunnels(f"the proxy closed the connection{f' ({reason})' if reason else ''}")

    def _end_tunnels(self, reason: str) -> None:
        for stream in list(self.streams.values()):
            stream.broke(reason)

