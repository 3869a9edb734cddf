"""Content codings: there and back, cut off, corrupt, bombs."""

from __future__ import annotations

import gzip
import importlib
import random
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.encoding import PartialContent, TooLarge, codings, decode_content, encode_content
from tests.support.effort import examples

CODINGS = ["gzip", "x-gzip", "deflate", "br", "zstd"]
STACKS = [*CODINGS, "", "identity", "gzip, br", "Deflate,ZSTD , gzip"]
CONTENT = random.Random(1).randbytes(200_000) + b"hello " * 50_000
LINES = b"".join(b"%d line\n" % number for number in range(3000))


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
@pytest.mark.parametrize("limit", [None, len(CONTENT)])
def test_there_and_back(stack: str, content: bytes, limit: int | None) -> None:
    assert decode_content(encode_content(content, stack), stack, limit) == content


@given(content=st.binary(max_size=500), stack=st.lists(st.sampled_from(CODINGS), max_size=3))
def test_any_content_there_and_back(content: bytes, stack: list[str]) -> None:
    value = ", ".join(stack)
    assert decode_content(encode_content(content, value), value, len(content)) == content


def test_codings_are_read_from_the_field_value() -> None:
    assert codings(" GZip ,, identity,br") == ["gzip", "br"]


def test_empty_content_has_no_coding_to_undo() -> None:
    assert decode_content(b"", "gzip", None) == b""  # a response to HEAD


@pytest.mark.parametrize("name", CODINGS)
def test_a_bomb_stops_at_the_limit(name: str) -> None:
    bomb = encode_content(bytes(50_000_000), name)
    assert len(bomb) < 100_000
    with pytest.raises(TooLarge) as caught:
        decode_content(bomb, name, 100_000)
    assert caught.value.partial == bytes(100_000)


def test_the_limit_itself_is_allowed() -> None:
    assert decode_content(gzip.compress(b"x" * 1000), "gzip", 1000) == b"x" * 1000
    with pytest.raises(TooLarge):
        decode_content(gzip.compress(b"x" * 1001), "gzip", 1000)


def test_a_bomb_in_a_bomb() -> None:
    bomb = encode_content(bytes(20_000_000), "gzip, gzip, gzip")
    with pytest.raises(TooLarge) as caught:
        decode_content(bomb, "gzip, gzip, gzip", 5000)
    assert caught.value.partial == bytes(5000)


def test_what_a_coding_adds_is_not_held_against_incompressible_content() -> None:
    content = random.Random(2).randbytes(5000)
    assert decode_content(encode_content(content, "br, gzip"), "br, gzip", 5000) == content


@pytest.mark.parametrize("name", CODINGS)
def test_a_truncated_stream_gives_what_there_is(name: str) -> None:
    encoded = encode_content(CONTENT, name)
    with pytest.raises(PartialContent, match="ends before its end mark") as caught:
        decode_content(encoded[: len(encoded) // 2], name, None)
    assert len(caught.value.content) > 50_000
    assert CONTENT.startswith(caught.value.content)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br"])
def test_a_corrupt_stream_gives_what_came_before(name: str) -> None:
    encoded = bytearray(encode_content(LINES, name))
    encoded[len(encoded) // 2 :] = b"\xff" * (len(encoded) // 2)
    with pytest.raises(PartialContent) as caught:
        decode_content(bytes(encoded), name, None)
    good = caught.value.content[:2000]
    assert len(good) == 2000 and LINES.startswith(good)


def test_a_wrong_checksum_keeps_the_content() -> None:
    encoded = bytearray(gzip.compress(b"hello"))
    encoded[-6] ^= 1
    with pytest.raises(PartialContent, match="incorrect data check") as caught:
        decode_content(bytes(encoded), "gzip", None)
    assert caught.value.content == b"hello"


@pytest.mark.parametrize("name", CODINGS)
def test_what_is_in_another_format_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=f"not {name}"):
        decode_content(b"<html>not compressed at all</html>" * 10, name, None)


@pytest.mark.parametrize("name", CODINGS)
def test_bytes_behind_the_end_are_ignored(name: str) -> None:
    assert decode_content(encode_content(CONTENT, name) + b"garbage", name, None) == CONTENT


def test_every_gzip_member_and_zstd_frame_counts() -> None:
    assert decode_content(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 2) == b"ab"
    skippable = b"\x52\x2a\x4d\x18\x03\x00\x00\x00xyz"
    frames = encode_content(b"a", "zstd") + skippable + encode_content(b"b", "zstd")
    assert decode_content(frames, "zstd", 2) == b"ab"


def test_deflate_without_zlib_header() -> None:
    bare = zlib.compressobj(wbits=-15)
    assert decode_content(bare.compress(b"hello") + bare.flush(), "deflate", None) == b"hello"


def test_unknown_and_too_many_codings() -> None:
    with pytest.raises(ValueError, match="unknown content coding 'compress'"):
        decode_content(b"x", "compress", None)
    with pytest.raises(ValueError, match="unknown content coding 'snappy'"):
        encode_content(b"x", "gzip, snappy")
    with pytest.raises(ValueError, match="at most 8"):
        decode_content(b"x", ",".join(["gzip"] * 9), None)


@pytest.mark.parametrize(("name", "module"), [("br", "brotli"), ("zstd", "zstandard")])
def test_a_missing_library_is_named_with_its_install_command(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(wanted: str, *rest: Any) -> Any:
        raise ImportError(wanted)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ValueError, match=f"pip install {module}"):
        decode_content(b"x", name, None)
    with pytest.raises(ValueError, match=f"pip install {module}"):
        encode_content(b"x", name)


@examples(200)
@given(raw=st.binary(max_size=200), stack=st.lists(st.sampled_from(CODINGS), min_size=1, max_size=3))
def test_noise_is_content_or_a_value_error(raw: bytes, stack: list[str]) -> None:
    try:
        assert len(decode_content(raw, ",".join(stack), 1000)) <= 1000
    except TooLarge as error:
        assert len(error.partial) <= 1000
    except ValueError:
        pass
