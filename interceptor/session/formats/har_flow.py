"""An entry of a HAR file as a flow. Files come from anywhere, so nothing is believed: every value has the type that it must
have, and nothing gets into a header, a method or a URL that would read as something else when it is sent.

Browsers differ: pseudo-headers of HTTP/2 among the headers (Chrome), several fields of one name joined by newlines, "h2",
"HTTP/2" and "http/2.0" for one version. Bodies of responses are decoded in the file; they get back the coding that the headers
announce, so that header and body fit together. Where nobody knows the time of a phase, it took none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote_plus, urlsplit

from interceptor.model.body import MemoryBody, UnkeptBody
from interceptor.model.connection import DEFAULT_PORTS, Connection, Side
from interceptor.model.encoding import encode_content
from interceptor.model.flow import FlowError, HttpFlow, Opcode, WebSocketData, WebSocketMessage
from interceptor.model.http import Field, Headers, Message, Request, Response
from interceptor.session.formats.har_own import NAME, ConnectionNumbers, add_own, add_own_of_message, add_own_of_request
from interceptor.session.formats.har_text import (
    Entry,
    bytes_of,
    dict_of,
    list_of,
    moment_of,
    number_of,
    string_of,
    unpacked,
    whole_of,
    words_of,
)

_TOKEN: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST: Final = re.compile(r"[^\x00-\x20\x7f/?#@\\]+")
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_BODILESS: Final = frozenset((204, 205, 304))
_ABORTED: Final = "net::ERR_ABORTED"
"""What Chrome says, too, of a response that has no body to wait for."""
_VERSIONS: Final = {
    "h2": "HTTP/2.0", "http/2": "HTTP/2.0", "http/2.0": "HTTP/2.0", "h3": "HTTP/3", "http/3": "HTTP/3", "http/3.0": "HTTP/3",
    "quic": "HTTP/3", "http/1.0": "HTTP/1.0", "http/1.1": "HTTP/1.1", "http/0.9": "HTTP/0.9",
}  # fmt: skip


class NotOurs(Exception):
    """An entry that never was on the wire; the message says which."""


class ConnectionsSeen:
    """Server connections by what the file calls them."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Connection] = {}
        self.numbers = ConnectionNumbers()

    def server(self, name: str, host: str, port: int, ip: str, opened_at: float) -> Connection | None:
        if not ip and not name:
            return None
        key = name, host, port, ip
        if name and key in self._known:
            return self._known[key]
        resolved = (ip, port) if ip and ip != host else None
        connection = Connection(Side.SERVER, (host, port), resolved, opened_at=opened_at)
        if name:
            self._known[key] = connection
        return connection


def flow_of(value: object, seen: ConnectionsSeen) -> HttpFlow:
    """NotOurs, or ValueError, TypeError or LookupError if it is not as it should be."""
    entry = dict_of(value)
    request = _request(dict_of(entry["request"]))
    flow = HttpFlow(0, request=request)
    own = entry.get(NAME)
    answer = dict_of(entry.get("response") or {})
    response = _response(answer, request)
    started = _moment(entry.get("startedDateTime"))
    times = _Times(started, dict_of(entry.get("timings") or {}), entry.get("time"))
    flow.created_at = request.timestamp_start = started
    request.timestamp_end = times.sent
    flow.ended_at = times.sent
    if response is not None:
        response.timestamp_start, response.timestamp_end = times.answered, times.ended
        flow.response, flow.ended_at = response, times.ended
        status = response.status_code
        flow.is_upgraded = status == 101 or (request.method == "CONNECT" and 200 <= status < 300)
        if status == 101 and not request.http_version.startswith("HTTP/1"):
            request.protocol = "websocket"  # it came over HTTP/2 (RFC 8441)
    said = words_of(answer.get("_error")) or ("" if response is not None or own is not None else "The file has no response.")
    if said == _ABORTED and response is not None and response.status_code in _BODILESS:
        said = ""
    if said:
        flow.error = FlowError(said, times.ended)
    ip = words_of(entry.get("serverIPAddress")).strip("[]")
    if own is None:  # else it says more
        flow.server = seen.server(words_of(entry.get("connection")), request.host, request.port, ip, started)
    flow.comment, flow.marker = words_of(entry.get("comment")), words_of(entry.get("_marker")).strip(":")
    messages = entry.get("_webSocketMessages")
    if messages is not None:
        flow.websocket = WebSocketData(list(_messages(flow, messages)))
        if flow.websocket.messages:
            flow.ended_at = max(flow.ended_at, flow.websocket.messages[-1].timestamp)
    if own is not None:
        add_own(flow, own, seen.numbers)
        if (original := dict_of(own).get("original")) is not None:
            flow.original = _original(dict_of(original))
    return flow


