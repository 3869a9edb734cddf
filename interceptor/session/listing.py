"""The list of flows of a session: what is on it, which of them are objects, what it weighs, and who is told of changes.

    Store (what happened, what the user does) ─▸ Listing ─┬▸ table: columns and place of every flow
                                                           └▸ listeners, at most thirty times a second

Flows are objects while they run, while somebody uses them, and for a while after; of the others only the table knows, and whoever
wants one gets it from the session file. Above `memory_limit` flows are let go of sooner. Those that are in no file leave the list
when there is no more room, the oldest first, and the log is told.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from interceptor.model.flow import Flow
from interceptor.session.columns import row_of
from interceptor.session.fields import FieldPool
from interceptor.session.flow_table import FlowTable
from interceptor.session.keeping import Keeping
from interceptor.session.packs import PACKED_TOGETHER, Packs, can_be_packed
from interceptor.session.session import Session
from interceptor.session.spool import Spool
from interceptor.session.weight import bytes_of, move_bodies

Schedule = Callable[[float, Callable[[], None]], object]
"""Calls the function once, that many seconds later, in the same thread: `asyncio`'s `call_later`."""

MEMORY_LIMIT: Final = 256 * 1024 * 1024
BATCH_SECONDS: Final = 1 / 30
_WARN_EVERY_SECONDS: Final = 60.0
_MOVED_TOGETHER: Final = 64
_LOOKED_AT_TO_DROP: Final = 256
_PACK_AGAIN_SECONDS: Final = 0.003
_AT_HAND_AT_LEAST: Final = 64
AT_HAND: Final = 4_096
"""So many flows stay objects, if they can be read from a session file when they are wanted again."""
AT_HAND_OF_PACKED: Final = 512
"""The same where the others are packed."""


class Listener(Protocol):
    """Is told of batches. A flow is told as removed only if it was told as added before, and so on."""

    def flows_added(self, flows: list[Flow]) -> None: ...
    def flows_changed(self, flows: list[Flow]) -> None: ...
    def flows_removed(self, flow_ids: Sequence[int]) -> None: ...

    def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
        """They are on the list again, or from before: they were told of as added some other time. `live` are those that run."""
        ...


