"""Flow files of mitmproxy before version 12 of their format, brought into a shape that `mitmproxy_read` knows.

    0.11 … 3.0   versions are lists of the program's own numbers; names of fields may be bytes (Python 2)
    0.11 … 0.13  httpversion [1, 1], code and msg instead of http_version, status_code and reason
    0.14, 0.15   the content of a message is its body
    … 1.0        an address is a dict {address: [host, port], use_ipv6: …}
    … 11         the messages of a WebSocket are a flow of their own, which names the one that it began with

What only has another name from version 4 on is looked for under both by `mitmproxy_read`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

State = dict[object, object]

OLDEST: Final = (0, 11)
_MOST_HANDSHAKES: Final = 200
_CONNECTIONS: Final = ("client_conn", "server_conn")
_ADDRESSES: Final = ("address", "source_address", "ip_address", "peer_address")


def is_old(version: object) -> bool:
    """Whether it is one of those that were lists of numbers, and known."""
    if not isinstance(version, list) or len(version) < 2 or not all(type(part) is int for part in version):
        return False
    return OLDEST <= tuple(version[:2]) <= (3, 0)


def modernised(state: State) -> State:
    """One whose `version` `is_old`."""
    state = _with_text_keys(state)
    for name in _CONNECTIONS:
        connection = state.get(name)
        if isinstance(connection, dict):
            for key in _ADDRESSES:
                address = connection.get(key)
                if isinstance(address, dict):
                    connection[key] = address.get("address")
            connection.setdefault("ip_address", connection.pop("peer_address", None))
    for name in ("request", "response"):
        message = state.get(name)
        if isinstance(message, dict):
            _rename(message)
    return state


def _rename(message: State) -> None:
    version = message.pop("httpversion", None)
    if isinstance(version, list):
        message["http_version"] = b"HTTP/" + ".".join(str(part) for part in version[:2]).encode("ascii", "replace")
    for old, new in (("code", "status_code"), ("msg", "reason"), ("body", "content")):
        if old in message and new not in message:
            message[new] = message.pop(old)


def _with_text_keys(state: State) -> State:
    return {
        key.decode("utf-8", "replace") if isinstance(key, bytes) else key: _with_text_keys(value)
        if isinstance(value, dict)
        else value
        for key, value in state.items()
    }


class Handshakes:
    """Flows that became WebSockets, by their id, until their messages come."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, State] = OrderedDict()

    def see(self, state: State) -> State:
        """The flow itself, or, for the messages of a WebSocket, the flow that it began with, with the messages in it."""
        metadata = state.get("metadata")
        if not isinstance(metadata, dict):
            return state
        if state.get("type") == "websocket":
            begun = self._states.pop(str(metadata.get("websocket_handshake")), None)
            return state if begun is None else _joined(begun, state)
        if metadata.get("websocket"):
            self._states[str(state.get("id"))] = state
            if len(self._states) > _MOST_HANDSHAKES:
                self._states.popitem(last=False)
        return state


def _joined(begun: State, spoken: State) -> State:
    server = begun.get("server_conn")
    return begun | {
        "websocket": {
            "messages": spoken.get("messages"),
            "closed_by_client": spoken.get("close_sender") == "client",
            "close_code": spoken.get("close_code"),
            "close_reason": spoken.get("close_reason"),
            "timestamp_end": server.get("timestamp_end") if isinstance(server, dict) else None,
        }
    }
