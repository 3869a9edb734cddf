"""Lines made on demand."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.hexdump import HexLines
from interceptor.contentviews.rendered import CUT_MARK, LONGEST_LINE, JoinedLines, text_of
from interceptor.contentviews.source_lines import PlainLines


def texts(source: bytes) -> list[str]:
    return [text_of(line) for line in PlainLines(source)]


@given(st.lists(st.text(alphabet="ab é", max_size=5)), st.sampled_from(["\n", "\r\n"]))
def test_lines_are_those_of_the_text(lines: list[str], end: str) -> None:
    source = "".join(line + end for line in lines).encode()
    assert texts(source) == lines
    assert len(PlainLines(source)) == len(lines)


def test_the_last_line_needs_no_end() -> None:
    assert texts(b"a\n\nb") == ["a", "", "b"]
    assert texts(b"") == []


def test_many_chunks_in_any_order() -> None:
    source = b"".join(b"line %d\n" % number for number in range(50_000))
    lines = PlainLines(source)
    assert text_of(lines[49_999]) == "line 49999"
    assert text_of(lines[7]) == "line 7"
    assert text_of(lines[-1]) == "line 49999"
    assert len(lines) == 50_000
    assert [text_of(line) for line in lines[20_000:20_003]] == ["line 20000", "line 20001", "line 20002"]
    with pytest.raises(IndexError):
        lines[50_000]
    assert texts(source) == source.decode().split("\n")[:-1]


def test_looking_at_the_beginning_indexes_the_beginning_only() -> None:
    lines = PlainLines(b"x\n" * 5_000_000)
    text_of(lines[10])
    assert len(lines._offsets) == 2


@pytest.mark.parametrize("unit", ["x", "é", "漢", "😀"])
def test_long_lines_are_cut_between_characters(unit: str) -> None:
    text = unit * 70_000
    lines = PlainLines(("a\n" + text + "\nb").encode())
    assert text_of(lines[0]) == "a" and text_of(lines[len(lines) - 1]) == "b"
    pieces = list(lines)[1:-1]
    assert len(pieces) > 3
    assert all(piece[-1] == CUT_MARK for piece in pieces[:-1]) and CUT_MARK not in pieces[-1]
    assert "".join(text_of(piece).removesuffix("…") for piece in pieces) == text
    assert all(len(text_of(piece)) <= LONGEST_LINE + 1 for piece in pieces)


def test_long_lines_of_bytes_that_are_no_text() -> None:
    lines = PlainLines(b"\x80" * 50_000)
    assert len(lines) == 3
    assert sum(text_of(line).count("\\x80") for line in lines) == 50_000


def test_two_threads_may_look_at_once() -> None:
    source = b"".join(b"%d\n" % number for number in range(300_000))
    lines = PlainLines(source)
    right: list[int] = []

    def look(numbers: range) -> None:
        right.extend(number for number in numbers if text_of(lines[number]) == str(number))

    threads = [threading.Thread(target=look, args=(range(first, 300_000, 97),)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(right) == sum(len(range(first, 300_000, 97)) for first in range(4))


def test_hex_reads_only_what_is_looked_at() -> None:
    asked: list[tuple[int, int]] = []

    def read(start: int, count: int) -> bytes:
        asked.append((start, count))
        return b"A" * count

    lines = HexLines(read, 10**9 + 3)
    assert len(lines) == 62_500_001
    assert text_of(lines[-1]) == f"{10**9:08x}  41 41 41" + " " * 42 + "AAA"
    assert asked == [(10**9, 3)]


def test_hex_of_a_full_line() -> None:
    body = bytes(range(0x3A, 0x4A))
    assert HexLines(lambda start, count: body[start : start + count], 16)[0] == [
        ("offset", "00000000  "),
        ("number", "3a 3b 3c 3d 3e 3f 40 41  42 43 44 45 46 47 48 49  "),
        ("text", ":;<=>?@ABCDEFGHI"),
    ]


def test_joined_sequences() -> None:
    joined = JoinedLines([PlainLines(b"a\nb"), [], [[("key", "c")]]])
    assert [text_of(line) for line in joined] == ["a", "b", "c"]
    assert joined[-1] == [("key", "c")]
    with pytest.raises(IndexError):
        joined[3]
