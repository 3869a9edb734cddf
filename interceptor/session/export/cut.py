"""Single facts of flows, by mitmproxy's paths: `request.method`, `response.content`, `request.header[host]`, `server_conn.sni` …

One fact of one flow is its bare bytes; more than that is a table of comma-separated values, a row for each flow. As JSON it is an
object for each flow, on a line of its own, with null for what the flow does not have. What is no UTF-8 is escaped in both.
"""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Final

from interceptor.argument_types import Suggestions
from interceptor.model.connection import Address, Connection, Side, TlsFacts, bracketed
from interceptor.model.encoding import PartialContent, TooLarge, credible_size, decode_content
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.http import Message, Request, Response
from interceptor.specs.errors import UserError


def offers() -> list[tuple[str, str]]:
    """(path, what it is) of all there are."""
    behind = {"request": (*_BOTH, *_REQUEST), "response": (*_BOTH, *_RESPONSE), **dict.fromkeys(_CONNECTIONS, tuple(_CONNECTION))}
    paths = [(f"{subject}.{name}", _ABOUT.get(name, "")) for subject, names in behind.items() for name in names]
    fields = [(f"{subject}.header[", "a field by its name: header[host]") for subject in ("request", "response")]
    return [*paths, *fields, *((name, "") for name in _FLOW)]


Cuts = Annotated[Sequence[str], Suggestions(offers)]
"""Paths with commas between them, as an argument of a command."""


def cut(flows: Sequence[Flow], paths: Sequence[str]) -> bytes:
    """UserError for an unknown path, or if none of the flows has what is asked for."""
    if not flows:
        raise UserError("there is no flow to take it from")
    if len(flows) == 1 and len(paths) == 1:
        value = _value(flows[0], paths[0])
        if value is None:
            raise UserError(f"this flow has no {paths[0]}")
        return value
    return "".join(csv_line(texts_of(flow, paths)) for flow in flows).encode()


def json_lines(flows: Sequence[Flow], paths: Sequence[str]) -> bytes:
    """UserError for an unknown path."""
    check_paths(paths)
    return "".join(json_line(flow, paths) for flow in flows).encode()


def check_paths(paths: Sequence[str]) -> None:
    """UserError if one of them means nothing, whatever the flow."""
    nobody = HttpFlow(0, request=Request("GET", "http", "", 80, b"/"), response=Response(200))
    for path in paths:
        _value(nobody, path)


def texts_of(flow: Flow, paths: Sequence[str]) -> list[str]:
    return [(_value(flow, path) or b"").decode("utf-8", "backslashreplace") for path in paths]


