"""Flows to a file, in the format that its name says: `.har` is HAR 1.2, `.zhar` the same packed, anything else mitmproxy's
flow file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO, Final, Protocol

from interceptor.model.flow import Flow
from interceptor.specs.errors import UserError


class FlowWriter(Protocol):
    """`write` says False for a flow of a kind that the format has no place for; `close` ends what was begun, not the stream."""

    def write(self, flow: Flow) -> bool: ...
    def close(self) -> None: ...


def names() -> Sequence[str]:
    return tuple(_WRITERS)


def format_of(file_name: str) -> str:
    """The format that a file of that name has."""
    ending = file_name.lower().rpartition(".")[2] if "." in file_name else ""
    return _ENDINGS.get(ending, "mitmproxy")


def begin(name: str, stream: BinaryIO) -> FlowWriter:
    """UserError if there is no format of that name."""
    if name not in _WRITERS:
        raise UserError(f"{name!r} is not a format that can be written; {', '.join(_WRITERS)} are")
    return _WRITERS[name](stream)


def left_out(count: int, name: str) -> str:
    """What to say of flows that the format has no place for; "" if there are none."""
    if not count:
        return ""
    reason = "HAR has HTTP flows only" if name in ("har", "zhar") else "the format has no place for them"
    return f"{count:,} left out, {reason}"


class _FlowFile:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, flow: Flow) -> bool:
        from interceptor.session.formats.mitmproxy_flow import write_flow

        try:
            write_flow(self._stream, flow)
        except UserError:
            return False
        return True

    def close(self) -> None:
        pass


def _har(stream: BinaryIO, is_packed: bool = False) -> FlowWriter:
    from interceptor.session.formats.har import HarWriter

    return HarWriter(stream, is_packed)


_WRITERS: Final[dict[str, Callable[[BinaryIO], FlowWriter]]] = {
    "har": _har,
    "zhar": lambda stream: _har(stream, is_packed=True),
    "mitmproxy": _FlowFile,
}
_ENDINGS: Final = {"har": "har", "zhar": "zhar"}
