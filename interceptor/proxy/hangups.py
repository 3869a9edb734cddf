"""Hang-ups of peers whose reading is paused.

A paused transport reports neither FIN nor RST, on asyncio and uvloop alike. So a socket whose reading is paused is registered
in one epoll of our own for just these; the event loop watches that epoll. Where there is no epoll (macOS, Windows), a hang-up
is noticed when reading goes on.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from contextlib import suppress


class HangUps:
    """`watch(fd, left)`: `left(is_reset)` is called once when the peer of that socket has gone; `forget(fd)` when reading goes
    on or the socket is closed (before it is)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watched: dict[int, Callable[[bool], None]] = {}
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._loop = loop
        if self._epoll is not None:
            loop.add_reader(self._epoll.fileno(), self._ready)

    def watch(self, fd: int, left: Callable[[bool], None]) -> None:
        if self._epoll is not None and fd not in self._watched and fd >= 0:
            self._watched[fd] = left
            self._epoll.register(fd, select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR)

    def forget(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None and self._epoll is not None:
            with suppress(OSError):  # closed meanwhile: the kernel has forgotten it already
                self._epoll.unregister(fd)

    def close(self) -> None:
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _ready(self) -> None:
        assert self._epoll is not None
        for fd, flags in self._epoll.poll(0):
            left = self._watched.get(fd)
            self.forget(fd)
            if left is not None:
                left(bool(flags & (select.EPOLLERR | select.EPOLLHUP)))
