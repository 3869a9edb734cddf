"""One driver per client: the only code that carries out effects.

It drains the stack's inbox, one turn per event, then writes once per connection. Replies that are known at once (a body's
bytes, a verdict nobody has to think about, a cached leaf) go through the inbox like all others; the rest arrive from tasks.
A hook that nobody heeds is not even asked: the stack goes on within the turn.
One coarse timer serves the stack. When the client has gone, the driver closes what is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final, Protocol

from interceptor.model.connection import Address, Connection, Side, bracketed
from interceptor.model.flow import FlowError, HttpFlow, WebSocketMessage
from interceptor.model.hooks import FORWARD, ConnectionWatcher, Decider, Verdict
from interceptor.model.records import FlowEnded, Record, Recorder
from interceptor.proxy.asks import (
    Associate,
    ChooseWay,
    ConnectFailed,
    Dial,
    Leaf,
    LogIn,
    LookUp,
    MintFailed,
    MintLeaf,
    NamesFound,
    ReadBody,
    Resolve,
    RunHook,
)
from interceptor.proxy.assembly import Assembly
from interceptor.proxy.client_programs import ClientPrograms
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
from interceptor.proxy.core.events import Event, FlowKilled, MessageInjected, Opened, Replied, TimedOut
from interceptor.proxy.datagrams import DatagramClient, DatagramServer, DatagramSocket
from interceptor.proxy.hangups import HangUps
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.resolver import FindsNames, Unreachable, connect, connect_datagrams, finder, resolve
from interceptor.proxy.transports import TcpTransport, Transport

COARSE_SECONDS: Final = 0.1
SLICE_SECONDS: Final = 0.001
"""How long the turns of one stack may go on before those of others have theirs."""


LED_BACK: Final = (
    "this connection was redirected to this proxy itself and would never end: the rule that redirects must leave out what the"
    " proxy sends (interceptor setup transparent shows how)"
)
"""Whoever comes second, the accepted end or the dialled one, finds the other there."""

Way = tuple[Address | None, Address | None]
"""(from, to) of a TCP connection, as whoever dialled it sees it."""


class Minting(Protocol):
    """Who makes leaves."""

    def mint_now(self, ask: MintLeaf) -> Leaf | MintFailed | None:
        """The answer if it is quick to have, else None: `mint_later` then."""
        ...

    async def mint_later(self, ask: MintLeaf) -> Leaf | MintFailed: ...


@dataclass
class Services:
    """What all drivers share. `decider` and `tls` are set before the first client is accepted; they may take longer to load than
    it takes to bind the address."""

    loop: asyncio.AbstractEventLoop
    recorder: Recorder
    hangups: HangUps
    report: Callable[[str, BaseException | None], None]  # to the event log
    is_own_address: Callable[[str, int, str], bool]  # host, port, "tcp" or "udp"
    local_host: str | None = None  # where connections to servers come from
    watcher: ConnectionWatcher | None = None
    programs: ClientPrograms | None = None  # nobody looks for them
    awaits_programs: bool = False  # something that decides about flows has to know them
    connection_ended: Callable[[], None] = lambda: None  # with its stack, which is garbage from here on
    drivers: set[Driver] = field(default_factory=set)
    dialled: set[Way] = field(default_factory=set)
    redirected: set[Way] = field(default_factory=set)  # to us; the way is the one that the client meant
    decider: Decider = field(init=False)
    tls: Minting = field(init=False)
    confdir: Path = Path()  # where keys are
    tell: Callable[[str], None] = lambda text: None  # to the event log, as news
    look_up: Callable[[LookUp], NamesFound] = lambda ask: NamesFound(())
    find: FindsNames | None = None  # who looks names up in place of the system
    later: dict[type[Ask[Any]], Callable[[Any], Awaitable[Any]]] = field(default_factory=dict)  # who answers what, in a while


class Driver:
    """`start_client` or `start_replay` once; then it lives until its client, or its replay, has ended."""

    def __init__(self, services: Services, assembly: Assembly) -> None:
        self._services, self._assembly, self._stack = services, assembly, assembly.stack
        self._client: Connection | None = None
        self._transports: dict[Connection, Transport] = {}
        self._unsent: list[Transport] = []
        self._dialling: dict[int, asyncio.Task[None]] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wake_at = 0.0
        self._redirected: Way | None = None
        self._ways: dict[Connection, Way] = {}  # of connections to servers
        self._associations: list[DatagramSocket] = []  # they end with the client's connection
        self._is_draining = self._is_over = False
        self._over: Callable[[], None] = lambda: None
        self._stack.answers[RunHook] = self._verdict_nobody_gives
        self._stack.answers[LookUp] = services.look_up
        services.drivers.add(self)

    @property
    def has_client(self) -> bool:
        """False for a replay."""
        return self._client is not None

    # --- beginnings -------------------------------------------------------------------------------------------

    def start_client(self, connection: Connection, ingress: Ingress) -> TcpTransport:
        """The protocol for the accepted socket; call `opened` when it is connected."""
        self._start(connection, ingress)
        transport = self._transports[connection] = TcpTransport(self, connection, self._services.hangups)
        return transport

    def start_datagrams(self, connection: Connection, ingress: Ingress, owner: DatagramSocket, key: Any) -> DatagramClient:
        """The transport of a client that sends datagrams to that socket, which knows it by that key; they may come at once."""
        self._start(connection, ingress)
        transport = DatagramClient(self._services.loop, self, connection, owner, key)
        self._transports[connection] = transport
        self.opened()
        return transport

    def start_over(self, connection: Connection, ingress: Ingress, transport: Transport) -> None:
        """A client that has come over that transport, which was made for this driver."""
        self._start(connection, ingress)
        self._transports[connection] = transport
        self.opened()

    def _start(self, connection: Connection, ingress: Ingress) -> None:
        self._client = connection
        if ingress.is_redirected and ingress.origin is not None:
            self._redirected = connection.peer, (ingress.origin.host, ingress.origin.port)
            self._services.redirected.add(self._redirected)
        self._assembly.client_connected(connection, ingress)

    def takes_associations(self, make: Callable[[Associate], DatagramSocket]) -> None:
        """Its client may ask for them. `make` may raise OSError."""

        def answer(ask: Associate) -> Address | ConnectFailed:
            try:
                made = make(ask)
            except OSError as error:
                return ConnectFailed("this proxy", "UDP ASSOCIATE", (error.strerror or str(error)).lower())
            self._associations.append(made)
            host, port = made.local[:2]
            return host, port

        self._stack.answers[Associate] = answer

    @property
    def is_holding(self) -> bool:
        """Something of this client waits for a person."""
        return any(flow.held is not None for flow in self._stack.open_flows.values())

    def opened(self) -> None:
        assert self._client is not None
        self.deliver(Opened(self._client))
        if transport := self._transports.get(self._client):
            transport.begin()

    def start_replay(self, flow: HttpFlow, script: Sequence[WebSocketMessage], over: Callable[[], None]) -> None:
        """`over` is called when it has ended, with everything that came of it."""
        self._over = over
        self._assembly.replay(flow, script)
        self._drain()

    def kill(self, flow_id: int, reason: str) -> bool:
        """True if the flow runs in this stack: it is ended on the wire."""
        if flow_id not in self._stack.open_flows:
            return False
        self.deliver(FlowKilled(flow_id, reason))
        return True

    def inject(self, message: MessageInjected) -> str | None:
        """Says it in the flow; why that cannot be, or None if the flow does not run in this stack."""
        conversation = self._stack.injectable.get(message.flow_id)
        if conversation is None:
            return None
        refusal = conversation.refusal(message.from_client)
        if not refusal:
            self.deliver(message)
        return refusal

    # --- turns ------------------------------------------------------------------------------------------------

    def deliver(self, event: Event) -> None:
        self._stack.inbox.append(event)
        if not self._is_draining:
            self._drain()

    def transport_gone(self, connection: Connection) -> None:
        connection.closed_at = connection.closed_at or self._stack.wall_time()
        was_there = self._transports.pop(connection, None) is not None
        if connection is not self._client:
            self._services.dialled.discard(self._ways.pop(connection, (None, None)))
        elif self._redirected is not None:
            self._services.redirected.discard(self._redirected)
        if was_there and (watcher := self._services.watcher) is not None:
            if connection is self._client:
                watcher.client_gone(connection)
            elif connection.connected_at is not None:
                watcher.server_gone(connection, self._client)
        has_no_more = self._client is None and not self._transports and not self._dialling
        if (connection is self._client or has_no_more) and not self._is_draining and not self._stack.inbox:
            self._shut_down("The client closed the connection.")

    def _drain(self) -> None:
        if self._is_over:
            return
        stack = self._stack
        inbox, turn, carry_out = stack.inbox, stack.turn, self._carry_out
        self._is_draining = True
        now = monotonic()
        until = now + SLICE_SECONDS
        try:
            while (inbox and now < until) or self._unsent:
                while inbox and now < until:
                    for effect in turn(inbox.pop(0), now):
                        if type(effect) is Send:
                            if transport := self._transports.get(effect.connection):
                                if not transport.pieces:
                                    self._unsent.append(transport)
                                transport.pieces.append(effect.data)
                        else:
                            carry_out(effect)
                    now = monotonic()
                unsent, self._unsent = self._unsent, []
                for transport in unsent:
                    if transport.pieces:
                        transport.flush()
        finally:
            self._is_draining = False
        if stack.failure is not None:
            self._services.report("a connection was closed by an internal error", stack.failure)
            self._shut_down(f"Internal error: {type(stack.failure).__name__}: {stack.failure}")
        elif inbox:
            self._services.loop.call_soon(self._go_on)
        elif self._client is not None and self._client not in stack.pipes:
            self._shut_down("The client closed the connection.")
        elif self._client is None and not stack.open_flows:
            self._shut_down("")

    def _go_on(self) -> None:
        """After a slice that was not enough; if somebody has been served meanwhile, that was this stack's turn too."""
        if self._stack.inbox and not self._is_draining:
            self._drain()

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Record):
            return self._services.recorder.record(effect)
        match effect:
            case RunHook() | MintLeaf() | ReadBody() | Dial() | Resolve():
                self._ask(effect)
            case ChooseWay() | LogIn():
                self._run(self._answer_later(effect))
            case Close(connection=connection, is_abrupt=is_abrupt):
                if transport := self._transports.get(connection):
                    connection.closed_at = connection.closed_at or self._stack.wall_time()
                    transport.close(is_abrupt)
            case HalfClose(connection=connection):
                if transport := self._transports.get(connection):
                    transport.half_close()
            case PauseReading(connection=connection):
                if transport := self._transports.get(connection):
                    transport.pause()
            case ResumeReading(connection=connection):
                if transport := self._transports.get(connection):
                    transport.resume()
            case WakeAt(time=time):
                self._set_timer(time)
            case Withdraw(ask=ask):
                self._withdraw(ask)
            case _:
                raise AssertionError(f"an effect that nobody carries out: {effect!r}")

    def _ask(self, ask: RunHook | MintLeaf | ReadBody | Dial | Resolve) -> None:
        inbox, services = self._stack.inbox, self._services
        match ask:
            case RunHook(hook=hook):
                verdict = services.decider.decide(hook, partial(self._decided, ask))
                if verdict is not None:
                    inbox.append(Replied(ask, verdict))
            case ReadBody(body=body, start=start, count=count):
                inbox.append(Replied(ask, body.read(start, count)))
            case MintLeaf():
                if (leaf := services.tls.mint_now(ask)) is not None:
                    inbox.append(Replied(ask, leaf))
                else:
                    self._run(self._mint(ask))
            case Dial():
                self._dialling[id(ask)] = self._run(self._dial(ask))
            case Resolve():
                self._run(self._resolve(ask))

    def _verdict_nobody_gives(self, ask: RunHook) -> Verdict | None:
        return None if self._services.decider.heeds(ask.hook) else FORWARD

    def _decided(self, ask: RunHook, verdict: Verdict) -> None:
        if not self._is_over:
            self.deliver(Replied(ask, verdict))

    def _withdraw(self, ask: Ask[Any]) -> None:
        if isinstance(ask, RunHook):
            self._services.decider.withdraw(ask.hook)
        elif isinstance(ask, Dial) and (task := self._dialling.pop(id(ask), None)):
            task.cancel()

    # --- answers that take time -------------------------------------------------------------------------------

    def _run(self, coroutine: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._services.loop.create_task(coroutine)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    async def _mint(self, ask: MintLeaf) -> None:
        self.deliver(Replied(ask, await self._services.tls.mint_later(ask)))

    async def _answer_later(self, ask: Ask[Any]) -> None:
        self.deliver(Replied(ask, await self._services.later[type(ask)](ask)))

    async def _resolve(self, ask: Resolve) -> None:
        answer: tuple[str, ...] | ConnectFailed
        try:
            services = self._services
            find = finder(services.loop, services.is_own_address, services.find)
            answer = await resolve(services.loop, ask.host, ask.port, find)
        except Unreachable as error:
            answer = ConnectFailed(ask.host, "name", str(error))
        self.deliver(Replied(ask, answer))

    async def _dial(self, ask: Dial) -> None:
        answer = await self._connected(ask.connection)
        if self._dialling.pop(id(ask), None) is not None:
            self.deliver(Replied(ask, answer))
            if transport := self._transports.get(ask.connection):
                transport.begin()

    async def _connected(self, connection: Connection) -> Connection | ConnectFailed:
        watcher = self._services.watcher
        if watcher is None:
            return await self._dialled(connection)
        answer: Connection | ConnectFailed
        if refusal := await watcher.server_wanted(connection, self._client):
            answer = ConnectFailed("the server", "connect", refusal, connection)
        else:
            answer = await self._dialled(connection)
        if isinstance(answer, ConnectFailed):
            connection.error = str(answer)
            watcher.server_failed(connection, self._client)
        else:
            watcher.server_there(connection, self._client)
        return answer

    async def _dialled(self, connection: Connection) -> Connection | ConnectFailed:
        assert connection.dialled is not None
        host, port = connection.dialled
        name = str(connection.via[0]) if connection.via else f"{bracketed(host)}:{port}"
        services = self._services
        if services.is_own_address(host, port, connection.transport):
            reason = "that is this proxy itself; a request to it would never end"
            return ConnectFailed(name, "connect", reason, connection)
        try:
            transport = await self._open_transport(connection, host, port)
        except Unreachable as error:
            self._transports.pop(connection, None)
            return ConnectFailed(name, "connect", str(error), connection)
        except BaseException:
            self._transports.pop(connection, None)
            raise
        connection.connected_at = monotonic() + self._stack.epoch_offset
        connection.local, resolved = way = transport.addresses()
        is_peer = not connection.via or connection.peer == connection.dialled  # else who answered is the first hop
        connection.resolved = resolved if is_peer else None
        if way in services.redirected:
            transport.close(is_abrupt=True)
            return ConnectFailed(name, "connect", LED_BACK, connection)
        services.dialled.add(way)
        self._ways[connection] = way
        return connection

    async def _open_transport(self, connection: Connection, host: str, port: int) -> Transport:
        services = self._services
        find = finder(services.loop, services.is_own_address, services.find, bool(connection.via), connection.transport)
        if connection.transport == "udp":
            sock = await connect_datagrams(services.loop, host, port, services.local_host, find)
            datagrams = self._transports[connection] = DatagramServer(services.loop, self, connection, sock)
            return datagrams
        stream = self._transports[connection] = TcpTransport(self, connection, services.hangups)
        await connect(services.loop, stream, host, port, services.local_host, find)
        return stream

    # --- time and end -----------------------------------------------------------------------------------------

    def _set_timer(self, time: float) -> None:
        if self._timer is not None and self._wake_at <= time:
            self._wake_at = time  # it rings too early then, and is set again
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wake_at = time
        self._timer = self._services.loop.call_later(max(time - monotonic(), 0.0) + COARSE_SECONDS, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._is_over:
            return
        if monotonic() < self._wake_at:
            return self._set_timer(self._wake_at)
        self.deliver(TimedOut())

    def shut_down(self, reason: str) -> None:
        """The program ends, or its listener does. Its flows have failed for that reason; if it is "", they have ended well."""
        self._shut_down(reason)

    def _shut_down(self, reason: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        for ask in list(self._stack.waiting()):
            self._withdraw(ask)
        for task in list(self._tasks):
            task.cancel()
        for transport in list(self._transports.values()):
            transport.close()
        for association in self._associations:
            association.close("")
        now = self._stack.wall_time()
        for flow in list(self._stack.open_flows.values()):
            flow.is_live, flow.ended_at = False, now
            flow.error = flow.error or (FlowError(reason, now) if reason else None)
            self._services.recorder.record(FlowEnded(flow))
        self._stack.open_flows.clear()
        self._stack.inbox.clear()
        self._services.drivers.discard(self)
        self._services.connection_ended()
        self._over()


def client_connection(peer: Any, local: Any, opened_at: float, transport: str = "tcp") -> Connection:
    """The record of an accepted socket."""
    connection = Connection(Side.CLIENT, tuple(peer[:2]), opened_at=opened_at, transport=transport)
    connection.local, connection.connected_at = tuple(local[:2]), opened_at
    return connection
