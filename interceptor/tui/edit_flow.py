"""Which parts of a flow can be edited, and reading and writing each of them as text or as a grid. Pure: no screen, no files.

    parts(flow) ─▸ Part ─ read_text / read_grid ─▸ an editor ─ write_text / write_grid ─▸ the flow, changed in place

A body is read without its content coding and gets the same coding back when it is written. Whoever writes calls
`flow.backup()` before, and tells the store after. A write that is refused raises UserError and has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from interceptor.contentviews.rendered import ContentFacts
from interceptor.model.dns import DnsMessage, failure
from interceptor.model.encoding import TooLarge, decode_content, encode_content
from interceptor.model.flow import DnsFlow, Flow, HeldMessage, HoldPoint, HttpFlow
from interceptor.model.http import Headers, Message, Request, Response
from interceptor.specs.errors import UserError
from interceptor.tui import forms
from interceptor.tui.escaped_text import escaped, unescaped

Row = tuple[str, ...]

DECODED_LIMIT: Final = 64 * 1024 * 1024
"""A body that is larger than this without its coding is not opened in an editor."""

_KEPT_IN_TEXT: Final = "\n\t"


class Content(Protocol):
    """A text that is edited and is no part of an HTTP message."""

    done: str  # what to say when it was written

    @property
    def held(self) -> HeldMessage | None:
        """The held message that is edited, if one is."""
        ...

    def read(self) -> bytes: ...
    def write(self, content: bytes) -> None: ...


class PartKind(Enum):
    """What it is edited in."""

    LINE = "line"
    TEXT = "text"
    GRID = "grid"


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that can be edited. `shortcut` is its key in the chooser, the same for every flow; `subject` says whose it is."""

    name: str
    kind: PartKind
    shortcut: str
    subject: str  # "request", "response", "message" or "flow"
    columns: Row = ()
    is_external: bool = False  # the chooser's entry that goes straight to the external editor
    view: str = ""  # the content view that it is edited through
    content: Content | None = None  # where the text is, if it is no part of an HTTP message

    @property
    def title(self) -> str:
        return f"Edit {self.name}"


_HEADER_COLUMNS = ("Name", "Value")
_FORM = "urlencoded form"
_MULTIPART = "multipart form"

PARTS: Final[tuple[Part, ...]] = (
    Part("cookies", PartKind.GRID, "1", "request", ("Name", "Value")),
    Part(_FORM, PartKind.GRID, "2", "request", ("Name", "Value")),
    Part(_MULTIPART, PartKind.GRID, "3", "request", ("Name", "File name", "Type", "Value")),
    Part("path", PartKind.LINE, "4", "request"),
    Part("method", PartKind.LINE, "5", "request"),
    Part("query", PartKind.GRID, "6", "request", ("Name", "Value")),
    Part("reason", PartKind.LINE, "7", "response"),
    Part("request-headers", PartKind.GRID, "8", "request", _HEADER_COLUMNS),
    Part("response-headers", PartKind.GRID, "9", "response", _HEADER_COLUMNS),
    Part("request-body", PartKind.TEXT, "a", "request"),
    Part("response-body", PartKind.TEXT, "b", "response"),
    Part("status_code", PartKind.LINE, "c", "response"),
    Part("set-cookies", PartKind.GRID, "d", "response", ("Name", "Value", "Attributes")),
    Part("url", PartKind.LINE, "e", "request"),
    Part("comment", PartKind.LINE, "f", "flow"),
    Part("scheme", PartKind.LINE, "g", "request"),
    Part("host", PartKind.LINE, "h", "request"),
    Part("port", PartKind.LINE, "i", "request"),
    Part("request-trailers", PartKind.GRID, "j", "request", _HEADER_COLUMNS),
    Part("response-trailers", PartKind.GRID, "k", "response", _HEADER_COLUMNS),
    Part("path components", PartKind.GRID, "u", "request", ("Component",)),
    Part("request-body ($EDITOR)", PartKind.TEXT, "l", "request", is_external=True),
    Part("response-body ($EDITOR)", PartKind.TEXT, "m", "response", is_external=True),
)
DNS_PARTS: Final = (
    Part("dns-request", PartKind.TEXT, "1", "request", view="dns"),
    Part("dns-response", PartKind.TEXT, "2", "response", view="dns"),
)
_BY_NAME: Final = {part.name: part for part in (*PARTS, *DNS_PARTS)}


