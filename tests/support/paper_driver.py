"""A driver on paper: runs a stack as the real one does, with no loop, socket or clock, and writes down what happened.

    driver = PaperDriver(ingress)           a client has connected
    driver.says(b"GET …")                   …and says something; every event a turn, then whatever the inbox holds
    driver.sent(driver.servers[0])          what a peer was sent since it was last looked at

It answers at once what it can: `Dial` as `dials` says, `MintLeaf` with real contexts, `ReadBody`, `RunHook` as `decide` says.
What `decide` or `dials` answer with None stays open: `held`, `dialling`; `answer` comes later. Reading that was paused is
obeyed: what peers say meanwhile waits as in a kernel's buffer. Time stands still until `advance`. It counts as the recorder
must: a flow starts once and ends once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, Protocol, TypeVar

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Address, Connection, Origin, Side, StreamConnection
from interceptor.model.flow import Flow, FlowError, HttpFlow, TcpFlow, WebSocketMessage
from interceptor.model.hooks import FORWARD, Hook, HttpHook, Verdict
from interceptor.model.records import (
    BodyData,
    FlowChanged,
    FlowEnded,
    FlowStarted,
    LongWebSocketMessage,
    MessageData,
    Record,
    WebSocketMessageData,
)
from interceptor.proxy.asks import ConnectFailed, Dial, Leaf, LookUp, MintFailed, MintLeaf, NamesFound, ReadBody, RunHook
from interceptor.proxy.assembly import Assembly
from interceptor.proxy.core.effects import (
    Ask,
    Close,
    Effect,
    HalfClose,
    PauseReading,
    ResumeReading,
    Send,
    WakeAt,
    Withdraw,
)
from interceptor.proxy.core.events import (
    Closed,
    DataReceived,
    Event,
    FlowKilled,
    HalfClosed,
    HungUp,
    Opened,
    PipeEvent,
    Replied,
    TimedOut,
)
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.settings import Settings

EPOCH = 1_700_000_000.0
REGULAR = Ingress("regular")
TRANSCRIPT: list[str] = []
"""Of the last driver; tests/proxy/conftest.py prints it, pytest shows it on failure."""

T = TypeVar("T")


class Peer(Protocol):
    """Somebody at the other end of a connection."""

    def feed(self, data: bytes) -> None: ...
    def take(self) -> bytes:
        """What it wants to say now."""
        ...


class NoTls:
    """For stacks that never speak TLS to a server."""

    def context(self, host: str, *, is_verified: bool) -> object:
        raise AssertionError("nobody was to speak TLS here")

    def datagram_context(self, host: str, *, is_verified: bool) -> object:
        raise AssertionError("nobody was to speak DTLS here")

    def unproven_context(self) -> object:
        raise AssertionError("nobody was to speak DTLS here")

    def session(self, key: tuple[object, str, int]) -> tuple[object, tuple[bytes, ...]] | None:
        return None

    def keep_session(self, key: tuple[object, str, int], session: object, chain: tuple[bytes, ...]) -> None:
        raise AssertionError("nobody was to speak TLS here")


def paper_settings(**changes: Any) -> Settings:
    return Settings(**{"upstream_tls": NoTls(), **changes})


def reverse(url: str) -> Ingress:
    """The ingress of `reverse:` to scheme://host:port."""
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    return Ingress(f"reverse:{url}", Origin(scheme, host, int(port)), is_reverse=True)


def forward(hook: Hook) -> Verdict | None:
    return FORWARD


def connects(address: Address) -> ConnectFailed | bool | None:
    """True: connected. None: the test answers."""
    return True


