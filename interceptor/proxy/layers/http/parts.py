"""Version-neutral pieces of a message, and the two ends between which an exchange stands.

    client ─ codec (a Downstream) ─parts─▸ Exchange ─▸ codec (an Upstream) ─ server

A codec makes parts from bytes and hands them to its exchange; the exchange calls the methods of `Downstream` and `Upstream` to
have bytes made from messages. Each such object stands for one message pair (one stream), so parts need no stream id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from interceptor.model.connection import Connection
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response


@dataclass(slots=True)
class ResponseStarted:
    """The head of the final response. `size` is the announced length of its body: 0 if it has none, None if unknown."""

    response: Response
    size: int | None


@dataclass(slots=True)
class Informational:
    """A 1xx response other than 101."""

    response: Response


@dataclass(slots=True)
class Data:
    """Never empty."""

    data: bytes


@dataclass(slots=True)
class End:
    trailers: Headers | None = None


@dataclass(slots=True)
class Abort:
    """Nothing more comes: `reason` says whose fault, in words. `is_early`: no byte of an answer had come yet; `is_unprocessed`:
    and the server has said that it did not look at the request. `code` is HTTP/2's, if a stream was reset with one."""

    reason: str
    is_early: bool = False
    code: int | None = None
    is_unprocessed: bool = False


@dataclass(slots=True)
class Unreadable:
    """What comes is no response, for the given reason, and is to get through as it is (raw_hosts)."""

    reason: str


RequestPart = Data | End | Abort
ResponsePart = ResponseStarted | Informational | Unreadable | Data | End | Abort


class Serving(Protocol):
    """What a client's codec knows of the exchange (or CONNECT) that serves its request."""

    def start(self) -> None: ...
    def request_part(self, part: RequestPart) -> None: ...
    def left(self, reason: str, code: int | None = None) -> None:
        """The client has gone, or (with HTTP/2's error code) has given this request up."""
        ...

    def sink_congested(self, connection: Connection) -> None: ...
    def sink_drained(self, connection: Connection) -> None: ...


class Downstream(Protocol):
    """The end that faces the client, for one exchange."""

    has_error_codes: bool  # it can tell a client the code with which a server reset a stream

    @property
    def connection(self) -> Connection | None:
        """The key of congestion and of leaving; None for a replay."""
        ...

    def inform(self, response: Response) -> None: ...

    def respond(self, request: Request, response: Response, size: int | None) -> None:
        """The head; `size` of the body as in ResponseStarted. Then `data` …, then `end`."""
        ...

    def data(self, data: bytes) -> None: ...

    def end(self, trailers: Headers | None) -> bool:
        """The response is complete. False if its trailers had to be left out, as it has been framed."""
        ...

    def abort(self, reason: str, code: int | None = None) -> None:
        """The response cannot be completed: the client must be able to tell."""
        ...

    def pause(self) -> None:
        """Reading the request's body."""
        ...

    def resume(self) -> None: ...

    def finished(self) -> None:
        """The exchange is over: both messages are complete, or aborted."""
        ...

    def take_over(self, flow: HttpFlow, server: Connection, early: bytes) -> None:
        """After 101: the connection is a pair of byte streams now, the server's has begun with `early`. A flow that became a
        WebSocket goes on."""
        ...


class Upstream(Protocol):
    """The end that faces the server, for one exchange."""

    connection: Connection

    def request(self, request: Request, size: int | None) -> None:
        """The head; `size` of the body, None if unknown. Then `data` …, then `end`."""
        ...

    def data(self, data: bytes) -> None: ...

    def end(self, trailers: Headers | None) -> bool: ...

    def abort(self, reason: str, code: int | None = None) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def finished(self) -> None:
        """The exchange is over and both messages are complete: the connection may serve another."""
        ...

    def leave_pipe(self) -> bytes:
        """After 101: gives what has come since; the next head in this pipe gets the rest."""
        ...