def parts(flow: Flow) -> Sequence[Part]:
    """What can be edited on this flow now. Of anything but HTTP and DNS only the comment. A DNS answer can be
    edited also where there is none yet."""
    if isinstance(flow, DnsFlow):
        return [*DNS_PARTS, _BY_NAME["comment"]]
    if not isinstance(flow, HttpFlow):
        return [_BY_NAME["comment"]]
    wanted = {part.name for part in PARTS}
    content_type = (flow.request.headers.get("content-type") or "").lower()
    if flow.response is None:
        wanted -= {part.name for part in PARTS if part.subject == "response"}
    if is_replaceable_only(flow, flow.request):
        wanted -= {_FORM, _MULTIPART}
    if "x-www-form-urlencoded" not in content_type and flow.request.body.size:
        wanted.discard(_FORM)
    if not content_type.startswith("multipart/form-data"):
        wanted.discard(_MULTIPART)
    return [part for part in PARTS if part.name in wanted]


def part_named(flow: Flow, name: str) -> Part:
    """UserError, with what there is, if the flow has no such part."""
    available = parts(flow)
    if (part := _BY_NAME.get(name)) is None or part not in available:
        raise UserError(f"this flow has no {name!r} to edit; it has {', '.join(each.name for each in available)}")
    return part


def is_replaceable_only(flow: Flow, message: Message) -> bool:
    """True if the message's body is still at the peer: it can be replaced, but there is nothing to read."""
    if flow.body_is_editable or not isinstance(flow, HttpFlow):
        return False
    held_message = flow.request if flow.held is HoldPoint.REQUEST else flow.response
    return flow.held is not None and message is held_message


def _refuse_if_growing(flow: Flow, message: Message) -> None:
    """What still comes from the wire would be put behind an edited body."""
    if flow.is_live and flow.held is None and message.timestamp_end is None:
        raise UserError("this body is still on its way; an intercept filter holds the next one like it")


def message_of(flow: Flow, part: Part) -> Message:
    assert isinstance(flow, HttpFlow)
    message = flow.request if part.subject == "request" else flow.response
    if message is None:
        raise UserError("this flow has no response yet")
    return message


# -- text -----------------------------------------------------------------------------------------------------------------


def read_text(flow: Flow, part: Part) -> str:
    """A LINE or a TEXT part for an editor. In a TEXT, newlines and tabs are themselves; all else is as `escaped` has it.
    UserError if it cannot be shown in the view that it is to be edited through."""
    if part.view:
        from interceptor.contentviews import registry

        return registry.edit_text(part.view, read_content(flow, part), facts_of(flow, part))
    if part.kind is PartKind.TEXT:
        return escaped(read_content(flow, part), _KEPT_IN_TEXT)
    if part.name == "comment":
        return escaped(flow.comment.encode("utf-8", "surrogateescape"))
    assert isinstance(flow, HttpFlow)
    return _LINES[part.name][0](flow)


def write_text(flow: Flow, part: Part, text: str) -> None:
    if part.view:
        from interceptor.contentviews import registry

        write_content(flow, part, registry.reencode(part.view, text, read_content(flow, part), facts_of(flow, part)))
    elif part.kind is PartKind.TEXT:
        write_content(flow, part, unescaped(text))
    elif part.name == "comment":
        flow.comment = unescaped(text).decode("utf-8", "surrogateescape")
    else:
        assert isinstance(flow, HttpFlow)
        _LINES[part.name][1](flow, text)


def read_content(flow: Flow, part: Part) -> bytes:
    """The body without its content coding; as it is if it is not in that coding; b"" if it can be replaced only."""
    if part.content is not None:
        return part.content.read()
    if isinstance(flow, DnsFlow):
        if part.subject == "request":
            return flow.request.wire
        return flow.response.wire if flow.response is not None else failure(flow.request.wire, 0)
    message = message_of(flow, part)
    _refuse_if_growing(flow, message)
    return b"" if is_replaceable_only(flow, message) else _decoded(message)[0]


def write_content(flow: Flow, part: Part, content: bytes) -> None:
    """A new body in the old one's content coding. Content-Length follows."""
    if part.content is not None:
        return part.content.write(content)
    if isinstance(flow, DnsFlow):
        return _set_dns(flow, part, content)
    message = message_of(flow, part)
    _refuse_if_growing(flow, message)
    _set_decoded(message, content, is_coded=is_replaceable_only(flow, message) or _decoded(message)[1])


