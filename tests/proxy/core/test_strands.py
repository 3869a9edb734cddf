"""Strands: what they may wait for, what ends a wait, and how much may wait for them."""

from __future__ import annotations

import types
from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.model.connection import Connection, Side
from interceptor.proxy.core.conversation import Strand
from interceptor.proxy.core.effects import AskState, Close, PauseReading, ResumeReading, Send, Withdraw
from interceptor.proxy.core.events import (
    Closed,
    Congested,
    DataReceived,
    Drained,
    Opened,
    PipeEvent,
    Replied,
    TimedOut,
)
from interceptor.proxy.core.layer import MARK
from interceptor.proxy.core.stack import UsageError
from tests.proxy.core.toys import Question, Script, scripted
from tests.support.paper_driver import PaperStack

READ = 16 * 1024
Items = Strand[PipeEvent]


async def asking_about_each(script: Script, strand: Items) -> None:
    while True:
        match await strand.next_item():
            case DataReceived(data=data):
                script.log.append(await strand.ask(Question(strand, data.decode()), or_closed=script.connection))
            case Closed():
                return
            case other:
                script.log.append(other)


def question(paper: PaperStack) -> Question:
    [ask] = paper.asked
    assert isinstance(ask, Question)
    return ask


def test_items_come_in_order_and_wait_while_an_answer_does() -> None:
    paper, script = scripted(asking_about_each)
    assert paper.says(b"one", script.connection) == [question(paper)]
    assert paper.says(b"two", script.connection) == []
    first = question(paper)
    paper.answer(first, "yes")
    assert (script.log[1:], question(paper).text) == (["yes"], "two")
    assert first.state is AskState.ANSWERED and question(paper).state is AskState.WAITING


def test_an_answer_that_nobody_asked_for_is_our_fault() -> None:
    paper, script = scripted(asking_about_each)
    paper.says(b"one", script.connection)
    ask = question(paper)
    paper.answer(ask, "yes")
    with pytest.raises(UsageError, match="nobody waits for this reply"):
        paper.stack.turn(Replied(ask, "again"), 0.0)
    with pytest.raises(UsageError, match="nobody waits for this reply"):
        paper.stack.turn(Replied(Question(script.strand), "never asked"), 0.0)


def test_a_connection_that_closes_ends_the_ask_and_a_late_answer_is_ignored() -> None:
    paper, script = scripted(asking_about_each)
    paper.says(b"one", script.connection)
    ask = question(paper)
    assert paper.vanishes(script.connection, "reset") == [Withdraw(ask)]
    assert ask.state is AskState.WITHDRAWN and script.log[1:] == [Closed(script.connection, "reset")]
    assert paper.answer(ask, "late") == [] and len(script.log) == 2
    assert script.strand.is_over, "it read of the end, behind the ask"


def test_an_ask_about_a_connection_that_has_closed_is_not_asked() -> None:
    other = Connection(Side.SERVER)

    async def run(script: Script, strand: Items) -> None:
        await strand.next_item()
        script.log.append(await strand.ask(Question(strand), or_closed=other))

    paper, script = scripted(run)
    script.closed[other] = Closed(other, "gone")
    assert paper.says(b"go", script.connection) == []
    assert script.log == [] or script.log == [Closed(other, "gone")]


def test_an_ask_may_take_too_long() -> None:
    async def run(script: Script, strand: Items) -> None:
        for limit in (10.0, 30.0):
            script.log.append(await strand.ask(Question(strand, str(limit)), until=limit))

    paper, script = scripted(run)
    first = question(paper)
    assert paper.wake_at == 10.0
    paper.advance(9.9)
    assert script.log == []
    paper.advance(0.2)
    assert script.log == [TimedOut()] and paper.withdrawn == [first]
    paper.answer(question(paper), "in time")
    paper.advance(100)
    assert script.log == [TimedOut(), "in time"] and not paper.stack.alarms


def test_an_item_may_take_too_long() -> None:
    async def run(script: Script, strand: Items) -> None:
        await strand.next_item()
        while True:
            script.log.append(await strand.next_item(until=strand.stack.now + 5))

    paper, script = scripted(run)
    paper.says(b"one", script.connection)
    paper.advance(4)
    paper.says(b"two", script.connection)
    paper.advance(4)
    assert script.log == [DataReceived(script.connection, b"one"), DataReceived(script.connection, b"two")]
    paper.advance(1.1)
    assert script.log[2:] == [TimedOut()]


