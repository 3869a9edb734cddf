"""MessagePack and CBOR: what is shown, and that it is written back as it was."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.cbor_view import read_cbor, show_cbor
from interceptor.contentviews.item_tree import DEEPEST
from interceptor.contentviews.msgpack_view import read_msgpack, show_msgpack
from interceptor.contentviews.notation import editable_text
from interceptor.contentviews.rendered import LONGEST_LINE, NotThisView, Rendered, never, text_of
from interceptor.specs.errors import UserError
from tests.support.effort import examples

Show = Callable[[bytes, Callable[[], bool]], Rendered]
Read = Callable[[str], bytes]


def text(show: Show, body: bytes) -> str:
    return editable_text(show(body, never).lines)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("82 a161 01 a162 93 c0 c2 c3", '{\n  "a": 1\n  "b": [\n    null\n    false\n    true\n  ]\n}\n'),
        ("80", "{\n}\n"),
        ("90", "[\n]\n"),
        ("ff e0 7f d0 80 cd ffff cf ffffffffffffffff", "-1\n-32\n127\n-128\n65535\n18446744073709551615\n"),
        ("ca 3fc00000 cb 3ff8000000000000", "float32(1.5)\n1.5\n"),
        ("c4 02 00ff a2 c3a9 a1 ff", 'h\'00ff\'\n"é"\n"\\xff"\n'),
        ("d4 05 07", "ext 5 h'07'\n"),
        ("d6 ff 5e0be100", "ext -1 h'5e0be100'  # 2020-01-01 00:00:00.000000000 UTC\n"),
        ("81 91 01 a1 78", '{\n  [\n    1\n  ]:\n  "x"\n}\n'),
        ("82 a161 01 a161 02", '{\n  "a": 1\n  "a": 2\n}\n'),
        ("a161 c1", "\"a\"\nrest h'c1'\n"),
        ("92 01", "[\n  1\n"),
    ],
)
def test_msgpack(body: str, shown: str) -> None:
    raw = bytes.fromhex(body)
    assert text(show_msgpack, raw) == shown
    if body != "92 01":
        assert read_msgpack(shown) == raw


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        # from RFC 8949, appendix A
        ("a2 6161 01 6162 82 02 03", '{\n  "a": 1\n  "b": [\n    2\n    3\n  ]\n}\n'),
        ("1bffffffffffffffff 3bffffffffffffffff 20", "18446744073709551615\n-18446744073709551616\n-1\n"),
        ("f93c00 fa47c35000 fb3ff199999999999a", "float16(1.0)\nfloat32(100000.0)\n1.1\n"),
        ("f4 f5 f6 f7 f0 f8ff", "false\ntrue\nnull\nundefined\nsimple(16)\nsimple(255)\n"),
        ("c11a514b67b0", "1(1363896240)  # 2013-03-21 20:04:00 UTC\n"),
        ("d74401020304", "23(h'01020304')\n"),
        ("5f42010243030405ff", "_ (\n  h'0102'\n  h'030405'\n)\n"),
        ("7f657374726561646d696e67ff", '_ (\n  "strea"\n  "ming"\n)\n'),
        ("9f018202039f0405ffff", "_ [\n  1\n  [\n    2\n    3\n  ]\n  _ [\n    4\n    5\n  ]\n]\n"),
        ("bf6346756ef563416d7421ff", '_ {\n  "Fun": true\n  "Amt": -2\n}\n'),
        ("d9010282 0102", "258 (\n  [\n    1\n    2\n  ]\n)\n"),
        ("01 ff", "1\nrest h'ff'\n"),
    ],
)
def test_cbor(body: str, shown: str) -> None:
    raw = bytes.fromhex(body)
    try:
        assert text(show_cbor, raw) == shown
        assert read_cbor(shown) == raw
    except UserError as error:
        raise AssertionError(error.message) from error


class Pairs(list[Any]):
    """A map whose keys may be anything, and come twice."""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=20) | st.lists(st.tuples(inner, inner), max_size=20).map(Pairs),
    max_leaves=30,
)


def as_msgpack(value: Any) -> bytes:
    """Written out by hand, in formats that are never shorter than needed, so that nothing of ours is used to test ours."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return pack(">Bq", 0xD3, value) if value < 1 << 63 else pack(">BQ", 0xCF, value)
        case float():
            return pack(">Bd", 0xCB, value)
        case str():
            raw = value.encode()
            return pack(">BI", 0xDB, len(raw)) + raw
        case bytes():
            return pack(">BI", 0xC6, len(value)) + value
        case Pairs():
            return pack(">BI", 0xDF, len(value)) + b"".join(as_msgpack(key) + as_msgpack(each) for key, each in value)
        case _:
            return pack(">BI", 0xDD, len(value)) + b"".join(map(as_msgpack, value))


