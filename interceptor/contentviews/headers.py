"""Header fields as lines: names and values as they were sent, read as UTF-8 where they are, with bytes that are not escaped."""

from __future__ import annotations

from collections.abc import Iterable

from interceptor.contentviews.rendered import Line
from interceptor.contentviews.visible import styled_bytes


def header_lines(fields: Iterable[tuple[bytes, bytes]]) -> list[Line]:
    return [[*styled_bytes("header", name), ("punctuation", ": "), *styled_bytes("text", value)] for name, value in fields]
