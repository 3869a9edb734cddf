"""Tagged netstrings: what is written reads back, and what is damaged is named with its place."""

from __future__ import annotations

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.body import MemoryBody
from interceptor.session.formats.tnetstring import DEEPEST, Malformed, Streamed, read_values, write_value


def written(value: object) -> bytes:
    stream = io.BytesIO()
    write_value(stream, value)
    return stream.getvalue()


def read(raw: bytes, largest: int = 10_000) -> list[object]:
    return [value for _, value in read_values(io.BytesIO(raw), largest)]


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (b"hello\xff", b"6:hello\xff,"),
        ("hé", "3:hé;".encode()),
        (42, b"2:42#"),
        (-1, b"2:-1#"),
        (0.5, b"3:0.5^"),
        (True, b"4:true!"),
        (False, b"5:false!"),
        (None, b"0:~"),
        ([], b"0:]"),
        ([1, b"a"], b"8:1:1#1:a,]"),
        ({"a": 1, "b": []}, b"15:1:a;1:1#1:b;0:]}"),
        (b"", b"0:,"),
    ],
)
def test_each_kind_of_value(value: object, raw: bytes) -> None:
    assert written(value) == raw
    assert read(raw) == [value]


def test_values_come_one_after_the_other_with_their_offsets() -> None:
    assert list(read_values(io.BytesIO(b"1:a,10:4:true!0:~]0:~"))) == [(0, b"a"), (4, [True, None]), (18, None)]


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        (b"x", 0),
        (b":", 0),
        (b"5", 0),
        (b"-1:a,", 0),
        (b"1:a", 3),
        (b"3:a", 3),
        (b"1:a,7", 4),
        (b"1:a,2:ab?", 6),
        (b"0:x", 2),
        (b"1:x~", 2),
        (b"2:no!", 2),
        (b"1:x#", 2),
        (b"50:" + b"1" * 50 + b"#", 3),
        (b"3:1e^", 5),
        (b"4:5:a,]", 2),
        (b"4:1:a,}", 2),
        (b"6:0:]0:~}", 2),
        (b"3:0:~}", 2),
        (b"3:x:~]", 2),
        (b"9999999999999:", 0),
        (b"10001:", 0),
    ],
)
def test_damage_is_named_with_its_place(raw: bytes, offset: int) -> None:
    with pytest.raises(Malformed) as caught:
        read(raw)
    assert caught.value.offset == offset


def test_a_length_that_promises_much_costs_nothing() -> None:
    asked: list[int] = []

    class Stream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size or 0)
            return super().read(size)

    with pytest.raises(Malformed):
        list(read_values(Stream(b"2000000000:short")))
    assert max(asked) <= 1 << 20


def test_nesting_is_bounded_both_ways() -> None:
    value: object = 1
    for _ in range(DEEPEST):
        value = [value]
    assert read(written(value)) == [value]
    with pytest.raises(ValueError, match="nested"):
        written([value])
    raw = b"1:1#"
    for _ in range(2000):
        raw = b"%d:%b]" % (len(raw), raw)
    with pytest.raises(Malformed, match="nested"):
        read(raw, 1 << 20)


def test_what_has_no_notation_is_refused_before_anything_is_written() -> None:
    stream = io.BytesIO()
    with pytest.raises(ValueError, match="no notation for object"):
        write_value(stream, [b"a", object()])
    assert stream.getvalue() == b""


def test_a_body_is_copied_piece_by_piece() -> None:
    asked: list[int | None] = []

    class Recording(MemoryBody):
        def read(self, start: int = 0, count: int | None = None) -> bytes:
            asked.append(count)
            return super().read(start, count)

    content = bytes(range(256)) * 10_000
    assert written({"content": Streamed(Recording(content))}) == written({"content": content})
    assert all(count is not None and count <= 1 << 20 for count in asked)
    assert len(asked) == 3


def test_a_body_that_shrinks_meanwhile_is_an_error_and_not_a_wrong_file() -> None:
    class Lost(MemoryBody):
        def read(self, start: int = 0, count: int | None = None) -> bytes:
            return b""

    with pytest.raises(OSError, match="only be read up to byte 0"):
        written(Streamed(Lost(b"abc")))


_SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | st.binary() | st.text()
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=20
)


@given(_VALUES)
def test_what_is_written_reads_back(value: object) -> None:
    assert read(written(value), 1 << 20) == [value]


@given(_VALUES, st.data())
def test_what_is_cut_off_is_noticed(value: object, data: st.DataObject) -> None:
    raw = written(value)
    kept = data.draw(st.integers(1, len(raw) - 1))
    with pytest.raises(Malformed) as caught:
        read(raw[:kept], 1 << 20)
    assert caught.value.offset <= kept


@given(st.binary(max_size=60) | st.text("0123456789:,;#^!~]}ae-._", max_size=60).map(str.encode))
def test_noise_is_read_or_named(raw: bytes) -> None:
    try:
        values = read(raw)
    except Malformed as error:
        assert 0 <= error.offset <= len(raw)
    else:
        assert values or not raw


def test_odd_floats_survive() -> None:
    assert read(written(math.inf)) == [math.inf]
    assert math.isnan(float(str(read(written(math.nan))[0])))