def as_cbor(value: Any) -> bytes:
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return pack(">BQ", 0x1B, value) if value >= 0 else pack(">BQ", 0x3B, -1 - value)
        case float():
            return pack(">Bd", 0xFB, value)
        case str():
            raw = value.encode()
            return pack(">BI", 0x7A, len(raw)) + raw
        case bytes():
            return pack(">BI", 0x5A, len(value)) + value
        case Pairs():
            return b"\xbf" + b"".join(as_cbor(key) + as_cbor(each) for key, each in value) + b"\xff"
        case _:
            return b"\x9f" + b"".join(map(as_cbor, value)) + b"\xff"


@examples(150)
@given(VALUES)
def test_any_value_comes_back(value: Any) -> None:
    for show, read, write in ((show_msgpack, read_msgpack, as_msgpack), (show_cbor, read_cbor, as_cbor)):
        shown = text(show, write(value))
        short = read(shown)
        assert text(show, short) == shown
        assert read(text(show, short)) == short
        assert len(short) <= len(write(value))


@examples(300)
@given(st.binary(min_size=1, max_size=80))
def test_any_bytes_come_back_or_are_told(body: bytes) -> None:
    for show, read in ((show_msgpack, read_msgpack), (show_cbor, read_cbor)):
        try:
            shown = show(body, never)
        except NotThisView:
            continue
        assert len(shown.lines) == len(list(shown.lines))
        if ", " not in shown.description and "nan" not in editable_text(shown.lines):
            again = read(editable_text(shown.lines))
            assert editable_text(show(again, never).lines) == editable_text(shown.lines)


def test_lengths_that_lie_cost_nothing() -> None:
    for show, body in ((show_msgpack, "93 dd ffffffff 01"), (show_cbor, "83 9a ffffffff 01")):
        shown = show(bytes.fromhex(body), never)
        assert "ends too early" in shown.description and editable_text(shown.lines) == "[\n  [\n    1\n"
    for show, body in ((show_msgpack, "91 db ffffffff 61"), (show_cbor, "81 7a ffffffff 61")):
        assert "ends too early at offset 1" in show(bytes.fromhex(body), never).description


def test_depth_is_bounded() -> None:
    for show, read, byte in ((show_msgpack, read_msgpack, b"\x91"), (show_cbor, read_cbor, b"\x81")):
        assert f"more than {DEEPEST} levels" in show(byte * 100_000, never).description
        with pytest.raises(UserError, match="levels"):
            read("[" * 10_000)


def test_long_values_are_cut_into_lines_and_joined_for_editing() -> None:
    raw = ("é" * LONGEST_LINE).encode()
    for show, read, head in ((show_msgpack, read_msgpack, b"\x91\xda"), (show_cbor, read_cbor, b"\x81\x79")):
        body = head + pack(">H", len(raw)) + raw
        shown = show(body, never)
        assert len(shown.lines) == 5 and max(len(text_of(line)) for line in shown.lines) <= LONGEST_LINE + 10
        assert read(editable_text(shown.lines)) == body
    body = b"\xc9" + pack(">Ib", 50_000, 5) + bytes(50_000)
    assert read_msgpack(text(show_msgpack, body)) == b"\xc8" + pack(">Hb", 50_000, 5) + bytes(50_000)
    body = b"\xc1\x5a" + pack(">I", 50_000) + bytes(50_000)
    assert read_cbor(text(show_cbor, body)) == b"\xc1\x59" + pack(">H", 50_000) + bytes(50_000)


@pytest.mark.parametrize(
    ("read", "edited", "message"),
    [
        (read_msgpack, '{\n "a": 1\n', "line 3.*the text ends"),
        (read_msgpack, "\n18446744073709551616", "line 2"),
        (read_msgpack, "float32(1e300)", "fits 32 bits"),
        (read_msgpack, "ext 200 h''", "type of the extension"),
        (read_cbor, "1(2", "'\\)' expected"),
        (read_cbor, "[\n\n}", "line 3.*'}'"),
        (read_cbor, "simple(300)", "number of a simple value"),
    ],
)
def test_mistakes_name_their_line(read: Read, edited: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(edited)
