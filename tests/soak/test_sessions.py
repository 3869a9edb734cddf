"""Sessions under load: killed again and again one has all that was old enough, whole; after gigabytes memory is what it was, and
the file is as large as what is different."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from interceptor.model.flow import HttpFlow
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool
from tests.e2e.conftest import StartProxy
from tests.soak.watching import Memory, Stalls, go_first, urgently
from tests.support.crash import Killed
from tests.support.programs import with_pause
from tests.support.raw_server import Peer, RawServer, connect

pytestmark = pytest.mark.soak

KILLS = 50
LOAD_SECONDS = 2.5
BODIES, BODY_SIZE, ROUNDS = 40, 12_500_000, 10
"""5 GB, of which half a gigabyte is different."""


@pytest.fixture
def origin() -> Iterator[int]:
    command = [sys.executable, "-m", "tests.support.asking", "origin"]
    with urgently(), subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def load(port: int, origin: int, first: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.asking", str(port), str(origin), str(first), "2", "8"]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_fifty_kills_under_load(start_proxy: StartProxy, origin: int, tmp_path: Path) -> None:
    rates: list[float] = []
    stalled: list[float] = []
    for number in range(KILLS):
        path = tmp_path / f"{number}.session"
        with urgently(), Stalls(tmp_path) as stalls:
            proxy = start_proxy("--session", str(path))
            go_first(os.getpid(), proxy.process.pid)
            askers = [load(proxy.port, origin, first) for first in (1, 2)]
            for asker in askers:
                assert asker.stdout is not None and asker.stdout.readline() == b"asking\n"
            with_pause(LOAD_SECONDS)
            killed = Killed(path, proxy)
            stalled.append(stalls.longest(2.0))
            for asker in askers:
                for line in asker.communicate()[0].splitlines():
                    text, moment = line.split()
                    killed.completed[int(text)] = float(moment)
        print(f"kill {number}: this machine let a program that wrote 8 kB wait for {stalled[-1]:.2f} s")
        assert killed.check(older_than=1.0) > 100
        rates.append(killed.rate())
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        path.unlink()
    mean = sum(rates) / KILLS
    print(f"{KILLS} kills, nothing missing; {min(rates):,.0f} to {max(rates):,.0f} requests/s, in the mean {mean:,.0f}")
    print(f"The machine let programs wait for at most {max(stalled):.2f} s.")


def test_five_gigabytes_take_no_memory_and_as_much_disk_as_is_different(start_proxy: StartProxy, tmp_path: Path) -> None:
    path = tmp_path / "large.session"
    proxy = start_proxy("--session", str(path), "--set", "store_memory_limit=64m")
    rest = random.Random(5).randbytes(BODY_SIZE - 8)

    def serve(peer: Peer) -> None:
        while head := peer.read_head():
            mark = head.split(b" ", 2)[1].rpartition(b"/")[2]
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%8s" % (BODY_SIZE, mark))
            peer.send(rest)

    def ask(numbers: range) -> None:
        with connect(proxy.port) as client:
            client.socket.settimeout(60)
            for number in numbers:
                client.send(b"GET http://127.0.0.1:%d/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (server.port, number % BODIES))
                assert client.read_head() is not None
                assert client.read_exactly(BODY_SIZE) == b"%8d" % (number % BODIES) + rest
                finished.append(number)

    finished: list[int] = []
    with RawServer(serve) as server, Memory(proxy) as memory:
        askers = [threading.Thread(target=ask, args=(range(first, BODIES * ROUNDS, 4),)) for first in range(4)]
        for each in askers:
            each.start()
        for each in askers:
            each.join()
        proxy.process.terminate()
        proxy.process.wait(300)  # all that is still in the spool goes into the file
    assert len(finished) == BODIES * ROUNDS
    distinct = BODIES * BODY_SIZE
    size = path.stat().st_size
    print(f"at most {memory.most / 1e6:,.0f} MB of memory; a file of {size / 1e6:,.0f} MB for {distinct / 1e6:,.0f} MB of bodies")
    assert memory.most < 250e6
    assert distinct <= size < distinct * 1.03
    session = Session(SessionFile.glance(path), Spool().new_body)
    ids = list(session.table.ids())
    assert len(ids) == BODIES * ROUNDS
    for flow_id in ids[:: len(ids) // 10]:
        flow = session.load(flow_id)
        assert isinstance(flow, HttpFlow) and flow.response is not None
        mark = flow.request.path.rpartition("/")[2].encode()
        assert flow.response.body.read() == b"%8s" % mark + rest
    session.close()
