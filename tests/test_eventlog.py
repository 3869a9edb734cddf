"""The event log: bounded, told to subscribers in the loop's thread, and fed by whatever Python would print."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import warnings
from collections.abc import Iterator

import pytest

from interceptor.eventlog import CAPACITY, Entry, EventLog, is_shown


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def log() -> EventLog:
    return EventLog(clock=lambda: 5.0)


@pytest.fixture
def installed(log: EventLog, loop: asyncio.AbstractEventLoop) -> Iterator[EventLog]:
    uninstall = log.install(loop)
    yield log
    uninstall()


def test_entries_are_kept_told_and_cleared(log: EventLog) -> None:
    told: list[Entry] = []
    end = log.subscribe(told.append)
    log.add("alert", "open", 3)
    end()
    log.add("warn", "late")
    assert told == [Entry("alert", "open", 5.0, 3)]
    assert list(log.entries) == [*told, Entry("warn", "late", 5.0, None)]
    log.clear()
    assert not log.entries


def test_a_subscriber_that_fails_harms_nobody(log: EventLog) -> None:
    told: list[Entry] = []

    def fail(entry: Entry) -> None:
        raise RuntimeError("no screen")

    log.subscribe(fail)
    log.subscribe(told.append)
    log.add("info", "x")
    assert [entry.message for entry in log.entries] == ["x", "the log cannot be shown: RuntimeError('no screen')"]
    assert [entry.message for entry in told] == ["x"]


def test_only_the_newest_are_kept(log: EventLog) -> None:
    for number in range(CAPACITY + 3):
        log.add("info", str(number))
    assert (len(log.entries), log.entries[0].message) == (CAPACITY, "3")


def test_an_unknown_level_is_refused(log: EventLog) -> None:
    with pytest.raises(ValueError, match="warning"):
        log.add("warning", "x")


def test_verbosity() -> None:
    shown = {verbosity: [level for level in ("debug", "info", "alert", "warn", "error") if is_shown(level, verbosity)]
             for verbosity in ("debug", "info", "warn", "error")}  # fmt: skip
    assert shown == {
        "debug": ["debug", "info", "alert", "warn", "error"],
        "info": ["info", "alert", "warn", "error"],
        "warn": ["warn", "error"],
        "error": ["error"],
    }


def test_logging_and_warnings_arrive(installed: EventLog) -> None:
    logging.getLogger("some.library").warning("%d left", 2)
    logging.getLogger("some.library").debug("not wanted")
    warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    assert [(entry.level, "old thing" in entry.message) for entry in installed.entries] == [("warn", False), ("warn", True)]
    assert installed.entries[0].message == "2 left"


def test_a_librarys_bad_format_string_is_no_error(log: EventLog) -> None:
    log.handle(logging.LogRecord("x", logging.WARNING, "x.py", 1, "%d left", ("two",), None))
    assert log.entries[0].message == "%d left ('two',)"


def test_a_logged_exception_brings_its_traceback(installed: EventLog) -> None:
    try:
        raise KeyError("k")
    except KeyError:
        logging.getLogger("x").exception("it failed")
    assert [entry.level for entry in installed.entries] == ["error", "debug"]
    assert "Traceback" in installed.entries[1].message


def test_exceptions_of_the_loop(installed: EventLog, loop: asyncio.AbstractEventLoop) -> None:
    def fail() -> None:
        raise RuntimeError("boom")

    loop.call_soon(fail)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert [entry.level for entry in installed.entries] == ["error", "debug"]
    assert "RuntimeError: boom (test_eventlog.py, line" in installed.entries[0].message


def test_exceptions_of_destructors(installed: EventLog) -> None:
    class Bad:
        def __del__(self) -> None:
            raise RuntimeError("late")

    Bad()
    gc.collect()
    assert "RuntimeError: late" in installed.entries[0].message


def test_a_thread_reaches_subscribers_through_the_loop(installed: EventLog, loop: asyncio.AbstractEventLoop) -> None:
    told: list[tuple[str, int]] = []
    installed.subscribe(lambda entry: told.append((entry.message, threading.get_ident())))

    def fail() -> None:
        installed.add("info", "from a thread")
        raise RuntimeError("boom")

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    assert told == []
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert [message.partition(" (")[0] for message, _ in told[:2]] == ["from a thread", "thread worker ended: RuntimeError: boom"]
    assert {thread_id for _, thread_id in told} == {threading.get_ident()}


def test_uninstalling_gives_everything_back(log: EventLog, loop: asyncio.AbstractEventLoop) -> None:
    before = threading.excepthook, logging.getLogger().level, list(logging.getLogger().handlers)
    log.install(loop)()
    assert (threading.excepthook, logging.getLogger().level, list(logging.getLogger().handlers)) == before
    assert loop.get_exception_handler() is None
