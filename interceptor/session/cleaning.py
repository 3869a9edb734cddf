"""Giving back the space that a session file wastes, and removing deleted flows for good, while the program goes on.

    find(is_purge) ─ a thread looks at every record ─▸ Found: how much it would free ─ somebody says yes ─▸ clean(found)
    clean ─ changes that nobody can undo any more are forgotten ─▸ Compaction, in the thread that writes ─▸ flows forgotten

Flows that were deleted stay hidden until no record of them is left, so a program that is killed meanwhile does not bring them
back. A flow that still runs is not touched, on the list or not.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from interceptor.session.changes import KeptChange, MessageChange
from interceptor.session.compaction import Compaction
from interceptor.session.growing import bodies_of
from interceptor.session.record_parts import Malformed
from interceptor.session.session import Session
from interceptor.session.store import Store
from interceptor.session.stored_body import StoredBody
from interceptor.session.undo import Undo
from interceptor.session.waste import Needed, Stopped, Waste, find_waste
from interceptor.specs.errors import UserError
from interceptor.specs.sizes import format_size

_LOOK_SECONDS: Final = 0.2


@dataclass(slots=True)
class Found:
    """`size` in bytes, about; `flow_ids` are to go for good, and `deeds` can be undone no more then."""

    session: Session
    waste: Waste
    flow_ids: Sequence[int]
    deeds: set[int]

    @property
    def size(self) -> int:
        return self.waste.size


class Cleaning:
    """One piece of work at a time. `tell` is told how far it is, now and then."""

    def __init__(self, store: Store, undo: Undo, tell: Callable[[str], None]) -> None:
        self._store, self._undo, self._tell = store, undo, tell
        self._is_busy = False
        self._stopping = threading.Event()
        self._compaction: Compaction | None = None

    @property
    def is_busy(self) -> bool:
        return self._is_busy

    def stop(self) -> bool:
        """Ends what is being done, with the file whole; False if nothing is."""
        self._stopping.set()
        if self._compaction is not None:
            self._compaction.stop()
        return self._is_busy

    async def find(self, is_purge: bool) -> Found:
        """What can be given back: by a purge also deleted flows, and what is needed only to bring them back. UserError if there
        is no file, or it is not ours, or somebody stopped it."""
        session = self._session()
        self._begin()
        try:
            self._tell("Looking at what the session has …")
            self._store.write_now()
            await asyncio.to_thread(session.settle)  # large bodies that are being copied belong to flows that may go
            self._store.write_now()
            going = self._store.hidden_ids() if is_purge else []
            gone = set(going)
            deeds = {
                number
                for number, change in self._undo.changes()
                if number and isinstance(change, KeptChange) and gone and gone.issuperset(change.flow_ids())
            }
            needed = self._needed(session, gone, deeds)
            waste = await asyncio.to_thread(self._look, session, needed)
            return Found(session, waste, going, deeds)
        except Stopped:
            raise UserError("stopped; nothing was changed") from None
        except (Malformed, sqlite3.Error) as error:
            raise UserError(f"the session cannot be read: {error}") from None
        finally:
            self._is_busy = False

    def _look(self, session: Session, needed: Needed) -> Waste:
        connection = session.file.connect_to_read()
        try:
            return find_waste(connection, needed, self._stopping.is_set)
        finally:
            connection.close()

    async def clean(self, found: Found) -> str:
        """What to tell the user. UserError if it was not done to its end: what was not is still waste."""
        session = self._session()
        if session is not found.session:
            raise UserError("another session is open now")
        self._begin()
        before = session.file.size_on_disk()
        self._undo.prune(found.deeds)
        for digest in self._digests_in_use():
            found.waste.bodies.pop(digest, None)
        compaction = self._compaction = Compaction(found.waste, session.writer.forget_digests)
        try:
            session.write_soon()
            session.flush()
            session.writer.followers.append(compaction)
            has_forgotten = False
            while not compaction.is_over:
                await asyncio.sleep(_LOOK_SECONDS)
                if compaction.has_rewritten and not has_forgotten:
                    has_forgotten = self._forget(session, found.flow_ids)
                if self._store.session is not session:
                    raise UserError("the session was closed before all was given back")
                if session.failure:
                    compaction.stop()
                if not compaction.is_over:
                    self._tell(f"Giving space back: {compaction.fraction:.0%}; :session.stop stops it")
            if compaction.has_rewritten and not has_forgotten:
                self._forget(session, found.flow_ids)
            if found.flow_ids:
                session.begin_index_anew()  # what they said is in it
        except OSError as error:
            raise UserError(f"the index of the session still has what they said: {error.strerror or error}") from None
        finally:
            session.writer.followers.remove(compaction)
            self._is_busy, self._compaction = False, None
        freed = max(before - session.file.size_on_disk(), 0)
        if compaction.failure:
            raise UserError(f"not all was given back: {compaction.failure}; {format_size(freed)} are free again")
        count = len(found.flow_ids)
        gone = f"{count:,} {'flow is' if count == 1 else 'flows are'} gone for good; " if count else ""
        return f"{gone}{format_size(freed)} are free again, the session has {format_size(session.file.size_on_disk())}"

    def _session(self) -> Session:
        session = self._store.session
        if session is None:
            raise UserError("flows are in memory only: there is no file to be made smaller")
        if not session.is_written or session.failure:
            raise UserError(f"the session is not written: {session.file.read_only or session.failure}")
        if self._is_busy:
            raise UserError("this is being done already; session.stop stops it")
        return session

    def _begin(self) -> None:
        self._is_busy = True
        self._stopping.clear()

    def _forget(self, session: Session, flow_ids: Sequence[int]) -> bool:
        session.note("last_id", session.last_id)
        session.table.forget(flow_ids)
        session.note_hidden()
        self._store.work_soon()
        return True

    def _needed(self, session: Session, gone: set[int], void: set[int]) -> Needed:
        table = session.table
        blocks = array("I", table.blocks[: table.size])
        for flow_id in gone:
            blocks[flow_id - table.base] = 0
        connections, open_from = session.connections_in_use()
        upto = max(table.blocks[: table.size], default=0)
        deeds = {number for number, _ in self._undo.changes()} - void
        return Needed(table.base, blocks, upto, deeds, self._digests_in_use(), connections, open_from)

    def _digests_in_use(self) -> set[bytes]:
        """Of bodies that what is in memory refers to: it may be written at any time."""
        bodies = [body for flow in self._store.in_memory() for body in bodies_of(flow)]
        for number, change in self._undo.changes():
            if not number and isinstance(change, MessageChange):
                bodies += change.bodies()
        return {body.digest for body in bodies if type(body) is StoredBody}