class Listing:
    """`warn` is told what a person should know, at most once a minute."""

    def __init__(
        self,
        schedule: Schedule,
        spool: Spool | None = None,
        *,
        memory_limit: int = MEMORY_LIMIT,
        warn: Callable[[str], None] = lambda message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.schedule = schedule
        self.spool = spool if spool is not None else Spool(warn=warn)
        self.memory_limit = memory_limit
        self.bytes_in_memory = 0
        self._warn = warn
        self._clock = clock
        self._warned_at: float | None = None
        self._dropped = 0  # flows, since the log was told
        self._flows: dict[int, Flow] = {}
        self.at_hand: Callable[[int], Flow | None] = self._flows.get
        """The flow of that number if it is an object already."""
        self._elsewhere: weakref.WeakValueDictionary[int, Flow] = weakref.WeakValueDictionary()
        self.table = FlowTable()
        self.keeping: Keeping | None = None
        self.packs: Packs | None = None
        self.most_at_hand = AT_HAND
        self._is_packing = False
        self._is_work_scheduled = False
        self._hidden_live: dict[int, Flow] = {}
        self._weights: dict[int, int] = {}  # of the same keys: what each is counted with in bytes_in_memory
        self._last_id = 0
        self._pool = FieldPool()
        self._ended: deque[int] = deque()  # may be dropped, oldest first; ids that are gone are skipped
        self._with_bodies: deque[int] = deque()  # ended, and may have bodies in memory
        self._listeners: list[Listener] = []
        self._added: dict[Flow, None] = {}
        self._changed: dict[Flow, None] = {}
        self._removed: dict[int, None] = {}
        self._returned: dict[int, None] = {}
        self._is_anew = False  # another session is open than the one that was told of
        self._is_scheduled = False

    # What there is

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def pack_ended(self) -> None:
        """From now on: for whoever keeps many flows, looks at few of them again, and has no session file."""
        if self.packs is None:
            self.packs = Packs(self.spool)
            self.most_at_hand = AT_HAND_OF_PACKED

    @property
    def session(self) -> Session | None:
        """None: flows are in memory only."""
        return self.keeping.session if self.keeping is not None else None

    @property
    def live_count(self) -> int:
        """How many flows of the list still run."""
        return sum(1 for flow in self._flows.values() if flow.is_live)

    # Whoever wants to know

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    def flush(self) -> None:
        """Keeps the limits, and tells the listeners now what they would be told within a thirtieth of a second."""
        self._tell()
        if len(self._flows) > self.most_at_hand + self.most_at_hand // 8:
            self._let_go()
        if self.bytes_in_memory > self.memory_limit:  # after all have been told of what goes: it may have been printed or saved
            self._make_room()
            self._tell()
        self._forget_ids()
        if self.keeping is None:
            self.table.trim()
        self.spool.reclaim()

    def unwritten(self) -> list[Flow]:
        """Flows on the list that are in no file as they are now: those that run, and those that are about to be written."""
        keeping, block_of = self.keeping, self.table.block_of
        if keeping is None:
            return list(self._flows.values())
        return [
            flow for flow_id, flow in self._flows.items() if flow.is_live or keeping.has(flow_id) or not block_of(flow_id)
        ]

    @property
    def untold(self) -> set[int]:
        """On the list, but listeners will be told of them with the next batch."""
        return {flow.id for flow in self._added}

    def _tell(self) -> None:
        removed, returned = list(self._removed), list(self._returned)
        added, changed = list(self._added), list(self._changed)
        is_anew, self._is_anew = self._is_anew, False
        if is_anew:
            removed, returned = [], list(self.table.ids())
        self.renew_columns()
        self._removed.clear()
        self._returned.clear()
        self._added.clear()
        self._changed.clear()
        for listener in list(self._listeners):
            if removed:
                listener.flows_removed(removed)
            if returned or is_anew:
                listener.flows_returned(returned, [flow for flow in self._flows.values() if flow.is_live])
            if changed:  # they came before those that were added
                listener.flows_changed(changed)
            if added:
                listener.flows_added(added)

    def renew_columns(self) -> None:
        """With what has happened since the last batch."""
        table, words = self.table, self.table.words
        back = [flow for flow_id in self._returned if (flow := self._flows.get(flow_id)) is not None]
        for flow in (*self._added, *self._changed, *back):
            table.set_row(flow.id, row_of(flow, words))

    def _note_change(self, flow: Flow) -> None:
        if flow not in self._added:
            self._changed[flow] = None
        if not self._is_scheduled:
            self._is_scheduled = True
            self.schedule(BATCH_SECONDS, self._tick)

    def _tick(self) -> None:
        self._is_scheduled = False
        self.flush()

    # The list and its weight

    def _list(self, flow: Flow, weight: int) -> None:
        flow_id = flow.id
        if not flow_id:
            flow_id = flow.id = self.next_id()
        elif flow_id > self._last_id:
            self._last_id = flow_id
        self._flows[flow_id] = flow
        is_back = self.table.is_known(flow_id)
        self.table.list(flow_id)
        self._hidden_live.pop(flow_id, None)
        self._weights[flow_id] = weight
        self.bytes_in_memory += weight
        if is_back:
            is_same = flow_id in self._removed
            self._note_return(flow_id)
            if is_same:
                self._note_change(flow)
        else:
            self._added[flow] = None
            self._tick_soon()

    def _note_return(self, flow_id: int) -> None:
        if flow_id in self._removed:
            del self._removed[flow_id]
        else:
            self._returned[flow_id] = None
        self._tick_soon()

    def _unlist(self, flow_id: int) -> None:
        self.table.unlist(flow_id)
        self._returned.pop(flow_id, None)
        flow = self._flows.pop(flow_id, None)
        if flow is not None:
            self.bytes_in_memory -= self._weights.pop(flow_id)
            self._changed.pop(flow, None)
            self._elsewhere[flow_id] = flow
            if flow.is_live and self.keeping is not None:
                self._hidden_live[flow_id] = flow
        if flow is not None and flow in self._added:
            del self._added[flow]
            self.table.hidden[flow_id - self.table.base] = 1 if self.keeping is not None else 0
        else:
            self._removed[flow_id] = None
        self._tick_soon()

    def _tick_soon(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self.schedule(BATCH_SECONDS, self._tick)

    def _weigh(self, flow: Flow, pool: FieldPool | None = None) -> None:
        weight = bytes_of(flow, pool)
        self.bytes_in_memory += weight - self._weights[flow.id]
        self._weights[flow.id] = weight

    def _may_go(self, flow: Flow) -> None:
        self._ended.append(flow.id)
        self._with_bodies.append(flow.id)

    def _forget_ids(self) -> None:
        """Of flows that are gone, so that a long session which is cleared now and then does not collect them."""
        for ids in (self._ended, self._with_bodies):
            if len(ids) > 2 * len(self._flows) + 1_000:
                kept = [flow_id for flow_id in dict.fromkeys(ids) if flow_id in self._flows]
                ids.clear()
                ids.extend(kept)

    def _let_go(self) -> None:
        """Of flows that are in the session file as they are: whoever wants one again gets it from there."""
        if self.keeping is None:
            if self.packs is not None:
                self._pack(self.packs, self.most_at_hand)
            return
        too_many, looked_at, ended = len(self._flows) - AT_HAND, 0, self._ended
        while ended and looked_at < _LOOKED_AT_TO_DROP and (too_many > 0 or self.bytes_in_memory > self.memory_limit):
            flow_id = ended.popleft()
            flow = self._flows.get(flow_id)
            if flow is None:
                continue
            is_needed = flow.is_live or flow.held is not None or flow in self._changed or flow in self._added
            if is_needed or self.keeping.has(flow_id) or not self.table.block_of(flow_id):
                looked_at += 1
                ended.append(flow_id)
                continue
            del self._flows[flow_id]
            self.bytes_in_memory -= self._weights.pop(flow_id)
            self._elsewhere[flow_id] = flow
            too_many -= 1

    def _pack(self, packs: Packs, leave: int) -> bool:
        """Of the flows that ended first as many as go together; more of them, if more objects than that are left, in a moment.
        Whether there were any."""
        too_many, looked_at, ended, table = len(self._flows) - leave, 0, self._ended, self.table
        chosen: list[Flow] = []
        before = len(self._flows)
        while ended and len(chosen) < min(PACKED_TOGETHER, too_many) and looked_at < _LOOKED_AT_TO_DROP:
            flow = self._flows.get(flow_id := ended.popleft())
            if flow is None:
                continue
            if flow in self._changed or flow in self._added or not can_be_packed(flow):
                looked_at += 1
                ended.append(flow_id)
            elif table.block_of(flow_id):  # it was looked at again
                self._becomes_packed(flow)
                too_many -= 1
            else:
                chosen.append(flow)
        if chosen:
            weight = packs.weight
            number = packs.add(chosen)
            self.bytes_in_memory += packs.weight - weight
            count = len(packs.flows_of(number))
            for flow in chosen[:count]:
                table.set_block(flow.id, number)
                self._becomes_packed(flow)
            ended.extendleft(flow.id for flow in reversed(chosen[count:]))
            if too_many > count and not self._is_packing:
                self._is_packing = True
                self.schedule(_PACK_AGAIN_SECONDS, self._pack_more)
        packs.let_go()
        return len(self._flows) < before

    def _pack_more(self) -> None:
        self._is_packing = False
        if self.packs is not None:
            self._pack(self.packs, self.most_at_hand)

    def _becomes_packed(self, flow: Flow) -> None:
        del self._flows[flow.id]
        self.bytes_in_memory -= self._weights.pop(flow.id)
        self._elsewhere[flow.id] = flow

    def _drop_pack(self, packs: Packs) -> bool:
        """The oldest. False if there is none."""
        before, table = packs.weight, self.table
        number, flow_ids = packs.drop_oldest()
        self.bytes_in_memory -= before - packs.weight
        for flow_id in flow_ids:
            if table.block_of(flow_id) != number:
                continue
            table.set_block(flow_id, 0)
            if flow_id not in self._flows:
                if flow_id in table:
                    self._unlist(flow_id)
                    self._dropped += 1
                table.forget([flow_id])
        return number > 0

    def _make_room(self) -> None:
        self._let_go()
        if (packs := self.packs) is not None:
            while self.bytes_in_memory > self.memory_limit and self._pack(packs, _AT_HAND_AT_LEAST):
                pass
            weight = packs.weight
            while self.bytes_in_memory - (weight - packs.weight) > self.memory_limit and packs.move_oldest():
                pass
            self.bytes_in_memory -= weight - packs.weight
        while self.bytes_in_memory > self.memory_limit and self._with_bodies and self.spool.has_room:
            ids = [self._with_bodies.popleft() for _ in range(min(_MOVED_TOGETHER, len(self._with_bodies)))]
            flows = [flow for flow in map(self._flows.get, ids) if flow is not None]
            before = [bytes_of(flow) for flow in flows]
            if not move_bodies(flows, self.spool):
                self._with_bodies.extendleft(reversed(ids))
                break
            for flow, weight in zip(flows, before, strict=True):
                moved = weight - bytes_of(flow)
                self._weights[flow.id] -= moved
                self.bytes_in_memory -= moved
        if self.bytes_in_memory > self.memory_limit:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        while self.packs is not None and self.bytes_in_memory > self.memory_limit and self._drop_pack(self.packs):
            pass
        looked_at = 0
        while self.bytes_in_memory > self.memory_limit and self._ended and looked_at < _LOOKED_AT_TO_DROP:
            flow = self._flows.get(self._ended.popleft())
            if flow is None:
                continue
            if flow.marker or flow.held or flow.is_live:
                looked_at += 1
                self._ended.append(flow.id)
                continue
            self._unlist(flow.id)
            self.table.forget([flow.id])
            if self.keeping is not None:
                self.keeping.forget(flow.id)
            self._dropped += 1
        now = self._clock()
        if self._dropped and (self._warned_at is None or now - self._warned_at >= _WARN_EVERY_SECONDS):
            limit = self.memory_limit // (1024 * 1024)
            self._warn(f"The oldest {self._dropped} flows were dropped to stay below {limit} MiB; mark what is to be kept.")
            self._warned_at, self._dropped = now, 0
