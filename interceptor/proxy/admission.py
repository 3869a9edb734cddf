"""Who may come, and who serves him: a driver with a stack of its own for every client that nobody objects to.

accepted socket, or first datagram ─▸ ClientConnected (addons) ─▸ refused and told │ a driver
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from functools import partial
from time import monotonic, time
from typing import Any, Final

from interceptor.model.connection import Address, Connection, Origin, bracketed
from interceptor.model.hooks import ClientConnected, Kill, Verdict
from interceptor.proxy.asks import Associate
from interceptor.proxy.assembly import Assembly
from interceptor.proxy.associations import Association
from interceptor.proxy.client_programs import POLITE_WAIT_SECONDS
from interceptor.proxy.datagrams import DatagramClient, DatagramSocket, Newcomer
from interceptor.proxy.driver import LED_BACK, Driver, Services, client_connection
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.settings import Settings
from interceptor.specs.modes import Mode

_REFUSED_KNOWN: Final = 256
NOBODY_REDIRECTED: Final = (
    "nothing redirected it: it was made to {mode} itself. In this mode the system leads connections here that"
    " were made to others (interceptor setup transparent); for a client that is told of a proxy there is mode regular"
)


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
            self._tell(peer, connection.transport, f"{bracketed(peer[0])}:{peer[1]} was refused: {verdict.reason}")
            return None
        driver = self.driver(mode)
        if verdict is None:
            late.append(driver)
        return driver

    def admit_datagrams(
        self,
        mode: Mode,
        owner: DatagramSocket,
        newcomer: Newcomer,
        is_elsewhere: bool = False,
        network: socket.socket | None = None,
    ) -> DatagramClient | None:
        """For the first datagram of a client; None if it may not come. `is_elsewhere`: the same addresses mean something else in
        the network that it comes from; `network`: see `processes.Ends`."""
        ingress = ingress_of(mode)
        if newcomer.destination is not None:
            is_redirected = mode.name == "transparent" and not is_elsewhere
            if is_redirected and self._is_misled(mode, newcomer.peer, newcomer.destination):
                return None
            origin = Origin("udp", *newcomer.destination)
            ingress = replace(ingress, origin=origin, is_socks=False, is_redirected=is_redirected)
        connection = client_connection(newcomer.peer, newcomer.local, time(), "udp")
        driver = self.admit(connection, mode, newcomer.peer)
        if driver is None:
            return None
        if (programs := self._services.programs) is not None:
            ours = newcomer.destination if mode.name == "transparent" else None
            programs.ask(connection, ours or newcomer.local[:2], network)
        return driver.start_datagrams(connection, ingress, owner, newcomer.key)

    def look_for_program(
        self, client: Connection, ingress: Ingress, network: socket.socket | None
    ) -> Coroutine[Any, Any, None] | None:
        """What to wait for before anything is read of the client, if something has to. `network`: see `processes.Ends`."""
        programs, origin = self._services.programs, ingress.origin
        if programs is None:
            return None
        was_led = origin is not None and not ingress.is_reverse
        ours = (origin.host, origin.port) if origin is not None and was_led else client.local
        assert ours is not None
        if self._services.awaits_programs:
            return programs.answer(client, ours, network)
        if programs.may_wait(client, network):
            return programs.answer(client, ours, network, POLITE_WAIT_SECONDS)
        programs.ask(client, ours, network)
        return None

    def _is_misled(self, mode: Mode, peer: Any, destination: Address) -> bool:
        if self._services.is_own_address(*destination, "udp"):
            reason = NOBODY_REDIRECTED.format(mode=mode.text)
        elif ((peer[0], peer[1]), destination) in self._services.dialled:
            reason = LED_BACK
        else:
            return False
        self._tell(peer, "udp", f"A datagram from {bracketed(peer[0])}:{peer[1]} was dropped: {reason}")
        return True

    def _tell(self, peer: Any, transport: str, text: str) -> None:
        """Of datagrams the first of a host is enough."""
        if transport == "tcp" or peer[0] not in self._refused:
            self._services.report(text, None)
        if transport == "udp":
            self._refused = {peer[0], *(self._refused if len(self._refused) < _REFUSED_KNOWN else ())}

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
