"""Bodies of HTTP/1 messages, read and written: by length, chunked, until the connection closes (RFC 9112 §6, §7).

Lengths and chunks are counted here: h11 takes ten microseconds for a chunk, so that a peer who sends them a byte each would hold
up everybody, and keeps whole size lines, however long. The fields of trailers are h11's, through its public interface: a
connection that is fed a canonical head and the last chunk. What h11 lets pass there and we do not (LF alone, folded lines,
framing fields) is looked at here.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from interceptor.model.http import Field, Headers
from interceptor.proxy.layers.http.head_scan import LINE, NOT_IN_TRAILERS, HeadError, explain_field_line, refuse_bare_line_feed

LINE_LIMIT: Final = 16 * 1024
"""The size of a chunk with its extensions."""
CHUNKS_AT_ONCE: Final = 1024
"""Of one turn: about a millisecond, if they are small. What is behind them is read in the next one."""
SECTION_LIMIT: Final = 64 * 1024
"""Trailers; and what the chunk extensions of a body may have more than its chunks that carry them."""

_STRICT: Final = rb"([0-9A-Fa-f]{1,16})(?:;[^\x00-\x08\x0a-\x1f\x7f]*+)?"
_LENIENT: Final = rb"([0-9A-Fa-f]{1,16})[ \t]*+(?:;[^\r\n]*+)?"  # blanks behind the size, any byte in an extension
_SIZE_LINES: Final = {is_strict: re.compile(line + rb"\r\n") for is_strict, line in ((True, _STRICT), (False, _LENIENT))}
_HALF_SIZE_LINES: Final = {is_strict: re.compile(line + rb"\r?") for is_strict, line in ((True, _STRICT), (False, _LENIENT))}


class BodyReader(Protocol):
    """`feed` gives the body's next bytes and, once, whether it has ended; what follows the body is in `rest` then. What it leaves
    for a following turn is in `unread`, to be fed before anything else (see `take_unread`). `announced` is the length that the
    head gave, None if it gave none."""

    announced: int | None
    has_ended: bool
    rest: bytes
    trailers: Headers | None
    unread: bytes

    def feed(self, data: bytes) -> bytes: ...

    def end_of_stream(self) -> bool:
        """The connection has ended. True if that completes the body."""
        ...


def take_unread(reader: BodyReader) -> bytes:
    unread, reader.unread = reader.unread, b""
    return unread


class CountedBody:
    """As many bytes as Content-Length said."""

    __slots__ = ("announced", "has_ended", "missing", "rest", "trailers", "unread")

    def __init__(self, length: int) -> None:
        self.announced: int | None = length
        self.missing = length
        self.has_ended = length == 0
        self.rest = self.unread = b""
        self.trailers: Headers | None = None

    def feed(self, data: bytes) -> bytes:
        if len(data) < self.missing:
            self.missing -= len(data)
            return data
        data, self.rest = data[: self.missing], data[self.missing :]
        self.missing, self.has_ended = 0, True
        return data

    def end_of_stream(self) -> bool:
        return self.has_ended


class BodyUntilClose:
    """A response whose end is the connection's end."""

    __slots__ = ("announced", "has_ended", "rest", "trailers", "unread")

    def __init__(self) -> None:
        self.announced: int | None = None
        self.has_ended = False
        self.rest = self.unread = b""
        self.trailers: Headers | None = None

    def feed(self, data: bytes) -> bytes:
        return data

    def end_of_stream(self) -> bool:
        self.has_ended = True
        return True


