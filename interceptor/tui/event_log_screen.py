"""The event log: what the program had to say, the newest last. Follows its end until one scrolls up; searched with /.

An entry may speak of a flow. Enter opens it: that of the match that was searched for, else one of those that the entries in sight
speak of; so does a click on the entry.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import urwid

from interceptor.eventlog import Entry
from interceptor.tui.pager import Pager
from interceptor.tui.paint import Line
from interceptor.tui.screens import Hint, Screen, Step

MOST_LINES: Final = 10_000
LEVELS: Final = ("debug", "info", "alert", "warn", "error")
"""By importance."""


class EventLogScreen(Screen):
    context = "eventlog"
    title = "Events"

    def __init__(
        self, entries: Sequence[Entry], verbosity: str, open_flows: Callable[[Sequence[int]], None] = lambda flow_ids: None
    ) -> None:
        """`open_flows` opens the flow with that id; given several, it asks which."""
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._flow_ids: deque[int | None] = deque(maxlen=MOST_LINES)  # of each line
        self._open_flows = open_flows
        self._verbosity = verbosity
        self._pager = Pager(lambda: self._lines, is_at_end=True)
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        if is_loud_enough(entry.level, self._verbosity):
            if len(self._lines) == MOST_LINES:
                self._pager.first = max(0, self._pager.first - 1)
            lines = entry_lines(entry)
            self._lines.extend(lines)
            self._flow_ids.extend([entry.flow_id] * len(lines))

    def clear(self) -> None:
        self._lines.clear()
        self._flow_ids.clear()

    def navigate(self, step: Step) -> None:
        match step:
            case Step.UP | Step.DOWN:
                self._pager.move(-1 if step is Step.UP else 1)
            case Step.PAGE_UP | Step.PAGE_DOWN:
                self._pager.page(-1 if step is Step.PAGE_UP else 1)
            case Step.START:
                self._pager.start()
            case Step.END:
                self._pager.end()
            case Step.SELECT:
                self._open_flows(self._spoken_of())

    def _spoken_of(self) -> list[int]:
        """Flows of the match in sight, else of all entries in sight, the newest first."""
        in_sight = self._pager.lines_in_sight()
        match = self._pager.match
        if match is not None and match in in_sight and self._flow_ids[match] is not None:
            in_sight = [match]
        found = (self._flow_ids[line] for line in reversed(in_sight) if line < len(self._flow_ids))
        return list(dict.fromkeys(flow_id for flow_id in found if flow_id is not None))

    def mouse(self, size: tuple[int, int], event: str, button: int, column: int, row: int) -> bool:
        line = self._pager.line_at(row)
        if event != "mouse press" or button != 1 or line is None or (flow_id := self._flow_ids[line]) is None:
            return False
        self._open_flows([flow_id])
        return True

    def search(self, pattern: str, is_backwards: bool) -> str:
        return self._pager.search(pattern, is_backwards)

    def search_next(self) -> str:
        return self._pager.search_next()

    def search_previous(self) -> str:
        return self._pager.search_previous()

    def hints(self) -> Sequence[Hint]:
        return (
            ("console.nav.down", "Down"),
            ("console.nav.up", "Up"),
            ("console.nav.end", "Follow"),
            ("console.nav.select", "Open flow"),
            ("console.search", "Search"),
            ("console.search.next", "Next match"),
            ('console.command.confirm "Clear the event log?"', "Clear"),
        )

    def render(self, size: tuple[int, int]) -> urwid.Canvas:
        return self._pager.render(size)


def is_loud_enough(level: str, verbosity: str) -> bool:
    known = {name: rank for rank, name in enumerate(LEVELS)}
    return known.get(level, 1) >= known.get(verbosity, 1)


def entry_lines(entry: Entry) -> list[Line]:
    """The first with time and level, those that follow below its text."""
    moment = time.strftime("%H:%M:%S", time.localtime(entry.timestamp)) + f".{int(entry.timestamp % 1 * 1000):03}"
    first, *rest = entry.message.splitlines() or [""]
    style = f"log {entry.level}" if entry.level in LEVELS else "log info"
    flow = f"flow {entry.flow_id}: " if entry.flow_id else ""
    lines: list[Line] = [[("time", f"{moment} "), (style, f"{entry.level:<5} {flow}{first}")]]
    return [*lines, *([("time", " " * 13), (style, f"      {line}")] for line in rest)]
