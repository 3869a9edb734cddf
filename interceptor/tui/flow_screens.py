"""The list of flows and one flow, as screens: the widgets that draw them, joined to the console's keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import urwid

from interceptor.model.flow import Flow, HoldPoint, HttpFlow, TcpFlow
from interceptor.session.view import View
from interceptor.tui.flow_list import FlowListBox
from interceptor.tui.flow_view import FlowDetail
from interceptor.tui.screens import Hint, Screen, Step


def _hints_for(flow: Flow | None) -> list[Hint]:
    """What can be done to a flow, the most wanted first."""
    if flow is None:
        return []
    hints: list[Hint] = []
    if flow.held is not None:
        hints.append(("flow.resume @focus", "Resume"))
    if flow.held is HoldPoint.MESSAGE:
        hints.append(("flow.message.drop @focus", "Drop"))
    if flow.held is not None or flow.is_live:
        hints.append(("flow.kill @focus", "Kill"))
    hints.append(('console.choose.cmd "Edit…"', "Edit"))
    if isinstance(flow, HttpFlow):
        hints.append(("replay.client @focus", "Replay"))
    hints.append(("console.view.diff @focus", "Compare"))
    if flow.is_modified and not isinstance(flow, TcpFlow):
        hints.append(("flow.revert @focus", "Revert"))
    return hints


_FURTHER: Sequence[Hint] = (("view.flows.duplicate @focus", "Duplicate"), ("view.flows.remove @focus", "Delete"))
_ABOUT_THE_LIST: Sequence[Hint] = (
    ("search.open", "Search"),
    ("console.command view.flows.create", "New"),
    ("view.flows.remove @all", "Clear"),
    ('console.choose.cmd "Order by…"', "Order"),
    ("console.command save.file @shown", "Save"),
    ("console.view.sessions", "Sessions"),
    ("view.focus.follow", "Follow"),
)


_WHILE_EMPTY: Sequence[Hint] = (
    ("browser.start", "Browser"),
    ("console.command view.flows.load", "Load"),
    ("console.command view.flows.create", "New"),
    ("console.view.options", "Options"),
    ("console.view.sessions", "Sessions"),
    ("view.focus.follow", "Follow"),
)


class FlowListScreen(Screen):
    context = "flowlist"

    def __init__(
        self,
        box: FlowListBox,
        view: View,
        open_flow: Callable[[Flow], None],
        moved_to: Callable[[Flow], None] = lambda flow: None,
        order_by: Callable[[str], None] = lambda order: None,
    ) -> None:
        """`moved_to` is told when the user has moved the cursor to another flow, `order_by` when a column's title was clicked."""
        self._box, self._view, self._open, self._moved_to = box, view, open_flow, moved_to
        box.on_open, box.on_order = open_flow, order_by

    def render(self, size: tuple[int, int]) -> urwid.Canvas:
        return self._box.render(size, focus=True)

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        before = self._view.focus
        is_taken = bool(self._box.mouse_event(size, event, button, column, row, True))
        self._tell_if_moved(before)
        return is_taken

    def navigate(self, step: Step) -> None:
        before = self._view.focus
        self._go(step)
        self._tell_if_moved(before)

    def _tell_if_moved(self, before: Flow | None) -> None:
        if (flow := self._view.focus) is not None and flow is not before:
            self._moved_to(flow)

    def _go(self, step: Step) -> None:
        match step:
            case Step.UP | Step.DOWN:
                self._box.move(-1 if step is Step.UP else 1)
            case Step.PAGE_UP | Step.PAGE_DOWN:
                self._box.page(-1 if step is Step.PAGE_UP else 1)
            case Step.START:
                self._box.start()
            case Step.END:
                self._box.end()
            case Step.SELECT | Step.RIGHT:
                if (flow := self._view.focus) is not None:
                    self._open(flow)

    def hints(self) -> Sequence[Hint]:
        flow = self._view.focus
        if flow is None:
            return _WHILE_EMPTY
        mark = ("flow.mark.toggle @focus", "Mark")
        return [("console.nav.select", "Open"), *_hints_for(flow), mark, *_FURTHER, *_ABOUT_THE_LIST]


class FlowViewScreen(Screen):
    context = "flowview"

    def __init__(self, detail: FlowDetail) -> None:
        self.detail = detail

    def gone(self) -> None:
        self.detail.call_off()

    @property
    def flow(self) -> Flow | None:
        return self.detail.flow

    def render(self, size: tuple[int, int]) -> urwid.Canvas:
        return self.detail.render(size, focus=True)

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        return bool(self.detail.mouse_event(size, event, button, column, row, True))

    def navigate(self, step: Step) -> None:
        match step:
            case Step.UP | Step.DOWN:
                self.detail.move(-1 if step is Step.UP else 1)
            case Step.PAGE_UP | Step.PAGE_DOWN:
                self.detail.page(-1 if step is Step.PAGE_UP else 1)
            case Step.START:
                self.detail.start()
            case Step.END:
                self.detail.end()
            case Step.LEFT | Step.PREVIOUS:
                self.detail.previous_tab()
            case Step.RIGHT | Step.NEXT:
                self.detail.next_tab()

    def search(self, pattern: str, is_backwards: bool) -> str:
        return _unless_found(self.detail.search(pattern, is_backwards))

    def search_next(self) -> str:
        return _unless_found(self.detail.search_next())

    def search_previous(self) -> str:
        return _unless_found(self.detail.search_previous())

    def hints(self) -> Sequence[Hint]:
        return [
            *_hints_for(self.flow),
            ("console.nav.next", "Next tab"),
            ('console.choose.cmd "Show the body as…"', "Body as"),
            ("console.search", "Search"),
            ("view.focus.next", "Next flow"),
            ("view.focus.prev", "Prev flow"),
            ("console.command cut.save", "Save body"),
            *_FURTHER,
        ]


def _unless_found(said: str) -> str:
    """Which match of how many is in the line of the tabs, and counts on there; a message would cover the hints with old news."""
    return "" if said[:1].isdigit() else said
