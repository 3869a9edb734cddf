"""Whether a flow is shown: asked of itself if it is at hand, else of its columns, and of the file only if these do not know."""

from __future__ import annotations

from collections.abc import Callable

from interceptor.session.store import Store
from interceptor.specs.filter import Filter
from interceptor.specs.filter_columns import MARKED


def judge_of(store: Store, wanted: Filter | None, is_marked_only: bool = False) -> Callable[[int], bool]:
    """For the session that is open now."""
    table, at_hand, peek = store.table, store.at_hand, store.peek
    flags = table.column("flags")
    matches = wanted.matches if wanted is not None else None
    by_columns = wanted.by_columns(table) if wanted is not None and wanted.by_columns is not None else None

    def judge(flow_id: int) -> bool:
        flow = at_hand(flow_id)
        if flow is None:
            place = flow_id - table.base
            if is_marked_only and not flags[place] & MARKED:
                return False
            if matches is None:
                return True
            if by_columns is not None and (known := by_columns(place)) is not None:
                return known
            return matches(peek(flow_id))
        return not (is_marked_only and not flow.marker) and (matches is None or matches(flow))

    return judge
