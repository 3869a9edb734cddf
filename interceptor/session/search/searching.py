"""Searching the session that is open: its index is kept up to date, searches are begun, filters for bodies are helped.

    store opens a session ─▸ Searching ─┬▸ Indexer                     in the background, one for each session that is written
                                        ├▸ begin(what was typed) ─▸ SearchRun in a thread of its own
                                        └▸ FlowTable.text_index: which flows may have a text in a body, for `~b`

Without an index everything goes, slowly: flows are looked at one by one. What the index has not come to is in `flows_to_go`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from interceptor.model.flow import Flow
from interceptor.session.judging import Sweep
from interceptor.session.search.indexer import Indexer
from interceptor.session.search.places import BODY_LIMIT
from interceptor.session.search.run import Scope, SearchRun
from interceptor.session.search.text_index import TextIndex
from interceptor.session.session import Session
from interceptor.session.store import Store
from interceptor.specs.searched import Searched

_COUNTED_SECONDS: Final = 1.0
_SWEPT_TOGETHER: Final = 1 << 13
_STOPS_SECONDS: Final = 1.0


class Searching:
    """`begins_index`: whether what is written is indexed; else an index that is there is used. A listener of the store."""

    def __init__(self, store: Store, begins_index: Callable[[], bool], limit: Callable[[], int] = lambda: BODY_LIMIT) -> None:
        self._store, self._begins_index, self._limit = store, begins_index, limit
        self._session: Session | None = None
        self._indexer: Indexer | None = None
        self._counted_at = 0.0
        self._to_go = 0
        self._runs: list[tuple[SearchRun, threading.Thread]] = []
        store.subscribe(self)
        self._look_at_session()

    # The index

    def _look_at_session(self) -> None:
        session = self._store.session
        if session is self._session:
            return
        self._end_indexer()
        self._session = session
        if session is None:
            return
        if session.is_written and self._begins_index():
            self._indexer = Indexer(session.file, self._limit())
            session.writer.followers.append(self._indexer)
            self._indexer.start()
        session.table.text_index = TextIndex(session.file, session.table, self._unwritten_ids)
        session.readers_beside.append(self)

    def _unwritten_ids(self) -> Sequence[int]:
        return [flow.id for flow in self._store.unwritten()]

    def _end_indexer(self) -> None:
        for run, thread in self._runs:
            run.stop()
            thread.join(_STOPS_SECONDS)
        self._runs.clear()
        if self._session is not None and self in self._session.readers_beside:
            self._session.readers_beside.remove(self)
        if self._session is not None and (index := self._session.table.text_index) is not None:
            self._session.table.text_index = None
            index.close()
        if self._indexer is not None:
            assert self._session is not None
            if self._indexer in self._session.writer.followers:
                self._session.writer.followers.remove(self._indexer)
            self._indexer.close()
            self._indexer = None

    def settings_changed(self) -> None:
        """Whether there is to be an index, or how much of a body is in it."""
        self.let_go()
        self.take_up()

    def let_go(self) -> None:
        """`session.ReaderBeside`."""
        self._end_indexer()
        self._session = None

    def take_up(self) -> None:
        self._look_at_session()

    @property
    def problem(self) -> str:
        """Why searches are slow: there is no index; "" if there is, or nothing to be indexed."""
        if self._store.session is None:
            return ""
        if self._indexer is not None:
            return self._indexer.problem
        return "" if self._has_index() else "this session has no index"

    def _has_index(self) -> bool:
        session = self._session
        return session is not None and session.table.text_index is not None and session.table.text_index.done > 0

    @property
    def flows_to_go(self) -> int:
        """On the list, and not in the index yet; at most a second old. 0 if there is no index."""
        session = self._session
        if session is None or (self._indexer is None and not self._has_index()):
            return 0
        now = time.monotonic()
        if now - self._counted_at >= _COUNTED_SECONDS or self._to_go < 1_000:
            began = time.perf_counter()
            done = self._indexer.done if self._indexer is not None else session.table.text_index.done  # type: ignore[union-attr]
            indexed = bytes(map(range(1, done + 1).__contains__, session.table.blocks[: session.table.size]))
            self._to_go = session.table.count - _both(indexed, session.table.listed)
            self._counted_at = now + 20 * (time.perf_counter() - began)
        return self._to_go

    @property
    def state(self) -> str:
        """What there is to know of the index, in words; "" if it has all."""
        if self.problem:
            return f"slow, since there is no index: {self.problem}"
        if not (to_go := self.flows_to_go):
            return ""
        count = max(self._store.table.count, to_go)
        return f"indexed {(count - to_go) * 100 // count} %, {to_go:,} {'flow' if to_go == 1 else 'flows'} to go"

    @property
    def limit(self) -> int:
        """Bytes of each body that are searched."""
        return self._limit()

    @property
    def count_of_flows(self) -> int:
        return self._store.table.count

    def is_listed(self, flow_id: int) -> bool:
        return flow_id in self._store.table

    def settle(self, seconds: float | None = None) -> bool:
        """Waits until all that is written is indexed. False if that takes longer, or there is no index."""
        return self._indexer is not None and self._indexer.settle(seconds) and not self._indexer.problem

    def close(self) -> None:
        """Before the store."""
        self._store.unsubscribe(self)
        self._end_indexer()

    # Searches

    def begin(self, searched: Searched, tell: Callable[[], None] = lambda: None) -> SearchRun:
        """In a thread of its own; `tell` is called there."""
        return self._begun(self._scope(searched, self._all_answers(searched)), tell)

    async def begin_soon(self, searched: Searched, tell: Callable[[], None]) -> SearchRun:
        """The same for a million flows, between which the loop goes on."""
        self._store.flush()
        table, sweep, answers = self._store.table, Sweep(self._store, searched.wanted), bytearray()
        while not sweep.is_done:
            answers += sweep.answers(_SWEPT_TOGETHER)
            await asyncio.sleep(0)
        if table is not self._store.table:  # another session was opened meanwhile
            answers = bytearray(self._all_answers(searched))
        return self._begun(self._scope(searched, bytes(answers)), tell)

    def _begun(self, scope: Scope, tell: Callable[[], None]) -> SearchRun:
        run = SearchRun(scope, tell)
        thread = threading.Thread(target=run.run, name="search", daemon=True)
        self._runs = [(each, running) for each, running in self._runs if running.is_alive()]
        self._runs.append((run, thread))
        thread.start()
        return run

    def _all_answers(self, searched: Searched) -> bytes:
        self._store.flush()
        sweep = Sweep(self._store, searched.wanted)
        return sweep.answers(self._store.table.size)

    def _scope(self, searched: Searched, answers: bytes) -> Scope:
        store = self._store
        table, session = store.table, store.session
        unwritten = [flow for flow in store.unwritten() if flow.id in table]
        file = session.file if session is not None else None
        return Scope(searched, table, table.base, answers, unwritten, file, self._limit())

    # What the store says

    def flows_added(self, flows: list[Flow]) -> None:
        if self._indexer is not None:
            self._indexer.flows_written(len(flows))

    def flows_changed(self, flows: list[Flow]) -> None: ...
    def flows_removed(self, flow_ids: Sequence[int]) -> None: ...

    def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
        self._look_at_session()


def _both(one: bytes, other: bytes | bytearray) -> int:
    """In how many places both have a 1."""
    count = min(len(one), len(other))
    both = int.from_bytes(one[:count], "little") & int.from_bytes(other[:count], "little")
    return both.to_bytes(count, "little").count(1)
