"""The messages of a conversation as parts of a record: the tables of its log, and its contents as one body.

    MessageLog, WebSocketLog, or a list of messages ─▸ kinds of bodies · ends · times · flags · originals · contents · long ones
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from interceptor.model.body import Body
from interceptor.model.flow import Opcode, TcpMessage, WebSocketMessage
from interceptor.model.records import WebSocketMessageData
from interceptor.session.messages import MessageLog, Tables, WebSocketLog
from interceptor.session.record_parts import Malformed, Parts, table_bytes
from interceptor.session.spool import SpooledBody

_LONG: Final = struct.Struct("<QBBB?d")  # index, how its body is kept, flags, opcode, whether it is of the client, when
_KEPT: Final = struct.Struct("<BI")  # how the contents are kept, how many long messages
_INJECTED, _DROPPED = 1, 2


class Record(Protocol):
    """What is known of a record that is being made."""

    parts: list[bytes]

    def body(self, body: Body, is_growing: bool = False) -> int: ...


Logged = Sequence[TcpMessage] | Sequence[WebSocketMessage]


def pack_messages(record: Record, messages: Logged, is_live: bool) -> None:
    """Adds all messages to a record."""
    log = messages if isinstance(messages, MessageLog | WebSocketLog) else _logged(messages)
    tables = log.tables()
    long = log.long_by_index() if isinstance(log, WebSocketLog) else {}
    place = len(record.parts)
    record.parts += (b"", table_bytes(tables.ends), table_bytes(tables.timestamps), bytes(tables.flags))
    flat = array("Q", [number for pair in tables.originals.items() for number in pair])
    record.parts.append(table_bytes(flat))
    kept = record.body(log.contents, is_live)
    record.parts[place] = _KEPT.pack(kept, len(long))
    for index, message in long.items():
        flags = (_INJECTED if message.is_injected else 0) | (_DROPPED if message.is_dropped else 0)
        head = len(record.parts)
        record.parts.append(b"")
        kept = record.body(message.body, is_live)
        record.parts[head] = _LONG.pack(index, kept, flags, message.opcode, message.from_client, message.timestamp)


def _logged(messages: Logged) -> MessageLog | WebSocketLog:
    """Of messages that came from a file, each with a body of its own."""
    sockets = [each for each in messages if isinstance(each, WebSocketMessage)]
    if not sockets:
        return MessageLog(_never, [each for each in messages if isinstance(each, TcpMessage)])
    log = WebSocketLog(_never)
    for each in sockets:
        content = each.body.read()
        original = each.original.read() if each.original is not None else None
        data, original = (None, content) if each.is_dropped else (content, original)
        log.append(
            WebSocketMessageData(
                None, each.from_client, each.opcode, data, each.timestamp, original, each.is_injected  # type: ignore[arg-type]
            )
        )
    return log


def _never() -> SpooledBody:
    raise AssertionError("contents that are about to be written stay in memory")


ReadBody = Callable[[int], Body]
NewSpooled = Callable[[], SpooledBody]


def unpacked_messages(parts: Parts, body: ReadBody, new_spooled: NewSpooled) -> MessageLog:
    tables, contents, _ = _unpacked(parts, body)
    return MessageLog.restored(new_spooled, tables, contents)


def unpacked_socket_messages(parts: Parts, body: ReadBody, new_spooled: NewSpooled) -> WebSocketLog:
    tables, contents, count = _unpacked(parts, body)
    long: dict[int, WebSocketMessage] = {}
    for _ in range(count):
        index, kept, flags, opcode, from_client, moment = parts.numbers(_LONG)
        is_dropped, is_injected = bool(flags & _DROPPED), bool(flags & _INJECTED)
        long[index] = WebSocketMessage(from_client, Opcode(opcode), body(kept), moment, is_dropped, is_injected)
    return WebSocketLog.restored_with(new_spooled, tables, contents, long)


def _unpacked(parts: Parts, body: ReadBody) -> tuple[Tables, Body, int]:
    kept, count = parts.numbers(_KEPT)
    ends: array[Any] = parts.table("Q")
    times: array[Any] = parts.table("d")
    flags = bytearray(parts.next())
    flat = parts.table("Q")
    if not len(ends) == len(times) == len(flags) or len(flat) % 2:
        raise Malformed("the messages of a conversation are not complete")
    pairs = iter(flat)
    return Tables(ends, times, flags, dict(zip(pairs, pairs, strict=True))), body(kept), count
