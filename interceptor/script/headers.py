"""Header fields as scripts see them: a dictionary without regard to case, over the raw fields of a message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from interceptor.model.http import Headers as Fields
from interceptor.script.multidict import MultiDict, Pairs


def to_bytes(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode("utf-8", "surrogateescape")
    raise TypeError(f"header fields are text or bytes, not {type(text).__name__}")


class Headers(MultiDict[str, str]):
    """`Headers([(b"Host", b"example.com")])`, or `Headers(content_type="text/html")` with underscores for dashes. `fields` are
    the raw pairs. A value of several fields is theirs with ", " between (RFC 9110 §5.3)."""

    def __init__(self, fields: Iterable[tuple[bytes, bytes]] = (), **headers: str | bytes) -> None:
        pairs = list(fields)
        if any(not isinstance(part, bytes) for pair in pairs for part in pair):
            raise TypeError("header fields are pairs of bytes")
        self._record = Fields(pairs)
        self._before_edit: Callable[[], None] | None = None
        for name, value in headers.items():
            self[name.replace("_", "-")] = value  # type: ignore[assignment]

    @classmethod
    def of(cls, record: Fields, before_edit: Callable[[], None]) -> Headers:
        """The facade of these fields."""
        headers = cls()
        headers._record, headers._before_edit = record, before_edit
        return headers

    @property
    def fields(self) -> Pairs:
        return tuple(self._record.fields)

    @fields.setter
    def fields(self, fields: Iterable[tuple[Any, Any]]) -> None:
        if self._before_edit is not None:
            self._before_edit()
        self._record.fields = [(to_bytes(name), to_bytes(value)) for name, value in fields]

    def _fold(self, key: Any) -> bytes:
        return to_bytes(key).lower()

    def _kept(self, key: Any, value: Any) -> tuple[bytes, bytes]:
        return to_bytes(key), to_bytes(value)

    def _shown(self, kept: bytes) -> str:
        return kept.decode("utf-8", "surrogateescape")

    def _reduced(self, values: Sequence[str]) -> str:
        return ", ".join(values)

    def copy(self) -> Headers:
        return Headers(self.fields)

    def __bytes__(self) -> bytes:
        return bytes(self._record)


def fields_from(headers: Headers | Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> Fields:
    """Fields of their own, from any of the forms in which scripts write headers."""
    if isinstance(headers, Headers):
        return Fields(headers.fields)
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return Fields([(to_bytes(name), to_bytes(value)) for name, value in pairs])
