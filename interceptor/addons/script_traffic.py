"""Scripts and the traffic: an addon that asks their hooks, and a listener that tells them of beginnings and ends.

    chain ─ requestheaders, request, … ─▸ ScriptTraffic ─▸ handlers, with facades ─▸ verdict
    stacks ─ records ─▸ ScriptTraffic ─▸ store             FlowStarted, FlowEnded ─▸ tcp_start, tcp_end, error …

A live flow has one facade, which goes when it has ended. If a body streams, `request` or `response` is called when it has passed
(`owed`), as there is nothing to look at before. A function as `stream` gets the body in pieces once it is there.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final, Protocol

from interceptor.addons.intercept import Intercept
from interceptor.addons.script_calls import ScriptCalls
from interceptor.addons.script_hooks import DECISIONS, answer_request, answer_response
from interceptor.model.connection import Connection
from interceptor.model.flow import DnsFlow, HttpFlow, Opcode, TcpFlow, UdpFlow
from interceptor.model.flow import Flow as Record
from interceptor.model.hooks import Collect, Forward, Verdict
from interceptor.model.records import FlowChanged, FlowEnded, FlowStarted, Recorder
from interceptor.model.records import Record as Recorded
from interceptor.script.connection import Client, Server
from interceptor.script.dns import DNSFlow
from interceptor.script.flow import Flow
from interceptor.script.hooks import ServerConnectionHookData
from interceptor.script.http import HTTPFlow, Message
from interceptor.script.messages import Message as Spoken
from interceptor.script.tcp import TCPFlow, TCPMessage
from interceptor.script.udp import UDPFlow, UDPMessage
from interceptor.script.websocket import WebSocketMessage

PIECE: Final = 64 * 1024
Said = Verdict | None
_HEADS: Final = (
    ("requestheaders", "request"),
    ("responseheaders", "response"),
    ("websocket_message_begun", "websocket_message"),
)


class Touching(Protocol):
    """What is known of the session's store."""

    def touch(self, flow: Record, /) -> None: ...


