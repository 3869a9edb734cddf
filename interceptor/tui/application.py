"""What the console needs of the program. `app` has it; tests have fakes.

The console is built on these and nothing else of `app`, because `app` is what imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from interceptor.addons.client_replay import Outcome
from interceptor.commands import Commands
from interceptor.eventlog import EventLog
from interceptor.model.flow import Flow, HeldMessage, HttpFlow
from interceptor.model.http import Request
from interceptor.options import Options
from interceptor.session.cleaning import Cleaning
from interceptor.session.search.searching import Searching
from interceptor.session.store import Store
from interceptor.session.undo import Undo
from interceptor.session.view import View
from interceptor.specs.filter import Filter


class Holds(Protocol):
    """Who holds flows and lets them go."""

    def resume(self, flow: Flow) -> None: ...
    def held(self) -> Sequence[Flow]: ...
    def messages_of(self, flow: Flow) -> Sequence[HeldMessage]:
        """The messages of that flow that are held, at most one in each direction."""
        ...

    def drop(self, message: HeldMessage) -> None:
        """Leaves that message out."""
        ...


class Replays(Protocol):
    """Requests that are sent again, each as a new flow, some at a time."""

    @property
    def waiting(self) -> int:
        """Of those to be sent, how many have to wait."""
        ...

    @property
    def count(self) -> int:
        """Those that wait, and those that are on their way."""
        ...

    @property
    def total(self) -> int:
        """Those, and all that were sent since there was nothing to do."""
        ...

    def add(self, flows: Sequence[HttpFlow], times: int | None = None, rate: float | None = None) -> int:
        """How many requests will be sent: all of these so many times, at most so many a second; None is what the options say."""
        ...

    def stop(self) -> int: ...
    def when_over(self, tell: Callable[[Outcome], None]) -> None:
        """Called once, when nothing waits and nothing is on its way, with what came of them."""
        ...


class Listening(Protocol):
    def describe(self) -> Sequence[str]:
        """One short text for each address that is listened on."""
        ...

    def report(self) -> str:
        """Every listener: its mode, its addresses, and how it fares."""
        ...

    def configurations(self) -> Sequence[str]:
        """What each client of WireGuard needs."""
        ...

    @property
    def active_connections(self) -> int:
        """Clients that are connected now."""
        ...

    def on_network(self) -> Sequence[tuple[str, int]]:
        """(address, port) under which other machines, such as a phone, reach us; empty if they cannot."""
        ...


class Replay(Protocol):
    """Recorded responses that answer requests."""

    is_active: bool
    count: int
    """Those that are left."""

    def replace(self, flows: Iterable[Flow]) -> int:
        """These and no others; how many of them can be replayed."""
        ...

    def add(self, flows: Iterable[Flow]) -> int: ...

    def load(self) -> None:
        """Those of the files that the option names, read anew, and no others."""
        ...

    def stop(self) -> None: ...


class Life(Protocol):
    """The session that the program works in."""

    @property
    def name(self) -> str:
        """ "" if there is none."""
        ...

    @property
    def path(self) -> Path | None: ...
    @property
    def cleaning(self) -> Cleaning:
        """Who gives back the space that its file wastes."""
        ...

    @property
    def remark(self) -> str:
        """What a person should see all the time: its name if it has one, and if what happens is not kept."""
        ...

    @property
    def is_kept(self) -> bool:
        """Whether what happens will be there after the program has ended."""
        ...

    def path_of(self, name: str) -> Path:
        """UserError if no session can be called so."""
        ...

    async def open(self, name: str) -> str:
        """Leaves this session for that one, which is made if there is none. What to tell the user; UserError if it cannot be:
        then this one is still open."""
        ...

    async def begin(self) -> str:
        """Leaves this session for a new one without a name."""
        ...

    async def rename(self, name: str) -> str:
        """Gives this session that name. What to tell the user; UserError if it cannot be."""
        ...


class Application(Protocol):
    @property
    def options(self) -> Options: ...
    @property
    def commands(self) -> Commands: ...
    @property
    def eventlog(self) -> EventLog: ...
    @property
    def store(self) -> Store: ...
    @property
    def view(self) -> View: ...
    @property
    def undo(self) -> Undo: ...
    @property
    def searching(self) -> Searching: ...
    @property
    def session_life(self) -> Life: ...
    @property
    def intercept(self) -> Holds: ...
    @property
    def is_reading(self) -> bool:
        """Whether the files named at the start are still being read."""
        ...

    @property
    def replays(self) -> Replays: ...
    @property
    def listeners(self) -> Listening: ...
    @property
    def server_replay(self) -> Replay: ...

    def filter(self, text: str) -> Filter | None:
        """The filter that was typed; None of an empty one, which all flows match. UserError if it is none."""
        ...

    def create(self, request: Request) -> HttpFlow:
        """A new flow on the list, which is not sent."""
        ...

    def inject(self, flow: Flow, from_client: bool, data: bytes, is_text: bool = False) -> None:
        """Says something in a running conversation, as if the client, or the server, had. UserError if that cannot be."""
        ...

    async def start_browser(self, name: str, arguments: Sequence[str]) -> str:
        """Starts a browser that comes through us; what to tell the user."""
        ...

    def kill(self, flow: Flow) -> None:
        """Ends the flow on the wire."""
        ...
