"""Flows to a file, in the format that its name says: `.har` is HAR 1.2, `.zhar` the same packed, `.pcapng` packets for Wireshark,
`.session` a session, anything else mitmproxy's flow file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
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


def begin(name: str, stream: BinaryIO, key_log: str | None = None) -> FlowWriter:
    """`key_log`: the path of a TLS key log, whose lines go into a capture. UserError if there is no format of that name."""
    if name == "pcapng":
        return _capture(stream, key_log)
    if name not in _WRITERS:
        raise UserError(f"{name!r} is not a format that can be written; {', '.join(_WRITERS)} are")
    return _WRITERS[name](stream)


@contextmanager
def writing(name: str, stream: BinaryIO, key_log: str | None = None) -> Iterator[FlowWriter]:
    """`begin`, and closed at the end of the block; given up if that raises."""
    writer = begin(name, stream, key_log)
    try:
        yield writer
        writer.close()
    except BaseException:
        if (give_up := getattr(writer, "give_up", None)) is not None:
            give_up()
        raise


def check_target(name: str, path: Path) -> None:
    """UserError if a file of that format must not be written there: a session that somebody has open."""
    if name == "session":
        from interceptor.session.file_lock import is_locked

        if is_locked(path.expanduser()):
            raise UserError(f"{path} is open; it cannot be written anew")


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


def _capture(stream: BinaryIO, key_log: str | None = None) -> FlowWriter:
    from interceptor.session.capture.writer import CaptureWriter

    return CaptureWriter(stream, _lines(key_log) if key_log else ())


def _session(stream: BinaryIO) -> FlowWriter:
    from interceptor.session.new_session import NewSession

    name = getattr(stream, "name", None)
    if not isinstance(name, str | Path) or not Path(name).is_file():
        raise UserError("a session needs a file; it cannot go to a pipe")
    return NewSession(Path(name))


def _lines(path: str) -> Iterator[bytes]:
    """None of a file that is not there: it is written once there are secrets."""
    with suppress(OSError), open(Path(path).expanduser(), "rb") as stream:
        while line := stream.readline(_LONGEST_LINE):
            yield line


_LONGEST_LINE: Final = 4096
_WRITERS: Final[dict[str, Callable[[BinaryIO], FlowWriter]]] = {
    "har": _har,
    "zhar": lambda stream: _har(stream, is_packed=True),
    "mitmproxy": _FlowFile,
    "pcapng": _capture,
    "session": _session,
}
_ENDINGS: Final = {"har": "har", "zhar": "zhar", "pcapng": "pcapng", "session": "session"}
