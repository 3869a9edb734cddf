"""What can be undone, and done again: pairs of deeds with a label.

    push(label, undo, redo)                              as long as the program runs
    keep(label, change) ─▸ KeptDeeds, the session file ─ attach ─▸ undone and done again by the next run, too

Whoever changes something that a user may want back says how to take it back and how to do it once more; the change itself has
been made already. A new deed forgets what was undone before it. Bounded by number, and by weight where a deed keeps flows alive:
the newest can always be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from interceptor.specs.errors import UserError

DEEDS_KEPT: Final = 200
WEIGHT_KEPT: Final = 64 * 1024 * 1024


class Change(Protocol):
    """What a deed has changed."""

    @property
    def weight(self) -> int:
        """About how many bytes stay in memory for its sake."""
        ...

    def undo(self) -> None: ...
    def redo(self) -> None: ...


class KeptDeed(NamedTuple):
    number: int
    label: str
    is_undone: bool


class KeptDeeds(Protocol):
    """Where deeds outlive the program."""

    def all(self) -> Sequence[KeptDeed]:
        """Those that are there, in the order in which they were done."""
        ...

    def add(self, label: str, change: Change) -> int:
        """Its number; 0 if it is of no kind that can be kept."""
        ...

    def read(self, number: int) -> Change:
        """UserError if it cannot be."""
        ...

    def note(self, number: int, is_undone: bool) -> None: ...
    def remove(self, numbers: Sequence[int]) -> None: ...


@dataclass(slots=True)
class _Now:
    """A change that is known to this run of the program alone."""

    undo: Callable[[], None]
    redo: Callable[[], None]
    weight: int


@dataclass(slots=True)
class _Deed:
    """`number` is that of a kept one, else 0; `change` of one that was kept by an earlier run is read when it is wanted."""

    label: str
    change: Change | None
    weight: int
    number: int = 0


class Undo:
    """`weight_limit` in bytes, for all deeds but the newest."""

    def __init__(self, limit: int = DEEDS_KEPT, weight_limit: int = WEIGHT_KEPT) -> None:
        self._limit = limit
        self._weight_limit = weight_limit
        self._weight = 0
        self._done: list[_Deed] = []
        self._undone: list[_Deed] = []
        self._kept: KeptDeeds | None = None

    def push(self, label: str, undo: Callable[[], None], redo: Callable[[], None], *, weight: int = 0) -> None:
        """`weight`: about how many bytes stay in memory for the sake of this deed."""
        self._add(_Deed(label, _Now(undo, redo, weight), weight))

    def keep(self, label: str, change: Change) -> None:
        """The same for one that the next run of the program may undo, if there is a session."""
        self._add(_Deed(label, change, change.weight, self._kept.add(label, change) if self._kept is not None else 0))

    def attach(self, kept: KeptDeeds | None) -> None:
        """A session is open from now on: what was done in it by earlier runs comes before what was done in this one."""
        self._kept = kept
        if kept is None:
            return
        for deed in self._done:
            if deed.change is not None and not isinstance(deed.change, _Now):
                deed.number = kept.add(deed.label, deed.change)
        earlier = [(each.is_undone, _Deed(each.label, None, 0, each.number)) for each in kept.all()]
        undone = [deed for is_undone, deed in reversed(earlier) if is_undone]
        if self._done or self._undone:
            self._forget(undone)
        else:
            self._undone = undone
        self._done = [deed for is_undone, deed in earlier if not is_undone] + self._done
        self._keep_limits()

    def detach(self) -> None:
        """The session is closed: nothing of it can be undone here any more."""
        self._done.clear()
        self._undone.clear()
        self._weight, self._kept = 0, None

    def changes(self) -> list[tuple[int, Change]]:
        """All that can be undone or done again: number, 0 for what is not kept, and what was changed."""
        found: list[tuple[int, Change]] = []
        for deed in (*self._done, *self._undone):
            with suppress(UserError):
                found.append((deed.number, self._change_of(deed)))
        return found

    def prune(self, numbers: set[int]) -> None:
        """Forgets kept deeds of these numbers: they would change nothing any more."""
        for deeds in (self._done, self._undone):
            void = [deed for deed in deeds if deed.number in numbers]
            deeds[:] = [deed for deed in deeds if deed.number not in numbers]
            self._forget(void)

    def undo(self) -> str | None:
        """Takes the newest deed back; its label, or None if there is nothing to undo. If that raises, the deed is forgotten."""
        return self._move(self._done, self._undone, True)

    def redo(self) -> str | None:
        """Does again what was undone last; its label, or None if there is nothing."""
        return self._move(self._undone, self._done, False)

    def _move(self, source: list[_Deed], target: list[_Deed], is_undone: bool) -> str | None:
        if not source:
            return None
        deed = source.pop()
        try:
            change = self._change_of(deed)
            (change.undo if is_undone else change.redo)()
        except BaseException:
            self._forget([deed])
            raise
        target.append(deed)
        if deed.number and self._kept is not None:
            self._kept.note(deed.number, is_undone)
        return deed.label

    def _change_of(self, deed: _Deed) -> Change:
        if deed.change is not None:
            return deed.change
        assert self._kept is not None
        return self._kept.read(deed.number)

    def _add(self, deed: _Deed) -> None:
        undone, self._undone = self._undone, []
        self._forget(undone)
        self._done.append(deed)
        self._weight += deed.weight
        self._keep_limits()

    def _keep_limits(self) -> None:
        while len(self._done) > 1 and (len(self._done) > self._limit or self._weight > self._weight_limit):
            self._forget([self._done.pop(0)])

    def _forget(self, deeds: Sequence[_Deed]) -> None:
        """Of deeds that are on no list any more."""
        self._weight -= sum(deed.weight for deed in deeds)
        numbers = [deed.number for deed in deeds if deed.number]
        if numbers and self._kept is not None:
            self._kept.remove(numbers)
