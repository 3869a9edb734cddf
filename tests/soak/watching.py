"""What the soak tests look at from outside of the proxy: its memory and descriptors over time, and how quickly somebody else is
served meanwhile."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from interceptor.platform.courtesy import COURTESY
from tests.support.programs import with_pause
from tests.support.proxy import Proxy
from tests.support.raw_server import Peer, RawServer, connect


def descriptors(proxy: Proxy) -> int:
    """Those that are open, without the two of the spool, an unlinked file that is opened when it is first wanted, and stays."""
    count = spools = 0
    for each in os.scandir(f"/proc/{proxy.process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            spools += os.readlink(each.path).endswith(" (deleted)")
            count += 1
    assert spools <= 2, f"{spools} descriptors of unlinked files"
    return count - spools


def eventually(claim: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not claim() and time.monotonic() < deadline:
        with_pause(0.1)
    return claim()


@contextlib.contextmanager
def urgently() -> Iterator[None]:
    """This thread, and what it starts meanwhile, goes before other programs of this machine, where that is permitted: what is
    measured is the proxy, and not who else is at work."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(before, -10))
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def go_first(*processes: int) -> None:
    """The sessions of these processes go before others: where Linux groups processes by session (CONFIG_SCHED_AUTOGROUP), their
    priority counts within the group only, and this is that of the group."""
    for process in processes:
        with contextlib.suppress(OSError):
            Path(f"/proc/{process}/autogroup").write_text("-20")


class Stalls(threading.Thread):
    """How long this machine keeps a program waiting that only wants to write a little to the disk, a hundred times a second."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._file = (folder / "stalls").open("wb", buffering=0)
        self._moments: list[float] = []
        self._has_ended = threading.Event()

    def run(self) -> None:
        while not self._has_ended.wait(0.01):
            self._file.seek(0)
            self._file.write(bytes(8192))
            self._moments.append(time.monotonic())

    def longest(self, seconds: float) -> float:
        """In the last seconds."""
        now = time.monotonic()
        moments = [moment for moment in [*self._moments, now] if moment > now - seconds]
        return max((later - earlier for earlier, later in pairwise(moments)), default=seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._has_ended.set()
        self.join()
        self._file.close()


class Memory(threading.Thread):
    """Samples the resident bytes of the proxy: `samples` are (seconds, bytes)."""

    def __init__(self, proxy: Proxy, every_seconds: float = 0.02) -> None:
        super().__init__(daemon=True)
        self._proxy, self._every = proxy, every_seconds
        self._has_ended = threading.Event()
        self.samples: list[tuple[float, int]] = []

    def run(self) -> None:
        while not self._has_ended.wait(self._every) and self._proxy.process.poll() is None:
            self.samples.append((time.monotonic(), self._proxy.memory()))

    @property
    def most(self) -> int:
        return max(size for _, size in self.samples)

    def __enter__(self) -> Self:
        self.samples.append((time.monotonic(), self._proxy.memory()))
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._has_ended.set()
        self.join()


class Victim:
    """A client who asks one thing after the other, on a kept connection and now and then on a new one."""

    body = b"v" * 1000

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.server = RawServer(self._serve)

    def _serve(self, peer: Peer) -> None:
        while peer.read_head():
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.body) + self.body)

    def latencies(self, count: int, seconds: float) -> list[float]:
        """Of at least so many requests, for at least so long, in seconds, in order of size. Nobody in this process makes them
        wait: the server and who reads what the proxy says are threads here, too."""
        with COURTESY:
            return self._latencies(count, seconds)

    def _latencies(self, count: int, seconds: float) -> list[float]:
        taken: list[float] = []
        until = time.monotonic() + seconds
        while len(taken) < count or time.monotonic() < until:
            with connect(self._proxy.port) as client:
                for _ in range(100):
                    started = time.perf_counter()
                    client.send(b"GET http://localhost:%d/victim HTTP/1.1\r\nHost: localhost\r\n\r\n" % self.server.port)
                    head, body = client.read_response()
                    taken.append(time.perf_counter() - started)
                    assert head.startswith(b"HTTP/1.1 200 OK") and body == self.body
        return sorted(taken)


def p99(latencies: list[float]) -> float:
    return latencies[len(latencies) * 99 // 100]
