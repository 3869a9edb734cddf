"""The messages of a raw conversation, kept compactly: seventeen bytes each beside their content.

    MessageData ─▸ append ─▸ one log of all contents (memory, from `SPOOL_FROM` on the spool) + where each ends, when, which way
    messages[i] ─▸ a `TcpMessage` made on the spot, whose body is a slice of that log

A `TcpMessage` with a body of its own takes some 300 bytes, and a conversation may have a million of them. What `messages[i]`
gives is a fresh record each time: changing it changes nothing here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, overload

from interceptor.model.body import SPOOL_FROM, Body, MemoryBody
from interceptor.model.flow import TcpMessage
from interceptor.session.spool import BodySlice, SpooledBody

MESSAGES_KEPT: Final = 1 << 20
"""So many of one conversation are kept; later ones are counted on the flow, and that is all."""
BYTES_PER_MESSAGE: Final = 17

_FROM_CLIENT: Final = 1
_IS_DROPPED: Final = 2
_IS_INJECTED: Final = 4


class ContentLog:
    """All contents of one conversation behind each other: a body that slices may refer to wherever it lies by then."""

    __slots__ = ("_kept", "_new_spooled")

    def __init__(self, new_spooled: Callable[[], SpooledBody]) -> None:
        self._new_spooled = new_spooled
        self._kept: Body = MemoryBody()

    @property
    def size(self) -> int:
        return self._kept.size

    @property
    def is_truncated(self) -> bool:
        return self._kept.is_truncated

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        return self._kept.read(start, count)

    def append(self, content: bytes) -> None:
        kept = self._kept
        if type(kept) is not SpooledBody and (type(kept) is not MemoryBody or kept.size + len(content) >= SPOOL_FROM):
            spooled = self._new_spooled()
            spooled.append(kept.read())
            kept = self._kept = spooled
        if type(kept) is SpooledBody or type(kept) is MemoryBody:
            kept.append(content)

    def finish(self) -> None:
        if type(self._kept) is SpooledBody:
            self._kept.finish()

    @property
    def bytes_in_memory(self) -> int:
        return self._kept.size if type(self._kept) is MemoryBody else 0

    def move_to(self, body: Body) -> None:
        """The same contents, from elsewhere."""
        self._kept = body


class MessageLog(Sequence[TcpMessage]):
    """All messages of one conversation, in order. Appended to by the store alone."""

    __slots__ = ("_ends", "_flags", "_originals", "_timestamps", "contents")

    def __init__(self, new_spooled: Callable[[], SpooledBody], messages: Iterable[TcpMessage] = ()) -> None:
        self.contents = ContentLog(new_spooled)
        self._ends = array("Q")
        self._timestamps = array("d")
        self._flags = bytearray()
        self._originals: dict[int, int] = {}  # index of a message -> length of its original, which lies before it in the log
        for message in messages:
            original = message.original.read() if message.original is not None else None
            flags = message.is_dropped, message.is_injected
            self.append(message.from_client, message.body.read(), message.timestamp, original, *flags)

    def append(
        self,
        from_client: bool,
        content: bytes,
        timestamp: float,
        original: bytes | None,
        is_dropped: bool,
        is_injected: bool = False,
    ) -> bool:
        """False if it was not kept: there are too many, or the disk is full."""
        contents = self.contents
        if len(self._flags) >= MESSAGES_KEPT or contents.is_truncated:
            return False
        if original is not None:
            self._originals[len(self._flags)] = len(original)
            content = original + content
        if content:
            contents.append(content)
        self._ends.append(contents.size)
        self._timestamps.append(timestamp)
        flags = (_FROM_CLIENT if from_client else 0) | (_IS_DROPPED if is_dropped else 0)
        self._flags.append(flags | (_IS_INJECTED if is_injected else 0))
        return True

    @property
    def bytes_in_memory(self) -> int:
        return self.contents.bytes_in_memory + BYTES_PER_MESSAGE * len(self._flags)

    def __len__(self) -> int:
        return len(self._flags)

    @overload
    def __getitem__(self, index: int) -> TcpMessage: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TcpMessage]: ...
    def __getitem__(self, index: int | slice) -> TcpMessage | Sequence[TcpMessage]:
        if isinstance(index, slice):
            return [self._message(each) for each in range(*index.indices(len(self)))]
        return self._message(range(len(self))[index])

    def __iter__(self) -> Iterator[TcpMessage]:
        index = 0
        while index < len(self._flags):  # it may grow meanwhile
            yield self._message(index)
            index += 1

    def _message(self, index: int) -> TcpMessage:
        start = self._ends[index - 1] if index else 0
        original: Body | None = None
        original_size = self._originals.get(index)
        if original_size is not None:
            original = BodySlice(self.contents, start, original_size)
            start += original_size
        flags = self._flags[index]
        body = BodySlice(self.contents, start, self._ends[index] - start)
        timestamp, is_dropped, is_injected = self._timestamps[index], bool(flags & _IS_DROPPED), bool(flags & _IS_INJECTED)
        return TcpMessage(bool(flags & _FROM_CLIENT), body, timestamp, is_dropped, original, is_injected)
