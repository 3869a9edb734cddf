"""The body of what is being looked at, made readable in a worker thread.

    ask(subject, version, job) ─┬─ shown already ─────────────────────────────▸ Rendered
                                ├─ an earlier version of the subject ─────────▸ that one, and the job runs, not too often
                                └─ something else ─▸ the job that runs is called off, this one runs ─▸ None for now
    lines that are there already ─┬─▸ schedule_redraw ─▸ the next `ask` answers
    job done ─────────────────────┘

At most one job runs that anybody still wants. It may wait until more of its lines are looked at (`growing_lines`). A job cannot
be ended from outside; it asks `cancelled` now and then. A body that is still growing is rendered again only after a pause that is
a multiple of what the last rendering took.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Protocol

from interceptor.contentviews.rendered import Cancelled, ContentFacts, RenderCancelled, Rendered
from interceptor.model.body import Body
from interceptor.specs.errors import UserError
from interceptor.tui.growing_lines import Growing
from interceptor.tui.worker import in_worker

_SHORTEST_PAUSE_SECONDS: Final = 0.1
_PAUSE_FACTOR: Final = 5
_MOST_KEPT: Final = 4
_MOST_LINES_KEPT: Final = 500_000

Job = Callable[[Cancelled], Rendered]


class RenderBody(Protocol):
    """`contentviews.registry.render_body`, or something like it."""

    def __call__(
        self,
        body: Body,
        content_encoding: str,
        view: str,
        facts: ContentFacts,
        *,
        cancelled: Cancelled = ...,
        pretty_limit: int = ...,
    ) -> Rendered: ...


@dataclass(eq=False, slots=True)
class _Wanted:
    subject: Hashable
    version: Hashable
    job: Job
    is_cancelled: bool = False
    rendered: Rendered | None = None
    growing: Growing | None = None
    before: _Wanted | None = None  # what was shown of the subject before

    def seen(self) -> Rendered | None:
        """What there is to see of it so far."""
        return self.rendered or (self.growing.rendered if self.growing is not None else None)

    def call_off(self) -> None:
        self.is_cancelled = True
        if self.growing is not None:
            self.growing.wake()


class BodyView:
    """Used from the event loop's thread only. Where no loop runs, jobs are done at once."""

    def __init__(self, schedule_redraw: Callable[[], None]) -> None:
        self._schedule_redraw = schedule_redraw
        self._shown: dict[Hashable, _Wanted] = {}  # the last few subjects, so that going back to a tab shows it at once
        self._running: _Wanted | None = None
        self._next: _Wanted | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, subject: Hashable, version: Hashable, job: Job) -> Rendered | None:
        """What there is to show of the subject, None if nothing yet."""
        shown = self._shown.get(subject)
        if shown is None or shown.version != version:
            self._want(_Wanted(subject, version, job))
            shown = self._shown.get(subject)
        return shown.seen() if shown is not None else None

    def call_off(self) -> None:
        """Nobody looks any longer."""
        if (running := self._running) is not None:
            running.call_off()
            if self._shown.get(running.subject) is running:
                del self._shown[running.subject]
                if running.before is not None:
                    self._shown[running.subject] = running.before
        self._running = self._next = None

    def _want(self, wanted: _Wanted) -> None:
        running = self._running
        if running is not None and running.subject == wanted.subject:
            self._next = wanted if running.version != wanted.version else None
            return
        self.call_off()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._finish(wanted, _done(wanted, lambda: wanted.is_cancelled))
            return
        self._running = wanted
        task = loop.create_task(self._run(wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, wanted: _Wanted) -> None:
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        wanted.growing = growing = Growing(lambda: wanted.is_cancelled, lambda: _tell(loop, grown))

        def grown() -> None:
            if not wanted.is_cancelled and wanted.rendered is None and growing.rendered is not None:
                self._show(wanted)
                self._schedule_redraw()

        rendered = await in_worker(lambda: _done(wanted, growing))
        if wanted.is_cancelled:
            return
        self._finish(wanted, rendered)
        self._schedule_redraw()
        took = time.perf_counter() - started
        await asyncio.sleep(max(took * _PAUSE_FACTOR, _SHORTEST_PAUSE_SECONDS))
        if wanted is self._running:
            self._running, following, self._next = None, self._next, None
            if following is not None:
                self._want(following)

    def _finish(self, wanted: _Wanted, rendered: Rendered | None) -> None:
        if rendered is None:
            return
        wanted.rendered = rendered
        wanted.before = None
        self._show(wanted)

    def _show(self, wanted: _Wanted) -> None:
        before = self._shown.pop(wanted.subject, None)
        if wanted.rendered is None and before is not wanted:
            wanted.before = before
        self._shown[wanted.subject] = wanted
        while len(self._shown) > 1 and (len(self._shown) > _MOST_KEPT or self._lines_kept() > _MOST_LINES_KEPT):
            del self._shown[next(iter(self._shown))]

    def _lines_kept(self) -> int:
        return sum(len(shown.lines) for wanted in self._shown.values() if (shown := wanted.seen()) is not None)


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the program has ended meanwhile
        loop.call_soon_threadsafe(callback)


def _done(wanted: _Wanted, cancelled: Cancelled) -> Rendered | None:
    """In the worker. A failure is something to show as well; None if it was called off."""
    try:
        rendered = wanted.job(cancelled)
        len(rendered.lines)  # finding the ends of lines takes time as well
        return rendered
    except RenderCancelled:
        return None
    except UserError as error:
        return Rendered("", error.message, [])
    except Exception as error:  # a view that fails must not take the console with it
        return Rendered("", f"cannot be shown: {type(error).__name__}: {error}", [])