def facts_of(flow: Flow, part: Part) -> ContentFacts:
    if part.content is not None or isinstance(flow, DnsFlow):
        return ContentFacts()
    assert isinstance(flow, HttpFlow)
    return ContentFacts.of(flow.request, message_of(flow, part))


def _set_dns(flow: DnsFlow, part: Part, wire: bytes) -> None:
    if part.subject == "request":
        flow.request = DnsMessage(wire, flow.request.timestamp)
    else:
        flow.response = DnsMessage(wire, flow.response.timestamp if flow.response is not None else flow.request.timestamp)


def _decoded(message: Message) -> tuple[bytes, bool]:
    """The content, and whether the coding could be taken off."""
    raw = message.body.read()
    coding = message.headers.get("content-encoding") or ""
    try:
        return decode_content(raw, coding, DECODED_LIMIT), True
    except TooLarge:
        raise UserError(f"the body has more than {DECODED_LIMIT >> 20} MiB when decoded; save it and edit the file") from None
    except ValueError:
        return raw, False


def _set_decoded(message: Message, content: bytes, is_coded: bool = True) -> None:
    coding = message.headers.get("content-encoding") or ""
    try:
        message.set_content(encode_content(content, coding) if is_coded else content)
    except ValueError as error:
        raise UserError(f"the body cannot be encoded: {error}; remove Content-Encoding first") from None


# -- grids ----------------------------------------------------------------------------------------------------------------


def read_grid(flow: Flow, part: Part) -> list[Row]:
    message = message_of(flow, part)
    match part.name:
        case "request-headers" | "response-headers":
            return _field_rows(message.headers)
        case "request-trailers" | "response-trailers":
            return _field_rows(message.trailers or Headers())
        case "cookies":
            return forms.read_cookies(message.headers)
        case "set-cookies":
            return forms.read_set_cookies(message.headers)
        case "query":
            return forms.read_pairs(_request(message).path.partition("?")[2])
        case "path components":
            return forms.read_path(_request(message).path.partition("?")[0])
    content = _decoded(message)[0]
    if part.name == _FORM:
        return forms.read_pairs(content.decode("utf-8", "surrogateescape"))
    return forms.read_multipart(content, message.headers.get("content-type") or "")


def write_grid(flow: Flow, part: Part, rows: Sequence[Row]) -> None:
    message = message_of(flow, part)
    if part.name in (_FORM, _MULTIPART):
        _refuse_if_growing(flow, message)
    match part.name:
        case "request-headers" | "response-headers":
            message.headers.fields = _fields(rows)
        case "request-trailers" | "response-trailers":
            fields = _fields(rows)
            message.trailers = Headers(fields) if fields else None
        case "cookies":
            forms.write_cookies(message.headers, rows)
        case "set-cookies":
            forms.write_set_cookies(message.headers, rows)
        case "query":
            request = _request(message)
            query = forms.written_pairs(rows)
            request.path = request.path.partition("?")[0] + (f"?{query}" if query else "")
        case "path components":
            request = _request(message)
            path, mark, query = request.path.partition("?")
            request.path = forms.written_path(rows, path) + mark + query
        case "urlencoded form":
            content = forms.written_pairs(rows).encode("utf-8", "surrogateescape")
            _set_decoded(message, content)
            if "x-www-form-urlencoded" not in (message.headers.get("content-type") or "").lower():
                message.headers["Content-Type"] = "application/x-www-form-urlencoded"
        case _:
            _set_decoded(message, forms.written_multipart(rows, message.headers.get("content-type") or ""))


def _request(message: Message) -> Request:
    assert isinstance(message, Request)
    return message


def _field_rows(headers: Headers) -> list[Row]:
    return [(escaped(name), escaped(value)) for name, value in headers.fields]


def _fields(rows: Sequence[Row]) -> list[tuple[bytes, bytes]]:
    fields = [(unescaped(name), unescaped(value)) for name, value in rows if name or value]
    for number, (name, value) in enumerate(fields, 1):
        if not name or any(byte in b' \t:"(),/;<=>?@[\\]{}' or byte < 33 or byte > 126 for byte in name):
            raise UserError(f"row {number}: {escaped(name)!r} is not a field name; letters, digits and - are")
        if any(byte in value for byte in (b"\r", b"\n", b"\0")):
            raise UserError(f"row {number}: the value of {escaped(name)} holds a line break or NUL; a field is one line")
    return fields


