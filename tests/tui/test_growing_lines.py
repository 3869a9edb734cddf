"""Large bodies: their first lines are there at once, no more is made than is looked at, and leaving ends it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable

from interceptor.contentviews.registry import render
from interceptor.contentviews.rendered import Cancelled, ContentFacts, RenderCancelled, Rendered, text_of
from interceptor.tui.body_view import BodyView
from interceptor.tui.present.paragraphs import Document
from interceptor.tui.scrolled_text import ScrolledText

ITEMS = 20_000


def body_of(items: int) -> bytes:
    return json.dumps([{"number": number} for number in range(items)], separators=(",", ":")).encode()


BODY = body_of(ITEMS)
LINES = 2 + 3 * ITEMS
FACTS = ContentFacts("application/json")


class Watched:
    """A view of the body in a worker, and the window that shows it."""

    def __init__(self, body: bytes = BODY) -> None:
        self.changed = asyncio.Event()
        self.view = BodyView(self.changed.set)
        self.window = ScrolledText(self.changed.set)
        self.ended = threading.Event()
        self.is_called_off = False
        self._body = body

    def job(self, cancelled: Cancelled) -> Rendered:
        try:
            return render(self._body, "auto", FACTS, cancelled=cancelled)
        except RenderCancelled:
            self.is_called_off = True
            raise
        finally:
            self.ended.set()

    def look(self) -> list[str]:
        """Twenty rows."""
        rendered = self.view.ask("subject", 1, self.job)
        if rendered is not None:
            self.window.show(Document([], rendered.lines), len(self.window) > 0)
        return [text_of(line) for line in self.window.visible(40, 20)]

    async def until(self, is_there: Callable[[list[str]], bool]) -> list[str]:
        async with asyncio.timeout(60):
            while not is_there(rows := self.look()):
                self.changed.clear()
                await self.changed.wait()
        return rows


def in_loop(test: Callable[[Watched], object], body: bytes = BODY) -> None:
    async def run() -> None:
        watched = Watched(body)
        await test(watched)  # type: ignore[misc]
        watched.view.call_off()
        assert await asyncio.to_thread(watched.ended.wait, 30)

    asyncio.run(run())


def test_the_first_screen_is_there_long_before_the_end_and_no_more_is_made_than_is_looked_at() -> None:
    async def look(watched: Watched) -> None:
        rows = await watched.until(bool)
        assert rows[:3] == ["[", "  {", '    "number": 0']
        assert len(watched.window) < LINES // 4
        assert watched.window.position().endswith("…")
        watched.window.move(len(watched.window))
        before = len(watched.window)
        await watched.until(lambda rows: len(watched.window) > before)
        assert not watched.ended.is_set() and len(watched.window) < LINES // 4

    in_loop(look)


def test_the_end_is_reached_when_it_is_asked_for() -> None:
    async def look(watched: Watched) -> None:
        await watched.until(bool)
        watched.window.end()
        rows = await watched.until(lambda rows: rows[-1:] == ["]"])
        assert rows[-3] == f'    "number": {ITEMS - 1}'
        assert watched.ended.is_set() and len(watched.window) == LINES
        assert watched.window.position() == f"{LINES - 19}/{LINES} 100%"

    in_loop(look)


def test_a_search_goes_through_all_of_it() -> None:
    async def look(watched: Watched) -> None:
        await watched.until(bool)
        watched.window.search('"number": 5998$', False)
        rows = await watched.until(lambda rows: any('"number": 5998' in row for row in rows))
        assert len(rows) == 20
        await watched.until(lambda rows: watched.window.search_state() == "1/1")

    in_loop(look, BODY[: BODY.index(b',{"number":6000}')] + b"]")


def test_leaving_ends_the_work_even_where_it_waits() -> None:
    async def look(watched: Watched) -> None:
        await watched.until(bool)
        watched.view.call_off()
        assert await asyncio.to_thread(watched.ended.wait, 30)
        assert watched.is_called_off
        watched.ended.clear()
        assert watched.look()[:1] == ["["], "what is on the screen stays until there is something else"

    in_loop(look)


def test_what_goes_bad_late_shows_what_was_good_and_the_rest_as_it_is() -> None:
    body = body_of(50_000).replace(b":", b":" + b" " * 20)

    async def look(watched: Watched) -> None:
        await watched.until(bool)
        watched.window.end()
        rows = await watched.until(lambda rows: rows[-1:] == ["the rest"])
        assert "not valid JSON" in "".join(rows)

    in_loop(look, body[: len(body) * 9 // 10] + b"\nthe rest\n")
