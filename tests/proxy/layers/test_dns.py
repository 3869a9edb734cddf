"""DNS between clients and name servers: bytes pass as they came; queries and answers are held, edited, answered by hand; and what
happens when nobody answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.rdatatype
import pytest

from interceptor.model.connection import Address
from interceptor.model.dns import DnsMessage
from interceptor.model.flow import DnsFlow
from interceptor.model.hooks import FORWARD, DnsRequest, DnsResponse, Hook, Kill, Verdict
from interceptor.proxy.asks import ConnectFailed, NamesFound
from interceptor.proxy.core.events import Congested
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.layers.dns import WAITING
from interceptor.specs.servers import NameServer
from tests.support.paper_driver import PaperDriver, paper_settings, reverse

REVERSE = Ingress(**{**{f: getattr(reverse("dns://192.0.2.53:53"), f) for f in ("mode", "origin", "is_reverse")}, "is_dns": True})
DNS = Ingress("dns", is_dns=True)


def asking(ingress: Ingress = REVERSE, transport: str = "udp", **more: Any) -> PaperDriver:
    return PaperDriver(ingress, transport=transport, **more)


def query(name: str = "www.example.test", kind: str = "A", number: int = 7, **more: Any) -> bytes:
    message = dns.message.make_query(name, kind, **more)
    message.id = number
    return bytes(message.to_wire())


def answer(wire: bytes, *records: str, rdtype: str = "A") -> bytes:
    message = dns.message.make_response(dns.message.from_wire(wire))
    name = message.question[0].name
    if records:
        message.answer.append(dns.rrset.from_text(name, 60, "IN", rdtype, *records))
    return bytes(message.to_wire(max_size=65535))


def framed(*wires: bytes) -> bytes:
    return b"".join(len(wire).to_bytes(2, "big") + wire for wire in wires)


def flow_of(driver: PaperDriver) -> DnsFlow:
    flow = driver.flows[-1]
    assert isinstance(flow, DnsFlow)
    return flow


def test_query_and_answer_pass_as_they_came() -> None:
    driver = asking()
    asked = query("WwW.Example.TEST")
    driver.says(asked)
    assert driver.server.transport == "udp" and driver.datagrams(driver.server) == [asked]
    told = answer(asked, "192.0.2.1") + b"junk"
    driver.says(told, driver.server)
    assert driver.datagrams(driver.client) == [told]
    flow = flow_of(driver)
    assert (flow.request.name, flow.request.type_name) == ("WwW.Example.TEST", "A") and flow.response is not None
    assert flow.response.answers() == ["192.0.2.1"] and driver.errors() == [""] and flow.server is driver.server


def test_queries_of_one_client_share_a_socket_and_answers_find_them_in_any_order() -> None:
    driver = asking()
    one, two, three = query("a.test", number=5), query("b.test", number=5), query("c.test", number=6)
    for each in (one, two, three):
        driver.says(each)
    assert len(driver.servers) == 1
    sent = driver.datagrams(driver.server)
    assert sent[0] == one and sent[1][2:] == two[2:] and sent[1][:2] != one[:2] and len({each[:2] for each in sent}) == 3
    for each in reversed(sent):
        driver.says(answer(each), driver.server)
    got = driver.datagrams(driver.client)
    assert [dns.message.from_wire(each).id for each in got] == [6, 5, 5]
    assert [str(dns.message.from_wire(each).question[0].name) for each in got] == ["c.test.", "b.test.", "a.test."]


def test_an_answer_to_another_question_does_not_count() -> None:
    driver = asking()
    asked = query()
    driver.says(asked)
    driver.says(answer(query("other.test")), driver.server)
    driver.says(answer(query(number=8)), driver.server)
    driver.says(asked, driver.server)
    driver.says(b"short", driver.server)
    assert driver.datagrams(driver.client) == [] and not driver.ended
    driver.says(answer(asked, "192.0.2.1"), driver.server)
    assert len(driver.datagrams(driver.client)) == 1


def test_streams_have_lengths_and_may_be_cut_anywhere() -> None:
    one, two = query("a.test", number=1), query("b.test", number=2)
    for step in (1, 3, 1000):
        driver = asking(transport="tcp")
        stream = framed(one, two)
        for start in range(0, len(stream), step):
            driver.says(stream[start : start + step])
        assert driver.server.transport == "tcp" and driver.sent(driver.server) == stream
        driver.says(framed(answer(two), answer(one)), driver.server)
        assert driver.sent(driver.client) == framed(answer(two), answer(one))
        assert driver.client not in driver.closed
        driver.ends(driver.client)
        assert driver.client in driver.closed


def test_a_server_that_closed_a_used_connection_is_asked_once_more() -> None:
    driver = asking(transport="tcp")
    driver.says(framed(query(number=1)))
    driver.says(framed(answer(query(number=1))), driver.server)
    driver.says(framed(query(number=2)))
    driver.ends(driver.server)
    assert len(driver.servers) == 2 and driver.sent(driver.server) == framed(query(number=2))
    driver.ends(driver.server)
    assert driver.errors() == ["", "192.0.2.53:53: the name server closed the connection"]
    assert dns.message.from_wire(driver.sent(driver.client)[-len(query()) :]).rcode() == dns.rcode.SERVFAIL


def test_held_edited_and_answered_by_hand() -> None:
    driver = asking(decide=lambda hook: None)
    asked = query()
    driver.says(asked)
    [hold] = driver.held(DnsRequest)
    flow = flow_of(driver)
    flow.backup()
    flow.request = DnsMessage(query("other.test", number=99))
    driver.answer(hold, FORWARD)
    assert driver.datagrams(driver.server) == [query("other.test", number=99)]
    driver.says(answer(query("other.test", number=99), "192.0.2.9"), driver.server)
    [hold] = driver.held(DnsResponse)
    driver.advance(60)  # nobody is too late while somebody decides
    flow.response = DnsMessage(answer(query("made.test"), "192.0.2.77"))
    driver.answer(hold, FORWARD)
    [told] = driver.datagrams(driver.client)
    assert told == answer(query("made.test"), "192.0.2.77")  # with the id that the client knows

    driver.says(query(number=3))
    [hold] = driver.held(DnsRequest)
    flow = flow_of(driver)
    flow.response = DnsMessage(answer(query(number=1234), "192.0.2.5"))
    driver.answer(hold, FORWARD)
    [told] = driver.datagrams(driver.client)
    assert told == answer(query(number=3), "192.0.2.5") and driver.datagrams(driver.server) == []


def test_what_was_made_here_and_is_too_long_for_a_datagram_is_cut() -> None:
    def respond(hook: Hook) -> Verdict:
        if isinstance(hook, DnsRequest):
            texts = [f'"{n}{"x" * 200}"' for n in range(5)]
            hook.flow.response = DnsMessage(answer(hook.flow.request.wire, *texts, rdtype="TXT"))
        return FORWARD

    for more, is_cut in (({}, True), ({"use_edns": 0, "payload": 1000}, True), ({"use_edns": 0, "payload": 4096}, False)):
        driver = asking(decide=respond)
        driver.says(query(kind="TXT", **more))
        [told] = driver.datagrams(driver.client)
        assert bool(dns.message.from_wire(told).flags & dns.flags.TC) is is_cut
    stream = asking(decide=respond, transport="tcp")
    stream.says(framed(query(kind="TXT")))
    assert not dns.message.from_wire(stream.sent(stream.client)[2:]).flags & dns.flags.TC


def test_a_kill_answers_nothing_and_the_user_may_kill_what_waits() -> None:
    driver = asking(decide=lambda hook: Kill("no"))
    driver.says(query())
    assert driver.errors() == ["no"] and driver.datagrams(driver.client) == []
    driver = asking()
    driver.says(query())
    driver.kill(driver.flows[0], "Killed by the user.")
    assert driver.errors() == ["Killed by the user."]
    assert dns.message.from_wire(driver.datagrams(driver.client)[0]).rcode() == dns.rcode.SERVFAIL


def test_the_keys_for_encrypted_client_hello_go_and_a_note_stays() -> None:
    ech = "AEX+DQBBpAAgACCOcYvV5lJzMWbUi0qZQ3T2rB3o8J0fTrAHzZuEXyPDeQAEAAEAAQASY292ZXIuZXhhbXBsZS50ZXN0AAA="
    asked = query(kind="HTTPS")
    told = answer(asked, f"1 . mandatory=alpn,ech alpn=h2 ech={ech}", "2 . alpn=h3", rdtype="HTTPS")
    driver = asking()
    driver.says(asked)
    driver.says(told, driver.server)
    flow = flow_of(driver)
    assert flow.response is not None and flow.original is not None and flow.original[1] is not None
    assert sorted(flow.response.answers()) == ['1 . mandatory="alpn" alpn="h2"', '2 . alpn="h3"']
    assert driver.datagrams(driver.client) == [flow.response.wire] and flow.original[1].wire == told
    assert "strip_ech" in flow.noted_by_rules()[0]

    kept = asking(settings=paper_settings(strip_ech=False))
    kept.says(asked)
    kept.says(told, kept.server)
    assert kept.datagrams(kept.client) == [told] and not flow_of(kept).is_modified


def test_name_servers_are_asked_in_turn() -> None:
    driver = asking(DNS)
    driver.names = NamesFound([NameServer("192.0.2.1"), NameServer("192.0.2.2")])
    driver.says(query())
    first = driver.server
    assert first.peer == ("192.0.2.1", 53) and driver.datagrams(first) == [query()]
    driver.advance(2.5)
    assert driver.server.peer == ("192.0.2.2", 53) and driver.datagrams(driver.server) == [query()]
    driver.says(answer(query(), "192.0.2.9"), first)  # late, and right
    assert len(driver.datagrams(driver.client)) == 1 and flow_of(driver).server is first
    driver.says(answer(query(), "192.0.2.10"), driver.server)
    assert driver.datagrams(driver.client) == []


def test_a_server_that_refuses_makes_room_for_the_next_and_the_last_is_told() -> None:
    def dials(address: Address) -> ConnectFailed | bool:
        return ConnectFailed(f"{address[0]}:53", "connect", "no route") if address[0] == "192.0.2.1" else True

    driver = asking(DNS, dials=dials)
    driver.names = NamesFound([NameServer("192.0.2.1"), NameServer("192.0.2.2")])
    driver.says(query())
    assert driver.server.peer == ("192.0.2.2", 53)
    driver.vanishes(driver.server, "connection refused")
    assert driver.errors() == ["192.0.2.2:53: connection refused"]
    assert len(driver.datagrams(driver.client)) == 1


def test_silence_is_told_in_the_end() -> None:
    driver = asking()
    driver.says(query())
    driver.advance(11)
    assert driver.errors() == ["No answer from 192.0.2.53:53 within 10 s."]
    [told] = driver.datagrams(driver.client)
    assert dns.message.from_wire(told).rcode() == dns.rcode.SERVFAIL
    nobody = asking(DNS)
    nobody.says(query())
    assert "dns_name_servers" in nobody.errors()[0]


@pytest.mark.parametrize(
    ("kind", "addresses", "answers"),
    [("A", [b"\x0a\0\0\1"], ["10.0.0.1"]), ("AAAA", [b"\0" * 15 + b"\1"], ["::1"]), ("AAAA", [b"\x0a\0\0\1"], [])],
)
def test_the_hosts_file_answers(kind: str, addresses: list[bytes], answers: list[str]) -> None:
    driver = asking(DNS)
    driver.names = NamesFound([NameServer("192.0.2.1")], addresses)
    driver.says(query(kind=kind))
    [told] = driver.datagrams(driver.client)
    message = dns.message.from_wire(told)
    assert message.rcode() == dns.rcode.NOERROR and not driver.servers
    assert [str(rdata) for rrset in message.answer for rdata in rrset] == answers


def test_a_silent_client_is_forgotten_and_its_socket_closed() -> None:
    driver = asking()
    driver.says(query())
    driver.says(answer(query()), driver.server)
    driver.advance(7)
    assert {driver.client, driver.server} <= set(driver.closed)


def test_more_than_a_client_may_ask_at_once() -> None:
    driver = asking()
    for number in range(WAITING + 10):
        driver.says(query(number=number))
    assert len(driver.flows) == WAITING
    stream = asking(transport="tcp")
    for number in range(WAITING + 10):
        stream.says(framed(query(number=number)))
    assert stream.client in stream.paused
    slow = asking(transport="tcp")
    slow.run(Congested(slow.client))
    assert slow.client in slow.paused


def test_what_is_no_query_is_told_once() -> None:
    driver = asking()
    for data in (b"GET / HTTP/1.1\r\n", b"", answer(query())):
        driver.says(data)
    assert len(driver.errors()) == 1 and "no DNS query" in driver.errors()[0]


def test_noise_from_either_side_ends_nothing_but_itself() -> None:
    import random

    noise = random.Random(1)
    decide: Callable[[Hook], Verdict | None] = lambda hook: FORWARD  # noqa: E731
    driver = asking(decide=decide)
    for _ in range(300):
        driver.says(bytes([0, 7, noise.randrange(128)]) + noise.randbytes(noise.randrange(60)))
        if driver.servers:
            driver.says(b"\0\7\x80" + noise.randbytes(noise.randrange(60)), driver.server)
    driver.says(query("last.test", number=77))
    driver.says(answer(query("last.test", number=77), "192.0.2.1"), driver.server)
    assert any(each == answer(query("last.test", number=77), "192.0.2.1") for each in driver.datagrams(driver.client))
    for flow in driver.flows:
        if isinstance(flow, DnsFlow):
            assert isinstance(flow.request.name + flow.request.text(), str)
