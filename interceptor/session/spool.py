"""Large bodies on disk: one unlinked file for a whole session, handed out in blocks.

    append ─▸ tail in memory (up to 64 KiB) ─▸ pwrite to this body's blocks ─▸ read ◂ blocks, then tail

Why one file. A file for each body would cost a descriptor for each, in the process that needs descriptors for its connections,
and a directory operation for each. Here a body owns a list of 64 KiB blocks; a block belongs to one body or is free.

* Nobody frees a body by hand, because duplicates of a flow share its handles: when the last reference to a `SpooledBody` has
  gone, its blocks are free. That may happen in any thread and in the middle of anything, so they are only noted then, and taken
  back by the next call that needs to know (`reclaim`). Free blocks are used again before the file grows. A reserve of them stays
  on disk, because writing where pages are cached already is several times faster; where the others are a hole is punched (Linux).
* The file has no name, so that nothing is left behind by a crash; it is made with the first byte.
* A full disk, a limit reached, a write that fails: the body is truncated there, and the log told once. Never an exception, and
  never bytes behind a gap: a truncated body takes no more.
* One thread appends (the event loop's). Any thread may read meanwhile.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from interceptor.model.body import Body

BLOCK: Final = 64 * 1024
FREE_DISK_KEPT: Final = 500_000_000
"""Bytes that are left free on the disk if no limit was set."""
RESERVE_BLOCKS: Final = 4_096
"""Free blocks that are kept on disk: 256 MiB."""
_PUNCHED_AT_ONCE: Final = 1_024
_LOOK_EVERY: Final = 256
"""Blocks between two looks at how much of the disk is free: 16 MiB."""
_WARN_EVERY_SECONDS: Final = 60.0

Blocks: TypeAlias = "array[int]"


class SpooledBody:
    """A body in the spool; see `interceptor.model.body.Body`. It lives as long as someone refers to it."""

    __slots__ = ("__weakref__", "_blocks", "_spool", "_tail_size", "_written_and_tail", "is_truncated", "size")

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._blocks: Blocks = array("I")
        # What is on disk, and the pieces behind it. Replaced together, so that a reader in another thread sees both as they were.
        self._written_and_tail: tuple[int, list[bytes]] = (0, [])
        self._tail_size = 0
        self.size = 0
        self.is_truncated = False

    def append(self, piece: bytes) -> None:
        if self.is_truncated:
            return
        self._written_and_tail[1].append(piece)
        self._tail_size += len(piece)
        self.size += len(piece)
        if self._tail_size >= BLOCK:
            self._write()

    def finish(self) -> None:
        """Writes the tail too: nothing of it is held in memory after that. Appending may still go on."""
        if self._tail_size:
            self._write()

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        written, tail = self._written_and_tail
        end = None if count is None else start + count
        pieces: list[bytes] = []
        if start < written:
            pieces.extend(self._read_blocks(start, written if end is None else min(end, written)))
        if end is None or end > written:
            behind = b"".join(tail)
            pieces.append(behind[max(0, start - written) : None if end is None else end - written])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _write(self) -> None:
        written, tail = self._written_and_tail
        content = tail[0] if len(tail) == 1 else b"".join(tail)
        kept = self._spool.write(self._blocks, written, content)
        self._written_and_tail = (written + kept, [])
        self._tail_size = 0
        if kept < len(content):
            self.size = written + kept
            self.is_truncated = True

    def _read_blocks(self, start: int, end: int) -> Iterator[bytes]:
        for offset, length in _runs(self._blocks, start, end):
            yield self._spool.read_at(offset, length)

    def __repr__(self) -> str:
        return f"SpooledBody({self.size} bytes)"


class BodySlice:
    """A part of another body, as a body: many small ones share a spooled one this way."""

    __slots__ = ("_start", "_whole", "is_truncated", "size")

    def __init__(self, whole: Body, start: int, size: int, is_truncated: bool = False) -> None:
        self._whole = whole
        self._start = start
        self.size = size
        self.is_truncated = is_truncated

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        left = self.size - start
        if left <= 0:
            return b""
        return self._whole.read(self._start + start, left if count is None else min(left, count))

    def __repr__(self) -> str:
        return f"BodySlice({self.size} bytes)"


class Spool:
    """The file and its blocks. `directory` None: where the system keeps large temporary files. `disk_limit` in bytes; None: until
    the disk has less than `FREE_DISK_KEPT` left."""

    def __init__(
        self, directory: Path | None = None, *, disk_limit: int | None = None, warn: Callable[[str], None] = lambda message: None
    ) -> None:
        self._directory = directory
        self._disk_limit = disk_limit
        self._warn = warn
        self._file: int | None = None
        self._end = 0  # in blocks
        self._free: list[int] = []  # blocks on disk that are nobody's; the next to use is the last
        self._holes: list[int] = []  # likewise, but not on disk any more
        self._given_back: deque[Blocks] = deque()  # by bodies that are gone; filled from any thread
        self._is_full = False
        self._warned_at: float | None = None
        self._until_look = 0
        self._punch = _punch_hole if sys.platform == "linux" else None
        self._lock = threading.Lock() if not hasattr(os, "pread") else None

    def new_body(self) -> SpooledBody:
        body = SpooledBody(self)
        weakref.finalize(body, self._given_back.append, body._blocks).atexit = False
        return body

    @property
    def bytes_used(self) -> int:
        """Bytes of the disk behind bodies that are alive, in whole blocks."""
        self.reclaim()
        return (self._end - len(self._free) - len(self._holes)) * BLOCK

    @property
    def has_room(self) -> bool:
        """Whether the next block can be had, as far as is known."""
        if self._disk_limit is not None:
            return self.bytes_used + BLOCK <= self._disk_limit
        return not self._is_full or bool(self._free) or _free_bytes(self._file) >= FREE_DISK_KEPT

    def reclaim(self) -> None:
        """Takes back the blocks of bodies that are gone. Call now and then from the thread that appends."""
        returned: list[int] = []
        while self._given_back:
            returned.extend(self._given_back.popleft())
        if self._file is None:
            return
        if returned:
            self._is_full, self._until_look = False, 0
            self._free.extend(returned)
            self._free.sort(reverse=True)  # runs of neighbours make long writes
        if self._punch is not None and len(self._free) > RESERVE_BLOCKS:
            self._give_to_disk(self._punch, self._file)

    def _give_to_disk(self, punch: Callable[[int, int, int], bool], file: int) -> None:
        """The free blocks that would be used last; some of them at a time, because a hole takes the disk a moment."""
        count = min(len(self._free) - RESERVE_BLOCKS, _PUNCHED_AT_ONCE)
        surplus = array("I", reversed(self._free[:count]))
        for offset, length in _runs(surplus, 0, count * BLOCK):
            if not punch(file, offset, length):
                self._punch = None
                return
        del self._free[:count]
        self._holes.extend(surplus)
        self._holes.sort(reverse=True)

    def write(self, blocks: Blocks, position: int, content: bytes) -> int:
        """Puts `content` at `position` of the body that owns `blocks`, which grow as needed; how many bytes were kept."""
        end = position + len(content)
        while len(blocks) * BLOCK < end:
            block = self._new_block()
            if block is None:
                end = len(blocks) * BLOCK
                break
            blocks.append(block)
        file, view, kept = self._file, memoryview(content), 0
        if file is None:
            return 0
        try:
            for offset, length in _runs(blocks, position, end):
                stop = kept + length
                while kept < stop:
                    done = self._write_at(file, view[kept:stop], offset)
                    kept += done
                    offset += done
        except OSError as error:
            self._refuse(f"The spool file cannot be written: {error.strerror}.")
        return kept

    def read_at(self, offset: int, length: int) -> bytes:
        if self._file is None:
            return b""
        if self._lock is None:
            content = os.pread(self._file, length, offset)
            while len(content) < length:  # a pread stops at 2 GiB, or at a signal
                more = os.pread(self._file, length - len(content), offset + len(content))
                if not more:
                    break
                content += more
            return content
        with self._lock:
            os.lseek(self._file, offset, os.SEEK_SET)
            return os.read(self._file, length)

    def _write_at(self, file: int, content: memoryview, offset: int) -> int:
        if self._lock is None:
            return os.pwrite(file, content, offset)
        with self._lock:
            os.lseek(file, offset, os.SEEK_SET)
            return os.write(file, content)

    def _new_block(self) -> int | None:
        if self._given_back:
            self.reclaim()
        if self._file is None and not self._open():
            return None
        if not self._may_use_one_more():
            return None
        if self._free:
            return self._free.pop()
        if self._holes:
            return self._holes.pop()
        self._end += 1
        return self._end - 1

    def _may_use_one_more(self) -> bool:
        if self._disk_limit is not None:
            if (self._end - len(self._free) - len(self._holes) + 1) * BLOCK > self._disk_limit:
                self._refuse(f"Bodies on disk have reached their limit of {self._disk_limit:,} bytes.")
                return False
        elif self._free:
            return True
        elif self._until_look:
            self._until_look -= 1
        else:
            self._until_look = _LOOK_EVERY
            if _free_bytes(self._file) < FREE_DISK_KEPT:
                self._until_look = 0
                self._refuse(f"The disk has less than {FREE_DISK_KEPT // 1_000_000} MB free.")
                return False
        return True

    def _refuse(self, reason: str) -> None:
        self._is_full = True
        now = time.monotonic()
        if self._warned_at is None or now - self._warned_at >= _WARN_EVERY_SECONDS:
            self._warned_at = now
            self._warn(f"{reason} Bodies are cut off until something is deleted; the traffic itself goes on.")

    def _open(self) -> bool:
        try:
            self._file = _nameless_file(self._directory or _large_temporary_directory())
        except OSError as error:
            self._refuse(f"The spool file cannot be made: {error.strerror}.")
            return False
        weakref.finalize(self, os.close, self._file).atexit = False
        return True


def _runs(blocks: Blocks, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where bytes `start` to `end` of a body lie in the file: (offset, length), neighbouring blocks joined."""
    while start < end:
        index = start // BLOCK
        last = index
        while (last + 1) * BLOCK < end and blocks[last + 1] == blocks[last] + 1:
            last += 1
        stop = min(end, (last + 1) * BLOCK)
        yield blocks[index] * BLOCK + start % BLOCK, stop - start
        start = stop


