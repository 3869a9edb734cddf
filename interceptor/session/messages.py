"""The messages of a raw conversation or a WebSocket, kept compactly: seventeen bytes each beside their content.

    MessageData ─▸ append ─▸ one log of all contents (memory, from `SPOOL_FROM` on the spool) + where each ends, when, which way
    messages[i] ─▸ a message made on the spot, whose body is a slice of that log

A message with a body of its own takes some 300 bytes, and a conversation may have a million of them. What `messages[i]` gives is
a fresh record each time: changing it changes nothing here. Only a long WebSocket message, which is recorded while it passes, is
kept as the record that it came as.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar, overload

from interceptor.model.body import SPOOL_FROM, Body, MemoryBody
from interceptor.model.flow import Opcode, TcpMessage, WebSocketMessage
from interceptor.model.records import WebSocketMessageData
from interceptor.session.spool import BodySlice, SpooledBody

MESSAGES_KEPT: Final = 1 << 20
"""So many of one conversation are kept; later ones are counted on the flow, and that is all."""
BYTES_PER_MESSAGE: Final = 17

_FROM_CLIENT: Final = 1
_IS_DROPPED: Final = 2
_IS_INJECTED: Final = 4
_KIND_SHIFT: Final = 4  # above the flags: what kind of message it is

M = TypeVar("M", TcpMessage, WebSocketMessage)


class Tables(NamedTuple):
    """What a log is made of beside its contents; see there."""

    ends: array[Any]
    timestamps: array[Any]
    flags: bytearray
    originals: dict[int, int]


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


class _Log(Sequence[M], Generic[M]):
    """All messages of one conversation, in order. Appended to by the store alone."""

    __slots__ = ("_ends", "_flags", "_originals", "_timestamps", "contents")

    def __init__(self, new_spooled: Callable[[], SpooledBody]) -> None:
        self.contents = ContentLog(new_spooled)
        self._ends = array("Q")
        self._timestamps = array("d")
        self._flags = bytearray()
        self._originals: dict[int, int] = {}  # index of a message -> length of its original, which lies before it in the log

    def _append(self, flags: int, content: bytes, timestamp: float, original: bytes | None) -> bool:
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
        self._flags.append(flags)
        return True

    def tables(self) -> Tables:
        """Not to be changed; they grow while the conversation runs."""
        return Tables(self._ends, self._timestamps, self._flags, self._originals)

    def _take_over(self, tables: Tables, contents: Body) -> None:
        self._ends, self._timestamps, self._flags, self._originals = tables
        self.contents.move_to(contents)

    @property
    def bytes_in_memory(self) -> int:
        return self.contents.bytes_in_memory + BYTES_PER_MESSAGE * len(self._flags)

    def __len__(self) -> int:
        return len(self._flags)

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[M]: ...
    def __getitem__(self, index: int | slice) -> M | Sequence[M]:
        if isinstance(index, slice):
            return [self._message(each) for each in range(*index.indices(len(self)))]
        return self._message(range(len(self))[index])

    def __iter__(self) -> Iterator[M]:
        index = 0
        while index < len(self._flags):  # it may grow meanwhile
            yield self._message(index)
            index += 1

    def _message(self, index: int) -> M:
        start = self._ends[index - 1] if index else 0
        original: Body | None = None
        original_size = self._originals.get(index)
        if original_size is not None:
            original = BodySlice(self.contents, start, original_size)
            start += original_size
        body = BodySlice(self.contents, start, self._ends[index] - start)
        return self._made(index, self._flags[index], body, self._timestamps[index], original)

    def _made(self, index: int, flags: int, body: Body, timestamp: float, original: Body | None) -> M:
        raise AssertionError("each kind of log makes its own kind of message")


class MessageLog(_Log[TcpMessage]):
    """Of a raw conversation."""

    __slots__ = ()

    def __init__(self, new_spooled: Callable[[], SpooledBody], messages: Iterable[TcpMessage] = ()) -> None:
        super().__init__(new_spooled)
        for message in messages:
            original = message.original.read() if message.original is not None else None
            flags = message.is_dropped, message.is_injected
            self.append(message.from_client, message.body.read(), message.timestamp, original, *flags)

    @classmethod
    def restored(cls, new_spooled: Callable[[], SpooledBody], tables: Tables, contents: Body) -> MessageLog:
        """One that was kept."""
        log = cls(new_spooled)
        log._take_over(tables, contents)
        return log

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
        flags = (_FROM_CLIENT if from_client else 0) | (_IS_DROPPED if is_dropped else 0)
        return self._append(flags | (_IS_INJECTED if is_injected else 0), content, timestamp, original)

    def _made(self, index: int, flags: int, body: Body, timestamp: float, original: Body | None) -> TcpMessage:
        is_dropped, is_injected = bool(flags & _IS_DROPPED), bool(flags & _IS_INJECTED)
        return TcpMessage(bool(flags & _FROM_CLIENT), body, timestamp, is_dropped, original, is_injected)


class WebSocketLog(_Log[WebSocketMessage]):
    """Of a WebSocket."""

    __slots__ = ("_long",)

    def __init__(self, new_spooled: Callable[[], SpooledBody]) -> None:
        super().__init__(new_spooled)
        self._long: dict[int, WebSocketMessage] = {}  # by index: those with a body of their own

    @classmethod
    def restored_with(
        cls, new_spooled: Callable[[], SpooledBody], tables: Tables, contents: Body, long: dict[int, WebSocketMessage]
    ) -> WebSocketLog:
        """One that was kept, with its long messages by index."""
        log = cls(new_spooled)
        log._take_over(tables, contents)
        log._long = long
        return log

    def append(self, what: WebSocketMessageData) -> bool:
        """False if it was not kept: there are too many, or the disk is full."""
        flags = what.opcode << _KIND_SHIFT | (_FROM_CLIENT if what.from_client else 0)
        if what.is_injected:
            flags |= _IS_INJECTED
        if what.data is None:
            return self._append(flags | _IS_DROPPED, what.original or b"", what.timestamp, None)
        return self._append(flags, what.data, what.timestamp, what.original)

    def append_long(self, message: WebSocketMessage) -> bool:
        """One whose body goes on growing."""
        index = len(self)
        if is_kept := self._append(message.opcode << _KIND_SHIFT, b"", message.timestamp, None):
            self._long[index] = message
        return is_kept

    def long_messages(self) -> Iterable[WebSocketMessage]:
        return self._long.values()

    def long_by_index(self) -> Mapping[int, WebSocketMessage]:
        return self._long

    def _made(self, index: int, flags: int, body: Body, timestamp: float, original: Body | None) -> WebSocketMessage:
        if (long := self._long.get(index)) is not None:
            return long
        return WebSocketMessage(
            bool(flags & _FROM_CLIENT),
            Opcode(flags >> _KIND_SHIFT),
            body,
            timestamp,
            bool(flags & _IS_DROPPED),
            bool(flags & _IS_INJECTED),
            original,
        )
