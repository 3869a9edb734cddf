"""A body that lies in a session file, known by the digest of its content: a handle like any other."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, Protocol

from interceptor.model.body import Body

DIGEST_BYTES: Final = 16
_SLICE: Final = 1024 * 1024
_UNNOTICED: Final = 2_047
"""So many bytes are hashed without letting another thread run (CPython lets it from 2,048 on)."""
_WORTH_WAITING: Final = 64 * 1024
"""From here on hashing takes longer than another thread that wants to run may be kept waiting."""


class BodySource(Protocol):
    def read_body(self, digest: bytes, start: int, count: int) -> bytes:
        """What there is of that part; b"" where the file cannot be read."""
        ...


class StoredBody:
    __slots__ = ("_source", "digest", "is_truncated", "size")

    def __init__(self, source: BodySource, digest: bytes, size: int, is_truncated: bool = False) -> None:
        self._source = source
        self.digest = digest
        self.size = size
        self.is_truncated = is_truncated

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        left = self.size - start
        if left <= 0:
            return b""
        return self._source.read_body(self.digest, start, left if count is None else min(left, count))

    def __repr__(self) -> str:
        return f"StoredBody({self.size} bytes)"


def digest_of(body: Body) -> bytes:
    """Reads all of it, in slices. A small body in one go: a thread that lets go of the interpreter gets it back from a busy event
    loop after five milliseconds, which for the bodies of a second would be more than that second."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    size, start = body.size, 0
    while start < size:
        piece = body.read(start, _SLICE)
        if not piece:
            break
        if size < _WORTH_WAITING:
            for at in range(0, len(piece), _UNNOTICED):
                digest.update(piece[at : at + _UNNOTICED])
        else:
            digest.update(piece)
        start += len(piece)
    return digest.digest()
