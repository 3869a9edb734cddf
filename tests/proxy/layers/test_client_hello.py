"""The ClientHello: read as it was sent, however it is cut; and whatever comes instead, only a HelloError."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.proxy.client_hello import HelloError, looks_like_tls, read_client_hello
from tests.support.client_hellos import client_hello, hello_with, records

HELLO = client_hello("A.Test", ["h2", "http/1.1"])
MESSAGE = HELLO[5:]
assert len(HELLO) == 5 + int.from_bytes(HELLO[3:5], "big"), "one record"


def test_what_it_says() -> None:
    hello = read_client_hello(HELLO)
    assert hello is not None
    assert hello.server_name == "a.test" and hello.alpn_offers == (b"h2", b"http/1.1")
    assert hello.version == 0x0304 and hello.takes_ecdsa


def test_without_a_name_and_with_an_old_version() -> None:
    hello = read_client_hello(client_hello(None, ciphers="AES128-GCM-SHA256"))
    assert hello is not None
    assert (hello.server_name, hello.alpn_offers, hello.version) == ("", (), 0x0303)
    assert not hello.takes_ecdsa, "it has suites for RSA only"


@given(st.integers(0, len(HELLO) - 1))
def test_a_beginning_is_waited_for(size: int) -> None:
    assert read_client_hello(HELLO[:size]) is None
    assert looks_like_tls(HELLO[:size]) is not False or size == 0


@given(st.lists(st.integers(1, 200), max_size=6).filter(lambda sizes: sum(sizes) < len(MESSAGE)), st.binary(max_size=20))
def test_it_may_be_split_over_records_and_something_may_follow(sizes: list[int], more: bytes) -> None:
    wire = records(MESSAGE, *sizes)
    assert read_client_hello(wire + more) == read_client_hello(HELLO)
    assert read_client_hello(wire[:-1]) is None


def test_what_looks_like_tls() -> None:
    assert looks_like_tls(b"\x16") is None and looks_like_tls(b"\x16\x03") is None
    assert looks_like_tls(b"\x16\x03\x01") is True
    assert looks_like_tls(b"\x16\x03\x05") is False and looks_like_tls(b"\x16\x02\x00") is False
    assert looks_like_tls(b"GET /") is False and looks_like_tls(b"\x15\x03\x01") is False
    assert looks_like_tls(b"\x80\x2e\x01\x00\x02") is True
    assert looks_like_tls(b"\x80\x2e\x02\x00\x02") is False


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x80\x2e\x01\x00\x02\x00\x15", "SSL 2"),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "type 2"),
        (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", "of 16777215 bytes"),
        (b"\x16\x03\x01\x00\x00", "record of 0 bytes"),
        (b"\x16\x03\x01\xff\xff", "record of 65535 bytes"),
        (b"\x17\x03\x01\x00\x04", "no TLS handshake record"),
        (records(MESSAGE, 10)[:15] + b"\x17\x03\x03\x00\x01", "no TLS handshake record"),
        (records(b"\x01\x00\x00\x03\x03\x03\x00"), "lengths do not fit"),
        (records(hello_with(b"")[:38] + b"\xff" + hello_with(b"")[39:]), "lengths do not fit"),
    ],
)
def test_what_is_none(wire: bytes, reason: str) -> None:
    with pytest.raises(HelloError, match=reason):
        read_client_hello(wire)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda noise: b"\x16\x03\x01" + noise))
def test_noise_is_a_hello_error_at_most(noise: bytes) -> None:
    looks_like_tls(noise)
    with suppress(HelloError):
        read_client_hello(noise)


@given(st.integers(5, len(HELLO) - 1), st.binary(min_size=1, max_size=4))
def test_a_damaged_hello_is_a_hello_error_at_most(place: int, damage: bytes) -> None:
    wire = HELLO[:place] + damage + HELLO[place + len(damage) :]
    try:
        hello = read_client_hello(wire)
    except HelloError:
        return
    assert hello is None or hello.server_name.isprintable()


def _with_name(name: bytes) -> bytes:
    entry = b"\x00" + len(name).to_bytes(2, "big") + name
    names = len(entry).to_bytes(2, "big") + entry
    extension = b"\x00\x00" + len(names).to_bytes(2, "big") + names
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00" + len(extension).to_bytes(2, "big") + extension
    return records(b"\x01" + len(body).to_bytes(3, "big") + body)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (b"a.test.", "a.test"),
        (b"192.0.2.1", "192.0.2.1"),
        (b"xn--bcher-kva.test", "xn--bcher-kva.test"),
        (b"b\xfccher.test", ""),
        (b"a.test/../x", ""),
        (b"a b", ""),
        (b"user@a.test", ""),
        (b"a\x00.test", ""),
        (b"\x1b[31mred", ""),
        (b"a" * 254, ""),
        (b"", ""),
    ],
)
def test_names_that_could_do_harm_are_no_names(name: bytes, read: str) -> None:
    hello = read_client_hello(_with_name(name))
    assert hello is not None and hello.server_name == read


def test_a_hello_in_tiny_records_is_not_looked_at_without_end() -> None:
    message = client_hello("a.test")[5:]
    few = records(message, *([1] * 200))
    hello = read_client_hello(few)
    assert hello is not None and hello.server_name == "a.test"
    with pytest.raises(HelloError, match="more than 256 records"):
        read_client_hello(records(message, *([1] * 300)))
    with pytest.raises(HelloError, match="more than 256 records"):
        read_client_hello(records(b"\x01\x00\xff\xff" + bytes(60_000), *([1] * 300))[:2000])
