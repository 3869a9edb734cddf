"""What HAR has no place for and a flow says nevertheless: an object `_interceptor` in each entry, which other programs pass over.

    connections with addresses, times, TLS and certificates · exact times · trailers · informational responses · what was received
    before an edit · how a WebSocket ended · mode, metadata, stream numbers

Only what differs from an empty flow is written. A connection stands in the first entry that it had a part in; later ones name its
number. When read, the object is believed no more than the rest of the file: every value has the type that it must have.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

from interceptor.model.connection import Address, Connection, Route, Side, TlsFacts
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Message, Request, Response
from interceptor.model.process import Process, limited
from interceptor.session.formats.har_text import (
    Entry,
    dict_of,
    list_of,
    moment_of,
    packed,
    string_of,
    unpacked,
    whole_of,
    words_of,
)
from interceptor.specs.errors import UserError
from interceptor.specs.routes import parse_hop

NAME: Final = "_interceptor"
_METADATA_DEPTH: Final = 12
_CACHED: Final = 100_000
_PLAIN_TARGET: Final = re.compile(rb"(?:[/?][\x21\x22\x24-\x7e]*)?")
"""What stands in a URL as it was sent."""
VERSIONS: Final = ("HTTP/0.9", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3")


class ConnectionNumbers:
    """Connections that one file has met, by the numbers that it calls them by."""

    def __init__(self) -> None:
        self._numbers: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self._counts = {Side.CLIENT: 0, Side.SERVER: 0}
        self._connections: dict[tuple[Side, int], Connection] = {}

    def knows(self, connection: Connection) -> bool:
        return connection in self._numbers

    def number(self, connection: Connection) -> int:
        if connection not in self._numbers:
            self._counts[connection.side] += 1
            self._numbers[connection] = self._counts[connection.side]
        return self._numbers[connection]

    def said(self, connection: Connection | None) -> object:
        if connection is None:
            return None
        return self.number(connection) if self.knows(connection) else {"number": self.number(connection), **_said(connection)}

    def meant(self, side: Side, value: object) -> Connection | None:
        """None for a number that stands in an entry which is no longer there."""
        if not isinstance(value, dict):
            return self._connections.get((side, whole_of(value)))
        connection = _connection(side, value)
        if len(self._connections) < _CACHED:
            self._connections[side, whole_of(value.get("number"))] = connection
        return connection


# ---- writing


def own_of(flow: HttpFlow, numbers: ConnectionNumbers) -> Entry:
    """All of it but what was received before an edit."""
    own: Entry = {
        "client": numbers.said(flow.client),
        "server": numbers.said(flow.server),
        "mode": text_said(flow.mode),
        "created": flow.created_at,
        "ended": flow.ended_at,
        "failed": flow.error.timestamp if flow.error is not None else None,
        "number": flow.id,
        "isReplay": flow.replay_of is not None,
        "replayOf": flow.replay_of,
        "isModified": flow.is_modified,
        "metadata": _plain(flow.metadata),
        "streams": [flow.client_stream, flow.server_stream] if flow.client_stream or flow.server_stream else None,
        "request": request_said(flow.request),
        "response": message_said(flow.response) if flow.response is not None else None,
        "informational": [_informational_said(each) for each in flow.informational],
    }
    if flow.websocket is not None:
        end = flow.websocket
        own["websocket"] = {
            "closedByClient": end.closed_by_client,
            "closeCode": end.close_code,
            "closeReason": text_said(end.close_reason),
            "ended": end.timestamp_end,
        }
    return _present(own)


def request_said(request: Request) -> Entry:
    is_in_url = _PLAIN_TARGET.fullmatch(request.target) is not None
    return message_said(request) | _present(
        {
            "target": said(request.target) if not is_in_url else None,
            "authority": text_said(request.authority),
            "isAbsolute": request.is_absolute,
            "protocol": text_said(request.protocol),
        }
    )


def message_said(message: Message, is_in_har: bool = True) -> Entry:
    """`is_in_har`: what HAR has fields for is there."""
    reason = said(message.reason) if isinstance(message, Response) else None
    return _present(
        {
            "version": text_said(message.http_version) if not is_in_har or message.http_version not in VERSIONS else None,
            "started": message.timestamp_start,
            "ended": message.timestamp_end,
            "reason": reason if not is_in_har or not isinstance(reason, str) else None,
            "trailers": fields_said(message.trailers) if message.trailers is not None else None,
            "notSent": [said(name) for name in message.not_sent],
        }
    ) | ({"trailers": []} if message.trailers is not None and not message.trailers.fields else {})


def _informational_said(response: Response) -> Entry:
    return {"status": response.status_code, "headers": fields_said(response.headers), **message_said(response, False)}


def fields_said(headers: Headers) -> list[object]:
    return [[said(name), said(value)] for name, value in headers.fields]


def _said(connection: Connection) -> Entry:
    return _present(
        {
            "peer": _address_said(connection.peer),
            "resolved": _address_said(connection.resolved),
            "local": _address_said(connection.local),
            "transport": connection.transport,
            "opened": connection.opened_at,
            "connected": connection.connected_at,
            "closed": connection.closed_at,
            "error": text_said(connection.error),
            "via": [text_said(str(hop)) for hop in connection.via],
            "isForwarded": connection.is_forwarded,
            "process": _process_said(connection.process) if connection.process is not None else None,
            "tls": _tls_said(connection.tls) if connection.tls is not None else None,
        }
    ) | ({"tls": {}} if connection.tls == TlsFacts() else {})


def _process_said(process: Process) -> Entry:
    return _present(
        {
            "pid": process.pid,
            "name": text_said(process.name),
            "executable": text_said(process.executable),
            "command": [text_said(each) for each in process.arguments],
        }
    )


def _tls_said(tls: TlsFacts) -> Entry:
    return _present(
        {
            "version": text_said(tls.version),
            "cipher": text_said(tls.cipher),
            "serverName": text_said(tls.server_name),
            "alpnOffers": [said(each) for each in tls.alpn_offers],
            "alpn": said(tls.alpn),
            "chain": [packed(each) for each in tls.chain],
            "isResumed": tls.is_resumed,
            "hello": packed(tls.hello),
            "started": tls.started_at,
            "established": tls.established_at,
        }
    )


def _address_said(address: Address | None) -> object:
    return None if address is None else [text_said(address[0]), address[1]]


def _present(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if value not in (None, "", [], {}, False) and value != 0.0}


def said(raw: bytes) -> object:
    """As text if that is what it is; the two are told apart by their type."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": packed(raw)}


