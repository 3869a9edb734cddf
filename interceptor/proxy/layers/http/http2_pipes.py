"""A stream of HTTP/2 that becomes a connection of its own: the floor of a pipe (after CONNECT, or an extended one).

    DATA ─▸ DataReceived, END_STREAM ─▸ HalfClosed, RST_STREAM ─▸ Closed        PauseReading withholds credit
    Send ─▸ DATA, HalfClose ─▸ END_STREAM, Close ─▸ END_STREAM, and a reset if the peer has not ended

Whoever stands on it cannot tell it from a socket.
"""

from __future__ import annotations

from interceptor.model.connection import Connection, StreamConnection
from interceptor.proxy.core.effects import Close, HalfClose, PauseReading, PipeEffect, ResumeReading, Send
from interceptor.proxy.core.events import Closed, DataReceived, HalfClosed, PipeEvent
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.http2_connection import Http2Connection, Http2Stream


class PipedStream(Http2Stream):
    """What both sides' streams have in common as soon as they have a pipe."""

    __slots__ = ("connection", "early", "has_pipe", "is_finished")

    def __init__(self, carrier: Http2Connection, stream_id: int) -> None:
        super().__init__(carrier, stream_id)
        self.connection: Connection = carrier.connection
        self.has_pipe = False
        self.is_finished = False  # nobody here wants anything of it any more
        self.early = bytearray()  # said in it before it had its pipe

    def open_pipe(self) -> None:
        parent, stack = self.carrier.connection, self.carrier.stack
        self.connection = StreamConnection(
            parent.side,
            parent.peer,
            local=parent.local,
            opened_at=stack.wall_time(),
            connected_at=stack.wall_time(),
            parent=parent,
            stream_id=self.id,
        )
        self.has_pipe = True
        stack.open(self.connection, (), _Nobody(), floor=self)

    def take_early(self) -> bytes:
        """What waits for the head that is put on this stream; that the peer has ended follows in a turn of its own."""
        if self.has_ended:
            self.post(HalfClosed(self.connection))
        early, self.early = bytes(self.early), bytearray()
        self.give_credit()
        return early

    def rises(self, data: bytes, is_last: bool) -> None:
        if data:
            self.carrier.stack.enter(DataReceived(self.connection, data))
        if is_last and self.has_pipe:
            self.carrier.stack.enter(HalfClosed(self.connection))

    def lose_pipe(self, reason: str) -> None:
        """It has been reset, or its connection has gone."""
        self.has_pipe = False
        if pipe := self.carrier.stack.pipes.pop(self.connection, None):
            pipe.foot.receive(Closed(self.connection, reason))

    def emit(self, effect: PipeEffect) -> None:
        if not self.has_pipe:
            return
        match effect:
            case Send(data=data):
                self.put(data)
            case HalfClose():
                self.put_end(None)
            case Close():
                self.pipe_is_over()
                self.put_end(None)
                self.finished()
            case PauseReading():
                self.pause()
            case ResumeReading():
                self.resume()

    def pipe_is_over(self) -> None:
        self.has_pipe = False
        self.carrier.stack.pipes.pop(self.connection, None)
        self.connection.closed_at = self.carrier.stack.wall_time()
        self.is_finished = True
        if self.is_sending_over:
            self.carrier.forget(self)

    def finished(self) -> None:
        raise AssertionError("each side says its own")

    def post(self, event: PipeEvent) -> None:
        """In a turn of its own: whoever is sending is not entered."""
        self.carrier.stack.post(_Later(self.carrier.stack), event)


class _Nobody:
    """Head of a stream's pipe for the moment until somebody is put there."""

    def receive(self, event: PipeEvent) -> None:
        pass


class _Later:
    """Enters an event at the foot of its pipe, if it still has one."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def receive(self, event: PipeEvent) -> None:
        self._stack.enter(event)
