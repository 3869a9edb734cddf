"""Bodies in the spool read back what was appended, share no bytes, and give their space back."""

from __future__ import annotations

import errno
import gc
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.session import spool as spool_module
from interceptor.session.spool import BLOCK, BodySlice, Spool, SpooledBody
from tests.support.effort import examples

Pwrite = Callable[[int, bytes, int], int]


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def disk_use(spool: Spool) -> int:
    assert spool._file is not None
    return os.fstat(spool._file).st_blocks * 512


def filled(spool: Spool, content: bytes) -> SpooledBody:
    body = spool.new_body()
    body.append(content)
    body.finish()
    body.settle()
    return body


def on_write(monkeypatch: pytest.MonkeyPatch, spool: Spool, fake: Callable[[Pwrite, int, bytes, int], int]) -> None:
    """`fake` gets what this spool writes, and the function that really does it; threads of other tests may still be writing."""
    real = os.pwrite

    def pwrite(file: int, content: bytes, offset: int) -> int:
        if file in (spool.writer._file, spool.writer._past_cache):
            return fake(real, file, content, offset)
        return real(file, content, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)


def test_a_body_reads_as_it_was_appended_at_every_moment(tmp_path: Path) -> None:
    body, content = Spool(tmp_path).new_body(), noise(5 * BLOCK + 77)
    position, sizes = 0, random.Random(1)
    while position < len(content):
        piece = content[position : position + sizes.choice([1, 100, 9_000, BLOCK - 1, BLOCK, 2 * BLOCK + 1])]
        body.append(piece)
        position += len(piece)
        assert body.size == position
        assert body.read() == content[:position]
        assert body.read(max(0, position - 50), 100) == content[max(0, position - 50) : position]
    body.finish()
    assert body.read() == content
    body.append(b"more")  # after finish
    assert body.read(len(content) - 3) == content[-3:] + b"more"


@examples(60)
@given(
    pieces=st.lists(st.integers(1, 3 * BLOCK), max_size=8),
    start=st.integers(0, 9 * BLOCK),
    count=st.none() | st.integers(0, 9 * BLOCK),
)
def test_reading_a_body_is_slicing_bytes(pieces: list[int], start: int, count: int | None) -> None:
    spool = Spool()
    body, other, content = spool.new_body(), spool.new_body(), b""
    for number, size in enumerate(pieces):
        piece = noise(size, number)
        content += piece
        body.append(piece)
        other.append(bytes(size))  # so that the blocks of the two alternate
    assert body.read(start, count) == (content[start:] if count is None else content[start : start + count])
    assert other.read() == bytes(len(content))


def test_small_pieces_do_not_cost_a_write_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    spool = Spool(tmp_path)

    def counted(real: Pwrite, file: int, content: bytes, offset: int) -> int:
        writes.append(len(content))
        return real(file, content, offset)

    on_write(monkeypatch, spool, counted)
    body = spool.new_body()
    for _ in range(4_000):
        body.append(b"x" * 100)
    body.settle()
    assert sum(writes) == 6 * BLOCK
    assert min(writes) >= BLOCK


def test_nothing_is_in_the_directory(tmp_path: Path) -> None:
    body = filled(Spool(tmp_path), noise(BLOCK))
    assert list(tmp_path.iterdir()) == []
    assert body.read() == noise(BLOCK)


def test_no_file_is_made_before_there_is_something_to_write(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "missing")
    spool.new_body().append(b"still in the tail")
    assert spool.bytes_used == 0