def _original(entry: Entry) -> tuple[Request, Response | None]:
    """What was received before an edit."""
    asked, answered = dict_of(entry["request"]), dict_of(entry.get("response") or {})
    request = _request(asked)
    add_own_of_request(request, asked.get(NAME))
    response = _response(answered, request)
    if response is not None:
        add_own_of_message(response, answered.get(NAME))
    return request, response


class _Times:
    """When things happened, from how long each took."""

    def __init__(self, started: float, timings: Entry, total: object) -> None:
        phases = {name: _seconds(timings.get(name)) for name in ("blocked", "dns", "connect", "send", "wait", "receive")}
        self.sent = started + phases["send"]
        self.answered = started + sum(value for name, value in phases.items() if name != "receive")
        self.ended = self.answered + phases["receive"]
        if not timings:
            self.answered = self.ended = started + _seconds(total)


# ---- messages


def _request(entry: Entry) -> Request:
    method = string_of(entry["method"])
    if not _TOKEN.fullmatch(method.encode("utf-8", "replace")):
        raise ValueError("the method is none")
    scheme, host, port, target = _destination(method, string_of(entry["url"]))
    headers, pseudo = _headers(entry.get("headers"))
    request = Request(method, scheme, host, port, target, headers=headers)
    request.http_version = _version(entry.get("httpVersion"))
    authority = pseudo.get(b":authority", b"").decode("utf-8", "replace")
    if authority and _HOST.fullmatch(authority):
        request.authority = authority
    post = entry.get("postData")
    content = _post_data(dict_of(post)) if post else b""
    request.body = _body(content, entry, whole_of(entry.get("bodySize")))
    if content and "content-encoding" not in headers:
        _fit_length(request)
    return request


def _destination(method: str, url: str) -> tuple[str, str, int, bytes]:
    is_connect = method == "CONNECT" and "://" not in url
    parts = urlsplit(f"http://{url}" if is_connect else url)
    if parts.scheme not in _SCHEMES:
        raise NotOurs(f"a request of the scheme {parts.scheme[:20]!r}, which is not HTTP")
    scheme, host = _SCHEMES[parts.scheme], parts.hostname or ""
    if not _HOST.fullmatch(host):
        raise ValueError("the URL has no host")
    port = parts.port or DEFAULT_PORTS[scheme]
    if is_connect:
        return scheme, host, port, url.encode("utf-8", "replace")
    # Cut out of the URL as it stands: urlsplit drops an empty query, and line ends.
    _, _, rest = url.partition("://")
    at = re.search(r"[/?#]", rest)
    path = rest[at.start() :].partition("#")[0] if at is not None else ""
    if method == "OPTIONS" and not path:
        return scheme, host, port, b"*"
    path = path if path.startswith("/") else f"/{path}"
    raw = path.encode("utf-8", "replace")
    return scheme, host, port, re.sub(rb"[\x00-\x20\x7f]", lambda found: b"%%%02X" % found.group()[0], raw)


def _post_data(post: Entry) -> bytes:
    kind, text = string_of(post.get("mimeType")), string_of(post.get("text"))
    if text:
        return unpacked(text) if post.get("encoding") == "base64" else bytes_of(text, kind)
    pairs = [dict_of(each) for each in list_of(post.get("params") or [])]
    if kind.partition(";")[0].strip().lower() == "multipart/form-data":
        return b""  # how it was cut into parts is not in the file
    return "&".join(f"{_form_encoded(pair.get('name'))}={_form_encoded(pair.get('value'))}" for pair in pairs).encode()


def _form_encoded(value: object) -> str:
    return quote_plus(string_of(value), errors="replace")


