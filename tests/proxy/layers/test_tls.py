"""TLS through the whole assembly: a client and a server of OpenSSL's, joined by a proxy on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from interceptor.certs.authority import Authority
from interceptor.model.connection import Connection, Origin
from interceptor.model.flow import TcpFlow
from interceptor.proxy.asks import ConnectFailed, MintFailed
from interceptor.proxy.client_hello import offers_of
from interceptor.proxy.core.events import Congested
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.tls_service import TlsService
from interceptor.proxy.trusting_clients import TrustingClients
from tests.support.certificates import TestAuthority
from tests.support.client_hellos import client_hello
from tests.support.paper_driver import REGULAR, PaperDriver, Peer, paper_settings, reverse
from tests.support.tls_peers import Plain, TlsPeer, tls_service

GET = b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
RAW = b"\x00\x01raw"


def tunnel(host: str = "a.test") -> Ingress:
    return Ingress("regular", Origin("tcp", host, 443))


class World:
    """The proxy's CA, the servers' CA, and what is made of them."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority.load_or_create(folder / "proxy", "ec")
        self.public = TestAuthority(folder / "public")
        self.certificate = self.public.issue("a.test", "also.test", "192.0.2.7").file
        self.other = TestAuthority(folder / "other")
        self.service = self.tls()

    def tls(self, **settings: object) -> TlsService:
        return tls_service(self.authority, self.public.ca_file, **settings)

    def client(self, server_name: str | None = "a.test", **options: object) -> TlsPeer:
        return TlsPeer.client(self.authority.certificate_pem, server_name, **options)  # type: ignore[arg-type]

    def driver(
        self, ingress: Ingress, client: Peer, server: Peer | None = None, service: TlsService | None = None, **settings: object
    ) -> PaperDriver:
        """Each dial reaches `server` (by default one with the public certificate)."""
        service = service or self.service
        driver = PaperDriver(
            ingress,
            paper_settings(upstream_tls=service, **settings),
            mint=service.mint_now,
            greet=lambda connection: server if server is not None else TlsPeer.server(self.certificate),
        )
        driver.peers[driver.client] = client
        driver.converse()
        return driver


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("tls"))


def server_of(driver: PaperDriver, connection: Connection | None = None) -> TlsPeer:
    peer = driver.peers[connection or driver.server]
    assert isinstance(peer, TlsPeer)
    return peer


# --- what works -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_eager", [True, False])
@pytest.mark.parametrize("max_version", [0, SSL.TLS1_2_VERSION])
def test_http_in_tls_in_a_tunnel(world: World, is_eager: bool, max_version: int) -> None:
    client = world.client(versions=(SSL.TLS1_2_VERSION, max_version))
    driver = world.driver(tunnel(), client, is_eager=is_eager)
    assert client.is_connected, client.error
    assert len(driver.servers) == is_eager
    client.say(GET)
    driver.converse()
    assert server_of(driver).heard == GET
    server_of(driver).say(OK)
    driver.converse()
    assert client.heard == OK and len(driver.servers) == 1
    assert driver.http.request.url == "https://a.test/x" and driver.errors() == [""]
    assert "a.test" in client.certificate_names()
    assert ("also.test" in client.certificate_names()) is is_eager, "eager: modelled on the server's"
    facts = driver.server.tls
    assert facts is not None and facts.chain and facts.server_name == "a.test"
    assert driver.client.tls is not None and driver.client.tls.version == ("TLSv1.2" if max_version else "TLSv1.3")
    hellos = [offers_of(each.hello) for each in (driver.client.tls, facts)]
    assert all(each is not None and each.suites for each in hellos), "both greetings are kept for their fingerprints"


@pytest.mark.parametrize("is_eager", [True, False])
def test_without_a_name_the_servers_names_are_shown(world: World, is_eager: bool) -> None:
    client = world.client(None)
    driver = world.driver(tunnel("192.0.2.7"), client, is_eager=is_eager)
    assert client.is_connected and {"a.test", "also.test", "192.0.2.7"} <= client.certificate_names()
    client.say(GET)
    driver.converse()
    assert server_of(driver).heard == GET and len(driver.servers) == 1
    assert driver.server.tls is not None and driver.server.tls.server_name == "192.0.2.7"


