"""A program that keeps a session is killed while it serves; what the session has afterwards."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Container
from pathlib import Path

from interceptor.model.flow import HttpFlow
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool
from tests.support.proxy import Proxy
from tests.support.raw_server import Peer, RawServer, connect


def answer(peer: Peer) -> None:
    """Each path has a body of its own; every tenth one is too long for the record itself."""
    while head := peer.read_head():
        path = head.split(b" ", 2)[1].rpartition(b"/")[2]
        body = body_of(int(path))
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def body_of(number: int) -> bytes:
    return b"%d:" % number * (2_000 if number % 10 == 0 else 50)


class Killed:
    """A program that is killed now, by SIGKILL. `completed`: when which answer had come, monotonic."""

    def __init__(self, path: Path, proxy: Proxy) -> None:
        self.path = path
        self.completed: dict[int, float] = {}
        self.killed_at = time.monotonic()
        proxy.process.kill()
        proxy.process.wait()

    def rate(self) -> float:
        """Answers a second."""
        moments = self.completed.values()
        return len(moments) / (max(moments) - min(moments))

    def check(self, older_than: float = 1.0) -> int:
        """Opens the session, and compares. How many flows were old enough to have to be there, and are."""
        session = Session(SessionFile.open(self.path), Spool().new_body)
        try:
            found: dict[int, HttpFlow] = {}
            for flow_id in session.table.ids():
                flow = session.load(flow_id)
                assert isinstance(flow, HttpFlow), session.file.problem
                found[int(flow.request.path.rpartition("/")[2])] = flow
            due = [number for number, moment in self.completed.items() if self.killed_at - moment > older_than]
            missing = [number for number in due if number not in found]
            assert not missing, self._told(missing, found)
            for number in due:
                response = found[number].response
                assert response is not None and response.body.read() == body_of(number), number
            return len(due)
        finally:
            session.close()

    def _told(self, missing: list[int], found: Container[int]) -> str:
        """How old what is missing was, and whether the program served at all meanwhile."""
        moments = sorted(self.completed.values())
        gaps = [(after - before, self.killed_at - after) for before, after in itertools.pairwise(moments)]
        gap, ended = max(gaps)
        ages = [self.killed_at - self.completed[number] for number in missing]
        newest = min(self.killed_at - moment for number, moment in self.completed.items() if number in found)
        return (
            f"{len(missing)} flows are missing, {min(ages):.2f} to {max(ages):.2f} s old then; the newest that is there "
            f"was {newest:.2f} s old; for {gap:.2f} s until {ended:.2f} s before the end nothing was answered"
        )


class Crash:
    """Clients ask for so many seconds, then the program is killed."""

    def __init__(self, start: Callable[..., Proxy], path: Path, clients: int, seconds: float) -> None:
        self._completed: dict[int, float] = {}
        self._next = iter(range(1, 1 << 30))
        self._lock = threading.Lock()
        with RawServer(answer) as server:
            proxy = start("--session", str(path))
            until = time.monotonic() + seconds
            threads = [threading.Thread(target=self._ask, args=(proxy.port, server.port, until)) for _ in range(clients)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
            killed = Killed(path, proxy)
        killed.completed = self._completed
        self.check = killed.check

    def _ask(self, port: int, server: int, until: float) -> None:
        with connect(port) as client:
            while time.monotonic() < until or not self._has_enough():
                with self._lock:
                    number = next(self._next)
                client.send(b"GET http://127.0.0.1:%d/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (server, number))
                head = client.read_head()
                assert head is not None and client.read_exactly(len(body_of(number))) == body_of(number)
                with self._lock:
                    self._completed[number] = time.monotonic()

    def _has_enough(self) -> bool:
        """Also on a slow machine some answers are to be old enough to have to be there."""
        with self._lock:
            moments = list(self._completed.values())
        return len(moments) > 100 and moments[100] < time.monotonic() - 1.1
