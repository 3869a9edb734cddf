"""The commands about sessions: which there are, opening, naming and leaving one, and giving back the space that a file wastes.

Opening another session asks first where running flows would go out of sight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Annotated, Any, Final, Protocol

from interceptor.argument_types import Suggestions
from interceptor.commands import quote
from interceptor.session.cleaning import Found
from interceptor.session.sessions import SUFFIX, all_sessions, folder_of
from interceptor.specs.errors import UserError
from interceptor.specs.sizes import format_size
from interceptor.tui.application import Application
from interceptor.tui.screens import Screen, Stack
from interceptor.tui.sessions_screen import SessionsScreen

_LOOK_SECONDS: Final = 2.0


class Desk(Protocol):
    """What the commands need of the console."""

    app: Application
    stack: Stack

    @property
    def top(self) -> Screen: ...
    def tell(self, message: str) -> None: ...
    def ask(self, text: str, answers: Sequence[tuple[str, str]], on_answer: Callable[[str], None]) -> None: ...
    def push(self, screen: Screen) -> None: ...
    def close(self, screen: Screen) -> None: ...
    def execute(self, line: str) -> None: ...
    def invalidate(self) -> None: ...
    def start(self, work: Coroutine[Any, Any, None]) -> None: ...
    def session_opened(self) -> None: ...


class SessionCommands:
    def __init__(self, console: Desk) -> None:
        self._console = console
        self._app = console.app
        self._life = console.app.session_life
        self._screen: SessionsScreen | None = None

    def register(self) -> None:
        add, options = self._app.commands.add, self._app.options

        def known() -> Iterable[tuple[str, str]]:
            names = sorted(path.name.removesuffix(SUFFIX) for path in folder_of(options.confdir_path).glob(f"*{SUFFIX}"))
            return [(name, "session") for name in names]

        Known = Annotated[str, Suggestions(known, with_paths=True)]
        New = Annotated[str, Suggestions(lambda: (), with_paths=True)]

        def session_open(name: Known) -> None:
            self.open(name)

        def session_name(name: New) -> None:
            self._start(self._life.rename(_needed(name)))

        # made here, where the options are known; the registry reads what they take when it is asked
        session_open.__annotations__ = {"name": Known, "return": None}
        session_name.__annotations__ = {"name": New, "return": None}
        add("session.open", session_open, "Leave this session for another: by name, or a file; made if there is none.")
        add("session.name", session_name, "Give this session a name, or another one; with a / in it it is a file.")
        add("session.close", self.close)
        add("session.compact", self.compact)
        add("session.purge", self.purge)
        add("session.stop", self.stop)
        add("console.view.sessions", self.view)

    def view(self) -> None:
        """The sessions that there are: open another one, name this one."""
        screen = self._screen = SessionsScreen(lambda path: self._console.execute(f"session.open {quote(str(path))}"))
        self._console.push(screen)
        self._console.start(self._keep_filling(screen))

    async def _keep_filling(self, screen: SessionsScreen) -> None:
        while screen in self._console.stack:
            await self._fill(screen)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _fill(self, screen: SessionsScreen) -> None:
        confdir, own = self._app.options.confdir_path, self._life.path
        screen.show(await asyncio.to_thread(all_sessions, confdir, own), own)
        self._console.invalidate()

    def open(self, name: str) -> None:
        path, own = self._life.path_of(_needed(name)), self._life.path
        self._go(self._life.open(name), path.name.removesuffix(SUFFIX), is_new=not path.exists(), is_own=path == own)

    def close(self) -> None:
        """Leave this session for a new one without a name."""
        self._go(self._life.begin(), "a new session", is_new=True)

    def compact(self) -> None:
        """Give back the space that this session wastes; everything that can be undone stays."""
        self._console.start(self._compact())

    async def _compact(self) -> None:
        await self._clean(await self._life.cleaning.find(is_purge=False))

    def purge(self) -> None:
        """Remove deleted flows from this session for good; asks, with what that frees."""
        self._console.start(self._purge())

    async def _purge(self) -> None:
        found = await self._life.cleaning.find(is_purge=True)
        flows = f"{len(found.flow_ids):,} deleted flow{'' if len(found.flow_ids) == 1 else 's'}"
        question = f"Remove {flows} for good, and what nothing else needs? About {format_size(found.size)} become free."

        def answered(key: str) -> None:
            if key == "y":
                self._console.start(self._clean(found))

        self._console.ask(question, [("y", "remove"), ("n", "leave them")], answered)

    def stop(self) -> str:
        """Stop what session.compact or session.purge is doing; the session is whole."""
        return "it stops" if self._life.cleaning.stop() else "nothing of that is being done"

    async def _clean(self, found: Found) -> None:
        await self._told(await self._life.cleaning.clean(found))

    async def _told(self, told: str) -> None:
        if self._screen is not None and self._console.top is self._screen:
            await self._fill(self._screen)
        self._console.tell(told)

    def _go(self, deed: Coroutine[Any, Any, str], name: str, is_new: bool, is_own: bool = False) -> None:
        held = len(self._app.intercept.held())
        if held and not is_own:
            deed.close()
            raise UserError(f"{_count(held)} held: resume or kill {'it' if held == 1 else 'them'} first, by A or X")
        live = 0 if is_new or is_own else self._app.store.live_count
        if not live:
            self._start(deed)
            return
        answers = [("y", "open it"), ("n", "stay")]
        them = "it" if live == 1 else "they"
        question = f"{_count(live)} still running: kept here as far as {them} came; {them} may go on out of sight. Open {name}?"
        self._console.ask(question, answers, lambda key: self._start(deed) if key == "y" else deed.close())

    def _start(self, deed: Coroutine[Any, Any, str]) -> None:
        async def work() -> None:
            before = self._app.store.session
            told = await deed
            if self._app.store.session is not before:
                self._console.session_opened()
                if self._screen is not None:
                    self._console.close(self._screen)
            await self._told(told)

        self._console.start(work())


def _needed(name: str) -> str:
    if not name.strip():
        raise UserError("a name is needed, or a path")
    return name


def _count(number: int) -> str:
    return f"{number} {'flow is' if number == 1 else 'flows are'}"

