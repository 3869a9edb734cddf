"""What every layer has: a stack, a way to ask without being a coroutine, a way to the wire; and the mark that bounds what
waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from interceptor.proxy.core.effects import Ask, PipeEffect
from interceptor.proxy.core.stack import Stack

R = TypeVar("R")

MARK: Final = 64 * 1024
"""Bytes that may wait for a decision before their source is paused."""


class Layer:
    """Anything in a pipe or at its head. `ask(Reach(…), then=self._reached)`: the state that it is in meanwhile says what to do
    with what arrives."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._asked: dict[int, tuple[Ask[Any], Callable[[Any], None]]] = {}

    def start(self) -> None:
        """Called once, by who made it, when it stands in its pipe: from here on it may emit."""

    def ask(self, ask: Ask[R], then: Callable[[R], None]) -> None:
        self._asked[id(ask)] = ask, then
        self.stack.want(ask)

    def replied(self, ask: Ask[Any], value: Any) -> None:
        self._asked.pop(id(ask))[1](value)

    def withdraw(self, ask: Ask[Any]) -> None:
        del self._asked[id(ask)]
        self.stack.withdraw(ask)

    def withdraw_asks(self) -> None:
        for ask, _ in list(self._asked.values()):
            self.withdraw(ask)

    def wire(self, effect: PipeEffect) -> None:
        """Into the top of the connection's pipe; a connection that is gone takes no more."""
        if pipe := self.stack.pipes.get(effect.connection):
            pipe.top.emit(effect)


class Mark:
    """Counts bytes that wait for a decision: pauses their source above MARK, lets it go on below a quarter. So what is held is at
    most MARK and one read. In one pipe the lower mark is emptied before the upper one is filled."""

    __slots__ = ("_pause", "_resume", "held", "is_paused")

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume
        self.held = 0
        self.is_paused = False

    def put(self, size: int) -> None:
        self.held += size
        if self.held > MARK and not self.is_paused:
            self.is_paused = True
            self._pause()

    def take(self, size: int) -> None:
        self.held -= size
        if self.is_paused and self.held < MARK // 4:
            self.is_paused = False
            self._resume()

    def set(self, size: int) -> None:
        """So many are held now, however many were put and taken."""
        if size > self.held:
            self.put(size - self.held)
        elif size < self.held:
            self.take(self.held - size)

    def take_all(self) -> None:
        self.take(self.held)
