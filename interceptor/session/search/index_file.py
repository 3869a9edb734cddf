"""The index of a session: an SQLite file beside it that says where a text may be. It can be made anew at any time.

    document    some flows that follow each other in a block, or the content of a body: a number
    text        trigrams of the documents (FTS5): which documents may have a text
    flows, used      what a document stands for: flows of a block; those that have a body
    partial     flows of which not everything is in the index, and why
    state       which session it belongs to, and up to which block it goes

It is only added to: a flow that was written again is indexed again, and whoever reads takes for each flow what its last block
says. What it gives are candidates; whether a text is really there says the flow. It is not the session: when it is damaged, or
does not belong to the session beside it, it is thrown away. Nothing waits for the disk, since nothing would be lost.
"""

from __future__ import annotations

import os
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from interceptor.session.session_file import INDEX_SUFFIX, SessionFile
from interceptor.specs.literals import folded

FORM: Final = 1
SHORTEST: Final = 3
"""Characters of a text that the index knows anything about."""
BINARY, OTHER_CHARSET, CUT = 1, 2, 4
"""Why a flow is `partial`: only its ASCII is in the index; it is there in other bytes; there is more of it."""

_TABLES: Final = (
    "CREATE TABLE state(name TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE flows(number INTEGER PRIMARY KEY, block INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL)",
    "CREATE TABLE body(number INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, partial INTEGER NOT NULL)",
    "CREATE TABLE used(number INTEGER NOT NULL, block INTEGER NOT NULL, flow INTEGER NOT NULL,"
    " PRIMARY KEY(number, block, flow)) WITHOUT ROWID",
    "CREATE TABLE partial(number INTEGER PRIMARY KEY, block INTEGER NOT NULL, flow INTEGER NOT NULL, why INTEGER NOT NULL)",
    "CREATE VIRTUAL TABLE text USING fts5(content, content='', columnsize=0, detail=none,"
    " tokenize='trigram case_sensitive 1')",
)
_MOST_TRIGRAMS: Final = 40
_BUSY_SECONDS: Final = 5.0


class Document(NamedTuple):
    """Flows of a block, from the first to the last."""

    block: int
    first: int
    last: int


class Unindexable(Exception):
    """There can be no index here; why, in words."""


def index_path(session: Path) -> Path:
    return Path(f"{session}{INDEX_SUFFIX}")


def remove_index(session: Path) -> None:
    """With all that SQLite keeps beside it. OSError if it cannot be."""
    path = index_path(session)
    for each in (f"{path}-wal", f"{path}-shm", path):
        Path(each).unlink(missing_ok=True)


def missing_ability() -> str:
    """Why this Python's SQLite cannot have an index; "" if it can."""
    if sqlite3.sqlite_version_info < (3, 34):
        return f"SQLite {sqlite3.sqlite_version} has no trigrams (3.34 does)"
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(_TABLES[-1])
    except sqlite3.Error as error:
        return f"SQLite {sqlite3.sqlite_version} has no full text search: {error}"
    finally:
        connection.close()
    return ""


def identity_of(session: SessionFile, block: int) -> bytes:
    """What the index remembers of a session up to that block; the same as long as it is the same session."""
    digest = blake2b(repr(session.states().get("created")).encode(), digest_size=16)
    for number in sorted({1, block}):
        digest.update(session.index_of(number) or b"")
    return digest.digest()