def test_space_comes_back_when_the_last_reference_goes(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    keep, go = filled(spool, noise(4 * BLOCK, 1)), filled(spool, noise(4 * BLOCK, 2))
    twin = go  # as a duplicated flow has it
    del go
    gc.collect()
    assert spool.bytes_used == 8 * BLOCK
    assert twin.read() == noise(4 * BLOCK, 2)
    del twin
    gc.collect()
    assert spool.bytes_used == 4 * BLOCK
    new = filled(spool, noise(4 * BLOCK, 3))
    assert spool._end == 8, "free blocks are used before the file grows"
    assert keep.read() == noise(4 * BLOCK, 1)
    assert new.read() == noise(4 * BLOCK, 3)


def test_a_slice_keeps_its_body(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    part = BodySlice(filled(spool, noise(2 * BLOCK)), BLOCK - 10, 20)
    gc.collect()
    assert part.read() == noise(2 * BLOCK)[BLOCK - 10 : BLOCK + 10]
    assert part.read(5, 3) == part.read()[5:8]
    assert part.read(15) == part.read()[15:]
    assert part.read(20) == part.read(99, 3) == b""
    del part
    gc.collect()
    assert spool.bytes_used == 0


def test_the_disk_gets_back_what_exceeds_the_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "RESERVE_BLOCKS", 2)
    spool = Spool(tmp_path)
    bodies = [filled(spool, noise(2 * BLOCK, number)) for number in range(20)]
    full = disk_use(spool)
    assert full >= 40 * BLOCK
    del bodies[1:]
    gc.collect()
    spool.reclaim()
    assert disk_use(spool) <= 5 * BLOCK
    assert bodies[0].read() == noise(2 * BLOCK, 0)
    again = [filled(spool, noise(2 * BLOCK, 100 + number)) for number in range(19)]
    assert [body.read() for body in again] == [noise(2 * BLOCK, 100 + number) for number in range(19)]
    assert spool._end == 40


def test_the_limit_truncates_and_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    spool = Spool(tmp_path, disk_limit=4 * BLOCK, warn=told.append)
    body, content = spool.new_body(), noise(6 * BLOCK)
    for start in range(0, len(content), 1_000):
        body.append(content[start : start + 1_000])
    assert body.is_truncated
    assert body.size == 4 * BLOCK
    assert body.read() == content[: 4 * BLOCK]
    assert not spool.has_room
    late = filled(spool, b"too late")
    assert (late.is_truncated, late.size, late.read()) == (True, 0, b"")
    assert len(told) == 1
    del body
    gc.collect()
    assert spool.has_room
    assert filled(spool, content[:BLOCK]).read() == content[:BLOCK]


def test_a_truncated_body_has_no_gap(tmp_path: Path) -> None:
    spool = Spool(tmp_path, disk_limit=2 * BLOCK)
    other, body = filled(spool, noise(BLOCK)), filled(spool, noise(BLOCK, 1))
    body.append(noise(BLOCK, 2))
    assert body.is_truncated
    del other
    gc.collect()
    body.append(b"there is room again, but bytes are missing before these")
    body.finish()
    assert body.read() == noise(BLOCK, 1)


def test_a_disk_that_is_full_truncates_and_never_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    spool = Spool(tmp_path, warn=told.append)
    left = 100_000

    def almost_full(real: Pwrite, file: int, content: bytes, offset: int) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(file, content[:left], offset)
        left -= written
        return written

    on_write(monkeypatch, spool, almost_full)
    content = noise(3 * BLOCK)
    body = filled(spool, content)
    assert body.is_truncated
    assert body.read() == content[:100_000]
    assert len(told) == 1
    assert "No space left" in told[0]


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    spool = Spool(tmp_path, warn=told.append)
    monkeypatch.setattr(spool_module, "free_bytes", lambda file: 499_999_999)
    assert filled(spool, b"x" * BLOCK).is_truncated
    assert not spool.has_room
    monkeypatch.setattr(spool_module, "free_bytes", lambda file: 500_000_000)
    assert spool.has_room
    assert not filled(spool, b"x" * BLOCK).is_truncated
    assert len(told) == 1


def test_a_directory_that_is_not_there_truncates(tmp_path: Path) -> None:
    told: list[str] = []
    body = filled(Spool(tmp_path / "missing", warn=told.append), b"x" * BLOCK)
    assert (body.is_truncated, body.read()) == (True, b"")
    assert "cannot be made" in told[0]


def test_a_reader_sees_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread reads while the tail is being written: neither twice nor not at all."""
    spool = Spool(tmp_path)
    body, content = spool.new_body(), noise(BLOCK)
    seen: list[bytes] = []

    def read_meanwhile(real: Pwrite, file: int, piece: bytes, offset: int) -> int:
        seen.append(body.read())
        done = real(file, piece, offset)
        seen.append(body.read())
        return done

    on_write(monkeypatch, spool, read_meanwhile)
    body.append(content)
    body.settle()
    assert seen == [content, content]
