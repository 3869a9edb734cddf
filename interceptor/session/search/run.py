"""One search, from what was typed to its hits, in a thread.

    Scope (which flows, snapshot by the loop) ─▸ index: candidates ─▸ each flow looked at ─▸ found: FlowHits, as they come
                                                 not indexed, or nothing to ask the index for: all of them

What the index does not know (too short a text, flows that it has not come to yet, flows that are not written yet) is looked at,
flow by flow. So a hit is always there, and what is left out is told: `progress`, `is_more`, `cut`.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, compress, islice
from typing import Final, NamedTuple

from interceptor.model.flow import DnsFlow, Flow, HttpFlow
from interceptor.platform.courtesy import COURTESY, Pace
from interceptor.session.flow_table import FlowTable
from interceptor.session.search.index_file import CUT, Document, IndexFile, is_long_enough, places_in
from interceptor.session.search.places import BODY_LIMIT, content_of, places_of
from interceptor.session.search.reading import Reading
from interceptor.session.session_file import SessionFile
from interceptor.specs.filter_columns import ASK, NO
from interceptor.specs.filter_terms import url_of
from interceptor.specs.searched import Searched

MOST_FLOWS: Final = 500
_IN_A_FLOW: Final = 20
_IN_A_PLACE: Final = 5
_BEFORE: Final = 60
_BEHIND: Final = 240
_TELL_SECONDS: Final = 0.1
_RESTS: Final = 0.25
_FIRST_DOCUMENTS: Final = 400
_NOT: Final = bytes([1, 0]) + bytes(254)
_ANY: Final = bytes(each != NO for each in range(256))


class Hit(NamedTuple):
    """`place` in words, `tab` shows it. `context` is part of a line, of which `start` to `end` was found."""

    place: str
    tab: str
    context: str
    start: int
    end: int

    @property
    def matched(self) -> str:
        return self.context[self.start : self.end]

    @property
    def message_number(self) -> int:
        """Of which message of a conversation it is, counted from 1; 0 if it is none's."""
        word, _, number = self.place.partition(" ")
        return int(number) if word == "message" else 0


class FlowHits(NamedTuple):
    """`is_more`: there are others in it."""

    flow_id: int
    method: str
    url: str
    hits: Sequence[Hit]
    is_more: bool


@dataclass(slots=True)
class Scope:
    """Where to search. `answers`: of each place of the table, from `base` on, whether the filter means it; `unwritten` are looked
    at themselves, and not in the file."""

    searched: Searched
    table: FlowTable
    base: int
    answers: bytes
    unwritten: Sequence[Flow]
    session: SessionFile | None = None
    limit: int = BODY_LIMIT


