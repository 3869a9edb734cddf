"""Comparing flows: two that were named, or one with what suits it, of which the user chooses if there is more than one thing.

With one flow there may be what was received before it was edited, what it is a replay of, its replays, flows that are marked, and
its neighbours on the list. What is older stands at the left.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from interceptor.difference.parts import Compared, as_it_is, as_received, name_of
from interceptor.model.flow import Flow
from interceptor.session.replays import replays_of
from interceptor.specs.errors import UserError
from interceptor.tui.application import Application
from interceptor.tui.chooser import Chooser
from interceptor.tui.diff_screen import DiffScreen
from interceptor.tui.present.text import readable, shorten
from interceptor.tui.screens import Screen

_WIDEST: Final = 70
_MOST_REPLAYS: Final = 5
_MOST_MARKED: Final = 15


class Desk(Protocol):
    """What the commands need of the console."""

    chooser: Chooser | None

    @property
    def top(self) -> Screen: ...
    def push(self, screen: Screen) -> None: ...
    def choose(self, chooser: Chooser) -> None: ...
    def start(self, work: Coroutine[Any, Any, None]) -> None: ...


class DiffCommands:
    def __init__(self, app: Application, console: Desk, schedule_redraw: Callable[[], None]) -> None:
        self._app, self._console, self._schedule_redraw = app, console, schedule_redraw

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "console.view.diff": self.compare,
            "console.view.diff.received": self.compare_received,
            "console.diff.next": self.next,
            "console.diff.prev": self.previous,
            "console.diff.unchanged": self.unchanged,
            "console.diff.layout": self.layout,
            "console.diff.keyorder": self.key_order,
            "console.diff.swap": self.swap,
        }
        for name, function in functions.items():
            self._app.commands.add(name, function)

    def compare(self, flows: Sequence[Flow]) -> None:
        """Compare two flows, or one with what it was, what it repeats, its replays, marked flows or its neighbours."""
        if len(flows) == 1:
            self._console.start(self._choose(flows[0]))
        elif len(flows) == 2:
            self._open_two(flows[0], flows[1])
        else:
            raise UserError(f"two flows are compared, not {len(flows)}: mark two of them, or name them like @4,7")

    def compare_received(self, flows: Sequence[Flow]) -> None:
        """Compare a flow that was edited with what was received."""
        if len(flows) != 1:
            raise UserError("one flow is needed: try @focus")
        self._open(as_received(flows[0]), as_it_is(flows[0], _now(flows[0])))

    def _open_two(self, one: Flow, other: Flow) -> None:
        left, right = sorted((one, other), key=lambda flow: flow.id)
        self._open(as_it_is(left), as_it_is(right))

    def _open(self, left: Compared, right: Compared) -> None:
        self._console.push(DiffScreen(left, right, self._schedule_redraw))

    async def _choose(self, flow: Flow) -> None:
        choices = self._choices(flow, await replays_of(self._app.store, flow.id, _MOST_REPLAYS))
        if not choices:
            raise UserError("there is nothing to compare this flow with")
        if len(choices) == 1:
            next(iter(choices.values()))()
            return

        def chosen(label: str | None) -> None:
            self._console.chooser = None
            if label is not None:
                choices[label]()

        self._console.choose(Chooser("Compare with…", list(choices), chosen))

    def _choices(self, flow: Flow, replays: Sequence[int]) -> dict[str, Callable[[], None]]:
        """What it is called, and what opens it; the most likely first."""
        choices: dict[str, Callable[[], None]] = {}
        seen = {flow.id}

        def offer(other: Flow | None, what: str) -> None:
            if other is not None and other.id not in seen:
                seen.add(other.id)
                choices[f"{what}: {shorten(readable(name_of(other)), _WIDEST)}"] = lambda: self._open_two(flow, other)

        store, view = self._app.store, self._app.view
        try:
            received = as_received(flow)
        except UserError:
            pass
        else:
            choices["what was received, before the edit"] = lambda: self._open(received, as_it_is(flow, _now(flow)))
        if flow.replay_of:
            offer(store.get(flow.replay_of), "what it repeats")
        for each in replays:
            offer(store.get(each), "its replay")
        resolve = self._app.commands.flow_resolver
        for marked in list(resolve("@marked"))[:_MOST_MARKED] if resolve is not None else ():
            offer(marked, "marked")
        if (at := view.index(flow)) is not None:
            offer(view[at - 1] if at > 0 else None, "the one before")
            offer(view[at + 1] if at + 1 < len(view) else None, "the one after")
        return choices

    # --- on the screen ----------------------------------------------------------------------------------------

    @property
    def _screen(self) -> DiffScreen:
        screen = self._console.top
        if not isinstance(screen, DiffScreen):
            raise UserError("no comparison is open: c opens one")
        return screen

    def next(self) -> str:
        """Go to the next difference."""
        return self._screen.go(1)

    def previous(self) -> str:
        """Go to the previous difference."""
        return self._screen.go(-1)

    def unchanged(self) -> str:
        """Show all that is the same, or fold it."""
        return self._screen.toggle_unchanged()

    def layout(self) -> str:
        """Side by side, one below the other, or as the width allows."""
        return self._screen.cycle_layout()

    def key_order(self) -> str:
        """Let the order of keys in JSON count, or not."""
        return self._screen.toggle_key_order()

    def swap(self) -> None:
        """Swap the two sides."""
        self._screen.swap()


def _now(flow: Flow) -> str:
    return f"{name_of(flow)}, as it is now"
