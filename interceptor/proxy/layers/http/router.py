"""Where the requests of one client connection go, and what the connection becomes after CONNECT or an upgrade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from interceptor.model.connection import DEFAULT_PORTS, Connection, Origin, Side, bracketed
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Field, Headers, Request, Response
from interceptor.proxy.core.events import DataReceived, PipeEvent
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.ingress import Ingress, matches, origin_names, record_failure
from interceptor.proxy.layers.http.exchange import Exchange
from interceptor.proxy.layers.http.head_scan import HeadError, RequestHead
from interceptor.proxy.layers.http.pages import error_response, way_out
from interceptor.proxy.layers.http.parts import Downstream, Serving, Upstream
from interceptor.proxy.layers.http.surroundings import Surroundings, offers_of
from interceptor.proxy.layers.http.translation import HTTP2, refuse_h2c
from interceptor.proxy.settings import Settings


class ClientCodec(Downstream, Protocol):
    """What it knows of who reads a request: HTTP/1's codec, or a stream of HTTP/2."""

    @property
    def connection(self) -> Connection: ...

    @property
    def stream_id(self) -> int:
        """0: it has none."""
        ...

    def grant_connect(self) -> None:
        """From here on `connection` carries bytes."""
        ...

    def refuse_connect(self, response: Response) -> None: ...

    def leave_pipe(self) -> list[PipeEvent]:
        """What waits for the next head of this connection's pipe."""
        ...


class StreamHead(Protocol):
    """The head of a request that has pseudo-header fields; `path` is empty for CONNECT without a `protocol`."""

    method: bytes
    scheme: bytes
    authority: bytes
    path: bytes
    protocol: bytes
    fields: list[Field]


class Assembling(Protocol):
    """What it knows of the assembly: layers that are not HTTP."""

    def connect(
        self, codec: ClientCodec, flow: HttpFlow, granted: Callable[[], None], explain: Callable[[int, str], Response]
    ) -> Serving: ...

    def detect(self, connection: Connection, ingress: Ingress, waiting: list[PipeEvent]) -> None: ...

    def websocket(self, flow: HttpFlow, client: Connection, server: Connection, waiting: list[PipeEvent]) -> None: ...

    def relay(
        self, ingress: Ingress, client: Connection, server: Connection | None, waiting: list[PipeEvent], note: str = ""
    ) -> None: ...


