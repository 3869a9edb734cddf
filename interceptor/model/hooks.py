"""Every point at which a user or a rule may decide about a flow, and the answers there are.

    layer: ask RunHook(RequestHead(flow)) ─▸ chain of addons ─▸ verdict

At a head (`RequestHead`, `ResponseHead`) the body is still to come. A verdict there may ask for the body to be collected first
(`Forward(collect=…)`): then the matching `…Ready` hook is asked when it is there. If nobody asked for it, the body streams and no
`…Ready` hook is asked. Edits are made on the flow before the verdict is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from interceptor.model.connection import Connection
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, Opcode, TcpFlow
from interceptor.model.http import Response


@dataclass(slots=True, eq=False)
class Hook:
    """A question; compared by identity, because it may be withdrawn."""


@dataclass(slots=True, eq=False)
class ClientConnected(Hook):
    """A client has connected; nothing has been read. Kill closes it."""

    client: Connection
    mode: str


@dataclass(slots=True, eq=False)
class SocksLogin(Hook):
    """A client of a SOCKS listener logs in (mitmproxy: socks5_auth). Kill refuses it."""

    client: Connection
    user: str
    password: str


@dataclass(slots=True, eq=False)
class FlowHook(Hook):
    flow: Flow


@dataclass(slots=True, eq=False)
class HttpHook(Hook):
    flow: HttpFlow


@dataclass(slots=True, eq=False)
class ConnectRequested(HttpHook):
    """The head of a CONNECT to us (mitmproxy: http_connect). Respond refuses it with that response."""


@dataclass(slots=True, eq=False)
class RequestHead(HttpHook):
    """mitmproxy: requestheaders."""


@dataclass(slots=True, eq=False)
class RequestReady(HttpHook):
    """The request with its body (mitmproxy: request). `flow.body_is_editable` is False if the body was too long to collect."""


@dataclass(slots=True, eq=False)
class ResponseHead(HttpHook):
    """mitmproxy: responseheaders."""


@dataclass(slots=True, eq=False)
class ResponseReady(HttpHook):
    """mitmproxy: response."""


@dataclass(slots=True, eq=False)
class MessageReceived(Hook):
    """A message of a raw conversation, before it is sent on (mitmproxy: tcp_message). Edit by `Forward(data=…)`."""

    flow: TcpFlow
    from_client: bool
    data: bytes
    is_injected: bool = False  # the user has just said it, so it is not held


@dataclass(slots=True, eq=False)
class DatagramReceived(MessageReceived):
    """The same of a datagram (mitmproxy: udp_message)."""


@dataclass(slots=True, eq=False)
class WebSocketMessageBegun(HttpHook):
    """The first bytes of a WebSocket message have come. A verdict may ask for it to be collected: then it is asked about as a
    whole. Else it passes as it comes."""

    from_client: bool
    opcode: Opcode


@dataclass(slots=True, eq=False)
class WebSocketMessageReceived(WebSocketMessageBegun):
    """A whole message, inflated, before it is sent on (mitmproxy: websocket_message). Edit by `Forward(data=…)`."""

    data: bytes


@dataclass(slots=True, eq=False)
class DnsHook(Hook):
    flow: DnsFlow


@dataclass(slots=True, eq=False)
class DnsRequest(DnsHook):
    """A DNS query, before it is sent (mitmproxy: dns_request). A response on the flow answers it."""


@dataclass(slots=True, eq=False)
class DnsResponse(DnsHook):
    """Its answer, before the client gets it (mitmproxy: dns_response)."""


class Collect(Enum):
    """Whether the body is to be there before the next decision."""

    NO = "no"  # let it stream
    STREAM = "stream"  # it may not be, whoever else wants it; the next decision is made before it has come
    WHOLE = "whole"  # a rule or a script wants it, whatever its size
    FOR_HOLD = "for hold"  # a person may want it: up to 5 MiB and 3 s, else hold at the head


@dataclass(slots=True)
class Forward:
    """Go on. `data` replaces a message's bytes (MessageReceived, WebSocketMessageReceived)."""

    collect: Collect = Collect.NO
    data: bytes | None = None


@dataclass(slots=True)
class Respond:
    """Answer with this, without asking the server."""

    response: Response


@dataclass(slots=True)
class Kill:
    """End the flow on the wire, and say why on it."""

    reason: str


@dataclass(slots=True)
class Drop:
    """Leave this message out (MessageReceived, WebSocketMessageReceived)."""


Verdict = Forward | Respond | Kill | Drop
FORWARD = Forward()


class ConnectionWatcher(Protocol):
    """Who wants to know of connections. `client` is None for a request that we sent ourselves."""

    def client_gone(self, client: Connection) -> None: ...

    async def server_wanted(self, server: Connection, client: Connection | None) -> str:
        """Before it is dialled: `server.peer` may be changed. Why it must not be, or ""."""
        ...

    def server_there(self, server: Connection, client: Connection | None) -> None: ...
    def server_failed(self, server: Connection, client: Connection | None) -> None: ...
    def server_gone(self, server: Connection, client: Connection | None) -> None: ...


class Decider(Protocol):
    """What the driver knows of the chain of addons."""

    def heeds(self, hook: Hook) -> bool:
        """False if nobody has anything to say here: it need not be asked."""
        ...

    def decide(self, hook: Hook, answer: Callable[[Verdict], None]) -> Verdict | None:
        """The verdict if it is known at once; else None, and `answer` is called once, later, from the event loop."""
        ...

    def withdraw(self, hook: Hook) -> None:
        """The asker is gone (its client left): forget the hook, do not answer. Unknown hooks are ignored."""
        ...
