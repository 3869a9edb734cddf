"""How others read HTTP/1: a strict reader, and readers as lenient as those that have been smuggled past.

Nothing here is shared with the program. `Reading` is what counts for smuggling: how many messages, and what belongs to which.
"""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import h11

Reading = tuple[bytes, bytes]
"""The first line, and the body."""


@dataclass
class WireMessage:
    line: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name]


class Incomplete(Exception):
    """More bytes are needed. `body`: what has come of it; None before the head is complete."""

    def __init__(self, message: WireMessage | None = None) -> None:
        self.message = message


def strict_messages(data: bytes, asked: list[bytes] | None = None) -> tuple[list[WireMessage], WireMessage | None, bytes]:
    """(complete ones, what has come of another, what is left). ValueError if it is not HTTP/1.1 in its plainest form. For
    responses `asked` are the methods of their requests."""
    messages: list[WireMessage] = []
    methods = list(asked) if asked is not None else None
    while data:
        method = methods[0] if methods else b""
        try:
            message, rest = _strict(data, methods is not None, method)
        except Incomplete as incomplete:
            return messages, incomplete.message, data
        messages.append(message)
        is_final = methods is None or not message.line.split(b" ")[1].startswith(b"1") or message.line.split(b" ")[1] == b"101"
        if methods and is_final:
            methods.pop(0)
        data = rest
        if methods is not None and not methods:
            break
    return messages, None, data


def _strict(data: bytes, is_response: bool, method: bytes) -> tuple[WireMessage, bytes]:
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        raise Incomplete
    line, *lines = head.split(b"\r\n")
    message = WireMessage(line, [_field(each) for each in lines])
    codings, lengths = message.values(b"transfer-encoding"), message.values(b"content-length")
    if is_response:
        status = line.split(b" ")[1]
        if status.startswith(b"1") or status in (b"204", b"304") or method == b"HEAD":
            return message, rest
    if codings:
        if not codings[-1].lower().endswith(b"chunked") or lengths:
            raise ValueError(f"framing that is not plain: {message}")
        return message, _strict_chunks(message, rest)
    if lengths or not is_response:
        size = int(lengths[0].split(b",")[0]) if lengths else 0
        message.body = rest[:size]
        if len(rest) < size:
            raise Incomplete(message)
        return message, rest[size:]
    message.body = rest  # until the end
    return message, b""


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b": ")
    if not colon or not re.fullmatch(rb"[^\x00-\x1f\x7f:]+", name):
        raise ValueError(f"not a plain field: {line!r}")
    return name, value


def _strict_chunks(message: WireMessage, rest: bytes) -> bytes:
    while True:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            raise Incomplete(message)
        if not re.fullmatch(rb"[0-9a-f]+", line):
            raise ValueError(f"not a plain chunk size: {line!r}")
        size = int(line, 16)
        if size == 0:
            break
        message.body += rest[:size]
        if len(rest) < size + 2:
            raise Incomplete(message)
        if rest[size : size + 2] != b"\r\n":
            raise ValueError(f"a chunk that does not end: {rest[size:][:20]!r}")
        rest = rest[size + 2 :]
    while True:
        line, end, rest = rest.partition(b"\r\n")
        if not end:
            raise Incomplete(message)
        if not line:
            return rest
        message.trailers.append(_field(line))


# --- the lenient ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attitude:
    """A way to read what is not clear. Each was some server's or some proxy's."""

    name: str
    line_end: bytes = rb"\r?\n"  # a pattern
    is_chunked: Callable[[list[bytes]], bool] = lambda codings: any(b"chunked" in coding.lower() for coding in codings)
    length: Callable[[list[bytes]], bytes] = lambda lengths: lengths[0]
    length_wins: bool = False


ATTITUDES = (
    Attitude("any chunked, the first length"),
    Attitude(
        "exactly chunked, the last length",
        is_chunked=lambda codings: [each.lower() for each in codings] == [b"chunked"],
        length=lambda all_: all_[-1],
    ),
    Attitude("the length wins", length_wins=True),
    Attitude("the last coding counts", is_chunked=lambda codings: codings[-1].rpartition(b",")[2].strip().lower() == b"chunked"),
    Attitude("the first coding counts", is_chunked=lambda codings: codings[0].partition(b",")[0].strip().lower() == b"chunked"),
    Attitude("CR ends a line", line_end=rb"\r\n|\n|\r"),
    Attitude("only CRLF ends a line", line_end=rb"\r\n"),
)


