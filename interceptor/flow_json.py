"""One flow as a JSON object, for machines. The schema is documented in docs/json.md; fields are added, never renamed.

Times are ISO 8601 in UTC, sizes bytes, durations milliseconds. What is not known is null. A body is content with its content
coding undone: as text if it is UTF-8, else in base64. Bytes of names and values that are not UTF-8 are written as \\xNN.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, Final

from interceptor.contentviews.visible import escape_character
from interceptor.dump_text import duration
from interceptor.model.body import Body, passed_size
from interceptor.model.connection import Address, Connection, TlsFacts, bracketed
from interceptor.model.dns import DnsMessage
from interceptor.model.encoding import PartialContent, TooLarge, credible_size, decode_content
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow, TcpMessage, WebSocketMessage
from interceptor.model.http import Headers, Message, Request, Response
from interceptor.model.process import Process

BODY_START: Final = 64 * 1024
"""How much of each body and message there is at detail 3; at detail 4 there is all."""
_DECODED_LIMIT: Final = 64 * 1024 * 1024

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Object = dict[str, Any]


def flow_line(flow: Flow, detail: int = 1) -> str:
    """The object on one line, with its line end; ASCII only. Bodies and messages from detail 3 on."""
    text = json.dumps(flow_object(flow, detail), separators=(",", ":"), allow_nan=False)
    return text.replace("\x7f", "\\u007f") + "\n"


def flow_object(flow: Flow, detail: int = 1) -> Object:
    most = None if detail >= 4 else BODY_START if detail == 3 else 0
    result: Object = {
        "id": flow.id,
        "type": flow.kind,
        "mode": _clean(flow.mode),
        "started": _time(flow.created_at),
        "ended": _time(flow.ended_at),
        "duration_ms": _ms(0.0, duration(flow)),
        "client": _connection(flow.client),
        "server": _connection(flow.server),
        "error": {"message": _clean(flow.error.message), "time": _time(flow.error.timestamp)} if flow.error is not None else None,
        "marker": _clean(flow.marker),
        "comment": _clean(flow.comment),
        "replay_of": flow.replay_of,
        "is_modified": flow.is_modified,
        "rules": [_clean(each) for each in flow.noted_by_rules()],
    }
    if isinstance(flow, HttpFlow):
        result |= _http(flow, most)
    elif isinstance(flow, DnsFlow):
        result["request"] = _dns_message(flow.request, most)
        result["response"] = _dns_message(flow.response, most) if flow.response is not None else None
    elif isinstance(flow, TcpFlow):
        result |= {"message_count": flow.message_count, "byte_count": flow.byte_count}
        if most != 0:
            result["messages"] = [_raw_message(each, most) for each in flow.messages]
    return result


def _dns_message(message: DnsMessage, most: int | None) -> Object:
    result: Object = {
        "id": message.id,
        "opcode": message.opcode,
        "rcode": message.rcode_name,
        "is_truncated": message.is_truncated,
        "name": _clean(message.name),
        "type": message.type_name,
        "size": len(message.wire),
        "time": _time(message.timestamp),
    }
    if message.is_response:
        result["answers"] = [_clean(each) for each in message.answers()]
    if most != 0:
        result["text"] = _clean(message.text())
    return result


def _http(flow: HttpFlow, most: int | None) -> Object:
    response = flow.response
    result: Object = {
        "request": _request(flow.request, most),
        "informational": [_response(each, 0) for each in flow.informational],
        "response": _response(response, most) if response is not None else None,
        "timings": _timings(flow),
    }
    if flow.client_stream or flow.server_stream:
        result["streams"] = {"client": flow.client_stream or None, "server": flow.server_stream or None}
    if flow.websocket is not None:
        socket = flow.websocket
        result["websocket"] = {
            "message_count": len(socket.messages),
            "closed_by_client": socket.closed_by_client,
            "close_code": socket.close_code,
            "close_reason": _clean(socket.close_reason),
        }
        if most != 0:
            result["websocket"]["messages"] = [_websocket_message(each, most) for each in socket.messages]
    return result


def _request(request: Request, most: int | None) -> Object:
    return {
        "method": _clean(request.method),
        "url": _clean(request.url),
        "scheme": _clean(request.scheme),
        "host": _clean(request.host),
        "port": request.port,
        "path": _clean(request.path),
        **_message(request, most),
    }


def _response(response: Response, most: int | None) -> Object:
    return {"status_code": response.status_code, "reason": _clean(response.reason_text), **_message(response, most)}


def _message(message: Message, most: int | None) -> Object:
    result: Object = {
        "http_version": _clean(message.http_version),
        "headers": _fields(message.headers),
        "trailers": _fields(message.trailers) if message.trailers is not None else None,
        "size": passed_size(message.body),
        "is_truncated": message.body.is_truncated,
    }
    if message.not_sent:
        result["not_sent"] = [_text(name) for name in message.not_sent]
    if most != 0:
        result["body"] = _body(message.body, message.headers.get("content-encoding", "") or "", most)
    return result


def _body(body: Body, coding: str, most: int | None) -> Object:
    """`is_decoded`: a content coding was undone. `is_cut`: there is more of it."""
    raw = body.read() if coding else body.read(0, most)
    content, is_decoded, is_cut = raw, False, not coding and len(raw) < body.size
    if coding and raw:
        try:
            content, is_decoded = decode_content(raw, coding, most or credible_size(len(raw), _DECODED_LIMIT)), True
        except TooLarge as error:
            content, is_decoded, is_cut = error.partial, True, True
        except PartialContent as error:
            content, is_decoded, is_cut = error.content, True, True
        except ValueError:
            pass  # not what its Content-Encoding says: shown as sent
    if most is not None and len(content) > most:
        content, is_cut = content[:most], True
    return {**_content(content, is_cut), "is_decoded": is_decoded, "is_cut": is_cut}


def _content(content: bytes, is_cut: bool = False) -> Object:
    """As text if it is UTF-8; a cut may go through the middle of a character."""
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError as error:
        if is_cut and error.start >= len(content) - 3 and error.start:
            return {"text": content[: error.start].decode()}
    return {"base64": b64encode(content).decode()}


def _raw_message(message: TcpMessage, most: int | None) -> Object:
    content = message.body.read(0, most)
    return {
        "from_client": message.from_client,
        "time": _time(message.timestamp),
        "is_dropped": message.is_dropped,
        "is_injected": message.is_injected,
        "size": message.body.size,
        **_content(content, len(content) < message.body.size),
    }


def _websocket_message(message: WebSocketMessage, most: int | None) -> Object:
    body = message.body
    content = body.read(0, most)
    return {
        "from_client": message.from_client,
        "time": _time(message.timestamp),
        "type": message.opcode.name.lower(),
        "is_text": message.is_text,
        "is_dropped": message.is_dropped,
        "is_injected": message.is_injected,
        "is_edited": message.original is not None,
        "size": body.size,
        **_content(content, len(content) < body.size),
    }


def _connection(connection: Connection | None) -> Object | None:
    if connection is None:
        return None
    return {
        "address": _address(connection.peer),
        "ip_address": _address(connection.resolved or (connection.peer if connection.side.value == "client" else None)),
        "local_address": _address(connection.local),
        "via": [_clean(str(hop)) for hop in connection.via],
        "transport": _clean(connection.transport),
        "process": _process(connection.process) if connection.process is not None else None,
        "opened": _time(connection.opened_at),
        "closed": _time(connection.closed_at),
        "error": _clean(connection.error) or None,
        "tls": _tls(connection.tls) if connection.tls is not None else None,
    }


def _process(process: Process) -> Object:
    return {
        "pid": process.pid,
        "name": _clean(process.name),
        "executable": _clean(process.executable) or None,
        "command": [_clean(each) for each in process.arguments],
    }


def _tls(tls: TlsFacts) -> Object:
    return {
        "version": _clean(tls.version) or None,
        "cipher": _clean(tls.cipher) or None,
        "server_name": _clean(tls.server_name) or None,
        "alpn": _text(tls.alpn) or None,
        "alpn_offers": [_text(each) for each in tls.alpn_offers],
        "certificate_count": len(tls.chain),
        "is_resumed": tls.is_resumed,
    }


def _timings(flow: HttpFlow) -> Object:
    """Each null if it did not happen or is not known: a kept connection took no time to open."""
    request, response, server = flow.request, flow.response, flow.server
    tls = server.tls if server is not None else None
    return {
        "connect_ms": _ms(server.opened_at, server.connected_at) if server is not None else None,
        "tls_ms": _ms(tls.started_at, tls.established_at) if tls is not None else None,
        "request_ms": _ms(request.timestamp_start, request.timestamp_end),
        "wait_ms": _ms(request.timestamp_end, response.timestamp_start) if response is not None else None,
        "response_ms": _ms(response.timestamp_start, response.timestamp_end) if response is not None else None,
    }


def _ms(start: float | None, end: float | None) -> float | None:
    return round(max(end - start, 0.0) * 1000, 3) if start is not None and end is not None else None


def _time(timestamp: float | None) -> str | None:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds") if timestamp else None


def _fields(headers: Headers) -> list[list[str]]:
    return [[_text(name), _text(value)] for name, value in headers]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _clean(text: str) -> str:
    """Without lone surrogates, which are not valid in JSON: those that stand for bytes as these, others by their number."""
    return text if text.isascii() else _SURROGATE.sub(lambda match: escape_character(match[0]), text)


def _address(address: Address | None) -> str | None:
    return f"{bracketed(_clean(address[0]))}:{address[1]}" if address is not None else None
