"""Finished HTTP flows in one HAR file: the option `hardump`; `save_stream_filter` chooses among them.

    store ─▸ FinishedFlows ─▸ filter ─▸ writer ─▸ the file, whole when the program ends or the option changes

The file is opened when the option is set, so a name that cannot be written is refused then and not at the end. "-" is standard
output, where the HAR appears at the end, in one piece. A failure later (the disk is full) is logged once and ends the file.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol, cast

from interceptor.addons.finished import FinishedFlows
from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.specs.errors import UserError

if TYPE_CHECKING:
    from interceptor.specs.filter import Filter

_log = logging.getLogger(__name__)


class Writer(Protocol):
    """`session.formats.har.HarWriter`."""

    def write(self, flow: Flow) -> bool: ...
    def close(self) -> None: ...


class Flows(Protocol):
    """What is known of the store."""

    def subscribe(self, listener: FinishedFlows, /) -> None: ...


class HarDump:
    """Works by itself once made. UserError from the constructor and from setting the option if the file cannot be opened."""

    def __init__(
        self,
        options: Options,
        store: Flows,
        writer: Callable[[BinaryIO, str], Writer],
        standard_output: Callable[[], BinaryIO] = lambda: sys.stdout.buffer,
    ) -> None:
        """`writer(stream, name)` begins a HAR file of that name."""
        self._options, self._make_writer, self._standard_output = options, writer, standard_output
        self._stream: BinaryIO | None = None
        self._name = ""
        self._writer: Writer | None = None
        self._filter: Filter | None = None
        self._choose_filter()
        self._follow_name()
        options.subscribe(self._on_options)
        self._finished = FinishedFlows(self._save)
        store.subscribe(self._finished)

    def close(self) -> None:
        """Writes what still runs, as far as it came, and ends the file. Call it once, at the end."""
        self._save(self._finished.running)
        self._end()

    def _on_options(self, options: Options, names: set[str]) -> None:
        if "save_stream_filter" in names:
            self._choose_filter()
        if "hardump" in names:
            self._follow_name()

    def _choose_filter(self) -> None:
        text = self._options.save_stream_filter
        self._filter = None
        if text:
            from interceptor.specs.filter import parse  # imported where there is a filter: starting is quicker without

            self._filter = parse(text)

    def _follow_name(self) -> None:
        name = self._options.hardump or ""
        if name == self._name:
            return
        stream = _opened(name) if name else None
        self._end()
        self._stream, self._name = stream, name
        if stream is not None:
            self._guarded(self._begin)

    def _begin(self) -> None:
        assert self._stream is not None
        self._writer = self._make_writer(self._stream, self._name)

    def _save(self, flows: Iterable[Flow]) -> None:
        def write() -> None:
            for flow in flows:
                if self._writer is not None and (self._filter is None or self._filter.matches(flow)):
                    self._writer.write(flow)

        if self._writer is not None:
            self._guarded(write)

    def _end(self) -> None:
        if self._writer is not None:
            self._guarded(self._finish)
        self._drop()

    def _finish(self) -> None:
        assert self._writer is not None and self._stream is not None
        self._writer.close()
        self._stream.flush()
        if self._name == "-":
            self._stream.seek(0)
            output = self._standard_output()
            shutil.copyfileobj(self._stream, output)
            output.write(b"\n")
            output.flush()

    def _guarded(self, deed: Callable[[], None]) -> None:
        try:
            deed()
        except OSError as error:
            _log.error("The HAR file %s is not written any more: %s. Set hardump again to begin anew.", self._name, error)
            self._drop()

    def _drop(self) -> None:
        if self._stream is not None:
            with suppress(OSError):  # what could not be written was logged when it was tried
                self._stream.close()
        self._stream = self._writer = None
        self._name = ""


def _opened(name: str) -> BinaryIO:
    if name == "-":
        unnamed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever opens the next
        return cast(BinaryIO, unnamed)
    path = Path(name).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")
    except OSError as error:
        raise UserError(f"the HAR file {path} cannot be written: {error.strerror or error}") from error
