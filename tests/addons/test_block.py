"""Clients are let in or refused by the kind of address that they come from."""

from __future__ import annotations

import pytest

from interceptor.addons.block import Block
from interceptor.model.connection import Connection, Side
from interceptor.model.hooks import Kill
from interceptor.options import Options

PUBLIC = ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"]
PRIVATE = ["192.168.1.7", "10.0.0.1", "172.16.0.9", "169.254.3.4", "100.64.1.1", "fd00::1", "fe80::1%eth0", "::ffff:10.0.0.1"]
THIS_MACHINE = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]


def refusal(address: str, mode: str = "regular", **values: bool) -> Kill | None:
    options = Options()
    options.update(**values)
    return Block(options).client_connected(Connection(Side.CLIENT, peer=(address, 50_000)), mode)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_refused_by_default(address: str) -> None:
    verdict = refusal(address)
    assert isinstance(verdict, Kill)
    assert "block_global" in verdict.reason


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_let_in_on_request(address: str) -> None:
    assert refusal(address, block_global=False, block_private=True) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_let_in_by_default(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_on_request(address: str) -> None:
    verdict = refusal(address, block_private=True)
    assert isinstance(verdict, Kill)
    assert "block_private" in verdict.reason


@pytest.mark.parametrize("address", [*THIS_MACHINE, "a-name-is-no-address"])
def test_this_machine_always_passes(address: str) -> None:
    assert refusal(address, block_global=True, block_private=True) is None


def test_local_capture_and_unknown_peers_pass() -> None:
    assert refusal("8.8.8.8", mode="local:curl") is None
    assert Block(Options()).client_connected(Connection(Side.CLIENT), "regular") is None


def test_a_change_applies_to_the_next_client() -> None:
    options = Options()
    block = Block(options)
    client = Connection(Side.CLIENT, peer=("8.8.8.8", 1))
    assert block.client_connected(client, "regular") is not None
    options.update(block_global=False)
    assert block.client_connected(client, "regular") is None
