"""What the user has changed, as data: which flows left or joined the list, notes on flows, messages that were edited.

    ListChange, NoteChange, MessageChange ─┬▸ undo, redo; flow_ids
                                           └▸ head (JSON) and carriers (flows that carry messages) ─▸ KeptChanges ─▸ the file

Flows are found by their numbers, so a change may be undone by another run of the program than the one that made it. What can be
kept of a flow that is in no file (`only_here`) is the flow itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from interceptor.model.body import Body
from interceptor.model.flow import Flow
from interceptor.session.id_ranges import numbers_in, ranges_of, ranges_text, read_ranges
from interceptor.session.message_state import EditedFlow, MessageState
from interceptor.session.store import Store

Note = tuple[str, str]
"""Marker and comment of a flow."""
_STATE_BYTES: Final = 2_000


class ListChange:
    """`only_here`: the flows themselves, if they are in no file."""

    def __init__(self, store: Store, ids: Iterable[int], is_removal: bool, only_here: Sequence[Flow] = ()) -> None:
        self._store, self._is_removal, self._only_here = store, is_removal, only_here
        self._ranges = ranges_of(ids)
        self.weight = store.weight_of(only_here) + 16 * len(self._ranges)

    @property
    def is_kept(self) -> bool:
        """Whether the file has the flows."""
        return not self._only_here

    def undo(self) -> None:
        self._apply(not self._is_removal)

    def redo(self) -> None:
        self._apply(self._is_removal)

    def _apply(self, is_removal: bool) -> None:
        """The views know at once: the next key is meant for what is then under the cursor."""
        if is_removal:
            self._store.hide(numbers_in(self._ranges))
        elif self._only_here:
            for flow in self._only_here:
                self._store.add(flow)
        else:
            self._store.put_back(numbers_in(self._ranges))
        self._store.flush()

    def flow_ids(self) -> Iterator[int]:
        return numbers_in(self._ranges)

    def head(self) -> dict[str, Any]:
        return {"kind": "list", "ranges": ranges_text(self._ranges), "is_removal": self._is_removal}

    def carriers(self) -> Sequence[EditedFlow]:
        return ()

    @classmethod
    def of(cls, head: dict[str, Any], carriers: Sequence[EditedFlow], store: Store) -> ListChange:
        change = cls(store, (), bool(head["is_removal"]))
        change._ranges = list(read_ranges(head["ranges"]))
        return change


class NoteChange:
    """Of markers and comments: `before` and `after` by the numbers of flows."""

    def __init__(self, store: Store, before: dict[int, Note], after: dict[int, Note]) -> None:
        self._store = store
        groups: dict[tuple[Note, Note], list[int]] = {}
        for flow_id, note in before.items():
            groups.setdefault((note, after[flow_id]), []).append(flow_id)
        self._groups = [(old, new, ranges_of(ids)) for (old, new), ids in groups.items()]

    @property
    def weight(self) -> int:
        return sum(200 + 16 * len(ranges) + len(old[1]) + len(new[1]) for old, new, ranges in self._groups)

    def undo(self) -> None:
        for old, _, ranges in self._groups:
            self._apply(old, ranges)

    def redo(self) -> None:
        for _, new, ranges in self._groups:
            self._apply(new, ranges)

    def _apply(self, note: Note, ranges: Iterable[tuple[int, int]]) -> None:
        for flow_id in numbers_in(ranges):
            if (flow := self._store.find(flow_id)) is not None:
                flow.marker, flow.comment = note
                self._store.touch(flow)

    def flow_ids(self) -> Iterator[int]:
        for _, _, ranges in self._groups:
            yield from numbers_in(ranges)

    def head(self) -> dict[str, Any]:
        return {"kind": "note", "groups": [[*old, *new, ranges_text(ranges)] for old, new, ranges in self._groups]}

    def carriers(self) -> Sequence[EditedFlow]:
        return ()

    @classmethod
    def of(cls, head: dict[str, Any], carriers: Sequence[EditedFlow], store: Store) -> NoteChange:
        change = cls(store, {}, {})
        for marker, comment, new_marker, new_comment, ranges in head["groups"]:
            change._groups.append(
                ((str(marker), str(comment)), (str(new_marker), str(new_comment)), list(read_ranges(ranges)))
            )
        return change


class MessageChange:
    """Of messages: each flow before and after, in the same order. `flows` are those where they are at hand."""

    def __init__(
        self,
        store: Store,
        subject: str,
        before: Sequence[MessageState],
        after: Sequence[MessageState],
        flows: Sequence[EditedFlow] = (),
    ) -> None:
        self._store, self._subject, self._before, self._after = store, subject, before, after
        self._flows = {flow.id: flow for flow in flows}

    @property
    def weight(self) -> int:
        return sum(_STATE_BYTES for _ in (*self._before, *self._after))

    def undo(self) -> None:
        self._restore(self._before)

    def redo(self) -> None:
        self._restore(self._after)

    def _restore(self, states: Sequence[MessageState]) -> None:
        for state in states:
            flow = self._flows.get(state.flow_id) or self._store.find(state.flow_id)
            if flow is not None:
                state.restore(flow)
                self._store.touch(flow)

    def flow_ids(self) -> Iterator[int]:
        return (state.flow_id for state in self._before)

    def bodies(self) -> list[Body]:
        return [body for state in (*self._before, *self._after) for body in state.bodies()]

    def largest_body(self) -> int:
        return max((body.size for body in self.bodies()), default=0)

    def head(self) -> dict[str, Any]:
        return {"kind": "messages", "subject": self._subject}

    def carriers(self) -> Sequence[EditedFlow]:
        return [state.carrier() for state in (*self._before, *self._after)]

    @classmethod
    def of(cls, head: dict[str, Any], carriers: Sequence[EditedFlow], store: Store) -> MessageChange:
        subject = str(head["subject"])
        states = [MessageState.of_carrier(carrier, subject) for carrier in carriers]
        half = len(states) // 2
        return cls(store, subject, states[:half], states[half:])


KeptChange = ListChange | NoteChange | MessageChange
KINDS: Final[dict[str, Callable[[dict[str, Any], Sequence[EditedFlow], Store], KeptChange]]] = {
    "list": ListChange.of,
    "note": NoteChange.of,
    "messages": MessageChange.of,
}
"""How each is made again of what the file has of it."""
