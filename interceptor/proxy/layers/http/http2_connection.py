"""One HTTP/2 connection, whichever side it faces: head of its pipe, and what its streams stand on.

    DataReceived ─▸ engine ─▸ stream: a head, data, its end     what came is credited when the stream's reader has taken it
    Send ◂─ engine ◂─ pump ◂─ stream: pieces that wait          sent at the end of the turn, as far as the peer's windows let them

A stream that is held or slow stalls itself: the window of the connection is opened again at once for whatever arrives, that of
the stream only while its reader is not paused. What a stream wants to send waits under a mark (above it its source is told
`Congested`); streams that the peer's connection window stops take turns.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from interceptor.model.connection import Connection
from interceptor.model.http import Field
from interceptor.proxy.core.effects import Close, Send
from interceptor.proxy.core.events import Closed, Congested, DataReceived, Drained, HalfClosed, HungUp, PipeEvent
from interceptor.proxy.core.layer import MARK, Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.error_codes import ErrorCode
from interceptor.proxy.layers.http.http2_engine import Engine
from interceptor.proxy.settings import Settings

STREAM_WINDOW: Final = 256 * 1024
LARGEST_STREAM_WINDOW: Final = 4 * 1024 * 1024  # of one whose data is taken as fast as it comes
_FIRST_CREDIT: Final = 32 * 1024
"""Half of the window that streams have until the peer has heard of ours. Firefox never hears of it for a tunnel that it has
opened before: it would stop, and wait for credit that is not due yet."""
CONNECTION_WINDOW: Final = 16 * 1024 * 1024
MAX_STREAMS: Final = 1000
"""Requests that a client may have running at once."""


class Http2Stream:
    """What both sides' streams have in common: sending under windows and a mark, and giving credit."""

    __slots__ = ("carrier", "has_ended", "id", "is_congested", "is_ending", "is_paused", "is_sending_over", "owed", "pending",
                 "pending_size", "taken", "trailers", "window")  # fmt: skip

    def __init__(self, carrier: Http2Connection, stream_id: int) -> None:
        self.carrier, self.id = carrier, stream_id
        self.pending: deque[bytes] = deque()
        self.pending_size = 0
        self.trailers: list[Field] | None = None
        self.is_ending = self.is_sending_over = False  # nothing is to come behind `pending`; the end has been sent
        self.has_ended = False  # the peer sends no more
        self.is_congested = self.is_paused = False
        self.owed = self.taken = 0  # bytes received: not credited yet; in all
        self.window = STREAM_WINDOW

    # --- sending ----------------------------------------------------------------------------------------------

    def put(self, data: bytes) -> None:
        if self.is_ending:
            return
        self.pending.append(data)
        self.pending_size += len(data)
        if self.pending_size > MARK and not self.is_congested:
            self.is_congested = True
            self.congested()
        self.carrier.touch(self)

    def put_end(self, trailers: list[Field] | None) -> None:
        if not self.is_ending:
            self.is_ending, self.trailers = True, trailers
            self.carrier.touch(self)

    def pump(self) -> None:
        """Sends what may be sent. Called by the carrier at the end of a turn."""
        engine, pending = self.carrier.engine, self.pending
        if self.is_sending_over or not self.is_open():
            return
        while pending:
            room = engine.room(self.id)
            if room <= 0:
                self.carrier.stopped[self] = None
                break
            piece = self._take(room)
            self.is_sending_over = self.is_ending and not pending and self.trailers is None
            engine.data(self.id, piece, self.is_sending_over)
        if not pending and self.is_ending and not self.is_sending_over:
            self.is_sending_over = True
            if self.trailers is not None:
                engine.head(self.id, self.trailers, True)
            else:
                engine.end(self.id)
        if self.is_sending_over:
            self.sent_all()
        elif self.is_congested and self.pending_size < MARK // 4:
            self.is_congested = False
            self.drained()

    def _take(self, room: int) -> bytes:
        """As much of what waits as fits into one frame."""
        pending = self.pending
        piece = pending.popleft()
        if len(piece) > room:
            pending.appendleft(piece[room:])
            piece = piece[:room]
        elif pending and len(piece) + len(pending[0]) <= room:
            pieces, size = [piece], len(piece)
            while pending and size + len(pending[0]) <= room:
                size += len(pending[0])
                pieces.append(pending.popleft())
            piece = b"".join(pieces)
        self.pending_size -= len(piece)
        return piece

    def drop_pending(self) -> None:
        self.pending.clear()
        self.pending_size, self.is_ending, self.is_sending_over = 0, True, True

    def is_open(self) -> bool:
        """It has its number, and has not been reset."""
        raise AssertionError("each side says its own")

    def congested(self) -> None:
        raise AssertionError("each side says its own")

    def drained(self) -> None:
        raise AssertionError("each side says its own")

    def sent_all(self) -> None:
        """Its end has been sent."""
        raise AssertionError("each side says its own")

    # --- receiving --------------------------------------------------------------------------------------------

    def received(self, size: int) -> None:
        """So much has arrived, and is on its way to the reader."""
        self.owed += size
        self.taken += size

    def give_credit(self) -> None:
        due = _FIRST_CREDIT if self.window == STREAM_WINDOW else self.window // 2
        if self.has_ended or self.is_paused or self.owed < due:
            return
        owed, self.owed = self.owed, 0
        if self.taken >= 4 * self.window and self.window < LARGEST_STREAM_WINDOW:
            owed, self.window = owed + self.window, self.window * 2
        self.carrier.engine.credit(owed, self.id)
        self.carrier.touch(None)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False
        self.give_credit()


