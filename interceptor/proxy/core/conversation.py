"""A conversation decides: an HTTP exchange, a relay. It is the place where a client's pipe and its servers' pipes meet.

Each direction is a **strand**: a coroutine stepped by hand, no event loop, with a mailbox of its own. It may await three
things only, `next_item()`, `ask(…)` and `room()` in its sink; the stack reports anything else at once. What arrives for a
strand waits in its mailbox under a mark, so a hold or a slow reader stalls this one direction. What must not wait (`Closed`,
`Congested`, `Drained`) goes round the mailbox.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, overload

from interceptor.model.connection import Connection
from interceptor.proxy.core.effects import Ask
from interceptor.proxy.core.events import Closed, TimedOut
from interceptor.proxy.core.layer import Layer, Mark
from interceptor.proxy.core.stack import Stack, UsageError

R = TypeVar("R")
Item = TypeVar("Item")


@dataclass(slots=True)
class Parked:
    """What a strand awaits: the answer to `ask`, or (None) its next item; and what else ends the wait."""

    ask: Ask[Any] | None = None
    until: float | None = None
    or_closed: Connection | None = None


NEXT_ITEM: Final = Parked()
ROOM: Final = Parked()


@types.coroutine
def _park(parked: Parked) -> Generator[Parked, Any, Any]:
    return (yield parked)


class Strand(Generic[Item]):
    """One direction of a conversation. `pause` and `resume` act on the source of its items; while `sink` is congested it is given
    none. After `stop` it takes nothing more."""

    __slots__ = (
        "_coroutine", "conversation", "is_over", "mailbox", "mark", "parked", "sink", "stack",
    )  # fmt: skip

    def __init__(
        self,
        conversation: Conversation,
        run: Callable[[Strand[Item]], Coroutine[Any, Any, None]],
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self.conversation, self.stack = conversation, conversation.stack
        self.mailbox: deque[tuple[Item, int]] = deque()
        self.mark = Mark(pause, resume)
        self.sink: Connection | None = None
        self.parked: Parked | None = None
        self.is_over = False
        self._coroutine = run(self)

    @overload
    async def next_item(self) -> Item: ...
    @overload
    async def next_item(self, *, until: float) -> Item | TimedOut: ...
    async def next_item(self, *, until: float | None = None) -> Item | TimedOut:
        """The next thing that arrives; with `until`, `TimedOut` if nothing has by then."""
        if self.mailbox and self.sink not in self.conversation.congested:
            return self._take()
        item: Item | TimedOut = await _park(NEXT_ITEM if until is None else Parked(until=until))
        return item

    @overload
    async def ask(self, ask: Ask[R]) -> R: ...
    @overload
    async def ask(self, ask: Ask[R], *, until: float) -> R | TimedOut: ...
    @overload
    async def ask(self, ask: Ask[R], *, or_closed: Connection | None) -> R | Closed: ...
    @overload
    async def ask(self, ask: Ask[R], *, or_closed: Connection | None, until: float) -> R | TimedOut | Closed: ...
    async def ask(self, ask: Ask[R], *, or_closed: Connection | None = None, until: float | None = None) -> R | TimedOut | Closed:
        """The answer, or what came first; the loser is withdrawn. Returns at once if that connection is closed already."""
        if or_closed is not None and (closed := self.conversation.closed.get(or_closed)):
            return closed
        if (knows := self.stack.answers.get(type(ask))) is not None and (known := knows(ask)) is not None:
            return known  # type: ignore[no-any-return]
        self.stack.want(ask)
        answer: R | TimedOut | Closed = await _park(Parked(ask, until, or_closed))
        return answer

    def deliver(self, item: Item, size: int = 0) -> None:
        """At once if it is waited for, else into the mailbox. `size` is what the mark counts."""
        parked = self.parked
        if parked is not None and parked.ask is None and parked is not ROOM and self.sink not in self.conversation.congested:
            self.step(item)
        elif not self.is_over:
            self.mailbox.append((item, size))
            if size:
                self.mark.put(size)

    async def room(self) -> None:
        """Returns when the sink takes more: for what is sent without having arrived, such as a kept body."""
        if self.sink in self.conversation.congested:
            await _park(ROOM)

    def drained(self) -> None:
        if self.parked is ROOM:
            self.step(None)
        elif self.mailbox and self.parked is not None and self.parked.ask is None:
            self.step(self._take())

    def closed(self, event: Closed) -> None:
        if self.parked is not None and self.parked.ask is not None and self.parked.or_closed is event.connection:
            self.stack.withdraw(self.parked.ask)
            self.step(event)

    def replied(self, ask: Ask[Any], value: Any) -> None:
        self.step(value)

    def timed_out(self) -> None:
        if self.parked is not None and self.parked.ask is not None:
            self.stack.withdraw(self.parked.ask)
        self.step(TimedOut())

    def start(self) -> None:
        self.step(None)

    def stop(self) -> None:
        """Ends it where it waits; the strand that is running returns by itself."""
        self.is_over = True
        self.mailbox.clear()
        self.mark.take_all()
        if self.parked is not None:
            if self.parked.until is not None:
                self.stack.alarms.pop(self.timed_out, None)
            if self.parked.ask is not None:
                self.stack.withdraw(self.parked.ask)
            self.parked = None
            self._coroutine.close()

    def step(self, value: object) -> None:
        if self.parked is not None and self.parked.until is not None:
            self.stack.alarms.pop(self.timed_out, None)
        self.parked = None
        try:
            parked = self._coroutine.send(value)
        except StopIteration:
            return self.stop()
        if not isinstance(parked, Parked):
            raise UsageError(f"{type(self.conversation).__name__} awaited {parked!r}: only next_item, ask and room may be")
        if self.is_over:  # stopped while it ran, and yet it waits
            self._coroutine.close()
            if parked.ask is not None:
                self.stack.withdraw(parked.ask)
            return
        self.parked = parked
        if parked.until is not None:
            self.stack.alarms[self.timed_out] = parked.until

    def _take(self) -> Item:
        item, size = self.mailbox.popleft()
        if size:
            self.mark.take(size)
        return item


class Conversation(Layer):
    """`strands` is filled by the subclass; `congested` and `closed` are what its strands look at."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.strands: list[Strand[Any]] = []
        self.congested: set[Connection | None] = set()
        self.closed: dict[Connection, Closed] = {}

    def sink_congested(self, connection: Connection) -> None:
        self.congested.add(connection)

    def sink_drained(self, connection: Connection) -> None:
        self.congested.discard(connection)
        for strand in self.strands:
            if strand.sink is connection:
                strand.drained()

    def source_closed(self, event: Closed) -> None:
        """Round the mailboxes: ends the asks that race with it. The subclass delivers what its strands shall read of it."""
        self.closed[event.connection] = event
        self.sink_drained(event.connection)
        for strand in list(self.strands):
            strand.closed(event)

    def end(self) -> None:
        for strand in self.strands:
            strand.stop()
