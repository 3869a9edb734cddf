"""The life of the session that a program works in: opened at its start, restored, kept, closed.

    option `session` ─▸ named: opened at once, or the program does not start
                        unset: an unnamed one, made beside everything else; it is kept for the case that it is missed
                        none:  flows are in memory only

What the user was doing in it (filter, order, interception) is noted in it whenever it changes, and set again when it is opened,
but for what this start of the program says otherwise.
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
from interceptor.session.kept_changes import KeptChanges
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile, remove_session
from interceptor.session.sessions import is_unnamed, make_folder, name_of, path_of, prune_unnamed, unnamed_path
from interceptor.session.store import Store
from interceptor.session.undo import Undo
from interceptor.specs.errors import UserError

NO_SESSION: Final = "none"
_RESTORED: Final = ("view_filter", "view_order", "view_order_reversed", "intercept", "intercept_active")
_RETRY_SECONDS: Final = 5.0

Say = Callable[[str, str], None]
"""Level of the event log, message."""


class SessionLife:
    def __init__(self, options: Options, store: Store, undo: Undo, say: Say) -> None:
        self._options, self._store, self._undo, self._say = options, store, undo, say
        self._is_ended = False
        self._has_warned = False
        self._making: asyncio.Task[None] | None = None
        self._guard = threading.Lock()  # of the two below, which the thread that makes a file looks at
        self._made: SessionFile | None = None  # and not taken up yet
        options.subscribe(self._options_changed)

    @property
    def name(self) -> str:
        """Of the session that is open; "" if there is none."""
        session = self._store.session
        return name_of(session.file.path, self._options.confdir_path) if session is not None else ""

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

    def start(self, *, makes_unnamed: bool) -> None:
        """As the option says. UserError if a session that was named cannot be opened."""
        wanted = self._options.session
        if wanted and wanted != NO_SESSION:
            self._open(path_of(wanted, self._options.confdir_path))
        elif not wanted and makes_unnamed:
            self._making = asyncio.get_running_loop().create_task(self._make_unnamed())

    def close(self) -> str:
        """What a person should know of the end; "" if all is well."""
        if self._making is not None:
            self._making.cancel()
        with self._guard:
            self._is_ended = True
            if self._made is not None:
                self._made.close()
                with suppress(OSError):
                    remove_session(self._made.path)
        session = self._store.session
        lost = self._store.close()
        if session is None or not session.is_written:
            return ""
        path = session.file.path
        if is_unnamed(path) and not session.table.size:
            with suppress(OSError):
                remove_session(path)
        return f"{lost} flows could not be written to {path}: {session.failure}" if lost else ""

    def _open(self, path: Path) -> None:
        make_folder(path)
        file = SessionFile.open(path)
        session = Session(file, self._store.spool.new_body, self._warn, self._tell)
        self._begin(session)
        if file.read_only:
            self._warn(f"The session {path} is only read: {file.read_only}. What happens from now on is not kept.")
        elif session.table.count:
            self._tell(f"The session {self.name} has {session.table.count} flows.")

    def _begin(self, session: Session) -> None:
        session.note("created", session.states.get("created", time.time()))
        self._store.open(session)
        self._undo.attach(KeptChanges(session, self._store) if session.is_written else None)
        self._restore(session.states.get("settings"))
        self._note_settings()

    async def _make_unnamed(self) -> None:
        """In a thread, because a disk may be slow; again after a while if it cannot be."""
        while not self._is_ended:
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
            self._begin(Session(file, self._store.spool.new_body, self._warn, self._tell))
            if self._has_warned:
                self._tell(f"Flows are kept in the session {self.name} now; nothing was lost.")
            return

    def _unnamed_file(self) -> SessionFile:
        confdir = self._options.confdir_path
        path = unnamed_path(confdir, time.time())
        with self._guard:  # whoever ends waits for this one
            if self._is_ended:
                raise UserError("the program ends")
            make_folder(path)
            prune_unnamed(confdir)
            self._made = SessionFile.open(path)
            return self._made

    # What the user was doing

    def _options_changed(self, options: Options, names: set[str]) -> None:
        if names.intersection(_RESTORED):
            self._note_settings()

    def _note_settings(self) -> None:
        if self._store.session is not None:
            self._store.note("settings", {name: getattr(self._options, name) for name in _RESTORED})

    def _restore(self, settings: Any) -> None:
        if not isinstance(settings, dict):
            return
        wanted = {
            name: settings[name] for name in _RESTORED if name in settings and not self._options.was_typed(name)
        }
        if self._options.was_typed("intercept"):
            wanted.pop("intercept_active", None)
        try:
            self._options.update(**wanted)
        except UserError as error:
            self._warn(f"Settings of the session could not be restored: {error.message}")

    def _warn(self, message: str) -> None:
        self._say("warn", message)

    def _tell(self, message: str) -> None:
        self._say("alert", message)
