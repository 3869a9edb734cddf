"""What the spool asks of the operating system: a file without a name, its two descriptors, and holes in it.

Writing a page for the first time through the page cache is several times slower than the disk on many machines (each page has to
be found, and on a virtual one often fetched from the host), so the file has a second descriptor that goes past the cache. Not
every file system has that, and those that have it want whole aligned blocks from aligned memory; see `spool_writer`.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path
from typing import Final

FREE_DISK_KEPT: Final = 500_000_000
"""Bytes that are left free on the disk if no limit was set."""

_seek_lock = threading.Lock() if not hasattr(os, "pread") else None


def read_at(file: int, offset: int, length: int) -> bytes:
    if _seek_lock is not None:
        with _seek_lock:
            os.lseek(file, offset, os.SEEK_SET)
            return os.read(file, length)
    content = os.pread(file, length, offset)
    while len(content) < length:  # a pread stops at 2 GiB, or at a signal
        more = os.pread(file, length - len(content), offset + len(content))
        if not more:
            break
        content += more
    return content


def write_at(file: int, content: memoryview, offset: int) -> int:
    if _seek_lock is None:
        return os.pwrite(file, content, offset)
    with _seek_lock:
        os.lseek(file, offset, os.SEEK_SET)
        return os.write(file, content)


def large_temporary_directory() -> Path:
    """/tmp is often memory; /var/tmp is a disk by convention. Who sets TMPDIR knows better."""
    import tempfile  # here and below: not needed to start

    large = Path("/var/tmp")
    if os.name == "posix" and not os.environ.get("TMPDIR") and os.access(large, os.W_OK):
        return large
    return Path(tempfile.gettempdir())


def nameless_file(directory: Path) -> int:
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


def past_the_cache(file: int) -> int | None:
    """A second descriptor of that file, whose writes go past the page cache; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    try:
        return os.open(f"/proc/self/fd/{file}", os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError:  # the file system refuses it, or /proc is not there
        return None


def free_bytes(file: int | None) -> int:
    if file is None or not hasattr(os, "fstatvfs"):
        return FREE_DISK_KEPT
    facts = os.fstatvfs(file)
    return facts.f_bavail * facts.f_frsize


_KEEP_SIZE_AND_PUNCH_HOLE: Final = 0x01 | 0x02  # linux/falloc.h


def punch_hole(file: int, offset: int, length: int) -> bool:
    """Gives the disk that part of the file back; False where the file system cannot."""
    import ctypes

    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return bool(fallocate(file, _KEEP_SIZE_AND_PUNCH_HOLE, offset, length) == 0)
