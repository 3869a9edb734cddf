"""Content codings (RFC 9110 §8.4.1): bytes as sent into bytes as meant, and back. Pure functions.

    Content-Encoding: deflate, gzip       decode: gzip off, then deflate off        encode: deflate on, then gzip on

What comes from the wire is hostile or cut off, so every decoder works in steps and stops at `limit`: no step makes more than
about one limit of output, whatever the ratio. A failure after the first byte of output keeps that output, because a person
would rather see most of a body than none of it:

* `TooLarge.partial`: at most `limit` bytes; there would have been more.
* `PartialContent.content`: the stream ended early or went bad there.

Bytes behind a complete stream are ignored, as browsers do. brotli and zstandard are imported when first needed.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

MOST_CODINGS: Final = 8
"""More than this many codings on one body is an attack, not a message."""

MOST_GAINED: Final = 32
"""What is real rarely gets smaller than a thirtieth by its codings; what hurts gets a thousand and more times larger."""
ALWAYS_DECODED: Final = 4 * 1024 * 1024

_STEP: Final = 1 << 16
_ZSTD_BLOCK: Final = 1 << 17  # RFC 8878 §3.1.1.2.4: no block regenerates more; it takes at least four bytes of input to say so
_ZSTD_WINDOW: Final = 1 << 27


class TooLarge(ValueError):
    """The decoded content is larger than the limit; `partial` is its beginning, at most `limit` bytes."""

    def __init__(self, partial: bytes, limit: int) -> None:
        super().__init__(f"decoded content is larger than {limit} bytes")
        self.partial = partial


class PartialContent(ValueError):
    """The encoded content is cut off or corrupt; `content` is what could be decoded before that."""

    def __init__(self, content: bytes, reason: str) -> None:
        super().__init__(reason)
        self.content = content


def codings(content_encoding: str) -> list[str]:
    """The names in a Content-Encoding value, lower case, in the order they were applied; without `identity`."""
    names = (name.strip().lower() for name in content_encoding.split(","))
    return [name for name in names if name and name != "identity"]


def decode_content(raw: bytes, content_encoding: str, limit: int | None) -> bytes:
    """`raw` without its codings. ValueError if a coding is unknown or the bytes are not in it, else as the module says.

    `limit` bounds every step's output; content without any coding is returned as it is, whatever its size.
    """
    content = raw
    failure: TooLarge | PartialContent | None = None
    names = _known(content_encoding, _DECODERS)
    for index in reversed(range(len(names))):
        if not content:
            break
        # What incompressible content gained by the codings below must not count against it.
        slack = 0 if limit is None or not index else 1024 + limit // 64
        try:
            content = _collect(names[index], content, None if limit is None else limit + slack)
        except TooLarge as error:
            content, failure = error.partial, failure or error
        except PartialContent as error:
            content, failure = error.content, failure or error
    if isinstance(failure, TooLarge) and limit is not None:
        raise TooLarge(content[:limit], limit)
    if failure is not None:
        raise PartialContent(content, str(failure))
    return content


def credible_size(encoded_size: int, at_most: int) -> int:
    """The limit for decoding a body of that size where nobody watches: in proportion to what was really sent, so that a few
    hundred bytes cannot take hundreds of megabytes and seconds."""
    return min(at_most, max(ALWAYS_DECODED, MOST_GAINED * encoded_size))


def encode_content(content: bytes, content_encoding: str) -> bytes:
    """`content` with the codings applied in order. ValueError if one is unknown or its library is missing."""
    for name in _known(content_encoding, _ENCODERS):
        content = _ENCODERS[name](content)
    return content


def _known(content_encoding: str, table: dict[str, Any]) -> list[str]:
    names = codings(content_encoding)
    if len(names) > MOST_CODINGS:
        raise ValueError(f"{len(names)} content codings on one body; at most {MOST_CODINGS} are undone")
    for name in names:
        if name not in table:
            raise ValueError(f"unknown content coding {name!r}; known are gzip, deflate, br, zstd and identity")
    return names


class _BadStream(Exception):
    """A decoder met nonsense in the piece that it took last."""


class _CutOff(_BadStream):
    """A decoder met the end before its stream was complete."""

    def __init__(self) -> None:
        super().__init__("the content ends before its end mark")


class _Input:
    """The encoded bytes, handed out in steps; one by one from `careful_from` on."""

    def __init__(self, raw: bytes, careful_from: int | None = None) -> None:
        self._raw = raw
        self._careful_from = len(raw) if careful_from is None else careful_from
        self.position = self.last = 0

    def take(self, most: int = _STEP) -> bytes:
        """The next bytes, b"" at the end."""
        self.last = self.position
        to_care = self._careful_from - self.position
        piece = self._raw[self.position : self.position + (min(most, to_care) if to_care > 0 else 1)]
        self.position += len(piece)
        return piece

    def peek(self, count: int) -> bytes:
        return self._raw[self.position : self.position + count]


def _collect(name: str, raw: bytes, limit: int | None) -> bytes:
    """The whole output of one decoder. The libraries keep nothing of a call that fails, so after a failure the last piece of
    input is tried again byte by byte, for what is good in it."""
    source = _Input(raw)
    output = bytearray()
    try:
        _run(name, source, output, limit)
    except _BadStream as error:
        failure = error
        if not isinstance(error, _CutOff):
            output.clear()
            try:
                _run(name, _Input(raw, careful_from=source.last), output, limit)
                return bytes(output)
            except _BadStream as again:
                failure = again
        if not output:
            raise ValueError(f"not {name}: {failure}") from None
        raise PartialContent(bytes(output), f"{name}: {failure}") from None
    return bytes(output)


def _run(name: str, source: _Input, output: bytearray, limit: int | None) -> None:
    for piece in _DECODERS[name](source, limit):
        output += piece
        if limit is not None and len(output) > limit:
            del output[limit:]
            raise TooLarge(bytes(output), limit)


def _inflate(source: _Input, wbits: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits)
    while not decoder.eof:
        waiting = source.take()
        if not waiting:
            raise _CutOff
        while True:
            try:
                piece = decoder.decompress(waiting, _STEP)
            except zlib.error as error:
                raise _BadStream(str(error).rpartition(": ")[2]) from None
            if piece:
                yield piece
            waiting = decoder.unconsumed_tail
            if decoder.eof or (not waiting and len(piece) < _STEP):
                break
    source.position -= len(decoder.unused_data)


def _gunzip(source: _Input, limit: int | None) -> Iterator[bytes]:
    """Every member of a gzip file (RFC 1952 §2.2)."""
    yield from _inflate(source, 31)
    while source.peek(2) == b"\x1f\x8b":
        yield from _inflate(source, 31)


def _undeflate(source: _Input, limit: int | None) -> Iterator[bytes]:
    """zlib's format as RFC 9110 §8.4.1.2 has it, or the bare deflate stream that many servers send instead."""
    header = source.peek(2)
    if len(header) == 2 and header[0] & 0x0F == 8 and int.from_bytes(header, "big") % 31 == 0:
        size = 0
        try:
            for piece in _inflate(source, 15):
                size += len(piece)
                yield piece
            return
        except _CutOff:
            raise
        except _BadStream:
            if size:
                raise
            source.position = 0  # a bare stream may begin like that by chance
    yield from _inflate(source, -15)


