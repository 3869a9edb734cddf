"""What nobody needs leaves the file, what somebody may need stays, and a file is whole whenever the work on it ends."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interceptor.model.connection import Connection, Side, TlsFacts
from interceptor.model.flow import HttpFlow
from interceptor.model.records import BodyData, FlowEnded, FlowStarted
from interceptor.session.cleaning import Cleaning
from interceptor.session.compaction import Compaction
from interceptor.session.kept_changes import KeptChanges
from interceptor.session.session_file import CHUNK, INDEX_SUFFIX
from interceptor.session.undo import Undo
from interceptor.specs.errors import UserError
from interceptor.tui.flow_changes import FlowChanges
from tests.session.support import http_flow
from tests.session.test_session import Program, content, paths_of


class Run(Program):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.undo, self.told = Undo(), list[str]()
        self.undo.attach(KeptChanges(self.session, self.store))
        self.changes = FlowChanges(self.store, self.undo)
        self.cleaning = Cleaning(self.store, self.undo, self.told.append)

    def clean(self, is_purge: bool) -> str:
        async def both() -> str:
            return await self.cleaning.clean(await self.cleaning.find(is_purge))

        return asyncio.run(both())

    def size(self, is_purge: bool) -> int:
        return asyncio.run(self.cleaning.find(is_purge)).size

    def delete(self, *flow_ids: int) -> None:
        self.changes.remove(flow_ids, "deletion")
        self.settle()

    def edit(self, flow: HttpFlow, body: bytes) -> None:
        assert flow.response is not None
        self.changes.edit(flow, "response", "edit", lambda: flow.response.set_content(body))  # type: ignore[union-attr]
        self.settle()

    def count(self, table: str) -> int:
        with sqlite3.connect(self.file.path) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


class Beside:
    """Reads the index of a session."""

    def __init__(self, run: Run) -> None:
        self.seen: list[bool] = []
        self._index = Path(f"{run.file.path}{INDEX_SUFFIX}")
        self._index.write_bytes(b"what flows have said")
        run.session.readers_beside.append(self)

    def let_go(self) -> None:
        self.seen.append(self._index.exists())

    def take_up(self) -> None:
        self.seen.append(self._index.exists())


Start = Callable[[], Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def start() -> Run:
        for run in runs:
            run.close()
        runs.append(Run(tmp_path / "shop.session"))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def test_a_purge_frees_what_it_said_and_leaves_the_rest(start: Start) -> None:
    run = start()
    large, middle, shared = noise(1, 3 * CHUNK), noise(2, 300_000), noise(3, 50_000)
    for path, body in (("/1", large), ("/2", middle), ("/3", shared), ("/4", shared), ("/5", b"small")):
        run.flow(path, body)
    run.settle()
    assert run.size(True) < 20_000
    run.delete(1, 2, 3)
    expected = run.size(True)
    assert 0 <= expected - len(large) - len(middle) < 20_000
    beside, told = Beside(run), run.clean(True)
    assert told.startswith("3 flows are gone for good; 3.") and beside.seen == [True, False]
    assert run.file.size_on_disk() < len(shared) + 150_000
    assert (run.undo.undo(), run.count("body"), run.count("chunk")) == (None, 1, 0)
    assert [content(flow) for flow in run.store] == [shared, b"small"]
    run.flow("/6", middle)
    run = start()
    assert paths_of(run.store) == ["/4", "/5", "/6"]
    assert [content(flow) for flow in run.store] == [shared, b"small", middle]
    assert run.store.next_id() == 7


def test_what_is_made_compact_can_still_be_undone(start: Start) -> None:
    run = start()
    flow = run.flow("/1", noise(1, 20_000))
    run.flow("/2", noise(2, 20_000))
    run.settle()
    run.edit(flow, noise(3, 30_000))
    run.edit(flow, noise(4, 30_000))
    run.delete(2)
    assert run.count("block") == 3
    assert "are free again" in run.clean(False)
    assert run.count("block") == 2  # the one with the first edit is gone
    run = start()
    assert run.undo.undo() == "deletion" and paths_of(run.store) == ["/1", "/2"]
    assert [content(flow) for flow in run.store] == [noise(4, 30_000), noise(2, 20_000)]
    assert run.undo.undo() == "edit" and run.undo.undo() == "edit"
    assert content(run.store.get(1)) == noise(1, 20_000)


def test_live_flows_are_not_touched(start: Start) -> None:
    run = start()
    flow = http_flow("/live", status=200, is_live=True)
    assert flow.response is not None
    run.store.record(FlowStarted(flow))
    run.store.record(BodyData(flow, flow.response, noise(1, 5_000)))
    run.flow("/done")
    run.delete(flow.id, 2)
    run.clean(True)
    run.store.record(BodyData(flow, flow.response, noise(2, 5_000)))
    flow.is_live = False
    run.store.record(FlowEnded(flow))
    run.settle()
    assert content(run.session.load(flow.id)) == noise(1, 5_000) + noise(2, 5_000)
    assert run.session.load(2) is None


def test_connections_and_their_certificates_go_with_their_last_flow(start: Start) -> None:
    run = start()
    certificate = noise(9, 4_000)
    for number in (1, 2):
        connection = Connection(Side.SERVER, ("a.test", 443), opened_at=1.0, connected_at=2.0, closed_at=3.0)
        connection.tls = TlsFacts("TLSv1.3", chain=(certificate, noise(number, 4_000)))
        flow = http_flow(f"/{number}", status=200)
        flow.server = connection
        run.store.add(flow)
    del connection, flow
    run = start()
    run.delete(1)
    run.clean(True)
    assert (run.count("connection"), run.count("body")) == (1, 2)
    (kept,) = start().store
    assert kept.server is not None and kept.server.tls is not None
    assert kept.server.tls.chain == (certificate, noise(2, 4_000))


def test_what_comes_into_use_again_meanwhile_stays(start: Start) -> None:
    run = start()
    for number in range(3):
        run.flow(f"/{number}", noise(number, 10_000))
    run.settle()
    run.delete(1, 2, 3)
    found = asyncio.run(run.cleaning.find(True))
    assert len(found.waste.bodies) == 3
    run.flow("/again", noise(1, 10_000))
    run.settle()
    asyncio.run(run.cleaning.clean(found))
    assert run.count("body") == 1
    (flow,) = start().store
    assert content(flow) == noise(1, 10_000)


@pytest.mark.parametrize("pieces", [0, 1, 2, 3, 5])
def test_wherever_it_is_stopped_the_file_is_whole(start: Start, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start()
    for number in range(4):
        run.flow(f"/{number}", noise(number, 40_000))
        run.settle()  # a block each
    run.delete(1, 3)
    work = Compaction._work

    def stopping(self: Compaction, connection: sqlite3.Connection) -> Iterator[float]:
        for count, fraction in enumerate(work(self, connection)):
            if count == pieces:
                run.cleaning.stop()
            yield fraction

    monkeypatch.setattr(Compaction, "_work", stopping)
    with pytest.raises(UserError, match="not all was given back: it was stopped"):
        run.clean(True)
    left = run.die()
    program = Run(left)
    assert paths_of(program.store) == ["/1", "/3"]
    assert [content(flow) for flow in program.store] == [noise(1, 40_000), noise(3, 40_000)]
    monkeypatch.undo()
    program.clean(True)
    assert program.count("body") == 2 and program.count("block") == 2
    program.close()


def test_a_file_of_the_first_version_is_made_anew(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "shop.session"
    run = start()
    for number in range(3):
        run.flow(f"/{number}", noise(number, 200_000))
    run.close()
    with sqlite3.connect(path) as older:
        older.execute("PRAGMA journal_mode = DELETE")
        older.execute("PRAGMA auto_vacuum = NONE")
        older.execute("VACUUM")
    older.close()
    run = start()
    run.delete(1, 2)
    run.clean(True)
    assert run.file.size_on_disk() < 300_000
    with sqlite3.connect(path) as remade:
        assert remade.execute("PRAGMA auto_vacuum").fetchone()[0] == 2
    assert content(run.store.get(3)) == noise(2, 200_000)


def test_where_there_is_no_file_it_says_so(tmp_path: Path) -> None:
    run = Run(tmp_path / "a.session")
    reader = Run(tmp_path / "a.session")
    with pytest.raises(UserError, match="another program has it open"):
        reader.clean(True)
    reader.close()
    run.close()
    with pytest.raises(UserError, match="in memory only"):
        run.clean(True)
