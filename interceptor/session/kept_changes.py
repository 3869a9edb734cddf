"""The user's changes in the session file, so that they can be undone after a restart: what `Undo` keeps deeds in.

    change ─▸ head, carriers ─ packed like flows ─▸ Session.write_deed ─▸ table `deed` ─ read ─▸ change

A change of very many messages, or of a body that is very large and in no file yet, is not kept: it can be undone only as long as
the program runs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from interceptor.session.changes import KINDS, ListChange, MessageChange, NoteChange
from interceptor.session.message_state import EditedFlow
from interceptor.session.record_parts import Malformed, Parts
from interceptor.session.session import Session
from interceptor.session.store import Store
from interceptor.session.undo import Change, KeptDeed
from interceptor.specs.errors import UserError

CARRIERS_KEPT: Final = 2_000
LARGEST_BODY_KEPT: Final = 16 * 1024 * 1024


class KeptChanges:
    """Of a session that is written; it may be that of the `store`, or is about to be."""

    def __init__(self, session: Session, store: Store) -> None:
        self._session, self._store = session, store
        self._found = [KeptDeed(number, label, is_undone) for number, label, is_undone in session.deeds]
        self._last = max((deed.number for deed in self._found), default=0)

    def all(self) -> Sequence[KeptDeed]:
        return self._found

    def add(self, label: str, change: Change) -> int:
        if not isinstance(change, ListChange | NoteChange | MessageChange):
            return 0
        if isinstance(change, ListChange) and not change.is_kept:
            return 0
        if isinstance(change, MessageChange) and change.largest_body() > LARGEST_BODY_KEPT:
            return 0
        carriers = change.carriers()
        if len(carriers) > CARRIERS_KEPT:
            return 0
        self._last += 1
        self._session.write_deed(self._last, label, json.dumps(change.head()).encode(), carriers)
        self._store.work_soon()
        return self._last

    def read(self, number: int) -> Change:
        try:
            parts = Parts(self._session.file.deed(number))
            head = json.loads(parts.next())
            found = [self._session.unpacked(record) for record in parts.rest()]
            carriers = [flow for flow in found if isinstance(flow, EditedFlow)]
            if len(carriers) != len(found):
                raise Malformed("a change of messages has other flows in it")
            return KINDS[head["kind"]](head, carriers, self._store)
        except (Malformed, ValueError, TypeError, LookupError, RecursionError, sqlite3.Error) as error:
            raise UserError(f"this change cannot be read from the session any more: {error}") from None

    def note(self, number: int, is_undone: bool) -> None:
        self._session.alter("UPDATE deed SET is_undone = ? WHERE number = ?", (int(is_undone), number))
        self._store.work_soon()

    def remove(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._session.alter("DELETE FROM deed WHERE number = ?", (number,))
        self._store.work_soon()
