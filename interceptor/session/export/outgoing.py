"""A request as another program is to send it again: checked, because what comes from the wire ends up in a command.

Refused is what no HTTP client can say (names that are no tokens, line ends in values), and what we do not have (a body that was
not kept, or is still on its way). Content-Length is left out, and any transfer coding but chunked: whoever sends frames anew.
A WebSocket that was asked for over HTTP/2 is asked for in HTTP/1.1, which every client can be told to speak.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote

from interceptor.model.connection import DEFAULT_PORTS, bracketed
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.http import Field, Request
from interceptor.specs.errors import UserError

LARGEST_BODY: Final = 16 * 1024 * 1024

SAMPLE_KEY: Final = b"dGhlIHNhbXBsZSBub25jZQ=="
"""Of a WebSocket that was asked for over HTTP/2, which has no key (RFC 6455 §1.3, RFC 8441 §5)."""

_TOKEN: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+")
_URL_BYTES: Final = "/?%:@!$&'()*+,;=~-._[]"
_BROKEN_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_LINE_END: Final = re.compile(rb"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """`host` is what the URL says; over TLS also what is sent as SNI. `address` is where to connect, if that is something else.
    `is_framed`: the client announced a body, if only an empty one."""

    method: str
    scheme: str
    host: str
    port: int
    address: str
    target: bytes
    fields: list[Field]
    body: bytes
    is_framed: bool
    is_chunked: bool
    http_version: str

    @property
    def authority(self) -> str:
        """As a client that knows only the URL puts it into Host."""
        shown = "" if DEFAULT_PORTS.get(self.scheme) == self.port else f":{self.port}"
        return f"{bracketed(self.host)}{shown}"

    @property
    def host_fields(self) -> list[bytes]:
        return [value for name, value in self.fields if name.lower() == b"host"]

    @property
    def url(self) -> str:
        """In ASCII: bytes of the target that do not belong into a URL are percent-encoded."""
        target = b"" if self.target == b"*" else self.target
        shown = "" if self.authority == bracketed(self.host) else f":{self.port}"
        slash = "" if target.startswith(b"/") else "/"
        return f"{self.scheme}://{bracketed(self.host)}{shown}{slash}{quote(target, safe=_URL_BYTES)}"

    @property
    def has_broken_percent(self) -> bool:
        """A `%` that begins no escape."""
        return _BROKEN_PERCENT.search(self.target) is not None

    @property
    def has_dot_segments(self) -> bool:
        """Parsers of URLs take `/./` and `/../` out of a path, however the dots are written."""
        path = self.target.partition(b"?")[0].lower().replace(b"%2e", b".")
        return any(segment in (b".", b"..") for segment in path.split(b"/"))

    def has(self, name: bytes) -> bool:
        return any(key.lower() == name for key, _ in self.fields)

    def value(self, name: bytes) -> bytes:
        return b", ".join(value for key, value in self.fields if key.lower() == name)


def http_flow(flow: Flow) -> HttpFlow:
    if not isinstance(flow, HttpFlow):
        raise UserError(f"only an HTTP flow can be exported so; this is {flow.kind}, which raw can")
    return flow


def outgoing(flow: Flow, is_address_kept: bool = False) -> Outgoing:
    """`is_address_kept`: connect to the address that answered, not to what the name means now. UserError as above."""
    http = http_flow(flow)
    request = http.request
    if request.method == "CONNECT":
        raise UserError("a CONNECT is not a request that a client can be told to send")
    if not _TOKEN.fullmatch(request.method.encode("utf-8", "surrogateescape")):
        raise UserError("the method is not one that a client can be told to send; raw_request keeps it")
    if request.scheme not in DEFAULT_PORTS:  # curl would read a file: URL from the disk
        raise UserError("the scheme is neither http nor https: no client can be told to use it; raw_request keeps it")
    _check_fields(request.headers.fields)
    if _LINE_END.search(request.target):
        raise UserError("the path contains a line end or a NUL byte; raw_request keeps it")
    codings = (request.headers.get("transfer-encoding") or "").strip().lower()
    host, address = _destination(http, is_address_kept)
    return Outgoing(
        request.method,
        request.scheme,
        host,
        request.port,
        address,
        request.target or b"/",
        _fields(request),
        whole_body(http, request),
        bool(request.body.size) or bool(codings) or "content-length" in request.headers,
        codings == "chunked",
        "HTTP/1.1" if request.protocol else request.http_version,
    )


def handshake_fields(request: Request) -> list[Field]:
    """What HTTP/1 says in a request for a WebSocket, and an extended CONNECT of HTTP/2 does not: none for any other request."""
    if not request.protocol:
        return []
    fields: list[Field] = [(b"Upgrade", request.protocol.encode("utf-8", "surrogateescape")), (b"Connection", b"Upgrade")]
    for name, value in ((b"Sec-WebSocket-Key", SAMPLE_KEY), (b"Sec-WebSocket-Version", b"13")):
        if name not in request.headers:
            fields.append((name, value))
    return fields


def whole_body(flow: HttpFlow, request: Request) -> bytes:
    body, headers = request.body, request.headers
    if body.is_truncated:
        raise UserError("the body of this request was not kept as a whole")
    announced = headers.get("content-length") or ""
    is_short = announced.isdecimal() and len(announced) < 19 and int(announced) > body.size
    if flow.is_live and request.timestamp_end is None and (is_short or "transfer-encoding" in headers):
        raise UserError("the body of this request is still on its way; export it when it has ended")
    if body.size > LARGEST_BODY:
        raise UserError("the body is too long for a command; raw_request writes it into a file")
    return body.read()


def _check_fields(fields: list[Field]) -> None:
    for name, value in fields:
        shown = name[:40].decode("ascii", "backslashreplace")
        if not _TOKEN.fullmatch(name):
            raise UserError(f"{shown!r} is no name of a header that a client can be told to send; raw_request keeps it")
        if _LINE_END.search(value):
            raise UserError(f"the header {shown} contains a line end or a NUL byte; raw_request keeps it")


def _fields(request: Request) -> list[Field]:
    """As sent, framing aside; with a Host for what HTTP/2 and 3 say in :authority."""
    kept = [(name, value) for name, value in request.headers.fields if name.lower() != b"content-length"]
    if (request.headers.get("transfer-encoding") or "").strip().lower() != "chunked":
        kept = [(name, value) for name, value in kept if name.lower() != b"transfer-encoding"]
    if request.host_header is None and request.authority and not request.is_absolute:
        kept.insert(0, (b"Host", request.authority.encode("utf-8", "surrogateescape")))
        _check_fields(kept[:1])
    return kept + handshake_fields(request)


def _destination(flow: HttpFlow, is_address_kept: bool) -> tuple[str, str]:
    """(what the URL names, where to connect or "" for the same). What the connection knew counts as long as the request still
    goes where the connection went."""
    request, server = flow.request, flow.server
    host, address = _host(request.host), ""
    if server is not None and server.peer is not None and server.peer == (request.host, request.port):
        name = server.tls.server_name if request.scheme == "https" and server.tls is not None else ""
        if name and name != host and _HOST.fullmatch(name) and not is_ip(name):
            host, address = name, host
        if is_address_kept and server.resolved is not None and is_ip(server.resolved[0]):
            address = server.resolved[0]
    return host, "" if address == host else address


def _host(host: str) -> str:
    if _HOST.fullmatch(host) or is_ip(host):
        return host
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_host = ""
    if not _HOST.fullmatch(ascii_host):
        raise UserError("the host is no name that a URL may have; change it with flow.set or take raw_request")
    return ascii_host


def is_ip(text: str) -> bool:
    if "%" in text:  # a zone goes into a URL in another form
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