class PaperStack:
    """What drives any stack: `run` and what is kept of the effects. Asks that are not answered are in `asked`."""

    def __init__(self, stack: Stack) -> None:
        TRANSCRIPT.clear()
        self.stack, self.now = stack, stack.now
        self.asked: list[Ask[Any]] = []
        self.withdrawn: list[Ask[Any]] = []
        self.closed: dict[Connection, str] = {}
        self.half_closed: set[Connection] = set()
        self.paused: set[Connection] = set()
        self.records: list[Record] = []
        self.flows: list[Flow] = []
        self.ended: list[Flow] = []
        self.wake_at: float | None = None
        self.order: list[Effect] = []
        self._sent: dict[Connection, list[bytes]] = {}
        self._unread: dict[Connection, deque[PipeEvent]] = {}
        self._has_ended: set[Connection] = set()
        self._is_running = False

    # --- running ----------------------------------------------------------------------------------------------

    def run(self, *events: Event) -> list[Effect]:
        """The effects, records and time aside, that nobody answered."""
        before = len(self.order)
        for event in events:
            self._enter(event)
        return self.order[before:]

    def _enter(self, event: Event) -> None:
        if self.is_over:
            return
        self.stack.inbox.append(event)
        if self._is_running:
            return
        self._is_running = True
        try:
            while self.stack.inbox:
                following = self.stack.inbox.pop(0)
                TRANSCRIPT.append(f"▸ {_shown(following)}")
                for effect in self.stack.turn(following, self.now):
                    TRANSCRIPT.append(f"    ◂ {_shown(effect)}")
                    self._carry_out(effect)
        finally:
            self._is_running = False
        self.after_turns()
        self._read_on()

    @property
    def is_over(self) -> bool:
        return False

    def after_turns(self) -> None:
        if self.stack.failure is not None:
            raise self.stack.failure

    def _read_on(self) -> None:
        for connection in list(self._unread):
            waiting = self._unread[connection]
            while waiting and connection not in self.paused:
                self._enter(waiting.popleft())

    def _arrives(self, event: PipeEvent) -> list[Effect]:
        """As from a socket: a paused one tells nothing but a hang-up."""
        connection, before = event.connection, len(self.order)
        if connection in self.closed or (connection in self._has_ended and not isinstance(event, Closed)):
            return []
        if isinstance(event, HalfClosed):
            self._has_ended.add(connection)
        if connection in self.paused or self._unread.get(connection):
            self._unread.setdefault(connection, deque()).append(event)
            if isinstance(event, (HalfClosed, Closed)):
                self._enter(HungUp(connection, isinstance(event, Closed)))
        else:
            self._enter(event)
        return self.order[before:]

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Record):
            return self._record(effect)
        match effect:
            case WakeAt(time=time):
                self.wake_at = time
                return
            case Send(connection=connection, data=data):
                assert data or connection.transport == "udp", "nothing was to be sent"
                assert connection not in self.half_closed, "sent after the end"
                if connection not in self.closed:
                    self._sent.setdefault(connection, []).append(data)
            case HalfClose(connection=connection):
                self.half_closed.add(connection)
            case Close(connection=connection, reason=reason):
                self.closed.setdefault(connection, reason)
                self._unread.pop(connection, None)
            case PauseReading(connection=connection):
                self.paused.add(connection)
            case ResumeReading(connection=connection):
                self.paused.discard(connection)
            case Withdraw(ask=ask):
                self.withdrawn.append(ask)
                self.asked = [each for each in self.asked if each is not ask]
            case Ask():
                if self.answers(effect):
                    return
                self.asked.append(effect)
        self.order.append(effect)

    def answers(self, ask: Ask[Any]) -> bool:
        return False

    def _record(self, what: Record) -> None:
        self.records.append(what)
        match what:
            case FlowStarted(flow=flow):
                assert flow not in self.flows, "a flow that starts twice"
                self.flows.append(flow)
            case FlowEnded(flow=flow):
                assert flow in self.flows, "a flow that ends before it starts"
                assert flow not in self.ended, "a flow that ends twice"
                assert not flow.is_live
                self.ended.append(flow)
            case FlowChanged(flow=flow):
                assert flow in self.flows
            case BodyData(flow=flow, message=message, data=data):
                assert flow in self.flows
                assert isinstance(message.body, MemoryBody)
                message.body.append(data)
            case MessageData(flow=flow, data=said):
                assert flow in self.flows
                flow.message_count += 1
                flow.byte_count += len(said or b"")
            case LongWebSocketMessage(flow=flow) | WebSocketMessageData(flow=flow):
                assert flow in self.flows and flow not in self.ended and flow.websocket is not None
            case _:
                raise AssertionError(f"nobody records {what!r}")

    # --- what happens -----------------------------------------------------------------------------------------

    def says(self, data: bytes, connection: Connection) -> list[Effect]:
        return self._arrives(DataReceived(connection, data)) if data or connection.transport == "udp" else []

    def ends(self, connection: Connection) -> list[Effect]:
        """It sends no more."""
        return self._arrives(HalfClosed(connection))

    def vanishes(self, connection: Connection, reason: str = "") -> list[Effect]:
        effects = self._arrives(Closed(connection, reason))
        self.closed.setdefault(connection, reason)
        return effects

    def answer(self, ask: Ask[Any], value: object) -> list[Effect]:
        self.asked = [each for each in self.asked if each is not ask]
        return self.run(Replied(ask, value))

    def advance(self, seconds: float) -> None:
        """In steps, as the timer rings."""
        until = self.now + seconds
        while self.wake_at is not None and self.wake_at <= until:
            self.now, self.wake_at = max(self.wake_at, self.now), None
            self._enter(TimedOut())
        self.now = until

    # --- looking ----------------------------------------------------------------------------------------------

    def sent(self, connection: Connection) -> bytes:
        """Since it was last asked for."""
        return b"".join(self._sent.pop(connection, []))

    def datagrams(self, connection: Connection) -> list[bytes]:
        """Since they were last asked for."""
        return self._sent.pop(connection, [])

    def messages(self, from_client: bool) -> bytes:
        """What was sent on in a raw conversation."""
        records = (record for record in self.records if isinstance(record, MessageData) and record.from_client is from_client)
        return b"".join(record.data or b"" for record in records)


