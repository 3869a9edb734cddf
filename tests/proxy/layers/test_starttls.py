"""TLS that a client begins in the middle of a raw conversation: taken off where it is TLS; elsewhere nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from interceptor.certs.authority import Authority
from interceptor.model.connection import Origin
from interceptor.model.flow import TcpFlow
from interceptor.model.hooks import FORWARD, MessageReceived
from interceptor.model.records import MessageData
from interceptor.proxy.core.events import MessageInjected
from interceptor.proxy.ingress import Ingress
from tests.support.certificates import TestAuthority
from tests.support.client_hellos import client_hello, hello_with, records
from tests.support.paper_driver import PaperDriver, paper_settings
from tests.support.tls_peers import Plain, TlsPeer, tls_service

HERE = Ingress("transparent", Origin("tcp", "192.0.2.7", 25), is_redirected=True)
MYSQL_GREETING = b"\x4a\0\0\0\x0a8.0.36\0" + bytes(60)
MYSQL_SSL = b"\x20\0\0\1\x8d\xaf\xff\x19" + bytes(28)
TALKS = {
    "SMTP": [
        (False, b"220 mx\r\n"),
        (True, b"EHLO me\r\n"),
        (False, b"250 STARTTLS\r\n"),
        (True, b"STARTTLS\r\n"),
        (False, b"220 go\r\n"),
    ],
    "PostgreSQL": [(True, b"\0\0\0\x08\x04\xd2\x16\x2f"), (False, b"S")],
    "MySQL": [(False, MYSQL_GREETING), (True, MYSQL_SSL)],
}


class World:
    """A client and a server, each with a CA that the other one gets to know."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority.load_or_create(folder / "proxy", "ec")
        public = TestAuthority(folder / "public")
        self.certificate = public.issue("mx.test").file
        self.service = tls_service(self.authority, public.ca_file)

    def driver(self, **settings: object) -> PaperDriver:
        return PaperDriver(HERE, paper_settings(upstream_tls=self.service, **settings), mint=self.service.mint_now)

    def after(self, talk: str, driver: PaperDriver) -> None:
        """Each says its part, which the other one gets as it is."""
        for from_client, data in TALKS[talk]:
            driver.says(data, driver.client if from_client else driver.server)
            assert driver.sent(driver.server if from_client else driver.client) == data

    def begin(self, driver: PaperDriver, server: TlsPeer | Plain | None = None, name: str = "mx.test") -> TlsPeer:
        client = TlsPeer.client(self.authority.certificate_pem, name)
        driver.peers = {driver.client: client, driver.server: server or TlsPeer.server(self.certificate)}
        driver.converse()
        return client


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("starttls"))


def said(driver: PaperDriver) -> list[tuple[bool, bytes | None]]:
    return [(each.from_client, each.data) for each in driver.records if isinstance(each, MessageData)]


@pytest.mark.parametrize("talk", TALKS)
def test_it_goes_on_in_the_same_flow_without_its_tls(world: World, talk: str) -> None:
    driver = world.driver()
    world.after(talk, driver)
    client = world.begin(driver)
    assert client.is_connected and client.certificate_names() == {"mx.test"}, client.error
    server = driver.peers[driver.server]
    assert isinstance(server, TlsPeer)
    client.say(b"secret question")
    server.say(b"secret answer")
    driver.converse()
    assert (server.heard, client.heard) == (b"secret question", b"secret answer")
    assert said(driver) == [*TALKS[talk], (True, b"secret question"), (False, b"secret answer")] or said(driver)[-2:] == [
        (False, b"secret answer"),
        (True, b"secret question"),
    ]
    assert len(driver.flows) == 1 and len(driver.servers) == 1
    assert driver.client.tls is not None and driver.server.tls is not None and driver.server.tls.chain
    client.end()
    driver.says(client.take())
    assert driver.server in driver.half_closed
    driver.vanishes(driver.client)
    assert driver.errors() == [""]


def test_a_hello_in_pieces_and_mysql_in_one(world: World) -> None:
    driver = world.driver()
    world.after("SMTP", driver)
    client = TlsPeer.client(world.authority.certificate_pem, "mx.test")
    hello = client.take()
    for start in range(0, len(hello), 100):
        assert driver.sent(driver.server) == b""
        driver.says(hello[start : start + 100])
    driver.peers = {driver.client: client, driver.server: TlsPeer.server(world.certificate)}
    driver.converse()
    assert client.is_connected

    driver = world.driver()
    driver.says(MYSQL_GREETING, driver.server)
    client = TlsPeer.client(world.authority.certificate_pem, "mx.test")
    driver.says(MYSQL_SSL + client.take())
    server = TlsPeer.server(world.certificate)
    sent = driver.sent(driver.server)
    assert sent.startswith(MYSQL_SSL)
    server.feed(sent[len(MYSQL_SSL) :])
    driver.sent(driver.client)
    driver.peers = {driver.client: client, driver.server: server}
    driver.converse()
    assert client.is_connected


HELLO = client_hello("mx.test")
NOT_TAKEN = {
    "more behind it": HELLO + b"!",
    "something before it": b"!" + HELLO,
    "no hello in it": HELLO[:5] + b"\2" + HELLO[6:],
    "lengths that do not fit": records(hello_with(b"\0\0\0\xff")),
    "its beginning only": HELLO[:-1],
}


@pytest.mark.parametrize("what", NOT_TAKEN)
def test_what_merely_looks_like_it_passes_as_it_is(world: World, what: str) -> None:
    driver = world.driver()
    world.after("SMTP", driver)
    driver.says(NOT_TAKEN[what])
    driver.advance(2)
    driver.says(b"more")
    assert driver.sent(driver.server) == NOT_TAKEN[what] + b"more" and driver.client.tls is None


