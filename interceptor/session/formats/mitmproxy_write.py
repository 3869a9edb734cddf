"""A flow as the dict that mitmproxy's flow file has for it, version 21.

mitmproxy checks types strictly when it loads: a field that is missing or of another type costs the whole file. So every field is
written, and what it would not take (a TLS version that it does not know, metadata that is no plain data) is replaced.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from interceptor.model.connection import Address, Connection, Route, Side
from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow, TcpMessage, WebSocketData
from interceptor.model.http import Headers, Message, Request, Response
from interceptor.session.formats.dns_state import state_of_message
from interceptor.session.formats.tnetstring import Streamed
from interceptor.specs.errors import UserError

VERSION: Final = 21
REPLAY_OF: Final = "interceptor_replay_of"
"""The name in the metadata of a replay of the number of the flow that it is a replay of."""
STREAMS: Final = "interceptor_streams"
"""The name in the metadata of the numbers of HTTP/2's streams, the client's and the server's: 0 where there is none."""
State = dict[str, Any]

_TLS_VERSIONS: Final = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "DTLSv0.9", "DTLSv1", "DTLSv1.2", "QUICv1")
_NAMED_MODES: Final = re.compile(
    r"(regular|upstream:.+|reverse:.+|socks5|transparent|wireguard(:.+)?|local(:.+)?|tun(:.+)?|dns)(@.+)?", re.IGNORECASE
)
_NOWHERE: Final = ("", 0)
_METADATA_DEPTH: Final = 12


def state_of_flow(flow: Flow) -> State:
    """UserError if the format has no such kind of flow."""
    match flow:
        case HttpFlow():
            state = _http_state(flow, flow.request, flow.response)
            if flow.original is not None:
                state["backup"] = _http_state(flow, *flow.original)
            return state
        case DnsFlow():
            state = _dns_state(flow, flow.request, flow.response)
            if flow.original is not None:
                state["backup"] = _dns_state(flow, *flow.original)
            return state
        case TcpFlow():
            return _flow_state(flow) | {"messages": [_tcp_message_state(each) for each in flow.messages]}
        case _:
            raise UserError(f"A flow file of this version has no place for flows of the kind {flow.kind!r}.")


def _flow_state(flow: Flow) -> State:
    metadata = {str(key): _plain(value) for key, value in flow.metadata.items()}
    replayed = metadata.pop("is_replay", None)
    if isinstance(flow, HttpFlow) and (flow.client_stream or flow.server_stream):
        metadata[STREAMS] = [flow.client_stream, flow.server_stream]
    if flow.replay_of:
        metadata[REPLAY_OF] = flow.replay_of
    return {
        "version": VERSION,
        "type": flow.kind,
        "id": _id_of(flow),
        "error": {"msg": flow.error.message, "timestamp": float(flow.error.timestamp)} if flow.error is not None else None,
        "client_conn": _client_state(flow.client, flow.mode),
        "server_conn": _server_state(flow.server),
        "intercepted": flow.held is not None,
        "is_replay": "request" if flow.replay_of is not None else "response" if replayed == "response" else None,
        "marked": f":{flow.marker.strip(':')}:" if flow.marker else "",
        "metadata": metadata,
        "comment": flow.comment,
        "timestamp_created": float(flow.created_at),
        "backup": None,
    }


# An id is a UUID of version 8 (RFC 9562 §5.8): a digest of number and time, so that flows of different sessions differ, a mark
# of ours, and the number. So a file says which flow a replay is a replay of, and mitmproxy keeps it when it writes the flow anew.

_OUR_MARK: Final = 0x8 << 76 | 0b10 << 62 | 0x2E57 << 48
_MARK_BITS: Final = 0xF << 76 | 0xFFFF << 48
_NUMBER_BITS: Final = (1 << 48) - 1


def _id_of(flow: Flow) -> str:
    digest = uuid5(NAMESPACE_URL, f"flow {flow.id} {flow.created_at!r}").int
    return str(UUID(int=digest & ~(_MARK_BITS | _NUMBER_BITS) | _OUR_MARK | flow.id & _NUMBER_BITS))


def number_in(text: str) -> int:
    """The number of the flow whose id that is; 0 if it is not one of ours."""
    try:
        value = UUID(text).int
    except ValueError:
        return 0
    return value & _NUMBER_BITS if value & _MARK_BITS == _OUR_MARK else 0


# ---- connections


def _client_state(client: Connection | None, mode: str) -> State:
    connection = client if client is not None else Connection(Side.CLIENT)
    return _connection_state(connection) | {
        "peername": connection.peer or _NOWHERE,
        "sockname": connection.local or _NOWHERE,
        "mitmcert": None,
        "proxy_mode": mode if _NAMED_MODES.fullmatch(mode) else "regular",
        "timestamp_start": float(connection.opened_at),
    }


