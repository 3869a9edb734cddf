"""Small layers to try the mechanism with: a question, a tunnel that says hello, a codec of streams."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from interceptor.model.connection import Connection, Side, StreamConnection
from interceptor.proxy.core.conversation import Conversation, Strand
from interceptor.proxy.core.effects import Ask, Close, PauseReading, PipeEffect, ResumeReading, Send
from interceptor.proxy.core.events import Closed, Congested, DataReceived, Drained, Opened, PipeEvent, Receiver
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from tests.support.paper_driver import PaperStack


@dataclass(slots=True)
class Question(Ask[str]):
    """To whoever runs the test."""

    text: str = ""


class Framer(Tunnel):
    """Needs "HELLO\\n" from below before it opens; then it changes the case of letters."""

    name, stage = "framer", "HELLO"

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.held = b""

    def opened_below(self) -> None:
        self.sink(b"hi\n")

    def from_below(self, data: bytes) -> None:
        if not self.stage:
            return self.rise(data.swapcase())
        self.held += data
        line, newline, rest = self.held.partition(b"\n")
        if newline and line != b"HELLO":
            return self.fail(f"greeted with {line!r}")
        if newline:
            self.stage = ""
            self.above.receive(Opened(self.connection))
            self.rise(rest.swapcase())

    def from_above(self, data: bytes) -> None:
        self.sink(data.swapcase())


class Script(Conversation):
    """One strand for what a connection says, run by `run(strand)`; `log` is for whatever it wants to tell."""

    def __init__(
        self, stack: Stack, connection: Connection, run: Callable[[Script, Strand[PipeEvent]], Coroutine[Any, Any, None]]
    ) -> None:
        super().__init__(stack)
        self.connection, self.log = connection, list[Any]()
        self.strand: Strand[PipeEvent] = Strand(
            self,
            lambda strand: run(self, strand),
            lambda: self.wire(PauseReading(connection)),
            lambda: self.wire(ResumeReading(connection)),
        )
        self.strands.append(self.strand)

    def receive(self, event: PipeEvent) -> None:
        match event:
            case Congested(connection=connection):
                self.sink_congested(connection)
            case Drained(connection=connection):
                self.sink_drained(connection)
            case Closed():
                self.source_closed(event)
                self.strand.deliver(event)
            case _:
                self.strand.deliver(event, len(event.data) if isinstance(event, DataReceived) else 0)


class Mux(Layer):
    """A codec: head of its connection's pipe, floor of its streams' pipes. Frame: kind (Data, End, Credit), stream, length,
    payload. Credit is given back as data comes, but not for a stream whose reading is paused."""

    def __init__(self, stack: Stack, parent: Connection, head_for: Callable[[StreamConnection], Receiver]) -> None:
        super().__init__(stack)
        self.parent, self.head_for, self._held = parent, head_for, b""
        self.streams: dict[int, StreamConnection] = {}
        self.withheld: dict[int, int] = {}  # bytes of credit, by stream; an entry means paused

    def receive(self, event: PipeEvent) -> None:
        match event:
            case DataReceived(data=data):
                self._held += data
                while len(self._held) >= 4 and len(self._held) >= (end := 4 + int.from_bytes(self._held[2:4], "big")):
                    frame, self._held = self._held[:end], self._held[end:]
                    self._read(frame[:1], frame[1], frame[4:])
            case Closed(reason=reason):
                for stream in list(self.streams.values()):
                    self._end(stream, reason)
            case Congested() | Drained():
                for stream in list(self.streams.values()):
                    self.stack.enter(Congested(stream) if isinstance(event, Congested) else Drained(stream))
            case _:
                pass

    def _read(self, kind: bytes, number: int, payload: bytes) -> None:
        stream = self.streams.get(number)
        if stream is None and kind == b"D":
            stream = self.streams[number] = StreamConnection(Side.CLIENT, parent=self.parent, stream_id=number)
            self.stack.open(stream, (), self.head_for(stream), floor=self).foot.receive(Opened(stream))
        if stream is not None and kind == b"E":
            self._end(stream, "ended")
        elif stream is not None and kind == b"D" and payload:
            self.stack.enter(DataReceived(stream, payload))
            if number in self.withheld:
                self.withheld[number] += len(payload)
            elif number in self.streams:
                self._write(b"C", number, len(payload).to_bytes(4, "big"))

    def _end(self, stream: StreamConnection, reason: str) -> None:
        self.streams.pop(stream.stream_id, None)
        self.withheld.pop(stream.stream_id, None)
        if pipe := self.stack.pipes.pop(stream, None):
            pipe.foot.receive(Closed(stream, reason))

    def _write(self, kind: bytes, number: int, payload: bytes = b"") -> None:
        self.wire(Send(self.parent, frame(number, payload, kind)))

    def emit(self, effect: PipeEffect) -> None:
        stream = effect.connection
        assert isinstance(stream, StreamConnection)
        match effect:
            case Send(data=data):
                self._write(b"D", stream.stream_id, data)
            case Close():
                self._write(b"E", stream.stream_id)
                self.stack.pipes.pop(stream, None)
                self._end(stream, "")
            case PauseReading():
                self.withheld.setdefault(stream.stream_id, 0)
            case ResumeReading():
                if owed := self.withheld.pop(stream.stream_id, 0):
                    self._write(b"C", stream.stream_id, owed.to_bytes(4, "big"))
            case _:
                pass


def frame(stream: int, payload: bytes, kind: bytes = b"D") -> bytes:
    return kind + bytes([stream]) + len(payload).to_bytes(2, "big") + payload


def client() -> Connection:
    return Connection(Side.CLIENT, ("192.0.2.1", 5000))


def scripted(run: Callable[[Script, Strand[PipeEvent]], Coroutine[Any, Any, None]]) -> tuple[PaperStack, Script]:
    """A stack whose client talks to that coroutine."""
    stack, connection = Stack(), client()
    script = Script(stack, connection, run)
    stack.open(connection, (), script)
    paper = PaperStack(stack)
    script.strand.start()
    paper.run(Opened(connection))
    return paper, script
