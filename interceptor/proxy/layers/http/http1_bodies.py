"""Bodies of HTTP/1 messages, read and written: by length, chunked, until the connection closes (RFC 9112 §6, §7).

Lengths are counted here. Chunked framing and trailers are h11's, through its public interface: a connection that is fed a
canonical two-line head and then the body. What h11 lets pass and we do not (LF alone after a chunk, framing fields in
trailers) is looked at here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from interceptor.model.http import Headers
from interceptor.proxy.layers.http.head_scan import HeadError, read_trailer_fields, refuse_bare_line_feed

if TYPE_CHECKING:
    import h11


class BodyReader(Protocol):
    """`feed` gives the body's next bytes and, once, whether it has ended; what follows the body is in `rest` then. `announced`
    is the length that the head gave, None if it gave none."""

    announced: int | None
    has_ended: bool
    rest: bytes
    trailers: Headers | None

    def feed(self, data: bytes) -> bytes: ...

    def end_of_stream(self) -> bool:
        """The connection has ended. True if that completes the body."""
        ...


class CountedBody:
    """As many bytes as Content-Length said."""

    __slots__ = ("announced", "has_ended", "missing", "rest", "trailers")

    def __init__(self, length: int) -> None:
        self.announced: int | None = length
        self.missing = length
        self.has_ended = length == 0
        self.rest = b""
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

    __slots__ = ("announced", "has_ended", "rest", "trailers")

    def __init__(self) -> None:
        self.announced: int | None = None
        self.has_ended = False
        self.rest = b""
        self.trailers: Headers | None = None

    def feed(self, data: bytes) -> bytes:
        return data

    def end_of_stream(self) -> bool:
        self.has_ended = True
        return True


class ChunkedBody:
    """Chunked, with trailers. `feed` raises HeadError for framing that is not strictly right."""

    __slots__ = ("_h11", "_left", "announced", "has_ended", "rest", "trailers")

    def __init__(self) -> None:
        import h11  # 21 ms, needed only now

        self._h11: h11.Connection = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)
        self._h11.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        self._h11.next_event()
        self._left = b""  # what h11 has been given and not yet read
        self.announced: int | None = None
        self.has_ended = False
        self.rest = b""
        self.trailers: Headers | None = None

    def feed(self, data: bytes) -> bytes:
        import h11

        self._h11.receive_data(data)
        pieces: list[bytes] = []
        try:
            while True:
                event = self._h11.next_event()
                if isinstance(event, h11.Data):
                    pieces.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self.has_ended = True
                    self.rest = self._h11.trailing_data[0]
                    fields = [(bytes(name), bytes(value)) for name, value in event.headers.raw_items()]
                    section = self._left + data
                    _refuse_loose_trailers(section[: len(section) - len(self.rest)], len(fields))
                    self.trailers = read_trailer_fields(fields) if fields else None
                    break
                else:
                    self._left = self._h11.trailing_data[0]
                    refuse_bare_line_feed(self._left, 0)
                    break
        except h11.RemoteProtocolError as error:
            raise HeadError(f"malformed chunked body ({error})", 0, data[:40]) from None
        return b"".join(pieces) if len(pieces) != 1 else pieces[0]

    def end_of_stream(self) -> bool:
        return self.has_ended


def _refuse_loose_trailers(section: bytes, count: int) -> None:
    """`section` ends with as many trailer lines and the empty one: h11 takes LF alone and folded lines there."""
    for index, line in enumerate(section.rsplit(b"\n", count + 2)[:-1]):
        if not line.endswith(b"\r"):
            raise HeadError("a line ends in LF without CR", 0, line[-40:])
        if index and line.startswith((b" ", b"\t")):  # before the first one there is the body
            raise HeadError("a folded trailer field (obs-fold)", 0, line)


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
