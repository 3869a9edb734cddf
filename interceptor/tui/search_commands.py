"""The commands that search all flows: `search.open` and what is done on its screen."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from interceptor.session.search.run import FlowHits
from interceptor.specs.errors import UserError
from interceptor.specs.searched import Searched
from interceptor.tui.application import Application
from interceptor.tui.flow_screens import FlowViewScreen
from interceptor.tui.screens import Screen, Stack
from interceptor.tui.search_screen import SearchScreen


class Desk(Protocol):
    """What the commands need of the console."""

    app: Application
    stack: Stack

    @property
    def top(self) -> Screen: ...
    def flow_screen(self) -> FlowViewScreen | None: ...
    def open_flow(self, flow: Any) -> None: ...
    def push(self, screen: Screen) -> None: ...
    def close(self, screen: Screen) -> None: ...
    def tell(self, message: str) -> None: ...
    def invalidate(self) -> None: ...
    def start(self, work: Coroutine[Any, Any, None]) -> None: ...


class SearchCommands:
    def __init__(self, console: Desk) -> None:
        self._console = console
        self._app = console.app
        self._last = ""

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "search.open": self.open,
            "search.regex.toggle": self.regex_toggle,
            "search.again": self.again,
            "search.index": self.index,
        }
        for name, function in functions.items():
            self._app.commands.add(name, function)

    def open(self, *text: str) -> None:
        """Search all flows: URLs, headers, bodies, messages."""
        console, typed = self._console, " ".join(text)
        for screen in list(console.stack):
            if isinstance(screen, SearchScreen):
                self._last = screen.text
                console.close(screen)
        searching = self._app.searching
        screen = SearchScreen(searching, self._open_hit, console.invalidate, console.start, typed or self._last)
        console.push(screen)

    def _screen(self) -> SearchScreen:
        if not isinstance(screen := self._console.top, SearchScreen):
            raise UserError("this belongs to the search; search.open opens it")
        return screen

    def regex_toggle(self) -> None:
        """Take what is searched for as a regular expression, or no longer."""
        self._screen().toggle_regex()

    def again(self) -> None:
        """Search again, in what has come since, too."""
        self._screen().again()

    def index(self) -> str:
        """How far the index of the session is."""
        if self._app.store.session is None:
            return "flows are in memory only, and are searched one by one"
        return self._app.searching.state or "the index has all flows"

    def _open_hit(self, found: FlowHits, number: int, searched: Searched) -> None:
        console, flow = self._console, self._app.store.get(found.flow_id)
        self._last = self._screen().text
        if flow is None:
            console.tell("this flow was deleted; u in the list brings it back")
            return
        below = console.flow_screen()
        if below is not None:  # it is under the search, where nobody would see it
            console.close(below)
        console.open_flow(flow)
        opened = console.flow_screen()
        assert opened is not None
        hit = found.hits[number]
        before = sum(each.tab == hit.tab for each in found.hits[:number])
        opened.detail.show_match(hit.tab, searched.expression, before, hit.message_number)
