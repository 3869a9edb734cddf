"""Finished flows appended to a file as they finish: the options `save_stream_file` and `save_stream_filter`.

    store ─▸ FinishedFlows ─▸ filter ─▸ write_flow(stream, flow)

A name that cannot be opened is refused when the option is set. What fails later (the disk is full, the folder has gone) is
logged once; what was half written is cut off again, and saving stops until one of the two options changes. Nothing that happens
here ends the program. strftime codes in the name are filled in per flow, so the file changes by itself with the day or hour.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from interceptor.addons.finished import FinishedFlows
from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.specs.errors import UserError

if TYPE_CHECKING:
    from interceptor.specs.filter import Filter

WriteFlow = Callable[[BinaryIO, Flow], None]
_OPTIONS = {"save_stream_file", "save_stream_filter"}
_log = logging.getLogger(__name__)


class Flows(Protocol):
    """What is known of the store."""

    def subscribe(self, listener: FinishedFlows, /) -> None: ...


class SaveStream:
    """Works by itself once made. UserError from the constructor and from setting an option if the file cannot be opened."""

    def __init__(self, options: Options, store: Flows, write_flow: WriteFlow, clock: Callable[[], float] = time.time) -> None:
        self._options, self._write_flow, self._clock = options, write_flow, clock
        self._stream: BinaryIO | None = None
        self._path: Path | None = None
        self._filter: Filter | None = None
        self._begun: set[Path] = set()  # files of this run: coming back to one of them must not empty it
        self._has_failed = False
        self._unsaved_kinds: set[str] = set()
        self._configure()
        options.subscribe(self._on_options)
        self._finished = FinishedFlows(self._save)
        store.subscribe(self._finished)

    def close(self) -> None:
        """Writes what still runs, as far as it came, and closes the file. Call it once, at the end."""
        self._save(self._finished.running)
        self._close_stream()

    def _on_options(self, options: Options, names: set[str]) -> None:
        if names & _OPTIONS:
            self._configure()

    def _configure(self) -> None:
        text = self._options.save_stream_filter
        self._filter = None
        if text:
            from interceptor.specs.filter import parse  # imported where there is a filter: starting is quicker without

            self._filter = parse(text)
        self._has_failed = False
        if self._options.save_stream_file:
            self._follow_name()
        else:
            self._close_stream()

    def _follow_name(self) -> None:
        """Sees to it that the file for this moment is open. UserError if it cannot be."""
        name = self._options.save_stream_file or ""
        is_appending = name.startswith("+")
        path = Path(time.strftime(name.removeprefix("+"), time.localtime(self._clock()))).expanduser()
        if self._stream is not None and path == self._path:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = path.open("ab" if is_appending or path in self._begun else "wb")
        except OSError as error:
            raise UserError(f"flows cannot be saved to {path}: {error.strerror or error}") from error
        self._close_stream()
        self._stream, self._path = stream, path
        self._begun.add(path)

    def _save(self, flows: Iterable[Flow]) -> None:
        if not self._options.save_stream_file or self._has_failed:
            return
        chosen = [flow for flow in flows if self._filter is None or self._filter.matches(flow)]
        try:
            for flow in chosen:
                self._follow_name()
                self._write(flow)
            if self._stream is not None:
                self._stream.flush()
        except (OSError, UserError) as error:
            self._has_failed = True
            reason = error.message if isinstance(error, UserError) else f"{self._path}: {error.strerror or error}"
            _log.error("Flows are no longer saved: %s. Set save_stream_file again to go on.", reason)
            self._close_stream()

    def _write(self, flow: Flow) -> None:
        """One flow, whole or not at all."""
        stream = self._stream
        assert stream is not None
        start = stream.tell() if stream.seekable() else None
        try:
            self._write_flow(stream, flow)
        except UserError as error:
            self._cut(stream, start)
            if flow.kind not in self._unsaved_kinds:
                self._unsaved_kinds.add(flow.kind)
                _log.warning("%s", error.message)
        except BaseException:
            self._cut(stream, start)
            raise

    def _cut(self, stream: BinaryIO, start: int | None) -> None:
        if start is not None:
            with suppress(OSError):
                stream.flush()
            with suppress(OSError):
                stream.truncate(start)
                stream.seek(start)

    def _close_stream(self) -> None:
        if self._stream is not None:
            with suppress(OSError):  # what could not be written was logged when it was tried
                self._stream.close()
        self._stream = self._path = None
