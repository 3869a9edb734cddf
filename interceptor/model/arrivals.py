"""When the bytes of a body came: for bodies that are told as they happen, such as server-sent events and gRPC."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Final

MOST: Final = 100_000
_SAME_SECONDS: Final = 0.0005
_LIVE_TYPES: Final = (
    "text/event-stream",
    "application/grpc",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/json-seq",
    "application/stream+json",
    "multipart/x-mixed-replace",
)
_ENDLESS_TYPES: Final = ("text/event-stream", "multipart/x-mixed-replace")


def is_told_live(content_type: str | None) -> bool:
    """Whether what such a message contains are events, each with a time of its own."""
    return content_type is not None and content_type.lower().startswith(_LIVE_TYPES)


def is_endless(content_type: str | None) -> bool:
    """Whether such a message goes on until its reader has enough: that the reader leaves is how it ends."""
    return content_type is not None and content_type.lower().startswith(_ENDLESS_TYPES)


class Arrivals:
    """Grows with its body. Sixteen bytes an arrival; of more than `MOST` the later ones count as one."""

    __slots__ = ("_ends", "_received", "_times")

    def __init__(self) -> None:
        self._received = 0
        self._ends: array[int] = array("Q")
        self._times: array[float] = array("d")

    @classmethod
    def of(cls, ends: array[int], times: array[float]) -> Arrivals:
        """Those that `tables` gave. ValueError if they do not belong together."""
        if len(ends) != len(times):
            raise ValueError("not as many times as arrivals")
        arrivals = cls()
        arrivals._ends, arrivals._times = ends, times
        arrivals._received = ends[-1] if ends else 0
        return arrivals

    def tables(self) -> tuple[array[int], array[float]]:
        """Where each arrival ended, and when it was; to be kept."""
        return self._ends, self._times

    def add(self, size: int, time: float) -> None:
        """So many bytes came at that time (seconds since the epoch)."""
        self._received += size
        if self._times and (time - self._times[-1] < _SAME_SECONDS or len(self._times) >= MOST):
            self._ends[-1] = self._received
        else:
            self._ends.append(self._received)
            self._times.append(time)

    def time_of(self, position: int) -> float | None:
        """When the byte at that position came; None if it has not."""
        index = bisect_right(self._ends, position)
        return self._times[index] if index < len(self._times) else None
