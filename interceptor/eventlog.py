"""What the program has to say, kept for the event log of the console and the error output of `dump`.

    add(level, message) ─┐
    logging, warnings ───┼─▸ entries (the newest 10,000) ─▸ subscribers
    stray exceptions ────┘

`install` sends here whatever Python would otherwise print: records of `logging`, warnings, exceptions that nobody caught in
threads, in destructors and in the event loop. So nothing is drawn over the console's screen. Any thread may add; once installed,
subscribers are always called in the loop's thread. An unexpected exception is one line at level error, and its traceback a
second entry at level debug.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

CAPACITY: Final = 10_000
LEVELS: Final = ("debug", "info", "alert", "warn", "error")
"""From talkative to grave. An alert is what a person should read although nothing is wrong; it is shown wherever info is."""

_ALERT: Final = 25
"""The number that mitmproxy's scripts log alerts with."""

_RANK: Final = {"debug": 0, "info": 1, "alert": 1, "warn": 2, "error": 3}


class Entry(NamedTuple):
    level: str
    message: str
    timestamp: float
    flow_id: int | None = None


def is_shown(level: str, verbosity: str) -> bool:
    """Whether an entry of that level belongs into a log of that verbosity ("error", "warn", "info", "alert" or "debug")."""
    return _RANK[level] >= _RANK[verbosity]


class EventLog(logging.Handler):
    """The entries, oldest first, in `entries`."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.entries: deque[Entry] = deque(maxlen=CAPACITY)
        self._clock = clock
        self._subscribers: list[Callable[[Entry], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0

    def add(self, level: str, message: str, flow_id: int | None = None) -> None:
        """Any thread. ValueError if there is no such level."""
        if level not in _RANK:
            raise ValueError(f"no level {level!r}")
        self._keep(Entry(level, message, self._clock(), flow_id))

    def subscribe(self, callback: Callable[[Entry], None]) -> Callable[[], None]:
        """`callback(entry)` for each entry from now on. What is returned ends the subscription."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    def clear(self) -> None:
        self.entries.clear()

    def _keep(self, entry: Entry) -> None:
        self.entries.append(entry)
        if self._loop is None or threading.get_ident() == self._loop_thread or self._loop.is_closed():
            self._tell(entry)
        else:
            self._loop.call_soon_threadsafe(self._tell, entry)

    def _tell(self, entry: Entry) -> None:
        for callback in list(self._subscribers):
            try:
                callback(entry)
            except Exception as error:  # whoever logs must not fail because someone who reads does; nor is it told again
                self.entries.append(Entry("error", f"the log cannot be shown: {error!r}", self._clock()))

    # logging.Handler

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = f"{record.msg} {record.args!r}"  # a library's format string does not fit its arguments
        self._keep(Entry(_level_of(record.levelno), message, record.created, getattr(record, "flow_id", None)))
        if record.exc_info and record.exc_info[1] is not None:
            self._keep_traceback(record.exc_info[1])

    # stray exceptions

    def install(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """Takes over all that Python prints by itself; call it in the thread that runs `loop`. What is returned undoes it."""
        root, level = logging.getLogger(), logging.getLogger().level
        unraisable, thread_hook, loop_handler = sys.unraisablehook, threading.excepthook, loop.get_exception_handler()
        self._loop, self._loop_thread = loop, threading.get_ident()
        root.addHandler(self)
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)
        sys.unraisablehook = self._on_unraisable
        threading.excepthook = self._on_thread_exception
        loop.set_exception_handler(self.on_loop_exception)

        def uninstall() -> None:
            self._loop = None
            root.removeHandler(self)
            root.setLevel(level)
            logging.captureWarnings(False)
            sys.unraisablehook, threading.excepthook = unraisable, thread_hook
            if not loop.is_closed():
                loop.set_exception_handler(loop_handler)

        return uninstall

    def add_exception(self, message: str, error: BaseException, flow_id: int | None = None) -> None:
        """An exception that should not have happened: one line that says where, and the traceback for those who look."""
        where = ""
        if frames := traceback.extract_tb(error.__traceback__):
            where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"
        self.add("error", f"{message}: {type(error).__name__}: {error}{where}", flow_id)
        self._keep_traceback(error)

    def on_loop_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The event loop's exception handler."""
        error = context.get("exception")
        message = context.get("message", "unexpected error")
        if isinstance(error, BaseException):
            self.add_exception(message, error)
        else:
            self.add("error", message)

    def _on_unraisable(self, what: sys.UnraisableHookArgs) -> None:
        message = what.err_msg or "exception ignored"
        if what.exc_value is not None:
            self.add_exception(message, what.exc_value)
        else:
            self.add("error", f"{message}: {what.exc_type.__name__}")

    def _on_thread_exception(self, what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None and not isinstance(what.exc_value, SystemExit):
            self.add_exception(f"thread {what.thread.name if what.thread else '?'} ended", what.exc_value)

    def _keep_traceback(self, error: BaseException) -> None:
        trace: TracebackType | None = error.__traceback__
        if trace is not None:
            text = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
            self._keep(Entry("debug", text, self._clock()))


def _level_of(number: int) -> str:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warn"
    if number == _ALERT:
        return "alert"
    return "info" if number >= logging.INFO else "debug"
