"""Large bodies on disk: one unlinked file for a whole session, handed out in blocks.

    append ─▸ tail in memory (up to 64 KiB) ─▸ queue of the thread that writes ─▸ this body's blocks ─▸ read ◂ blocks, queue, tail

Why one file. A file for each body would cost a descriptor for each, in the process that needs descriptors for its connections,
and a directory operation for each. Here a body owns a list of 64 KiB blocks; a block belongs to one body or is free.

* Nobody frees a body by hand, because duplicates of a flow share its handles: when the last reference to a `SpooledBody` has
  gone, its blocks are free. That may happen in any thread and in the middle of anything, so they are only noted then, and taken
  back by the next call that needs to know (`reclaim`). Free blocks are used again before the file grows. A reserve of them stays
  on disk, because writing where the file has its place already is faster; where the others are a hole is punched (Linux).
* The file has no name, so that nothing is left behind by a crash; it is made with the first byte.
* Another thread writes (`spool_writer`), because the loop would spend more time there than on everything else a large body needs.
  Blocks are given out, and limits kept, when bytes are queued; only what the disk itself refuses is known later.
* A full disk, a limit reached, a write that fails: the body is truncated there, and the log told once. Never an exception, and
  never bytes behind a gap: a truncated body takes no more.
* One thread appends (the event loop's). Any thread may read meanwhile. The lock of the writer guards what a body knows.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from interceptor.model.body import Body
from interceptor.session import spool_file
from interceptor.session.spool_file import FREE_DISK_KEPT, free_bytes
from interceptor.session.spool_writer import BLOCK as BLOCK
from interceptor.session.spool_writer import GATHERED, Piece, SpoolWriter, Write

RESERVE_BLOCKS: Final = 4_096
"""Free blocks that are kept on disk: 256 MiB."""
_PUNCHED_AT_ONCE: Final = 1_024
_LOOK_EVERY: Final = 256
"""Blocks between two looks at how much of the disk is free: 16 MiB."""
_WARN_EVERY_SECONDS: Final = 60.0

Blocks: TypeAlias = "array[int]"


class SpooledBody:
    """A body in the spool; see `interceptor.model.body.Body`. It lives as long as someone refers to it."""

    __slots__ = (
        "__weakref__", "_blocks", "_handed_over", "_queued", "_spool", "_tail", "_tail_size", "_writer", "is_truncated", "size"
    )  # fmt: skip

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._writer = spool.writer
        self._blocks: Blocks = array("I")
        self._queued: deque[Write] = deque()  # oldest first; what lies before the first of them is on disk
        self._handed_over = 0  # to the writer: where the tail starts
        self._tail: list[Piece] = []
        self._tail_size = 0
        self.size = 0
        self.is_truncated = False

    def append(self, piece: bytes) -> None:
        with self._writer.lock:
            if self.is_truncated:
                return
            self._tail.append(piece)
            self._tail_size += len(piece)
            self.size += len(piece)
            if self._tail_size >= BLOCK:
                self._hand_over(self.size - self.size % BLOCK)

    def finish(self) -> None:
        """Writes the tail too: soon nothing of it is held in memory. Appending may still go on."""
        with self._writer.lock:
            self._hand_over(self.size)

    def settle(self) -> None:
        """Waits until `is_truncated` and `size` are final for what was appended and finished: for those who are about to give up
        the only other copy. Not for the way of the traffic."""
        self._spool.settle()

    @property
    def bytes_in_memory(self) -> int:
        with self._writer.lock:
            return self.size - self._written

    @property
    def _written(self) -> int:
        return self._queued[0].position if self._queued else self._handed_over

    def read(self, start: int = 0, count: int | None = None) -> bytes:
        with self._writer.lock:  # one moment of it; what is on disk by then stays where it is as long as this body lives
            end = self.size if count is None else min(start + count, self.size)
            written = self._written
            behind: list[tuple[int, Sequence[Piece], int]] = []
            if end > written:
                behind.extend((each.position, each.pieces, each.size) for each in self._queued)
                behind.append((self._handed_over, tuple(self._tail), self._tail_size))
        pieces: list[bytes] = []
        if start < written:
            pieces.extend(self._read_blocks(start, min(end, written)))
        for position, parts, size in behind:
            if position < end and start < position + size:
                pieces.append(b"".join(parts)[max(0, start - position) : end - position])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _hand_over(self, end: int) -> None:
        """Queues the bytes of the tail before `end`, in runs that lie together in the file: whole blocks if possible."""
        while self._handed_over < end:
            self._writer.wait_for_room()
            start = self._handed_over
            if self.is_truncated:  # meanwhile
                return
            if start % BLOCK or end - start < BLOCK:
                stop = min(end, start - start % BLOCK + BLOCK)
            else:
                stop = min(end - end % BLOCK, start + GATHERED)
            offset, length = self._spool.place(self._blocks, start, stop)
            if not length:
                self._cut(start)
                return
            write = Write(self, start, offset, self._take(length), length)
            self._queued.append(write)
            self._handed_over += length
            self._writer.put(write)

    def _take(self, count: int) -> list[Piece]:
        """The first bytes of the tail, without copying them; but what is left of a piece is copied if it is small, because it may
        keep a large one in memory for long."""
        taken: list[Piece] = []
        self._tail_size -= count
        index = 0
        while count:
            piece = self._tail[index]
            if len(piece) > count:
                view = memoryview(piece)
                taken.append(view[:count])
                rest = view[count:]
                self._tail[index] = bytes(rest) if len(rest) < BLOCK else rest
                break
            taken.append(piece)
            count -= len(piece)
            index += 1
        del self._tail[:index]
        return taken

    def was_written(self) -> None:
        self._queued.popleft()

    def was_cut(self, position: int) -> None:
        for write in self._queued:
            write.is_void = True
        self._queued.clear()
        self._cut(position)

    def _cut(self, position: int) -> None:
        self._tail, self._tail_size = [], 0
        self.size = self._handed_over = position
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
        self._punch = spool_file.punch_hole if sys.platform == "linux" else None
        self.writer = SpoolWriter()
        weakref.finalize(self, self.writer.stop).atexit = False

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
        return not self._is_full or bool(self._free) or free_bytes(self._file) >= FREE_DISK_KEPT

    def reclaim(self) -> None:
        """Takes back the blocks of bodies that are gone. Call now and then from the thread that appends."""
        self._tell_failures()
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

    def place(self, blocks: Blocks, start: int, end: int) -> tuple[int, int]:
        """Where bytes `start` to `end` of the body that owns `blocks` shall lie: (offset, length) of the first that lie together,
        none if there is no room. `blocks` grow as needed."""
        self._tell_failures()
        while len(blocks) * BLOCK < end:
            block = self._new_block()
            if block is None:
                break
            blocks.append(block)
        return next(_runs(blocks, start, min(end, len(blocks) * BLOCK)), (0, 0))

    def read_at(self, offset: int, length: int) -> bytes:
        return b"" if self._file is None else spool_file.read_at(self._file, offset, length)

    def settle(self) -> None:
        """Waits until everything that was appended and finished is on disk, or its body is truncated."""
        self.writer.settle()
        self._tell_failures()

    def close(self) -> None:
        """Ends the thread that writes, when it has written. What is in the spool can still be read."""
        self.writer.close()
        self._tell_failures()

    def _tell_failures(self) -> None:
        while self.writer.failures:
            self._refuse(self.writer.failures.popleft())

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
            if free_bytes(self._file) < FREE_DISK_KEPT:
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
            file = self._file = spool_file.nameless_file(self._directory or spool_file.large_temporary_directory())
        except OSError as error:
            self._refuse(f"The spool file cannot be made: {error.strerror}.")
            return False
        past_cache = spool_file.past_the_cache(file)
        self.writer.use(file, past_cache)
        for each in (file, past_cache):  # a spool that has gone has nothing queued, because that refers to it
            if each is not None:
                weakref.finalize(self, os.close, each).atexit = False
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