class PaperDriver(PaperStack):
    """One client of a whole assembly. `decide` and `dials` answer at once, or None: then the test does."""

    def __init__(
        self,
        ingress: Ingress = REGULAR,
        settings: Settings | None = None,
        *,
        decide: Callable[[Hook], Verdict | None] = forward,
        dials: Callable[[Address], ConnectFailed | bool | None] = connects,
        mint: Callable[[MintLeaf], Leaf | MintFailed | None] = lambda ask: MintFailed("nobody mints here"),
        greet: Callable[[Connection], Peer | None] = lambda connection: None,
        is_opened: bool = True,
        transport: str = "tcp",
    ) -> None:
        self.flow_ids: Iterator[int] = count(1)
        self.assembly = Assembly(settings or paper_settings(), self.flow_ids, EPOCH)
        super().__init__(self.assembly.stack)
        self.names = NamesFound(())
        self.stack.answers[LookUp] = lambda ask: self.names
        self.decide, self.dials, self.mint, self.greet = decide, dials, mint, greet
        self.hooks: list[Hook] = []
        self.servers: list[Connection] = []
        self.peers: dict[Connection, Peer] = {}
        self.ended_by_driver: list[Flow] = []
        self._is_over = False
        self.client = Connection(Side.CLIENT, ("192.0.2.1", 5000), local=("192.0.2.99", 8080), opened_at=EPOCH)
        self.client.transport = transport
        self._has_client = is_opened
        if is_opened:
            self.assembly.client_connected(self.client, ingress)
            self.run(Opened(self.client))

    # --- as the real one --------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        return self._is_over

    def after_turns(self) -> None:
        super().after_turns()
        is_left = self._has_client and self.client not in self.stack.pipes
        if is_left or (not self._has_client and not self.stack.open_flows):
            self._shut_down()

    def _shut_down(self) -> None:
        self._is_over = True
        TRANSCRIPT.append("= the client has gone")
        for ask in self.stack.waiting():
            self.asked = [each for each in self.asked if each is not ask]
            self.withdrawn.append(ask)
        for server in self.servers:
            self.closed.setdefault(server, "the driver closed what was left")
        for flow in list(self.stack.open_flows.values()):
            self.ended_by_driver.append(flow)
            flow.is_live, flow.ended_at = False, self.now + EPOCH
            flow.error = flow.error or FlowError("The client closed the connection.", self.now + EPOCH)
            self._record(FlowEnded(flow))
        self.stack.open_flows.clear()

    def answers(self, ask: Ask[Any]) -> bool:
        reply = self._reply(ask)
        if reply is None:
            return False
        self.stack.inbox.append(Replied(ask, reply))
        return True

    def _reply(self, ask: Ask[Any]) -> object:
        match ask:
            case RunHook(hook=hook):
                self.hooks.append(hook)
                return self.decide(hook)
            case ReadBody(body=body, start=start, count=number):
                return body.read(start, number)
            case MintLeaf():
                return self.mint(ask)
            case Dial(connection=connection):
                assert connection.dialled is not None
                result = self.dials(connection.dialled)
                return self._dialled(connection) if result is True else result or None
            case _:
                raise AssertionError(f"an ask that nobody answers: {ask!r}")

    def _dialled(self, connection: Connection) -> Connection:
        self.servers.append(connection)
        connection.connected_at, connection.resolved = self.now + EPOCH, connection.peer
        if (peer := self.greet(connection)) is not None:
            self.peers[connection] = peer
        return connection

    # --- what happens -----------------------------------------------------------------------------------------

    def says(self, data: bytes, connection: Connection | None = None) -> list[Effect]:
        return super().says(data, connection or self.client)

    def connected(self, dial: Dial) -> Connection:
        """The answer to a dial that was left open."""
        self.answer(dial, self._dialled(dial.connection))
        return dial.connection

    def kill(self, flow: Flow, reason: str) -> None:
        self.run(FlowKilled(flow.id, reason))

    def replay(self, flow: HttpFlow, script: Sequence[WebSocketMessage] = ()) -> None:
        self.assembly.replay(flow, script)
        following = self.stack.inbox.pop(0)
        self.run(following)

    def converse(self) -> None:
        """Until the peers (see `greet`, `peers`) have nothing more to say."""
        is_moving = True
        while is_moving:
            is_moving = False
            for connection, peer in list(self.peers.items()):
                if data := self.sent(connection):
                    peer.feed(data)
                    is_moving = True
                if data := peer.take():
                    self.says(data, connection)
                    is_moving = True

    # --- looking ----------------------------------------------------------------------------------------------

    def open_asks(self, kind: type[T]) -> list[T]:
        return [ask for ask in self.asked if isinstance(ask, kind)]

    def dialling(self) -> Dial:
        [dial] = self.open_asks(Dial)
        return dial

    def held(self, kind: type[Hook] = Hook) -> list[RunHook]:
        """Hooks that wait for a verdict."""
        return [ask for ask in self.open_asks(RunHook) if isinstance(ask.hook, kind)]

    @property
    def server(self) -> Connection:
        return self.servers[-1]

    @property
    def http(self) -> HttpFlow:
        """The last flow with a request."""
        return [flow for flow in self.flows if isinstance(flow, HttpFlow)][-1]

    @property
    def tcp(self) -> TcpFlow:
        return [flow for flow in self.flows if isinstance(flow, TcpFlow)][-1]

    def hook_names(self) -> list[str]:
        return [type(hook).__name__ for hook in self.hooks]

    def errors(self) -> list[str]:
        """Of ended flows, "" for those that ended well."""
        return [flow.error.message if flow.error is not None else "" for flow in self.ended]


def _shown(what: object) -> str:
    if isinstance(what, (Send, DataReceived)):
        data = what.data if len(what.data) < 200 else what.data[:120] + b" \xe2\x80\xa6 %d bytes" % len(what.data)
        return f"{type(what).__name__} {_name(what.connection)} {data!r}"
    if isinstance(what, RunHook):
        flow = what.hook.flow.id if isinstance(what.hook, HttpHook) else ""
        return f"RunHook {type(what.hook).__name__} {flow}"
    text = repr(what)
    return text if len(text) < 400 else text[:400] + " …"


def _name(connection: Connection) -> str:
    if isinstance(connection, StreamConnection) and connection.parent is not None:
        return f"{_name(connection.parent)}/{connection.stream_id}"
    return repr(connection)
