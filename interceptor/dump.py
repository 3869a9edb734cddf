"""The headless face: each finished flow printed once, as text or as a JSON object per line; the log on standard error.

    store ─▸ FinishedFlows ─▸ dumper_filter ─▸ what waits ─▸ dump_text | flow_json ─▸ out, a few milliseconds at a time
    event log ─▸ termlog_verbosity ─▸ err

Colours are for terminals only, and not if NO_COLOR is set (https://no-color.org). If the reader of `out` goes away,
`on_output_closed` is called once and nothing is printed any more.

A burst of flows is printed in slices between which the loop goes on, so that nobody's request waits for it. What waits is
bounded: when flows come faster than that, they are printed at once, and those who send them wait.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from interceptor.addons.finished import FinishedFlows
from interceptor.dump_text import FlowText, one_line
from interceptor.eventlog import Entry, EventLog, is_shown
from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.specs.errors import UserError

if TYPE_CHECKING:
    from interceptor.specs.filter import Filter

_SLICE_SECONDS: Final = 0.001
_MOST_WAITING: Final = 2_000
_LEVEL_COLOURS = {"error": "31", "warn": "33", "alert": "35", "debug": "2"}


class Flows(Protocol):
    """What is known of the store."""

    def subscribe(self, listener: FinishedFlows, /) -> None: ...


class Output(Protocol):
    """A `TextIO`, or an `UnhurriedOutput`."""

    @property
    def encoding(self) -> str: ...
    def isatty(self) -> bool: ...
    def write(self, text: str, /) -> int: ...
    def flush(self) -> None: ...


class Dump:
    """Works by itself once made; entries that the log has already are printed at once. `soon` calls what it is given when the
    loop has done what else there is; call `finish` at the end. Without it all is printed at once. UserError if an option is not
    right."""

    def __init__(
        self,
        options: Options,
        store: Flows,
        eventlog: EventLog,
        out: Output,
        as_json: bool,
        err: Output | None = None,
        soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self.on_output_closed: Callable[[], None] = lambda: None
        self._options, self._out, self._err, self._as_json = options, out, err or sys.stderr, as_json
        self._is_closed = self._is_called_soon = False
        self._soon = soon
        self._waiting: deque[Flow] = deque()
        self._filter: Filter | None = None
        self._text = FlowText(is_coloured=_has_colours(out))
        self._configure()
        options.subscribe(lambda _, names: self._configure())
        for entry in list(eventlog.entries):
            self._log(entry)
        eventlog.subscribe(self._log)
        store.subscribe(FinishedFlows(self._print))

    def _configure(self) -> None:
        options = self._options
        view = options.dumper_default_contentview
        if view != "auto":
            from interceptor.contentviews.registry import names

            if view not in names():
                raise UserError(f"dumper_default_contentview wants one of {', '.join(names())}, not {view!r}")
        self._filter = None
        if options.dumper_filter:
            from interceptor.specs.filter import parse

            self._filter = parse(options.dumper_filter)
        self._text.detail, self._text.view, self._text.show_host = options.flow_detail, view, options.showhost
        self._text.lines = options.content_view_lines_cutoff

    def _print(self, flows: list[Flow]) -> None:
        if self._is_closed or self._options.flow_detail < 1:
            return
        self._waiting.extend(flow for flow in flows if self._filter is None or self._filter.matches(flow))
        if self._soon is None or len(self._waiting) > _MOST_WAITING:
            self._print_all()
        else:
            self._print_soon()

    def _print_some(self) -> None:
        self._is_called_soon = False
        lines, until = [], time.monotonic() + _SLICE_SECONDS
        while self._waiting:
            lines.append(self._line(self._waiting.popleft()))
            if time.monotonic() >= until:
                break
        if lines:
            self._write("".join(lines))
        self._print_soon()

    def _print_soon(self) -> None:
        if self._waiting and self._soon is not None and not self._is_closed and not self._is_called_soon:
            self._is_called_soon = True
            self._soon(self._print_some)

    def finish(self) -> None:
        """The end is near: prints what waits, and from here on everything at once."""
        self._soon = None
        self._print_all()

    def _print_all(self) -> None:
        if self._waiting and not self._is_closed:
            lines = [self._line(flow) for flow in self._waiting]
            self._waiting.clear()
            self._write("".join(lines))

    def _line(self, flow: Flow) -> str:
        if self._as_json:
            from interceptor.flow_json import flow_line

            return flow_line(flow, self._options.flow_detail)
        return self._text.of(flow)

    def _write(self, text: str) -> None:
        try:
            self._out.write(text if self._as_json else _printable(text, self._out.encoding))
            self._out.flush()
        except BrokenPipeError:
            self.output_closed()

    def output_closed(self) -> None:
        """Nobody reads what is printed any more."""
        if not self._is_closed:
            self._is_closed = True
            self._waiting.clear()
            self.on_output_closed()

    def _log(self, entry: Entry) -> None:
        if not is_shown(entry.level, self._options.termlog_verbosity):
            return
        level = "" if entry.level in ("info", "alert") else f"{entry.level}: "
        message = "\n    ".join(one_line(line) for line in entry.message.splitlines())
        clock = time.strftime("%H:%M:%S", time.localtime(entry.timestamp))
        line = f"[{clock}] {level}{message}"
        colour = _LEVEL_COLOURS.get(entry.level)
        if colour and _has_colours(self._err):
            line = f"\x1b[{colour}m{line}\x1b[0m"
        try:
            self._err.write(_printable(line, self._err.encoding) + "\n")
            self._err.flush()
        except OSError:
            pass  # nobody reads it any more, and there is nowhere else to say so


def _has_colours(stream: Output) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _printable(text: str, encoding: str | None) -> str:
    """What the stream's encoding has no character for becomes an escape, so that no locale can end the output."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
