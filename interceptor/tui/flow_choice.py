"""One flow out of several that something speaks of: opened at once if there is one, else chosen by the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from interceptor.model.flow import Flow
from interceptor.specs.errors import UserError
from interceptor.tui.chooser import SHORTCUTS, Chooser
from interceptor.tui.present.summary import asked

_WIDEST: Final = 70


class Desk(Protocol):
    """What is needed of the console."""

    chooser: Chooser | None

    def choose(self, chooser: Chooser) -> None: ...
    def open_flow(self, flow: Flow) -> None: ...


def open_one_of(desk: Desk, flow_ids: Sequence[int], find: Callable[[int], Flow | None]) -> None:
    """UserError if none of them is on the list any more."""
    found = [flow for each in flow_ids if (flow := find(each)) is not None][: len(SHORTCUTS)]
    if not found:
        raise UserError("the flow is not on the list any more" if flow_ids else "no entry in sight speaks of a flow")
    if len(found) == 1:
        desk.open_flow(found[0])
        return
    labels = {f"{flow.id}  {''.join(text for _, text in asked(flow, _WIDEST, False)).strip()}": flow for flow in found}

    def chosen(label: str | None) -> None:
        desk.chooser = None
        if label is not None:
            desk.open_flow(labels[label])

    desk.choose(Chooser("Open flow…", list(labels), chosen))
