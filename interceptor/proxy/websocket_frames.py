"""WebSocket frames (RFC 6455 §5): cut out of a byte stream as it comes, and written.

    bytes ─▸ FrameReader.feed ─▸ [FramePiece]      each with the very bytes that it came in, so that it can be passed on as it is

A data frame is given in as many pieces as it arrives in, so that a large one streams; a control frame comes whole. What peers
make of a frame that breaks the rules is theirs to say: nothing is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CONTINUATION: Final = 0
FIRST_CONTROL: Final = 8
LARGEST_CONTROL: Final = 125
RSV1: Final = 4


@dataclass(slots=True)
class FramePiece:
    """`raw` as received, header and mask included; `payload` unmasked. `is_first` has the header in it, `is_last` completes the
    frame. `rsv` are the three reserved bits, `RSV1` the first of them."""

    raw: bytes
    payload: bytes
    opcode: int
    is_final: bool
    rsv: int
    is_first: bool
    is_last: bool

    @property
    def is_control(self) -> bool:
        return self.opcode >= FIRST_CONTROL


class FrameReader:
    """For the bytes of one direction."""

    __slots__ = ("_held", "_is_final", "_mask", "_opcode", "_remaining", "_rsv", "_unmask")

    def __init__(self) -> None:
        from websockets.utils import apply_mask  # C where it can be

        self._unmask = apply_mask
        self._held = b""  # a header, or a control frame, that is not complete
        self._remaining = 0  # of the payload of the frame that was begun
        self._mask = b""  # rotated to where the payload goes on; b"" if it is not masked
        self._opcode, self._is_final, self._rsv = 0, True, 0

    def feed(self, data: bytes) -> list[FramePiece]:
        """What can be told of the bytes so far, in order."""
        if self._held:
            data, self._held = self._held + data, b""
        pieces: list[FramePiece] = []
        position, end = 0, len(data)
        while position < end:
            if self._remaining:
                taken = min(self._remaining, end - position)
                pieces.append(self._piece(data, position, position, position + taken))
                position += taken
            elif size := self._read_header(data, position, end):
                taken = min(self._remaining, end - position - size)
                pieces.append(self._piece(data, position, position + size, position + size + taken))
                position += size + taken
            else:
                self._held = data[position:]
                break
        return pieces

    def _read_header(self, data: bytes, position: int, end: int) -> int:
        """Its size; 0 if it is not all there (or, of a control frame, its payload)."""
        if end - position < 2:
            return 0
        first, second = data[position], data[position + 1]
        length, size = second & 0x7F, 2
        if length >= 126:
            size = 4 if length == 126 else 10
            if end - position < size:
                return 0
            length = int.from_bytes(data[position + 2 : position + size], "big")
        if second & 0x80:
            size += 4
        opcode = first & 0x0F
        is_short_control = opcode >= FIRST_CONTROL and length <= LARGEST_CONTROL
        if end - position < size + (length if is_short_control else 0):
            return 0
        self._mask = data[position + size - 4 : position + size] if second & 0x80 else b""
        self._opcode, self._is_final, self._rsv, self._remaining = opcode, first >= 0x80, first >> 4 & 7, length
        return size

    def _piece(self, data: bytes, start: int, payload_start: int, stop: int) -> FramePiece:
        payload, mask = data[payload_start:stop], self._mask
        if mask and payload:
            payload = self._unmask(payload, mask)
            if shift := len(payload) % 4:
                self._mask = mask[shift:] + mask[:shift]
        self._remaining -= stop - payload_start
        raw = data if start == 0 and stop == len(data) else data[start:stop]
        is_first = payload_start > start
        return FramePiece(raw, payload, self._opcode, self._is_final, self._rsv, is_first, not self._remaining)


def write_frame(opcode: int, payload: bytes, is_masked: bool, is_final: bool = True) -> bytes:
    """One frame, not compressed. What goes to a server is masked (§5.3)."""
    from websockets.frames import Frame, Opcode

    return Frame(Opcode(opcode), payload, is_final).serialize(mask=is_masked)
