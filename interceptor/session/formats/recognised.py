"""Flows of a file whose format nobody has named: its first bytes tell.

`{` begins a HAR file, digits begin mitmproxy's format, and a session is a file of SQLite.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from interceptor.model.flow import Flow
from interceptor.session.formats.replay_links import nobody
from interceptor.session.spool import SpooledBody
from interceptor.specs.errors import UserError

_MARK: Final = b"\xef\xbb\xbf"  # which some programs put in front of UTF-8
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


def read_flows(
    stream: BinaryIO,
    skipped: Callable[[str], None],
    linked: Callable[[Flow], None] = nobody,
    new_body: Callable[[], SpooledBody] | None = None,
) -> Iterator[Flow]:
    """As the `read_flows` of the format that it is. Large bodies of a session go to `new_body`, if there is one. UserError if the
    stream is none of these."""
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))
    first = buffered.peek(64)
    if is_session(first):
        from interceptor.session.session_flows import loaded_flows

        name = getattr(stream, "name", None)
        if not isinstance(name, str | Path):
            raise UserError("a session cannot be read from standard input; name its file")
        return loaded_flows(Path(name), skipped, new_body)
    from interceptor.session.formats.har_file import is_packed

    if first.removeprefix(_MARK).lstrip().startswith(b"{") or is_packed(first) or first.startswith(_UTF16):
        from interceptor.session.formats import har

        return har.read_flows(buffered, skipped, linked)
    from interceptor.session.formats import mitmproxy_flow

    return mitmproxy_flow.read_flows(buffered, skipped, linked)


def is_session(first: bytes) -> bool:
    """Of the first bytes of a file."""
    return first.startswith(b"SQLite format 3\0")


def read_file(
    path: str,
    skipped: Callable[[str], None],
    linked: Callable[[Flow], None] = nobody,
    new_body: Callable[[], SpooledBody] | None = None,
) -> Iterator[Flow]:
    """The flows of the file of that path ("-" is standard input), one by one. `skipped` is told what is left out, with the path.
    UserError if the file cannot be read."""
    try:
        stream = sys.stdin.buffer if path == "-" else open(Path(path).expanduser(), "rb")  # noqa: SIM115
    except OSError as error:
        raise UserError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    with stream:
        yield from read_flows(stream, lambda what: skipped(f"{path}: {what}"), linked, new_body)
