"""DTLS through the whole assembly: a client and a server of OpenSSL's, joined by a proxy on paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from interceptor.certs.authority import Authority
from interceptor.model.connection import Origin
from interceptor.model.flow import UdpFlow
from interceptor.model.records import MessageData
from interceptor.proxy.asks import ConnectFailed
from interceptor.proxy.datagram_hello import HelloFragments, looks_like_datagram_hello
from interceptor.proxy.ingress import Ingress
from tests.support.certificates import TestAuthority
from tests.support.paper_driver import PaperDriver, paper_settings, reverse
from tests.support.tls_peers import TlsPeer, tls_service

REDIRECTED = Ingress("transparent", Origin("udp", "192.0.2.7", 5684), is_redirected=True)
WAYS = {"redirected": REDIRECTED, "reverse:udp": reverse("udp://a.test:5684"), "reverse:dtls": reverse("dtls://a.test:5684")}


class World:
    def __init__(self, folder: Path) -> None:
        self.authority = Authority.load_or_create(folder / "proxy", "ec")
        public = TestAuthority(folder / "public")
        self.certificate = public.issue("a.test", "also.test").file
        self.service = tls_service(self.authority, public.ca_file)

    def driver(self, ingress: Ingress = REDIRECTED, **settings: object) -> PaperDriver:
        settings = {"upstream_tls": self.service, **settings}
        return PaperDriver(ingress, paper_settings(**settings), mint=self.service.mint_now, transport="udp")

    def client(self, name: str | None = "a.test") -> TlsPeer:
        return TlsPeer.datagram_client(self.authority.certificate_pem, name, [b"coap"])

    def joined(self, driver: PaperDriver, client: TlsPeer, alpn: bytes = b"coap") -> TlsPeer:
        server = TlsPeer.datagram_server(self.certificate, alpn)
        driver.greet = lambda connection: server
        driver.peers[driver.client] = client
        driver.converse()
        return server


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("dtls"))


@pytest.mark.parametrize("is_eager", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_it_is_taken_off_and_put_on_again(world: World, way: str, is_eager: bool) -> None:
    driver, client = world.driver(WAYS[way], is_eager=is_eager), world.client()
    server = world.joined(driver, client)
    assert client.is_connected and server.is_connected, client.error
    assert "a.test" in client.certificate_names() and ("also.test" in client.certificate_names()) is is_eager
    client.say(b"question")
    driver.converse()
    server.say(b"answer")
    driver.converse()
    assert (server.heard, client.heard) == (b"question", b"answer")
    [flow] = driver.flows
    said = [(each.from_client, each.data) for each in driver.records if isinstance(each, MessageData)]
    assert isinstance(flow, UdpFlow) and said == [(True, b"question"), (False, b"answer")]
    for facts in (driver.client.tls, driver.server.tls):
        assert facts is not None and facts.version == "DTLSv1.2" and (facts.alpn == b"coap" or not is_eager)
    client.end()
    driver.converse()
    assert driver.errors() == [""] and {driver.client, driver.server} <= set(driver.closed) and not driver.stack.alarms


def test_each_datagram_stays_one(world: World) -> None:
    driver, client = world.driver(), world.client()
    server = world.joined(driver, client)
    for data in (b"one", b"two"):
        server.say(data)
        driver.says(server.take(), driver.server)
    assert len(driver.datagrams(driver.client)) == 2
    client.say(b"a" * 3000)
    driver.says(client.take())
    assert [len(each) > 3000 for each in driver.datagrams(driver.server)] == [True]


def test_nobody_is_asked_for_anything_before_the_client_has_sent_back_a_cookie(world: World) -> None:
    driver, client = world.driver(), world.client()
    hello = client.take()
    assert looks_like_datagram_hello(hello) and HelloFragments().feed(hello) is not None
    for number in range(3):
        driver.says(hello[:10] + bytes((number,)) + hello[11:])  # said again, it is another record
        [request] = driver.datagrams(driver.client)
        assert len(request) < len(hello) and request[13] == 3 and not driver.servers
    client.feed(request)
    wrong = bytearray(client.take())
    wrong[wrong.index(request[28:])] ^= 1
    driver.says(bytes(wrong))
    driver.says(b"noise")
    assert not driver.servers and not driver.flows and not driver.datagrams(driver.client)
    driver.advance(40)
    assert "tls_handshake_timeout" in driver.errors()[0] and driver.client in driver.closed


def test_a_hello_that_comes_again_while_the_server_is_reached(world: World) -> None:
    driver, client = world.driver(), world.client()
    driver.dials = lambda address: None
    driver.says(client.take())
    client.feed(driver.sent(driver.client))
    again = client.take()
    driver.says(again)
    driver.says(again)
    server = TlsPeer.datagram_server(world.certificate)
    driver.greet = lambda connection: server
    driver.connected(driver.dialling())
    driver.peers[driver.client] = client
    driver.converse()
    assert client.is_connected


def test_a_hello_in_fragments(world: World) -> None:
    driver, client = world.driver(), world.client()
    driver.says(client.take())
    client.feed(driver.sent(driver.client))
    hello = client.take()
    header, body = hello[13:25], hello[25:]
    for number, (start, end) in enumerate(((0, 60), (60, len(body)))):
        fragment = header[:6] + start.to_bytes(3, "big") + (end - start).to_bytes(3, "big") + body[start:end]
        driver.says(hello[:10] + bytes((number + 7,)) + len(fragment).to_bytes(2, "big") + fragment)
    server = TlsPeer.datagram_server(world.certificate)
    driver.peers = {driver.client: client, driver.server: server}
    driver.converse()
    assert client.is_connected


def test_who_fails_is_told_on_a_row(world: World, tmp_path: Path) -> None:
    stranger = TlsPeer.datagram_client(Authority.load_or_create(tmp_path, "ec").certificate_pem)
    driver = world.driver()
    world.joined(driver, stranger)
    assert "DTLS handshake with the client failed" in driver.errors()[0] and "does not trust" in driver.errors()[0]
    driver = world.driver()
    world.joined(driver, world.client("someone.else"))
    assert "192.0.2.7:5684: DTLS handshake" in driver.errors()[0] and "not valid" in driver.errors()[0]
    assert driver.flows[0].server is not None and driver.client in driver.closed
    driver, client = world.driver(), world.client()
    driver.dials = lambda address: ConnectFailed("192.0.2.7:5684", "connect", "no route")
    driver.peers[driver.client] = client
    driver.converse()
    assert driver.errors() == ["192.0.2.7:5684: connect: no route"]


def test_an_ignored_server_name_is_left_alone(world: World) -> None:
    driver = world.driver(ignore_hosts=(r"^a\.test:5684",))
    hello = world.client().take()
    driver.says(hello)
    assert driver.datagrams(driver.server) == [hello] and not driver.flows


def test_what_merely_looks_like_it_ends_nobody_else(world: World) -> None:
    """Noise in an open connection is dropped, as OpenSSL drops it."""
    driver, client = world.driver(), world.client()
    server = world.joined(driver, client)
    driver.says(b"\x17\xfe\xfd" + b"noise" * 10)
    driver.says(b"\x17\xfe\xfd" + b"noise" * 10, driver.server)
    client.say(b"still here")
    driver.converse()
    assert server.heard == b"still here" and not driver.closed
