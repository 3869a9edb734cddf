"""WebSocket messages as tests write them down and compare them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interceptor.model.body import MemoryBody
from interceptor.model.flow import Opcode, WebSocketMessage


def spoken(from_client: bool, content: bytes, timestamp: float, opcode: Opcode = Opcode.TEXT, **more: Any) -> WebSocketMessage:
    return WebSocketMessage(from_client, opcode, MemoryBody(content), timestamp, **more)


def facts(messages: Iterable[WebSocketMessage]) -> list[tuple[object, ...]]:
    """Everything about each: bodies are handles, so messages themselves are never equal."""
    return [
        (
            each.from_client,
            each.opcode.name,
            each.body.read(),
            each.timestamp,
            each.is_dropped,
            each.is_injected,
            None if each.original is None else each.original.read(),
        )
        for each in messages
    ]
