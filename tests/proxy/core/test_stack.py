"""Turns and the inbox, pipes and tunnels, what is posted, and what happens to a stack whose layer raises."""

from __future__ import annotations

from interceptor.model.connection import Connection, Side
from interceptor.model.flow import TcpFlow
from interceptor.model.records import FlowEnded, FlowStarted
from interceptor.proxy.core.effects import Close, HalfClose, Send, WakeAt, Withdraw
from interceptor.proxy.core.events import (
    Closed,
    DataReceived,
    FlowKilled,
    HalfClosed,
    Opened,
    PipeEvent,
    Posted,
    Replied,
    TimedOut,
)
from interceptor.proxy.core.layer import Layer
from interceptor.proxy.core.stack import Stack, UsageError
from interceptor.proxy.core.tunnel import Tunnel
from tests.proxy.core.toys import Framer, Question, client
from tests.support.paper_driver import PaperStack


class Head(Layer):
    """Writes down what it receives."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.seen: list[PipeEvent] = []
        self.answers: list[object] = []

    def receive(self, event: PipeEvent) -> None:
        self.seen.append(event)
        if isinstance(event, DataReceived) and event.data == b"raise":
            raise ValueError("broken")
        if isinstance(event, DataReceived) and event.data == b"ask":
            self.ask(Question(self, "?"), then=self.answers.append)


def headed(*tunnels: Tunnel, stack: Stack | None = None) -> tuple[PaperStack, Head, Connection]:
    stack, connection = stack or Stack(), client()
    head = Head(stack)
    stack.open(connection, tunnels, head)
    return PaperStack(stack), head, connection


def test_events_rise_and_effects_sink() -> None:
    stack = Stack()
    paper, head, connection = headed(Framer(stack), Framer(stack), stack=stack)
    assert paper.run(Opened(connection)) == [Send(connection, b"hi\n")]
    assert paper.says(b"HEL", connection) == [] and head.seen == []
    assert paper.says(b"LO\n", connection) == [Send(connection, b"HI\n")], "the second speaks through the first"
    paper.says(b"hello\nx", connection)
    assert head.seen == [Opened(connection), DataReceived(connection, b"x")]
    head.wire(Send(connection, b"Abc"))
    head.wire(HalfClose(connection))
    assert paper.run(TimedOut()) == [Send(connection, b"Abc"), HalfClose(connection)]
    paper.ends(connection)
    assert head.seen[-1] == HalfClosed(connection)


def test_a_tunnel_that_fails_closes_below_and_above() -> None:
    stack = Stack()
    paper, head, connection = headed(Framer(stack), Tunnel(stack), stack=stack)
    reason = "greeted with b'WHO'"
    assert paper.run(Opened(connection), DataReceived(connection, b"WHO\n"))[1:] == [Close(connection, reason)]
    assert head.seen == [Closed(connection, reason)]
    assert paper.run(DataReceived(connection, b"more")) == [] and len(head.seen) == 1


def test_a_pipe_grows_under_a_new_head() -> None:
    stack = Stack()
    paper, old, connection = headed(stack=stack)
    paper.says(b"first", connection)
    new = Head(stack)
    stack.pipes[connection].put([Framer(stack)], new)
    paper.run(Opened(connection), DataReceived(connection, b"HELLO\nSECOND"))
    assert len(old.seen) == 1 and new.seen == [Opened(connection), DataReceived(connection, b"second")]


def test_turns_do_not_nest() -> None:
    class Greedy(Layer):
        def receive(self, event: PipeEvent) -> None:
            self.stack.turn(event, 0.0)

    stack, connection = Stack(), client()
    stack.open(connection, (), Greedy(stack))
    stack.turn(Opened(connection), 0.0)
    assert isinstance(stack.failure, UsageError)


def test_what_is_posted_comes_later_and_what_is_posted_first_comes_before() -> None:
    stack = Stack()
    paper, head, connection = headed(stack=stack)

    class Poster(Layer):
        def receive(self, event: PipeEvent) -> None:
            stack.post(head, DataReceived(connection, b"last"))
            stack.post_first(head, [DataReceived(connection, b"first"), DataReceived(connection, b"second")])
            assert head.seen == []

    stack.inbox.append(Posted(Poster(stack), Opened(connection)))
    stack.inbox.append(DataReceived(connection, b"waited"))
    paper.run(TimedOut())
    assert [event.data for event in head.seen if isinstance(event, DataReceived)] == [b"first", b"second", b"waited", b"last"]


def test_an_ask_by_continuation_and_its_withdrawal() -> None:
    paper, head, connection = headed()
    [ask] = paper.says(b"ask", connection)
    paper.run(Replied(ask, "yes"))  # type: ignore[arg-type]
    assert head.answers == ["yes"]
    [second] = paper.says(b"ask", connection)
    head.withdraw_asks()
    assert paper.run(TimedOut()) == [Withdraw(second)]  # type: ignore[arg-type]
    paper.run(Replied(second, "late"))  # type: ignore[arg-type]
    assert head.answers == ["yes"] and not paper.stack.waiting()


def test_one_timer_for_the_earliest_alarm() -> None:
    stack, rung = Stack(), list[str]()
    paper, _, _ = headed(stack=stack)
    late, early = (lambda: rung.append("late")), (lambda: rung.append("early"))
    stack.alarms[late] = 20.0
    assert stack.turn(TimedOut(), 0.0) == [WakeAt(20.0)]
    assert stack.turn(TimedOut(), 0.0) == [WakeAt(20.0)], "it has rung, so it is set again"
    stack.alarms[early] = 10.0
    paper.advance(0)
    paper.run(TimedOut())
    assert paper.wake_at == 10.0
    paper.advance(15)
    assert rung == ["early"] and paper.wake_at == 20.0
    paper.advance(5)
    assert rung == ["early", "late"] and not stack.alarms


def test_an_alarm_may_take_back_another() -> None:
    stack, rung = Stack(), list[str]()

    def second() -> None:
        rung.append("second")

    def first() -> None:
        rung.append("first")
        stack.alarms.pop(second, None)

    stack.alarms[first], stack.alarms[second] = 1.0, 1.0
    stack.turn(TimedOut(), 2.0)
    assert rung == ["first"]


def test_a_layer_that_raises_ends_its_stack_and_no_other() -> None:
    paper, _, connection = headed()
    other, other_head, other_connection = headed()
    server = Connection(Side.SERVER)
    paper.stack.open(server, (), Head(paper.stack))
    [ask] = paper.says(b"ask", connection)
    flow = TcpFlow(1)
    paper.stack.record(FlowStarted(flow))
    reason = "internal error: ValueError: broken"
    effects = paper.stack.turn(DataReceived(connection, b"raise"), 0.0)
    assert effects == [FlowStarted(flow), Withdraw(ask), Close(connection, reason), Close(server, reason)]  # type: ignore[arg-type]
    assert isinstance(paper.stack.failure, ValueError) and paper.stack.open_flows == {1: flow}, "its driver ends them"
    assert paper.stack.turn(DataReceived(connection, b"more"), 0.0) == [] and not paper.stack.inbox
    other.says(b"fine", other_connection)
    assert len(other_head.seen) == 1


def test_events_of_a_closed_connection_go_nowhere() -> None:
    paper, head, connection = headed()
    head.wire(Close(connection, "done"))
    paper.run(DataReceived(connection, b"x"), HalfClosed(connection), Closed(connection))
    assert head.seen == []


def test_a_flow_is_killed_by_whoever_runs_it() -> None:
    stack, killed = Stack(), list[str]()
    stack.killers[7] = killed.append
    stack.turn(FlowKilled(7, "enough"), 0.0)
    stack.turn(FlowKilled(8, "nobody"), 0.0)
    stack.record(FlowStarted(flow := TcpFlow(7)))
    stack.record(FlowEnded(flow))
    stack.turn(FlowKilled(7, "over"), 0.0)
    assert killed == ["enough"] and not stack.open_flows


def test_wall_time_is_the_turns_time() -> None:
    stack = Stack(epoch_offset=1000.0)
    stack.turn(TimedOut(), 5.0)
    assert stack.wall_time() == 1005.0
