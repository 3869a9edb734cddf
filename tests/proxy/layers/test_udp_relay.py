"""Conversations of datagrams: each is a message of its own, held, edited, dropped, put in; silence ends them well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from interceptor.model.connection import Origin
from interceptor.model.flow import DnsFlow, UdpFlow
from interceptor.model.hooks import FORWARD, DatagramReceived, Drop, Forward, Hook, Kill, Verdict
from interceptor.model.records import FlowEnded, FlowStarted, MessageData
from interceptor.proxy.asks import ConnectFailed
from interceptor.proxy.core.events import MessageInjected
from interceptor.proxy.ingress import Ingress
from tests.support.paper_driver import PaperDriver, paper_settings, reverse


def talking(decide: Callable[[Hook], Verdict | None] = lambda hook: FORWARD, **settings: object) -> PaperDriver:
    ingress = reverse("udp://u.test:9")
    return PaperDriver(ingress, paper_settings(**settings), decide=decide, transport="udp")


REDIRECTED = Ingress("transparent", Origin("udp", "198.51.100.2", 443), is_redirected=True)
INITIAL = b"\xc3\0\0\0\1\x08" + bytes(1194)
QUERY = b"\0\x07\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1"


NEARLY = [b"", b"hello", INITIAL[:-1], b"\xc3\0\0\0\2" + INITIAL[5:], QUERY[:-1], QUERY + b"!", QUERY[:2] + b"\x81" + QUERY[3:]]


@pytest.mark.parametrize("first", NEARLY)
def test_what_is_redirected_and_nothing_that_is_known_passes_as_it_is(first: bytes) -> None:
    driver = PaperDriver(REDIRECTED, transport="udp")
    driver.says(first)
    assert driver.datagrams(driver.server) == [first] and isinstance(driver.flows[0], UdpFlow)


def test_a_query_is_told_from_other_datagrams() -> None:
    driver = PaperDriver(REDIRECTED, transport="udp")
    driver.says(QUERY)
    assert isinstance(driver.flows[0], DnsFlow) and driver.datagrams(driver.server) == [QUERY]
    assert driver.server.peer == ("198.51.100.2", 443)


def test_quic_is_not_answered_unless_its_host_is_ignored() -> None:
    driver = PaperDriver(REDIRECTED, paper_settings(udp_timeout=20.0), transport="udp")
    driver.says(INITIAL)
    driver.advance(15)
    driver.says(INITIAL)
    assert len(driver.flows) == 1 and "ignore_hosts" in driver.errors()[0] and not driver.servers and not driver.closed
    assert isinstance(driver.flows[0], UdpFlow)
    driver.advance(25)
    assert driver.client in driver.closed and len(driver.flows) == 1
    driver = PaperDriver(REDIRECTED, paper_settings(udp_hosts=(r"198\.51\.100\.2:443",)), transport="udp")
    driver.says(INITIAL)
    assert driver.datagrams(driver.server) == [INITIAL] and isinstance(driver.flows[0], UdpFlow)
    driver = PaperDriver(REDIRECTED, paper_settings(ignore_hosts=(r"198\.51\.100\.2:443",)), transport="udp")
    driver.says(INITIAL)
    assert driver.datagrams(driver.server) == [INITIAL] and not driver.flows


def test_each_datagram_is_one_also_an_empty_one() -> None:
    driver = talking()
    for data in (b"one", b"", b"two"):
        driver.says(data)
    assert driver.server.transport == "udp" and driver.server.peer == ("u.test", 9)
    assert driver.datagrams(driver.server) == [b"one", b"", b"two"]
    driver.says(b"back", driver.server)
    assert driver.datagrams(driver.client) == [b"back"]
    [flow] = driver.flows
    assert isinstance(flow, UdpFlow) and (flow.message_count, flow.byte_count) == (4, 10)


def test_what_comes_while_the_server_is_reached_waits_for_it() -> None:
    ingress = reverse("udp://u.test:9")
    driver = PaperDriver(ingress, dials=lambda address: None, transport="udp")
    driver.says(b"one")
    driver.says(b"two")
    driver.connected(driver.dialling())
    assert driver.datagrams(driver.server) == [b"one", b"two"]


def test_silence_ends_it_and_that_is_no_failure() -> None:
    driver = talking(udp_timeout=20.0)
    driver.says(b"one")
    driver.advance(15)
    driver.says(b"two", driver.server)
    driver.advance(15)
    assert not driver.ended
    driver.advance(10)
    assert driver.errors() == [""] and {driver.client, driver.server} <= set(driver.closed)
    assert [type(record) for record in driver.records] == [FlowStarted, MessageData, MessageData, FlowEnded]


def test_a_held_datagram_keeps_it_alive_and_what_follows_waits() -> None:
    driver = talking(lambda hook: None if isinstance(hook, DatagramReceived) and hook.from_client else FORWARD)
    driver.says(b"one")
    driver.says(b"two")
    [hold] = driver.held(DatagramReceived)
    driver.says(b"news", driver.server)
    assert driver.datagrams(driver.client) == [b"news"]
    driver.answer(hold, Forward(data=b"ONE"))
    [second] = driver.held(DatagramReceived)
    driver.answer(second, Drop())
    assert driver.datagrams(driver.server) == [b"ONE"]
    said = [(record.data, record.original) for record in driver.records if isinstance(record, MessageData)]
    assert said == [(b"news", None), (b"ONE", b"one"), (None, b"two")]


def test_what_waits_behind_a_hold_is_bounded_also_if_it_is_empty() -> None:
    driver = talking(lambda hook: None)
    for _ in range(2_000):
        driver.says(b"")
    assert driver.client in driver.paused


def test_one_that_the_user_says() -> None:
    driver = talking()
    driver.says(b"one")
    driver.run(MessageInjected(driver.flows[0].id, from_client=False, data=b"ours"))
    assert driver.datagrams(driver.client) == [b"ours"]


def test_a_kill_and_a_refusal_of_the_server_are_told() -> None:
    driver = talking(lambda hook: Kill("no"))
    driver.says(b"one")
    assert driver.errors() == ["no"] and driver.datagrams(driver.server) == []
    driver = talking()
    driver.says(b"one")
    driver.vanishes(driver.server, "connection refused: nobody listens on that UDP port")
    assert driver.errors() == ["connection refused: nobody listens on that UDP port"] and driver.client in driver.closed


def test_a_server_that_cannot_be_reached() -> None:
    failed = ConnectFailed("u.test:9", "connect", "the name cannot be resolved")
    driver = PaperDriver(reverse("udp://u.test:9"), dials=lambda address: failed, transport="udp")
    driver.says(b"one")
    assert driver.errors() == ["u.test:9: connect: the name cannot be resolved"]


def test_an_ignored_host_leaves_no_row() -> None:
    driver = talking(ignore_hosts=("u\\.test",))
    driver.says(b"one")
    driver.says(b"two", driver.server)
    assert driver.datagrams(driver.server) == [b"one"] and driver.datagrams(driver.client) == [b"two"]
    assert not driver.flows and not driver.hooks
    assert talking(allow_hosts=("other",)).hooks == []