class Router:
    """For the codec at the head of one client pipe."""

    def __init__(
        self,
        stack: Stack,
        settings: Settings,
        ingress: Ingress,
        assembly: Assembling,
        make_upstream: Callable[[Exchange, Connection, bool, bool], Upstream],
        client: Connection,
        is_http2: bool = False,
    ) -> None:
        self._stack, self._settings = stack, settings
        self._ingress, self._assembly, self._make_upstream = ingress, assembly, make_upstream
        self._origin = self._http_origin(ingress)
        is_h2c = is_http2 and self._origin is not None and not ingress.is_tls
        offers = offers_of(client, is_http2)
        self._surroundings = Surroundings(settings, self._upstream, self._origin, offers, is_h2c, bool(settings.routes))

    @staticmethod
    def _http_origin(ingress: Ingress) -> Origin | None:
        """The origin of requests that name none: after CONNECT its scheme is what the client spoke to it."""
        origin = ingress.origin
        if origin is None or ingress.is_reverse:
            return origin
        return replace(origin, scheme="https" if ingress.is_tls else "http")

    def _upstream(self, exchange: Exchange, connection: Connection, is_http2: bool) -> Upstream:
        return self._make_upstream(exchange, connection, is_http2, self._is_raw(connection))

    # --- Routing: from the codec ----------------------------------------------------------------------------

    def request_for(self, head: RequestHead, timestamp: float) -> Request:
        method, target = head.method.decode("ascii"), head.target
        headers = Headers(head.fields)
        scheme, host, port, authority, is_absolute = "", "", 0, "", False
        if method == "CONNECT":
            authority = target.decode("utf-8", "surrogateescape")
            host, port = read_authority(target, None)
            scheme, target = "https", target
            if self._origin is not None:
                scheme, host, port = self._origin.scheme, self._origin.host, self._origin.port
        elif not target.startswith((b"/", b"*")):
            scheme, host, port, authority, path = read_absolute_form(target)
            names_server = method == "OPTIONS" and target.endswith(authority.encode("utf-8", "surrogateescape"))
            target = b"*" if names_server else path  # RFC 9112 §3.2.4
            if self._origin is not None:  # the origin is a proxy itself, and shall be told the whole URL
                is_absolute = True
        elif self._origin is None:
            if not head.framing.host:
                raise HeadError("a request to a proxy must name its destination: an absolute URL, or a Host field", 0, target)
            host, port = read_authority(head.framing.host, 443 if self._ingress.is_tls else 80)
            scheme = "https" if port == 443 and self._ingress.is_tls else "http"
        if self._origin is not None and not is_absolute:
            scheme, host, port = self._origin.scheme, self._origin.host, self._origin.port
        request = Request(
            method,
            scheme,
            host,
            port,
            target,
            authority,
            is_absolute,
            headers=headers,
            http_version=f"HTTP/1.{head.minor}",
            timestamp_start=timestamp,
        )
        self._adapt_fields(request, head, authority)
        return request

    def request_on_stream(self, head: StreamHead, timestamp: float) -> Request:
        method, target, authority = head.method.decode("ascii"), head.path, head.authority.decode("utf-8", "surrogateescape")
        protocol = head.protocol.decode("utf-8", "surrogateescape")
        if protocol:
            method = "GET"
        scheme, headers, known = head.scheme.lower().decode("ascii"), Headers(head.fields), self._origin
        if not authority:
            authority = headers.get("host") or ""
        if known is not None:
            scheme, host, port = known.scheme, known.host, known.port
        elif method == "CONNECT":
            scheme, (host, port) = "https", read_authority(head.authority, None)
        elif scheme not in DEFAULT_PORTS or not authority:
            reason = "a request to a proxy must name its destination: :scheme http or https, and :authority"
            raise HeadError(reason, 0, head.scheme)
        else:
            host, port = read_authority(authority.encode("utf-8", "surrogateescape"), DEFAULT_PORTS[scheme])
        request = Request(
            method,
            scheme,
            host,
            port,
            head.authority if method == "CONNECT" else target,
            authority,
            headers=headers,
            protocol=protocol,
            http_version=HTTP2,
            timestamp_start=timestamp,
        )
        if self._ingress.is_reverse and not self._settings.keep_host_header and method != "CONNECT":
            request.authority = request.host_field()
            if "host" in headers:
                headers["Host"] = request.authority
        return request

    def _adapt_fields(self, request: Request, head: RequestHead, authority: str) -> None:
        headers = request.headers
        if head.framing.has_upgrade:
            refuse_h2c(request)
        if self._ingress.is_reverse:
            if not self._settings.keep_host_header and head.framing.host is not None:
                headers["Host"] = request.host_field()
        elif self._origin is None and request.method != "CONNECT":
            named = authority.encode("utf-8", "surrogateescape")
            if named and head.framing.host is None:
                headers.fields.insert(0, (b"Host", named))
            elif named and head.framing.host != named:
                headers["Host"] = named  # the target counts, not the field (RFC 9112 §3.2.2)
            if head.framing.is_for_proxy:
                headers.remove("Proxy-Connection")

    def serve(self, codec: ClientCodec, request: Request, size: int | None, expects_continue: bool) -> Serving:
        stack = self._stack
        flow = HttpFlow(
            next(stack.flow_ids), codec.connection, None, self._ingress.mode, created_at=request.timestamp_start, request=request
        )
        flow.client_stream = codec.stream_id
        if request.method == "CONNECT" and self._origin is None:
            return self._assembly.connect(codec, flow, lambda: self._granted(codec, request), self._explain)
        return Exchange(stack, self._surroundings, codec, flow, size, expects_continue)

    def _granted(self, codec: ClientCodec, request: Request) -> None:
        origin = Origin("tcp", request.host, request.port)
        self._assembly.detect(codec.connection, Ingress(self._ingress.mode, origin), codec.leave_pipe())

    def _explain(self, status: int, reason: str) -> Response:
        return error_response(status, reason, self._stack.wall_time())

    def malformed(self, connection: Connection, reason: str) -> None:
        origin = self._ingress.origin
        server = Connection(Side.SERVER, (origin.host, origin.port)) if origin is not None else None
        record_failure(self._stack, self._ingress, connection, server, reason + self.way_out)

    @property
    def way_out(self) -> str:
        """What to do for who wants a refused request to get through."""
        names = origin_names(self._ingress)
        return way_out(names[-1]) if names else ""

    def pass_raw(self, codec: ClientCodec, error: HeadError) -> bool:
        """True if the host is marked raw: from this request on the connection is a raw conversation with it."""
        if not self._settings.raw_hosts or not matches(self._settings.raw_hosts, origin_names(self._ingress)):
            return False
        note = f"Passed on as it is (raw_hosts): {error}"
        self._assembly.relay(self._ingress, codec.connection, None, codec.leave_pipe(), note)
        return True

    def _is_raw(self, connection: Connection) -> bool:
        if not self._settings.raw_hosts or connection.peer is None:
            return False
        host, port = connection.peer[:2]
        return matches(self._settings.raw_hosts, [*origin_names(self._ingress), f"{bracketed(host)}:{port}"])

    def tunnel(self, codec: ClientCodec, flow: HttpFlow, server: Connection, early: bytes) -> None:
        waiting = codec.leave_pipe()
        if early:
            waiting.append(DataReceived(server, early))
        if flow.websocket is not None:
            return self._assembly.websocket(flow, codec.connection, server, waiting)
        note = f"Passed on as it is (raw_hosts): {flow.error.message}" if flow.error is not None else ""
        self._assembly.relay(self._ingress, codec.connection, server, waiting, note)