def test_without_upstream_cert_nobody_is_asked_first(world: World) -> None:
    client = world.client(None)
    driver = world.driver(tunnel("192.0.2.7"), client, is_eager=False, upstream_cert=False)
    assert client.is_connected and client.certificate_names() == {"192.0.2.7"} and not driver.servers


def test_the_name_in_the_hello_counts_for_the_server_too(world: World) -> None:
    client = world.client("also.test")
    driver = world.driver(tunnel("192.0.2.7"), client)
    client.say(GET)
    driver.converse()
    assert driver.server.tls is not None and driver.server.tls.server_name == "also.test" and len(driver.servers) == 1


@pytest.mark.parametrize("chosen", [b"h2", b"http/1.1", b""])
def test_what_the_server_chose_is_chosen_for_the_client(world: World, chosen: bytes) -> None:
    client = world.client(alpn=(b"h2", b"http/1.1"))
    driver = world.driver(tunnel(), client, TlsPeer.server(world.certificate, alpn=chosen))
    assert client.ssl.get_alpn_proto_negotiated() == chosen
    assert driver.server.tls is not None and driver.server.tls.alpn_offers == (b"h2", b"http/1.1")


@pytest.mark.parametrize(
    ("settings", "offered", "chosen"),
    [
        ({"is_eager": False}, None, b"h2"),
        ({"is_eager": False, "http2": False}, None, b"http/1.1"),
        ({"http2": False}, (b"http/1.1",), b"http/1.1"),
        ({"http2_upstream": "never"}, (b"http/1.1",), b"h2"),
        ({"http2_upstream": "always"}, (b"h2", b"http/1.1"), b"h2"),
    ],
)
def test_what_the_options_say_about_http2(
    world: World, settings: dict[str, object], offered: tuple[bytes, ...] | None, chosen: bytes
) -> None:
    client = world.client(alpn=(b"h2", b"http/1.1"))
    driver = world.driver(tunnel(), client, TlsPeer.server(world.certificate, alpn=b"http/1.1"), **settings)
    assert client.ssl.get_alpn_proto_negotiated() == chosen
    assert (driver.server.tls.alpn_offers if driver.servers and driver.server.tls else None) == offered


@pytest.mark.parametrize("servers", [b"http/1.1", b""])
def test_a_client_of_http2_alone_and_a_server_of_http1(world: World, servers: bytes) -> None:
    """As gRPC's clients are: the server is offered what we shall speak to it."""
    client = world.client(alpn=(b"h2",))
    server = TlsPeer.server(world.certificate, alpn=servers)
    driver = world.driver(tunnel(), client, server, http2_upstream="never")
    assert client.ssl.get_alpn_proto_negotiated() == b"h2"
    assert driver.server.tls is not None and driver.server.tls.alpn_offers == (b"http/1.1",)


def test_raw_bytes_in_tls(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client)
    client.say(RAW)
    driver.converse()
    assert server_of(driver).heard == RAW and len(driver.servers) == 1
    server_of(driver).say(b"x" * 300_000)
    driver.converse()
    assert client.heard == b"x" * 300_000


def test_a_server_that_speaks_first_in_tls(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client)
    server_of(driver).say(b"220 mail")
    driver.converse()
    assert client.heard == b"220 mail" and isinstance(driver.flows[0], TcpFlow)


def test_close_notify_is_a_half_close_in_both_directions(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client)
    client.say(RAW)
    driver.converse()
    client.end()
    driver.converse()
    server = server_of(driver)
    assert server.has_ended and driver.server in driver.half_closed and not client.has_ended
    driver.ends(driver.client)  # TCP's own end adds nothing
    server.say(b"answer")
    driver.converse()
    assert client.heard == b"answer"
    server.end()
    driver.converse()
    assert client.has_ended and driver.errors() == [""] and driver.client in driver.closed


def test_a_peer_that_just_ends_tcp(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client)
    client.say(RAW)
    driver.converse()
    driver.ends(driver.client)
    driver.converse()
    assert server_of(driver).has_ended and driver.errors() == []
    driver.ends(driver.server)
    assert driver.errors() == [""]


