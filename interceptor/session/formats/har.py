"""HAR 1.2, what browsers save a page's traffic as: written for any number of HTTP flows, read from browsers and ourselves.

    HttpFlow ─▸ har_entry ─▸ JSON, one entry after the other ─▸ file        file ─▸ har_file ─▸ entry ─▸ har_flow ─▸ HttpFlow

One flow is in memory at a time, in both directions, so files may be as large as they like, and a loop can do something else in
between. What HAR has no place for stands in fields that begin with an underscore, as the specification wants it: errors and
WebSocket messages where Chrome has them, markers, and `_interceptor` (har_own) for all else, so that a flow comes back as it was.
One thing does not: a body that was sent compressed is decoded in the file, and compressed anew when it is read.
"""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, Protocol

from interceptor import __version__
from interceptor.model.flow import Flow, HttpFlow
from interceptor.session.formats.har_entry import Large, entry_of
from interceptor.session.formats.har_file import NotHar, entries
from interceptor.session.formats.har_flow import ConnectionsSeen, NotOurs, flow_of
from interceptor.session.formats.har_own import ConnectionNumbers
from interceptor.session.formats.har_text import Entry
from interceptor.session.formats.replay_links import ReplayLinks, nobody
from interceptor.specs.errors import UserError

_STEP: Final = 3 << 18  # a multiple of three, so that pieces of base64 follow each other without padding


class Output(Protocol):
    def write(self, content: bytes, /) -> object: ...


class HarWriter:
    """`write` each flow, then `close`; the stream stays open. `is_packed`: through zlib, as `.zhar` files are."""

    def __init__(self, stream: Output, is_packed: bool = False) -> None:
        self._stream = stream
        self._packer = zlib.compressobj() if is_packed else None
        self._count = 0
        self._numbers = ConnectionNumbers()
        self._mark = secrets.token_hex(16)  # which no flow can know
        creator = json.dumps({"name": "interceptor", "version": __version__})
        self._put(f'{{"log": {{"version": "1.2", "creator": {creator}, "pages": [], "entries": [')

    def write(self, flow: Flow) -> bool:
        """False if it is no HTTP flow: HAR has no place for others."""
        if not isinstance(flow, HttpFlow):
            return False
        separator = ",\n" if self._count else "\n"
        self._put_entry(separator, entry_of(flow, self._numbers))
        self._count += 1
        return True

    def close(self) -> None:
        self._put("\n]}}\n")
        if self._packer is not None:
            self._stream.write(self._packer.flush())

    def _put_entry(self, separator: str, entry: Entry) -> None:
        large: list[Large] = []

        def marked(value: object) -> str:
            assert isinstance(value, Large)
            large.append(value)
            return self._mark

        first, *rest = (separator + json.dumps(entry, default=marked)).split(self._mark)
        self._put(first)
        for each, text in zip(large, rest, strict=True):
            self._put_body(each)
            self._put(text)

    def _put_body(self, large: Large) -> None:
        at = 0
        while at < large.size:
            piece = large.body.read(at, min(_STEP, large.size - at))
            if len(piece) < min(_STEP, large.size - at):
                raise OSError(f"a body of {large.size} bytes could only be read up to byte {at + len(piece)}")
            self._put(base64.b64encode(piece).decode("ascii"))
            at += len(piece)

    def _put(self, text: str) -> None:
        raw = text.encode("ascii")
        self._stream.write(raw if self._packer is None else self._packer.compress(raw))


def is_har_name(name: str) -> bool:
    return name.lower().endswith((".har", ".zhar"))


def is_packed_name(name: str) -> bool:
    return name.lower().endswith(".zhar")


def read_flows(
    stream: BinaryIO, skipped: Callable[[str], None], linked: Callable[[Flow], None] = nobody, largest: int = 1 << 31
) -> Iterator[Flow]:
    """Flows in the file's order, with id 0; `skipped` is told, in a sentence, what was left out, and `linked` of a replay that
    was yielded and of which it has become clear since what it is a replay of. No value, an entry say, may be longer than
    `largest` characters.

    UserError where the file is damaged or cut off: what stands before that has been yielded.
    """
    seen, links = ConnectionsSeen(), ReplayLinks(linked)
    try:
        for number, entry in enumerate(entries(stream, largest), 1):
            try:
                flow = flow_of(entry, seen)
            except NotOurs as error:
                skipped(f"Left out, entry {number}: {error}.")
            except (ValueError, TypeError, LookupError, OverflowError) as error:
                skipped(f"Entry {number} is not as it should be and was left out: {error}.")
            else:
                number_there = links.met(flow)
                yield flow
                links.taken(flow, number_there)
    except NotHar as error:
        raise UserError(f"This is not a HAR file, or a damaged one, from character {error.position} on: {error}.") from None
