"""DNS as a server to clients: each query a flow of its own, passed on as it came, over the transport that it came by (RFC 1035,
RFC 7766).

    client ─▸ query ─ DnsRequest ─▸ answered by hand, by the hosts file │ sent to a name server ─▸ DnsResponse ─▸ client

Bytes pass unchanged; a query gets another id only if two of one client are on their way with the same. An answer counts if id and
question are those of the query. Where there are several name servers, the next is asked when one is silent, unreachable or closes
the connection. A query that nobody answers is told so by SERVFAIL. One alarm serves all queries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Protocol

from interceptor.model.connection import Connection, Origin
from interceptor.model.dns import (
    AAAA,
    ANY,
    HEADER_BYTES,
    HTTPS,
    SERVFAIL,
    SVCB,
    A,
    DnsMessage,
    addresses_answer,
    cut_for_datagram,
    failure,
    payload_size,
    question_of,
    without_ech,
)
from interceptor.model.flow import NOTED_BY_RULES, DnsFlow, FlowError
from interceptor.model.hooks import DnsHook, DnsRequest, DnsResponse, Kill, Verdict
from interceptor.model.records import FlowEnded, FlowStarted
from interceptor.proxy.asks import ConnectFailed, LookUp, Reach, Reached, RunHook
from interceptor.proxy.core.effects import Close, PauseReading, ResumeReading, Send
from interceptor.proxy.core.events import Closed, Congested, DataReceived, Drained, HalfClosed, PipeEvent
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.ingress import Ingress, record_failure
from interceptor.proxy.settings import Settings
from interceptor.specs.servers import NameServer

NEXT_SERVER_SECONDS: Final = 2.0
GIVE_UP_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 5.0
"""Of a client that sends datagrams: most come from another port each time."""
WAITING: Final = 1_000
"""So many queries of one client at most; above that it is not read, or its datagrams are lost."""
HOSTS_SECONDS: Final = 60
"""How long an answer from the hosts file holds."""


class ToServer(Protocol):
    """The way to one name server, whatever leads there."""

    server: NameServer
    pending: dict[int, Any]  # queries by what they were sent with

    def send(self, query: Query) -> None: ...
    def close(self) -> None: ...


class Query:
    """One query on its way. `due`: when something has to happen; None while somebody decides."""

    __slots__ = ("asked", "due", "end", "flow", "give_up", "question", "sent_to", "servers", "was_retried")

    def __init__(self, flow: DnsFlow) -> None:
        self.flow = flow
        self.servers: list[NameServer] = []  # still to be asked
        self.sent_to: list[tuple[ToServer, int]] = []
        self.asked: RunHook | None = None
        self.due: float | None = None
        self.give_up = 0.0
        self.end, self.question = HEADER_BYTES, b""
        self.was_retried = False


class Dns(Layer):
    """Head of the client's pipe."""

    def __init__(
        self,
        stack: Stack,
        settings: Settings,
        ingress: Ingress,
        client: Connection,
        over_https: Callable[[Dns, NameServer], ToServer],
    ) -> None:
        super().__init__(stack)
        self.settings, self._ingress, self.client, self._over_https = settings, ingress, client, over_https
        self._is_stream = client.transport == "tcp"
        self._frames = Frames()
        self._queries: dict[int, Query] = {}  # by flow id
        self._links: dict[NameServer, ToServer] = {}
        self._last_heard = stack.now
        self._has_ended = self._is_paused = self._has_told_garbage = self._is_over = False

    def start(self) -> None:
        self._last_heard = self.stack.now
        self.stack.alarms[self._tick] = self.stack.now + 1.0

    # --- the client -------------------------------------------------------------------------------------------

    def receive(self, event: PipeEvent) -> None:
        match event:
            case DataReceived(data=data):
                self._last_heard = self.stack.now
                for wire in self._frames.feed(data) if self._is_stream else (data,):
                    self._arrived(wire)
                self._pause_or_resume()
            case HalfClosed():
                self._has_ended = True
                self._close_if_done()
            case Closed(reason=reason):
                self._left(reason or "The client closed the connection.")
            case Congested():
                self._is_paused = True
                self.wire(PauseReading(self.client))
            case Drained():
                self._is_paused = False
                self.wire(ResumeReading(self.client))
            case _:
                pass

    def _arrived(self, wire: bytes) -> None:
        if len(wire) < HEADER_BYTES or wire[2] & 0x80:
            if not self._has_told_garbage:
                self._has_told_garbage = True
                told = f"The client sent {len(wire)} bytes that are no DNS query: {repr(wire[:60])[1:]}. They were dropped."
                record_failure(self.stack, self._ingress, self.client, None, told)
            return
        if len(self._queries) >= WAITING and not self._is_stream:
            return
        now = self.stack.wall_time()
        flow = DnsFlow(
            next(self.stack.flow_ids), self.client, None, self._ingress.mode, now, None, None, True, request=DnsMessage(wire, now)
        )
        query = self._queries[flow.id] = Query(flow)
        self.stack.record(FlowStarted(flow))
        self.stack.killers[flow.id] = lambda reason: self.fail(query, reason)
        self._decide(query, DnsRequest(flow), self._go_on)

    def _pause_or_resume(self) -> None:
        if not self._is_stream:
            return
        if not self._is_paused and len(self._queries) >= WAITING:
            self._is_paused = True
            self.wire(PauseReading(self.client))
        elif self._is_paused and len(self._queries) < WAITING // 2:
            self._is_paused = False
            self.wire(ResumeReading(self.client))

    # --- deciding ---------------------------------------------------------------------------------------------

    def _decide(self, query: Query, hook: DnsHook, then: Callable[[Query], None]) -> None:
        ask = RunHook(self, hook)
        knows = self.stack.answers.get(RunHook)
        verdict: Verdict | None = knows(ask) if knows is not None else None
        query.due = None

        def decided(verdict: Verdict) -> None:
            query.asked = None
            if isinstance(verdict, Kill):
                return self.fail(query, verdict.reason, is_answered=False)
            then(query)

        if verdict is not None:
            return decided(verdict)
        query.asked = ask
        self.ask(ask, then=decided)

    def _go_on(self, query: Query) -> None:
        """The query may go on, as it is now."""
        flow = query.flow
        if flow.response is not None:
            return self._answer(query)
        wire = flow.request.wire
        name, kind, query.end = question_of(wire)
        query.question = wire[HEADER_BYTES : query.end].lower()
        query.give_up = self.stack.now + GIVE_UP_SECONDS
        if self._ingress.origin is not None:
            query.servers = [NameServer(self._ingress.origin.host, self._ingress.origin.port)]
        else:
            found = self.stack.answers[LookUp](LookUp(self, name if kind in (A, AAAA) and not wire[2] & 0x78 else ""))
            if found.addresses is not None:
                packed = [each for each in found.addresses if len(each) == (4 if kind == A else 16)]
                flow.response = DnsMessage(addresses_answer(wire, packed, HOSTS_SECONDS), self.stack.wall_time())
                flow.metadata["answered_by"] = "hosts file"
                return self._answered(query)
            query.servers = list(found.servers)
            if not query.servers:
                return self.fail(query, "No name server is known: set dns_name_servers.")
        self.next_server(query)

    def next_server(self, query: Query, reason: str = "") -> None:
        """Sends it to the one whose turn it is; fails with the reason if all have been asked and none may answer yet."""
        if not query.servers:
            if not query.sent_to:
                return self.fail(query, reason)
            query.due = query.give_up
            return
        server = query.servers.pop(0)
        query.due = min(self.stack.now + NEXT_SERVER_SECONDS, query.give_up) if query.servers else query.give_up
        link = self._links.get(server)
        if link is None:
            link = self._links[server] = self._link_to(server)
        link.send(query)

    def _link_to(self, server: NameServer) -> ToServer:
        if server.scheme == "https":
            return self._over_https(self, server)
        plain = "tcp" if self._is_stream else "dns"
        return Link(self, server, Origin("tls" if server.scheme == "tls" else plain, server.host, server.port))

    def retry(self, query: Query, link: ToServer) -> bool:
        """The connection on which it was sent has been used before and was closed: once more, on a new one."""
        if query.was_retried:
            return False
        query.was_retried = True
        query.servers.insert(0, link.server)
        self.next_server(query)
        return True

    # --- the answer -------------------------------------------------------------------------------------------

    def answered(self, query: Query, wire: bytes, server: Connection) -> None:
        flow = query.flow
        flow.server = server
        self._forget_sent(query)
        response = DnsMessage(flow.request.wire[:2] + wire[2:], self.stack.wall_time())
        flow.response = response
        if self.settings.strip_ech and question_of(wire)[1] in (HTTPS, SVCB, ANY):
            stripped, count = without_ech(response.wire)
            if count:
                flow.backup()
                flow.response = replace(response, wire=stripped)
                records = "record" if count == 1 else "records"
                flow.metadata[NOTED_BY_RULES] = [
                    f"strip_ech: the key for Encrypted ClientHello was taken out of {count} {records}"
                ]
        self._answered(query)

    def judge(self, query: Query, wire: bytes, server: Connection) -> bool:
        """False if that is no answer to it: late, or made up."""
        if len(wire) < HEADER_BYTES or not wire[2] & 0x80:
            return False
        if wire[HEADER_BYTES : query.end].lower() != query.question and wire[4:6] != b"\0\0":
            return False
        self.answered(query, wire, server)
        return True

    def _answered(self, query: Query) -> None:
        self._decide(query, DnsResponse(query.flow), self._answer)

    def _answer(self, query: Query) -> None:
        flow = query.flow
        response = flow.response
        assert response is not None
        asked = flow.original[0] if flow.original is not None else flow.request  # the id that the client knows
        wire = response.with_id_of(asked).wire
        if flow.original is not None or flow.server is None or flow.server.transport != self.client.transport:
            wire = self._fitting(wire, asked.wire)
        self._send(wire)
        self._end(query, "")

    def _fitting(self, wire: bytes, query: bytes) -> bytes:
        """What was made or edited here may be more than a datagram that the client takes."""
        return cut_for_datagram(wire) if not self._is_stream and len(wire) > payload_size(query) else wire

    def fail(self, query: Query, reason: str, is_answered: bool = True) -> None:
        if query.flow.id not in self._queries:
            return
        if is_answered:
            self._send(failure(query.flow.request.wire, SERVFAIL))
        self._end(query, reason)

    def _send(self, wire: bytes) -> None:
        self.wire(Send(self.client, len(wire).to_bytes(2, "big") + wire if self._is_stream else wire))

    def _end(self, query: Query, reason: str) -> None:
        flow = query.flow
        del self._queries[flow.id]
        self._forget_sent(query)
        if query.asked is not None:
            self.withdraw(query.asked)
            query.asked = None
        flow.is_live, flow.ended_at = False, self.stack.wall_time()
        if reason:
            flow.error = FlowError(reason, flow.ended_at)
        self.stack.record(FlowEnded(flow))
        if self._is_stream:
            self._close_if_done()
            self._pause_or_resume()

    @staticmethod
    def _forget_sent(query: Query) -> None:
        for link, sent_id in query.sent_to:
            link.pending.pop(sent_id, None)
        query.sent_to.clear()

    # --- time and end -----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self.stack.now
        for query in [query for query in self._queries.values() if query.due is not None and query.due <= now]:
            if query.due is None or query.due > now:
                continue
            if now >= query.give_up:
                asked = ", ".join(dict.fromkeys(str(link.server) for link, _ in query.sent_to))
                self.fail(query, f"No answer from {asked or 'any name server'} within {GIVE_UP_SECONDS:g} s.")
            else:
                self.next_server(query)
        idle = self.settings.tcp_timeout if self._is_stream else min(IDLE_SECONDS, self.settings.udp_timeout)
        if not self._queries and now - self._last_heard >= idle:
            return self._close()
        if not self._is_over:
            dues = [query.due for query in self._queries.values() if query.due is not None]
            idle_due = max(self._last_heard + idle, now + 1.0)
            self.stack.alarms[self._tick] = max(min([*dues, now + 1.0 if self._queries else idle_due]), now + 0.05)

    def _close_if_done(self) -> None:
        if self._has_ended and not self._queries:
            self._close()

    def _left(self, reason: str) -> None:
        for query in list(self._queries.values()):
            self.fail(query, reason, is_answered=False)
        self._close()

    def _close(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self.stack.alarms.pop(self._tick, None)
        for link in list(self._links.values()):
            link.close()
        self.wire(Close(self.client))

    def forget_link(self, link: Link) -> None:
        if self._links.get(link.server) is link:
            del self._links[link.server]


class Link(Layer):
    """The way to one name server: head of its pipe. Queries wait here until it is open."""

    def __init__(self, layer: Dns, server: NameServer, origin: Origin) -> None:
        super().__init__(layer.stack)
        self._layer, self.server, self.origin = layer, server, origin
        self.pending: dict[int, Query] = {}  # by the id that it was sent with
        self._waiting: list[tuple[Query, bytes]] = []
        self._connection: Connection | None = None
        self._is_stream = origin.transport == "tcp"
        self._frames = Frames()
        self._has_answered = False
        self.ask(Reach(self, origin, self), then=self._reached)

    def send(self, query: Query) -> None:
        wire = query.flow.request.wire
        sent_id = query.flow.request.id
        while sent_id in self.pending:
            sent_id = sent_id + 1 & 0xFFFF
        self.pending[sent_id] = query
        query.sent_to.append((self, sent_id))
        if sent_id != query.flow.request.id:
            wire = sent_id.to_bytes(2, "big") + wire[2:]
        if self._connection is None:
            self._waiting.append((query, wire))
        else:
            self._write(wire)

    def _write(self, wire: bytes) -> None:
        assert self._connection is not None
        self.wire(Send(self._connection, len(wire).to_bytes(2, "big") + wire if self._is_stream else wire))

    def _reached(self, answer: Reached | ConnectFailed) -> None:
        if isinstance(answer, ConnectFailed):
            for query in self.pending.values():
                query.flow.server = answer.connection
            return self._lost(str(answer))
        self._connection = answer.connection
        waiting, self._waiting = self._waiting, []
        for query, wire in waiting:
            query.flow.server = answer.connection
            if any(link is self for link, _ in query.sent_to):  # else it has ended meanwhile
                self._write(wire)

    def receive(self, event: PipeEvent) -> None:
        match event:
            case DataReceived(data=data):
                for wire in self._frames.feed(data) if self._is_stream else (data,):
                    self._arrived(wire)
            case HalfClosed() | Closed():
                reason = event.reason if isinstance(event, Closed) else ""
                self._lost(f"{self.origin.authority}: {reason or 'the name server closed the connection'}")
            case _:
                pass

    def _arrived(self, wire: bytes) -> None:
        if len(wire) < HEADER_BYTES or self._connection is None:
            return
        query = self.pending.get(wire[0] << 8 | wire[1])
        if query is not None and self._layer.judge(query, wire, self._connection):
            self._has_answered = True

    def _lost(self, reason: str) -> None:
        self._layer.forget_link(self)
        if self._connection is not None:
            self.wire(Close(self._connection))
        queries, self.pending = list(self.pending.values()), {}
        for query in queries:
            query.sent_to = [(link, sent_id) for link, sent_id in query.sent_to if link is not self]
            if not (self._has_answered and self._layer.retry(query, self)):
                self._layer.next_server(query, reason)

    def close(self) -> None:
        self.withdraw_asks()
        if self._connection is not None:
            self.wire(Close(self._connection))


class Frames:
    """Messages out of a stream: each behind its length (RFC 1035 §4.2.2)."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        kept, messages, at = self._kept, list[bytes](), 0
        kept += data
        while len(kept) - at >= 2:
            end = at + 2 + (kept[at] << 8 | kept[at + 1])
            if end > len(kept):
                break
            messages.append(bytes(kept[at + 2 : end]))
            at = end
        del kept[:at]
        return messages
