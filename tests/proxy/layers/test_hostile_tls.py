"""TLS from peers that mean harm: hellos and certificates without end, alerts, renegotiation, ends that were not announced."""

from __future__ import annotations

from pathlib import Path

import pytest
from OpenSSL import SSL

from tests.proxy.layers.test_tls import GET, OK, RAW, World, server_of, tunnel, world
from tests.support.client_hellos import extension, hello_with, records, server_name
from tests.support.paper_driver import PaperDriver, reverse
from tests.support.tls_peers import Plain, TlsPeer

__all__ = ["world"]

TLS12 = (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)


def greeted(world: World, wire: bytes, step: int) -> tuple[PaperDriver, bytes]:
    """And what the client heard of it."""
    client = Plain()
    driver = world.driver(tunnel(), client, is_eager=False)
    for start in range(0, len(wire), step):
        driver.says(wire[start : start + step])
        driver.converse()
    return driver, client.heard


@pytest.mark.parametrize("step", [1000, 100_000])
def test_a_name_of_ten_thousand_bytes(world: World, step: int) -> None:
    driver, heard = greeted(world, records(hello_with(server_name(b"a" * 10_000))), step)
    assert heard[:1] == b"\x15" and driver.client in driver.closed
    assert len(driver.errors()) == 1 and "TLS handshake with the client failed" in driver.errors()[0]
    assert driver.client.tls is not None and driver.client.tls.server_name == ""


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (records(b"\x01\x01\x00\x01" + bytes(65_537), *([16_000] * 4)), "a ClientHello of 65537 bytes"),
        (records(b"\x01\xff\xff\xff" + bytes(1000)), "a ClientHello of 16777215 bytes"),
        (records(b"\x01\x00\xff\xff" + bytes(60_000), *([1] * 50_000)), "more than 256 records"),
        (b"\x16\x03\x01\x00\x00" * 1000, "a TLS record of 0 bytes"),
        (b"\x16\x03\x01\xff\xff" + bytes(1000), "a TLS record of 65535 bytes"),
    ],
)
@pytest.mark.parametrize("step", [997, 65536])
def test_a_hello_without_end_is_refused_at_the_limit(world: World, wire: bytes, reason: str, step: int) -> None:
    driver, heard = greeted(world, wire, step)
    assert heard[:1] == b"\x15" and driver.client in driver.closed
    assert len(driver.errors()) == 1 and reason in driver.errors()[0]


def test_a_large_hello_is_waited_for(world: World) -> None:
    """As large as it may be, in as many records as it may have: not stopped by the mark that bounds what waits later."""
    message = hello_with(b"".join(extension(0x9999, bytes(16_200)) for _ in range(4)))
    wire = records(message, *([300] * 200))
    assert len(wire) > 64 * 1024
    driver = world.driver(tunnel(), Plain(), is_eager=False)
    for start in range(0, len(wire) - 1, 1000):
        driver.says(wire[start : min(start + 1000, len(wire) - 1)])
        assert driver.client not in driver.paused and driver.client not in driver.closed
    driver.says(wire[-1:])
    assert driver.client.tls is not None, "it was read"


# --- alerts and renegotiation -----------------------------------------------------------------------------------


@pytest.mark.parametrize("versions", [TLS12, (SSL.TLS1_3_VERSION, 0)])
def test_an_alert_in_the_open_connection(world: World, versions: tuple[int, int]) -> None:
    """Not encrypted, as somebody in between could send it."""
    client = world.client(versions=versions)
    driver = world.driver(tunnel(), client)
    client.say(RAW)
    driver.converse()
    driver.says(b"\x15\x03\x03\x00\x02\x02\x28")
    assert driver.client in driver.closed and driver.server in driver.closed
    assert len(driver.errors()) == 1 and "TLS broke off" in driver.errors()[0]


def test_an_alert_of_the_server_within_its_response(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client)
    client.say(GET)
    driver.converse()
    server_of(driver).say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    driver.converse()
    driver.says(b"\x15\x03\x03\x00\x02\x02\x50", driver.server)
    assert driver.client in driver.closed and "TLS broke off" in driver.errors()[0]