class IndexFile:
    """One connection to it; of one thread at a time. `done`: blocks up to that are in it."""

    def __init__(self, connection: sqlite3.Connection, session: SessionFile) -> None:
        self._connection, self._session = connection, session
        self.done = 0
        self._number = 0
        self.refresh()

    @classmethod
    def to_write(cls, session: SessionFile, path: Path, limit: int) -> IndexFile:
        """Made if there is none, made anew if it is not that of the session, or was made with another limit of what is indexed of
        a body. `Unindexable` if it cannot be."""
        if missing := missing_ability():
            raise Unindexable(missing)
        for attempt in range(2):
            try:
                descriptor = os.open(index_path(path), os.O_CREAT | os.O_RDWR, 0o600)
                os.close(descriptor)
                return cls._made(session, path, limit)
            except (sqlite3.Error, NotOurs) as error:
                if attempt or (isinstance(error, sqlite3.OperationalError) and "locked" in str(error)):
                    raise Unindexable(str(error)) from None
                with suppress(OSError):
                    remove_index(path)
            except OSError as error:
                raise Unindexable(error.strerror or str(error)) from None
        raise AssertionError("two attempts end in one way or the other")

    @classmethod
    def _made(cls, session: SessionFile, path: Path, limit: int) -> IndexFile:
        connection = _connected(path, "rw")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA cache_size = -8000")
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                connection.execute("BEGIN IMMEDIATE")
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute("INSERT INTO state VALUES ('limit', ?)", (limit,))
                connection.execute(f"PRAGMA user_version = {FORM}")
                connection.execute("COMMIT")
            elif connection.execute("SELECT value FROM state WHERE name = 'limit'").fetchone() != (limit,):
                raise NotOurs("it was made with another limit")
            return cls(connection, session)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def to_read(cls, session: SessionFile, path: Path) -> IndexFile | None:
        """None if there is none that could be used."""
        if missing_ability() or not index_path(path).exists():
            return None
        for mode in ("ro", "ro&immutable=1"):  # the second one in a folder in which nothing may be made
            try:
                connection = _connected(path, mode)
            except sqlite3.Error:
                continue
            try:
                connection.execute("PRAGMA cache_size = -4000")
                return cls(connection, session)
            except (sqlite3.Error, NotOurs) as error:
                connection.close()
                if not isinstance(error, sqlite3.OperationalError):
                    return None
        return None

    def refresh(self) -> None:
        """Looks up how far it goes by now."""
        if self._connection.execute("PRAGMA user_version").fetchone()[0] != FORM:
            raise NotOurs("it is of another version")
        states = dict(self._connection.execute("SELECT name, value FROM state").fetchall())
        done = int(states.get("done", 0))
        if done != self.done:
            if states.get("session") != identity_of(self._session, done):
                raise NotOurs("it is that of another session")
            self.done = done
        self._number = int(states.get("number", 0))

    def close(self) -> None:
        self._connection.close()

    # Filling it

    def begin(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    def add_flows(self, document: Document, text: str) -> None:
        """Their texts that are theirs alone."""
        number = self._add(text)
        self._connection.execute("INSERT INTO flows VALUES (?, ?, ?, ?)", (number, *document))

    def body(self, name: bytes) -> tuple[int, int] | None:
        """The number of that body's document, and what is partial about it; None if it has to be added."""
        row = self._connection.execute("SELECT number, partial FROM body WHERE name = ?", (name,)).fetchone()
        return row if row is None else (row[0], row[1])

    def add_body(self, name: bytes, text: str, partial: int) -> int:
        number = self._add(text)
        self._connection.execute("INSERT INTO body VALUES (?, ?, ?)", (number, name, partial))
        return number

    def add_used(self, uses: Iterable[tuple[int, int, int]]) -> None:
        """(number of the body's document, block, flow)"""
        self._connection.executemany("INSERT OR IGNORE INTO used VALUES (?, ?, ?)", uses)

    def add_partial(self, flows: Iterable[tuple[int, int, int]]) -> None:
        """(block, flow, why)"""
        self._connection.executemany("INSERT INTO partial(block, flow, why) VALUES (?, ?, ?)", flows)

    def _add(self, text: str) -> int:
        self._number += 1
        text = folded(text)
        try:
            self._connection.execute("INSERT INTO text(rowid, content) VALUES (?, ?)", (self._number, text))
        except UnicodeEncodeError:
            text = text.encode("utf-8", "replace").decode("utf-8")
            self._connection.execute("INSERT INTO text(rowid, content) VALUES (?, ?)", (self._number, text))
        return self._number

    def commit(self, done: int) -> None:
        """All blocks up to that are in it now."""
        values = [("done", done), ("number", self._number), ("session", identity_of(self._session, done))]
        self._connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values)
        self._connection.execute("COMMIT")
        self.done = done

    def roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    # Asking it

    def documents(self, texts: Sequence[str]) -> Iterator[Document]:
        """Where flows may be that have all of these texts in one place, whatever their case: as they are found, so that the first
        are there at once, however many there are. Call with texts of which one is long enough."""
        rows = self._connection.execute(
            "SELECT flows.block, first, last, used.block, used.flow FROM text LEFT JOIN flows ON flows.number = text.rowid"
            " LEFT JOIN used ON used.number = text.rowid WHERE text MATCH ?",
            (_query(texts),),
        )
        for block, first, last, used_block, flow in rows:
            if block is not None:
                yield Document(block, first, last)
            elif used_block is not None:
                yield Document(used_block, flow, flow)

    def few_documents(self, texts: Sequence[str], most: int) -> list[Document] | None:
        """None if there are more than `most`."""
        found = list(islice(self.documents(texts), most + 1))
        return found if len(found) <= most else None

    def partial(self, why: int, most: int) -> list[Document] | None:
        """Flows that are partial in one of these ways. None if they are more than `most`."""
        rows = self._connection.execute("SELECT block, flow, flow FROM partial WHERE why & ? LIMIT ?", (why, most + 1))
        found = [Document(*row) for row in rows]
        return found if len(found) <= most else None

    def count_partial(self, why: int) -> int:
        count: int = self._connection.execute("SELECT count(DISTINCT flow) FROM partial WHERE why & ?", (why,)).fetchone()[0]
        return count

    def interrupt(self) -> None:
        """From any thread: a question that is being answered ends with sqlite3.OperationalError."""
        self._connection.interrupt()


def is_long_enough(text: str) -> bool:
    return len(text) >= SHORTEST and bool(_trigrams(text))


def _trigrams(text: str) -> list[str]:
    text = folded(text)
    found = dict.fromkeys(text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1))
    return [each for each in found if each.isprintable()]


def _query(texts: Sequence[str]) -> str:
    trigrams = list(dict.fromkeys(each for text in texts for each in _trigrams(text)))[:_MOST_TRIGRAMS]
    return " AND ".join(f'"{each.replace(chr(34), chr(34) * 2)}"' for each in trigrams)


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    name = f"{index_path(path).absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(name, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


class NotOurs(Exception):
    """It cannot be used with this session."""


def places_in(documents: Iterable[Document], base: int, blocks: array[int]) -> Iterable[int]:
    """The places in a table of the flows that documents stand for, but for those that were written again since."""
    size = len(blocks)
    for document in documents:
        for place in range(max(document.first - base, 0), min(document.last - base + 1, size)):
            if blocks[place] == document.block:
                yield place
