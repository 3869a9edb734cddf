"""HAR 1.2, what browsers save a page's traffic as: written for any number of HTTP flows, read from browsers and ourselves.

    HttpFlow ─▸ har_entry ─▸ JSON, one entry after the other ─▸ file        file ─▸ har_file ─▸ entry ─▸ har_flow ─▸ HttpFlow

One flow is in memory at a time when writing, and the text of the file with one entry when reading, so that a loop can do
something else in between. What HAR has no place for stands in fields that begin with an underscore, as the specification wants
it: errors and WebSocket messages where Chrome has them, markers, bytes that are not text. Not in it: trailers, informational
responses, TLS.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, Protocol

from interceptor import __version__
from interceptor.model.connection import Connection
from interceptor.model.flow import Flow, HttpFlow
from interceptor.session.formats.har_entry import entry_of
from interceptor.session.formats.har_file import NotHar, entries
from interceptor.session.formats.har_flow import ConnectionsSeen, NotOurs, flow_of
from interceptor.specs.errors import UserError

_PACKED: Final = 0x78  # what zlib's format begins with


class Output(Protocol):
    def write(self, content: bytes, /) -> object: ...


class HarWriter:
    """`write` each flow, then `close`; the stream stays open. `is_packed`: through zlib, as `.zhar` files are."""

    def __init__(self, stream: Output, is_packed: bool = False) -> None:
        self._stream = stream
        self._packer = zlib.compressobj() if is_packed else None
        self._count = 0
        self._connections: dict[Connection, int] = {}
        creator = json.dumps({"name": "interceptor", "version": __version__})
        self._put(f'{{"log": {{"version": "1.2", "creator": {creator}, "pages": [], "entries": [')

    def write(self, flow: Flow) -> bool:
        """False if it is no HTTP flow: HAR has no place for others."""
        if not isinstance(flow, HttpFlow):
            return False
        separator = ",\n" if self._count else "\n"
        self._put(separator + json.dumps(entry_of(flow, self._connections)))
        self._count += 1
        return True

    def close(self) -> None:
        self._put("\n]}}\n")
        if self._packer is not None:
            self._stream.write(self._packer.flush())

    def _put(self, text: str) -> None:
        raw = text.encode("ascii")
        self._stream.write(raw if self._packer is None else self._packer.compress(raw))


def is_har_name(name: str) -> bool:
    return name.lower().endswith((".har", ".zhar"))


def is_packed_name(name: str) -> bool:
    return name.lower().endswith(".zhar")


def read_flows(stream: BinaryIO, skipped: Callable[[str], None], largest: int = 1 << 31) -> Iterator[Flow]:
    """Flows in the file's order, with id 0; `skipped` is told, in a sentence, what was left out.

    UserError where the file is damaged or cut off: what stands before that has been yielded.
    """
    seen = ConnectionsSeen()
    try:
        for number, entry in enumerate(entries(_text(stream.read(largest + 1), largest)), 1):
            try:
                yield flow_of(entry, seen)
            except NotOurs as error:
                skipped(f"Left out, entry {number}: {error}.")
            except (ValueError, TypeError, LookupError, OverflowError) as error:
                skipped(f"Entry {number} is not as it should be and was left out: {error}.")
    except NotHar as error:
        raise UserError(f"This is not a HAR file, or a damaged one, from character {error.position} on: {error}.") from None


def _text(raw: bytes, largest: int) -> str:
    if raw[:1] == bytes([_PACKED]):
        unpacker = zlib.decompressobj()
        try:
            raw = unpacker.decompress(raw, largest + 1)
        except zlib.error as error:
            raise UserError(f"This HAR file cannot be unpacked: {error}.") from None
    if len(raw) > largest:
        raise UserError(f"This HAR file is larger than {largest} bytes.")
    return raw.decode("utf-8-sig", "replace")
