"""What the kernel says of a redirected connection, as recorded; tests/e2e/test_transparent.py has it for real."""

from __future__ import annotations

import socket
import sys

import pytest

from interceptor.platform import destinations, windivert
from interceptor.platform.destinations import original_destination, read_sockaddr_in, read_sockaddr_in6


def test_an_ipv4_address_as_the_kernel_says_it() -> None:
    assert read_sockaddr_in(bytes.fromhex("020001bbc63364020000000000000000")) == ("198.51.100.2", 443)


def test_an_ipv6_address_as_the_kernel_says_it() -> None:
    raw = bytes.fromhex("0a000050" "00000000" "20010db8000200000000000000000002" "00000000")
    assert read_sockaddr_in6(raw) == ("2001:db8:2::2", 80)


def test_a_link_local_address_keeps_its_zone() -> None:
    raw = bytes.fromhex("0a000050" "00000000" "fe800000000000000000000000000001") + (3).to_bytes(4, "little")
    assert read_sockaddr_in6(raw) == ("fe80::1%3", 80)


def test_what_nobody_redirected_was_meant_for_the_socket_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            assert original_destination(accepted) == client.getpeername()


def test_what_windows_needs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert destinations.is_diverted() and "pip install pydivert" in destinations.unavailable()
    monkeypatch.setattr(windivert, "find_spec", lambda name: name)
    assert destinations.unavailable() == ""