class ScriptTraffic:
    """An addon of the chain, the recorder in front of the store, and the facades' host."""

    def __init__(
        self, calls: ScriptCalls, store: Touching, recorder: Recorder, intercept: Intercept, kill: Callable[[Record], None]
    ) -> None:
        self._calls, self._store, self._recorder, self._intercept, self._kill = calls, store, recorder, intercept, kill
        self._facades: dict[Record, Flow] = {}
        self._changed: set[Record] = set()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.own_changes: set[Record] = set()
        """Flows that scripts have changed since somebody emptied this."""

    # --- what the chain wants to know -------------------------------------------------------------------------

    collects_itself = True

    @property
    def hooks(self) -> frozenset[str]:
        """At a head it is said that the body shall be there; behind one there may be a function that wants it in pieces."""
        names = {name for name in DECISIONS if self._calls.has(name)}
        return frozenset(names.union(*(pair for pair in _HEADS if names & set(pair))))

    # --- hooks ------------------------------------------------------------------------------------------------

    def client_connected(self, client: Connection, mode: str) -> Said | Coroutine[Any, Any, Said]:
        return self._asked("client_connected", None, Client(client))

    def http_connect(self, flow: HttpFlow) -> Said | Coroutine[Any, Any, Said]:
        facade = HTTPFlow(flow, self)
        return self._asked("http_connect", facade, facade)

    def requestheaders(self, flow: HttpFlow) -> Said | Coroutine[Any, Any, Said]:
        facade = self._http(flow)
        facade.request.is_to_come = True
        return self._asked_at_head("requestheaders", "request", facade, answer_request)

    def request(self, flow: HttpFlow) -> Said | Coroutine[Any, Any, Said]:
        facade = self._http(flow)
        return self._ready("request", facade, facade.request)

    def responseheaders(self, flow: HttpFlow) -> Said | Coroutine[Any, Any, Said]:
        facade = self._http(flow)
        if facade.response is not None:
            facade.response.is_to_come = True
        return self._asked_at_head("responseheaders", "response", facade, answer_response)

    def _asked_at_head(
        self, name: str, whole: str, facade: HTTPFlow, answer: Callable[[HTTPFlow], Said]
    ) -> Said | Coroutine[Any, Any, Said]:
        """Who has a say in the whole message has the body collected, and is asked for the answer when it is there."""
        otherwise = Forward(Collect.WHOLE) if self._calls.has(whole) else None
        said = self._asked(name, facade, facade)
        if isinstance(said, Coroutine):
            return self._later_or(said, facade, otherwise, answer)
        return said or otherwise or answer(facade)

    @staticmethod
    async def _later_or(
        later: Coroutine[Any, Any, Said], facade: HTTPFlow, otherwise: Said, answer: Callable[[HTTPFlow], Said]
    ) -> Said:
        return await later or otherwise or answer(facade)

    def response(self, flow: HttpFlow) -> Said | Coroutine[Any, Any, Said]:
        facade = self._http(flow)
        return None if facade.response is None else self._ready("response", facade, facade.response)

    def tcp_message(self, flow: TcpFlow, from_client: bool, data: bytes) -> Said | Coroutine[Any, Any, Said]:
        return self._asked_about("tcp_message", flow, TCPMessage(from_client, data, time.time()))

    def udp_message(self, flow: TcpFlow, from_client: bool, data: bytes) -> Said | Coroutine[Any, Any, Said]:
        return self._asked_about("udp_message", flow, UDPMessage(from_client, data, time.time()))

    def dns_request(self, flow: DnsFlow) -> Said | Coroutine[Any, Any, Said]:
        facade = self.facade(flow)
        return self._asked("dns_request", facade, facade)

    def dns_response(self, flow: DnsFlow) -> Said | Coroutine[Any, Any, Said]:
        facade = self.facade(flow)
        return self._asked("dns_response", facade, facade)

    def websocket_message_begun(self, flow: HttpFlow) -> Said:
        return Forward(Collect.WHOLE)

    def websocket_message(
        self, flow: HttpFlow, from_client: bool, opcode: Opcode, data: bytes
    ) -> Said | Coroutine[Any, Any, Said]:
        return self._asked_about("websocket_message", flow, WebSocketMessage(opcode, from_client, data, time.time()))

    def _asked_about(self, name: str, flow: Record, message: Spoken) -> Said | Coroutine[Any, Any, Said]:
        facade = self.facade(flow)
        facade.asked.append(message)
        return self._asked(name, facade, facade, message)

    def _http(self, flow: HttpFlow) -> HTTPFlow:
        facade = self.facade(flow)
        assert isinstance(facade, HTTPFlow)
        return facade

    def _ready(self, name: str, facade: HTTPFlow, message: Message) -> Said | Coroutine[Any, Any, Said]:
        """A message whose body is there, unless it streams."""
        if not facade.record.body_is_editable or message.stream is True:
            if self._calls.has(name):
                facade.owed.append(name)
            return None
        message.is_to_come = False
        if callable(message.stream):
            _in_pieces(message, message.stream)
        return self._asked(name, facade, facade)

    def _asked(self, name: str, flow: Flow | None, *subject: Any) -> Said | Coroutine[Any, Any, Said]:
        answer = partial(DECISIONS[name], *subject)
        if flow is not None:
            flow.is_being_decided += 1
        rest = self._calls.ask(name, subject[0])
        if rest is not None:
            return self._answered(rest, answer, flow, subject)
        self._was_asked(flow, subject)
        return answer()

    async def _answered(
        self, rest: Coroutine[Any, Any, None], answer: Callable[[], Said], flow: Flow | None, subject: tuple[Any, ...]
    ) -> Said:
        try:
            await rest
        finally:
            self._was_asked(flow, subject)
        return answer()

    def _was_asked(self, flow: Flow | None, subject: tuple[Any, ...]) -> None:
        if flow is not None:
            flow.is_being_decided -= 1
            if len(subject) > 1:
                flow.asked.remove(subject[1])

    # --- beginnings and ends ----------------------------------------------------------------------------------

    def record(self, what: Recorded) -> None:
        """On its way to the store."""
        self._recorder.record(what)
        if type(what) is FlowEnded:
            self._flow_ended(what.flow)
        elif type(what) is FlowStarted and isinstance(what.flow, TcpFlow) and what.flow.is_live:
            self._calls.tell(f"{what.flow.kind}_start", self.facade(what.flow))
        elif type(what) is FlowChanged and isinstance(what.flow, HttpFlow) and what.flow.websocket is not None:
            self._websocket_began(self._http(what.flow))

    def _websocket_began(self, facade: HTTPFlow) -> None:
        if not facade.is_websocket:
            facade.is_websocket = True
            self._calls.tell("websocket_start", facade)

    def _flow_ended(self, flow: Record) -> None:
        self._intercept.hold_no_more(flow)
        facade = self._facades.pop(flow, None)
        if isinstance(flow, DnsFlow):
            if flow.error is not None:
                self._calls.tell("dns_error", facade or self.made(flow))
            return
        if facade is None and isinstance(flow, TcpFlow):
            return  # the row of a connection that never was a conversation
        facade = facade or self.made(flow)
        if isinstance(facade, HTTPFlow):
            for name in facade.owed:
                if name == "request" or facade.response is not None:
                    self._calls.tell(name, facade)
            if facade.is_websocket:
                self._calls.tell("websocket_end", facade)
            if flow.error is not None:
                self._calls.tell("error", facade)
        else:
            self._calls.tell(f"{flow.kind}_{'end' if flow.error is None else 'error'}", facade)

    # --- connections (model.records.ConnectionWatcher) --------------------------------------------------------

    def client_gone(self, client: Connection) -> None:
        self._calls.tell("client_disconnected", Client(client))

    async def server_wanted(self, server: Connection, client: Connection | None) -> str:
        """Before it is dialled; a script may change the address. Why it must not be dialled, or ""."""
        if rest := self._calls.ask("server_connect", _both(server, client)):
            await rest
        return server.error

    def server_there(self, server: Connection, client: Connection | None) -> None:
        self._calls.tell("server_connected", _both(server, client))

    def server_failed(self, server: Connection, client: Connection | None) -> None:
        self._calls.tell("server_connect_error", _both(server, client))

    def server_gone(self, server: Connection, client: Connection | None) -> None:
        self._calls.tell("server_disconnected", _both(server, client))

    # --- facades and their host -------------------------------------------------------------------------------

    def facade(self, flow: Record) -> Flow:
        """The one of this flow, as long as it lives."""
        if (facade := self._facades.get(flow)) is not None:
            return facade
        facade = self.made(flow)
        if flow.is_live:
            self._facades[flow] = facade
        return facade

    def made(self, flow: Record) -> Flow:
        if isinstance(flow, HttpFlow):
            return HTTPFlow(flow, self)
        if isinstance(flow, DnsFlow):
            return DNSFlow(flow, self)
        if isinstance(flow, UdpFlow):
            return UDPFlow(flow, self)
        assert isinstance(flow, TcpFlow)
        return TCPFlow(flow, self)

    def changed(self, flow: Record) -> None:
        if not self._changed:
            is_ours = threading.get_ident() == self._thread
            (self._loop.call_soon if is_ours else self._loop.call_soon_threadsafe)(self._touch)
        self._changed.add(flow)

    def _touch(self) -> None:
        flows, self._changed = self._changed, set()
        self.own_changes |= flows
        for flow in flows:
            self._store.touch(flow)

    def hold(self, flow: Record) -> None:
        self._intercept.hold_next(flow)

    def resume(self, flow: Record) -> None:
        self._intercept.hold_no_more(flow)
        self._intercept.resume(flow)

    def kill(self, flow: Record) -> None:
        self._kill(flow)


def _both(server: Connection, client: Connection | None) -> ServerConnectionHookData:
    return ServerConnectionHookData(Server(server), Client(client))


def _in_pieces(message: Message, change: Callable[[bytes], Iterable[bytes] | bytes]) -> None:
    """The function as `stream`, on a body that is there: each piece, then b"" for the end."""
    body, message.stream = message.record.body, False
    changed = bytearray()
    for start in (*range(0, body.size, PIECE), None):
        given = change(b"" if start is None else body.read(start, PIECE))
        changed += given if isinstance(given, bytes) else b"".join(given)
    message.raw_content = bytes(changed)