def test_tls_to_the_proxy_itself_and_tls_in_its_tunnel(world: World) -> None:
    outer = world.client(None)
    driver = world.driver(REGULAR, outer)
    assert outer.is_connected and outer.certificate_names() == {"192.0.2.99"}, "the address that it came to"
    outer.say(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n")
    driver.converse()
    assert outer.heard == b"HTTP/1.1 200 Connection established\r\n\r\n"
    inner = world.client()
    outer.inner = inner
    driver.converse()
    assert inner.is_connected, inner.error
    inner.say(GET)
    driver.converse()
    assert server_of(driver).heard == GET
    server_of(driver).say(OK)
    driver.converse()
    assert inner.heard == OK and driver.errors() == [""] and len(driver.servers) == 1


@pytest.mark.parametrize(("scheme", "is_tls_inside"), [("https", True), ("http", False), ("tls", True), ("tcp", False)])
@pytest.mark.parametrize("client_speaks_tls", [True, False])
def test_reverse_modes_say_what_the_server_speaks(
    world: World, scheme: str, is_tls_inside: bool, client_speaks_tls: bool
) -> None:
    client = world.client() if client_speaks_tls else Plain()
    server = TlsPeer.server(world.certificate) if is_tls_inside else Plain()
    driver = world.driver(reverse(f"{scheme}://a.test:443"), client, server)
    client.say(GET)
    driver.converse()
    assert server.heard.startswith(b"GET /x HTTP/1.1\r\n"), driver.errors()
    assert len(driver.servers) == 1
    server.say(OK)
    driver.converse()
    assert client.heard == OK


def test_a_session_is_resumed_and_its_certificates_are_known(world: World) -> None:
    service, context = world.tls(), TlsPeer.server(world.certificate).ssl.get_context()
    for is_resumed in (False, True):
        connection = SSL.Connection(context, None)
        connection.set_accept_state()
        client, server = world.client(), TlsPeer(connection)
        driver = world.driver(tunnel(), client, server, service)
        client.say(GET)
        driver.converse()
        server.say(OK)
        driver.converse()
        assert client.heard == OK
        facts = driver.server.tls
        assert facts is not None and facts.is_resumed is is_resumed and len(facts.chain) >= 1


# --- what fails -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_version", [0, SSL.TLS1_2_VERSION])
def test_a_client_that_does_not_trust_us(world: World, max_version: int) -> None:
    stranger = world.other.ca_file.read_bytes()
    client = TlsPeer.client(stranger, versions=(SSL.TLS1_2_VERSION, max_version))
    driver = world.driver(tunnel(), client)
    assert "verify failed" in client.error
    assert len(driver.errors()) == 1 and "does not trust the certificate" in driver.errors()[0]
    assert "a.test" in driver.errors()[0] and driver.client in driver.closed and driver.server in driver.closed


def test_a_client_that_leaves_in_the_handshake(world: World) -> None:
    for leaves in (PaperDriver.ends, PaperDriver.vanishes):
        driver = world.driver(tunnel(), Plain())
        driver.says(client_hello("a.test"))
        driver.advance(2)
        leaves(driver, driver.client)
        assert len(driver.errors()) == 1 and "closed the connection before it was answered" in driver.errors()[0]
        assert driver.client in driver.closed and not driver.stack.alarms


def handshake_begun(world: World, **options: object) -> PaperDriver:
    """Its client has seen our certificate and says nothing to it."""
    driver = world.driver(tunnel(), Plain(), **options)
    driver.says(world.client().take())
    driver.converse()
    shown = driver.peers[driver.client]
    assert isinstance(shown, Plain) and len(shown.heard) > 500
    return driver


def test_a_client_that_trusts_us_and_drops_another_connection_leaves_no_row(world: World) -> None:
    clients = TrustingClients()
    for leaves in (PaperDriver.ends, PaperDriver.vanishes):
        driver = handshake_begun(world, trusting_clients=clients)
        leaves(driver, driver.client)
        assert len(driver.errors()) == 1 and "If it always does, it may not trust the CA" in driver.errors()[0]
    for host in ("also.test", "a.test"):
        believer = world.client(host)
        world.driver(tunnel(host), believer, trusting_clients=clients)
        assert believer.is_connected
        for leaves in (PaperDriver.ends, PaperDriver.vanishes):
            driver = handshake_begun(world, trusting_clients=clients)
            leaves(driver, driver.client)
            assert len(driver.errors()) == (0 if host == "a.test" else 1), "what counts is who was believed for this host"
            assert driver.client in driver.closed and not driver.stack.alarms


@pytest.mark.parametrize(("seconds", "rows"), [(0.5, 0), (2.0, 1)])
def test_a_client_that_leaves_because_its_server_is_slow(world: World, seconds: float, rows: int) -> None:
    driver = world.driver(tunnel(), world.client(), Plain())
    assert driver.servers and not driver.peers[driver.client].is_connected
    driver.advance(seconds)
    driver.vanishes(driver.client)
    left = "the client closed the connection before it was answered."
    assert [error.split(": ")[1] for error in driver.errors()] == [left] * rows


def test_a_client_that_leaves_before_it_said_all_of_its_hello(world: World) -> None:
    driver = world.driver(tunnel(), Plain())
    driver.says(client_hello("a.test")[:50])
    driver.advance(2)
    driver.ends(driver.client)
    assert driver.client in driver.closed and len(driver.ended) == 1


def test_a_client_that_leaves_while_its_server_is_dialled(world: World) -> None:
    client = world.client()
    driver = PaperDriver(tunnel(), paper_settings(upstream_tls=world.service), dials=lambda address: None)
    driver.says(client.take())
    dial = driver.dialling()
    driver.vanishes(driver.client)
    assert dial in driver.withdrawn and not driver.asked and not driver.stack.alarms


def test_a_handshake_that_takes_too_long(world: World) -> None:
    driver = world.driver(tunnel(), Plain(), tls_handshake_timeout=30)
    driver.says(client_hello("a.test")[:50])
    driver.advance(31)
    assert driver.client in driver.closed and "tls_handshake_timeout" in driver.errors()[0]


def test_a_server_whose_handshake_takes_too_long(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client, Plain(), tls_handshake_timeout=30)
    assert not client.is_connected
    driver.advance(29)
    client.say(GET)
    driver.advance(2)
    driver.converse()
    assert driver.server in driver.closed
    assert "TLS handshake" in driver.errors()[0]


BAD_SERVERS = ["unknown CA", "wrong name", "expired", "no TLS", "hangs up"]


@pytest.mark.parametrize("kind", BAD_SERVERS)
@pytest.mark.parametrize("is_eager", [True, False])
def test_a_bad_server_is_told_as_http(world: World, kind: str, is_eager: bool) -> None:
    server: Peer
    match kind:
        case "unknown CA":
            server, words = TlsPeer.server(world.other.issue("a.test").file), "not valid: unable to get local issuer"
        case "wrong name":
            server, words = TlsPeer.server(world.public.issue("b.test").file), "not valid: hostname mismatch"
        case "expired":
            server, words = TlsPeer.server(world.public.issue("a.test", days_left=-1).file), "not valid: certificate has expired"
        case "no TLS":
            server, words = Plain(b"220 mail\r\n"), "does not speak TLS"
        case _:
            server, words = Plain(), "closed the connection"
    client = world.client()
    driver = world.driver(tunnel(), client, server, is_eager=is_eager)
    if kind == "hangs up" and driver.servers:
        driver.ends(driver.server)
        driver.converse()
    client.say(GET)
    driver.converse()
    if kind == "hangs up" and not is_eager:
        driver.ends(driver.server)
        driver.converse()
    assert client.heard.startswith(b"HTTP/1.1 502 "), driver.errors()
    assert len(driver.errors()) == 1 and words in driver.errors()[0] and "a.test:443: TLS handshake: " in driver.errors()[0]
    assert driver.http.server is not None and driver.http.server.error and len(driver.servers) == 1, "told, not tried again"
    client.say(GET)
    driver.converse()
    assert len(driver.servers) == 2, "but then it is"


def test_an_insecure_proxy_takes_any_certificate(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client, TlsPeer.server(world.other.issue("b.test").file), ssl_insecure=True)
    client.say(GET)
    driver.converse()
    assert server_of(driver).heard == GET and "b.test" in client.certificate_names()


def test_a_server_that_cannot_be_reached_is_told_in_tls(world: World) -> None:
    client = world.client()
    driver = PaperDriver(
        tunnel(),
        paper_settings(upstream_tls=world.service),
        mint=world.service.mint_now,
        dials=lambda address: ConnectFailed("a.test:443", "connect", "refused"),
    )
    driver.peers[driver.client] = client
    client.say(GET)
    driver.converse()
    assert client.heard.startswith(b"HTTP/1.1 502 ") and driver.errors() == ["a.test:443: connect: refused"]


def test_no_certificate_can_be_made(world: World) -> None:
    client = world.client()
    driver = PaperDriver(
        tunnel(), paper_settings(upstream_tls=world.service, is_eager=False), mint=lambda ask: MintFailed("no key")
    )
    driver.peers[driver.client] = client
    driver.converse()
    assert "internal error" in client.error and driver.errors() == ["No certificate could be made: no key"]


def test_ssl2_and_garbage_get_an_alert(world: World) -> None:
    for first in (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", b"\x16\x03\x01\x00\x04\x02\x00\x00\x00"):
        driver = world.driver(tunnel(), Plain(), is_eager=False)
        driver.says(first)
        assert isinstance(driver.peers[driver.client], Plain)
        assert driver.sent(driver.client)[:1] == b"\x15" and driver.client in driver.closed and len(driver.errors()) == 1


def test_an_old_client_is_told_why(world: World) -> None:
    service = world.tls(tls_version_client_min="TLS1_3")
    client = world.client(versions=(SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION))
    driver = world.driver(tunnel(), client, service=service)
    assert "protocol version" in client.error
    assert "speaks TLS 1.2 at most, which tls_version_client_min forbids" in driver.errors()[0]


def test_broken_tls_after_the_handshake(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client)
    client.say(RAW)
    driver.converse()
    driver.says(b"\x17\x03\x03\x00\x20" + b"nonsense" * 4)
    assert driver.client in driver.closed and driver.server in driver.closed and len(driver.ended) == 1


def test_bytes_wait_while_the_certificate_is_made(world: World) -> None:
    client = world.client()
    driver = PaperDriver(tunnel(), paper_settings(upstream_tls=world.service, is_eager=False), mint=lambda ask: None)
    driver.says(client.take())
    for _ in range(6):
        driver.says(b"\x17\x03\x03\x40\x00" + bytes(16384))
    assert driver.client in driver.paused
    [mint] = driver.asked
    driver.answer(mint, world.service.mint_now(mint))  # type: ignore[arg-type]
    assert driver.client in driver.closed, "that was no handshake"


def test_a_slow_client_pauses_a_tls_server(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client)
    client.say(RAW)
    driver.converse()
    driver.run(Congested(driver.client))
    server_of(driver).say(b"x" * 300_000)
    driver.converse()
    assert driver.server in driver.paused and client.heard == b""


@given(st.lists(st.integers(1, 4000), max_size=8), st.booleans())
def test_any_split_gives_the_same(world: World, sizes: list[int], is_eager: bool) -> None:
    client, server = world.client(), TlsPeer.server(world.certificate)
    driver = PaperDriver(tunnel(), paper_settings(upstream_tls=world.service, is_eager=is_eager), mint=world.service.mint_now)
    client.say(GET)
    server.say(OK)
    for _ in range(8):
        for peer, connection in ((client, driver.client), *((server, server_) for server_ in driver.servers)):
            if data := driver.sent(connection):
                peer.feed(data)
            said, start = peer.take(), 0
            for size in [*sizes, len(said)]:
                driver.says(said[start : start + size], connection)
                start += size
    assert (server.heard, client.heard, driver.errors()) == (GET, OK, [""])


@given(st.integers(0, 3), st.integers(0, 400), st.binary(min_size=1, max_size=30), st.booleans())
def test_noise_in_the_handshake_breaks_nothing_of_ours(
    world: World, when: int, place: int, noise: bytes, is_from_server: bool
) -> None:
    client, server = world.client(), TlsPeer.server(world.certificate)
    driver = PaperDriver(tunnel(), paper_settings(upstream_tls=world.service), mint=world.service.mint_now)
    client.say(GET)
    for turn in range(6):
        for peer, connection in ((client, driver.client), (server, driver.server)):
            if data := driver.sent(connection):
                peer.feed(data)
            said = peer.take()
            if turn == when and is_from_server is (peer is server):
                said = said[:place] + noise + said[place:]
            driver.says(said, connection)
    if not driver.is_over:
        driver.vanishes(driver.client)
    assert set(map(id, driver.flows)) == set(map(id, driver.ended))
