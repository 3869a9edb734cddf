"""Who writes a session never waits for the disk; what was written goes into the file beside that, and the log begins anew."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interceptor.session import checkpoints
from interceptor.session.checkpoints import Checkpoints
from interceptor.session.session_file import SessionFile

BEGIN, COPIES_WAIT, ALL_WAIT = 200_000, 400_000, 1_000_000


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("BEGIN", BEGIN), ("COPIES_WAIT", COPIES_WAIT), ("ALL_WAIT", ALL_WAIT)):
        monkeypatch.setattr(checkpoints, f"{name}_BYTES", size)


class SlowDisk:
    """Checkpoints wait until it `goes_on`; `has_begun` once one does."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self.goes_on, self.has_begun = threading.Event(), threading.Event()
        self._connect = connect

    def connect(self) -> Any:
        self._connection = self._connect()
        return self

    def execute(self, statement: str) -> sqlite3.Cursor:
        self.has_begun.set()
        assert self.goes_on.wait(30)
        return self._connection.execute(statement)

    def close(self) -> None:
        self._connection.close()


class Writer:
    def __init__(self, path: Path) -> None:
        self.file = SessionFile.open(path)
        self.connection = self.file.connect_to_write()
        self.disk = SlowDisk(self.file.connect_to_write)
        self.checkpoints = Checkpoints(self.disk.connect, self.file.log_size)
        self.syncs: list[int] = []
        self.count = 0

    def write(self, size: int = 100_000) -> None:
        self.checkpoints.before(self.connection)
        self.syncs.append(self.connection.execute("PRAGMA synchronous").fetchone()[0])
        self.count += 1
        self.connection.execute("INSERT INTO chunk VALUES (?, ?)", (self.count, bytes(size)))
        self.checkpoints.written(self.connection)

    def write_until_one_begins(self) -> None:
        self.disk.has_begun.clear()
        self.write()
        while self.file.log_size() < BEGIN:
            self.write()
        assert self.disk.has_begun.wait(30)

    def complete(self) -> None:
        self.disk.goes_on.set()
        thread = self.checkpoints._thread
        assert thread is not None
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "a.session")
    yield writer
    writer.disk.goes_on.set()
    writer.checkpoints.end()
    writer.connection.close()
    writer.file.close()


def chunks_in(path: Path) -> int:
    """Of the file itself, without its log."""
    with sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True) as connection:
        count: int = connection.execute("SELECT count(*) FROM chunk").fetchone()[0]
    connection.close()
    return count


def test_who_writes_goes_on_while_the_disk_is_slow(writer: Writer) -> None:
    writer.write_until_one_begins()
    before = writer.count
    for _ in range(3):
        writer.write()
    assert writer.count == before + 3 and chunks_in(writer.file.path) == 0
    with sqlite3.connect(writer.file.path) as other:
        assert other.execute("SELECT count(*) FROM chunk").fetchone() == (writer.count,)
    other.close()


def test_afterwards_the_file_has_it_and_the_log_begins_anew(writer: Writer) -> None:
    writer.write_until_one_begins()
    written = writer.count
    writer.complete()
    assert chunks_in(writer.file.path) == written
    writer.write()
    assert writer.file.log_size() < BEGIN
    assert writer.connection.execute("SELECT count(*) FROM chunk").fetchone() == (written + 1,)


def test_no_transaction_waits_for_the_disk_when_a_log_begins(writer: Writer) -> None:
    """SQLite waits there unless it is told that it need not; everywhere else it has to be as careful as it is."""
    for _ in range(3):
        writer.write_until_one_begins()
        writer.complete()
    writer.write()
    begun = [index for index, sync in enumerate(writer.syncs) if sync == 0]
    assert begun[0] == 0 and len(begun) == 4
    assert writer.connection.execute("PRAGMA synchronous").fetchone() == (1,)


def test_what_was_written_meanwhile_is_not_waited_for_to_begin_anew(writer: Writer) -> None:
    writer.write_until_one_begins()
    writer.complete()
    writer.disk.goes_on.clear()
    complete_at = writer.checkpoints._complete_at
    writer.connection.execute("INSERT INTO chunk VALUES (1000, x'00')")
    writer.checkpoints.written(writer.connection)
    assert writer.checkpoints._complete_at == complete_at != writer.checkpoints._written
    writer.write()
    assert writer.syncs[-1] == 1


def test_copies_wait_while_one_is_under_way_and_the_log_is_long(writer: Writer) -> None:
    writer.write_until_one_begins()
    assert not writer.checkpoints.copies_have_to_wait()
    writer.write(COPIES_WAIT)
    assert writer.checkpoints.copies_have_to_wait()
    writer.complete()
    assert not writer.checkpoints.copies_have_to_wait()


def test_a_log_that_is_far_too_long_is_waited_for(writer: Writer) -> None:
    writer.write_until_one_begins()
    writer.write(ALL_WAIT)
    later = threading.Timer(0.05, writer.disk.goes_on.set)
    later.start()
    writer.write()  # which would make it longer
    assert writer.disk.goes_on.is_set()
    later.join()


def test_somebody_who_reads_all_the_time_stops_nobody(writer: Writer) -> None:
    writer.disk.goes_on.set()
    writer.write()
    reader = writer.file.connect_to_read()
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM chunk").fetchone() == (1,)
    for _ in range(40):
        writer.write()
    assert reader.execute("SELECT count(*) FROM chunk").fetchone() == (1,)
    assert writer.file.log_size() > 40 * 100_000
    reader.close()
    sizes = []
    for _ in range(3):
        writer.complete()
        writer.write()
        sizes.append(writer.file.log_size())
    assert min(sizes) < BEGIN


def test_after_the_end_none_is_under_way(writer: Writer) -> None:
    writer.write_until_one_begins()
    thread = writer.checkpoints._thread
    later = threading.Timer(0.05, writer.disk.goes_on.set)
    later.start()
    writer.checkpoints.end()
    assert thread is not None and not thread.is_alive()
    later.join()