def _server_state(server: Connection | None) -> State:
    connection = server if server is not None else Connection(Side.SERVER)
    was_reached = connection.connected_at is not None and _is_literal(connection.peer)
    return _connection_state(connection) | {
        "address": connection.peer,
        "peername": connection.resolved or (connection.peer if was_reached else None),
        "sockname": connection.local,
        "timestamp_start": connection.opened_at or None,
        "timestamp_tcp_setup": connection.connected_at,
        "via": _server_spec(connection.via),
    }


def _server_spec(via: Route) -> tuple[str, Address] | None:
    """It knows one hop, and no other kind."""
    return (via[0].scheme, via[0].address) if len(via) == 1 and via[0].speaks_http else None


def _connection_state(connection: Connection) -> State:
    """What both sides have in common."""
    tls = connection.tls
    name = f"{connection!r} {connection.local} {connection.opened_at!r}".encode("ascii", "backslashreplace").decode()
    state: State = {
        "id": str(uuid5(NAMESPACE_URL, name)),
        "transport_protocol": "udp" if connection.transport == "udp" else "tcp",
        "error": connection.error or None,
        "timestamp_end": connection.closed_at,
        "tls": tls is not None,
        "certificate_list": [],
        "alpn": None,
        "alpn_offers": [],
        "cipher": None,
        "cipher_list": [],
        "tls_version": None,
        "sni": None,
        "timestamp_tls_setup": None,
    }
    if tls is not None:
        state |= {
            "certificate_list": [pem(certificate) for certificate in tls.chain],
            "alpn": tls.alpn or None,
            "alpn_offers": list(tls.alpn_offers),
            "cipher": tls.cipher or None,
            "tls_version": tls.version if tls.version in _TLS_VERSIONS else None,
            "sni": tls.server_name or None,
            "timestamp_tls_setup": tls.established_at,
        }
    return state


def pem(certificate: bytes) -> bytes:
    """DER in the lines of RFC 7468."""
    text = base64.b64encode(certificate)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN CERTIFICATE-----\n%b\n-----END CERTIFICATE-----\n" % lines


def _is_literal(address: Address | None) -> bool:
    if address is None:
        return False
    try:
        ip_address(address[0])
    except ValueError:
        return False
    return True


def _tcp_message_state(message: TcpMessage) -> tuple[object, ...]:
    return message.from_client, b"" if message.is_dropped else Streamed(message.body), float(message.timestamp)


# ---- DNS


def _dns_state(flow: DnsFlow, request: DnsMessage, response: DnsMessage | None) -> State:
    return _flow_state(flow) | {
        "request": state_of_message(request),
        "response": state_of_message(response) if response is not None else None,
    }


# ---- HTTP


def _http_state(flow: HttpFlow, request: Request, response: Response | None) -> State:
    return _flow_state(flow) | {
        "request": _request_state(request),
        "response": _response_state(response) if response is not None else None,
        "websocket": _websocket_state(flow.websocket) if flow.websocket is not None else None,
    }


def _request_state(request: Request) -> State:
    is_connect = request.method == "CONNECT"
    authority = request.authority or (request.origin.authority if request.is_absolute else "")
    return _message_state(request) | {
        "host": request.host,
        "port": request.port,
        "method": _raw(request.method),
        "scheme": _raw(request.scheme),
        "authority": request.target if is_connect else _raw(authority),
        "path": b"" if is_connect else request.target,
    }


def _response_state(response: Response) -> State:
    return _message_state(response) | {"status_code": response.status_code, "reason": response.reason}


def _message_state(message: Message) -> State:
    is_missing = message.body.is_truncated and not message.body.size
    return {
        "http_version": _raw(message.http_version),
        "headers": _fields(message.headers),
        "content": None if is_missing else Streamed(message.body),
        "trailers": _fields(message.trailers) if message.trailers is not None else None,
        "timestamp_start": float(message.timestamp_start),
        "timestamp_end": message.timestamp_end,
    }


def _websocket_state(websocket: WebSocketData) -> State:
    return {
        "messages": [
            (int(each.opcode), each.from_client, each.body.read(), each.timestamp, each.is_dropped, each.is_injected)
            for each in websocket.messages
            if not each.is_control  # mitmproxy keeps none
        ],
        "closed_by_client": websocket.closed_by_client,
        "close_code": websocket.close_code,
        "close_reason": websocket.close_reason or None,
        "timestamp_end": websocket.timestamp_end,
    }


def _fields(headers: Headers) -> Iterable[tuple[bytes, bytes]]:
    return tuple(headers.fields)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _plain(value: object, depth: int = 0) -> object:
    """Metadata may be anything that a script put there; what is not plain data is kept as its text."""
    if value is None or isinstance(value, (bool, str, bytes)):
        return value
    if isinstance(value, int) and abs(value) < 1 << 64:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if depth < _METADATA_DEPTH:
        if isinstance(value, dict):
            return {str(key): _plain(each, depth + 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [_plain(each, depth + 1) for each in value]
    return repr(value)
