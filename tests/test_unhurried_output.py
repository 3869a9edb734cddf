"""Who prints never waits, whoever reads or does not; and all is there, in order, when somebody reads."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pytest

from interceptor import unhurried_output
from interceptor.unhurried_output import MEMORY_BYTES, UnhurriedOutput, outputs

LINE = "x" * 99 + "\n"


class Pipe:
    def __init__(self) -> None:
        reads, writes = os.pipe()
        self.reader, self.writer = os.fdopen(reads, "rb"), os.fdopen(writes, "w", encoding="utf-8")


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    for each in (pipe.reader, pipe.writer):
        each.close()


def test_nobody_waits_for_a_reader_who_does_not_read(pipe: Pipe) -> None:
    output = UnhurriedOutput(pipe.writer)
    lines = [f"{number}{LINE}" for number in range(4 * MEMORY_BYTES // len(LINE))]
    for line in lines:
        output.write(line)  # far more than a pipe takes, and than is kept in memory
    assert sum(map(len, output._pending)) <= MEMORY_BYTES
    wanted = "".join(lines).encode()
    assert pipe.reader.read(len(wanted)) == wanted
    assert output.drain() == ""
    output.write("and on")
    assert pipe.reader.read(6) == b"and on"


def test_what_is_written_while_somebody_reads_slowly_stays_in_order(pipe: Pipe) -> None:
    output = UnhurriedOutput(pipe.writer)
    total, read = 30_000, list[bytes]()

    def reads() -> None:
        for _ in range(total):
            read.append(pipe.reader.read(8 + len(LINE)))

    reader = threading.Thread(target=reads)
    reader.start()
    for number in range(total):
        output.write(f"{number:08d}{LINE}")
    reader.join(60)
    assert [int(line[:8]) for line in read] == list(range(total))


def test_at_the_end_a_reader_who_reads_nothing_is_not_waited_for_long(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unhurried_output, "PATIENCE_SECONDS", 0.05)
    output = UnhurriedOutput(pipe.writer)
    count = 3 * MEMORY_BYTES // len(LINE)
    for _ in range(count):
        output.write(LINE)
    assert "bytes of the output were not printed" in output.drain()
    pipe.reader.read(count * len(LINE))  # so that its thread ends


def test_a_reader_who_went_away_is_told_once(pipe: Pipe) -> None:
    gone = threading.Event()
    output = UnhurriedOutput(pipe.writer, gone.set)
    pipe.reader.close()
    output.write("nobody reads this")
    assert gone.wait(30)
    gone.clear()
    output.write("nor this")
    assert output.drain() == "" and not gone.is_set()


def test_what_an_encoding_does_not_have_becomes_an_escape() -> None:
    raw = io.BytesIO()
    output = UnhurriedOutput(io.TextIOWrapper(raw, encoding="ascii"))
    output.write("à la carte\n")
    output.drain()
    assert raw.getvalue() == b"\\xe0 la carte\n"


class _Disk(io.BytesIO):
    """Full for the first `times`."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.told: list[int] = []

    def write(self, data: Any, /) -> int:
        if self.times:
            self.times -= 1
            raise OSError(errno.ENOSPC, "no space")
        return super().write(bytes(data)[:10])


def test_a_terminal_that_somebody_else_made_not_to_wait_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer.fileno(), False)
    output = UnhurriedOutput(pipe.writer)
    wanted = LINE * 5000  # more than a pipe takes
    output.write(wanted)
    assert pipe.reader.read(len(wanted)) == wanted.encode()


def written(disk: _Disk, do: Callable[[UnhurriedOutput], None]) -> bytes:
    stream = io.TextIOWrapper(disk, encoding="utf-8")
    output = UnhurriedOutput(stream, on_full=lambda: disk.told.append(disk.times))
    do(output)
    return disk.getvalue()


def test_on_a_full_disk_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unhurried_output, "_RETRY_SECONDS", 0.001)
    disk = _Disk(3)

    def do(output: UnhurriedOutput) -> None:
        output.write("one line that is long\n")
        with output._changed:
            assert output._changed.wait_for(lambda: not output._left, 30)

    assert written(disk, do) == b"one line that is long\n" and disk.told == [2]  # once


def test_at_the_end_a_full_disk_is_not_waited_for() -> None:
    def do(output: UnhurriedOutput) -> None:
        output._is_ending = True
        output.write("a line\n")
        assert output.drain().startswith("7 bytes of the output were not printed")

    assert written(_Disk(1000), do) == b""


def test_two_names_for_one_file_are_one_output(pipe: Pipe) -> None:
    with open(os.dup(pipe.writer.fileno()), "w", encoding="utf-8") as other:
        out, err = outputs(pipe.writer, other, lambda: None, lambda: None)
        assert out is err
    apart = Pipe()
    stream: TextIO = apart.writer
    out, err = outputs(pipe.writer, stream, lambda: None, lambda: None)
    assert out is not err
    apart.reader.close()
    apart.writer.close()
