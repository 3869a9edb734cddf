"""What a message of a raw conversation consists of, guessed from its bytes: records, packets, lines, frames behind their length.

A guess has to account for every byte: `framing` says something only where all lengths that it reads end where the message
does. Pure; looks at short messages only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from interceptor.model.dns import HEADER_BYTES, DnsMessage, looks_like_query, question_of

LOOKED_AT: Final = 16 * 1024
"""Of longer messages nothing is said."""

_MOST_FRAMES: Final = 1_000
_TLS_RECORDS: Final = {20: "change of cipher", 21: "alert", 22: "handshake", 23: "application data"}
_TLS_LONGEST: Final = 16 * 1024 + 256
_POSTGRES: Final = {
    0x51: "Query", 0x50: "Parse", 0x42: "Bind", 0x45: "Execute", 0x44: "DataRow", 0x53: "Sync", 0x43: "CommandComplete",
    0x54: "RowDescription", 0x5A: "ReadyForQuery", 0x52: "Authentication", 0x4B: "BackendKeyData", 0x58: "Terminate",
    0x70: "Password", 0x31: "ParseComplete", 0x32: "BindComplete", 0x74: "ParameterDescription", 0x6E: "NoData", 0x4E: "Notice",
}  # fmt: skip
_POSTGRES_FIRST: Final = {80877103: "SSLRequest", 80877104: "GSSENCRequest", 80877102: "CancelRequest", 196608: "StartupMessage"}
_STUN_COOKIE: Final = b"\x21\x12\xa4\x42"
_CONTROL: Final = bytes(range(9)) + b"\x0b\x0c" + bytes(range(14, 32)) + b"\x7f"
_BIG: Final = ((4, "big"), (2, "big"), (4, "little"), (2, "little"))


def framing(data: bytes) -> str:
    """In a few words; "" where nothing is recognised."""
    if not data or len(data) > LOOKED_AT:
        return ""
    if data.endswith(b"\n") and data.translate(None, _CONTROL) == data:
        return f"{count} lines" if (count := data.count(b"\n")) > 1 else ""
    for guess in (_tls, _dns, _stun, _postgres, _mysql, _lengths):
        if said := guess(data):
            return said
    return ""


def _frames(data: bytes, header: int, size: Callable[[int], int]) -> list[int]:
    """Where frames begin that are `header` and `size(start)` bytes long; none if they do not end where the data does."""
    starts: list[int] = []
    at = 0
    while at + header <= len(data) and len(starts) < _MOST_FRAMES:
        starts.append(at)
        length = size(at)
        if length < 0:
            return []
        at += header + length
    return starts if at == len(data) else []


def _counted(names: Sequence[str]) -> str:
    """Each once, in the order in which they come first."""
    return ", ".join(
        name if (count := names.count(name)) == 1 else f"{count} × {name}" for name in dict.fromkeys(names)
    )


def _tls(data: bytes) -> str:
    if data[0] not in _TLS_RECORDS or data[1:2] != b"\3":
        return ""

    def size(at: int) -> int:
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        return length if data[at] in _TLS_RECORDS and data[at + 1] == 3 and length <= _TLS_LONGEST else -1

    return "TLS: " + _counted([_TLS_RECORDS[data[at]] for at in starts]) if (starts := _frames(data, 5, size)) else ""


def _dns(data: bytes) -> str:
    is_framed = len(data) > 2 + HEADER_BYTES and int.from_bytes(data[:2], "big") == len(data) - 2
    wire = data[2:] if is_framed else data
    if len(wire) <= HEADER_BYTES:
        return ""
    is_answer = bool(wire[2] & 0x80) and wire[4:6] == b"\0\1" and not wire[3] & 0x40 and looks_like_query(_as_query(wire))
    if not is_answer and not looks_like_query(wire):
        return ""
    message = DnsMessage(wire)
    return f"DNS {'answer' if is_answer else 'query'}: {message.name} {message.type_name}"


def _as_query(answer: bytes) -> bytes:
    """The query that it may answer."""
    end = question_of(answer)[2]
    return answer[:2] + b"\1\0\0\1" + bytes(6) + answer[HEADER_BYTES:end]


def _stun(data: bytes) -> str:
    if data[4:8] != _STUN_COOKIE or data[0] & 0xC0 or int.from_bytes(data[2:4], "big") != len(data) - 20:
        return ""
    kind = (data[0] & 1) << 1 | data[1] >> 4 & 1
    return "STUN " + ("request", "indication", "response", "error")[kind]


def _postgres(data: bytes) -> str:
    first = _POSTGRES_FIRST.get(int.from_bytes(data[4:8], "big")) if int.from_bytes(data[:4], "big") == len(data) else None
    if first is not None:
        return f"PostgreSQL: {first}"

    def size(at: int) -> int:
        return int.from_bytes(data[at + 1 : at + 5], "big") - 4 if data[at] in _POSTGRES else -1

    return "PostgreSQL: " + _counted([_POSTGRES[data[at]] for at in starts]) if (starts := _frames(data, 5, size)) else ""


def _mysql(data: bytes) -> str:
    """Packets are numbered, from 0 or 1 on, with no number left out."""
    starts = _frames(data, 4, lambda at: int.from_bytes(data[at : at + 3], "little") or -1)
    numbers = [data[at + 3] for at in starts]
    if not numbers or numbers[0] > 1 or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return ""
    return f"{len(numbers)} packet{'s' * (len(numbers) != 1)} as MySQL has them"


def _lengths(data: bytes) -> str:
    for width, order in _BIG:
        if (count := _count(data, width, order)) and (count > 1 or len(data) >= width + 4):  # type: ignore[arg-type]
            frames = f"{count} frame{'s' * (count != 1)}"
            return f"{frames} behind {'its' if count == 1 else 'their'} length ({width} bytes, {order}-endian)"
    return ""


def _count(data: bytes, width: int, order: Literal["big", "little"]) -> int:
    return len(_frames(data, width, lambda at: int.from_bytes(data[at : at + width], order) or -1))
