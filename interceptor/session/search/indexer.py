"""The thread that indexes what has been written to the session file, in the background.

    SessionWriter ─ follow() ─▸ wakes ─▸ block after block: flows ─ texts ─▸ IndexFile        progress: `done`, and why not

It stands in nobody's way: it computes a third of the time at most, and while flows are being written faster than
`BUSY_FLOWS` a second a fiftieth of it. What it has not come to yet is looked at by whoever searches.
A block that cannot be read is passed over. When the index cannot be written it says why, and stops.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from interceptor.model.flow import Flow
from interceptor.platform.courtesy import COURTESY, Pace
from interceptor.session.record_parts import Malformed
from interceptor.session.search.index_file import BINARY, CUT, OTHER_CHARSET, Document, IndexFile, Unindexable
from interceptor.session.search.places import BODY_LIMIT, Content, Place, content_of, places_of
from interceptor.session.search.reading import Reading
from interceptor.session.session_file import SessionFile
from interceptor.session.stored_body import StoredBody
from interceptor.specs.errors import UserError

BUSY_FLOWS: Final = 100
"""So many flows a second, or more, and the proxy has better things to do."""
_FLOWS_TOGETHER: Final = 16
_CHARACTERS_TOGETHER: Final = 64 * 1024
_MOST_OF_A_FLOW: Final = 16 * 1024 * 1024
_COMMIT_CHARACTERS: Final = 2 * 1024 * 1024
_COMMIT_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 1.0
_BUSY_RESTS: Final = 50
_LONGEST_BUSY_REST_SECONDS: Final = 10.0


@dataclass(slots=True)
class _Texts:
    """Of some flows that follow each other."""

    first: int = 0
    last: int = 0
    count: int = 0
    size: int = 0
    lines: dict[str, None] = field(default_factory=dict)

    def add(self, flow_id: int) -> None:
        if not self.count:
            self.first = flow_id
        self.last = flow_id
        self.count += 1

    def put(self, text: str) -> None:
        """What flows have in common is said once."""
        for line in text.split("\n") if len(text) < _CHARACTERS_TOGETHER else (text,):
            if line and line not in self.lines:
                self.lines[line] = None
                self.size += len(line)

    @property
    def is_full(self) -> bool:
        return self.count >= _FLOWS_TOGETHER or self.size >= _CHARACTERS_TOGETHER


class BlockIndexer:
    """Puts blocks into an index, whatever thread it is in."""

    def __init__(
        self, reading: Reading, index: IndexFile, limit: int = BODY_LIMIT, rest: Callable[[], None] = lambda: None
    ) -> None:
        """`rest` is called after every flow."""
        self._reading, self._index, self._limit, self._rest = reading, index, limit, rest
        self.uncommitted = 0
        """Characters."""

    def add(self, block: int) -> None:
        """Begins a transaction if there is none. sqlite3.Error if the index cannot be written."""
        self._index.begin()
        texts = _Texts()
        try:
            ids = self._reading.ids(block)
        except Malformed:
            return
        for flow_id in ids:
            flow = self._reading.flow(block, flow_id)
            if flow is not None:
                texts.add(flow_id)
                self._add_flow(flow, block, texts)
            if texts.is_full:
                self._put(block, texts)
                texts = _Texts()
            self._rest()
        if texts.count:
            self._put(block, texts)

    def _put(self, block: int, texts: _Texts) -> None:
        self._index.add_flows(Document(block, texts.first, texts.last), "\n".join(texts.lines))
        self.uncommitted += texts.size

    def _add_flow(self, flow: Flow, block: int, texts: _Texts) -> None:
        why, spoken = 0, 0
        used: dict[int, None] = {}
        for place in places_of(flow):
            if spoken > _MOST_OF_A_FLOW:
                why |= CUT
                break
            if place.message is not None and isinstance(place.body, StoredBody):
                number, partial = self._body(flow, place, place.body)
                used[number] = None
                why |= partial
                continue
            content = content_of(flow, place, self._limit)
            spoken += len(content.text) if place.body is not None else 0
            why |= _partial(content)
            texts.put(content.text)
        if used:
            self._index.add_used((number, block, flow.id) for number in used)
        if why:
            self._index.add_partial([(block, flow.id, why)])

    def _body(self, flow: Flow, place: Place, body: StoredBody) -> tuple[int, int]:
        assert place.message is not None
        coding = (place.message.headers.get("content-encoding") or "").strip().lower()
        charset = place.facts.parameter("charset").lower() if place.facts is not None else ""
        name = body.digest + f"{coding} {charset}".encode("utf-8", "replace")
        known = self._index.body(name)
        if known is None:
            content = content_of(flow, place, self._limit)
            partial = _partial(content)
            known = self._index.add_body(name, content.text, partial), partial
            self.uncommitted += len(content.text)
        return known


def _file_number(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _partial(content: Content) -> int:
    why = ((BINARY, content.is_binary), (OTHER_CHARSET, content.is_other_charset), (CUT, content.is_cut))
    return sum(each for each, is_so in why if is_so)


class Indexer:
    """Of one session. `written` is called by whoever writes the session; the rest from anywhere."""

    def __init__(self, session: SessionFile, limit: int = BODY_LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._session, self._limit, self._clock = session, limit, clock
        self._path: Path = session.path
        self._has_work = threading.Event()
        self._has_work.set()
        self._is_in_a_hurry = threading.Event()
        self._settling: list[threading.Event] = []
        self._is_closing = False
        self._written_since = 0
        self._looked_at = clock()
        self._file_number = 0
        self.done = 0
        """Blocks up to that are in the index, and can be asked for."""
        self.problem = ""
        """Why there is no index; "" if there is."""
        self._thread = threading.Thread(target=self._run, name="search index", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def follow(self, connection: sqlite3.Connection) -> bool:
        """`session_writer.Follower`: something may have been written."""
        self._has_work.set()
        return False

    def flows_written(self, count: int) -> None:
        """So that it knows how busy the proxy is."""
        self._written_since += count

    def settle(self, seconds: float | None = None) -> bool:
        """Waits until all that is in the session file is indexed, without any rests. False if that takes longer."""
        done = threading.Event()
        self._settling.append(done)
        self._is_in_a_hurry.set()
        self._has_work.set()
        return done.wait(seconds)

    def close(self) -> None:
        """What was begun is finished another time."""
        self._is_closing = True
        self._is_in_a_hurry.set()
        self._has_work.set()
        if self._thread.is_alive():
            self._thread.join()

    # The thread

    def _run(self) -> None:
        try:
            while not self._is_closing:
                if _file_number(self._path):
                    self._index_this_file()
                else:  # it was removed, and will be made again
                    self._has_work.wait(_LOOK_SECONDS)
        except Unindexable as error:
            self.problem = str(error)
        except UserError as error:
            self.problem = error.message
        except Exception as error:  # a search goes on without it, and says so
            self.problem = f"{type(error).__name__}: {error}"
        finally:
            self._settled()

    def _index_this_file(self) -> None:
        """Until the session is another file: it was removed, and is there again."""
        reading, index = Reading(self._session.another()), None
        self._file_number = _file_number(self._path)
        try:
            if self._is_anything_there(reading.file):
                index = IndexFile.to_write(reading.file, self._path, self._limit)
                self.done = index.done
                self._work(reading, index)
        finally:
            if index is not None:
                index.roll_back()
                index.close()
            reading.close()

    def _is_anything_there(self, session: SessionFile) -> bool:
        """Waits for it: a session in which nothing happens needs no index. False if there is no need any more."""
        while not self._is_closing and self._is_same_file():
            self._has_work.clear()
            if session.next_block(0) is not None:
                break
            if self._is_same_file():
                self._settled()
            self._has_work.wait()
        self._has_work.set()
        return not self._is_closing and self._is_same_file()

    def _is_same_file(self) -> bool:
        return _file_number(self._path) == self._file_number

    def _work(self, reading: Reading, index: IndexFile) -> None:
        pace = Pace()

        def rest() -> None:
            if not self._settling and not self._is_closing:
                pace.rest()

        indexer = BlockIndexer(reading, index, self._limit, rest)
        while not self._is_closing:
            self._has_work.wait()
            self._has_work.clear()
            if not self._is_same_file():
                self._has_work.set()
                return
            at, committed_at, taken = index.done, self._clock(), 0.0
            while not self._is_closing and (block := reading.file.next_block(at)) is not None:
                self._rest_if_busy(taken)
                began = self._clock()
                with COURTESY:
                    indexer.add(block)
                taken = self._clock() - began
                at = block
                if indexer.uncommitted >= _COMMIT_CHARACTERS or self._clock() - committed_at >= _COMMIT_SECONDS:
                    self._commit(index, indexer, at)
                    committed_at = self._clock()
            if at > index.done:
                self._commit(index, indexer, at)
            if not self._is_closing:
                self._settled()

    def _commit(self, index: IndexFile, indexer: BlockIndexer, done: int) -> None:
        index.commit(done)
        indexer.uncommitted = 0
        self.done = done

    def _rest_if_busy(self, worked: float) -> None:
        """After a block that took so many seconds. It gets on even if it is never over."""
        now = self._clock()
        seconds = max(now - self._looked_at, 0.001)
        is_busy = self._written_since / max(seconds, 0.2) > BUSY_FLOWS
        self._written_since, self._looked_at = 0, now
        if is_busy and not self._settling and not self._is_closing:
            self._is_in_a_hurry.wait(min(max(worked * _BUSY_RESTS, _LOOK_SECONDS), _LONGEST_BUSY_REST_SECONDS))

    def _settled(self) -> None:
        if not self._is_closing:
            self._is_in_a_hurry.clear()
        waiting, self._settling = self._settling, []
        for each in waiting:
            each.set()
