"""A session in one SQLite file: opened, checked, locked, read. `session_writer` writes it, in a thread of its own.

    block       some flows that were written together: an index (ids, where each record ends, columns) and their records, packed
    body        contents, each once, by digest; those above `CHUNK` lie in `chunk`, in pieces
    connection, word, state    what flows refer to, texts by number, and what there is to know of the session as a whole
    deed        what the user has changed, to be undone

A flow that was written again stands in several blocks: the last one counts. So writing is always adding, whatever changes.
Whoever opens a file to write holds a lock on it; a second program may only read. Nothing is changed in a file that is not a
session, that a newer version wrote, or that is damaged. Any thread may read.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from interceptor.session.columns import block_records, read_index
from interceptor.session.file_lock import FileLock
from interceptor.session.record_parts import Malformed
from interceptor.specs.errors import UserError

APPLICATION: Final = 0x494E5443
"""What SQLite's header calls a file of ours."""
MIGRATIONS: Final = (
    """
    CREATE TABLE block(number INTEGER PRIMARY KEY, content_index BLOB NOT NULL, records BLOB NOT NULL);
    CREATE TABLE body(number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, content BLOB);
    CREATE TABLE chunk(place INTEGER PRIMARY KEY, content BLOB NOT NULL);
    CREATE TABLE connection(number INTEGER PRIMARY KEY, record BLOB NOT NULL);
    CREATE TABLE word(number INTEGER PRIMARY KEY, text TEXT NOT NULL);
    CREATE TABLE state(name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
    """
    CREATE TABLE deed(number INTEGER PRIMARY KEY, label TEXT NOT NULL, is_undone INTEGER NOT NULL, record BLOB NOT NULL);
    """,
)
"""What makes a file of one version one of the next; together they make a new file."""
VERSION: Final = len(MIGRATIONS)
_VERSION_WITH_DEEDS: Final = 2
CHUNK: Final = 1024 * 1024
CHUNKS_SHIFT: Final = 24
"""A chunk's place is the number of its body, and its number in it below that many bits."""
INDEX_SUFFIX: Final = "-index"
"""Of the file beside a session that is searched; see `search.index_file`."""
_PAGE: Final = 8_192
_BLOCKS_AT_HAND: Final = 16
_BUSY_SECONDS: Final = 5.0


class Damaged(UserError):
    """The file is not what it should be; it was left as it was."""


class SessionFile:
    """`read_only` says why it may not be written; "" if it may."""

    def __init__(self, path: Path, lock: FileLock | None, connection: sqlite3.Connection, read_only: str) -> None:
        self.path = path
        self.read_only = read_only
        self.version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        """Of what is in it: an older one, where it is only read."""
        self._lock = lock
        self._connection = connection
        self._guard = threading.Lock()
        self._blocks: OrderedDict[int, tuple[dict[int, tuple[int, int]], bytes]] = OrderedDict()
        self.problem = ""
        """Why something could last not be read."""

    @classmethod
    def open(cls, path: Path) -> SessionFile:
        """Made if there is none. UserError if it cannot be: then nothing was changed."""
        lock, read_only = None, ""
        try:
            lock = FileLock.take(path)
        except BlockingIOError:
            read_only = "another program has it open"
        except PermissionError:
            if not path.exists():
                raise UserError(f"{path} cannot be made: permission denied") from None
            read_only = "it may not be written"
        except OSError as error:
            if not path.exists():
                raise UserError(f"{path} cannot be made: {error.strerror or error}") from None
            read_only = f"it cannot be written: {error.strerror or error}"
        if lock is not None and not os.access(path.absolute().parent, os.W_OK):  # SQLite makes files beside it
            lock.release()
            lock, read_only = None, "its folder may not be written"
        try:
            return cls(path, lock, *_opened(path, read_only))
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @classmethod
    def glance(cls, path: Path) -> SessionFile:
        """To read a little of it now, leaving no trace beside it. UserError if it cannot be."""
        return cls(path, None, *_opened(path, "it was opened to be read", "ro" if _log_size(path) else "ro&immutable=1"))

    def another(self) -> SessionFile:
        """The same file, to be read by another thread. UserError if it cannot be."""
        return SessionFile(self.path, None, *_opened(self.path, "it was opened to be read"))

    def connect_to_write(self) -> sqlite3.Connection:
        """For the thread that writes. sqlite3.Error if it cannot be."""
        return _for_writing(self.path)

    def connect_to_read(self) -> sqlite3.Connection:
        """For a thread that reads much. sqlite3.Error if it cannot be."""
        return _connected(self.path, "ro")

    # Reading

    def states(self) -> dict[str, Any]:
        with self._guard:
            rows = self._connection.execute("SELECT name, value FROM state").fetchall()
        return {name: json.loads(value) for name, value in rows}

    def words(self) -> list[str]:
        with self._guard:
            rows = self._connection.execute("SELECT number, text FROM word ORDER BY number").fetchall()
        if any(number != index for index, (number, _) in enumerate(rows)):
            raise Malformed("words are missing")
        return [text for _, text in rows]

    def last_numbers(self) -> tuple[int, int, int]:
        """Of blocks, bodies and connections."""
        with self._guard:
            found = self._connection.execute(
                "SELECT (SELECT max(number) FROM block), (SELECT max(number) FROM body), (SELECT max(number) FROM connection)"
            ).fetchone()
        return tuple(each or 0 for each in found)  # type: ignore[return-value]

    def indexes(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """Of all blocks, in the order in which they were written."""
        while True:
            with self._guard:
                rows = self._connection.execute(
                    "SELECT number, content_index FROM block WHERE number > ? ORDER BY number LIMIT 500", (after,)
                ).fetchall()
            if not rows:
                return
            yield from rows
            after = rows[-1][0]

    def index_of(self, block: int) -> bytes | None:
        with self._guard:
            row = self._connection.execute("SELECT content_index FROM block WHERE number = ?", (block,)).fetchone()
        return row[0] if row is not None else None

    def next_block(self, after: int) -> int | None:
        """The number of the first block behind that one."""
        with self._guard:
            row = self._connection.execute("SELECT min(number) FROM block WHERE number > ?", (after,)).fetchone()
        return None if row is None else row[0]

    def record(self, block: int, flow_id: int) -> bytes:
        """Of one flow. `Malformed` or sqlite3.Error if it cannot be read."""
        places, records = self.block(block)
        start, end = places[flow_id]
        return records[start:end]

    def block(self, number: int) -> tuple[dict[int, tuple[int, int]], bytes]:
        """Where the record of each flow is, and all records of a block."""
        with self._guard:
            if (found := self._blocks.get(number)) is not None:
                self._blocks.move_to_end(number)
                return found
            row = self._connection.execute("SELECT content_index, records FROM block WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise Malformed("a block is missing")
        ids, ends, _ = read_index(row[0])
        records = block_records(row[1], ends)
        places = dict(zip(ids, zip([0, *ends], ends, strict=False), strict=True))
        with self._guard:
            self._blocks[number] = places, records
            while len(self._blocks) > _BLOCKS_AT_HAND:
                self._blocks.popitem(last=False)
        return places, records

    def deeds(self) -> list[tuple[int, str, bool]]:
        """Number, label, and whether it is undone, in the order in which they were done."""
        if self.version < _VERSION_WITH_DEEDS:
            return []
        with self._guard:
            rows = self._connection.execute("SELECT number, label, is_undone FROM deed ORDER BY number").fetchall()
        return [(number, label, bool(is_undone)) for number, label, is_undone in rows]

    def deed(self, number: int) -> bytes:
        """Its record. `Malformed` or sqlite3.Error if it cannot be read."""
        with self._guard:
            row = self._connection.execute("SELECT record FROM deed WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise Malformed("it is not there")
        return bytes(row[0])

    def connection(self, number: int) -> bytes | None:
        with self._guard:
            row = self._connection.execute("SELECT record FROM connection WHERE number = ?", (number,)).fetchone()
        return row[0] if row is not None else None

    def read_body(self, digest: bytes, start: int, count: int) -> bytes:
        try:
            with self._guard:
                return _content(self._connection, digest, start, count)
        except sqlite3.Error as error:
            self.problem = str(error)
            return b""

    def size_on_disk(self) -> int:
        """With what SQLite keeps beside it."""
        size = self.log_size()
        with suppress(OSError):
            size += self.path.stat().st_size
        return size

    def log_size(self) -> int:
        """Of what was written and is not in the file itself yet."""
        return _log_size(self.path)

    # The end

    def is_gone(self) -> bool:
        """Somebody has removed or replaced it; what was in it can still be read here."""
        return self._lock is not None and not self._lock.is_of(self.path)

    def make_again(self, writing: sqlite3.Connection) -> sqlite3.Connection:
        """After it was removed: the same file anew, with all that was in it, and what writes it from now on. OSError or
        sqlite3.Error if that cannot be."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock.take(self.path)
        try:
            copy = sqlite3.connect(self.path, check_same_thread=False)
            with copy:
                writing.backup(copy)
            copy.close()
            fresh = _for_writing(self.path)
            reading = _connected(self.path, "ro")
        except BaseException:
            lock.release()
            raise
        with self._guard:
            old, self._connection = self._connection, reading
            old_lock, self._lock = self._lock, lock
        old.close()
        writing.close()
        if old_lock is not None:
            old_lock.release()
        return fresh

    def move(self, path: Path) -> None:
        """Gives it another name in the same file system, while nobody writes. UserError if that cannot be: then it is where it
        was."""
        with self._guard:
            self._connection.close()
            try:
                # the last one that may write puts what SQLite keeps beside the file into it, and removes that
                _for_writing(self.path).close()
                if Path(f"{self.path}-wal").exists():
                    raise UserError(f"another program reads {self.path}; it can have another name when that has ended")
                _renamed(self.path, path)
                with suppress(OSError):  # without it another is made
                    os.rename(f"{self.path}{INDEX_SUFFIX}", f"{path}{INDEX_SUFFIX}")
                self.path = path
            except sqlite3.Error as error:
                raise UserError(f"{self.path} cannot have another name: {error}") from None
            finally:
                self._connection = _connected(self.path, "ro")

    def close(self, then: Callable[[], None] = lambda: None) -> None:
        """`then` is done while the lock is still held."""
        with self._guard:
            self._connection.close()
        then()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _log_size(path: Path) -> int:
    try:
        return os.stat(f"{path}-wal").st_size
    except OSError:
        return 0


def _content(connection: sqlite3.Connection, digest: bytes, start: int, count: int) -> bytes:
    row = connection.execute("SELECT number, size, substr(content, ?, ?) FROM body WHERE digest = ?",
                             (start + 1, count, digest)).fetchone()  # fmt: skip
    if row is None:
        return b""
    number, size, content = row
    if content is not None:
        return bytes(content)
    end = min(start + count, size)
    first = number << CHUNKS_SHIFT
    places = first + start // CHUNK, first + (end - 1) // CHUNK
    rows = connection.execute("SELECT content FROM chunk WHERE place BETWEEN ? AND ? ORDER BY place", places)
    offset = start - start % CHUNK
    return b"".join(piece for (piece,) in rows)[start - offset : end - offset]


def _opened(path: Path, read_only: str, mode: str = "ro") -> tuple[sqlite3.Connection, str]:
    """What reads it, and why it is only read. The file is a session of this version afterwards, or an error is raised."""
    try:
        if not read_only:
            writing = _connected(path, "rw")
            try:
                _check(writing, path)
                _migrate(writing)
                writing.execute("PRAGMA journal_mode = WAL")  # which waits for the disk: so not in the thread that writes
            finally:
                writing.close()
        try:
            connection = _connected(path, mode)
            _check(connection, path)
        except sqlite3.OperationalError:
            if not read_only:
                raise
            connection = _connected(path, "ro&immutable=1")  # a folder in which nothing may be made
            _check(connection, path)
    except sqlite3.OperationalError as error:
        raise UserError(f"{path} cannot be opened: {error}") from None
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from None
    return connection, read_only


def damaged(path: Path, reason: object) -> Damaged:
    return Damaged(f"{path} is damaged, or is no session: {reason}. It was left as it is; `sqlite3 {path} .recover` may help")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    application, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not tables and not application:
        return
    if application != APPLICATION:
        raise UserError(f"{path} is no session: some other program keeps its data in it")
    if version > VERSION:
        raise UserError(
            f"{path} is a session of version {version}, and this program knows those up to {VERSION}; a newer one opens it"
        )


def _migrate(connection: sqlite3.Connection) -> None:
    """All or nothing."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == VERSION:
        return
    if not version:
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # so that space can be given back while it is written
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    name = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(name, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _for_writing(path: Path) -> sqlite3.Connection:
    connection = _connected(path, "rw")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # what was committed outlives this program, if not the machine's power
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # `checkpoints` does them
    connection.execute("PRAGMA journal_size_limit = 0")  # the log's length says how far the file is behind
    connection.execute("PRAGMA cache_size = -16000")
    return connection


def _renamed(old: Path, new: Path) -> None:
    try:
        try:
            os.link(old, new)  # which replaces nothing
            os.unlink(old)
        except FileExistsError:
            raise UserError(f"{new} is there already") from None
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise UserError(f"{new} is on another disk; :save.file @all {new} writes the flows there") from None
            if new.exists():
                raise UserError(f"{new} is there already") from None
            os.rename(old, new)  # a file system without links
    except OSError as error:
        raise UserError(f"{new} cannot be made: {error.strerror or error}") from None


def remove_session(path: Path) -> None:
    """With its index, and all that SQLite keeps beside both. OSError if it cannot be."""
    for name in (f"{path}-wal", f"{path}-shm"):
        Path(name).unlink(missing_ok=True)
    remove_index(path)
    os.unlink(path)


def remove_index(path: Path) -> None:
    """That of the session of that path, while nobody has it open. It can be made anew. OSError if it cannot be removed."""
    index = f"{path}{INDEX_SUFFIX}"
    for name in (f"{index}-wal", f"{index}-shm", index):
        Path(name).unlink(missing_ok=True)
