"""Where sessions lie: by name in the configuration folder, or anywhere as a file. Which there are, and which may go.

    "shop" ─▸ confdir/sessions/shop.session        "./shop.session", "/tmp/x" ─▸ that file        nothing ─▸ unnamed-….session

Sessions without a name are kept so that nothing is lost that nobody saved; the newest `UNNAMED_KEPT` of them.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interceptor.session.file_lock import is_locked
from interceptor.session.session_file import SessionFile, remove_session
from interceptor.specs.errors import UserError

SUFFIX: Final = ".session"
UNNAMED: Final = "unnamed-"
UNNAMED_KEPT: Final = 10
_NAME: Final = re.compile(r"[^\s/\\.~-][^/\\\x00-\x1f\x7f]{0,99}")


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """`problem` says why nothing is known of it; "" otherwise."""

    name: str
    path: Path
    size: int
    changed_at: float
    flows: int = 0
    is_open: bool = False
    problem: str = ""


def folder_of(confdir: Path) -> Path:
    return confdir / "sessions"


def path_of(name: str, confdir: Path) -> Path:
    """The file of a session that was named so, or of that path. UserError if it can be neither."""
    if os.sep in name or "/" in name or name.endswith(SUFFIX) or name.startswith((".", "~")):
        return Path(name).expanduser()
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot be the name of a session: a name begins with a letter or a digit, a file has a / in it")
    return folder_of(confdir) / f"{name}{SUFFIX}"


def name_of(path: Path, confdir: Path) -> str:
    """What to call it: its name, or its path if it lies somewhere else."""
    return path.name.removesuffix(SUFFIX) if path.parent == folder_of(confdir) else str(path)


def is_unnamed(path: Path) -> bool:
    return path.name.startswith(UNNAMED)


def unnamed_path(confdir: Path, now: float) -> Path:
    """One that is not there yet."""
    stem = f"{UNNAMED}{time.strftime('%Y-%m-%d-%H%M%S', time.localtime(now))}"
    path, number = folder_of(confdir) / f"{stem}{SUFFIX}", 1
    while path.exists():
        number += 1
        path = path.with_name(f"{stem}-{number}{SUFFIX}")
    return path


def make_folder(path: Path) -> None:
    """In which that session is to lie. UserError if it cannot be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UserError(f"the folder {path.parent} cannot be made: {error.strerror or error}") from None


def all_sessions(confdir: Path, own: Path | None = None) -> Sequence[SessionFacts]:
    """Those of the folder, the last changed first. `own` is open in this program."""
    with suppress(OSError):
        return sorted(
            (facts_of(path, confdir, path == own) for path in folder_of(confdir).glob(f"*{SUFFIX}")),
            key=lambda facts: -facts.changed_at,
        )
    return []


def facts_of(path: Path, confdir: Path, is_own: bool = False) -> SessionFacts:
    size, changed_at = 0, 0.0
    for each in (path, Path(f"{path}-wal")):
        with suppress(OSError):
            found = each.stat()
            size, changed_at = size + found.st_size, max(changed_at, found.st_mtime)
    name = name_of(path, confdir)
    try:
        file = SessionFile.glance(path)
        try:
            flows = int(file.states().get("flows", 0))
        finally:
            file.close()
    except (UserError, sqlite3.Error, ValueError) as error:
        problem = error.message if isinstance(error, UserError) else str(error)
        return SessionFacts(name, path, size, changed_at, problem=problem)
    return SessionFacts(name, path, size, changed_at, flows, is_own or is_locked(path))


def prune_unnamed(confdir: Path, kept: int = UNNAMED_KEPT) -> None:
    """Removes the oldest sessions without a name, so that so many are left. Those that are open somewhere stay."""
    paths = sorted(folder_of(confdir).glob(f"{UNNAMED}*{SUFFIX}"), key=lambda path: path.name, reverse=True)
    for path in paths[kept:]:
        with suppress(OSError):
            if not is_locked(path):
                remove_session(path)
