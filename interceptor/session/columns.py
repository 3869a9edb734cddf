"""What the list of flows is sorted and filtered by, of every flow, in arrays: some fifty bytes each.

    flow ─ row_of ─▸ a tuple in the order of `COLUMNS` ─▸ Columns (in memory, by id) and the blocks of the session file

Hosts, methods and types are numbers of `Words`, each text once. A text that hardly comes twice is `NO_WORD`: who needs it asks
the flow itself.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final

from interceptor.model.flow import DnsFlow, Flow, HttpFlow
from interceptor.model.http import Request
from interceptor.session.orders import FAILED_STATUS, NO_STATUS, ORDERS
from interceptor.session.record_parts import Malformed, Parts, joined, table_bytes
from interceptor.specs.filter_columns import (
    DNS,
    DNS_RESPONSE,
    ERROR,
    HELD,
    HTTP,
    LIVE,
    MARKED,
    MODIFIED,
    NO_WORD,
    REPLAYED,
    RESPONSE,
    SENT_AGAIN,
    TCP,
    UDP,
    WEBSOCKET,
)

COLUMNS: Final = (
    ("created", "d"), ("duration", "d"), ("size", "Q"), ("status", "i"), ("method", "I"), ("host", "I"), ("target", "I"),
    ("type", "I"), ("request_type", "I"), ("response_type", "I"), ("port", "I"), ("flags", "I"), ("process", "I"),
)  # fmt: skip
"""Name and kind of array. `host` is the one that the client named, `target` the one that is connected to; `type` is the media
type that the list is sorted by, the other two are the whole Content-Type fields. New columns
of words come at the end: blocks that were written without one are read as not knowing it."""

_LONGEST_TYPE: Final = 80
_LARGEST_BLOCK: Final = 1 << 29
"""What is written at once is hardly ever a hundredth of that."""

_KINDS: Final = {"http": HTTP, "tcp": TCP, "udp": UDP, "dns": DNS}
HAPPENS: Final = LIVE | HELD
"""Flags that are not true of a flow any more when its session is opened."""

_method, _host, _type, _status, _duration = (ORDERS[name] for name in ("method", "host", "type", "status", "duration"))
_BIGGEST: Final = (1 << 64) - 1


class Words:
    """Texts by number, the same number for the same text."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}
        self._of_fields: dict[bytes, int] = {}  # of hosts and content types as they stand in heads
        self._media: dict[int, int] = {}  # the media type of a content type

    def number(self, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return number

    def extend(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)

    def of_host_field(self, value: bytes, request: Request) -> int:
        """The host that the client named in its only Host field."""
        number = self._of_fields.get(value)
        if number is None:
            number = self.number(request.pretty_host.lower())
            if value:
                self._of_fields[value] = number
        return number

    def of_content_type(self, value: bytes) -> int:
        """`NO_WORD` for one of a kind, like those with a boundary."""
        if len(value) > _LONGEST_TYPE or b"boundary" in value:
            return NO_WORD
        return self.number(value.decode("latin-1"))

    def media_type(self, content_type: int) -> int:
        number = self._media.get(content_type)
        if number is None:
            text = self.texts[content_type].partition(";")[0].strip().lower()
            number = self._media[content_type] = self.number(text)
        return number


Row = tuple[Any, ...]


def row_of(flow: Flow, words: Words) -> Row:
    """What the columns have of that flow."""
    flags = _flags_of(flow)
    process = flow.client.process if flow.client is not None else None
    program = words.number(process.text if process is not None else "")
    size, duration = min(flow.bytes_held(), _BIGGEST), _duration(flow)
    if not isinstance(flow, HttpFlow):
        host, kind = words.number(str(_host(flow))), words.number(flow.kind)
        port = flow.server.peer[1] if flow.server is not None and flow.server.peer is not None else 0
        method, status = words.number(str(_method(flow))), int(_status(flow))
        # the names in TLS count as hosts, too: ask the flow
        sums = flow.created_at, duration, size, status
        return *sums, method, host, NO_WORD, kind, NO_WORD, NO_WORD, port & NO_WORD, flags, program
    request, response = flow.request, flow.response
    asked = answered = media = words.number("")
    named, count = b"", 0
    for name, value in request.headers.fields:
        length = len(name)
        if length == 4 and name.lower() == b"host":
            named, count = value, count + 1
        elif length == 12 and name.lower() == b"content-type":
            asked = words.of_content_type(value) if asked == media else NO_WORD
    host = words.of_host_field(named if count == 1 else b"", request)
    status = FAILED_STATUS if flow.error is not None else NO_STATUS
    if response is not None:
        flags |= RESPONSE
        status = response.status_code
        for name, value in response.headers.fields:
            if len(name) == 12 and name.lower() == b"content-type":
                answered = words.of_content_type(value) if answered == media else NO_WORD
        media = words.media_type(answered) if answered != NO_WORD else words.number(str(_type(flow)))
    method, target = words.number(request.method), words.number(request.host)
    status = max(min(status, 99_999), -1)
    sums = flow.created_at, duration, size, status
    return *sums, method, host, target, media, asked, answered, request.port & NO_WORD, flags, program


def _flags_of(flow: Flow) -> int:
    flags = _KINDS.get(flow.kind, 0)
    if flow.error is not None:
        flags |= ERROR
    if flow.marker:
        flags |= MARKED
    if flow.is_live:
        flags |= LIVE
    if flow.held is not None:
        flags |= HELD
    if flow.replay_of is not None:
        flags |= SENT_AGAIN
    if flow.is_modified:
        flags |= MODIFIED
    if flow.metadata and flow.metadata.get("is_replay") == "response":
        flags |= REPLAYED
    if isinstance(flow, DnsFlow) and flow.response is not None:
        flags |= DNS_RESPONSE
    if isinstance(flow, HttpFlow) and flow.websocket is not None:
        flags |= WEBSOCKET
    return flags


def block_index(ids: Sequence[int], ends: Sequence[int], rows: Sequence[Row]) -> bytes:
    """What stands beside the records of a block: whose they are, where each ends, and their columns."""
    tables = [array("Q", ids), array("I", ends)]
    tables += [array(kind, values) for (_, kind), values in zip(COLUMNS, zip(*rows, strict=True), strict=True)]
    return joined([table_bytes(table) for table in tables])


def block_records(packed: bytes, ends: Sequence[int]) -> bytes:
    """All records of a block, of whose index the ends are. `Malformed` if it cannot be unpacked, or is larger than it says."""
    size = ends[-1] if ends else 0
    if size > _LARGEST_BLOCK:
        raise Malformed(f"a block says that it has {size} bytes")
    unpacker = zlib.decompressobj()
    try:
        records = unpacker.decompress(packed, size + 1)
    except zlib.error as error:
        raise Malformed(f"a block cannot be unpacked: {error}") from None
    if len(records) > size or not unpacker.eof:
        raise Malformed("a block cannot be unpacked: it has another size than it says")
    return records


def read_index(content: bytes) -> tuple[array[int], array[int], list[array[Any]]]:
    """The same again: ids, ends, columns. `Malformed` if it is none."""
    parts = Parts(content)
    ids, ends = parts.table("Q"), parts.table("I")
    tables = [parts.table(kind) if parts.is_more else array(kind, [NO_WORD]) * len(ids) for _, kind in COLUMNS]
    if any(len(table) != len(ids) for table in (ends, *tables)):
        raise Malformed("the index of a block is not complete")
    return ids, ends, tables


