"""WebSocket (RFC 6455): the messages of both sides passed on, recorded, decided about, and put in.

    bytes of a side ─▸ FrameReader ─▸ its strand ─▸ the same bytes to the other side       a message that nobody has a say about
                                            └▸ collected ─▸ verdict ─▸ the same, or another message, or nothing

Head of both pipes once the upgrade (or an extended CONNECT) is granted; either may be a stream. One strand per direction, so a
held message stops its own direction alone; pings and pongs go round it, a close stays behind what was said before it. What peers
say passes in the bytes that they said it in, so they judge each other's protocol, compression and UTF-8 as if we were not there.
Only what a user edits or puts in is written by us, uncompressed, in one frame; where the receiver has missed a compressed
message of a context that both sides keep (RFC 7692 §7.1.1), what follows is passed on inflated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, StreamConnection
from interceptor.model.flow import FlowError, HttpFlow, Opcode, WebSocketData, WebSocketMessage
from interceptor.model.hooks import (
    Collect,
    Drop,
    Forward,
    Kill,
    Respond,
    WebSocketMessageBegun,
    WebSocketMessageReceived,
)
from interceptor.model.records import BodyData, FlowChanged, FlowEnded, LongWebSocketMessage, WebSocketMessageData
from interceptor.proxy.asks import ReadBody, RunHook
from interceptor.proxy.core.conversation import Conversation, Strand
from interceptor.proxy.core.effects import Close, HalfClose, PauseReading, ResumeReading, Send
from interceptor.proxy.core.events import Closed, Congested, DataReceived, Drained, HalfClosed, MessageInjected, PipeEvent
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.settings import Settings
from interceptor.proxy.websocket_deflate import INFLATED_LIMIT, Inflater, agreed_on
from interceptor.proxy.websocket_frames import CONTINUATION, RSV1, FramePiece, FrameReader, write_frame

LONG: Final = 64 * 1024  # what is longer and passes as it comes is recorded while it does
HOLD_LIMIT: Final = 5 * 1024 * 1024  # what is longer is not collected for a hold: it passes
LONGEST_PAUSE: Final = 1.0  # seconds between two messages of a replay
NO_STATUS: Final = 1005  # a close that says no code (§7.1.5)

Arrived = FramePiece | HalfClosed | Closed


@dataclass(slots=True)
class Passing:
    """The message that a direction is in the middle of. `content` is inflated, as far as it has come; `raw` what was not sent
    yet; `long` its record, if it has become long."""

    opcode: Opcode
    is_compressed: bool
    content: bytearray = field(default_factory=bytearray)
    raw: list[bytes] = field(default_factory=list)
    long: WebSocketMessage | None = None
    has_begun_on_wire: bool = False


class Way:
    """One direction, and what it is in the middle of."""

    def __init__(self, from_client: bool, inflater: Inflater | None) -> None:
        self.from_client = from_client
        self.reader = FrameReader()
        self.inflater = inflater
        self.message: Passing | None = None
        self.is_in_frame = False  # on the wire to the other side
        self.is_decided_about = False  # its message waits for a verdict, perhaps for long
        self.has_lost_context = False  # the receiver cannot inflate any more what the sender says
        self.injections: deque[tuple[Opcode, bytes]] = deque()

    @property
    def is_between_messages(self) -> bool:
        """On the wire to the other side: another message may be put in."""
        return not self.is_in_frame and (self.message is None or not self.message.has_begun_on_wire)


class WebSocket(Conversation):
    """`flow` is that of the request which asked for it. `client` None: a replay, which says `script` and nothing else."""

    def __init__(
        self,
        stack: Stack,
        settings: Settings,
        flow: HttpFlow,
        client: Connection | None,
        server: Connection,
        script: Sequence[WebSocketMessage] = (),
    ) -> None:
        super().__init__(stack)
        assert flow.websocket is not None and flow.response is not None
        self.flow, self.client, self.server = flow, client, server
        self._socket: WebSocketData = flow.websocket
        self._settings, self._script = settings, script
        deflate, _ = agreed_on(", ".join(flow.response.headers.get_all("sec-websocket-extensions")))
        self._ways = {
            from_client: Way(from_client, deflate.inflater(from_client) if deflate is not None else None)
            for from_client in (True, False)
        }
        self._up: Strand[Arrived] = Strand(self, self._to_server, lambda: self._pause(client), lambda: self._resume(client))
        self._down: Strand[Arrived] = Strand(self, self._to_client, lambda: self._pause(server), lambda: self._resume(server))
        self._up.sink, self._down.sink = server, client
        self.strands = [self._up, self._down]
        self._half_closed: set[Connection] = set()
        self._has_closed = {True: False, False: False}  # by a close frame
        self._is_over = False
        self._last_heard = stack.now

    def start(self) -> None:
        self.stack.killers[self.flow.id] = self._kill
        self.stack.injectable[self.flow.id] = self
        self.stack.alarms[self._idle_alarm] = self.stack.now + self._settings.tcp_timeout
        self.stack.record(FlowChanged(self.flow))
        self._down.start()
        self._up.start()

    # --- from the wire ----------------------------------------------------------------------------------------

    def receive(self, event: PipeEvent) -> None:
        if self._is_over:
            return
        connection = event.connection
        strand, way = (self._up, self._ways[True]) if connection is self.client else (self._down, self._ways[False])
        match event:
            case DataReceived(data=data):
                self._last_heard = self.stack.now
                for piece in way.reader.feed(data):
                    self._arrived(strand, way, piece)
            case HalfClosed():
                strand.deliver(event)
            case Closed():
                self.source_closed(event)
                strand.deliver(event)
            case Congested():
                self.sink_congested(connection)
            case Drained():
                self.sink_drained(connection)
            case _:
                pass  # a hang-up seen while paused: what is still to be read comes first

    def _arrived(self, strand: Strand[Arrived], way: Way, piece: FramePiece) -> None:
        may_go_round = way.is_decided_about and piece.opcode in (Opcode.PING, Opcode.PONG)
        if may_go_round and not way.is_in_frame and strand.sink not in self.congested:
            self._control(way, piece)
        else:
            strand.deliver(piece, len(piece.raw))

    async def _to_server(self, up: Strand[Arrived]) -> None:
        if self.client is None:
            await self._say_again(up, self._ways[True])
        else:
            await self._pass(up, self._ways[True])

    async def _to_client(self, down: Strand[Arrived]) -> None:
        await self._pass(down, self._ways[False])

    async def _pass(self, strand: Strand[Arrived], way: Way) -> None:
        while True:
            match await strand.next_item():
                case FramePiece() as piece:
                    if piece.is_control:
                        self._control(way, piece)
                    elif not await self._piece(strand, way, piece):
                        return
                case HalfClosed() | Closed() as event:
                    if not self._ended(way, event):
                        return

    # --- messages ---------------------------------------------------------------------------------------------

    async def _piece(self, strand: Strand[Arrived], way: Way, piece: FramePiece) -> bool:
        """False if that was the end."""
        message = way.message
        if message is None:
            opcode = Opcode.TEXT if piece.opcode == Opcode.TEXT else Opcode.BINARY
            message = way.message = Passing(opcode, bool(piece.rsv & RSV1) and way.inflater is not None)
            asked = RunHook(strand, WebSocketMessageBegun(self.flow, way.from_client, opcode))
            verdict = await strand.ask(asked, or_closed=strand.sink)
            if not isinstance(verdict, Forward):
                return self._finish(_ending(verdict))
            if verdict.collect is not Collect.NO:
                limit = HOLD_LIMIT if verdict.collect is Collect.FOR_HOLD else INFLATED_LIMIT
                return await self._collect(strand, way, message, piece, limit)
        self._stream(way, message, piece)
        return True

    def _stream(self, way: Way, message: Passing, piece: FramePiece) -> None:
        """On it goes as it came."""
        is_end = piece.is_last and piece.is_final
        told = self._take_in(way, message, piece)
        if way.has_lost_context and message.is_compressed:
            opcode = CONTINUATION if message.has_begun_on_wire else message.opcode
            self._send(way, write_frame(opcode, told, way.from_client, is_end))
        else:
            self._send(way, piece.raw)
            way.is_in_frame = not piece.is_last
        message.has_begun_on_wire = True
        if is_end:
            self._keep(way, message, bytes(message.content))
            self._has_passed(way)

    async def _collect(self, strand: Strand[Arrived], way: Way, message: Passing, piece: FramePiece, limit: int) -> bool:
        """The whole message first, then the verdict on it. One that is longer than the limit passes."""
        while True:
            message.raw.append(piece.raw)
            self._take_in(way, message, piece, is_collected=True)
            is_end = piece.is_last and piece.is_final
            if len(message.content) > limit:
                self._let_go(way, message, piece)
                if is_end:
                    self._has_passed(way)
                return True
            if is_end:
                return await self._decide(strand, way, message)
            item = await strand.next_item()
            while isinstance(item, FramePiece) and item.is_control:
                self._control(way, item)
                item = await strand.next_item()
            if not isinstance(item, FramePiece):
                self._let_go(way, message, piece)
                return self._ended(way, item)
            piece = item

    def _let_go(self, way: Way, message: Passing, last: FramePiece) -> None:
        """What was collected, `last` the last of it, goes on undecided."""
        raw, message.raw = message.raw, []
        is_in_frame = not last.is_last
        if way.has_lost_context and message.is_compressed:
            is_end, is_in_frame = last.is_last and last.is_final, False
            raw = [write_frame(message.opcode, bytes(message.content), way.from_client, is_end)]
        self._send(way, b"".join(raw))
        way.is_in_frame, message.has_begun_on_wire = is_in_frame, True
        self._becomes_long(way, message)

    async def _decide(self, strand: Strand[Arrived], way: Way, message: Passing) -> bool:
        received = bytes(message.content)
        hook = WebSocketMessageReceived(self.flow, way.from_client, message.opcode, received)
        way.is_decided_about = True
        verdict = await strand.ask(RunHook(strand, hook), or_closed=strand.sink)
        way.is_decided_about = False
        match verdict:
            case Forward(data=edited) if edited is None or edited == received:
                is_as_it_came = not (way.has_lost_context and message.is_compressed)
                self._send(way, b"".join(message.raw) if is_as_it_came else self._written(way, message.opcode, received))
                self._keep(way, message, received)
            case Forward(data=edited):
                self._send(way, self._written(way, message.opcode, edited or b""))
                self._context_is_lost(way, message)
                self._keep(way, message, edited, received)
            case Drop():
                self._context_is_lost(way, message)
                self._keep(way, message, None, received)
            case _:
                return self._finish(_ending(verdict))
        self._has_passed(way)
        return True

    def _context_is_lost(self, way: Way, message: Passing) -> None:
        if message.is_compressed and way.inflater is not None and not way.inflater.is_fresh_each_time:
            way.has_lost_context = True

    @staticmethod
    def _written(way: Way, opcode: Opcode, content: bytes) -> bytes:
        return write_frame(opcode, content, way.from_client)

    def _has_passed(self, way: Way) -> None:
        way.message = None
        self._put_in(way)

    async def _say_again(self, strand: Strand[Arrived], way: Way) -> None:
        """What the client of an earlier flow said, with its pauses, the long ones cut short. The server is then listened to until
        it, or the user, ends it."""
        before = self._script[0].timestamp if self._script else 0.0
        for said in self._script:
            pause, before = min(said.timestamp - before, LONGEST_PAUSE), said.timestamp
            if pause > 0:
                await strand.next_item(until=self.stack.now + pause)
            await strand.room()
            content = await strand.ask(ReadBody(strand, said.body, 0, said.body.size))
            if said.is_control:
                self._control(way, next(iter(way.reader.feed(write_frame(said.opcode, content, is_masked=True)))))
                continue
            message = Passing(said.opcode, is_compressed=False, content=bytearray(content))
            message.raw.append(self._written(way, said.opcode, content))
            if not await self._decide(strand, way, message):
                return

    # --- put in by the user -----------------------------------------------------------------------------------

    def refusal(self, from_client: bool) -> str:
        if self._has_closed[from_client]:
            side = "client" if from_client else "server"
            return f"the {side} has closed the WebSocket; nothing can be sent in its name any more"
        return ""

    def inject(self, message: MessageInjected) -> None:
        """As soon as the other side can be told, which is not in the middle of a message."""
        way = self._ways[message.from_client]
        self._last_heard = self.stack.now
        way.injections.append((Opcode.TEXT if message.is_text else Opcode.BINARY, message.data))
        self._put_in(way)

    def _put_in(self, way: Way) -> None:
        while way.injections and way.is_between_messages and not self._is_over:
            opcode, content = way.injections.popleft()
            self._send(way, self._written(way, opcode, content))
            now = self.stack.wall_time()
            self.stack.record(WebSocketMessageData(self.flow, way.from_client, opcode, content, now, is_injected=True))

    # --- what is kept -----------------------------------------------------------------------------------------

    def _take_in(self, way: Way, message: Passing, piece: FramePiece, is_collected: bool = False) -> bytes:
        """What the piece says, inflated: kept, and given back."""
        inflater = way.inflater
        if not message.is_compressed or inflater is None or inflater.broken:
            self._add(way, message, piece.payload, is_collected)
            return piece.payload
        told = []
        for slice_ in inflater.inflate(piece.payload, piece.is_last, piece.is_last and piece.is_final):
            self._add(way, message, slice_, is_collected)
            told.append(slice_)
        if inflater.broken:
            side = "client" if way.from_client else "server"
            self.flow.metadata[f"websocket messages of the {side}"] = f"not inflated from here on: {inflater.broken}"
        return b"".join(told)

    def _add(self, way: Way, message: Passing, content: bytes, is_collected: bool) -> None:
        if message.long is not None:
            if content:
                self.stack.record(BodyData(self.flow, message.long, content))
            return
        message.content += content
        if len(message.content) > LONG and not is_collected:
            self._becomes_long(way, message)

    def _becomes_long(self, way: Way, message: Passing) -> None:
        kept = WebSocketMessage(way.from_client, message.opcode, MemoryBody(), self.stack.wall_time())
        content, message.content, message.long = bytes(message.content), bytearray(), kept
        self.stack.record(LongWebSocketMessage(self.flow, kept))
        if content:
            self.stack.record(BodyData(self.flow, kept, content))

    def _keep(self, way: Way, message: Passing, sent: bytes | None, received: bytes | None = None) -> None:
        if message.long is None:
            now = self.stack.wall_time()
            self.stack.record(WebSocketMessageData(self.flow, way.from_client, message.opcode, sent, now, received))

    def _control(self, way: Way, piece: FramePiece) -> None:
        """A ping, a pong or a close; or something that no RFC knows, which the other side may refuse."""
        self._send(way, piece.raw)
        way.is_in_frame = not piece.is_last
        if piece.opcode not in (Opcode.CLOSE, Opcode.PING, Opcode.PONG) or not piece.is_last:
            return
        opcode, socket = Opcode(piece.opcode), self._socket
        now = self.stack.wall_time()
        self.stack.record(WebSocketMessageData(self.flow, way.from_client, opcode, piece.payload, now))
        self._has_closed[way.from_client] |= opcode is Opcode.CLOSE
        if opcode is Opcode.CLOSE and socket.closed_by_client is None:
            socket.closed_by_client = way.from_client
            socket.close_code = int.from_bytes(piece.payload[:2], "big") if len(piece.payload) >= 2 else NO_STATUS
            socket.close_reason = piece.payload[2:].decode("utf-8", "replace")
        if opcode is Opcode.CLOSE and all(self._has_closed.values()):
            self._both_have_closed()
        self._put_in(way)

    def _both_have_closed(self) -> None:
        """In HTTP/1 the server closes the connection now, and a client waits for that; in HTTP/2 a server may wait for the client
        to end its stream, of which a client of HTTP/1 knows nothing."""
        if isinstance(self.server, StreamConnection) and not isinstance(self.client, StreamConnection):
            self.wire(HalfClose(self.server))

    # --- the ends ---------------------------------------------------------------------------------------------

    def _sink(self, way: Way) -> Connection | None:
        return self.server if way.from_client else self.client

    def _send(self, way: Way, data: bytes) -> None:
        if (sink := self._sink(way)) is not None:
            self.wire(Send(sink, data))

    def _pause(self, connection: Connection | None) -> None:
        if connection is not None:
            self.wire(PauseReading(connection))

    def _resume(self, connection: Connection | None) -> None:
        if connection is not None:
            self.wire(ResumeReading(connection))

    def _idle_alarm(self) -> None:
        due = self._last_heard + self._settings.tcp_timeout
        if due <= self.stack.now and self.flow.held is None:
            self._finish(f"Nothing was said for {self._settings.tcp_timeout:g} s (tcp_timeout).")
            return
        self.stack.alarms[self._idle_alarm] = max(due, self.stack.now + 1.0)

    def _kill(self, reason: str) -> None:
        self._finish(reason)

    def _ended(self, way: Way, event: HalfClosed | Closed) -> bool:
        """One side says no more. False if that is the end."""
        if isinstance(event, HalfClosed) and self.client is not None:
            self._half_closed.add(event.connection)
            if len(self._half_closed) < 2:
                if (sink := self._sink(way)) is not None:
                    self.wire(HalfClose(sink))
                return True
        reason = event.reason if isinstance(event, Closed) else ""
        if self._socket.closed_by_client is None:
            side = "client" if way.from_client else "server"
            reason = f"The {side} ended the connection without a closing handshake{f' ({reason})' if reason else ''}."
        return self._finish(reason if self._socket.closed_by_client is None else "")

    def _finish(self, reason: str) -> bool:
        """Always False: there is no more."""
        if self._is_over:
            return False
        self._is_over = True
        now = self.stack.wall_time()
        self.stack.alarms.pop(self._idle_alarm, None)
        self.flow.is_live, self.flow.ended_at, self._socket.timestamp_end = False, now, now
        if reason:
            self.flow.error = FlowError(reason, now)
        for connection in (self.client, self.server):
            if connection is not None:
                self.wire(Close(connection, reason))
        self.stack.record(FlowEnded(self.flow))
        self.end()
        return False


def _ending(verdict: object) -> str:
    """Why a message was the last one."""
    match verdict:
        case Kill(reason=reason):
            return reason
        case Closed():
            return "The other side closed the connection while a message was held."
        case Respond():
            raise AssertionError("a WebSocket message cannot be answered with an HTTP response")
    return "Dropped."
