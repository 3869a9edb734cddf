"""Raw conversations: both directions on their own, half-closes passed on, messages held, edited, dropped; and their end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interceptor.model.flow import HoldPoint, TcpFlow
from interceptor.model.hooks import FORWARD, Drop, Forward, Hook, Kill, MessageReceived, Verdict
from interceptor.model.records import FlowEnded, FlowStarted, MessageData
from interceptor.proxy.asks import ConnectFailed
from interceptor.proxy.core.events import Congested, Drained, MessageInjected
from tests.support.paper_driver import PaperDriver, paper_settings, reverse

TCP = reverse("tcp://t.test:9")


def talking(decide: Callable[[Hook], Verdict | None] = lambda hook: FORWARD, **settings: object) -> PaperDriver:
    """The server has said hello."""
    driver = PaperDriver(TCP, paper_settings(**settings), decide=lambda hook: FORWARD)
    driver.says(b"hello", driver.server)
    assert driver.sent(driver.client) == b"hello"
    driver.decide = decide
    return driver


def hold_client(hook: Hook) -> Verdict | None:
    return None if isinstance(hook, MessageReceived) and hook.from_client else FORWARD


def test_bytes_pass_both_ways_and_are_recorded() -> None:
    driver = talking()
    driver.says(b"one")
    driver.says(b"two", driver.server)
    assert (driver.sent(driver.server), driver.sent(driver.client)) == (b"one", b"two")
    driver.ends(driver.server)
    assert driver.client in driver.half_closed and not driver.closed
    driver.says(b"three")
    assert driver.sent(driver.server) == b"three"
    driver.ends(driver.client)
    assert driver.server in driver.half_closed and {driver.client, driver.server} <= set(driver.closed)
    assert [type(record) for record in driver.records] == [FlowStarted, *[MessageData] * 4, FlowEnded]
    assert driver.errors() == [""] and not driver.ended_by_driver and not driver.stack.alarms


def test_the_client_may_end_its_side_first() -> None:
    driver = talking()
    driver.says(b"question")
    driver.ends(driver.client)
    assert driver.server in driver.half_closed
    driver.says(b"answer", driver.server)
    assert driver.sent(driver.client) == b"answer"
    driver.ends(driver.server)
    assert driver.errors() == [""]


def test_a_client_that_says_something_and_ends_its_side_at_once() -> None:
    driver = PaperDriver(TCP, paper_settings(is_eager=False))
    driver.says(b"question")
    driver.ends(driver.client)
    assert driver.sent(driver.server) == b"question" and driver.server in driver.half_closed
    driver.says(b"answer", driver.server)
    assert driver.sent(driver.client) == b"answer"


def test_a_hold_stops_one_direction_only() -> None:
    driver = talking(hold_client)
    driver.says(b"one")
    [hold] = driver.held(MessageReceived)
    driver.says(b"two")
    driver.says(b"news", driver.server)
    assert driver.sent(driver.client) == b"news" and driver.sent(driver.server) == b""
    driver.answer(hold, Forward(data=b"ONE"))
    [second] = driver.held(MessageReceived)
    assert driver.sent(driver.server) == b"ONE"
    driver.answer(second, Drop())
    assert driver.sent(driver.server) == b""
    messages = [record for record in driver.records if isinstance(record, MessageData) and record.from_client]
    assert [(message.data, message.original) for message in messages] == [(b"ONE", b"one"), (None, b"two")]


def test_what_waits_behind_a_hold_is_bounded_and_the_end_comes_last() -> None:
    driver = talking(hold_client)
    for _ in range(6):
        driver.says(b"x" * 16384)
    driver.ends(driver.client)
    assert driver.client in driver.paused
    driver.decide = lambda hook: FORWARD
    [hold] = driver.held()
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.server) == b"x" * 6 * 16384 and driver.server in driver.half_closed
    assert not driver.paused


def test_an_edit_to_nothing_sends_nothing() -> None:
    driver = talking(lambda hook: Forward(data=b""))
    driver.says(b"one")
    assert driver.sent(driver.server) == b""
    [_, message] = [record for record in driver.records if isinstance(record, MessageData)]
    assert (message.data, message.original) == (b"", b"one")


def test_a_slow_side_pauses_the_other() -> None:
    driver = talking()
    driver.run(Congested(driver.client))
    for _ in range(6):
        driver.says(b"x" * 16384, driver.server)
    assert driver.server in driver.paused and driver.client not in driver.paused
    driver.says(b"up")
    assert driver.sent(driver.server) == b"up" and driver.sent(driver.client) == b""
    driver.run(Drained(driver.client))
    assert driver.sent(driver.client) == b"x" * 6 * 16384 and not driver.paused


def test_killed_by_a_rule_and_by_the_user() -> None:
    driver = talking(lambda hook: Kill("no"))
    driver.says(b"one")
    assert driver.errors() == ["no"] and {driver.client, driver.server} <= set(driver.closed)
    driver = talking()
    driver.kill(driver.tcp, "enough")
    assert driver.errors() == ["enough"] and {driver.client, driver.server} <= set(driver.closed)


@pytest.mark.parametrize("reason", ["", "connection reset by peer"])
def test_a_side_that_vanishes(reason: str) -> None:
    driver = talking()
    driver.vanishes(driver.server, reason)
    assert driver.errors() == [reason] and driver.client in driver.closed
    driver = talking()
    driver.vanishes(driver.client, reason)
    assert driver.errors() == [reason] and driver.server in driver.closed and not driver.ended_by_driver


def test_a_server_that_vanishes_while_a_message_to_it_is_held() -> None:
    driver = talking(hold_client)
    driver.says(b"one")
    [hold] = driver.held()
    driver.vanishes(driver.server)
    assert driver.withdrawn == [hold] and "while a message was held" in driver.errors()[0]


def test_silence_ends_it_but_not_while_a_message_is_held() -> None:
    driver = talking(tcp_timeout=600)
    driver.advance(500)
    driver.says(b"still here")
    driver.advance(590)
    assert not driver.ended
    driver.advance(20)
    assert "tcp_timeout" in driver.errors()[0]
    driver = talking(hold_client, tcp_timeout=600)
    driver.says(b"one")
    driver.tcp.held = HoldPoint.MESSAGE  # as the interception addon does
    driver.advance(5000)
    assert not driver.ended
    driver.tcp.held = None
    driver.advance(5)
    assert len(driver.ended) == 1


def test_a_server_that_cannot_be_reached() -> None:
    failed = ConnectFailed("t.test:9", "connect", "connection refused")
    driver = PaperDriver(TCP, dials=lambda address: failed)
    driver.says(b"\x00\x01 something")
    assert driver.errors() == ["t.test:9: connect: connection refused"] and driver.client in driver.closed
    assert isinstance(driver.ended[0], TcpFlow) and driver.ended[0].server is not None


def test_a_client_that_leaves_while_the_server_is_dialled() -> None:
    driver = PaperDriver(TCP, paper_settings(is_eager=False), dials=lambda address: None)
    driver.says(b"\x00\x01 something")
    dial = driver.dialling()
    driver.vanishes(driver.client)
    assert dial in driver.withdrawn and len(driver.ended) == 1


def test_an_ignored_host_leaves_no_row() -> None:
    driver = PaperDriver(TCP, paper_settings(ignore_hosts=(r"t\.test:9$",)), decide=lambda hook: Kill("never asked"))
    driver.says(b"one")
    driver.says(b"two", driver.server)
    assert (driver.sent(driver.server), driver.sent(driver.client)) == (b"one", b"two")
    driver.ends(driver.client)
    driver.ends(driver.server)
    assert not driver.records and driver.client in driver.closed and driver.server in driver.closed


def test_an_ignored_host_is_shown_if_wanted_and_still_nobody_is_asked() -> None:
    settings = paper_settings(ignore_hosts=(r"t\.test:9$",), show_ignored_hosts=True)
    driver = PaperDriver(TCP, settings, decide=lambda hook: Kill("never asked"))
    driver.says(b"one")
    driver.says(b"two", driver.server)
    assert (driver.sent(driver.server), driver.sent(driver.client)) == (b"one", b"two")
    driver.ends(driver.client)
    driver.ends(driver.server)
    said = [(record.from_client, record.data) for record in driver.records if isinstance(record, MessageData)]
    assert said == [(True, b"one"), (False, b"two")]
    assert driver.tcp.ended_at is not None


def inject(driver: PaperDriver, from_client: bool, data: bytes) -> None:
    driver.run(MessageInjected(driver.tcp.id, from_client, data))


def test_what_the_user_says_goes_out_recorded_as_such_and_asked_about() -> None:
    asked: list[tuple[bytes, bool]] = []

    def decide(hook: Hook) -> Verdict:
        if isinstance(hook, MessageReceived):
            asked.append((hook.data, hook.is_injected))
        return FORWARD

    driver = talking(decide)
    inject(driver, True, b"to the server")
    inject(driver, False, b"to the client")
    assert (driver.sent(driver.server), driver.sent(driver.client)) == (b"to the server", b"to the client")
    assert asked == [(b"to the server", True), (b"to the client", True)]
    recorded = [record for record in driver.records if isinstance(record, MessageData)][1:]
    assert [(each.from_client, each.data, each.is_injected) for each in recorded] == [
        (True, b"to the server", True),
        (False, b"to the client", True),
    ]


def test_what_the_user_says_waits_behind_a_held_message() -> None:
    driver = talking(lambda hook: None if isinstance(hook, MessageReceived) and not hook.is_injected else FORWARD)
    driver.says(b"first")
    inject(driver, True, b"second")
    assert driver.sent(driver.server) == b""
    [hold] = driver.held(MessageReceived)
    driver.answer(hold, FORWARD)
    assert driver.sent(driver.server) == b"firstsecond"


def test_nothing_is_said_for_a_side_that_has_ended_or_in_a_flow_that_has() -> None:
    driver = talking()
    driver.ends(driver.client)
    conversation = driver.stack.injectable[driver.tcp.id]
    assert "client has ended its side" in conversation.refusal(from_client=True)
    assert conversation.refusal(from_client=False) == ""
    driver.ends(driver.server)
    assert driver.tcp.id not in driver.stack.injectable
    inject(driver, False, b"too late")
    assert driver.sent(driver.client) == b"" and not driver.ended_by_driver
