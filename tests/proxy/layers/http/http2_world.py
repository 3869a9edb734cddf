"""A client of HTTP/2, the proxy on paper, and servers of HTTP/2."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module

import pytest

from interceptor.model.connection import Connection, Origin
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.layers.http import http2_engine
from tests.support.http2_peers import Http2Peer
from tests.support.paper_driver import PaperDriver, paper_settings

TO_H2C = Ingress("regular", Origin("tcp", "a.test", 80))
"""A tunnel: what the client speaks is spoken to the server."""


@dataclass
class World:
    """A client of HTTP/2, the proxy, and servers of HTTP/2 (`servers`) or of HTTP/1 (the driver's own `sent`)."""

    driver: PaperDriver
    client: Http2Peer
    servers: list[Http2Peer] = field(default_factory=list)

    def run(self) -> None:
        """Until nobody has anything to say."""
        self.driver.converse()

    @property
    def server(self) -> Http2Peer:
        return self.servers[-1]


def world(
    ingress: Ingress = TO_H2C,
    *,
    speaks_http2: bool = True,
    reads: bool = True,
    server_settings: dict[int, int] | None = None,
    decide: object = None,
    dials: object = None,
    is_strict: bool = True,
    **settings: object,
) -> World:
    """`speaks_http2`: the servers do, else the test speaks for them. `reads`: the client gives credit. `is_strict`: the servers
    check what they get."""
    made = World(None, Http2Peer(is_client=True, reads=reads))  # type: ignore[arg-type]

    def greet(connection: Connection) -> Http2Peer | None:
        if speaks_http2:
            made.servers.append(Http2Peer(is_client=False, settings=server_settings, is_strict=is_strict))
            return made.server
        return None

    options = {"decide": decide} if decide is not None else {}
    if dials is not None:
        options["dials"] = dials
    made.driver = PaperDriver(ingress, paper_settings(**settings), greet=greet, **options)  # type: ignore[arg-type]
    made.driver.peers[made.driver.client] = made.client
    return made


@pytest.fixture(params=["h2", "jh2"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two libraries that may do the work, in turn."""
    for name in ("config", "connection", "events", "exceptions", "settings"):
        monkeypatch.setattr(http2_engine, name, import_module(f"{request.param}.{name}"))
    monkeypatch.setattr(http2_engine, "_CODES", import_module(f"{request.param}.settings").SettingCodes)
    monkeypatch.setattr(http2_engine, "_LOOKS_AT_BLOCKS", request.param == "jh2")
