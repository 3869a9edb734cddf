"""A session of a million small flows: made, indexed, opened, scrolled, filtered and searched; what each takes, and the memory.

    python -m tests.bench.large_session [COUNT] [FILE]        the file is made if it is not there

Milliseconds are those of this process on a processor, so that they mean the same on a machine that has other things to do.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.session.columns import row_of
from interceptor.session.search.index_file import IndexFile, index_path
from interceptor.session.search.indexer import BlockIndexer
from interceptor.session.search.places import BODY_LIMIT
from interceptor.session.search.reading import Reading
from interceptor.session.search.searching import Searching
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool
from interceptor.session.store import Store
from interceptor.session.view import View
from interceptor.specs.filter import Filter, parse
from interceptor.specs.searched import parse_searched
from tests.session.support import Time

FILTERS = ("~d host17\\.", "~c 404 & ~m POST", "~ts json & ~d host3", "!~d host3", "~b 123456", "~all")
SEARCHES = ("123456", "item/99999", "~d host17\\. re:item/1234[0-9]+", "host17.example", "example")
T = TypeVar("T")

TYPES = (b"text/html", b"application/json", b"image/png", b"text/css", b"application/javascript")


def small_flow(number: int, client: Connection, server: Connection) -> HttpFlow:
    at = 1_700_000_000 + number / 100
    host = f"host{number % 200}.example.com"
    fields = [(b"Host", host.encode()), (b"User-Agent", b"bench"), (b"Accept", b"*/*"), (b"X-Request", b"%d" % number)]
    request = Request("POST" if number % 7 == 0 else "GET", "https", host, 443, b"/item/%d" % number, headers=Headers(fields))
    request.timestamp_start = request.timestamp_end = at
    answer = Headers([(b"Content-Type", TYPES[number % 5]), (b"Content-Length", b"200"), (b"Server", b"bench")])
    response = Response(404 if number % 50 == 0 else 200, b"OK", headers=answer, body=MemoryBody(b"%20d" % number * 10))
    response.timestamp_start = response.timestamp_end = at + 0.05
    return HttpFlow(number, client, server, "regular", at, at + 0.05, request=request, response=response)


def make(path: Path, count: int) -> None:
    session = Session(SessionFile.open(path), Spool().new_body)
    client = Connection(Side.CLIENT, ("127.0.0.1", 5000), opened_at=1.0, connected_at=1.0)
    server = Connection(Side.SERVER, ("example.com", 443), opened_at=1.0, connected_at=1.0)
    for start in range(1, count + 1, 2_000):
        flows = [small_flow(number, client, server) for number in range(start, min(start + 2_000, count + 1))]
        for flow in flows:
            session.table.list(flow.id)
            session.table.set_row(flow.id, row_of(flow, session.table.words))
        session.write(flows)
        session.note("flows", session.table.count)
        session.flush()
        session.settle()
        session.poll()
    session.close()


def resident() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def make_index(path: Path) -> None:
    """Without rests, in this thread."""
    reading = Reading(SessionFile.open(path))
    index = IndexFile.to_write(reading.file, path, BODY_LIMIT)
    indexer, done = BlockIndexer(reading, index), index.done
    while (block := reading.file.next_block(done)) is not None:
        indexer.add(block)
        done = block
        if indexer.uncommitted > 2_000_000:
            index.commit(done)
            indexer.uncommitted = 0
    index.begin()
    index.commit(done)
    index.close()
    reading.close()


class Large:
    """The session opened as the console does it, and what a person does with it. Each deed gives what it has found."""

    def __init__(self, path: Path) -> None:
        self._turns = Time()
        self.store = Store(self._turns.schedule)
        self.view = View(self.store)
        self.store.open(Session(SessionFile.open(path), self.store.spool.new_body))
        self.searching = Searching(self.store, lambda: False)

    def all_rows(self) -> int:
        return self._filtered(None)

    def filtered(self, text: str) -> int:
        return self._filtered(parse(text))

    def _filtered(self, wanted: Filter | None) -> int:
        self.view.set_filter(wanted)
        self.view.finish_refiltering()
        return len(self.view)

    def time_passes(self) -> None:
        """What was left for later is done: rows that are shown no more are forgotten."""
        self._turns.passes(10)

    def rows_at(self, row: int) -> int:
        return [flow.id for flow in self.view[row : row + 50]][-1]

    def found(self, typed: str) -> list[int]:
        run = self.searching.begin(parse_searched(typed))
        assert run.wait() and not run.problem
        return [found.flow_id for found in run.found]

    def close(self) -> None:
        self.searching.close()
        self.store.close()


def milliseconds(deed: Callable[[], T]) -> tuple[float, T]:
    begin = time.process_time()
    said = deed()
    return (time.process_time() - begin) * 1000, said


def timed(what: str, deed: Callable[[], T]) -> T:
    took, said = milliseconds(deed)
    shown = "" if said is None or isinstance(said, Large) else len(said) if isinstance(said, list) else said
    print(f"{what:44} {took:8.0f} ms   {resident():6.0f} MB   {shown}")
    return said


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    path = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()).resolve()
    path = path / f"{count}.session" if path.is_dir() else path
    if not path.exists():
        timed(f"made: {count} flows", lambda: make(path, count))
    if not index_path(path).exists():
        timed("indexed", lambda: make_index(path))
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB, its index {index_path(path).stat().st_size / 1e6:.0f} MB")
    large = timed("opened", lambda: Large(path))
    timed("first fifty rows", lambda: large.rows_at(0))
    timed("all rows in order", large.all_rows)
    timed("to the end, fifty rows", lambda: large.rows_at(count - 50))
    timed("to the middle, fifty rows", lambda: large.rows_at(count // 2))
    for text in FILTERS:
        timed(f"filter {text}", lambda text=text: large.filtered(text))  # type: ignore[misc]
        large.time_passes()
    for typed in SEARCHES:
        timed(f"search {typed}", lambda typed=typed: large.found(typed))  # type: ignore[misc]
    large.close()


if __name__ == "__main__":
    main()
