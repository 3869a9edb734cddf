"""Equal fields of different flows become one object, and nothing else changes."""

from __future__ import annotations

import pytest

from interceptor.model.http import Field
from interceptor.session import fields as fields_module
from interceptor.session.fields import FIELD_BYTES, FieldPool


def fields(*more: Field) -> list[Field]:
    """Equal each time, and never the same objects."""
    wanted = ((b"Server", b"nginx"), (b"server", b"nginx"), *more)
    return [(bytes(bytearray(name)), bytes(bytearray(value))) for name, value in wanted]


def test_what_was_seen_is_shared_and_weighs_nothing() -> None:
    pool, first, second = FieldPool(), fields(), fields((b"Date", b"today"))
    assert pool.share(first) == 2 * (FIELD_BYTES + 11)
    assert pool.share(second) == FIELD_BYTES + 9
    assert second == fields((b"Date", b"today"))
    assert all(one is other for one, other in zip(first, second, strict=False))
    assert first[0] is not first[1], "case is kept"


def test_long_values_are_not_pooled() -> None:
    pool, cookie = FieldPool(), (b"Cookie", b"x" * 1_000)
    for _ in range(2):
        assert pool.share(fields(cookie)) >= FIELD_BYTES + 1_006
    assert len(pool._seen) == 2


def test_the_pool_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields_module, "_POOLED", 10)
    pool = FieldPool()
    for number in range(100):
        pool.share([(b"X-Request-Id", b"%d" % number)])
        assert len(pool._seen) <= 11
