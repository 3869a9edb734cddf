"""What can be undone, and done again: pairs of deeds with a label.

Whoever changes something that a user may want back pushes how to take it back and how to do it once more; the change itself has
been made already. A new deed forgets what was undone before it. Bounded by number, and by weight where a deed keeps flows alive:
the newest can always be undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

DEEDS_KEPT: Final = 200
WEIGHT_KEPT: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class _Deed:
    label: str
    undo: Callable[[], None]
    redo: Callable[[], None]
    weight: int


class Undo:
    """`weight_limit` in bytes, for all deeds but the newest."""

    def __init__(self, limit: int = DEEDS_KEPT, weight_limit: int = WEIGHT_KEPT) -> None:
        self._limit = limit
        self._weight_limit = weight_limit
        self._weight = 0
        self._done: list[_Deed] = []
        self._undone: list[_Deed] = []

    def push(self, label: str, undo: Callable[[], None], redo: Callable[[], None], *, weight: int = 0) -> None:
        """`weight`: about how many bytes stay in memory for the sake of this deed."""
        self._weight -= sum(deed.weight for deed in self._undone)
        self._undone.clear()
        self._done.append(_Deed(label, undo, redo, weight))
        self._weight += weight
        while len(self._done) > 1 and (len(self._done) > self._limit or self._weight > self._weight_limit):
            self._weight -= self._done.pop(0).weight

    def undo(self) -> str | None:
        """Takes the newest deed back; its label, or None if there is nothing to undo. If that raises, the deed is forgotten."""
        if not self._done:
            return None
        deed = self._done.pop()
        self._weight -= deed.weight
        deed.undo()
        self._undone.append(deed)
        self._weight += deed.weight
        return deed.label

    def redo(self) -> str | None:
        """Does again what was undone last; its label, or None if there is nothing."""
        if not self._undone:
            return None
        deed = self._undone.pop()
        self._weight -= deed.weight
        deed.redo()
        self._done.append(deed)
        self._weight += deed.weight
        return deed.label