class ChunkedBody:
    """Chunked, with trailers. `feed` raises HeadError for framing that is not strictly right; offsets count from the body's
    first byte."""

    __slots__ = (
        "_extension_bytes",
        "_half_size_line",
        "_is_at_line_end",
        "_is_in_trailers",
        "_left",
        "_missing",
        "_offset",
        "_size_line",
        "announced",
        "has_ended",
        "rest",
        "trailers",
        "unread",
    )  # fmt: skip

    def __init__(self, is_strict: bool = True) -> None:
        self._size_line, self._half_size_line = _SIZE_LINES[is_strict], _HALF_SIZE_LINES[is_strict]
        self._left = b""  # the beginning of a line, or of the trailers
        self._missing = 0  # bytes of the running chunk
        self._offset = self._extension_bytes = 0
        self._is_at_line_end = self._is_in_trailers = False
        self.announced: int | None = None
        self.has_ended = False
        self.rest = self.unread = b""
        self.trailers: Headers | None = None

    def feed(self, data: bytes) -> bytes:
        missing = self._missing
        if len(data) < missing:  # the middle of a large chunk
            self._missing -= len(data)
            self._offset += len(data)
            return data
        if self._left:
            data = self._left + data
        if self._is_in_trailers:
            self._read_trailers(data)
            return b""
        pieces: list[bytes] = []
        position = self._finish_chunk(data, pieces)
        while not self._missing and not self._is_at_line_end and (match := self._size_line.match(data, position)):
            if len(pieces) >= CHUNKS_AT_ONCE:
                self.unread = data[position:]
                data = data[:position]
                break
            start = match.end()
            size = int(match[1], 16)
            if start - match.end(1) > 2:
                self._count_extension(size, match)
            end = start + size
            if size and data[end : end + 2] == b"\r\n":
                pieces.append(data[start:end])
                position = end + 2
            elif size:
                self._missing, self._is_at_line_end = size, True
                position = start + self._finish_chunk(data[start:], pieces)
            else:
                self._is_in_trailers, position = True, start
                break
        self._offset += position
        self._left = data[position:]
        if self._is_in_trailers:
            self._read_trailers(self._left)
        elif self._left:
            self._refuse_half_line(self._left)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def end_of_stream(self) -> bool:
        return self.has_ended

    def _finish_chunk(self, data: bytes, pieces: list[bytes]) -> int:
        """What is missing of the running chunk, and its line end; returns how much that was."""
        position = min(self._missing, len(data))
        if position:
            pieces.append(data[:position])
            self._missing -= position
        if self._is_at_line_end and not self._missing and data[position : position + 2] == b"\r\n":
            self._is_at_line_end = False
            position += 2
        return position

    def _count_extension(self, size: int, line: re.Match[bytes]) -> None:
        if line.end() - line.start() > LINE_LIMIT:
            reason = f"malformed chunked body: more than {LINE_LIMIT} bytes before a chunk"
            raise HeadError(reason, self._offset + line.start(), line[0])
        self._extension_bytes += line.end() - line.end(1) - 2 - size
        if self._extension_bytes > SECTION_LIMIT:
            raise HeadError("malformed chunked body: extensions that are larger than it", self._offset + line.start(), line[0])

    def _refuse_half_line(self, left: bytes) -> None:
        """What is left is no line end or size line yet; HeadError if it never will be one."""
        if self._is_at_line_end:
            if left != b"\r":
                raise HeadError("malformed chunked body: a chunk does not end where its size says", self._offset, left)
        elif len(left) > LINE_LIMIT:
            raise HeadError(f"malformed chunked body: more than {LINE_LIMIT} bytes before a chunk", self._offset, left)
        elif not self._half_size_line.fullmatch(left):
            raise HeadError("malformed chunked body: no chunk size", self._offset, left.partition(b"\r\n")[0])

    def _read_trailers(self, section: bytes) -> None:
        """From behind the line of the last chunk: the fields and the empty line."""
        if section.startswith(b"\r\n"):
            return self._end(2, section)
        end = section.find(b"\r\n\r\n")
        if end < 0:
            if len(section) > SECTION_LIMIT:
                raise HeadError(f"the trailers are larger than {SECTION_LIMIT} bytes", self._offset, section)
            refuse_bare_line_feed(section, 0)
            self._left = section
            return
        _refuse_loose_trailers(section[: end + 2], self._offset)
        self.trailers = Headers(_fields(section[: end + 4], self._offset))
        self._end(end + 4, section)

    def _end(self, size: int, section: bytes) -> None:
        self.rest, self._left, self.has_ended = section[size:], b"", True


def _fields(section: bytes, offset: int) -> list[Field]:
    """What h11 reads in the trailers of a body."""
    import h11  # 21 ms, needed only now

    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * SECTION_LIMIT)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + section)
    try:
        connection.next_event()
        end = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise HeadError(f"malformed trailers ({error})", offset, section) from None
    assert isinstance(end, h11.EndOfMessage)
    return [(bytes(name), bytes(value)) for name, value in end.headers.raw_items()]


def _refuse_loose_trailers(section: bytes, offset: int) -> None:
    """What h11 takes there: LF alone, folded lines, fields that frame the message again (RFC 9110 §6.5.1)."""
    for line in LINE.findall(section):
        if error := explain_field_line(line, offset):
            raise error
        if (name := line[: line.index(b":")]).lower() in NOT_IN_TRAILERS:
            raise HeadError("a trailer may not carry this field", offset, name)
        offset += len(line)


class BodyWriter:
    """What is written around body bytes: nothing, or chunk sizes."""

    __slots__ = ("is_chunked",)

    def __init__(self, is_chunked: bool) -> None:
        self.is_chunked = is_chunked

    def data(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self.is_chunked else data

    def end(self, trailers: Headers | None) -> bytes:
        if not self.is_chunked:
            return b""
        return b"0\r\n%b\r\n" % (bytes(trailers) if trailers is not None else b"")