class Http2Connection(Layer):
    """A `Listener` of its engine. `start` when it stands in its pipe."""

    def __init__(self, stack: Stack, settings: Settings, connection: Connection, *, is_client: bool) -> None:
        super().__init__(stack)
        self.connection = connection
        self.settings = settings
        self.engine = Engine(
            self,
            is_client=is_client,
            max_streams=MAX_STREAMS,
            stream_window=STREAM_WINDOW,
            list_limit=settings.header_size_limit,
            takes_protocols=settings.websocket and not is_client,
        )
        self.streams: dict[int, Any] = {}
        self.stopped: dict[Http2Stream, None] = {}  # by a window, in the order in which they go on
        self.is_closed = False
        self.last_heard = stack.now
        self._touched: dict[Http2Stream, None] = {}
        self._will_flush = self._is_congested = False
        self._owed = 0

    def start(self) -> None:
        self.engine.credit(CONNECTION_WINDOW - 65_535)
        self.touch(None)

    # --- Receiver: from the wire ------------------------------------------------------------------------------

    def receive(self, event: PipeEvent) -> None:
        if self.is_closed:
            return
        match event:
            case DataReceived(data=data):
                self.last_heard = self.stack.now
                self.engine.feed(data, self.stack.now)
                if self.is_closed:
                    return
                if self.engine.is_in_head:
                    self.stack.alarms.setdefault(self._head_alarm, self.stack.now + self.settings.header_timeout)
                else:
                    self.stack.alarms.pop(self._head_alarm, None)
                self.touch(None)
            case HalfClosed() | Closed() | HungUp():
                self.left(event.reason if isinstance(event, Closed) else "")
            case Congested():
                self._is_congested = True
            case Drained():
                self._is_congested = False
                self._go_on()
            case _:
                pass

    def left(self, reason: str) -> None:
        """The peer has gone."""
        raise AssertionError("each side says its own")

    def close(self, reason: str) -> None:
        """What is to be sent goes out first."""
        if self.is_closed:
            return
        if data := self.engine.take():
            self.wire(Send(self.connection, data))
        self.is_closed = True
        self.stack.alarms.pop(self._head_alarm, None)
        self.wire(Close(self.connection, reason))

    def _head_alarm(self) -> None:
        seconds = self.settings.header_timeout
        self.engine.goaway(ErrorCode.PROTOCOL_ERROR, "no complete header block in time")
        self.broken(f"no complete header block within {seconds:g} s (header_timeout)")

    # --- sending ----------------------------------------------------------------------------------------------

    def touch(self, stream: Http2Stream | None) -> None:
        """There is something to be sent, perhaps of that stream."""
        if stream is not None:
            self._touched[stream] = None
        if not self._will_flush:
            self._will_flush = True
            self.stack.at_turn_end.append(self._flush)

    def _flush(self) -> None:
        self._will_flush = False
        if self.is_closed:
            return
        if not self._is_congested:
            touched, self._touched = self._touched, {}
            for stream in touched:
                stream.pump()
        if data := self.engine.take():
            self.wire(Send(self.connection, data))

    def _go_on(self) -> None:
        """Whoever was stopped tries again."""
        stopped, self.stopped = self.stopped, {}
        self._touched.update(stopped)
        self.touch(None)

    # --- Listener: from the engine ----------------------------------------------------------------------------

    def data_received(self, stream_id: int, data: bytes, size: int, is_last: bool) -> None:
        self._owed += size
        if self._owed * 4 > CONNECTION_WINDOW:
            self.engine.credit(self._owed)
            self._owed = 0
        if (stream := self.streams.get(stream_id)) is not None:
            stream.received(size)
            stream.arrived(data, is_last)

    def window_opened(self, stream_id: int) -> None:
        if not stream_id:
            self._go_on()
        elif (stream := self.streams.get(stream_id)) is not None and stream in self.stopped:
            del self.stopped[stream]
            self.touch(stream)

    def settings_received(self) -> None:
        self._go_on()

    def head_received(self, stream_id: int, fields: list[Field], is_last: bool) -> None:
        raise AssertionError("each side says its own")

    def reset_received(self, stream_id: int, code: int) -> None:
        raise AssertionError("each side says its own")

    def forget(self, stream: Http2Stream) -> None:
        """It is over."""
        raise AssertionError("each side says its own")

    def malformed(self, stream_id: int, reason: str) -> None:
        raise AssertionError("each side says its own")

    def goaway_received(self, last_stream_id: int, code: int, explanation: bytes) -> None:
        raise AssertionError("each side says its own")

    def broken(self, reason: str) -> None:
        raise AssertionError("each side says its own")