def csv_line(texts: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(texts)
    return line.getvalue()


def json_line(flow: Flow, paths: Sequence[str]) -> str:
    values = {path: _value(flow, path) for path in paths}
    told = {path: None if value is None else value.decode("utf-8", "backslashreplace") for path, value in values.items()}
    return json.dumps(told) + "\n"


def _value(flow: Flow, path: str) -> bytes | None:
    subject, _, name = path.partition(".")
    if path in _FLOW:
        return _FLOW[path](flow)
    if subject in _CONNECTIONS:
        return _connection_value(flow, subject, name, path)
    if subject not in ("request", "response", "q", "s") or not name:
        raise UserError(
            f"{path!r} is not a path; request.url, response.content, request.header[host] or server_conn.sni would be"
        )
    is_request = subject in ("request", "q")
    if name.startswith("header[") and name.endswith("]"):
        message = _message(flow, is_request)
        value = message.headers.get(name[7:-1]) if message is not None else None
        return value.encode("utf-8", "surrogateescape") if value is not None else None
    getter: Callable[..., bytes] | None = (_REQUEST if is_request else _RESPONSE).get(name) or _BOTH.get(name)
    if getter is None:
        known = ", ".join([*_BOTH, *(_REQUEST if is_request else _RESPONSE), "header[name]"])
        raise UserError(f"{path!r} is not known; behind {subject}. there may be {known}")
    message = _message(flow, is_request)
    return getter(message) if message is not None else None


def _message(flow: Flow, is_request: bool) -> Message | None:
    if not isinstance(flow, HttpFlow):
        return None
    return flow.request if is_request else flow.response


def _connection_value(flow: Flow, subject: str, name: str, path: str) -> bytes | None:
    getter = _CONNECTION.get(name)
    if getter is None:
        raise UserError(f"{path!r} is not known; behind {subject}. there may be {', '.join(_CONNECTION)}")
    connection = flow.client if _CONNECTIONS[subject] is Side.CLIENT else flow.server
    return getter(connection) if connection is not None else None


def _address(pair: Address | None) -> bytes | None:
    return _text(f"{bracketed(pair[0])}:{pair[1]}") if pair is not None else None


def _of_tls(of: Callable[[TlsFacts], bytes]) -> Callable[[Connection], bytes | None]:
    return lambda connection: (of(connection.tls) or None) if connection.tls is not None else None


def _pem(chain: Sequence[bytes]) -> bytes:
    lines = []
    for certificate in chain:
        text = b64encode(certificate).decode()
        lines += ["-----BEGIN CERTIFICATE-----", *(text[at : at + 64] for at in range(0, len(text), 64))]
        lines.append("-----END CERTIFICATE-----")
    return "".join(f"{line}\n" for line in lines).encode()


_LARGEST_DECODED: Final = 256 * 1024 * 1024


def _content(message: Message) -> bytes:
    raw = message.body.read()
    limit = credible_size(len(raw), _LARGEST_DECODED)
    try:
        return decode_content(raw, message.headers.get("content-encoding") or "", limit)
    except (TooLarge, PartialContent) as error:
        raise UserError(f"the body cannot be decoded: {error}; raw_content takes it as it is") from None
    except ValueError:
        return raw


def _text(value: object) -> bytes:
    """A script may write what is no text (half of a pair of surrogates): that is escaped."""
    text = str(value)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


_ABOUT: Final = {
    "content": "the body, its content coding undone",
    "raw_content": "the body as it was sent",
    "path": "path and query as they were sent",
    "timestamp_start": "seconds since 1970",
    "timestamp_end": "seconds since 1970",
    "address": "as it was asked for, host:port",
    "peername": "the IP address that answered, with the port",
    "sockname": "our own end, address and port",
    "certificate_list": "the chain as PEM, the leaf first",
}
_BOTH: Final[dict[str, Callable[[Message], bytes]]] = {
    "content": _content,
    "raw_content": lambda message: message.body.read(),
    "http_version": lambda message: _text(message.http_version),
    "timestamp_start": lambda message: _text(message.timestamp_start),
    "timestamp_end": lambda message: _text(message.timestamp_end or ""),
}
_REQUEST: Final[dict[str, Callable[[Request], bytes]]] = {
    "method": lambda request: _text(request.method),
    "scheme": lambda request: _text(request.scheme),
    "host": lambda request: _text(request.host),
    "port": lambda request: _text(request.port),
    "path": lambda request: request.target,
    "url": lambda request: _text(request.url),
}
_RESPONSE: Final[dict[str, Callable[[Response], bytes]]] = {
    "status_code": lambda response: _text(response.status_code),
    "reason": lambda response: response.reason,
}
_CONNECTIONS: Final = {"client_conn": Side.CLIENT, "server_conn": Side.SERVER}
_CONNECTION: Final[dict[str, Callable[[Connection], bytes | None]]] = {
    "address": lambda connection: _address(connection.peer),
    "address.host": lambda connection: _text(connection.peer[0]) if connection.peer else None,
    "address.port": lambda connection: _text(connection.peer[1]) if connection.peer else None,
    "peername": lambda connection: _address(connection.resolved or connection.peer),
    "sockname": lambda connection: _address(connection.local),
    "timestamp_start": lambda connection: _text(connection.opened_at or ""),
    "timestamp_end": lambda connection: _text(connection.closed_at or ""),
    "tls_version": _of_tls(lambda tls: _text(tls.version)),
    "cipher": _of_tls(lambda tls: _text(tls.cipher)),
    "sni": _of_tls(lambda tls: _text(tls.server_name)),
    "alpn": _of_tls(lambda tls: tls.alpn),
    "certificate_list": _of_tls(lambda tls: _pem(tls.chain)),
    "error": lambda connection: _text(connection.error) if connection.error else None,
}
_FLOW: Final[dict[str, Callable[[Flow], bytes | None]]] = {
    "id": lambda flow: _text(flow.id),
    "type": lambda flow: _text(flow.kind),
    "comment": lambda flow: _text(flow.comment),
    "marked": lambda flow: _text(flow.marker),
    "error.msg": lambda flow: _text(flow.error.message) if flow.error is not None else None,
    "timestamp_created": lambda flow: _text(flow.created_at),
}
