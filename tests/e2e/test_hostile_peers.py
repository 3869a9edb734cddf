"""Every class of hostile peer that needs no waiting, once, against the real program; `make soak` measures them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.soak.attacks import ATTACKS, Field
from tests.support.certificates import ServerCertificate
from tests.support.proxy import Proxy
from tests.support.raw_server import RawServer, connect
from tests.support.tunnel import through

NEEDS_SHORT_LIMITS = ("slow_heads", "slow_body", "hellos_without_end")
PATIENCE = 10.0
"""What ends at a limit of bytes or lines takes milliseconds; what only ends by the clock takes half a minute or more."""


@pytest.fixture(scope="module")
def field(proxy: Proxy, certificate: ServerCertificate) -> Iterator[Field]:
    field = Field(proxy.port, certificate)
    with field.origin, field.tls_origin:
        yield field


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in NEEDS_SHORT_LIMITS])
def test_hostile_peers_are_refused_and_others_are_served(name: str, field: Field, proxy: Proxy) -> None:
    assert ATTACKS[name](field) < PATIENCE
    with RawServer(lambda peer: peer.send(b"HTTP/1.1 200 OK\r\n\r\n") if peer.read_head() else None) as server:
        with connect(proxy.port) as client:
            client.send(b"GET http://localhost:%d/after-%b HTTP/1.1\r\nHost: a\r\n\r\n" % (server.port, name.encode()))
            assert client.read_head().startswith(b"HTTP/1.1 200 OK")
        through(proxy.port, "localhost", server.port).close()
    log = proxy.log.read_text()
    assert "Traceback" not in log and "nternal error" not in log, log[-3000:]
