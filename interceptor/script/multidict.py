"""Ordered dictionaries whose keys may repeat: for header fields, queries, cookies and forms.

A `MultiDict` is a view of a tuple of pairs that lives elsewhere; each change writes that tuple anew. `d[key]` is the first value
(of header fields: all of them, joined), `get_all` has every one. As a mapping it has each key once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
Pairs = tuple[tuple[Any, Any], ...]


class MultiDict(MutableMapping[K, V], Generic[K, V]):
    """`fields` are the pairs as they are kept; subclasses say how they look from outside."""

    def __init__(self, fields: Iterable[tuple[K, V]] = ()) -> None:
        self._own: Pairs = tuple(fields)

    @property
    def fields(self) -> Pairs:
        return self._own

    @fields.setter
    def fields(self, fields: Iterable[tuple[Any, Any]]) -> None:
        self._own = tuple(fields)

    # How pairs are kept and shown.

    def _fold(self, key: Any) -> Any:
        """Keys that are the same have the same folded form, kept or given."""
        return key

    def _kept(self, key: Any, value: Any) -> tuple[Any, Any]:
        return key, value

    def _shown(self, kept: Any) -> Any:
        return kept

    def _reduced(self, values: Sequence[V]) -> V:
        return values[0]

    # The mapping.

    def __getitem__(self, key: K) -> V:
        if not (values := self.get_all(key)):
            raise KeyError(key)
        return self._reduced(values)

    def __setitem__(self, key: K, value: V) -> None:
        self.set_all(key, [value])

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        wanted = self._fold(key)
        self.fields = tuple(pair for pair in self.fields if self._fold(pair[0]) != wanted)

    def __iter__(self) -> Iterator[K]:
        seen = set()
        for key, _ in self.fields:
            if (folded := self._fold(key)) not in seen:
                seen.add(folded)
                yield self._shown(key)

    def __len__(self) -> int:
        return len({self._fold(key) for key, _ in self.fields})

    def __contains__(self, key: object) -> bool:
        try:
            wanted = self._fold(key)
        except (AttributeError, TypeError):  # no such thing is ever a key
            return False
        return any(self._fold(each) == wanted for each, _ in self.fields)

    def __eq__(self, other: object) -> bool:
        return self.fields == other.fields if isinstance(other, MultiDict) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}[{', '.join(repr(pair) for pair in self.fields)}]"

    # What a mapping does not have.

    def get_all(self, key: K) -> list[V]:
        """Every value of that key; an empty list if there is none."""
        wanted = self._fold(key)
        return [self._shown(value) for each, value in self.fields if self._fold(each) == wanted]

    def set_all(self, key: K, values: Iterable[V]) -> None:
        """Replaces the values of that key: the first takes the place of the first, those left over follow at the end."""
        wanted, waiting, pairs = self._fold(key), list(values), []
        for pair in self.fields:
            if self._fold(pair[0]) != wanted:
                pairs.append(pair)
            elif waiting:
                pairs.append((pair[0], self._kept(key, waiting.pop(0))[1]))  # in its own spelling
        self.fields = (*pairs, *(self._kept(key, value) for value in waiting))

    def add(self, key: K, value: V) -> None:
        """One more, at the end."""
        self.fields = (*self.fields, self._kept(key, value))

    def insert(self, index: int, key: K, value: V) -> None:
        """One more, before the pair at that place."""
        pairs = list(self.fields)
        pairs.insert(index, self._kept(key, value))
        self.fields = tuple(pairs)

    def keys(self, multi: bool = False) -> Any:
        """With `multi` as often as they are there."""
        return (self._shown(key) for key, _ in self.fields) if multi else super().keys()

    def values(self, multi: bool = False) -> Any:
        return (self._shown(value) for _, value in self.fields) if multi else super().values()

    def items(self, multi: bool = False) -> Any:
        """With `multi` every pair, else each key once."""
        if multi:
            return [(self._shown(key), self._shown(value)) for key, value in self.fields]
        return super().items()

    def copy(self) -> MultiDict[K, V]:
        """An independent one."""
        twin = type(self).__new__(type(self))
        MultiDict.__init__(twin, self.fields)
        return twin


class MultiDictView(MultiDict[K, V]):
    """Of pairs that are worked out from something else, and written back into it."""

    def __init__(self, read: Callable[[], Pairs], write: Callable[[Pairs], None]) -> None:
        self._read, self._write = read, write

    @property
    def fields(self) -> Pairs:
        return self._read()

    @fields.setter
    def fields(self, fields: Iterable[tuple[Any, Any]]) -> None:
        self._write(tuple(fields))

    def copy(self) -> MultiDict[K, V]:
        return MultiDict(self.fields)
