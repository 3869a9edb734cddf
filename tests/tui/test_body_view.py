from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from interceptor.contentviews.rendered import RenderCancelled, Rendered
from interceptor.specs.errors import UserError
from interceptor.tui.body_view import BodyView


def result(name: str) -> Rendered:
    return Rendered(name, "", [])


def test_without_a_loop_a_job_is_done_at_once_and_once() -> None:
    asked: list[int] = []
    view = BodyView(lambda: None)

    def job(cancelled: Callable[[], bool]) -> Rendered:
        asked.append(1)
        return result("a")

    assert view.ask("subject", 1, job) == result("a")
    assert view.ask("subject", 1, job) == result("a")
    assert view.ask("other", 1, job) == result("a")
    assert view.ask("subject", 1, job) == result("a"), "going back costs nothing"
    assert len(asked) == 2
    view.ask("subject", 2, job)
    assert len(asked) == 3


@pytest.mark.parametrize("error", [UserError("there is no such view"), ValueError("odd"), RecursionError("deep")])
def test_a_failure_is_shown(error: Exception) -> None:
    def job(cancelled: Callable[[], bool]) -> Rendered:
        raise error

    rendered = BodyView(lambda: None).ask("subject", 1, job)
    assert rendered is not None
    assert str(error) in rendered.description


def test_in_a_loop_there_is_nothing_at_first_and_a_redraw_when_it_is_done() -> None:
    async def run() -> None:
        redrawn = asyncio.Event()
        view = BodyView(redrawn.set)
        main = threading.get_ident()
        where: list[int] = []

        def job(cancelled: Callable[[], bool]) -> Rendered:
            where.append(threading.get_ident())
            return result("a")

        assert view.ask("subject", 1, job) is None
        assert view.ask("subject", 1, job) is None, "it is running already"
        await asyncio.wait_for(redrawn.wait(), 10)
        assert view.ask("subject", 1, job) == result("a")
        assert where != [main]
        assert len(where) == 1

    asyncio.run(run())


def test_a_job_that_nobody_wants_any_more_is_called_off() -> None:
    async def run() -> None:
        redrawn = asyncio.Event()
        view = BodyView(redrawn.set)
        may_look, was_cancelled = threading.Event(), threading.Event()

        def slow(cancelled: Callable[[], bool]) -> Rendered:
            may_look.wait(10)
            if cancelled():
                was_cancelled.set()
                raise RenderCancelled
            return result("slow")

        assert view.ask("slow", 1, slow) is None
        assert view.ask("quick", 1, lambda cancelled: result("quick")) is None
        may_look.set()
        await asyncio.wait_for(redrawn.wait(), 10)
        assert view.ask("quick", 1, slow) == result("quick")
        assert was_cancelled.wait(10)

    asyncio.run(run())


def test_a_growing_body_shows_its_last_state_until_the_next_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interceptor.tui.body_view._SHORTEST_PAUSE_SECONDS", 0.0)

    async def run() -> None:
        redrawn = asyncio.Event()
        view = BodyView(redrawn.set)
        view.ask("subject", 1, lambda cancelled: result("first"))
        await asyncio.wait_for(redrawn.wait(), 10)
        redrawn.clear()
        assert view.ask("subject", 2, lambda cancelled: result("second")) == result("first")
        assert view.ask("subject", 3, lambda cancelled: result("third")) == result("first")
        await asyncio.wait_for(redrawn.wait(), 10)
        assert view.ask("subject", 3, lambda cancelled: result("again")) == result("third"), "only the newest was rendered"

    asyncio.run(run())
