"""Which flows a person means by "@focus", "@shown", "@4,7" or a filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from interceptor.model.flow import Flow
from interceptor.session.flows import Flows
from interceptor.session.judging import matching_ids
from interceptor.session.store import Store
from interceptor.session.view import View
from interceptor.specs.errors import UserError

if TYPE_CHECKING:  # it need not be there where nothing is filtered
    from interceptor.specs.filter import Filter


class Selection:
    """Of the flows of one store, as one view shows them."""

    def __init__(self, store: Store, view: View, parse: Callable[[str], Filter | None]) -> None:
        """`parse` makes a filter of a text; None of an empty one, which all flows match."""
        self._store, self._view, self._parse = store, view, parse

    def resolve(self, spec: str) -> Sequence[Flow]:
        """The flows that `@all`, `@marked`, …, `@1,2` or a filter names. UserError if it is none of these."""
        match spec:
            case "@all":
                return Flows(self._store, list(self._store.table.ids()))
            case "@focus":
                return [self._view.focus] if self._view.focus is not None else []
            case "@shown":
                return self._view.flows()
            case "@hidden":
                return self._view.hidden()
            case "@marked":
                return Flows(self._store, matching_ids(self._store, None, is_marked_only=True))
            case "@unmarked":
                marked = set(matching_ids(self._store, None, is_marked_only=True))
                return Flows(self._store, [flow_id for flow_id in self._store.table.ids() if flow_id not in marked])
        if spec.startswith("@"):
            numbers = spec[1:].split(",")
            if not all(number.strip().isdecimal() for number in numbers):
                raise UserError(f"no flows are called {spec!r}; try @focus, @shown, @marked, @all or a filter")
            found = [self._store.get(int(number)) for number in numbers]
            return [flow for flow in found if flow is not None]
        return Flows(self._store, matching_ids(self._store, self._parse(spec)))
