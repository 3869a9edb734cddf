"""Which program a client is: looked up once per connection, in a thread of its own, off the way of bytes.

    listener ─ ask(connection, …) ─▸ queue ─▸ thread: platform.processes ─▸ the loop: connection.process, and `found` is told

Looking takes system calls, sometimes a walk over all processes, so the thread has a purse: what it uses of the processor it pays
for from it, and it is filled again by a fiftieth of the time that passes. A burst of connections is answered at once, a flood
costs two or three percent, and asks that come meanwhile are worked off together. A program that asks one thing and ends may be
gone within a millisecond, so while there is much in the purse a client of this machine is read from when it is known who it is,
a moment later. Who cannot go on without the answer (a filter that decides about a request asks for it) does not wait for the
purse, but for a bounded time.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final, Protocol

from interceptor.model.connection import Address, Connection
from interceptor.model.process import Process
from interceptor.options import Options
from interceptor.platform.processes import Ends, Finder, finder

PURSE_SECONDS: Final = 0.1
EARNED: Final = 0.02
"""Of each second that passes."""
DEBT_SECONDS: Final = -0.05
"""At most: some two seconds without an answer."""
AT_ONCE: Final = 256
_MOST_WAITING: Final = 4_096
"""More are not looked for: by the time that it is their turn they have ended."""
WAIT_SECONDS: Final = 0.3
POLITE_WAIT_SECONDS: Final = 0.05
_DECIDING: Final = (
    "intercept", "stickycookie", "stickyauth", "modify_headers", "modify_body", "map_remote", "map_local", "block_list",
)  # fmt: skip


class Serving(Protocol):
    """What it sets of `driver.Services`."""

    loop: asyncio.AbstractEventLoop
    programs: ClientPrograms | None
    awaits_programs: bool


def configure_programs(services: Serving, options: Options, found: Callable[[Sequence[Connection]], None]) -> None:
    """As the options say, now. Scripts and filters that decide about requests are to know who sends them."""
    if options.client_process and services.programs is None:
        services.programs = ClientPrograms(services.loop, finder, found)
    elif not options.client_process and services.programs is not None:
        services.programs.close()
        services.programs = None
    texts = [text for name in _DECIDING for text in _texts(getattr(options, name))]
    services.awaits_programs = bool(options.scripts) or any("~process" in text for text in texts)


def _texts(value: str | Sequence[str] | None) -> Sequence[str]:
    return [value] if isinstance(value, str) else value or []


class ClientPrograms:
    """`found` is called in the loop with the connections whose process is known now. The thread starts at once, since the first
    client may be gone as soon as any other."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, make_finder: Callable[[], Finder], found: Callable[[Sequence[Connection]], None]
    ) -> None:
        self._loop, self._make_finder, self._found = loop, make_finder, found
        self._asked: list[tuple[Connection, Ends, asyncio.Future[None] | None]] = []
        self._lock = threading.Lock()
        self._has_work, self._is_urgent = threading.Event(), threading.Event()
        self._is_closed = False
        self._purse = PURSE_SECONDS
        threading.Thread(target=self._run, name="processes", daemon=True).start()

    def ask(self, client: Connection, ours: Address, network: socket.socket | None = None) -> None:
        """`ours` is where the client connected to, as it sees it; `network` is of the namespace that it does so in."""
        if client.peer is not None and (network is not None or _may_be_here(client, ours)):
            self._put(client, Ends(client.transport, client.peer, ours, network), None)

    def may_wait(self, client: Connection, network: socket.socket | None = None) -> bool:
        """Whether nobody minds if the client waits for the answer: it is of this machine, and few have been asked for lately."""
        if self._purse < PURSE_SECONDS / 2:
            return False
        peer, local = client.peer, client.local
        return network is not None or (peer is not None and local is not None and peer[0] == local[0])

    async def answer(
        self, client: Connection, ours: Address, network: socket.socket | None = None, seconds: float = WAIT_SECONDS
    ) -> None:
        """The same, and waits until it is known, or known that it cannot be; so long at most."""
        if client.peer is None or (network is None and not _may_be_here(client, ours)):
            return
        answered = self._loop.create_future()
        self._put(client, Ends(client.transport, client.peer, ours, network), answered)
        with suppress(TimeoutError):
            await asyncio.wait_for(answered, seconds)

    def close(self) -> None:
        self._is_closed = True
        self._has_work.set()
        self._is_urgent.set()

    def _put(self, client: Connection, ends: Ends, answered: asyncio.Future[None] | None) -> None:
        with self._lock:
            if len(self._asked) >= _MOST_WAITING and answered is None:
                return
            self._asked.append((client, ends, answered))
        self._has_work.set()
        if answered is not None:
            self._is_urgent.set()

    # --- the thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        finder = self._make_finder()
        paid_at = time.monotonic()
        while not self._is_closed:
            self._has_work.wait()
            self._is_urgent.clear()
            with self._lock:
                asked, self._asked = self._asked[:AT_ONCE], self._asked[AT_ONCE:]
                if not self._asked:
                    self._has_work.clear()
            before = time.thread_time()
            processes = finder.find([ends for _, ends, _ in asked]) if asked else []
            used = time.thread_time() - before
            if asked:
                with suppress(RuntimeError):  # the loop has ended meanwhile
                    self._loop.call_soon_threadsafe(self._tell, asked, processes)
            now = time.monotonic()
            purse = max(min(self._purse + (now - paid_at) * EARNED, PURSE_SECONDS) - used, DEBT_SECONDS)
            self._purse = purse
            paid_at = now
            if purse < 0:
                self._is_urgent.wait(-purse / EARNED)

    def _tell(
        self, asked: Sequence[tuple[Connection, Ends, asyncio.Future[None] | None]], processes: Sequence[Process | None]
    ) -> None:
        known = []
        for (client, _, answered), process in zip(asked, processes, strict=True):
            if process is not None:
                client.process = process
                known.append(client)
            if answered is not None and not answered.done():
                answered.set_result(None)
        if known:
            self._found(known)


def _may_be_here(client: Connection, ours: Address) -> bool:
    """Datagrams are told apart by the port alone if their sender is not connected: it must be sure that it is this machine."""
    if client.transport == "tcp":
        return True
    assert client.peer is not None
    host = client.peer[0].partition("%")[0]
    return host == ours[0].partition("%")[0] or ip_address(host).is_loopback
