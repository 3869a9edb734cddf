"""The messages of a conversation come back as they were, from little memory."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.body import SPOOL_FROM, MemoryBody
from interceptor.model.flow import TcpMessage
from interceptor.session import messages as messages_module
from interceptor.session.messages import MessageLog
from interceptor.session.spool import BodySlice, Spool

contents = st.binary(max_size=40) | st.builds(lambda letter: letter * 90_000, st.binary(min_size=1, max_size=1))
said = st.tuples(st.booleans(), contents, st.floats(0, 1e9), st.none() | contents, st.booleans())


def told(message: TcpMessage) -> tuple[bool, bytes, float, bytes | None, bool]:
    original = message.original.read() if message.original is not None else None
    return message.from_client, message.body.read(), message.timestamp, original, message.is_dropped


@given(st.lists(said, max_size=12))
def test_messages_come_back_as_they_were(appended: list[tuple[bool, bytes, float, bytes | None, bool]]) -> None:
    log = MessageLog(Spool().new_body)
    for each in appended:
        assert log.append(*each)
    assert [told(message) for message in log] == appended
    assert [told(message) for message in log[::-2]] == appended[::-2]
    assert len(log) == len(appended)
    assert [log[index].body.size for index in range(-len(log), 0)] == [len(each[1]) for each in appended]
    again = MessageLog(Spool().new_body, log)
    assert [told(message) for message in again] == appended


def test_a_message_stays_readable_when_the_contents_move(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    log = MessageLog(spool.new_body)
    log.append(True, b"hello", 1.0, None, False)
    hello = log[0]
    log.append(False, b"x" * SPOOL_FROM, 2.0, None, False)
    assert log.contents.bytes_in_memory == 0
    assert hello.body.read() == b"hello"


def test_contents_that_were_moved_out_can_grow_again() -> None:
    spool = Spool()
    log = MessageLog(spool.new_body)
    log.append(True, b"hello", 1.0, None, False)
    log.contents.move_to(BodySlice(MemoryBody(b"...hello..."), 3, 5))
    log.append(True, b" world", 2.0, None, False)
    assert [message.body.read() for message in log] == [b"hello", b" world"]


def test_a_long_conversation_takes_little_memory(tmp_path: Path) -> None:
    log, piece = MessageLog(Spool(tmp_path).new_body), b"x" * 1_000
    tracemalloc.start()
    for _ in range(20_000):
        log.append(True, piece, 1.0, None, False)
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 700_000  # 20 MB of content
    assert log[19_999].body.read() == piece


def test_messages_beyond_the_limit_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MessageLog(Spool().new_body)
    monkeypatch.setattr(messages_module, "MESSAGES_KEPT", 3)
    assert [log.append(True, b"x", 1.0, None, False) for _ in range(5)] == [True, True, True, False, False]
    assert len(log) == 3


def test_a_full_disk_ends_what_is_kept(tmp_path: Path) -> None:
    log = MessageLog(Spool(tmp_path, disk_limit=2 * 64 * 1024).new_body)
    kept = [log.append(True, bytes([number]) * 65_536, 1.0, None, False) for number in range(10)]
    assert kept[:4] == [True] * 4
    assert not kept[-1]
    assert [message.body.read() for message in log][:2] == [bytes([number]) * 65_536 for number in range(2)]
