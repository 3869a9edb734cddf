"""A body that is a file of the user's: read where and when it is sent, never as a whole.

Small ones are read at once and are then like any other body in memory. Of a large one only the open file is kept, one for all
flows that were answered with it; it is closed when no flow needs it any more. A file that is written anew under its name does not
change what a flow shows; one that is changed in place does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from interceptor.model.body import SPOOL_FROM, Body, MemoryBody

_Key = tuple[int, int, int, int]  # device, file, size, when it was written: nanoseconds


class FileBody:
    """An open file behind the interface of bodies. `size` is what it was when it was opened."""

    is_truncated: Final = False

    def __init__(self, descriptor: int, size: int) -> None:
        """Takes over the descriptor."""
        self._descriptor, self.size = descriptor, size

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        wanted = max(self.size - start, 0) if count is None else min(count, max(self.size - start, 0))
        pieces: list[bytes] = []
        while wanted > 0 and (piece := self._read_at(start, wanted)):
            pieces.append(piece)
            start, wanted = start + len(piece), wanted - len(piece)
        return b"".join(pieces)

    def _read_at(self, start: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, count, start)
        os.lseek(self._descriptor, start, os.SEEK_SET)
        return os.read(self._descriptor, count)

    def __del__(self) -> None:
        os.close(self._descriptor)


class Files:
    """Opens bodies, and shares those that are large."""

    def __init__(self) -> None:
        self._open: WeakValueDictionary[_Key, FileBody] = WeakValueDictionary()

    def body_of(self, path: Path) -> Body:
        """OSError if it cannot be read."""
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            facts = os.fstat(descriptor)
            key = facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
            if facts.st_size >= SPOOL_FROM:
                if (known := self._open.get(key)) is not None:
                    return known
                body = self._open[key] = FileBody(os.dup(descriptor), facts.st_size)
                return body
            with os.fdopen(os.dup(descriptor), "rb") as stream:
                return MemoryBody(stream.read())
        finally:
            os.close(descriptor)
