"""A stream that one can always write to: a thread brings it to whoever reads, who may be slow, or not read at all for an hour.

    write ─▸ in memory ─▸ thread ─▸ stream
        └─▸ more than `MEMORY_BYTES`: an unlinked file, until all of it is read

A terminal that is stopped (Ctrl-S), a pager, a full pipe or a disk that has much to do must not stop the proxy: who asks through
it would wait, and what has just ended would not be kept.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Final, TextIO

MEMORY_BYTES: Final = 1024 * 1024
PATIENCE_SECONDS: Final = 10.0
"""So long at the end a reader may read nothing."""
_PIECE: Final = 64 * 1024
_TOGETHER_SECONDS: Final = 0.04
_RETRY_SECONDS: Final = 2.0
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class UnhurriedOutput:
    """As much of a `TextIO` as one needs to print. `on_gone` is called once, in the thread, when nobody can read it any more;
    then nothing is printed. `on_full` is called there when the disk is full, and tried again: once until something is written.
    What the encoding has no character for becomes an escape."""

    def __init__(
        self, stream: TextIO, on_gone: Callable[[], None] = lambda: None, on_full: Callable[[], None] = lambda: None
    ) -> None:
        stream.flush()
        self.encoding = stream.encoding or "utf-8"
        self._stream, self._on_gone, self._on_full = stream, on_gone, on_full
        self._raw = getattr(stream.buffer, "raw", stream.buffer)
        self._changed = threading.Condition()
        self._pending: deque[bytes] = deque()  # these and the rest belong to `_changed`
        self._size = 0
        self._file: BinaryIO | None = None
        self._read_upto = 0
        self._is_gone = self._is_ending = False
        self._lost = 0
        self._moved = 0.0
        self._thread: threading.Thread | None = None

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str) -> int:
        data = text.encode(self.encoding, "backslashreplace")
        with self._changed:
            if self._is_gone or not data:
                return len(text)
            self._keep(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="output", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """As soon as it can be, anyway."""

    def drain(self) -> str:
        """Waits until all is written, as long as somebody reads. What a person should know; "" if all was written."""
        with self._changed:
            if not self._is_ending:
                self._is_ending, self._moved = True, time.monotonic()
            self._changed.notify_all()
            while self._left and not self._is_gone and (rest := self._moved + PATIENCE_SECONDS - time.monotonic()) > 0:
                self._changed.wait(rest)
            left = self._lost + (0 if self._is_gone else self._left)
        return f"{left:,} bytes of the output were not printed: nobody read them, or the disk was full" if left else ""

    # With `_changed` held

    @property
    def _left(self) -> int:
        return self._size + (self._file_size() - self._read_upto if self._file is not None else 0)

    def _keep(self, data: bytes) -> None:
        if self._file is None and self._size + len(data) <= MEMORY_BYTES:
            self._pending.append(data)
            self._size += len(data)
            return
        try:
            if self._file is None:
                self._file, self._read_upto = tempfile.TemporaryFile(buffering=0), 0  # noqa: SIM115
            end = self._file_size()
            self._file.seek(end)
            if self._file.write(data) != len(data):
                self._file.truncate(end)
                raise OSError(errno.ENOSPC, "part of it")
        except OSError:
            self._lost += len(data)

    def _file_size(self) -> int:
        assert self._file is not None
        return os.fstat(self._file.fileno()).st_size

    def _next(self) -> bytes:
        """What was written first. It is kept until it has been printed."""
        if self._pending:
            together = b"".join(self._pending)
            self._pending.clear()
            self._pending.append(together)
            return together
        if self._file is None:
            return b""
        self._file.seek(self._read_upto)
        return self._file.read(_PIECE)

    def _done(self, count: int) -> None:
        self._moved = time.monotonic()
        if self._pending:
            rest = self._pending[0][count:]
            self._size -= count
            if rest:
                self._pending[0] = rest
            else:
                self._pending.popleft()
        elif self._file is not None:
            self._read_upto += count
            if self._read_upto >= self._file_size():
                self._file.close()
                self._file = None
        self._changed.notify_all()

    # The thread

    def _run(self) -> None:
        is_full = False
        while True:
            with self._changed:
                while not self._left:
                    self._changed.wait()
                data = self._next()
            try:
                count = self._raw.write(data[:_PIECE]) or 0
            except OSError as error:
                if error.errno in _FULL and not self._is_ending:
                    if not is_full:
                        _tell(self._on_full)
                    is_full = True
                    time.sleep(_RETRY_SECONDS)
                    continue
                self._end(is_lost=error.errno in _FULL)
                return
            is_full = False
            if not count:  # somebody who shares this terminal has made it one that does not wait
                time.sleep(_TOGETHER_SECONDS)
            with self._changed:
                self._done(count)
                is_little = self._left < _PIECE and not self._is_ending
            if is_little:  # what comes soon after is printed together: each time this thread takes the interpreter from the proxy
                time.sleep(_TOGETHER_SECONDS)

    def _end(self, is_lost: bool) -> None:
        with self._changed:
            self._is_gone = True
            self._lost = self._lost + self._left if is_lost else 0
            self._pending.clear()
            self._size = 0
            if self._file is not None:
                self._file.close()
                self._file = None
            self._changed.notify_all()
        _tell(self._on_gone)


def _tell(somebody: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop that was to be told has ended
        somebody()


def outputs(
    out: TextIO, err: TextIO, on_out_gone: Callable[[], None], on_out_full: Callable[[], None]
) -> tuple[UnhurriedOutput, UnhurriedOutput]:
    """For both; one for the two where they are the same file, so that the order of what is printed stays."""
    first = UnhurriedOutput(out, on_out_gone, on_out_full)
    try:
        is_same = out is err or os.path.sameopenfile(out.fileno(), err.fileno())
    except (OSError, ValueError):
        is_same = False
    return first, first if is_same else UnhurriedOutput(err)
