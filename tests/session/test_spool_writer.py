"""What the spool's thread has not written yet: readable, bounded, in order, and nobody else's block."""

from __future__ import annotations

import errno
import gc
import os
import random
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.session import spool_file
from interceptor.session.spool import BLOCK, Spool, SpooledBody
from interceptor.session.spool_writer import GATHERED, QUEUE_LIMIT
from tests.support.effort import examples

MEMORY_FILES = Path("/dev/shm")


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


class Disk:
    """Stands between one spool and the real one: can hold writes back, refuse them, and says what it did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, spool: Spool) -> None:
        self.spool = spool
        self.is_open = threading.Event()
        self.is_open.set()
        self.is_busy = threading.Event()
        self.writes: list[tuple[bool, int, int]] = []  # past the cache?, offset, size
        self.room: int | None = None
        self.refused_past_cache = 0
        self.failing = 0  # so many writes fail, and then the disk is as before
        self._real = spool_file.write_at
        monkeypatch.setattr(spool_file, "write_at", self._write_at)

    def _write_at(self, file: int, content: memoryview, offset: int) -> int:
        writer = self.spool.writer
        if file not in (writer._file, writer._past_cache):  # a spool of another test
            return self._real(file, content, offset)
        self.is_busy.set()
        assert self.is_open.wait(10)
        is_past = file == writer._past_cache
        if is_past and self.refused_past_cache:
            self.refused_past_cache -= 1
            raise OSError(errno.EINVAL, "Invalid argument")
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EIO, "Input/output error")
        if self.room is not None:
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            content = content[: self.room]
            self.room -= len(content)
            if is_past and len(content) % BLOCK:
                file = writer._file
        self.writes.append((is_past, offset, len(content)))
        return self._real(file, content, offset)

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Writes wait until this ends; one of them is under way already, if any is queued."""
        self.is_open.clear()
        try:
            yield
        finally:
            self.is_open.set()


def appended(spool: Spool, content: bytes) -> SpooledBody:
    body = spool.new_body()
    body.append(content)
    body.finish()
    return body


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def spool(tmp_path: Path, told: list[str]) -> Iterator[Spool]:
    spool = Spool(tmp_path, warn=told.append)
    yield spool
    spool.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, spool: Spool) -> Disk:
    return Disk(monkeypatch, spool)


def test_what_is_queued_can_be_read(spool: Spool, disk: Disk) -> None:
    content = noise(5 * BLOCK + 77)
    with disk.held_back():
        body = spool.new_body()
        body.append(content)
        assert disk.is_busy.wait(10)
        assert body.bytes_in_memory == len(content)
        assert body.read() == content
        assert body.read(BLOCK - 3, 6) == content[BLOCK - 3 : BLOCK + 3]
        body.finish()
        assert body.read(5 * BLOCK - 1) == content[5 * BLOCK - 1 :]
    body.settle()
    assert body.bytes_in_memory == 0
    assert body.read() == content


def test_whole_blocks_go_past_the_cache_and_tails_through_it(spool: Spool, disk: Disk) -> None:
    body = appended(spool, noise(3 * BLOCK + 5))
    body.append(noise(2 * BLOCK, 1))
    body.finish()
    body.settle()
    if spool_file.past_the_cache(spool.writer._file) is None:
        pytest.skip("this file system has no writes past the cache")
    assert {size % BLOCK == offset % BLOCK == 0 for is_past, offset, size in disk.writes if is_past} == {True}
    assert sum(size for is_past, _, size in disk.writes if is_past) == 4 * BLOCK
    assert body.read() == noise(3 * BLOCK + 5) + noise(2 * BLOCK, 1)


def test_neighbouring_blocks_are_written_together_whomever_they_belong_to(spool: Spool, disk: Disk) -> None:
    with disk.held_back():
        first = appended(spool, noise(BLOCK))
        assert disk.is_busy.wait(10)
        one, two = spool.new_body(), spool.new_body()
        for number in range(20):
            one.append(noise(BLOCK, number))
            two.append(noise(BLOCK, 100 + number))
    spool.settle()
    assert [size for _, _, size in disk.writes] == [BLOCK, GATHERED, GATHERED, 40 * BLOCK - 2 * GATHERED]
    assert first.read() == noise(BLOCK)
    assert one.read() == b"".join(noise(BLOCK, number) for number in range(20))
    assert two.read() == b"".join(noise(BLOCK, 100 + number) for number in range(20))


