"""The dict of mitmproxy's flow file as a flow, in the form of any version from 4 on.

Older versions are not migrated step by step: where a field once had another name, that name is looked for as well. Values are
taken only in the type that they must have; anything else raises, and costs that one flow. Connections and certificates that
repeat from flow to flow become one object again.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Final

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Address, Connection, Hop, Route, Side, TlsFacts
from interceptor.model.dns import DnsMessage
from interceptor.model.flow import (
    DnsFlow,
    Flow,
    FlowError,
    HttpFlow,
    Opcode,
    TcpFlow,
    TcpMessage,
    UdpFlow,
    WebSocketData,
    WebSocketMessage,
)
from interceptor.model.http import Headers, Message, Request, Response
from interceptor.session.formats.dns_state import message_of_state
from interceptor.session.formats.mitmproxy_write import REPLAY_OF, STREAMS, number_in

State = dict[object, object]

_CACHED: Final = 4096
_YEAR_10000: Final = 253_402_300_800


class NotOurs(Exception):
    """A flow of a kind that this version has no record for; the message says which."""


class ConnectionCache:
    """Connections by their id and certificates by their text, as long as they are read from one file."""

    def __init__(self) -> None:
        self._connections: dict[tuple[Side, str], tuple[State, Connection]] = {}
        self._certificates: dict[bytes, bytes] = {}

    def connection(self, side: Side, state: State) -> Connection | None:
        """The same object for the same state; None if the state says nothing."""
        key = side, _text(state.get("id") or "")  # before version 5 there is none
        known = self._connections.get(key)
        if known is not None and known[0] == state:
            return known[1]
        connection = _connection(side, state, self)
        if connection is not None:
            if len(self._connections) >= _CACHED:
                self._connections.clear()
            self._connections[key] = state, connection
        return connection

    def der(self, pem: bytes) -> bytes:
        if pem not in self._certificates:
            if len(self._certificates) >= _CACHED:
                self._certificates.clear()
            self._certificates[pem] = _der(pem)
        return self._certificates[pem]


def flow_from_state(state: State, cache: ConnectionCache) -> Flow:
    """With the file's numbers. NotOurs for a kind that we have no record for; ValueError, TypeError or LookupError if it is not
    as it should be."""
    kind = _text(state.get("type"))
    match kind:
        case "http":
            flow: Flow = _http_flow(state)
        case "tcp":
            flow = _raw_flow(TcpFlow(0), state)
        case "udp":
            flow = _raw_flow(UdpFlow(0), state)
        case "websocket":
            raise NotOurs("the messages of a WebSocket without the request that it began with")
        case "dns":
            flow = _dns_flow(state)
        case _:
            raise NotOurs(f"a flow of the unknown kind {kind!r}")
    _fill(flow, state, cache)
    return flow


def _fill(flow: Flow, state: State, cache: ConnectionCache) -> None:
    """What every kind has; last, because it looks at when the rest ended."""
    client_state, server_state = _dict(state["client_conn"]), _dict(state["server_conn"])
    flow.client = cache.connection(Side.CLIENT, client_state)
    flow.server = cache.connection(Side.SERVER, server_state)
    flow.mode = _text(client_state.get("proxy_mode") or state.get("mode") or "regular")
    error = state.get("error")
    if error:
        told = _dict(error)
        flow.error = FlowError(_text(told["msg"]), _time(told.get("timestamp")) or 0.0)
    marked = state.get("marked")
    flow.marker = "default" if marked is True else _text(marked or "").strip(":")
    flow.comment = _text(state.get("comment") or "")
    flow.metadata = {_text(key): value for key, value in _dict(state.get("metadata") or {}).items()}
    numbers = flow.metadata.pop(STREAMS, None)
    if isinstance(flow, HttpFlow) and isinstance(numbers, list) and len(numbers) == 2:
        flow.client_stream, flow.server_stream = map(_int, numbers)
    match _replayed(state):
        case "request":
            flow.replay_of = _number(flow.metadata.pop(REPLAY_OF, None))
        case "response":
            flow.metadata["is_replay"] = "response"
    flow.id = number_in(_text(state.get("id") or ""))
    began = flow.request.timestamp_start if isinstance(flow, HttpFlow) else flow.client.opened_at if flow.client else None
    flow.created_at = _time(state.get("timestamp_created")) or began or 0.0
    flow.ended_at = _end(flow)


def _number(value: object) -> int:
    """Of a flow of the same file; 0 if it does not say."""
    return value if isinstance(value, int) and 0 < value < 1 << 48 else 0


def _replayed(state: State) -> object:
    if "is_replay" in state:
        return state["is_replay"]
    for part in ("request", "response"):  # before version 9
        message = state.get(part)
        if isinstance(message, dict) and message.get("is_replay"):
            return part
    return None


def _end(flow: Flow) -> float | None:
    """The file has no field for it: the last that is known to have happened."""
    times = [flow.error.timestamp if flow.error is not None else None]
    if isinstance(flow, HttpFlow):
        times.append(flow.response.timestamp_end if flow.response is not None else None)
        times.append(flow.websocket.timestamp_end if flow.websocket is not None else None)
    elif isinstance(flow, TcpFlow):
        times += [each.closed_at for each in (flow.client, flow.server) if each is not None]
        times += [flow.messages[-1].timestamp] if flow.messages else []
    return max((time for time in times if time is not None), default=None)


# ---- connections


def _connection(side: Side, state: State, cache: ConnectionCache) -> Connection | None:
    is_client = side is Side.CLIENT
    is_old = "address" in state and ("source_address" in state or is_client)  # before version 19
    if is_client:
        peer = _address(state.get("address" if is_old else "peername"))
        local, resolved = _address(state.get("sockname")), None
    else:
        peer = _address(state.get("address"))
        local = _address(state.get("source_address" if is_old else "sockname"))
        resolved = _address(state.get("ip_address" if is_old else "peername"))
    connection = Connection(
        side,
        peer=peer if peer is not None else resolved,
        resolved=resolved if resolved != peer and peer is not None else None,
        local=local,
        transport=_text(state.get("transport_protocol") or "tcp"),
        opened_at=_time(state.get("timestamp_start")) or 0.0,
        connected_at=None if is_client else _time(state.get("timestamp_tcp_setup")),
        closed_at=_time(state.get("timestamp_end")),
        tls=_tls(state, cache),
        error=_text(state.get("error") or ""),
        via=() if is_client else _via(state.get("via")),
    )
    is_nothing = connection.peer is None and connection.tls is None and not connection.opened_at and not connection.error
    return None if is_nothing else connection


def _via(spec: object) -> Route:
    """(scheme, (host, port)), or nothing."""
    if not isinstance(spec, (list, tuple)) or len(spec) != 2:
        return ()
    address, scheme = _address(spec[1]), _text(spec[0])
    return (Hop(scheme, *address),) if address is not None and scheme in ("http", "https") else ()


def _tls(state: State, cache: ConnectionCache) -> TlsFacts | None:
    version = _text(_first(state, "tls_version") or "")
    established_at = _time(_first(state, "timestamp_tls_setup", "timestamp_ssl_setup"))
    if not (version or established_at or _first(state, "tls", "tls_established", "ssl_established")):
        return None
    name = _first(state, "sni")
    if name is True:  # before version 19: the address
        name = (_address(state.get("address")) or ("", 0))[0]
    certificates = _first(state, "certificate_list")
    if certificates is None:  # before version 10: one at most
        single = _first(state, "cert", "clientcert")
        certificates = [single] if single else []
    return TlsFacts(
        version="QUICv1" if version == "QUIC" else version,
        cipher=_text(_first(state, "cipher", "cipher_name") or ""),
        server_name=_text(name or ""),
        alpn_offers=tuple(_bytes(each) for each in _list(_first(state, "alpn_offers") or [])),
        alpn=_bytes(_first(state, "alpn", "alpn_proto_negotiated") or b""),
        chain=tuple(cache.der(_bytes(each)) for each in _list(certificates)),
        established_at=established_at,
    )


def _der(pem: bytes) -> bytes:
    _, begin, rest = pem.partition(b"-----BEGIN CERTIFICATE-----")
    text, end, _ = rest.partition(b"-----END CERTIFICATE-----")
    if not begin or not end:
        raise ValueError("a certificate is not in PEM")
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a certificate is not in PEM: {error}") from None


# ---- HTTP


def _http_flow(state: State) -> HttpFlow:
    flow = HttpFlow(0, request=_request(state["request"]), response=_response(state.get("response")))
    backup = state.get("backup")
    if backup:
        earlier = _dict(backup)
        flow.original = _request(earlier["request"]), _response(earlier.get("response"))
        flow.is_modified = True
    websocket = state.get("websocket")
    if websocket:
        flow.websocket = _websocket(_dict(websocket))
    if flow.response is not None:
        status = flow.response.status_code
        flow.is_upgraded = status == 101 or (flow.request.method == "CONNECT" and 200 <= status < 300)
        if status == 101 and not flow.request.http_version.startswith("HTTP/1"):
            flow.request.protocol = "websocket"  # it came over HTTP/2 (RFC 8441)
    return flow


def _request(value: object) -> Request:
    state = _dict(value)
    method, authority = _wire_text(state["method"]), _bytes(state.get("authority") or b"")
    http_version = _wire_text(state["http_version"])
    is_connect = method == "CONNECT"
    port = _int(state["port"])
    if not 0 <= port <= 65535:
        raise ValueError(f"{port} is no port")
    request = Request(
        method,
        _wire_text(state["scheme"]),
        _text(state["host"]),
        port,
        authority if is_connect and authority else _bytes(state["path"]),
        authority="" if is_connect else _wire_text(authority),
        is_absolute=bool(authority) and http_version.startswith("HTTP/1") and not is_connect,
    )
    _fill_message(request, state)
    return request


def _response(value: object) -> Response | None:
    if value is None:
        return None
    state = _dict(value)
    response = Response(_int(state["status_code"]), _bytes(state["reason"]))
    _fill_message(response, state)
    return response


def _fill_message(message: Message, state: State) -> None:
    content, trailers = state.get("content"), state.get("trailers")
    message.http_version = _wire_text(state["http_version"])
    message.headers = _headers(state["headers"])
    message.trailers = _headers(trailers) if trailers is not None else None
    message.timestamp_start = _time(state.get("timestamp_start")) or 0.0
    message.timestamp_end = _time(state.get("timestamp_end"))
    body = MemoryBody(_bytes(content) if content is not None else b"")
    body.is_truncated = content is None  # it passed, and was not kept
    message.body = body


def _headers(value: object) -> Headers:
    fields = []
    for each in _list(value):
        name, content = _list(each)
        fields.append((_bytes(name), _bytes(content)))
    return Headers(fields)


def _websocket(state: State) -> WebSocketData:
    closed_by, code = state.get("closed_by_client"), state.get("close_code")
    return WebSocketData(
        [_websocket_message(_list(each)) for each in _list(state["messages"])],
        closed_by_client=None if closed_by is None else bool(closed_by),
        close_code=None if code is None else _int(code),
        close_reason=_text(state.get("close_reason") or ""),
        timestamp_end=_time(state.get("timestamp_end")),
    )


def _websocket_message(parts: list[object]) -> WebSocketMessage:
    kind, from_client, content, timestamp, is_dropped, *rest = parts
    raw = content.encode("utf-8") if isinstance(content, str) else _bytes(content)
    is_injected = bool(rest and rest[0])  # from version 15 on
    opcode = Opcode.TEXT if _int(kind) == Opcode.TEXT else Opcode.BINARY
    time = _time(timestamp) or 0.0
    return WebSocketMessage(bool(from_client), opcode, MemoryBody(raw), time, bool(is_dropped), is_injected)


# ---- DNS


def _dns_flow(state: State) -> DnsFlow:
    def message(state: State, name: str) -> DnsMessage | None:
        try:
            return message_of_state(_dict(state[name])) if state.get(name) is not None else None
        except struct.error as error:
            raise ValueError(f"a DNS message makes no sense: {error}") from None

    request = message(state, "request")
    if request is None:
        raise ValueError("a DNS flow without a query")
    flow = DnsFlow(0, request=request, response=message(state, "response"))
    if backup := state.get("backup"):
        before = _dict(backup)
        flow.original, flow.is_modified = (message(before, "request") or request, message(before, "response")), True
    return flow


# ---- TCP and UDP


def _raw_flow(flow: TcpFlow, state: State) -> TcpFlow:
    flow.messages = [_tcp_message(_list(each)) for each in _list(state["messages"])]
    flow.message_count = len(flow.messages)
    flow.byte_count = sum(each.body.size for each in flow.messages)
    flow.is_modified = bool(state.get("backup"))
    return flow


def _tcp_message(parts: list[object]) -> TcpMessage:
    from_client, content, timestamp = parts
    return TcpMessage(bool(from_client), MemoryBody(_bytes(content)), _time(timestamp) or 0.0)


# ---- values of the type that they must have


def _first(state: State, *names: str) -> object:
    return next((state[name] for name in names if state.get(name) is not None), None)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} stands where text belongs")
    return value


def _wire_text(value: object) -> str:
    return _bytes(value).decode("utf-8", "surrogateescape")


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} stands where bytes belong")
    return value


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{type(value).__name__} stands where a number belongs")
    return value


def _time(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)):
        raise TypeError(f"{type(value).__name__} stands where a time belongs")
    if not 0 <= value < _YEAR_10000:
        raise ValueError(f"{value} is no time that a calendar has")
    return float(value)


def _dict(value: object) -> State:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} stands where a dict belongs")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} stands where a list belongs")
    return value


def _address(value: object) -> Address | None:
    if value is None:
        return None
    host, port, *_ = _list(value)  # IPv6 has two more
    name, number = _text(host), _int(port)
    return (name, number) if name or number else None