def _large_temporary_directory() -> Path:
    """/tmp is often memory; /var/tmp is a disk by convention. Who sets TMPDIR knows better."""
    import tempfile  # here and below: not needed to start

    large = Path("/var/tmp")
    if os.name == "posix" and not os.environ.get("TMPDIR") and os.access(large, os.W_OK):
        return large
    return Path(tempfile.gettempdir())


def _nameless_file(directory: Path) -> int:
    if hasattr(os, "O_TMPFILE"):
        try:
            return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
    import tempfile

    file, name = tempfile.mkstemp(prefix="interceptor-", dir=directory)
    if os.name == "posix":
        os.unlink(name)
    return file


def _free_bytes(file: int | None) -> int:
    if file is None or not hasattr(os, "fstatvfs"):
        return FREE_DISK_KEPT
    facts = os.fstatvfs(file)
    return facts.f_bavail * facts.f_frsize


_KEEP_SIZE_AND_PUNCH_HOLE: Final = 0x01 | 0x02  # linux/falloc.h


def _punch_hole(file: int, offset: int, length: int) -> bool:
    """Gives the disk that part of the file back; False where the file system cannot."""
    import ctypes

    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return bool(fallocate(file, _KEEP_SIZE_AND_PUNCH_HOLE, offset, length) == 0)