def test_the_writes_of_a_body_are_in_its_order(spool: Spool, disk: Disk) -> None:
    body, other = spool.new_body(), spool.new_body()
    with disk.held_back():
        for number in range(6):
            body.append(noise(BLOCK + 10_000, number))
            body.finish()
            other.append(noise(BLOCK, number))
    spool.settle()
    blocks = list(body._blocks)
    starts = [blocks.index(offset // BLOCK) * BLOCK + offset % BLOCK for _, offset, _ in disk.writes if offset // BLOCK in blocks]
    assert starts == sorted(starts)
    assert len(starts) > 6
    assert body.read() == b"".join(noise(BLOCK + 10_000, number) for number in range(6))


def test_who_appends_too_fast_waits(spool: Spool, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    body, content = spool.new_body(), noise(GATHERED)
    is_waiting, is_done, wait = threading.Event(), threading.Event(), spool.writer._wait

    def watched() -> None:
        is_waiting.set()
        wait()

    monkeypatch.setattr(spool.writer, "_wait", watched)

    def append() -> None:
        for _ in range(3 * QUEUE_LIMIT // GATHERED):
            body.append(content)
        is_done.set()

    with disk.held_back():
        thread = threading.Thread(target=append, daemon=True)
        thread.start()
        assert is_waiting.wait(10)
        assert not is_done.is_set()
        assert spool.writer.held == QUEUE_LIMIT
        whole = content * 17
        assert body.read(QUEUE_LIMIT - 5, 100) == whole[QUEUE_LIMIT - 5 : QUEUE_LIMIT + 95], "also what waits can be read"
    thread.join(10)
    assert is_done.is_set()
    spool.settle()
    assert body.read() == content * 48


def test_a_block_is_nobody_elses_while_a_write_to_it_is_queued(spool: Spool, disk: Disk) -> None:
    with disk.held_back():
        gone = appended(spool, noise(4 * BLOCK, 1))
        blocks, watch = set(gone._blocks), weakref.ref(gone)
        assert disk.is_busy.wait(10)
        del gone
        gc.collect()
        spool.reclaim()
        new = appended(spool, noise(4 * BLOCK, 2))
        assert blocks.isdisjoint(new._blocks)
    spool.settle()
    assert watch() is None
    assert spool.bytes_used == 4 * BLOCK
    assert set(appended(spool, noise(4 * BLOCK, 3))._blocks) == blocks
    assert new.read() == noise(4 * BLOCK, 2)


def test_a_full_disk_cuts_each_body_where_its_bytes_end(spool: Spool, disk: Disk, told: list[str]) -> None:
    disk.room = 2 * BLOCK + 1_000
    with disk.held_back():
        bodies = [appended(spool, noise(2 * BLOCK, number)) for number in range(3)]
        late = bodies[1]
        late.append(b"still in its tail")
        assert late.read() == noise(2 * BLOCK, 1) + b"still in its tail"
        assert told == []
    spool.settle()
    assert [(body.is_truncated, body.size) for body in bodies] == [(False, 2 * BLOCK), (True, 1_000), (True, 0)]
    disk.room = None
    late.append(b"there is room again, but bytes are missing before these")
    late.finish()
    spool.settle()
    assert [body.read() for body in bodies] == [noise(2 * BLOCK, 0), noise(2 * BLOCK, 1)[:1_000], b""]
    assert len(told) == 1
    assert "No space left" in told[0]
    assert spool.writer.held == 0


def test_after_a_write_that_failed_only_the_others_go_on(spool: Spool, disk: Disk) -> None:
    """Its later writes would stand behind a gap; those of other bodies, gathered with it, are done in their order."""
    with disk.held_back():
        first = appended(spool, noise(BLOCK))
        assert disk.is_busy.wait(10)
        broken, other = spool.new_body(), spool.new_body()
        for number in range(3):
            broken.append(noise(BLOCK, number))
            other.append(noise(BLOCK, 100 + number))
            other.append(noise(BLOCK, 200 + number))
        broken.append(b"in its tail")
        disk.failing = 2  # of the block of `first`, and of all that lies behind it
    spool.settle()
    assert [(body.is_truncated, body.size) for body in (first, broken, other)] == [(True, 0), (True, 0), (False, 6 * BLOCK)]
    assert other.read() == b"".join(noise(BLOCK, base + number) for number in range(3) for base in (100, 200))
    assert [offset for _, offset, _ in disk.writes] == sorted(offset for _, offset, _ in disk.writes)
    assert {offset // BLOCK for _, offset, _ in disk.writes}.isdisjoint(broken._blocks)
    assert (broken._tail, list(broken._queued), broken.read()) == ([], [], b"")
    assert spool.writer.held == 0


def test_a_failure_is_told_in_the_thread_that_appends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    spool = Spool(tmp_path, warn=lambda message: threads.append(threading.current_thread().name))
    Disk(monkeypatch, spool).room = 0
    appended(spool, noise(BLOCK))
    spool.writer.settle()
    assert threads == []
    spool.reclaim()
    assert threads == [threading.current_thread().name]
    spool.close()


def test_a_file_system_that_refuses_writes_past_the_cache(spool: Spool, disk: Disk) -> None:
    disk.refused_past_cache = 1
    bodies = []
    for number in range(3):
        bodies.append(appended(spool, noise(3 * BLOCK, number)))
        spool.settle()
    assert [body.read() for body in bodies] == [noise(3 * BLOCK, number) for number in range(3)]
    assert not any(body.is_truncated for body in bodies)
    assert not any(is_past for is_past, _, _ in disk.writes), "it is not tried again"


def test_a_file_system_that_refuses_the_second_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refusing(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & getattr(os, "O_DIRECT", 0):
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refusing)
    spool = Spool(tmp_path)
    body = appended(spool, noise(3 * BLOCK + 5))
    spool.settle()
    assert spool.writer._past_cache is None
    assert body.read() == noise(3 * BLOCK + 5)
    spool.close()


@pytest.mark.skipif(not os.access(MEMORY_FILES, os.W_OK), reason="no file system in memory here")
def test_a_file_system_in_memory() -> None:
    spool = Spool(MEMORY_FILES)
    body = appended(spool, noise(20 * BLOCK + 5))
    spool.settle()
    assert (body.is_truncated, body.bytes_in_memory) == (False, 0)
    assert body.read() == noise(20 * BLOCK + 5)
    spool.close()


def test_without_a_thread_the_appender_writes(spool: Spool, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        body = appended(spool, noise(3 * BLOCK + 5))
        assert body.bytes_in_memory == 0
        disk.room = 100
        cut = appended(spool, noise(3 * BLOCK))
    disk.room = None
    assert (cut.read(), cut.is_truncated) == (noise(3 * BLOCK)[:100], True)
    assert body.read() == noise(3 * BLOCK + 5)


def test_the_thread_starts_with_the_first_write_and_ends_with_the_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    writer = spool.writer
    spool.new_body().append(b"in the tail")
    assert writer._thread is None
    body = appended(spool, noise(BLOCK))
    thread = writer._thread
    assert thread is not None
    assert thread.daemon
    del spool, body
    gc.collect()
    writer.settle()
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_closing_writes_what_is_queued_and_is_not_the_end(spool: Spool) -> None:
    body = appended(spool, noise(3 * BLOCK))
    spool.close()
    assert (body.bytes_in_memory, spool.writer._thread) == (0, None)
    body.append(noise(BLOCK, 1))
    body.settle()
    assert body.read() == noise(3 * BLOCK) + noise(BLOCK, 1)


def test_other_threads_read_while_one_appends(spool: Spool) -> None:
    body, content = spool.new_body(), noise(60 * BLOCK + 123)
    is_over, wrong, looked = threading.Event(), [], []

    def look(seed: int) -> None:
        chance = random.Random(seed)
        while not is_over.is_set():
            start = chance.randrange(body.size + 1)
            count = chance.choice([10, BLOCK, 3 * BLOCK])
            size = body.size
            seen = body.read(start, count)
            looked.append(start)
            if seen != content[start : start + len(seen)] or len(seen) < min(count, size - start):
                wrong.append((start, count, len(seen)))

    threads = [threading.Thread(target=look, args=(seed,), daemon=True) for seed in range(2)]
    for thread in threads:
        thread.start()
    sizes, position = random.Random(7), 0
    while position < len(content) or len(looked) < 20:
        piece = content[position : position + sizes.choice([1_000, 16_384, BLOCK, 3 * BLOCK + 1])]
        body.append(piece)
        position += len(piece)
        if not sizes.randrange(10):
            body.finish()
    is_over.set()
    for thread in threads:
        thread.join(10)
    assert wrong == []
    body.settle()
    assert body.read() == content


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["append", "finish", "settle", "read", "drop"]), st.integers(0, 200_000)),
    max_size=25,
)


@examples(60)
@given(steps=STEPS)
def test_bodies_are_as_bytes_whatever_is_done(steps: list[tuple[int, str, int]]) -> None:
    spool = Spool()
    bodies, contents = [spool.new_body() for _ in range(3)], [b""] * 3
    for seed, (which, what, number) in enumerate(steps):
        body = bodies[which]
        if what == "append" and number:
            body.append(noise(number, seed))
            contents[which] += noise(number, seed)
        elif what == "finish":
            body.finish()
        elif what == "settle":
            body.settle()
        elif what == "drop":
            bodies[which], contents[which] = spool.new_body(), b""
            del body
            spool.reclaim()
            continue
        assert body.read(number, 100_000) == contents[which][number : number + 100_000]
    assert [(body.size, body.read()) for body in bodies] == [(len(content), content) for content in contents]
    for body in bodies:
        body.finish()
    spool.close()
    assert [(body.read(), body.bytes_in_memory) for body in bodies] == [(content, 0) for content in contents]
