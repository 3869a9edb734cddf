"""Carries bytes both ways and asks about each message: what nobody parses, and what a connection becomes after an upgrade. Also
datagrams, each a message: then silence is how a conversation ends, and nothing is wrong about it.

One strand per direction, so a held message stops its own direction alone. Half-closes are passed on; when one side has gone
the other is closed after what was sent.
"""

from __future__ import annotations

from typing import Final, assert_never

from interceptor.model.connection import Connection, Origin
from interceptor.model.flow import FlowError, TcpFlow, UdpFlow
from interceptor.model.hooks import DatagramReceived, Drop, Forward, Kill, MessageReceived, Respond
from interceptor.model.records import FlowEnded, FlowStarted, MessageData
from interceptor.proxy.asks import ConnectFailed, Reach, Reached, RunHook
from interceptor.proxy.core.conversation import Conversation, Strand
from interceptor.proxy.core.effects import Close, HalfClose, PauseReading, ResumeReading, Send
from interceptor.proxy.core.events import (
    Closed,
    Congested,
    DataReceived,
    Drained,
    HalfClosed,
    MessageInjected,
    PipeEvent,
)
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.settings import Settings

_DATAGRAM_BYTES: Final = 64
"""What a datagram counts for the mark beside its content: they may be empty."""

Arrived = DataReceived | MessageInjected | HalfClosed | Closed


