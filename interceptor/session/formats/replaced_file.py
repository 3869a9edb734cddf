"""A file that is there as a whole or not at all: written beside the old one under another name, then put in its place.

Whatever goes wrong meanwhile (a full disk, a damaged source, Ctrl-C), what was there before stays as it was. What is no ordinary
file, a pipe or /dev/stdout, is written to as it is.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from interceptor.specs.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """To be written to in the block; in its place when the block ends without an exception. UserError if it cannot be written.
    Errors of the system while the block writes become UserErrors, too."""
    target = Path(os.path.realpath(path.expanduser()))  # of a link, what it leads to is replaced
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                yield stream
        else:
            yield from _replacing(target)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UserError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from None


def _replacing(target: Path) -> Iterator[BinaryIO]:
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    try:
        with open(beside, "wb", opener=lambda name, _: os.open(name, flags, 0o666)) as stream:
            yield stream
        with suppress(FileNotFoundError):
            os.chmod(beside, stat.S_IMODE(target.stat().st_mode))
        os.replace(beside, target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
