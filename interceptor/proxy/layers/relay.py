"""Carries bytes both ways and asks about each message: what nobody parses, and what a connection becomes after an upgrade. Also
datagrams, each a message: then silence is how a conversation ends, and nothing is wrong about it.

One strand per direction, so a held message stops its own direction alone. Half-closes are passed on; when one side has gone
the other is closed after what was sent.

A client that begins TLS in mid-stream (`midstream_tls.py`) has it ended under this layer, and so has the server, where the
down strand waits for more to come (else nothing could tell where its plain bytes end); until both have shaken hands neither
strand is given anything. It stays one flow, whose messages go on as they are inside of TLS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from interceptor.model.connection import Connection, Origin
from interceptor.model.flow import FlowError, TcpFlow, UdpFlow
from interceptor.model.hooks import DatagramReceived, Drop, Forward, Kill, MessageReceived, Respond
from interceptor.model.records import FlowChanged, FlowEnded, FlowStarted, MessageData
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
    Opened,
    PipeEvent,
    TimedOut,
)
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.ingress import Ingress, is_let_through, origin_names
from interceptor.proxy.midstream_tls import PATIENCE_SECONDS, MidstreamTls, Word
from interceptor.proxy.settings import Settings

_DATAGRAM_BYTES: Final = 64
"""What a datagram counts for the mark beside its content: they may be empty."""

Arrived = DataReceived | MessageInjected | HalfClosed | Closed
StartsTls = Callable[["Relay", list[PipeEvent]], None]
"""Puts TLS under the relay, on both sides; the events are what has come of it from the client."""


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
        start_tls: StartsTls | None = None,
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
        self._start_tls = start_tls
        self._midstream = MidstreamTls() if start_tls is not None and not (is_ignored or self._is_datagrams) else None
        self._is_shaking_hands = False
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
                self._shake_hands(False)
                self.source_closed(event)
                (self._up if connection is self.client else self._down).deliver(event)
            case Congested(connection=connection):
                self.sink_congested(connection)
            case Drained(connection=connection):
                if not self._is_shaking_hands:
                    self.sink_drained(connection)
            case Opened() if self._is_shaking_hands:
                self._shake_hands(False)
                self.stack.record(FlowChanged(self.flow))
            case _:
                pass  # a hang-up seen while paused: what is still to be read comes first

    def refusal(self, from_client: bool) -> str:
        if self._is_shaking_hands:
            return "TLS has just been begun in this conversation: nothing can be sent until it is agreed on"
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
            item: Arrived | TimedOut = await strand.next_item()
            watch = self._midstream
            if from_client and watch is not None and isinstance(item, DataReceived) and watch.has_to_look(item.data):
                looked = await self._looked_at(strand, watch, item.data)
                if looked is None:
                    return
                item = looked
            match item:
                case DataReceived(data=data):
                    if not await self._message(strand, from_client, data):
                        return
                    if watch is not None and not from_client:
                        watch.server_said(data)
                case TimedOut():
                    pass  # all has been said
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

    # --- TLS in mid-stream ------------------------------------------------------------------------------------

    async def _looked_at(self, strand: Strand[Arrived], watch: MidstreamTls, data: bytes) -> Arrived | TimedOut | None:
        """What comes next when that has been sent on, or become TLS. None if that was the end."""
        item: Arrived | TimedOut = DataReceived(self.client, data)
        while isinstance(item, DataReceived):
            heard = watch.client_said(item.data)
            if heard.first and not await self._message(strand, True, heard.first):
                return None
            if heard.word is Word.PASS:
                return TimedOut()
            if heard.word is Word.HELLO:
                self._midstream = None
                if self._may_start_tls(heard.server_name):
                    self._begin_tls(strand, heard.hello)
                    return TimedOut()
                return DataReceived(self.client, heard.hello)
            item = await strand.next_item(until=self.stack.now + PATIENCE_SECONDS)
        kept = watch.give_up()
        return item if await self._message(strand, True, kept) else None

    def _may_start_tls(self, server_name: str) -> bool:
        down, origin = self._down.parked, self._ingress.origin
        names = [*origin_names(self._ingress), *([f"{server_name}:{origin.port}"] if server_name and origin is not None else [])]
        is_down_idle = down is not None and down.ask is None and not self._down.mailbox
        is_there = self.server in self.stack.pipes and self.client in self.stack.pipes and not self._half_closed
        return is_down_idle and is_there and not is_let_through(names, self._settings)

    def _begin_tls(self, strand: Strand[Arrived], hello: bytes) -> None:
        behind = [item for item, _ in strand.mailbox if not isinstance(item, MessageInjected)]
        injected = [(item, size) for item, size in strand.mailbox if isinstance(item, MessageInjected)]
        strand.mailbox.clear()
        strand.mark.take_all()  # resume first: TLS may pause again
        for item, size in injected:
            strand.deliver(item, size)
        self._shake_hands(True)
        assert self._start_tls is not None
        self._start_tls(self, [DataReceived(self.client, hello), *behind])

    def _shake_hands(self, is_shaking: bool) -> None:
        if is_shaking is self._is_shaking_hands:
            return
        self._is_shaking_hands = is_shaking
        for connection in (self.client, self.server):
            if connection is not None:
                (self.sink_congested if is_shaking else self.sink_drained)(connection)

    # --- pace, time and end -----------------------------------------------------------------------------------

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
