"""A lock on a file that lasts as long as the program that holds it, however that ends.

The lock is of another kind than those that SQLite takes on the same file, and neither minds the other.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 1 << 40, os.SEEK_SET)  # behind everything that the file will ever have
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise BlockingIOError("locked") from None
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    def __init__(self, file: int) -> None:
        self._file = file

    @classmethod
    def take(cls, path: Path) -> FileLock:
        """The file is made if there is none. BlockingIOError if somebody has the lock; OSError if the file cannot be written."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)  # it holds cookies and passwords
        try:
            _lock(file)
        except BaseException:
            os.close(file)
            raise
        return cls(file)

    def is_of(self, path: Path) -> bool:
        """Whether the file of that name is still the one that is locked."""
        try:
            found, ours = os.stat(path), os.fstat(self._file)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock of that file. Not for a file that this program has open: see `SessionFile`."""
    try:
        file = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        _lock(file)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False