def test_a_client_that_wants_to_renegotiate(world: World) -> None:
    client = world.client(versions=TLS12)
    driver = world.driver(tunnel(), client)
    client.say(GET)
    driver.converse()
    server_of(driver).say(OK)
    driver.converse()
    assert client.heard == OK
    client.ssl.renegotiate()
    with pytest.raises(SSL.WantReadError):
        client.ssl.do_handshake()
    driver.converse()
    assert "renegotiation" in client.error, "refused by an alert, and nothing was negotiated"
    assert len(driver.errors()) <= 2 and not driver.stack.open_flows


def test_a_server_that_wants_to_renegotiate(world: World) -> None:
    server = TlsPeer.server(world.certificate, max_version=SSL.TLS1_2_VERSION)
    client = world.client()
    driver = world.driver(tunnel(), client, server)
    client.say(GET)
    driver.converse()
    server.ssl.renegotiate()
    server.ssl.do_handshake()  # HelloRequest
    driver.converse()
    server.say(OK)
    driver.converse()
    assert client.heard == OK or driver.errors() != [""], "either it goes on without, or the flow says that it ended"
    assert not driver.stack.open_flows


# --- certificates -----------------------------------------------------------------------------------------------


def test_a_chain_of_two_hundred_certificates(world: World, tmp_path: Path) -> None:
    pem = world.certificate.read_bytes()
    extra = world.other.ca_file.read_bytes()
    (tmp_path / "long.pem").write_bytes(pem + extra * 200)
    client = world.client()
    driver = world.driver(tunnel(), client, TlsPeer.server(tmp_path / "long.pem"))
    client.say(GET)
    driver.converse()
    assert client.is_connected, "the client is told in HTTP"
    if driver.errors():
        assert client.heard.startswith(b"HTTP/1.1 502 ") and "certificate" in driver.errors()[0]
    else:
        assert driver.server.tls is not None and len(driver.server.tls.chain) <= 10


# --- ends -------------------------------------------------------------------------------------------------------


def until_close(world: World) -> tuple[PaperDriver, TlsPeer]:
    client = world.client()
    driver = world.driver(tunnel(), client)
    client.say(GET)
    driver.converse()
    server_of(driver).say(b"HTTP/1.0 200 OK\r\n\r\nall or half")
    driver.converse()
    return driver, client


def test_a_response_that_ends_with_a_close_notify_is_complete(world: World) -> None:
    driver, client = until_close(world)
    server_of(driver).end()
    driver.converse()
    assert client.heard.endswith(b"all or half") and client.has_ended and driver.errors() == [""]


def test_a_response_that_ends_without_close_notify_may_be_cut_off(world: World) -> None:
    """The row says it, and the client can tell as it could without us."""
    driver, client = until_close(world)
    driver.ends(driver.server)
    driver.converse()
    assert client.heard.endswith(b"all or half") and not client.has_ended, "no close_notify for the client either"
    assert driver.client in driver.closed and "close_notify" in driver.errors()[0]


def test_a_response_whose_length_is_known_needs_no_close_notify(world: World) -> None:
    client = world.client()
    driver = world.driver(tunnel(), client)
    client.say(GET)
    driver.converse()
    server_of(driver).say(OK)
    driver.converse()
    driver.ends(driver.server)
    assert client.heard == OK and driver.errors() == [""]


def test_a_plain_client_of_a_tls_server_that_was_cut_off(world: World) -> None:
    driver = world.driver(reverse("https://a.test:443"), Plain())
    driver.says(GET)
    driver.converse()
    server_of(driver).say(b"HTTP/1.0 200 OK\r\n\r\nall or half")
    driver.converse()
    driver.ends(driver.server)
    closes = [effect for effect in driver.order if type(effect).__name__ == "Close" and effect.connection is driver.client]  # type: ignore[union-attr]
    assert [getattr(effect, "is_abrupt", None) for effect in closes] == [True] and "close_notify" in driver.errors()[0]