def _response(entry: Entry, request: Request) -> Response | None:
    status = whole_of(entry.get("status"))
    if not status:
        return None
    if not 100 <= status <= 999:
        raise ValueError(f"{status} is no status code")
    reason = re.sub(rb"[\r\n\0]+", b" ", string_of(entry.get("statusText")).encode("utf-8", "replace"))
    headers, _ = _headers(entry.get("headers"))
    response = Response(status, reason, headers=headers, http_version=_version(entry.get("httpVersion")))
    content = dict_of(entry.get("content") or {})
    text = string_of(content.get("text"))
    kind, header = string_of(content.get("mimeType")), headers.get("content-type") or ""
    if "charset" not in kind.lower() and header.partition(";")[0].strip() == kind:
        kind = header  # Chrome's type has no charset, and its text was decoded by that of the header
    raw = unpacked(text) if content.get("encoding") == "base64" else bytes_of(text, kind)
    if raw and (coding := headers.get("content-encoding")) and not content.get("_isEncoded"):
        try:
            raw = encode_content(raw, coding)
        except ValueError:  # a coding that we do not know: then the body is not in it
            headers.remove("content-encoding")
    announced = whole_of(entry.get("bodySize")) if whole_of(entry.get("bodySize")) > 0 else whole_of(content.get("size"))
    # Firefox counts the head, too
    has_none = request.method == "HEAD" or status in _BODILESS or headers.get("content-length") == "0"
    response.body = _body(raw, content, 0 if has_none else announced)
    if raw:
        _fit_length(response)
    return response


def _body(raw: bytes, entry: Entry, announced: int) -> MemoryBody:
    """What the file does not have although there was something is a body that was not kept."""
    if not raw and announced > 0:
        return UnkeptBody(announced)
    body = MemoryBody(raw)
    body.is_truncated = bool(entry.get("_isTruncated"))
    return body


def _fit_length(message: Message) -> None:
    if "content-length" in message.headers and message.headers["content-length"] != str(message.body.size):
        message.headers["Content-Length"] = str(message.body.size)


def _headers(value: object) -> tuple[Headers, dict[bytes, bytes]]:
    """(the fields, what HTTP/2 says beside them)."""
    fields: list[Field] = []
    pseudo: dict[bytes, bytes] = {}
    for each in list_of(value or []):
        field = dict_of(each)
        text = string_of(field.get("value"))
        name = string_of(field["name"]).encode("utf-8", "replace")
        encoding = "latin-1" if field.get("_encoding") == "latin-1" else "utf-8"
        for line in text.split("\n"):
            raw = line.removesuffix("\r").encode(encoding, "replace")
            if name.startswith(b":"):
                pseudo[name] = raw
                continue
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name[:40]!r} is no name of a header")
            if b"\r" in raw or b"\0" in raw:
                raise ValueError(f"the header {name[:40].decode()} contains a control character")
            fields.append((name, raw))
    return Headers(fields), pseudo


def _messages(flow: HttpFlow, value: object) -> Iterator[WebSocketMessage]:
    for each in list_of(value):
        entry = dict_of(each)
        if entry.get("type") == "error":  # Chrome's, among the messages
            flow.error = flow.error or FlowError(words_of(entry.get("data")), moment_of(entry.get("time")))
        else:
            yield _message(entry)


def _message(entry: Entry) -> WebSocketMessage:
    number, data = entry.get("opcode"), string_of(entry.get("data"))
    opcode = Opcode(number) if isinstance(number, int) and number in set(Opcode) else Opcode.BINARY
    is_text = opcode is Opcode.TEXT and entry.get("_encoding") != "base64"
    content = data.encode("utf-8", "replace") if is_text else unpacked(data)
    original = entry.get("_original")
    return WebSocketMessage(
        entry.get("type") in ("send", "request"),
        opcode,
        MemoryBody(content),
        moment_of(entry.get("time")),
        bool(entry.get("_isDropped")),
        bool(entry.get("_isInjected")),
        None if original is None else MemoryBody(unpacked(string_of(original))),
    )


# ---- versions and times


def _version(value: object) -> str:
    said = string_of(value).strip().lower()
    if "quic" in said or said.startswith("h3"):
        return "HTTP/3"
    return _VERSIONS.get(said, "HTTP/1.1")


def _moment(value: object) -> float:
    if not value:
        return 0.0
    moment = datetime.fromisoformat(string_of(value))
    return moment_of((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())


def _seconds(value: object) -> float:
    """From milliseconds; a phase that did not happen took no time, and nothing takes longer than a year."""
    return min(max(0.0, number_of(value)) / 1000, 31_536_000.0)
