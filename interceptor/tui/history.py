"""Lines that were typed before: recalled by the prefix that stands in the prompt, kept in a file between runs.

The file has one line an entry, oldest first, is readable by its owner alone, and is rewritten when it has grown to twice
`LIMIT`. A file that cannot be read or written costs the memory between runs, nothing else.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LIMIT: Final = 1000


class History:
    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._entries: list[str] = []
        self._in_file = 0
        self._prefix = ""
        self._at: int | None = None
        if path is not None:
            with suppress(OSError, UnicodeError):
                self._entries = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
        self._in_file = len(self._entries)
        self._entries = self._entries[-LIMIT:]

    @property
    def entries(self) -> list[str]:
        """Oldest first."""
        return list(self._entries)

    def add(self, line: str) -> None:
        """A line that was entered. An older one that is the same moves to the end; blank ones are not kept."""
        self.rewind()
        line = line.strip()
        if not line or "\n" in line or (self._entries and self._entries[-1] == line):
            return
        with suppress(ValueError):
            self._entries.remove(line)
        self._entries.append(line)
        del self._entries[:-LIMIT]
        if self._path is not None:
            with suppress(OSError, UnicodeError):
                self._write(self._path, line)

    def clear(self) -> None:
        self._entries.clear()
        self.rewind()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
        self._in_file = 0

    def rewind(self) -> None:
        """The next recall begins anew."""
        self._at = None

    def previous(self, text: str) -> str | None:
        """The next older line that begins with `text` as it was when the recall began; None if there is none."""
        if self._at is None:
            self._prefix, self._at = text, len(self._entries)
        for index in range(self._at - 1, -1, -1):
            if self._entries[index].startswith(self._prefix):
                self._at = index
                return self._entries[index]
        return None

    def next(self) -> str | None:
        """The next newer one; in the end what was typed. None if no recall is going on."""
        if self._at is None:
            return None
        for index in range(self._at + 1, len(self._entries)):
            if self._entries[index].startswith(self._prefix):
                self._at = index
                return self._entries[index]
        self._at = None
        return self._prefix

    def _write(self, path: Path, line: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._in_file >= 2 * LIMIT:
            fresh = path.with_name(path.name + ".new")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.writelines(f"{entry}\n" for entry in self._entries)
            fresh.replace(path)
            self._in_file = len(self._entries)
            return
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        self._in_file += 1
