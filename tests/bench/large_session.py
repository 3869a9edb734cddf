"""A session of a million small flows: made, opened, scrolled and filtered; how long each takes, and the memory it needs.

    python -m tests.bench.large_session [COUNT] [FILE]        the file is made if it is not there
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import HttpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.session.columns import row_of
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool
from interceptor.session.store import Store
from interceptor.session.view import View
from interceptor.specs.filter import parse
from tests.session.support import Time

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


def timed(what: str, deed: Callable[[], object]) -> None:
    begin = time.perf_counter()
    said = deed()
    print(f"{what:44} {(time.perf_counter() - begin) * 1000:8.0f} ms   {resident():6.0f} MB   {said if said is not None else ''}")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    path = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()).resolve()
    path = path / f"{count}.session" if path.is_dir() else path
    if not path.exists():
        timed(f"made: {count} flows", lambda: make(path, count))
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB")
    turns = Time()
    store = Store(turns.schedule)
    view = View(store)
    timed("opened", lambda: store.open(Session(SessionFile.open(path), store.spool.new_body)))
    timed("first fifty rows", lambda: [flow.id for flow in view[:50]][-1])
    timed("all rows in order", view.finish_refiltering)
    timed("to the end, fifty rows", lambda: [flow.id for flow in view[-50:]][-1])
    timed("to the middle, fifty rows", lambda: [flow.id for flow in view[len(view) // 2 : len(view) // 2 + 50]][-1])
    for text in ("~d host17\\.", "~c 404 & ~m POST", "~ts json & ~d host3"):
        view.set_filter(parse(text))
        timed(f"filter {text}", lambda: (view.finish_refiltering(), len(view))[1])
    store.close()


if __name__ == "__main__":
    main()