@dataclass(eq=False, slots=True)
class SearchRun:
    """`found` grows until `is_over`; `tell` is called in the thread when there is something new, some times a second."""

    scope: Scope
    tell: Callable[[], None] = lambda: None
    found: list[FlowHits] = field(default_factory=list)
    looked_at: int = 0
    to_look_at: int = 0
    is_more: bool = False
    """It stopped because there was enough."""
    cut: int = 0
    """Flows with bodies that are larger than is looked at."""
    problem: str = ""
    is_stopped: bool = False
    _told_at: float = 0.0
    _index: IndexFile | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Until it is over; False if that takes longer."""
        return self._over.wait(seconds)

    def stop(self) -> None:
        """From any thread: nobody wants it any more."""
        self.is_stopped = True
        if (index := self._index) is not None:
            with suppress(sqlite3.Error):  # it was closed at this moment
                index.interrupt()

    def run(self) -> None:
        """All of it, in this thread."""
        reading: Reading | None = None
        try:
            with COURTESY:
                if self.scope.session is not None:
                    reading = Reading(self.scope.session.another())
                self._search(reading)
        except sqlite3.Error as error:
            if not self.is_stopped:
                self.problem = f"The session cannot be read: {error}"
        except Exception as error:  # in a thread: nobody else would say it
            self.problem = f"{type(error).__name__}: {error}"
        finally:
            if reading is not None:
                reading.close()
            self._over.set()
            self.tell()

    def _search(self, reading: Reading | None) -> None:
        pace = Pace(_RESTS)
        for flow in self._flows(reading):
            if self.is_stopped:
                return
            if flow is not None and (hits := hits_in(flow, self.scope.searched, self.scope.limit)):
                self.found.append(hits)
                if len(self.found) >= MOST_FLOWS:
                    self.is_more = True
                    return
            if time.monotonic() - self._told_at >= _TELL_SECONDS or len(self.found) == 1:
                self._told_at = time.monotonic()
                self.tell()
            pace.rest()

    def _flows(self, reading: Reading | None) -> Iterator[Flow | None]:
        """What is to be looked at, in the file in order of arrival; None for what the filter does not mean after all."""
        scope = self.scope
        matches = scope.searched.wanted.matches if scope.searched.wanted is not None else None
        unwritten = {flow.id: flow for flow in scope.unwritten}
        for place in self._places(reading) if reading is not None else ():
            flow_id = place + scope.base
            self.looked_at += 1
            block = scope.table.block_of(flow_id)
            if flow_id in unwritten or not block or flow_id not in scope.table:
                yield None
                continue
            flow = reading.flow(block, flow_id) if reading is not None else None
            yield flow if flow is None or scope.answers[place] != ASK or matches is None or matches(flow) else None
        for flow in sorted(unwritten.values(), key=lambda each: each.id):
            self.looked_at += 1
            yield flow if matches is None or matches(flow) else None

    def _places(self, reading: Reading) -> Iterator[int]:
        """Of flows in the file. The first candidates come before it is known how many there are."""
        scope, answers = self.scope, self.scope.answers
        count, texts = len(answers), [each for each in scope.searched.literals if is_long_enough(each)]
        index = self._index = IndexFile.to_read(reading.file, reading.file.path)
        looked_at = bytearray(count)
        mask: bytearray | None = None
        try:
            if index is not None:
                self.cut = index.count_partial(CUT)
            if index is not None and texts:
                documents = index.documents(texts)
                first = list(islice(documents, _FIRST_DOCUMENTS))
                are_many = len(first) == _FIRST_DOCUMENTS
                for place in sorted(set(places_in(first, scope.base, scope.table.blocks))) if are_many else ():
                    if place < count and answers[place]:
                        looked_at[place] = 1
                        yield place
                mask = self._candidates(index.done, chain(first, documents), count)
        finally:
            self._index = None
            if index is not None:
                index.close()
        wanted = int.from_bytes(answers.translate(_ANY), "little") & ~int.from_bytes(looked_at, "little")
        if mask is not None:
            wanted &= int.from_bytes(mask, "little")
        left = wanted.to_bytes(count, "little")
        self.to_look_at = self.looked_at + left.count(1) + len(scope.unwritten)
        yield from array("Q", compress(range(count), left))

    def _candidates(self, done: int, documents: Iterable[Document], count: int) -> bytearray:
        """1 for them, and for what is in blocks that the index, which is `done` so far, has not."""
        scope, blocks = self.scope, self.scope.table.blocks[:count]
        if blocks and min(blocks) > 0 and max(blocks) <= done:  # most often, and quicker
            mask = bytearray(count)
        else:
            mask = bytearray(bytes(map(range(1, done + 1).__contains__, blocks)).translate(_NOT))
        for place in places_in(documents, scope.base, scope.table.blocks):
            if place < count:
                mask[place] = 1
        return mask


def hits_in(flow: Flow, searched: Searched, limit: int = BODY_LIMIT) -> FlowHits | None:
    """Where it is in that flow; None if nowhere."""
    hits: list[Hit] = []
    is_more = False
    for place in places_of(flow):
        text = content_of(flow, place, limit).text
        for number, (start, end) in enumerate(searched.find(text)):
            if number >= _IN_A_PLACE or len(hits) >= _IN_A_FLOW:
                is_more = True
                break
            hits.append(Hit(place.name, place.tab, *_context(text, start, end)))
        if len(hits) >= _IN_A_FLOW:
            break
    if not hits:
        return None
    method = flow.request.method if isinstance(flow, HttpFlow) else flow.kind.upper()
    url = flow.request.name if isinstance(flow, DnsFlow) else url_of(flow) or ""
    return FlowHits(flow.id, method, url, hits, is_more)


def _context(text: str, start: int, end: int) -> tuple[str, int, int]:
    """The line that it is in, or the part of it that is near; and where in that it is."""
    first = max(text.rfind("\n", 0, start) + 1, start - _BEFORE)
    last = text.find("\n", start)
    last = min(len(text) if last < 0 else last, start + _BEHIND)
    context = text[first:last]
    return context, start - first, min(end, last) - first