class Relay(Conversation):
    """Head of both pipes. Without `server` it reaches the ingress's origin first. What an ignored host says
    passes unasked; it leaves a row only with show_ignored_hosts."""

    def __init__(
        self,
        stack: Stack,
        settings: Settings,
        ingress: Ingress,
        client: Connection,
        server: Connection | None,
        is_ignored: bool = False,
    ) -> None:
        super().__init__(stack)
        self.client, self.server = client, server
        self._settings, self._ingress, self._is_ignored = settings, ingress, is_ignored
        self._is_recorded = not is_ignored or settings.show_ignored_hosts
        self._up: Strand[Arrived] = Strand(
            self, self._to_server, lambda: self.wire(PauseReading(client)), lambda: self.wire(ResumeReading(client))
        )
        self._down: Strand[Arrived] = Strand(self, self._to_client, self._pause_server, self._resume_server)
        self.strands = [self._up, self._down]
        self._down.sink = client
        self._half_closed: set[Connection] = set()
        self._is_over = False
        self._last_heard = stack.now
        self._is_datagrams = client.transport == "udp"
        self._timeout = settings.udp_timeout if self._is_datagrams else settings.tcp_timeout
        self._overhead = _DATAGRAM_BYTES if self._is_datagrams else 0
        self._hook = DatagramReceived if self._is_datagrams else MessageReceived
        made = UdpFlow if self._is_datagrams else TcpFlow
        self.flow = made(next(stack.flow_ids), client, server, ingress.mode, created_at=stack.wall_time(), is_live=True)

    def start(self) -> None:
        if self._is_recorded:
            self.stack.record(FlowStarted(self.flow))
            self.stack.killers[self.flow.id] = self._kill
            self.stack.injectable[self.flow.id] = self
        self.stack.alarms[self._idle_alarm] = self.stack.now + self._timeout
        self._down.start()
        self._up.start()

    def receive(self, event: PipeEvent) -> None:
        match event:
            case DataReceived(connection=connection, data=data):
                self._last_heard = self.stack.now
                (self._up if connection is self.client else self._down).deliver(event, len(data) + self._overhead)
            case HalfClosed(connection=connection):
                (self._up if connection is self.client else self._down).deliver(event)
            case Closed(connection=connection):
                self.source_closed(event)
                (self._up if connection is self.client else self._down).deliver(event)
            case Congested(connection=connection):
                self.sink_congested(connection)
            case Drained(connection=connection):
                self.sink_drained(connection)
            case _:
                pass  # a hang-up seen while paused: what is still to be read comes first

    def refusal(self, from_client: bool) -> str:
        speaker = self.client if from_client else self.server
        if speaker in self._half_closed:
            return f"the {'client' if from_client else 'server'} has ended its side; nothing can be sent in its name any more"
        return ""

    def inject(self, message: MessageInjected) -> None:
        self._last_heard = self.stack.now
        (self._up if message.from_client else self._down).deliver(message, len(message.data) + self._overhead)

    async def _to_server(self, up: Strand[Arrived]) -> None:
        if self.server is None:
            origin = self._ingress.origin
            assert origin is not None, "a relay without a destination"
            if not await self._reach(up, origin):
                return
        up.sink = self.server
        await self._pass(up, from_client=True)

    async def _reach(self, up: Strand[Arrived], origin: Origin) -> bool:
        match await up.ask(Reach(up, origin, self), or_closed=self.client):
            case Reached(connection=connection):
                self.server = self.flow.server = connection
                return True
            case ConnectFailed() as failed:
                self.flow.server = failed.connection
                self._finish(str(failed))
            case Closed():
                self._finish("The client left before the server was reached.")
        return False

    async def _to_client(self, down: Strand[Arrived]) -> None:
        await self._pass(down, from_client=False)

    async def _pass(self, strand: Strand[Arrived], from_client: bool) -> None:
        while True:
            match await strand.next_item():
                case DataReceived(data=data):
                    if not await self._message(strand, from_client, data):
                        return
                case MessageInjected(data=data):
                    if not await self._message(strand, from_client, data, is_injected=True):
                        return
                case HalfClosed(connection=connection):
                    sink = self.server if from_client else self.client
                    if sink is not None:
                        self.wire(HalfClose(sink))
                    self._half_closed.add(connection)
                    if len(self._half_closed) == 2:
                        return self._finish("")
                case Closed(reason=reason):
                    return self._finish(reason)
                case unreachable:
                    assert_never(unreachable)

    async def _message(self, strand: Strand[Arrived], from_client: bool, data: bytes, is_injected: bool = False) -> bool:
        """False if that was the end."""
        sink = self.server if from_client else self.client
        assert sink is not None
        if self._is_ignored:
            self.wire(Send(sink, data))
            if self._is_recorded:
                self.stack.record(MessageData(self.flow, from_client, data, self.stack.wall_time(), None, is_injected))
            return True
        verdict = await strand.ask(RunHook(strand, self._hook(self.flow, from_client, data, is_injected)), or_closed=sink)
        now = self.stack.wall_time()
        match verdict:
            case Forward(data=edited):
                sent = data if edited is None else edited
                original = None if edited is None or edited == data else data
                if sent or self._is_datagrams:
                    self.wire(Send(sink, sent))
                self.stack.record(MessageData(self.flow, from_client, sent, now, original, is_injected))
            case Drop():
                self.stack.record(MessageData(self.flow, from_client, None, now, data, is_injected))
            case Kill(reason=reason):
                self._finish(reason)
                return False
            case Respond():
                raise AssertionError("a raw message cannot be answered with an HTTP response")
            case Closed(reason=reason):
                self._finish(reason or "The other side closed the connection while a message was held.")
                return False
        return True

    def _pause_server(self) -> None:
        if self.server is not None:
            self.wire(PauseReading(self.server))

    def _resume_server(self) -> None:
        if self.server is not None:
            self.wire(ResumeReading(self.server))

    def _idle_alarm(self) -> None:
        due = self._last_heard + self._timeout
        if self._is_over:
            return
        is_held = self.flow.held is not None
        if due <= self.stack.now and not is_held:
            return self._finish("" if self._is_datagrams else f"Nothing was said for {self._timeout:g} s (tcp_timeout).")
        self.stack.alarms[self._idle_alarm] = max(due, self.stack.now + 1.0)

    def _kill(self, reason: str) -> None:
        self._finish(reason)

    def _finish(self, reason: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        now = self.stack.wall_time()
        self.stack.alarms.pop(self._idle_alarm, None)
        self.flow.is_live, self.flow.ended_at = False, now
        if reason:
            self.flow.error = FlowError(reason, now)
        for connection in (self.client, self.server):
            if connection is not None:
                self.wire(Close(connection, reason))
        if self._is_recorded:
            self.stack.record(FlowEnded(self.flow))
        self.end()
