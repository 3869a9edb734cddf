"""Who may come, and who serves him: a driver with a stack of its own for every client that nobody objects to.

accepted socket, or first datagram ─▸ ClientConnected (addons) ─▸ refused and told │ a driver
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from time import monotonic, time
from typing import Any, Final

from interceptor.model.connection import Connection, Origin, bracketed
from interceptor.model.hooks import ClientConnected, Kill, Verdict
from interceptor.proxy.asks import Associate
from interceptor.proxy.assembly import Assembly
from interceptor.proxy.associations import Association
from interceptor.proxy.datagrams import DatagramClient, DatagramSocket, Newcomer
from interceptor.proxy.driver import Driver, Services, client_connection
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.settings import Settings
from interceptor.specs.modes import Mode

_REFUSED_KNOWN: Final = 256


class Admission:
    """`settings` is asked for each new stack."""

    def __init__(self, services: Services, settings: Callable[[], Settings], flow_ids: Iterator[int]) -> None:
        self._services, self.settings, self._flow_ids = services, settings, flow_ids
        self._epoch_offset = time() - monotonic()
        self._refused: set[str] = set()  # hosts that sent datagrams, and were told of

    def driver(self, mode: Mode | None) -> Driver:
        settings = self.settings()
        if mode is not None and mode.hop is not None:
            hop = mode.hop
            if hop.user is None and settings.upstream_auth is not None:
                user, password = settings.upstream_auth
                hop = replace(hop, user=user, password=password)
            settings = replace(settings, routes=replace(settings.routes, otherwise=(hop,)))
        return Driver(self._services, Assembly(settings, self._flow_ids, self._epoch_offset))

    def admit(self, connection: Connection, mode: Mode, peer: Any) -> Driver | None:
        """A driver for the client if nobody objects; who thinks about it may still end it."""
        late: list[Driver] = []

        def refuse_late(verdict: Verdict) -> None:
            if isinstance(verdict, Kill):
                for driver in late:
                    driver.shut_down(verdict.reason)

        verdict = self._services.decider.decide(ClientConnected(connection, mode.shown), refuse_late)
        if isinstance(verdict, Kill):
            if connection.transport == "tcp" or peer[0] not in self._refused:  # of datagrams the first is enough
                self._services.report(f"{bracketed(peer[0])}:{peer[1]} was refused: {verdict.reason}", None)
            if connection.transport == "udp":
                self._refused = {peer[0], *(self._refused if len(self._refused) < _REFUSED_KNOWN else ())}
            return None
        driver = self.driver(mode)
        if verdict is None:
            late.append(driver)
        return driver

    def admit_datagrams(self, mode: Mode, owner: DatagramSocket, newcomer: Newcomer) -> DatagramClient | None:
        """For the first datagram of a client; None if it may not come."""
        ingress = ingress_of(mode)
        if newcomer.destination is not None:
            ingress = replace(ingress, origin=Origin("udp", *newcomer.destination), is_socks=False)
        connection = client_connection(newcomer.peer, newcomer.local, time(), "udp")
        driver = self.admit(connection, mode, newcomer.peer)
        return None if driver is None else driver.start_datagrams(connection, ingress, owner, newcomer.key)

    def associate(self, mode: Mode, ask: Associate) -> Association:
        """OSError if there is no socket to be had."""
        client = ask.client
        assert client.peer is not None and client.local is not None
        report = self._services.report
        made = Association(self._services.loop, client.peer, ask.announced, client.local[0], lambda text: report(text, None))
        made.start(partial(self.admit_datagrams, mode, made))
        return made


def ingress_of(mode: Mode) -> Ingress:
    name, origin = mode.name, mode.origin
    return Ingress(mode.shown, origin, is_reverse=origin is not None, is_socks=name == "socks5", is_dns=mode.is_dns)
