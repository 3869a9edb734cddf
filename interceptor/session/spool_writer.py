"""The thread that writes the spool, so that the event loop does not wait for the disk.

    body ─put─▸ queue (at most `QUEUE_LIMIT`) ─▸ neighbours gathered in one aligned buffer ─▸ one pwrite ─▸ was_written
                                                                                           └▸ OSError ─▸ was_cut

* One lock guards the queue and what bodies know of their bytes. It is never held while the disk is busy. It is re-entrant,
  because the garbage collector may end a spool, and so call `stop`, in the middle of anything.
* Whole blocks go past the page cache, up to `GATHERED` at a time if they lie behind each other in the file, also when they belong
  to different bodies. Other pieces, and everything where the file system cannot do that, go through the cache.
* A queued write refers to its body. So a body whose last user has gone still lives until its bytes are written, and its blocks
  cannot be given to another one before.
* Writes are done in the order in which they were queued. When one fails, its body is cut at the last byte that was written, and
  what else is queued of that body is void; the writes of others are tried all the same.
* For small amounts the thread waits a moment whether more comes: each time it wakes up it takes the interpreter from the loop.
* Nothing is told from this thread: reasons of failures are left in `failures`, for the thread that appends.
"""

from __future__ import annotations

import errno
import mmap
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

from interceptor.session import spool_file

BLOCK: Final = 64 * 1024
QUEUE_LIMIT: Final = 16 * 1024 * 1024
GATHERED: Final = 1024 * 1024
LINGER_SECONDS: Final = 0.01
_NEVER: Final = sys.maxsize

Piece: TypeAlias = bytes | memoryview


class Target(Protocol):
    """Whose bytes are written. Both are called with the lock held."""

    def was_written(self) -> None:
        """The oldest of its writes is done."""

    def was_cut(self, position: int) -> None:
        """Nothing from there on could be written: none of its writes will be."""


class Write:
    """Bytes on their way to one place in the file: `pieces`, from `position` of the body on, belong at `offset`."""

    __slots__ = ("is_void", "offset", "pieces", "position", "size", "target")

    def __init__(self, target: Target, position: int, offset: int, pieces: Sequence[Piece], size: int) -> None:
        self.target = target
        self.position = position
        self.offset = offset
        self.pieces = pieces
        self.size = size
        self.is_void = False

    @property
    def is_whole(self) -> bool:
        return not (self.offset % BLOCK or self.size % BLOCK)


class SpoolWriter:
    """The queue and its thread, which starts with the first write."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.failures: deque[str] = deque()
        self.held = 0  # bytes of writes that are queued or under way
        self._file = -1
        self._past_cache: int | None = None
        self._queue: deque[Write] = deque()
        self._has_work = threading.Condition(self.lock)
        self._has_room = threading.Condition(self.lock)
        self._wakes_at = _NEVER  # so many bytes held wake the thread
        self._waiting = 0  # threads in wait_for_room or settle
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._buffer: mmap.mmap | None = None

    def use(self, file: int, past_cache: int | None) -> None:
        self._file, self._past_cache = file, past_cache

    def wait_for_room(self) -> None:
        """Until a write may be queued. This is the one place where the loop waits for the disk: it means that bytes have been
        coming faster than the disk takes them, and then someone has to wait; if it were not the sender, memory would fill up.
        Call with the lock held; it is released meanwhile."""
        while self.held >= QUEUE_LIMIT:
            self._wait()

    def put(self, write: Write) -> None:
        """Call with the lock held."""
        self._queue.append(write)
        self.held += write.size
        if self._thread is None:
            self._start()
        elif self.held >= self._wakes_at:
            self._wakes_at = _NEVER
            self._has_work.notify()

    def settle(self) -> None:
        """Waits until everything queued has been written, or has failed."""
        with self.lock:
            while self.held:
                self._wait()

    def stop(self) -> None:
        """The thread ends when it has written what is queued; another write would start it again."""
        with self.lock:
            self._is_stopping = True
            self._has_work.notify()

    def close(self) -> None:
        """Stops, and waits for it."""
        thread = self._thread
        self.stop()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _wait(self) -> None:
        self._waiting += 1
        self._has_work.notify()
        self._has_room.wait()
        self._waiting -= 1

    def _start(self) -> None:
        self._is_stopping = False
        thread = self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads: then whoever appends has to write
            self._thread = None
            while self._queue:
                self.held -= self._write_next()

    # The thread

    def _run(self) -> None:
        while self._await_work():
            written = self._write_next()
            with self.lock:  # here nothing refers to a body any more, and who waits for the last write may rely on that
                self.held -= written
                if self._waiting:
                    self._has_room.notify_all()

    def _await_work(self) -> bool:
        with self.lock:
            while not self._queue:
                if self._is_stopping:
                    self._thread = self._buffer = None
                    return False
                self._wakes_at = 1
                self._has_work.wait()
            if self.held < GATHERED and not self._waiting and not self._is_stopping:
                self._wakes_at = GATHERED
                self._has_work.wait(LINGER_SECONDS)
            self._wakes_at = _NEVER
            return True

    def _write_next(self) -> int:
        """Takes some writes from the queue and does them; how many bytes these were."""
        with self.lock:
            run, taken = self._take_run()
        if not run:
            return taken
        size, reason = self._write_run(run)
        with self.lock:
            for index, write in enumerate(run):
                if size < write.size:
                    if not write.is_void:
                        write.target.was_cut(write.position + size)
                        self.failures.append(reason)
                    rest = run[index + 1 :]
                    self._queue.extendleft(reversed(rest))
                    return taken - sum(each.size for each in rest)
                size -= write.size
                write.target.was_written()
        return taken

    def _take_run(self) -> tuple[list[Write], int]:
        run: list[Write] = []
        taken = size = end = 0
        while self._queue:
            write = self._queue[0]
            if not write.is_void:
                if run and (write.offset != end or size + write.size > GATHERED or not (write.is_whole and run[0].is_whole)):
                    break
                run.append(write)
                size += write.size
                end = write.offset + write.size
            taken += write.size
            self._queue.popleft()
        return run, taken

    def _write_run(self, run: list[Write]) -> tuple[int, str]:
        """How many of its bytes were written, and why no more."""
        done = 0
        try:
            if self._buffer is None:
                self._buffer = mmap.mmap(-1, GATHERED)  # starts at a page
            size = 0
            for write in run:
                for piece in write.pieces:
                    self._buffer[size : size + len(piece)] = piece
                    size += len(piece)
            content = memoryview(self._buffer)
            while done < size:
                done += self._write_at(content[done:size], run[0].offset + done)
        except OSError as error:
            return done, f"The spool file cannot be written: {error.strerror}."
        except Exception as error:  # whatever it is: without this thread the loop would wait forever
            return done, f"The spool file cannot be written: {error!r}."
        return done, ""

    def _write_at(self, content: memoryview, offset: int) -> int:
        past_cache = self._past_cache
        if past_cache is not None and not (offset % BLOCK or len(content) % BLOCK):
            try:
                return spool_file.write_at(past_cache, content, offset)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                    raise
                self._past_cache = None  # the descriptor could be had, but it is of no use
        return spool_file.write_at(self._file, content, offset)