def test_a_strand_is_given_nothing_while_its_sink_is_congested() -> None:
    async def run(script: Script, strand: Items) -> None:
        strand.sink = script.connection
        while True:
            script.log.append(await strand.next_item())

    paper, script = scripted(run)
    paper.run(Congested(script.connection))
    paper.says(b"one", script.connection)
    paper.says(b"two", script.connection)
    assert script.log == [Opened(script.connection)]
    paper.run(Drained(script.connection))
    assert len(script.log) == 3 and not script.strand.mailbox


def test_room_waits_for_a_congested_sink_and_only_then() -> None:
    async def run(script: Script, strand: Items) -> None:
        strand.sink = script.connection
        await strand.next_item()
        for number in range(3):
            await strand.room()
            script.log.append(number)
            await strand.ask(Question(strand))

    paper, script = scripted(run)
    assert script.log == [0]
    paper.run(Congested(script.connection))
    paper.says(b"waits", script.connection)
    paper.answer(question(paper), "")
    assert script.log == [0] and not paper.asked
    paper.run(Drained(script.connection))
    assert script.log == [0, 1]
    paper.answer(question(paper), "")
    assert script.log == [0, 1, 2]


def test_a_sink_that_closes_makes_room() -> None:
    async def run(script: Script, strand: Items) -> None:
        strand.sink = script.connection
        await strand.next_item()
        await strand.ask(Question(strand))
        await strand.room()
        script.log.append("room")

    paper, script = scripted(run)
    paper.run(Congested(script.connection))
    paper.answer(question(paper), "")
    paper.vanishes(script.connection)
    assert script.log == ["room"]


def test_stopping_withdraws_and_lets_the_source_go_on() -> None:
    paper, script = scripted(asking_about_each)
    for _ in range(6):
        paper.says(bytes(READ), script.connection)
    assert script.connection in paper.paused
    ask = question(paper)
    script.end()
    assert paper.run(TimedOut()) == [ResumeReading(script.connection), Withdraw(ask)]
    assert paper.says(b"more", script.connection) == [] and not script.strand.mailbox


def test_a_strand_that_is_stopped_while_it_runs_does_not_wait_any_more() -> None:
    async def run(script: Script, strand: Items) -> None:
        await strand.next_item()
        script.end()
        await strand.ask(Question(strand))
        raise AssertionError("not reached")

    paper, script = scripted(run)
    assert paper.asked == [] and script.strand.is_over and not paper.stack.waiting()


def test_a_strand_awaits_nothing_else() -> None:
    @types.coroutine
    def foreign() -> Generator[str, None, None]:
        yield "a future"

    async def run(script: Script, strand: Items) -> None:
        await strand.next_item()
        await strand.next_item()
        await foreign()

    paper, script = scripted(run)
    with pytest.raises(UsageError, match="Script awaited 'a future'"):
        paper.says(b"go", script.connection)
    assert isinstance(paper.stack.failure, UsageError)


STEPS = st.lists(st.sampled_from(["read", "answer", "congest", "drain"]), max_size=80)


@given(STEPS)
def test_what_waits_never_exceeds_the_mark_and_one_read(steps: list[str]) -> None:
    async def run(script: Script, strand: Items) -> None:
        strand.sink = script.connection
        while True:
            await strand.next_item()
            await strand.ask(Question(strand))

    paper, script = scripted(run)
    for step in steps:
        if step == "read" and script.connection not in paper.paused:
            paper.says(bytes(READ), script.connection)
        elif step == "answer" and paper.asked:
            paper.answer(paper.asked[0], "")
        elif step in ("congest", "drain"):
            paper.run(Congested(script.connection) if step == "congest" else Drained(script.connection))
        waiting = sum(len(event.data) for event, _ in script.strand.mailbox if isinstance(event, DataReceived))
        assert waiting == script.strand.mark.held <= MARK + READ
        assert (script.connection in paper.paused) <= (waiting >= MARK // 4)
        assert (script.connection in paper.paused) or waiting <= MARK
    paper.run(Drained(script.connection))
    while paper.asked:
        paper.answer(paper.asked[0], "")
    assert not paper.paused and not script.strand.mailbox


def test_the_mark_pauses_once_and_resumes_once() -> None:
    paper, script = scripted(asking_about_each)
    effects = [effect for _ in range(6) for effect in paper.says(bytes(READ), script.connection)]
    assert effects.count(PauseReading(script.connection)) == 1
    while paper.asked:
        paper.answer(paper.asked[0], "")
    assert paper.order.count(ResumeReading(script.connection)) == 1
    assert paper.order.count(PauseReading(script.connection)) == 1


def test_effects_of_a_closed_connection_go_nowhere() -> None:
    async def run(script: Script, strand: Items) -> None:
        await strand.next_item()
        script.wire(Close(script.connection, "done"))
        script.wire(Send(script.connection, b"too late"))

    paper, script = scripted(run)
    assert paper.order == [Close(script.connection, "done")]