def test_a_hello_that_nobody_was_waited_for_with_passes_as_it_is(world: World) -> None:
    """In the middle of what a client sends, such as a file."""
    driver = world.driver()
    world.after("SMTP", driver)
    driver.says(b"first")
    driver.says(HELLO)
    assert driver.sent(driver.server) == b"first" + HELLO and driver.client.tls is None


def test_the_end_of_the_client_comes_behind_what_was_kept(world: World) -> None:
    driver = world.driver()
    world.after("SMTP", driver)
    driver.says(HELLO[:50])
    driver.ends(driver.client)
    assert driver.sent(driver.server) == HELLO[:50] and driver.server in driver.half_closed


@given(st.data())
def test_any_bytes_in_any_pieces_arrive_as_they_are(data: st.DataObject) -> None:
    """Unless a whole hello is among them, which noise is not."""
    driver = PaperDriver(HERE, paper_settings())
    driver.says(b"220 hello\r\n", driver.server)
    beginnings = st.sampled_from([HELLO[:200], HELLO[:7], b"\x16", b"\x16\3", b"\x16\3\1"])
    piece = st.one_of(st.binary(min_size=1, max_size=20), beginnings)
    pieces = data.draw(st.lists(st.tuples(piece, st.booleans()), max_size=8))
    for each, is_answered in pieces:
        driver.says(each)
        if is_answered:
            driver.says(b"ok", driver.server)
    driver.advance(3)
    assert driver.sent(driver.server) == b"".join(each for each, _ in pieces)


@pytest.mark.parametrize("settings", [{"ignore_hosts": (r"^mx\.test:25$",)}, {"allow_hosts": (r"^other\.test:25$", r"^192\.")}])
def test_an_ignored_server_name_is_left_alone(world: World, settings: dict[str, object]) -> None:
    driver = world.driver(**settings)
    world.after("SMTP", driver)
    hello = TlsPeer.client(None, "mx.test").take()
    driver.says(hello)
    is_ignored = "ignore_hosts" in settings
    assert (driver.sent(driver.server) == hello) is is_ignored and (driver.client.tls is None) is is_ignored


def test_a_client_that_does_not_trust_us_ends_the_flow_with_what_to_do(world: World, tmp_path: Path) -> None:
    driver = world.driver()
    world.after("SMTP", driver)
    client = TlsPeer.client(Authority.load_or_create(tmp_path, "ec").certificate_pem, "mx.test")
    driver.peers = {driver.client: client, driver.server: TlsPeer.server(world.certificate)}
    driver.converse()
    [error] = driver.errors()
    assert "does not trust" in error and "interceptor ca" in error and driver.server in driver.closed


def test_a_server_that_is_not_who_it_should_be_and_one_that_speaks_no_tls(world: World) -> None:
    driver = world.driver()
    world.after("SMTP", driver)
    client = world.begin(driver, name="someone.else")
    [error] = driver.errors()
    assert "192.0.2.7:25: TLS handshake" in error and not client.is_connected and driver.client in driver.closed
    driver = world.driver()
    world.after("SMTP", driver)
    world.begin(driver, Plain(b"554 what?\r\n"))
    [error] = driver.errors()
    assert "192.0.2.7:25: TLS handshake" in error and len(driver.flows) == 1


def test_peers_that_vanish_in_the_handshake(world: World) -> None:
    for who in ("client", "server"):
        driver = world.driver()
        world.after("SMTP", driver)
        driver.says(TlsPeer.client(None, "mx.test").take())
        driver.vanishes(driver.client if who == "client" else driver.server)
        assert len(driver.errors()) == 1 and {driver.client, driver.server} <= set(driver.closed)
        assert not driver.stack.alarms and not driver.ended_by_driver


def test_messages_in_it_are_held_and_edited_and_what_the_user_says_waits_for_it(world: World) -> None:
    driver = world.driver()
    world.after("SMTP", driver)
    client = TlsPeer.client(world.authority.certificate_pem, "mx.test")
    driver.says(client.take())
    conversation = driver.stack.injectable[driver.tcp.id]
    assert "TLS has just been begun" in conversation.refusal(from_client=True)
    driver.peers = {driver.client: client, driver.server: TlsPeer.server(world.certificate)}
    driver.converse()
    assert conversation.refusal(from_client=True) == ""
    driver.decide = lambda hook: None if isinstance(hook, MessageReceived) else FORWARD
    client.say(b"hold me")
    driver.converse()
    [hold] = driver.held(MessageReceived)
    assert isinstance(hold.hook, MessageReceived) and hold.hook.data == b"hold me"
    driver.decide = lambda hook: FORWARD
    driver.answer(hold, FORWARD)
    driver.run(MessageInjected(driver.tcp.id, False, b"from me"))
    driver.converse()
    server = driver.peers[driver.server]
    assert isinstance(server, TlsPeer) and server.heard == b"hold me" and client.heard == b"from me"


def test_tls_1_2_and_killing_it_in_the_middle(world: World) -> None:
    driver = world.driver()
    world.after("SMTP", driver)
    client = TlsPeer.client(world.authority.certificate_pem, "mx.test", versions=(SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION))
    driver.peers = {driver.client: client, driver.server: TlsPeer.server(world.certificate)}
    driver.converse()
    assert client.is_connected
    driver = world.driver()
    world.after("SMTP", driver)
    driver.says(TlsPeer.client(None, "mx.test").take())
    driver.kill(driver.tcp, "enough")
    assert driver.errors() == ["enough"] and {driver.client, driver.server} <= set(driver.closed)
    assert isinstance(driver.ended[0], TcpFlow) and not driver.asked
