"""Whether a header block ends where its integers and strings end (RFC 7541 §5, §6).

jh2's decoder in Rust reads past the end of one that does not, and says so on standard error, which is a person's screen. So it is
not given any such block; what is in the strings is the decoder's to judge.
"""

from __future__ import annotations

from typing import Final

_MOST_SHIFT: Final = 21  # integers beyond 2**28 mean nothing here
_INDEXED, _INCREMENTAL, _TABLE_SIZE = 0x80, 0x40, 0x20
_PADDED: Final = 0x8


def fragment_of(frame: bytes) -> bytes:
    """The part of a HEADERS frame (without priority) that is header block; CONTINUATION has nothing else."""
    if frame[4] & _PADDED and len(frame) > 9:
        return frame[10 : max(len(frame) - frame[9], 10)]
    return frame[9:]


def is_whole(block: bytes) -> bool:
    """False if it breaks off in the middle of a field, or has an index that does not exist anywhere."""
    at, size = 0, len(block)
    while 0 <= at < size:
        first = block[at]
        if first & _INDEXED:
            if first != 0xFF:  # by far the most fields: one byte
                if first == _INDEXED:
                    return False
                at += 1
                continue
            at, _ = _integer(block, at, 0x7F)
        elif not first & _INCREMENTAL and first & _TABLE_SIZE:
            at, _ = _integer(block, at, 0x1F)
        else:
            at, index = _integer(block, at, 0x3F if first & _INCREMENTAL else 0x0F)
            if not index:
                at = _behind_string(block, at)
            at = _behind_string(block, at)
    return at == size


def _integer(block: bytes, at: int, prefix: int) -> tuple[int, int]:
    """(behind it, its value); (-1, 1) if it breaks off or is absurd."""
    if not 0 <= at < len(block):
        return -1, 1
    value = block[at] & prefix
    at += 1
    if value < prefix:
        return at, value
    for shift in range(0, _MOST_SHIFT + 1, 7):
        if at >= len(block):
            return -1, 1
        value += (block[at] & 0x7F) << shift
        at += 1
        if not block[at - 1] & 0x80:
            return at, value
    return -1, 1


def _behind_string(block: bytes, at: int) -> int:
    at, length = _integer(block, at, 0x7F)
    return at + length if at >= 0 and at + length <= len(block) else -1
