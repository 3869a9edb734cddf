"""Messages of conversations as scripts see them: those that have been sent, and those that a hook asks about now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

M = TypeVar("M")


class Message:
    """One message. Only that which is asked about can be changed; what is on the list has been sent."""

    def __init__(self, from_client: bool, content: bytes, timestamp: float = 0.0) -> None:
        self.from_client, self.timestamp = from_client, timestamp
        self.received = self._content = content
        self.is_sent = False
        self.dropped = False

    @property
    def content(self) -> bytes:
        return self._content

    @content.setter
    def content(self, content: bytes) -> None:
        if not isinstance(content, bytes):
            raise TypeError(f"the content of a message is bytes, not {type(content).__name__}")
        self._check("changed")
        self._content = content

    def drop(self) -> None:
        """Leaves it out. ValueError if it has been sent."""
        self._check("dropped")
        self.dropped = True

    def _check(self, deed: str) -> None:
        if self.is_sent:
            raise ValueError(f"this message has been sent; only the one that the hook asks about can be {deed}")

    def __repr__(self) -> str:
        return f"{'->' if self.from_client else '<-'} {self.content!r}"


class Messages(Sequence[M], Generic[M]):
    """Those that have been sent, then those that are asked about: one for each direction at most, the last one last."""

    def __init__(self, sent: Callable[[], Sequence[Any]], of: Callable[[Any], M], asked: Sequence[M]) -> None:
        self._sent, self._of, self._asked = sent, of, asked

    def __len__(self) -> int:
        return len(self._sent()) + len(self._asked)

    @overload
    def __getitem__(self, index: int) -> M: ...
    @overload
    def __getitem__(self, index: slice) -> list[M]: ...
    def __getitem__(self, index: int | slice) -> M | list[M]:
        if isinstance(index, slice):
            return list(self)[index]
        if -len(self._asked) <= index < 0:  # the common case, whatever was said before
            return self._asked[index]
        sent = self._sent()
        place = range(len(sent) + len(self._asked))[index]
        return self._of(sent[place]) if place < len(sent) else self._asked[place - len(sent)]

    def __iter__(self) -> Iterator[M]:
        yield from map(self._of, self._sent())
        yield from self._asked
