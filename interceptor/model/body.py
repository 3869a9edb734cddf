"""Bodies are handles: a size and `read(start, count)`, never bytes on a flow.

A small body lives in memory (`MemoryBody`); from `SPOOL_FROM` bytes on the session keeps it in a spool file behind the same
interface. Reading a handle never changes it. An edit puts a new handle in its place.
"""

from __future__ import annotations

from typing import Final, Protocol

SPOOL_FROM: Final = 256 * 1024
"""From this size on a body is kept in a spool file, from its first byte."""


class Body(Protocol):
    """What a flow knows of a body. `size` grows while the body is being recorded."""

    @property
    def size(self) -> int: ...

    @property
    def is_truncated(self) -> bool:
        """True if bytes passed that could not be kept (disk full, limit)."""
        ...

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        """At most `count` bytes from `start` (all that follows if None); fewer at the end; b"" past it."""
        ...


class MemoryBody:
    """A body that is small or was typed. One thread may append while others read."""

    __slots__ = ("_content", "is_truncated", "size")

    def __init__(self, content: bytes = b"") -> None:
        self._content: bytes | bytearray = content  # most come in one piece, and that is kept as it came
        self.size = len(content)
        self.is_truncated = False

    def append(self, piece: bytes) -> None:
        if not self.size:
            self._content = piece
        else:
            if type(self._content) is bytes:
                self._content = bytearray(self._content)
            self._content += piece
        self.size += len(piece)

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        return bytes(self._content[start : None if count is None else start + count])  # no copy of a whole `bytes`

    def __repr__(self) -> str:
        return f"MemoryBody({self.size} bytes)"


class UnkeptBody(MemoryBody):
    """Of a body that was passed on and was not to be kept: nothing but how many bytes `passed`."""

    __slots__ = ("passed",)

    def __init__(self, passed: int = 0) -> None:
        super().__init__()
        self.passed = passed
        self.is_truncated = True


def passed_size(body: Body) -> int:
    """How long it was on the wire, as far as is known."""
    return body.passed if isinstance(body, UnkeptBody) else body.size
