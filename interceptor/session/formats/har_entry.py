"""A flow as an entry of HAR 1.2. Times of phases are milliseconds, -1 where a phase did not happen or is not known.

Values of header fields and the like are text in JSON: UTF-8 where they are that, else Latin-1 with `"_encoding": "latin-1"`
beside it. Bytes of the target that are no UTF-8 are percent-encoded in the URL. A body of many megabytes is not looked into: it
is base64 as it was sent, and stands in the entry as `Large`, to be written piece by piece.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl

from interceptor.model.body import Body, passed_size
from interceptor.model.encoding import credible_size, decode_content
from interceptor.model.flow import HttpFlow, WebSocketData, WebSocketMessage
from interceptor.model.http import Headers, Request, Response
from interceptor.session.formats.har_own import NAME, ConnectionNumbers, own_of, request_said
from interceptor.session.formats.har_own import message_said as response_said
from interceptor.session.formats.har_text import Entry, packed, text_of

LARGE_FROM: Final = 1 << 24
_DECODED_LIMIT: Final = 1 << 28
_FORM: Final = "application/x-www-form-urlencoded"
_REDIRECTS: Final = frozenset({300, 301, 302, 303, 305, 307, 308})


@dataclass(frozen=True, slots=True)
class Large:
    """In the place of text: the base64 of the first `size` bytes of a body."""

    body: Body
    size: int


def entry_of(flow: HttpFlow, numbers: ConnectionNumbers) -> Entry:
    """The first flow of each connection shows what it took to connect."""
    server = flow.server
    timings = _timings(flow, server is not None and not numbers.knows(server))
    entry: Entry = {
        "startedDateTime": _moment(flow.request.timestamp_start or flow.created_at),
        "time": round(sum(value for name, value in timings.items() if value > 0 and name != "ssl"), 3),
        "request": _request(flow.request, flow.websocket is not None),
        "response": _response(flow.request, flow.response),
        "cache": {},
        "timings": timings,
    }
    if flow.error is not None:
        entry["response"]["_error"] = flow.error.message
    own = own_of(flow, numbers)
    if server is not None:
        address = server.resolved or server.peer
        if address is not None:
            entry["serverIPAddress"] = address[0]
        entry["connection"] = str(numbers.number(server))
    if flow.comment:
        entry["comment"] = flow.comment
    if flow.marker:
        entry["_marker"] = flow.marker
    if flow.websocket is not None:
        entry["_resourceType"] = "websocket"
        entry["_webSocketMessages"] = _messages(flow.websocket)
    if flow.original is not None:
        own["original"] = _original(*flow.original)
    entry[NAME] = own
    return entry


def _original(request: Request, response: Response | None) -> Entry:
    original = {"request": _request(request, False) | {NAME: request_said(request)}}
    if response is not None:
        original["response"] = _response(request, response) | {NAME: response_said(response)}
    return original


def _timings(flow: HttpFlow, is_first: bool) -> dict[str, float]:
    request, response, server = flow.request, flow.response, flow.server
    sent = request.timestamp_end or request.timestamp_start
    timings: dict[str, float] = {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1}
    connecting = 0.0
    if is_first and server is not None and server.connected_at is not None:
        tls = server.tls
        secured = tls.established_at if tls is not None else None
        end = max(server.connected_at, secured or 0.0)
        timings["connect"] = _milliseconds(end - server.opened_at)
        if secured is not None:
            timings["ssl"] = _milliseconds(secured - server.connected_at)
        if server.opened_at >= request.timestamp_start:
            connecting = min(end, response.timestamp_start if response is not None else end) - max(server.opened_at, sent)
    timings["send"] = _milliseconds(sent - request.timestamp_start)
    if response is None:
        timings |= {"wait": 0, "receive": 0}
    else:
        timings["wait"] = _milliseconds(response.timestamp_start - sent - max(0.0, connecting))
        timings["receive"] = _milliseconds((response.timestamp_end or response.timestamp_start) - response.timestamp_start)
    return timings


def _milliseconds(seconds: float) -> float:
    return round(max(0.0, seconds) * 1000, 3)


def _moment(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="microseconds")


# ---- messages


def _request(request: Request, is_websocket: bool) -> Entry:
    entry: Entry = {
        "method": _said(request.method),
        "url": _url(request, is_websocket),
        "httpVersion": request.http_version,
        "cookies": [
            {"name": name.strip(), "value": value.strip()}
            for line in _values(request.headers, b"cookie")
            for name, _, value in (pair.partition("=") for pair in line.split(";"))
            if name.strip()
        ],
        "headers": _fields(request.headers),
        "queryString": _pairs(_text(request.target.partition(b"?")[2])[0]),
        "headersSize": len(request.method) + len(request.target) + len(request.http_version) + 6 + len(bytes(request.headers)),
        "bodySize": passed_size(request.body),
    }
    if request.body.size:
        entry["postData"] = _post_data(request)
    if request.body.is_truncated:
        entry["_isTruncated"] = True
    return entry


def _post_data(request: Request) -> Entry:
    """As it was on the wire, also if it is compressed. The specification forgot `encoding` here; most programs know it."""
    kind = _kind(request.headers)
    if request.body.size >= LARGE_FROM:
        return {"mimeType": kind, "text": Large(request.body, request.body.size), "encoding": "base64"}
    raw = request.body.read()
    text = None if "content-encoding" in request.headers else text_of(raw, kind)
    if text is None:
        return {"mimeType": kind, "text": packed(raw), "encoding": "base64"}
    post: Entry = {"mimeType": kind, "text": text}
    if kind.partition(";")[0].strip().lower() == _FORM:
        post["params"] = _pairs(text)
    return post


def _response(request: Request, response: Response | None) -> Entry:
    if response is None:
        return {
            "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [],
            "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": -1, "bodySize": -1,
        }  # fmt: skip
    location = next(iter(_values(response.headers, b"location")), "")
    return {
        "status": response.status_code,
        "statusText": _text(response.reason)[0],
        "httpVersion": response.http_version,
        "cookies": [_set_cookie(line) for line in _values(response.headers, b"set-cookie")],
        "headers": _fields(response.headers),
        "content": _content(response),
        "redirectURL": location if response.status_code in _REDIRECTS else "",
        "headersSize": len(response.http_version) + len(response.reason) + 9 + len(bytes(response.headers)),
        "bodySize": passed_size(response.body),
    }


def _content(response: Response) -> Entry:
    """Decoded, as the specification wants it; `_isEncoded` if that was not possible."""
    kind, coding, size = _kind(response.headers), response.headers.get("content-encoding"), response.body.size
    if size >= LARGE_FROM:
        large: Entry = {"size": size, "mimeType": kind or "x-unknown", "text": Large(response.body, size), "encoding": "base64"}
        marks = {"_isEncoded": bool(coding), "_isTruncated": response.body.is_truncated}
        return large | {name: True for name, is_so in marks.items() if is_so}
    raw = response.body.read()
    content, is_encoded = raw, False
    if coding:
        try:
            content = decode_content(raw, coding, credible_size(len(raw), _DECODED_LIMIT))
        except ValueError:
            is_encoded = bool(raw)
    entry: Entry = {"size": len(content), "compression": len(content) - len(raw), "mimeType": kind or "x-unknown"}
    text = None if is_encoded else text_of(content, kind)
    entry |= {"text": packed(content), "encoding": "base64"} if text is None else {"text": text}
    if is_encoded:
        entry["_isEncoded"] = True
    if response.body.is_truncated:
        entry["_isTruncated"] = True
    return entry


def _messages(websocket: WebSocketData) -> list[Entry]:
    """As Chrome has them: opcode 1 is text, all others are base64."""
    return [_message(each) for each in websocket.messages]


def _message(message: WebSocketMessage) -> Entry:
    raw = message.body.read()
    text: str | None = None
    if message.is_text:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = None
    entry: Entry = {
        "type": "send" if message.from_client else "receive",
        "time": message.timestamp,
        "opcode": int(message.opcode),
        "data": packed(raw) if text is None else text,
    }
    if message.is_text and text is None:
        entry["_encoding"] = "base64"
    if message.original is not None:
        entry["_original"] = packed(message.original.read())
    return entry | {
        name: True for name, is_so in (("_isDropped", message.is_dropped), ("_isInjected", message.is_injected)) if is_so
    }


# ---- their parts


def _url(request: Request, is_websocket: bool) -> str:
    url = request.url
    if is_websocket:
        url = re.sub("^http", "ws", url)
    raw = url.encode("utf-8", "surrogateescape")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02X}" for byte in raw)
    return re.sub("[\x00-\x20\x7f#]", lambda match: f"%{ord(match.group()):02X}", text)


def _fields(headers: Headers) -> list[Entry]:
    fields = []
    for name, value in headers.fields:
        text, is_latin = _text(value)
        field = {"name": _text(name)[0], "value": text}
        fields.append(field | {"_encoding": "latin-1"} if is_latin else field)
    return fields


def _values(headers: Headers, name: bytes) -> list[str]:
    return [_text(value)[0] for key, value in headers.fields if key.lower() == name]


def _pairs(text: str) -> list[Entry]:
    try:
        return [{"name": _said(name), "value": _said(value)} for name, value in parse_qsl(text, keep_blank_values=True)]
    except ValueError:  # more of them than anybody has
        return []


def _set_cookie(line: str) -> Entry:
    first, *attributes = line.split(";")
    name, _, value = first.partition("=")
    cookie: Entry = {"name": name.strip(), "value": value.strip()}
    for attribute in attributes:
        key, _, given = (part.strip() for part in attribute.partition("="))
        match key.lower():
            case "path" | "domain":
                cookie[key.lower()] = given
            case "httponly":
                cookie["httpOnly"] = True
            case "secure":
                cookie["secure"] = True
            case "samesite":
                cookie["sameSite"] = given
            case "expires":
                try:
                    cookie["expires"] = parsedate_to_datetime(given.replace("-", " ")).isoformat()
                except (ValueError, TypeError, OverflowError):
                    continue  # sessions end, and servers invent dates
    return cookie


def _kind(headers: Headers) -> str:
    return next(iter(_values(headers, b"content-type")), "")


def _text(raw: bytes) -> tuple[str, bool]:
    """(the text, True if it is in Latin-1)."""
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.decode("latin-1"), True


def _said(text: str) -> str:
    return _text(text.encode("utf-8", "surrogateescape"))[0]
