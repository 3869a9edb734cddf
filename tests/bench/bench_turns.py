"""The core: one datum through a stack, in and out; with nothing, one or four tunnels in the way, and through a strand."""

from __future__ import annotations

from collections.abc import Callable

from interceptor.model.connection import Connection, Side
from interceptor.proxy.core.conversation import Conversation, Strand
from interceptor.proxy.core.effects import Send
from interceptor.proxy.core.events import DataReceived, PipeEvent
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.core.tunnel import Tunnel
from tests.bench.measure import Benchmark


class Echo(Layer):
    def receive(self, event: PipeEvent) -> None:
        if isinstance(event, DataReceived):
            self.wire(Send(event.connection, event.data))


class EchoInStrand(Conversation):
    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.strand: Strand[DataReceived] = Strand(self, self._run, lambda: None, lambda: None)
        self.strands.append(self.strand)

    def receive(self, event: PipeEvent) -> None:
        if isinstance(event, DataReceived):
            self.strand.deliver(event, len(event.data))

    async def _run(self, strand: Strand[DataReceived]) -> None:
        while True:
            event = await strand.next_item()
            self.wire(Send(event.connection, event.data))


def _turning(tunnels: int, in_strand: bool = False) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        stack, client = Stack(), Connection(Side.CLIENT)
        head = EchoInStrand(stack) if in_strand else Echo(stack)
        stack.open(client, [Tunnel(stack) for _ in range(tunnels)], head)
        if isinstance(head, EchoInStrand):
            head.strand.start()
        data = b"x" * 1024

        def turn() -> object:
            effects = stack.turn(DataReceived(client, data), 1.0)
            assert len(effects) == 1
            return effects

        return turn

    return prepare


BENCHMARKS = [
    Benchmark("turn: in and out, no tunnel", _turning(0)),
    Benchmark("turn: in and out, one tunnel", _turning(1)),
    Benchmark("turn: in and out, four tunnels", _turning(4)),
    Benchmark("turn: in and out, through a strand", _turning(0, in_strand=True)),
]
