"""Flows: one row of the list each. Records, filled in by the exchange or relay that they belong to, shown by everyone else.

`id` counts up within one session and orders flows by arrival. `held` is set by the interception addon alone and says at which
point the flow waits. Whoever edits a flow calls `backup()` first: the first backup is what was received, and `revert()` goes
back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, ClassVar, Final

from interceptor.model.body import Body
from interceptor.model.connection import Connection
from interceptor.model.dns import DnsMessage
from interceptor.model.http import Request, Response

NOTED_BY_RULES: Final = "rules"
"""The name in a flow's metadata of the list in which rules note what they did to it, each with the rule as typed."""


class HoldPoint(Enum):
    """Where a held flow waits."""

    REQUEST = "request"
    RESPONSE = "response"
    MESSAGE = "message"


@dataclass(slots=True)
class FlowError:
    """Why a flow ended before its end, in words for a person: what happened, and what to do about it."""

    message: str
    timestamp: float


@dataclass(eq=False, slots=True, weakref_slot=True)
class Flow:
    """What every kind of flow has."""

    kind: ClassVar[str] = ""

    id: int
    client: Connection | None = None  # None: we made the request ourselves, or it was loaded without
    server: Connection | None = None
    mode: str = ""  # the mode that it came in by, as typed
    created_at: float = 0.0
    ended_at: float | None = None
    error: FlowError | None = None
    is_live: bool = False  # still running on the wire
    held: HoldPoint | None = None
    body_is_editable: bool = True  # False while held at a head whose body is still at the peer: it can be replaced only
    marker: str = ""  # "" unmarked, "default" or an emoji name
    comment: str = ""
    replay_of: int | None = None  # the flow whose request this one sends again
    is_modified: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)

    def noted_by_rules(self) -> list[str]:
        """What rules did to it, or why they could not, each with the rule as typed; also of a flow that was loaded."""
        noted = self.metadata.get(NOTED_BY_RULES)
        return [str(each) for each in noted] if isinstance(noted, list) else []

    def backup(self) -> None:
        """Keeps what there is now, unless an earlier state is already kept. Call before editing."""

    def revert(self) -> None:
        """Back to what `backup` kept; nothing if there is none."""

    def bytes_held(self) -> int:
        """Bytes of bodies or messages behind this flow."""
        return 0


class Opcode(IntEnum):
    """What a WebSocket message is (RFC 6455 §5.2). A ping, a pong and a close are kept as messages, too."""

    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(eq=False, slots=True)
class WebSocketMessage:
    """`body` is inflated, and as it was sent on; `original` what was received, if it was edited."""

    from_client: bool
    opcode: Opcode
    body: Body
    timestamp: float
    is_dropped: bool = False
    is_injected: bool = False
    original: Body | None = None

    @property
    def is_text(self) -> bool:
        return self.opcode is Opcode.TEXT

    @property
    def is_control(self) -> bool:
        return self.opcode >= Opcode.CLOSE


@dataclass(eq=False, slots=True)
class WebSocketData:
    """The messages of an upgraded flow, and how it ended. `messages` of a running one are kept by the session in compact form,
    and the two counts beside them as they come."""

    messages: Sequence[WebSocketMessage] = field(default_factory=list)
    closed_by_client: bool | None = None
    close_code: int | None = None
    close_reason: str = ""
    timestamp_end: float | None = None
    bytes_from_client: int = field(default=-1, kw_only=True)
    bytes_from_server: int = field(default=-1, kw_only=True)

    def __post_init__(self) -> None:
        if self.bytes_from_client < 0:
            self.bytes_from_client = sum(each.body.size for each in self.messages if each.from_client)
            self.bytes_from_server = sum(each.body.size for each in self.messages if not each.from_client)


@dataclass(eq=False, slots=True)
class HttpFlow(Flow):
    """A request and its response. `informational` are the 1xx responses that came before it, in order."""

    kind: ClassVar[str] = "http"

    request: Request = field(kw_only=True)
    response: Response | None = None
    informational: list[Response] = field(default_factory=list)
    websocket: WebSocketData | None = None
    is_upgraded: bool = False  # after 101 or CONNECT the connection became something else
    client_stream: int = 0  # number of the HTTP/2 stream that carried it on that side; 0: none
    server_stream: int = 0
    original: tuple[Request, Response | None] | None = None  # as received, if edited since

    def backup(self) -> None:
        """A response that came after the request was edited is kept as of now: call it before that is edited, too."""
        if self.original is None:
            self.original = self.request.copy(), self.response.copy() if self.response else None
        elif self.original[1] is None and self.response is not None:
            self.original = self.original[0], self.response.copy()
        self.is_modified = True

    def revert(self) -> None:
        """A response that was not edited stays."""
        if self.original is not None:
            request, response = self.original
            self.request = request
            if response is not None:
                self.response = response
            self.original, self.is_modified = None, False

    def bytes_held(self) -> int:
        spoken = self.websocket.bytes_from_client + self.websocket.bytes_from_server if self.websocket is not None else 0
        return self.request.body.size + (self.response.body.size if self.response else 0) + spoken


@dataclass(eq=False, slots=True)
class TcpMessage:
    """One read of one direction. `original` is what was received, if it was edited before it was sent on."""

    from_client: bool
    body: Body
    timestamp: float
    is_dropped: bool = False
    original: Body | None = None
    is_injected: bool = False  # the user sent it, not the peer


@dataclass(eq=False, slots=True)
class HeldMessage:
    """A message that waits for a person; whoever edits it sets `content`, which is sent when it goes on."""

    from_client: bool
    received: bytes
    content: bytes
    timestamp: float
    is_text: bool = False  # of a WebSocket
    is_waiting: bool = True  # False when it has gone on, was dropped, or its flow has ended


@dataclass(eq=False, slots=True)
class TcpFlow(Flow):
    """A conversation of bytes that nobody parses; also the row of a connection that failed before anything was said."""

    kind: ClassVar[str] = "tcp"

    messages: Sequence[TcpMessage] = field(default_factory=list)  # the session keeps a running conversation's in compact form
    message_count: int = 0
    byte_count: int = 0

    def bytes_held(self) -> int:
        return self.byte_count


@dataclass(eq=False, slots=True)
class UdpFlow(TcpFlow):
    """The same for datagrams: each message is one."""

    kind: ClassVar[str] = "udp"


@dataclass(eq=False, slots=True)
class DnsFlow(Flow):
    """A DNS query and its answer. A `response` that is there before the query was sent is the answer."""

    kind: ClassVar[str] = "dns"

    request: DnsMessage = field(kw_only=True)
    response: DnsMessage | None = None
    original: tuple[DnsMessage, DnsMessage | None] | None = None  # as received, if edited since

    def backup(self) -> None:
        if self.original is None:
            self.original = self.request, self.response
        elif self.original[1] is None and self.response is not None:
            self.original = self.original[0], self.response
        self.is_modified = True

    def revert(self) -> None:
        """A response that was not edited stays."""
        if self.original is not None:
            self.request = self.original[0]
            self.response = self.original[1] or self.response
            self.original, self.is_modified = None, False

    def bytes_held(self) -> int:
        return len(self.request.wire) + (len(self.response.wire) if self.response is not None else 0)