def _unbrotli(source: _Input, limit: int | None) -> Iterator[bytes]:
    brotli = _library("brotli", "br")
    decoder = brotli.Decompressor()
    if not hasattr(decoder, "can_accept_more_data"):  # before that release there is no bound on its output
        raise ValueError("content coding 'br' needs brotli 1.2 or later: pip install --upgrade brotli")
    piece = b""
    while not decoder.is_finished():
        # Output that waits is fetched first: with it pending, bytes behind the end would be an error.
        is_drained = len(piece) < _STEP and decoder.can_accept_more_data()
        waiting = source.take() if is_drained else b""
        try:
            piece = decoder.process(waiting, output_buffer_limit=_STEP)
        except brotli.error:
            raise _BadStream("invalid data") from None
        if piece:
            yield piece
        elif is_drained and not waiting and not decoder.is_finished():
            raise _CutOff


def _unzstd(source: _Input, limit: int | None) -> Iterator[bytes]:
    """Every frame (RFC 8878 §3.1). The library does not bound its output, so it is fed little enough at a time."""
    zstandard = _library("zstandard", "zstd")
    size = 0
    while not source.position or _is_zstd_frame(source.peek(4)):
        decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        while not decoder.eof:
            waiting = source.take(_STEP if limit is None else max(16, min(_STEP, (limit - size) // _ZSTD_BLOCK * 4)))
            if not waiting:
                raise _CutOff
            try:
                piece = decoder.decompress(waiting)
            except zstandard.ZstdError as error:
                raise _BadStream(str(error).rpartition(": ")[2]) from None
            if piece:
                size += len(piece)
                yield piece
        source.position -= len(decoder.unused_data)


def _is_zstd_frame(magic: bytes) -> bool:
    """A frame or a skippable one."""
    return magic == b"\x28\xb5\x2f\xfd" or (magic[1:] == b"\x2a\x4d\x18" and magic[0] >> 4 == 5)


def _library(module: str, coding: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ValueError(f"content coding {coding!r} needs a library that is missing: pip install {module}") from None


def _gzip(content: bytes) -> bytes:
    return _deflated(content, 31)


def _deflated(content: bytes, wbits: int = 15) -> bytes:
    encoder = zlib.compressobj(wbits=wbits)
    return encoder.compress(content) + encoder.flush()


def _brotli(content: bytes) -> bytes:
    encoded: bytes = _library("brotli", "br").compress(content, quality=5)
    return encoded


def _zstd(content: bytes) -> bytes:
    encoded: bytes = _library("zstandard", "zstd").ZstdCompressor().compress(content)
    return encoded


_DECODERS: Final[dict[str, Callable[[_Input, int | None], Iterator[bytes]]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
_ENCODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflated,
    "br": _brotli,
    "zstd": _zstd,
}
