"""A stream is a transport: a codec that carries streams is the floor of their pipes, also within another stream."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.connection import Connection, StreamConnection
from interceptor.proxy.core.conversation import Strand
from interceptor.proxy.core.effects import Ask, Close, Send
from interceptor.proxy.core.events import Closed, DataReceived, Opened, PipeEvent, Receiver, Replied
from interceptor.proxy.core.stack import Stack
from tests.proxy.core.toys import Framer, Mux, Question, Script, client, frame
from tests.support.paper_driver import PaperStack

READ = 16 * 1024


async def echo_if_allowed(script: Script, strand: Strand[PipeEvent]) -> None:
    while True:
        match await strand.next_item():
            case DataReceived(data=b"bye"):
                script.wire(Close(script.connection))
            case DataReceived(data=data):
                await strand.ask(Question(strand))
                script.wire(Send(script.connection, data))
            case Closed(reason=reason):
                script.log.append(reason)
                return
            case _:
                pass


class Muxed:
    """Streams 1 to 99 are echoed, if the test allows it; 100 carries streams itself; 200 has a tunnel first."""

    def __init__(self, answers: bool = True) -> None:
        self.stack, self.client = Stack(), client()
        self.scripts: dict[tuple[int, ...], Script] = {}
        self.stack.open(self.client, (), Mux(self.stack, self.client, self.head_for))
        self.paper = PaperStack(self.stack)
        if answers:
            self.paper.answers = self._allow  # type: ignore[method-assign]

    def _allow(self, ask: Ask[Any]) -> bool:
        self.stack.inbox.append(Replied(ask, "go on"))
        return True

    def head_for(self, stream: StreamConnection) -> Receiver:
        if stream.stream_id == 100:
            return Mux(self.stack, stream, self.head_for)
        script = self.scripts[self._path(stream)] = Script(self.stack, stream, echo_if_allowed)
        script.strand.start()
        if stream.stream_id == 200:
            self.stack.post(_Grow(self.stack, script, stream), Opened(stream))
        return script

    def _path(self, connection: Connection | None) -> tuple[int, ...]:
        if not isinstance(connection, StreamConnection):
            return ()
        return (*self._path(connection.parent), connection.stream_id)

    def says(self, data: bytes) -> bytes:
        self.paper.says(data, self.client)
        return self.paper.sent(self.client)


class _Grow:
    """Puts a tunnel under a head that is there already."""

    def __init__(self, stack: Stack, script: Script, stream: StreamConnection) -> None:
        self.stack, self.script, self.stream = stack, script, stream

    def receive(self, event: PipeEvent) -> None:
        tunnel = Framer(self.stack)
        self.stack.pipes[self.stream].put([tunnel], self.script)
        tunnel.receive(event)


def credit(stream: int, size: int) -> bytes:
    return frame(stream, size.to_bytes(4, "big"), b"C")


def test_streams_are_conversations_of_their_own() -> None:
    muxed = Muxed()
    assert muxed.says(frame(1, b"one") + frame(2, b"two")) == credit(1, 3) + credit(2, 3) + frame(1, b"one") + frame(2, b"two")
    assert muxed.says(frame(1, b"bye")) == frame(1, b"", b"E")
    assert muxed.says(frame(2, b"", b"E")) == b"" and muxed.scripts[2,].log == ["ended"]
    assert list(muxed.stack.pipes) == [muxed.client]


def test_a_stream_that_is_not_read_keeps_its_own_credit_only() -> None:
    muxed = Muxed(answers=False)
    muxed.says(frame(1, b"a"))
    got = [muxed.says(frame(1, bytes(READ))) for _ in range(5)]
    assert got == [credit(1, READ)] * 4 + [b""]
    assert muxed.says(frame(2, b"bb")) == credit(2, 2)
    for _ in range(6):
        muxed.paper.answer(muxed.paper.asked[0], "go on")
    assert muxed.paper.sent(muxed.client).count(credit(1, READ)) == 1, "what was withheld, once"


def test_streams_in_a_stream() -> None:
    muxed = Muxed()
    inner = frame(5, b"deep")
    got = muxed.says(frame(100, inner))
    assert frame(100, frame(5, b"deep")) in got and (100, 5) in muxed.scripts
    muxed.paper.vanishes(muxed.client, "reset")
    assert muxed.scripts[100, 5].log == ["reset"] and not muxed.stack.pipes


def test_a_tunnel_in_a_stream() -> None:
    muxed = Muxed()
    muxed.says(frame(200, b""))
    assert muxed.says(frame(200, b"HELLO\nABC")).endswith(frame(200, b"ABC"))


TALK = frame(1, b"one") + frame(100, frame(1, b"two") + frame(2, b"three")) + frame(2, b"four")


@given(st.lists(st.integers(0, len(TALK)), max_size=10))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    whole, pieces = Muxed(), Muxed()
    edges = [0, *sorted(cuts), len(TALK)]
    got = b"".join(pieces.says(TALK[start:end]) for start, end in pairwise(edges))
    assert sorted(got) == sorted(whole.says(TALK)) and pieces.scripts.keys() == whole.scripts.keys()


@given(st.lists(st.binary(max_size=12) | st.sampled_from([frame(1, b"a"), frame(100, frame(1, b"b")), frame(1, b"", b"E")])))
def test_noise_is_never_our_fault(noise: list[bytes]) -> None:
    muxed = Muxed()
    for piece in noise:
        muxed.says(piece)
    assert muxed.stack.failure is None