def lenient_readings(data: bytes, attitude: Attitude, asked: list[bytes] | None = None) -> list[Reading]:
    """What a peer of that attitude takes for complete messages."""
    found: list[Reading] = []
    while data:
        method = asked[len(found)] if asked is not None and len(found) < len(asked) else b""
        if asked is not None and len(found) == len(asked):
            break
        read = _lenient(data, attitude, asked is not None, method)
        if read is None:
            break
        line, body, data = read
        is_informational = asked is not None and re.match(rb"HTTP/1\.\d\s+1(?!01)", line) is not None
        if not is_informational:
            found.append((line, body))
    return found


def _lenient(data: bytes, how: Attitude, is_response: bool, method: bytes) -> tuple[bytes, bytes, bytes] | None:
    data = data.lstrip(b"\r\n") if not is_response else data
    end = re.search(rb"(?>%b)(?>%b)" % (how.line_end, how.line_end), data)
    if end is None:
        return None
    head, rest = data[: end.start()], data[end.end() :]
    line, *lines = re.split(rb"(?>%b)" % how.line_end, head)
    fields: list[tuple[bytes, bytes]] = []
    for each in lines:
        if each[:1] in (b" ", b"\t") and fields:
            fields[-1] = fields[-1][0], fields[-1][1] + b" " + each.strip()
        else:
            name, _, value = each.partition(b":")
            fields.append((name.strip(b" \t\x00\x0b\x0c\r").lower(), value.strip(b" \t\x0b\x0c\r\x00")))
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    lengths = [each.strip() for name, value in fields if name == b"content-length" for each in value.split(b",")]
    if is_response:
        status = [*line.split(), b"", b""][1]
        if status.startswith(b"1") or status in (b"204", b"304") or method == b"HEAD":
            return line, b"", rest
    is_chunked = bool(codings) and how.is_chunked(codings)
    if is_chunked and not (how.length_wins and lengths):
        chunks = _lenient_chunks(rest, how)
        return None if chunks is None else (line, *chunks)
    if lengths or not is_response:
        number = re.match(rb"\+?(?:0x)?([0-9]*)", how.length(lengths)) if lengths else None
        size = int(number[1] or b"0") if number else 0
        return (line, rest[:size], rest[size:]) if len(rest) >= size else None
    return line, rest, b""


def _lenient_chunks(rest: bytes, how: Attitude) -> tuple[bytes, bytes] | None:
    body = b""
    while True:
        line = re.match(rb"\s*(?:0x)?([0-9A-Fa-f]+)[^\n]*?(?>%b)" % how.line_end, rest)
        if line is None:
            return None
        size, rest = int(line[1], 16), rest[line.end() :]
        if size == 0:
            break
        if len(rest) < size:
            return None
        body, rest = body + rest[:size], rest[size:]
        if end := re.match(how.line_end, rest):
            rest = rest[end.end() :]
    while True:
        trailer = re.match(rb"(.*?)(?>%b)" % how.line_end, rest, re.DOTALL)
        if trailer is None:
            return None
        rest = rest[trailer.end() :]
        if not trailer[1]:
            return body, rest


def h11_requests(data: bytes) -> list[Reading]:
    found: list[Reading] = []
    while data := data.lstrip(b"\r\n"):  # which h11 leaves to whoever feeds it
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data)
        read = _h11_message(connection, h11.Request)
        if read is None:
            break
        head, body = read
        found.append((b"%b %b HTTP/%b" % (head.method, head.target, head.http_version), body))
        data = connection.trailing_data[0]
    return found


def h11_response(data: bytes, method: bytes) -> list[Reading]:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    read = _h11_message(connection, h11.Response)
    if read is None:
        return []
    head, body = read
    return [(b"HTTP/%b %d %b" % (head.http_version, head.status_code, head.reason), body)]


def _h11_message(connection: h11.Connection, kind: type) -> tuple[h11.Request | h11.Response, bytes] | None:  # type: ignore[type-arg]
    body, head = b"", None
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, kind):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return head, body
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None


class _Wire:
    """As much of a socket as http.client looks at."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def python_response(data: bytes, method: bytes) -> list[Reading]:
    """As Python's http.client reads it. Nothing, where it is known to be wrong: at a 1xx other than 100, and at a 304."""
    if re.match(rb"HTTP/1\.\d (1(?!00)|304)", data):
        return []
    response = http.client.HTTPResponse(_Wire(data), method=method.decode())  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ValueError):
        return []
    return [(b"HTTP/1.1 %d %b" % (response.status, response.reason.encode("latin-1")), body)]