def read_authority(raw: bytes, default_port: int | None) -> tuple[str, int]:
    """(host, port) of `host:port`, `[::1]:port`, or without a port if there is a default. HeadError if it is neither."""
    text = raw.decode("utf-8", "surrogateescape")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        is_right = bool(bracket) and colon in ("", ":") and ":" in host
    else:
        host, colon, port = text.partition(":")
        is_right = bool(host) and not set(host) & set("/?#@[]\\ \t")
    if not is_right or (colon and port and not (port.isascii() and port.isdigit() and int(port) < 65536)):
        raise HeadError("not a host and port", 0, raw)
    if not port and default_port is None:
        raise HeadError("a port is missing", 0, raw)
    return _ascii_host(host, raw), int(port) if port else int(default_port or 0)


def _ascii_host(host: str, raw: bytes) -> str:
    """A name in other scripts as A-labels (RFC 5890), lower case; anything else unchanged."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise HeadError("not a host name", 0, raw) from None


def read_absolute_form(target: bytes) -> tuple[str, str, int, str, bytes]:
    """(scheme, host, port, authority, origin-form) of an absolute URL (RFC 9112 §3.2.2)."""
    raw_scheme, separator, rest = target.partition(b"://")
    scheme = raw_scheme.lower().decode("ascii", "replace")
    if not separator or scheme not in DEFAULT_PORTS:
        raise HeadError("the request target is neither a path nor an http or https URL", 0, target)
    end = min((i for i in (rest.find(b"/"), rest.find(b"?"), rest.find(b"#")) if i >= 0), default=len(rest))
    user, _, authority = rest[:end].rpartition(b"@")
    if b"\\" in user:  # a slash, to some: what is behind it would be no host then
        raise HeadError("not a host and port", 0, rest[:end])
    host, port = read_authority(authority, DEFAULT_PORTS[scheme])
    path = rest[end:]
    if not path.startswith(b"/"):
        path = b"/" + path
    return scheme, host, port, authority.decode("utf-8", "surrogateescape"), path
