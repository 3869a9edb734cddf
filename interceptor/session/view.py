"""A filtered, sorted window on the store, with a cursor; kept as flows come, change and go.

    store ─batches▸ judged (filter, marked only) ─▸ brought in line with the rows shown ─▸ callbacks
    set_filter    ─▸ everything is judged anew, by columns where these know, a few milliseconds at a time
    set_order     ─▸ rows in the new order are made, a few milliseconds at a time; until they are whole the old ones are shown

* A filter that looks into bodies is asked when a flow arrives, is held, and ends, and not for each piece of a body; such filters,
  and every new one, are worked off in slices between which the loop goes on. Until the last slice `is_refiltering`.
* The focus is a flow, not a row. If it leaves the list, the focus goes to the row that takes its place, else to the last.
* Following, the focus goes to each newest flow. Moving it elsewhere pauses that, as scrolling up does in a pager that follows a
  file; moving it to the newest flow, or switching following on again, goes on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, overload

from interceptor.model.flow import Flow
from interceptor.session.flows import Flows
from interceptor.session.judging import Sweep, judge_of
from interceptor.session.orders import DEAR_ORDERS, ORDERS
from interceptor.session.sorted_rows import SortedRows
from interceptor.session.store import Store
from interceptor.specs.errors import UserError
from interceptor.specs.filter import Filter

SLICE_SECONDS: Final = 0.005
_PLACED_TOGETHER: Final = 256
_DEAR_PLACED_TOGETHER: Final = 16
"""The same where the key of a flow has to be read from the session file."""
_FORGOTTEN_TOGETHER: Final = 8192

_MANY: Final = 4_096
_TOGETHER: Final = 64
"""So many are judged between two looks at the clock, when there are many."""
_SWEPT_TOGETHER: Final = 2_048

_Judged = tuple[int, bool]  # whether it is to be shown


class View:
    """What is shown of a store. Rows are counted from the top of the screen. `callback()`s run after each batch."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.perf_counter) -> None:
        self._store = store
        self._clock = clock
        self._order = "time"
        self._table = store.table
        self._rows = self._new_rows()
        self._judge = judge_of(store, None)
        self._coming: SortedRows | None = None  # the rows in an order that was asked for, not whole yet
        self._to_place: deque[int] = deque()  # what they lack
        self._going: list[SortedRows] = []  # rows that are shown no more, forgotten by and by
        self._filter: Filter | None = None
        self._is_marked_only = False
        self._is_reversed = False
        self._wanted_focus: Flow | None = None
        self._is_following = self._is_follow_paused = False
        self._newest: int | None = None  # of those shown; None: to be looked for
        self._to_judge: deque[int] = deque()
        self._sweep: Sweep | None = None  # over what is still to be judged by columns
        self._is_work_scheduled = False
        self._callbacks: list[Callable[[], None]] = []
        store.flush()  # as before each `_refilter`
        store.subscribe(self)
        self._refilter()

    # Rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Flow: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Flow]: ...
    def __getitem__(self, index: int | slice) -> Flow | Sequence[Flow]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self._rows)))]
        return self._flow(self._rows[~index if self._is_reversed else index])

    def __iter__(self) -> Iterator[Flow]:
        return iter(self.flows())

    def __contains__(self, flow: object) -> bool:
        return isinstance(flow, Flow) and flow.id in self._rows

    def flows(self) -> Flows:
        """Those that are shown now, in order: fetched when they are looked at."""
        ids = self._rows.ids()
        return Flows(self._store, ids[::-1] if self._is_reversed else ids)

    def _flow(self, flow_id: int) -> Flow:
        return self._store.get(flow_id) or self._store.peek(flow_id)  # it may have left the list, and the view not know yet

    def index(self, flow: Flow) -> int | None:
        """Its row, or None if it is not shown."""
        place = self._rows.index(flow.id)
        return place if place is None or not self._is_reversed else len(self._rows) - 1 - place

    def hidden(self) -> Sequence[Flow]:
        """Flows of the store that are not shown, in order of arrival."""
        return Flows(self._store, [flow_id for flow_id in self._store.table.ids() if flow_id not in self._rows])

    @property
    def hidden_count(self) -> int:
        """How many those are, as far as has been told."""
        return max(len(self._store) - len(self._rows), 0)

    def subscribe(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    # Which, and in what order

    @property
    def filter(self) -> Filter | None:
        return self._filter

    def set_filter(self, wanted: Filter | None) -> None:
        """What can be judged in a moment is judged at once, the rest in slices that follow."""
        self._filter = wanted
        self._refilter_all()

    @property
    def show_marked_only(self) -> bool:
        return self._is_marked_only

    @show_marked_only.setter
    def show_marked_only(self, is_wanted: bool) -> None:
        if is_wanted != self._is_marked_only:
            self._is_marked_only = is_wanted
            self._refilter_all()

    @property
    def order(self) -> str:
        return self._order

    @property
    def is_reversed(self) -> bool:
        return self._is_reversed

    def set_order(self, key: str, is_reversed: bool = False) -> None:
        """By one of `ORDERS`; UserError if there is none of that name. Flows with equal keys stand in order of arrival."""
        if key not in ORDERS:
            raise UserError(f"There is no order {key!r}; there are {', '.join(ORDERS)}.")
        self._is_reversed = is_reversed
        if key == self._order:
            self._tell()
            return
        self._order = key
        if self.is_refiltering:
            self._refilter_all()
        else:
            self._reorder()

    @property
    def is_refiltering(self) -> bool:
        return bool(self._to_judge) or self._sweep is not None

    @property
    def is_reordering(self) -> bool:
        """The rows are still shown in the order before."""
        return self._coming is not None

    def finish_refiltering(self) -> None:
        """Judges all that is left now, however long it takes: for whoever needs the whole answer."""
        if self.is_refiltering or self._coming is not None:
            self._work(None)

    # Focus

    @property
    def focus(self) -> Flow | None:
        """The flow under the cursor; None only if nothing is shown."""
        wanted = self._wanted_focus
        if not self._rows:
            return None
        if wanted is not None and wanted.id in self._rows:
            return wanted
        return self[0] if wanted is None else self._neighbour(wanted)

    @focus.setter
    def focus(self, flow: Flow | None) -> None:
        """A flow that is not shown leaves the focus where it is. Pauses following unless it is the newest."""
        if flow is None or flow.id in self._rows:
            self._wanted_focus = flow
            self._is_follow_paused = self._is_following and flow is not None and flow.id != self._newest_shown()
            self._settle_focus()
            self._tell()

    @property
    def focus_follow(self) -> bool:
        return self._is_following

    @focus_follow.setter
    def focus_follow(self, is_following: bool) -> None:
        """True: the focus goes to the newest flow, now and whenever one arrives, until it is moved elsewhere."""
        self._is_following = is_following
        self._is_follow_paused = False
        if is_following and (newest := self._newest_shown()) is not None:
            self._wanted_focus = self._flow(newest)
            self._tell()

    @property
    def is_follow_paused(self) -> bool:
        """Following is on, but the focus was moved away from the newest flow."""
        return self._is_follow_paused

    def pause_following(self) -> None:
        """Until the focus is moved to the newest flow: somebody looks at one flow closely."""
        self._is_follow_paused = self._is_following

    def _newest_shown(self) -> int | None:
        if self._newest is None and self._rows:
            self._newest = max(self._rows.unordered())
        return self._newest

    def _neighbour(self, gone: Flow) -> Flow:
        place = self._rows.place_for(gone.id)
        return self._flow(self._rows[max(0, place - 1) if self._is_reversed else min(place, len(self._rows) - 1)])

    def _settle_focus(self) -> None:
        wanted = self._wanted_focus
        if (wanted is not None and wanted.id in self._rows) or self.is_refiltering:
            return
        if self._rows:
            self._wanted_focus = self.focus
        elif wanted not in self._store:
            self._wanted_focus = None

    # What the store says

    def flows_added(self, flows: list[Flow]) -> None:
        self._judge_or_queue([flow.id for flow in flows])

    def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
        if self._table is not self._store.table:
            if self._wanted_focus not in self._store:  # one of the session before
                self._wanted_focus = None
            self._refilter()
        elif len(flow_ids) > _MANY:
            self._to_judge.extend(flow_ids)
            self._work_soon()
        else:
            self._judge_or_queue(list(flow_ids))

    def flows_changed(self, flows: list[Flow]) -> None:
        if self._filter is None or not self._filter.needs_body:
            self._judge_or_queue([flow.id for flow in flows])
            return
        again = {flow.id for flow in flows if self._is_worth_looking(flow)}
        shown = [flow for flow in flows if flow.id not in again and flow.id in self._rows]
        self._place([(flow.id, bool(flow.marker) or not self._is_marked_only) for flow in shown])
        self._judge_or_queue(list(again))

    def flows_removed(self, flow_ids: Sequence[int]) -> None:
        if len(flow_ids) > _MANY and len(self._store) == 0:
            self._refilter()  # quicker than to take them out
        self._rows.remove(flow_ids)
        if self._coming is not None:
            self._coming.remove(flow_ids)
        if self._newest not in self._rows:
            self._newest = None
        if not self._rows:
            self._is_follow_paused = False
        self._settle_focus()
        self._tell()

    def _is_worth_looking(self, flow: Flow) -> bool:
        """Whether a filter that looks into bodies is to be asked about a change."""
        if not flow.is_live or flow.held is not None:
            return True
        return self._is_marked_only and bool(flow.marker) and flow.id not in self._rows

    # Judging and placing

    def _judge_or_queue(self, flow_ids: list[int]) -> None:
        if self._filter is not None and self._filter.needs_body:
            self._to_judge.extend(flow_ids)
            if not self._is_work_scheduled:
                self._work(SLICE_SECONDS)
            return
        judge = self._judge
        self._place([(flow_id, judge(flow_id)) for flow_id in flow_ids])
        self._settle_focus()
        self._tell()

    def _refilter_all(self) -> None:
        """Everybody has been told of what is on the list first: of what goes before it was told, nobody would be told."""
        self._store.flush()
        self._refilter()

    def _refilter(self) -> None:
        self._going.append(self._rows)
        self._table = self._store.table
        self._rows = self._new_rows()
        self._judge = judge_of(self._store, self._filter, self._is_marked_only)
        self._newest, self._coming = None, None
        self._to_place.clear()
        self._to_judge.clear()
        self._sweep = Sweep(self._store, self._filter, self._is_marked_only)
        self._to_judge.extend(sorted(self._store.untold))
        if self._wanted_focus is not None:
            self._to_judge.appendleft(self._wanted_focus.id)  # so that it stays, if it stays
        self._work(SLICE_SECONDS)

    def _reorder(self) -> None:
        self._coming = None
        self._to_place.clear()
        if self._rows.order != self._order:
            self._coming = self._new_rows()
            self._to_place.extend(self._rows.unordered())
        self._work(SLICE_SECONDS)

    def _new_rows(self) -> SortedRows:
        return SortedRows(self._store.key_of(self._order), self._order)

    def _work(self, budget_seconds: float | None) -> None:
        """One slice, and the next one scheduled; all of it if there is no budget."""
        deadline = None if budget_seconds is None else self._clock() + budget_seconds
        self._judge_some(deadline)
        if self._sweep is not None:
            self._sweep_some(self._sweep, deadline)
        if self._coming is not None:
            self._place_some(self._coming, deadline)
        if self._going and self._going[-1].forget(_FORGOTTEN_TOGETHER):
            self._going.pop()
        if self.is_refiltering or self._to_place or self._going:
            self._work_soon()
        self._settle_focus()
        self._tell()

    def _work_soon(self) -> None:
        if not self._is_work_scheduled:
            self._is_work_scheduled = True
            self._store.schedule(0.0, self._next_slice)

    def _next_slice(self) -> None:
        self._is_work_scheduled = False
        self._work(SLICE_SECONDS)

    def _judge_some(self, deadline: float | None) -> None:
        queue, clock, table, judge, rows = self._to_judge, self._clock, self._table, self._judge, self._rows
        judged: list[_Judged] = []
        while queue:
            for _ in range(_TOGETHER if len(queue) > _MANY else 1):
                flow_id = queue.popleft()
                if flow_id not in table:
                    continue
                belongs = judge(flow_id)
                if belongs or flow_id in rows:
                    judged.append((flow_id, belongs))
            if deadline is not None and clock() >= deadline:
                break
        self._place(judged)

    def _sweep_some(self, sweep: Sweep, deadline: float | None) -> None:
        rows = self._rows
        while not sweep.is_done:
            swept = sweep.take(_SWEPT_TOGETHER)
            self._place_new([flow_id for flow_id in swept.belonging if flow_id not in rows])
            self._to_judge.extend(swept.unknown)
            if self._to_judge:
                self._judge_some(deadline)
            if deadline is not None and self._clock() >= deadline:
                break
        if sweep.is_done:
            self._sweep = None

    def _place_some(self, coming: SortedRows, deadline: float | None) -> None:
        """Of those that are shown, into the rows to come; when these are whole they are shown."""
        queue = self._to_place
        count = _DEAR_PLACED_TOGETHER if coming.order in DEAR_ORDERS else _PLACED_TOGETHER
        while queue:
            together = [queue.popleft() for _ in range(min(count, len(queue)))]
            coming.bring_in_line([(flow_id, True) for flow_id in together if flow_id in self._rows])
            if deadline is not None and self._clock() >= deadline:
                break
        if not queue:
            self._going.append(self._rows)
            self._rows, self._coming = coming, None

    def _place(self, judged: Iterable[_Judged]) -> None:
        """Brings the rows of these flows in line with what was judged."""
        judged = list(judged)
        new = self._rows.bring_in_line(judged)
        if self._coming is not None:
            self._coming.bring_in_line(judged)
        if self._newest not in self._rows:
            self._newest = None
        self._note_new(new)

    def _place_new(self, flow_ids: list[int]) -> None:
        """Of flows that are not shown, in order of arrival."""
        self._rows.add_new(flow_ids)
        self._note_new(flow_ids)

    def _note_new(self, new: list[int]) -> None:
        if not new:
            return
        newest = max(new)
        if self._newest is not None or len(new) == len(self._rows):
            self._newest = newest if self._newest is None or newest > self._newest else self._newest
        if self._is_following and not self._is_follow_paused and newest > (self._wanted_focus.id if self._wanted_focus else 0):
            self._wanted_focus = self._store.get(newest)

    def _tell(self) -> None:
        for callback in self._callbacks:
            callback()
