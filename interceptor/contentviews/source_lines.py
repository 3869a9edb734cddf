"""Lines that are places in a source: an index of where each begins, and a function that makes one when it is looked at.

`IndexedLines` is filled by a pretty printer that walks the source once. It keeps 13 bytes a line, so that a body of many
megabytes can be indented without the indented text ever existing. `PlainLines` finds ends of lines only as far as somebody has
looked, and remembers one place in 64 KiB.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from interceptor.contentviews.rendered import CUT_MARK, LONGEST_LINE, LazyLines, Line, piece_end
from interceptor.contentviews.visible import styled_bytes

CONTINUED: Final = 0x80
"""Set in the kind of a piece that begins in the middle of a line."""

_DEEPEST: Final = 50
_CHUNK: Final = 64 * 1024


class IndexedLines(LazyLines):
    """`draw(source[start:end], kind)` gives a line without its indentation, where `end` is the start of the next."""

    def __init__(self, source: bytes, draw: Callable[[bytes, int], Line]) -> None:
        self._source = source
        self._draw = draw
        self._starts = array("Q")
        self._depths = array("I")
        self._kinds = bytearray()
        self._end = len(source)

    def add(self, start: int, depth: int, kind: int = 0) -> None:
        """The next line; the one before must have been closed by `cut` if it may be long."""
        self._starts.append(start)
        self._depths.append(depth)
        self._kinds.append(kind)

    def cut(self, end: int) -> None:
        """The last line ends at `end`: if it is too long, pieces of it are added."""
        start, kind, depth = self._starts[-1], self._kinds[-1] | CONTINUED, self._depths[-1]
        while end - start > LONGEST_LINE:
            start = piece_end(self._source, start, end)
            self.add(start, depth, kind)

    def join(self) -> None:
        """The last line becomes the end of the one before."""
        self._starts.pop()
        self._depths.pop()
        self._kinds.pop()

    def finish(self, end: int) -> None:
        """Nothing of the source belongs to the lines from `end` on."""
        self._end = end

    def start(self, index: int) -> int:
        return self._starts[index]

    def kind(self, index: int) -> int:
        return self._kinds[index]

    def __len__(self) -> int:
        return len(self._starts)

    def line(self, index: int) -> Line:
        start = self._starts[index]
        is_last = index + 1 == len(self._starts)
        end = self._end if is_last else self._starts[index + 1]
        kind = self._kinds[index]
        line: Line = []
        if not kind & CONTINUED and self._depths[index]:
            line.append(("text", "  " * min(self._depths[index], _DEEPEST)))
        line += self._draw(self._source[start:end], kind)
        if not is_last and self._kinds[index + 1] & CONTINUED:
            line.append(CUT_MARK)
        return line


class PlainLines(LazyLines):
    """The lines of UTF-8 text as they are, in one style."""

    def __init__(self, source: bytes, style: str = "text") -> None:
        self._source = source
        self._style = style
        self._offsets = array("Q", [0])  # of chunks; the last one is not indexed yet
        self._first_lines = array("Q", [0])
        self._lock = threading.Lock()
        self._open_chunk: tuple[int, list[int]] = (-1, [])

    def __len__(self) -> int:
        while self._index_chunk():
            pass
        return self._first_lines[-1]

    def line(self, index: int) -> Line:
        while index >= self._first_lines[-1]:
            if not self._index_chunk() and index >= self._first_lines[-1]:  # another thread may have gone on meanwhile
                raise IndexError(index)
        if index < 0:
            raise IndexError(index)
        chunk = bisect_right(self._first_lines, index) - 1
        number, ends = self._open_chunk
        if number != chunk:
            ends = self._ends(self._offsets[chunk], self._offsets[chunk + 1])
            self._open_chunk = chunk, ends
        place = index - self._first_lines[chunk]
        start, end = ends[place], ends[place + 1]
        text = self._source[start:end]
        if text.endswith(b"\n"):
            return styled_bytes(self._style, text[: -2 if text.endswith(b"\r\n") else -1])
        line = styled_bytes(self._style, text)
        if end < len(self._source):
            line.append(CUT_MARK)
        return line

    def _index_chunk(self) -> bool:
        """One chunk further; False at the end."""
        with self._lock:
            offset = self._offsets[-1]
            if offset >= len(self._source):
                return False
            limit = min(offset + _CHUNK, len(self._source))
            end = self._source.rfind(b"\n", offset, limit) + 1
            lines = self._source[offset:end].split(b"\n") if end else []
            if lines and max(map(len, lines)) <= LONGEST_LINE:
                count = len(lines) - 1
            else:
                ends = self._ends(offset, limit)
                end, count = ends[-1], len(ends) - 1
            self._offsets.append(end)
            self._first_lines.append(self._first_lines[-1] + count)  # last: readers without the lock go by it
            return True

    def _ends(self, offset: int, limit: int) -> list[int]:
        """The place where a chunk begins and the ends of its lines, their line ends included, up to the first from `limit` on."""
        source, size = self._source, len(self._source)
        ends = [offset]
        while offset < limit:
            newline = source.find(b"\n", offset, offset + LONGEST_LINE + 2)
            offset = newline + 1 if newline >= 0 else piece_end(source, offset, size)
            ends.append(offset)
        return ends
