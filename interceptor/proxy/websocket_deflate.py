"""permessage-deflate (RFC 7692) as seen from between: what was agreed on, and what compressed messages say.

Both peers agree with each other through us, so frames pass as they are; they are inflated to be shown, and nothing is deflated.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

INFLATED_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one message that are inflated. The messages behind a longer one stay compressed in what is kept of them."""
SLICE: Final = 256 * 1024
_TOGETHER: Final = 4 * 1024
"""Compressed bytes of a frame that are inflated together, however they came: where data is malformed, what stands before it in
the same piece is lost, and what is kept shall not depend on how the peer's system cut it."""
_TAIL: Final = b"\x00\x00\xff\xff"  # what the sender leaves out at the end of a message (§7.2.1)


@dataclass(frozen=True, slots=True)
class Deflate:
    """Whether each message of that side is compressed by itself."""

    client_no_context_takeover: bool = False
    server_no_context_takeover: bool = False

    def inflater(self, from_client: bool) -> Inflater:
        return Inflater(self.client_no_context_takeover if from_client else self.server_no_context_takeover)


def agreed_on(extensions: str) -> tuple[Deflate | None, list[str]]:
    """What the server's Sec-WebSocket-Extensions says: permessage-deflate, if it is there, and the names of extensions that are
    not known here."""
    from wsproto.extensions import PerMessageDeflate

    deflate: Deflate | None = None
    unknown = []
    for text in filter(None, (each.strip() for each in extensions.split(","))):
        name = text.partition(";")[0].strip()
        if name.lower() != PerMessageDeflate.name or deflate is not None:
            unknown.append(name)
            continue
        reader = PerMessageDeflate()
        # The size of the window does not matter for inflating: the largest one reads what any wrote.
        reader.finalize(";".join(each for each in text.split(";") if "window_bits" not in each))
        deflate = Deflate(reader.client_no_context_takeover, reader.server_no_context_takeover)
    return deflate, unknown


class Inflater:
    """For the compressed messages of one direction. `is_broken`: what comes cannot be inflated any more, and why."""

    __slots__ = ("_inflated", "_waiting", "_zlib", "broken", "is_fresh_each_time")

    def __init__(self, is_fresh_each_time: bool) -> None:
        self.is_fresh_each_time = is_fresh_each_time
        self._zlib = zlib.decompressobj(-15)
        self._inflated = 0
        self._waiting = b""
        self.broken = ""

    def inflate(self, payload: bytes, is_frame_end: bool, is_end: bool) -> Iterator[bytes]:
        """What the next bytes of a message mean, in slices. They are the last of a frame, and of the message?"""
        waiting, start = self._waiting + payload if self._waiting else payload, 0
        while len(waiting) - start > _TOGETHER:
            yield from self._feed(waiting[start : start + _TOGETHER])
            start += _TOGETHER
        waiting = waiting[start:] if start else waiting
        self._waiting = b"" if is_frame_end else waiting
        if is_frame_end:
            yield from self._feed(waiting)
        if is_end:
            yield from self._feed(_TAIL)
            self._inflated = 0
            if self.is_fresh_each_time or self._zlib.eof:
                self._zlib = zlib.decompressobj(-15)
                self.broken = ""

    def _feed(self, compressed: bytes) -> Iterator[bytes]:
        while compressed and not self.broken:
            try:
                piece = self._zlib.decompress(compressed, SLICE)
            except zlib.error as error:
                self.broken = f"the compressed data is malformed ({error})"
                return
            compressed = self._zlib.unconsumed_tail
            self._inflated += len(piece)
            if self._inflated > INFLATED_LIMIT:
                self.broken = f"the message is longer than {INFLATED_LIMIT // 1024 // 1024} MiB when inflated"
            if piece:
                yield piece
            if self._zlib.eof and compressed:
                return
