"""The way to a name server over HTTPS (RFC 8484): each query a POST of its own, in HTTP/2 if the server takes it, else in HTTP/1.

    query ─▸ Reach ─▸ POST application/dns-message ◂─ 200, a message ─▸ answered     else ─▸ the next name server

The requests are no flows: the queries are, and show the connection that they went over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from interceptor.model.connection import Connection, Origin, bracketed
from interceptor.model.flow import DnsFlow, HttpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.proxy.asks import ConnectFailed, Reach, Reached
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.layers.http.parts import Abort, Data, End, ResponsePart, ResponseStarted, Unreadable, Upstream
from interceptor.proxy.layers.http.surroundings import EITHER, HTTP1_ONLY
from interceptor.specs.servers import NameServer

_LARGEST: Final = 65_535
_TYPE: Final = b"application/dns-message"


class Query(Protocol):
    """What is known of a query."""

    flow: DnsFlow
    sent_to: list[Any]


class Asking(Protocol):
    """What is known of the layer that the queries are of."""

    stack: Stack

    def judge(self, query: Any, wire: bytes, server: Connection) -> bool: ...
    def next_server(self, query: Any, reason: str = "") -> None: ...
    def retry(self, query: Any, link: Any) -> bool: ...


class HttpsLink(Layer):
    def __init__(self, layer: Asking, server: NameServer, takes_http2: bool, make_upstream: Callable[..., Upstream]) -> None:
        super().__init__(layer.stack)
        self._layer, self.server, self._make_upstream = layer, server, make_upstream
        self.origin = Origin("https", server.host, server.port)
        self.pending: dict[int, Query] = {}
        self._offers = EITHER if takes_http2 else HTTP1_ONLY
        self._count = 0

    def send(self, query: Query) -> None:
        self._count += 1
        number = self._count
        self.pending[number] = query
        query.sent_to.append((self, number))
        wire = query.flow.request.wire
        reach = Reach(self, self.origin, alpn_offers=self._offers, is_taken=True)
        self.ask(reach, then=partial(self._reached, number, b"\0\0" + wire[2:]))  # id 0: the same for caches (§4.1)

    def _reached(self, number: int, wire: bytes, answer: Reached | ConnectFailed) -> None:
        query = self.pending.get(number)
        if isinstance(answer, ConnectFailed):
            if query is not None:
                query.flow.server = answer.connection
            return self.lost(number, str(answer))
        if query is not None:
            query.flow.server = answer.connection
        exchange = _Post(self, number, len(wire), answer)
        upstream = exchange.upstream = self._make_upstream(exchange, answer.connection, answer.is_http2)
        upstream.request(exchange.flow.request, len(wire))
        upstream.data(wire)
        upstream.end(None)

    def answered(self, number: int, wire: bytes, server: Connection) -> None:
        query = self.pending.get(number)
        if query is not None and not self._layer.judge(query, wire, server):
            self.lost(number, f"{self.server}: its answer is none to this query")

    def lost(self, number: int, reason: str, may_retry: bool = False) -> None:
        query = self.pending.pop(number, None)
        if query is None:
            return
        query.sent_to = [(link, sent) for link, sent in query.sent_to if link is not self or sent != number]
        if not (may_retry and self._layer.retry(query, self)):
            self._layer.next_server(query, reason)

    def close(self) -> None:
        """Its connections are the stack's, and end with it."""
        self.withdraw_asks()


class _Post:
    """The exchange of one query, as codecs know it."""

    def __init__(self, link: HttpsLink, number: int, size: int, reached: Reached) -> None:
        server = link.server
        self._link, self._number, self._server, self._reached = link, number, server, reached
        authority = bracketed(server.host) if server.port == 443 else f"{bracketed(server.host)}:{server.port}"
        fields = [(b"Host", authority.encode()), (b"Accept", _TYPE), (b"Content-Type", _TYPE)]
        length = [(b"Content-Length", b"%d" % size)]
        request = Request("POST", "https", server.host, server.port, server.path.encode(), headers=Headers([*fields, *length]))
        self.flow = HttpFlow(0, None, reached.connection, "", request=request)
        self.upstream: Upstream | None = None
        self._response: Response | None = None
        self._body = bytearray()

    def response_part(self, part: ResponsePart) -> None:
        match part:
            case ResponseStarted(response=response):
                self._response = response
            case Data(data=data):
                self._body += data
                if len(self._body) > _LARGEST and self.upstream is not None:
                    self.upstream.abort("too long for a DNS message")
                    self._link.lost(self._number, f"{self._server}: its answer is longer than {_LARGEST} bytes")
            case End():
                self._ended()
            case Abort(reason=reason, is_early=is_early):
                self._link.lost(self._number, f"{self._server}: {reason}", may_retry=is_early and self._reached.is_reused)
            case Unreadable(reason=reason):
                self._link.lost(self._number, f"{self._server}: {reason}")
            case _:
                pass

    def _ended(self) -> None:
        response = self._response
        if self.upstream is not None:
            self.upstream.finished()
        if response is None or response.status_code != 200:
            status = response.status_code if response is not None else "nothing"
            return self._link.lost(self._number, f"{self._server}: it answered {status}")
        kind = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if kind != _TYPE.decode():
            said = f"it answered {kind or 'content of no type'}, not {_TYPE.decode()}"
            return self._link.lost(self._number, f"{self._server}: {said}")
        self._link.answered(self._number, bytes(self._body), self._reached.connection)

    def sink_congested(self, connection: Connection) -> None:
        """What is to be sent is a few hundred bytes."""

    def sink_drained(self, connection: Connection) -> None: ...
