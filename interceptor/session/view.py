"""A filtered, sorted window on the store, with a cursor; kept as flows come, change and go.

    store ─batches▸ judged (filter, marked only) ─▸ placed by key in one sorted list ─▸ callbacks
    set_filter    ─▸ everything is judged anew, ten milliseconds at a time, newest results shown as they come

* The list is one Python list of (key, id, flow) with a dict beside it: finding is O(log n), making room is a memmove, cheap up to
  a million rows. A big batch is merged, not inserted row by row.
* A filter that looks into bodies is asked when a flow arrives, is held, and ends, and not for each piece of a body; such filters,
  and every new one, are worked off in slices between which the loop goes on. Until the last slice `is_refiltering`.
* The focus is a flow, not a row. If it leaves the list, the focus goes to the row that takes its place, else to the last.
"""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, overload

from interceptor.model.flow import Flow
from interceptor.session.orders import ORDERS
from interceptor.session.store import Store
from interceptor.specs.errors import UserError
from interceptor.specs.filter import Filter

SLICE_SECONDS: Final = 0.01

_Row = tuple[Any, int, Flow]  # key, id, flow: the id is never equal, so flows are not compared
_Judged = tuple[Flow, Any]  # its key; None: it is not to be shown


class View:
    """What is shown of a store. Rows are counted from the top of the screen. `callback()`s run after each batch."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.perf_counter) -> None:
        self._store = store
        self._clock = clock
        self._rows: list[_Row] = []  # ascending
        self._row_of: dict[Flow, _Row] = {}
        self._filter: Filter | None = None
        self._is_marked_only = False
        self._order = "time"
        self._key = ORDERS["time"]
        self._is_reversed = False
        self._wanted_focus: Flow | None = None
        self._is_following = False
        self._to_judge: deque[Flow] = deque()
        self._is_work_scheduled = False
        self._callbacks: list[Callable[[], None]] = []
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
        return self._rows[~index if self._is_reversed else index][2]

    def __iter__(self) -> Iterator[Flow]:
        rows = self._rows[::-1] if self._is_reversed else self._rows[:]
        return (row[2] for row in rows)

    def __contains__(self, flow: object) -> bool:
        return flow in self._row_of

    def index(self, flow: Flow) -> int | None:
        """Its row, or None if it is not shown."""
        row = self._row_of.get(flow)
        if row is None:
            return None
        place = bisect_left(self._rows, row)
        return len(self._rows) - 1 - place if self._is_reversed else place

    def hidden(self) -> Sequence[Flow]:
        """Flows of the store that are not shown, in order of arrival."""
        return [flow for flow in self._store if flow not in self._row_of]

    def subscribe(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    # Which, and in what order

    @property
    def filter(self) -> Filter | None:
        return self._filter

    def set_filter(self, wanted: Filter | None) -> None:
        """What can be judged in a moment is judged at once, the rest in slices that follow."""
        self._filter = wanted
        self._refilter()

    @property
    def show_marked_only(self) -> bool:
        return self._is_marked_only

    @show_marked_only.setter
    def show_marked_only(self, is_wanted: bool) -> None:
        if is_wanted != self._is_marked_only:
            self._is_marked_only = is_wanted
            self._refilter()

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
        if key != self._order:
            self._order, self._key = key, ORDERS[key]
            self._rows = sorted((self._key(flow), flow.id, flow) for flow in self._row_of)
            self._row_of = {row[2]: row for row in self._rows}
        self._tell()

    @property
    def is_refiltering(self) -> bool:
        return bool(self._to_judge)

    def finish_refiltering(self) -> None:
        """Judges all that is left now, however long it takes: for whoever needs the whole answer."""
        if self._to_judge:
            self._judge_some(None)

    # Focus

    @property
    def focus(self) -> Flow | None:
        """The flow under the cursor; None only if nothing is shown."""
        wanted = self._wanted_focus
        if wanted in self._row_of or not self._rows:
            return wanted if self._rows else None
        return self[0] if wanted is None else self._neighbour(wanted)

    @focus.setter
    def focus(self, flow: Flow | None) -> None:
        """A flow that is not shown leaves the focus where it is."""
        if flow is None or flow in self._row_of:
            self._wanted_focus = flow
            self._settle_focus()
            self._tell()

    @property
    def focus_follow(self) -> bool:
        return self._is_following

    @focus_follow.setter
    def focus_follow(self, is_following: bool) -> None:
        """True: the focus goes to the newest flow, now and whenever one arrives."""
        self._is_following = is_following
        if is_following and self._row_of:
            self._wanted_focus = max(self._row_of, key=lambda flow: flow.id)
            self._tell()

    def _neighbour(self, gone: Flow) -> Flow:
        place = bisect_left(self._rows, (self._key(gone), gone.id))
        if self._is_reversed:
            return self._rows[max(0, place - 1)][2]
        return self._rows[min(place, len(self._rows) - 1)][2]

    def _settle_focus(self) -> None:
        wanted = self._wanted_focus
        if wanted in self._row_of or self._to_judge:
            return
        if self._rows:
            self._wanted_focus = self.focus
        elif wanted not in self._store:
            self._wanted_focus = None

    # What the store says

    def flows_added(self, flows: list[Flow]) -> None:
        self._judge_or_queue(flows)

    def flows_changed(self, flows: list[Flow]) -> None:
        if self._filter is None or not self._filter.needs_body:
            self._judge_or_queue(flows)
            return
        again = [flow for flow in flows if self._is_worth_looking(flow)]
        shown = set(flows).difference(again).intersection(self._row_of)
        self._place((flow, self._key(flow) if flow.marker or not self._is_marked_only else None) for flow in shown)
        self._judge_or_queue(again)

    def flows_removed(self, flows: list[Flow]) -> None:
        gone = [row for row in (self._row_of.pop(flow, None) for flow in flows) if row is not None]
        self._take_out(gone)
        self._settle_focus()
        self._tell()

    def _is_worth_looking(self, flow: Flow) -> bool:
        """Whether a filter that looks into bodies is to be asked about a change."""
        if not flow.is_live or flow.held is not None:
            return True
        return self._is_marked_only and bool(flow.marker) and flow not in self._row_of

    # Judging and placing

    def _judge(self, flow: Flow) -> _Judged:
        if self._is_marked_only and not flow.marker:
            return flow, None
        if self._filter is None or self._filter.matches(flow):
            return flow, self._key(flow)
        return flow, None

    def _judge_or_queue(self, flows: list[Flow]) -> None:
        if self._filter is not None and self._filter.needs_body:
            self._to_judge.extend(flows)
            if not self._is_work_scheduled:
                self._judge_some(SLICE_SECONDS)
            return
        self._place(map(self._judge, flows))
        self._settle_focus()
        self._tell()

    def _refilter(self) -> None:
        self._rows.clear()
        self._row_of.clear()
        self._to_judge = deque(self._store)
        if self._wanted_focus is not None:
            self._to_judge.appendleft(self._wanted_focus)  # so that it stays, if it stays
        self._judge_some(SLICE_SECONDS)

    def _judge_some(self, budget_seconds: float | None) -> None:
        """One slice, and the next one scheduled; all of it if there is no budget."""
        queue, clock, store = self._to_judge, self._clock, self._store
        deadline = None if budget_seconds is None else clock() + budget_seconds
        judged: list[_Judged] = []
        while queue:
            flow = queue.popleft()
            if flow in store:
                judged.append(self._judge(flow))
            if deadline is not None and clock() >= deadline:
                break
        self._place(judged)
        if queue and not self._is_work_scheduled:
            self._is_work_scheduled = True
            store.schedule(0.0, self._next_slice)
        self._settle_focus()
        self._tell()

    def _next_slice(self) -> None:
        self._is_work_scheduled = False
        if self._to_judge:
            self._judge_some(SLICE_SECONDS)

    def _place(self, judged: Iterable[_Judged]) -> None:
        """Brings the rows of these flows in line with what was judged."""
        come: list[_Row] = []
        gone: list[_Row] = []
        newest: Flow | None = None
        for flow, key in dict(judged).items():
            row = self._row_of.get(flow)
            if key is not None:
                if row is not None and row[0] == key and row[1] == flow.id:
                    continue
                self._row_of[flow] = (key, flow.id, flow)
                come.append(self._row_of[flow])
                if row is None and (newest is None or flow.id > newest.id):
                    newest = flow
            elif row is not None:
                del self._row_of[flow]
            else:
                continue
            if row is not None:
                gone.append(row)
        self._take_out(gone)
        self._put_in(sorted(come))
        if self._is_following and newest is not None and newest.id > (self._wanted_focus.id if self._wanted_focus else 0):
            self._wanted_focus = newest

    def _take_out(self, gone: list[_Row]) -> None:
        rows = self._rows
        if len(gone) * 16 > len(rows):
            identities = set(map(id, gone))
            rows[:] = [row for row in rows if id(row) not in identities]
            return
        for row in gone:
            del rows[bisect_left(rows, row)]

    def _put_in(self, come: list[_Row]) -> None:
        """`come` is sorted."""
        rows = self._rows
        if not come:
            return
        if not rows or rows[-1] < come[0]:
            rows.extend(come)
        elif len(come) * 16 > len(rows):
            rows.extend(come)
            rows.sort()
        else:
            for row in come:
                insort(rows, row)

    def _tell(self) -> None:
        for callback in self._callbacks:
            callback()