def text_said(text: str) -> Any:
    """Text in which a surrogate stands for a byte."""
    try:
        return said(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # half of a pair, which a script may have written
        return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: object, depth: int = 0) -> object:
    """Metadata may be anything that a script put there; what JSON cannot say is kept as its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, bytes):
        return {"base64": packed(value)}
    if isinstance(value, int) and abs(value) < 1 << 64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if depth < _METADATA_DEPTH:
        if isinstance(value, dict):
            return {str(key).encode("utf-8", "backslashreplace").decode(): _plain(each, depth + 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [_plain(each, depth + 1) for each in value]
    return repr(value)


# ---- reading


def add_own(flow: HttpFlow, value: object, numbers: ConnectionNumbers) -> None:
    """Puts into the flow what `own_of` said of another, numbers and all. ValueError or TypeError if it is not as it should be."""
    own = dict_of(value)
    if (client := own.get("client")) is not None:
        flow.client = numbers.meant(Side.CLIENT, client)
    if (server := own.get("server")) is not None:
        flow.server = numbers.meant(Side.SERVER, server) or flow.server
    flow.mode = text_meant(own.get("mode"))
    flow.created_at = moment_of(own.get("created"))
    flow.ended_at = _time(own.get("ended"))
    if flow.error is not None:
        flow.error.timestamp = moment_of(own.get("failed"))
    flow.id = whole_of(own.get("number") or 0)
    flow.replay_of = whole_of(own.get("replayOf") or 0) if own.get("isReplay") else None
    flow.is_modified = bool(own.get("isModified"))
    flow.metadata = {words_of(name): _unplain(each) for name, each in dict_of(own.get("metadata") or {}).items()}
    if streams := own.get("streams"):
        flow.client_stream, flow.server_stream = (whole_of(each) for each in list_of(streams))
    add_own_of_request(flow.request, own.get("request"))
    if flow.response is not None:
        add_own_of_message(flow.response, own.get("response"))
    flow.informational = [_informational(dict_of(each)) for each in list_of(own.get("informational") or [])]
    if flow.websocket is not None:
        end = dict_of(own.get("websocket") or {})
        closed_by, code = end.get("closedByClient"), end.get("closeCode")
        flow.websocket.closed_by_client = None if closed_by is None else bool(closed_by)
        flow.websocket.close_code = None if code is None else whole_of(code)
        flow.websocket.close_reason = text_meant(end.get("closeReason"))
        flow.websocket.timestamp_end = _time(end.get("ended"))


def add_own_of_request(request: Request, value: object) -> None:
    own = dict_of(value or {})
    target = meant(own.get("target"))
    if target and not any(byte <= 0x20 or byte == 0x7F for byte in target):
        request.target = target
    request.authority = _plain_text(text_meant(own.get("authority")))
    request.is_absolute = bool(own.get("isAbsolute"))
    request.protocol = _plain_text(text_meant(own.get("protocol")))
    add_own_of_message(request, own)


def add_own_of_message(message: Message, value: object) -> None:
    own = dict_of(value or {})
    message.http_version = _plain_text(text_meant(own.get("version"))) or message.http_version
    message.timestamp_start, message.timestamp_end = moment_of(own.get("started")), _time(own.get("ended"))
    message.trailers = fields_meant(own["trailers"]) if own.get("trailers") is not None else None
    message.not_sent = tuple(meant(each) for each in list_of(own.get("notSent") or []))
    if isinstance(message, Response):
        message.reason = _one_line(meant(own["reason"])) if own.get("reason") else message.reason


def _informational(own: Entry) -> Response:
    response = Response(whole_of(own["status"]), headers=fields_meant(own.get("headers") or []))
    add_own_of_message(response, own)
    return response


def fields_meant(value: object) -> Headers:
    fields = []
    for each in list_of(value):
        name, content = (_one_line(meant(part)) for part in list_of(each))
        fields.append((name, content))
    return Headers(fields)


def _connection(side: Side, own: Entry) -> Connection:
    return Connection(
        side,
        peer=_address(own.get("peer")),
        resolved=_address(own.get("resolved")),
        local=_address(own.get("local")),
        transport="udp" if own.get("transport") == "udp" else "tcp",
        opened_at=moment_of(own.get("opened")),
        connected_at=_time(own.get("connected")),
        closed_at=_time(own.get("closed")),
        tls=_tls(dict_of(own["tls"])) if own.get("tls") is not None else None,
        error=text_meant(own.get("error")),
        via=_via(own.get("via")),
        is_forwarded=own.get("isForwarded") is True,
        process=_process(dict_of(own["process"])) if own.get("process") is not None else None,
    )


def _process(own: Entry) -> Process:
    command = limited([text_meant(each) for each in list_of(own.get("command") or [])])
    return Process(whole_of(own.get("pid")), text_meant(own.get("name")), text_meant(own.get("executable")), command)


def _via(texts: object) -> Route:
    """Empty if it is not the way of any connection of ours."""
    try:
        return tuple(parse_hop(text_meant(text)) for text in list_of(texts or []))
    except UserError:
        return ()


def _tls(own: Entry) -> TlsFacts:
    return TlsFacts(
        version=text_meant(own.get("version")),
        cipher=text_meant(own.get("cipher")),
        server_name=text_meant(own.get("serverName")),
        alpn_offers=tuple(_each_meant(own.get("alpnOffers") or [])),
        alpn=meant(own.get("alpn")),
        chain=tuple(unpacked(string_of(each)) for each in list_of(own.get("chain") or [])),
        is_resumed=bool(own.get("isResumed")),
        hello=unpacked(string_of(own.get("hello"))),
        started_at=_time(own.get("started")),
        established_at=_time(own.get("established")),
    )


def _each_meant(values: object) -> Iterable[bytes]:
    return (meant(each) for each in list_of(values))


def _address(value: object) -> Address | None:
    if value is None:
        return None
    host, port = list_of(value)
    number = whole_of(port)
    if not 0 <= number <= 65535:
        raise ValueError(f"{number} is no port")
    return text_meant(host), number


def _time(value: object) -> float | None:
    return None if value is None else moment_of(value)


def meant(value: object) -> bytes:
    if isinstance(value, dict):
        return unpacked(string_of(value.get("base64")))
    return string_of(value).encode("utf-8", "replace")


def text_meant(value: object) -> str:
    return meant(value).decode("utf-8", "surrogateescape")


def _plain_text(text: str) -> str:
    if any(character <= " " or character == "\x7f" for character in text):
        raise ValueError("a blank or a control character stands where none may be")
    return text


def _one_line(raw: bytes) -> bytes:
    if any(byte in raw for byte in b"\r\n\0"):
        raise ValueError("a line end or a NUL byte stands where none may be")
    return raw


def _unplain(value: object) -> object:
    if isinstance(value, str):
        return words_of(value)
    if isinstance(value, list):
        return [_unplain(each) for each in value]
    if isinstance(value, dict):
        if value.keys() == {"base64"}:
            return meant(value)
        return {words_of(name): _unplain(each) for name, each in value.items()}
    return value
