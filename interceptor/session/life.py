"""The life of the session that a program works in: opened, restored, kept, named, left for another one, closed.

    option `session` ─▸ named: opened at once, or the program does not start
                        unset: an unnamed one, made beside everything else; it is kept for the case that it is missed
                        none:  flows are in memory only

What the user was doing in it (filter, order, interception) is noted in it whenever it changes, and set again when it is opened,
but for what this start of the program says otherwise. Another session is opened before this one is left, so that nothing has
changed when that fails.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from interceptor.options import Options
from interceptor.session.cleaning import Cleaning
from interceptor.session.kept_changes import KeptChanges
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile, remove_session
from interceptor.session.sessions import is_unnamed, make_folder, name_of, path_of, prune_unnamed, unnamed_path
from interceptor.session.store import Store
from interceptor.session.undo import Undo
from interceptor.specs.errors import UserError

NO_SESSION: Final = "none"
_RESTORED: Final = ("view_filter", "view_order", "view_order_reversed", "intercept", "intercept_active")
_RETRY_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 2.0

Say = Callable[[str, str], None]
"""Level of the event log, message."""


class SessionLife:
    def __init__(self, options: Options, store: Store, undo: Undo, say: Say) -> None:
        self._options, self._store, self._undo, self._say = options, store, undo, say
        self._is_ended = False
        self._has_warned = False
        self._is_moving = False
        self._making: asyncio.Task[None] | None = None
        self._guard = threading.Lock()  # of the two below, which the thread that makes a file looks at
        self._wants_one = True
        self._made: SessionFile | None = None  # and not taken up yet
        self.cleaning = Cleaning(store, undo, lambda text: say("alert", text))
        options.subscribe(self._options_changed)

    @property
    def name(self) -> str:
        """Of the session that is open; "" if there is none."""
        session = self._store.session
        return name_of(session.file.path, self._options.confdir_path) if session is not None else ""

    @property
    def path(self) -> Path | None:
        session = self._store.session
        return session.file.path if session is not None else None

    @property
    def remark(self) -> str:
        """What a person should see all the time: its name if it has one, and if what happens is not kept."""
        session = self._store.session
        if session is None:
            return "in memory only" if self._has_warned else ""
        name = "" if is_unnamed(session.file.path) else f"session:{Path(self.name).name}"
        if session.file.read_only:
            return f"{name or 'session'}, only read: {session.file.read_only}"
        return f"{name or 'session'}, not written: {session.failure}" if session.failure else name

    @property
    def is_kept(self) -> bool:
        """Whether what happens will be there after the program has ended."""
        session = self._store.session
        return session is not None and session.is_written and not session.failure

    # The start and the end

    def start(self, *, makes_unnamed: bool) -> None:
        """As the option says. UserError if a session that was named cannot be opened."""
        wanted = self._options.session
        if wanted and wanted != NO_SESSION:
            path = path_of(wanted, self._options.confdir_path)
            make_folder(path)
            session = self._session_of(SessionFile.open(path))
            self._begin(session, is_start=True)
            self._tell_of(session)
        elif not wanted and makes_unnamed:
            self._making = asyncio.get_running_loop().create_task(self._make_unnamed())
        self._store.schedule(_LOOK_SECONDS, self._look)

    def close(self) -> str:
        """What a person should know of the end; "" if all is well."""
        self._is_ended = True
        self.cleaning.stop()
        self._make_none()
        session = self._store.session
        lost = self._store.close()
        if session is None or not session.is_written:
            return ""
        path = session.file.path
        _remove_if_empty(session)
        return f"{lost} flows could not be written to {path}: {session.failure}" if lost else ""

    def _session_of(self, file: SessionFile) -> Session:
        return Session(file, self._store.spool.new_body, self._warn, self._tell)

    def _tell_of(self, session: Session) -> None:
        file = session.file
        if file.read_only:
            self._warn(f"The session {file.path} is only read: {file.read_only}. What happens from now on is not kept.")
        elif session.table.count:
            self._tell(f"The session {self.name} has {session.table.count} flows.")

    def _begin(self, session: Session, *, is_start: bool = False) -> None:
        session.note("created", session.states.get("created", time.time()))
        self._store.open(session)
        self._undo.attach(KeptChanges(session, self._store) if session.is_written else None)
        self._restore(session.states.get("settings"), is_start)
        self._note_settings()

    def _look(self) -> None:
        """Somebody may have removed the file while nothing happens: it is made again before something does."""
        session = self._store.session
        if session is not None and session.is_written and not self._is_moving and session.file.is_gone():
            session.write_soon()
            self._store.work_soon()
        if not self._is_ended:
            self._store.schedule(_LOOK_SECONDS, self._look)

    # An unnamed one

    async def _make_unnamed(self) -> None:
        """In a thread, because a disk may be slow; again after a while if it cannot be."""
        while self._wants_one:
            try:
                file = await asyncio.to_thread(self._unnamed_file)
            except (UserError, OSError, sqlite3.Error) as error:
                if not self._has_warned:
                    self._has_warned = True
                    reason = error.message if isinstance(error, UserError) else str(error)
                    self._warn(f"No session can be made: {reason}. Flows stay in memory only until one can be.")
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._made = None
            self._begin(self._session_of(file), is_start=True)
            if self._has_warned:
                self._tell(f"Flows are kept in the session {self.name} now; nothing was lost.")
            return

    def _unnamed_file(self) -> SessionFile:
        with self._guard:  # whoever ends waits for this one
            if not self._wants_one:
                raise UserError("it is not wanted any more")
            self._made = self._new_unnamed()
            return self._made

    def _new_unnamed(self) -> SessionFile:
        path = unnamed_path(self._options.confdir_path, time.time())
        make_folder(path)
        prune_unnamed(self._options.confdir_path)
        return SessionFile.open(path)

    def _make_none(self) -> None:
        """One that is about to be made is not wanted any more."""
        if self._making is not None:
            self._making.cancel()
        with self._guard:
            self._wants_one = False
            if self._made is not None:
                self._made.close()
                with suppress(OSError):
                    remove_session(self._made.path)
                self._made = None

    # Another one

    def path_of(self, name: str) -> Path:
        """UserError if no session can be called so."""
        return path_of(name, self._options.confdir_path)

    async def open(self, name: str) -> str:
        """Leaves this session for that one, which is made if there is none. What to tell the user; UserError if it cannot be:
        then this one is still open."""
        path = self.path_of(name)
        if self.path is not None and path.absolute() == self.path.absolute():
            return f"{self.name} is open"
        make_folder(path)
        return await self._switch(lambda: SessionFile.open(path))

    async def begin(self) -> str:
        """Leaves this session for a new one without a name."""
        return await self._switch(self._new_unnamed)

    async def _switch(self, make: Callable[[], SessionFile]) -> str:
        if self._is_moving or self.cleaning.is_busy:
            raise UserError("the session is being worked on; wait for that, or :session.stop it")
        self._is_moving = True
        try:
            old = self._store.session
            if old is not None and old.failure:
                raise UserError(f"this session cannot be written, so flows would be lost: {old.failure}; w saves them elsewhere")
            file = await asyncio.to_thread(make)
            session = await asyncio.to_thread(self._session_of, file)  # which closes the file if it cannot be read
            if old is not None and old.is_written:
                self._store.write_now()
                await asyncio.to_thread(old.settle)  # most of what is to be written is, so that the rest takes no time
            was = self.name
            self._make_none()
            lost = self._store.leave()
            if old is not None and old.is_written:
                _remove_if_empty(old)
            self._undo.detach()
            self._begin(session)
            self._tell_of(session)
        finally:
            self._is_moving = False
        if lost:
            return f"{lost} flows could not be written to {was}; {self.name} is open"
        return f"{self.name} is open" + (f"; {was} is closed" if was and old is not None and old.table.size else "")

    async def rename(self, name: str) -> str:
        """Gives this session that name. What to tell the user; UserError if it cannot be."""
        session, path = self._store.session, self.path_of(name)
        if session is None:
            return await self.open(name)  # what is in memory only goes along
        if session.file.read_only:
            raise UserError(f"this session is only read: {session.file.read_only}")
        make_folder(path)
        if path.exists():
            raise UserError(f"{name} is there already; :session.open {name} opens it")
        if self._is_moving or self.cleaning.is_busy:
            raise UserError("the session is being worked on; wait for that, or :session.stop it")
        self._is_moving = True
        try:
            await asyncio.to_thread(session.settle)
            session.move(path)
        finally:
            self._is_moving = False
        return f"this session is {self.name} now"

    # What the user was doing

    def _options_changed(self, options: Options, names: set[str]) -> None:
        if names.intersection(_RESTORED):
            self._note_settings()

    def _note_settings(self) -> None:
        if self._store.session is not None:
            self._store.note("settings", {name: getattr(self._options, name) for name in _RESTORED})

    def _restore(self, settings: Any, is_start: bool) -> None:
        """What was typed to start the program counts more at its start, and no more when another session is opened later."""
        if not isinstance(settings, dict):
            return
        typed = {name for name in _RESTORED if is_start and self._options.was_typed(name)}
        if "intercept" in typed:
            typed.add("intercept_active")
        try:
            self._options.update(**{name: settings[name] for name in _RESTORED if name in settings and name not in typed})
        except UserError as error:
            self._warn(f"Settings of the session could not be restored: {error.message}")

    def _warn(self, message: str) -> None:
        self._say("warn", message)

    def _tell(self, message: str) -> None:
        self._say("alert", message)


def _remove_if_empty(session: Session) -> None:
    """One without a name that nothing happened in. After it was closed."""
    if is_unnamed(session.file.path) and not session.table.size:
        with suppress(OSError):
            remove_session(session.file.path)