# -- single lines ---------------------------------------------------------------------------------------------------------


def _set_method(flow: HttpFlow, text: str) -> None:
    if not text or not all(character.isalnum() or character in "!#$%&'*+-.^_`|~" for character in text) or not text.isascii():
        raise UserError(f"{text!r} is not a method; GET or POST would be")
    flow.request.method = text


def _set_path(flow: HttpFlow, text: str) -> None:
    raw = unescaped(text)
    if not raw or any(byte <= 32 or byte == 127 for byte in raw):
        raise UserError("a path is not empty and has no blanks; write a blank as %20")
    if not raw.startswith(b"/") and raw != b"*" and flow.request.method != "CONNECT":
        raise UserError("a path begins with /")
    flow.request.path = raw


def _set_url(flow: HttpFlow, text: str) -> None:
    if any(character.isspace() for character in text):
        raise UserError("a URL has no blanks; write a blank as %20")
    trial = flow.request.copy()
    try:
        trial.set_url(text)
    except ValueError:
        raise UserError(f"{text!r} is not a URL; https://example.com/path would be") from None
    _go_to(flow.request, trial.scheme, trial.host, trial.port)
    flow.request.path = trial.path


def _set_scheme(flow: HttpFlow, text: str) -> None:
    if text not in ("http", "https"):
        raise UserError(f"{text!r} is not a scheme; http or https is")
    _go_to(flow.request, text, flow.request.host, flow.request.port)


def _set_host(flow: HttpFlow, text: str) -> None:
    host = text.strip("[]")
    if not host or any(character.isspace() or character in "/?#@[]" for character in host):
        raise UserError(f"{text!r} is not a host; a name or an IP address is")
    _go_to(flow.request, flow.request.scheme, host, flow.request.port)


def _set_port(flow: HttpFlow, text: str) -> None:
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise UserError(f"{text!r} is not a port; a number from 1 to 65535 is")
    _go_to(flow.request, flow.request.scheme, flow.request.host, int(text))


def _go_to(request: Request, scheme: str, host: str, port: int) -> None:
    """A new destination; what names it in the request follows."""
    if (request.scheme, request.host, request.port) == (scheme, host, port):
        return
    request.scheme, request.host, request.port = scheme, host, port
    if "host" in request.headers:
        request.headers["Host"] = request.host_field()
    if request.authority:
        request.authority = request.host_field()


def _response(flow: HttpFlow) -> Response:
    if flow.response is None:
        raise UserError("this flow has no response yet")
    return flow.response


def _set_status_code(flow: HttpFlow, text: str) -> None:
    if not (text.isdecimal() and 100 <= int(text) <= 999):
        raise UserError(f"{text!r} is not a status code; a number from 100 to 999 is")
    response = _response(flow)
    if int(text) != response.status_code:
        from http import HTTPStatus

        response.status_code = int(text)
        known = {status.value: status.phrase for status in HTTPStatus}
        if response.reason or response.http_version.startswith("HTTP/1"):
            response.reason = known.get(response.status_code, "").encode()


def _set_reason(flow: HttpFlow, text: str) -> None:
    raw = unescaped(text)
    if any(byte in raw for byte in (b"\r", b"\n", b"\0")):
        raise UserError("a reason is one line")
    _response(flow).reason = raw


_LINES: Final[dict[str, tuple[Callable[[HttpFlow], str], Callable[[HttpFlow, str], None]]]] = {
    "method": (lambda flow: flow.request.method, _set_method),
    "path": (lambda flow: escaped(flow.request.target), _set_path),
    "url": (lambda flow: escaped(flow.request.url.encode("utf-8", "surrogateescape")), _set_url),
    "scheme": (lambda flow: flow.request.scheme, _set_scheme),
    "host": (lambda flow: flow.request.host, _set_host),
    "port": (lambda flow: str(flow.request.port), _set_port),
    "status_code": (lambda flow: str(_response(flow).status_code), _set_status_code),
    "reason": (lambda flow: escaped(_response(flow).reason), _set_reason),
}
SETTABLE: Final = (*_LINES, "comment")
"""What `flow.set` takes."""
