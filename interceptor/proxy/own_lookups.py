"""Names that this program has to look up for itself, asked of name servers alone: for when the hosts file is not to count
(`dns_use_hosts_file` off), since it leads clients here, and what we connect to would be ourselves.

    name ─▸ A and AAAA ─▸ a stack in which `layers.dns` stands, whose client we are ─▸ name servers     addresses ◂─ its flows

So all holds that holds for queries of clients: the next server where one is silent, TLS, HTTPS, routes. Nothing of it is shown.
What is truncated is asked for again over a stream. A proxy on the way out is looked up without routes, and whoever leads to a
name server is looked up by the system: else the one would be needed for the other.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from random import randrange
from time import monotonic, time
from typing import Final

from interceptor.model.connection import Address
from interceptor.model.dns import AAAA, A, address_query, addresses_in
from interceptor.model.flow import DnsFlow
from interceptor.model.hooks import FORWARD, Hook, Verdict
from interceptor.model.records import FlowEnded, Record
from interceptor.proxy.assembly import Assembly
from interceptor.proxy.core.events import DataReceived, HalfClosed
from interceptor.proxy.driver import Driver, Services, client_connection
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.names import SystemNames
from interceptor.proxy.resolver import AddressInfo, Unreachable, address_infos
from interceptor.proxy.settings import Settings
from interceptor.specs.routes import Routes

PATIENCE_SECONDS: Final = 15.0
"""Longer than `layers.dns` gives name servers: it says why there is no answer."""
AGAIN_SECONDS: Final = (1.0, 3.0)
"""After so long a datagram that nobody has answered is sent again: it may have been lost."""
OTHER_FAMILY_SECONDS: Final = 1.0
"""How long the addresses of one family wait for those of the other."""
_HERE: Final = ("127.0.0.1", 0)
_NXDOMAIN: Final = 3
_FAMILIES: Final = {A: socket.AF_INET, AAAA: socket.AF_INET6}


class OwnLookups:
    """`services` and `settings` are those of all other stacks."""

    def __init__(self, services: Services, names: SystemNames, settings: Callable[[], Settings]) -> None:
        self._services, self._names, self._settings = services, names, settings
        self._inner: Services | None = None
        self._asking: dict[bool, _Asking] = {}  # by whether routes count
        self._asked: dict[tuple[str, int, bool], asyncio.Task[tuple[list[str], str]]] = {}  # and not yet answered

    async def find(self, host: str, port: int, kind: int, is_hop: bool) -> Sequence[AddressInfo]:
        """As `resolver.Find`; `is_hop`: of a proxy on the way out."""
        if host == "localhost" or host.endswith(".localhost"):  # never a question for name servers (RFC 6761 §6.3)
            return address_infos(("127.0.0.1", "::1"), port, kind)
        reason = ""
        for name in self._names.full_names(host):
            found, why_not = await self._addresses(name, is_hop)
            if found:
                return address_infos(found, port, kind)
            reason = reason or why_not
        raise Unreachable(f"the name cannot be resolved: {reason}")

    async def _addresses(self, name: str, is_hop: bool) -> tuple[list[str], str]:
        """And why there are none."""
        tasks = [self._shared(name, kind, is_hop) for kind in (A, AAAA)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        has_some = any(task.done() and task.result()[0] for task in tasks)
        await asyncio.wait(tasks, timeout=OTHER_FAMILY_SECONDS if has_some else None)
        answers = [task.result() for task in tasks if task.done()]
        return [address for found, _ in answers for address in found], next((why for _, why in answers if why), "")

    def _shared(self, name: str, kind: int, is_hop: bool) -> asyncio.Task[tuple[list[str], str]]:
        """One question for all who want to know it at the same time; it goes on if some of them do not any more."""
        key = name, kind, is_hop
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = self._services.loop.create_task(self._ask(name, kind, is_hop))
            task.add_done_callback(lambda done: self._asked.pop(key, None))
        return task

    async def _ask(self, name: str, kind: int, is_hop: bool) -> tuple[list[str], str]:
        try:
            flow = await self._for_datagrams(is_hop).answer(name, kind)
            if flow.response is not None and flow.response.is_truncated:
                flow = await _Asking(self._inside(), self._chosen(is_hop), "tcp").answer(name, kind)
        except TimeoutError:
            return [], "no name server has answered"
        except ValueError as error:  # what nobody can be asked
            return [], str(error)
        return _addresses_of(flow, kind)

    def _for_datagrams(self, is_hop: bool) -> _Asking:
        asking, settings = self._asking.get(is_hop), self._chosen(is_hop)
        if asking is None or asking.is_closed or asking.settings != settings:
            asking = self._asking[is_hop] = _Asking(self._inside(), settings, "udp")
        return asking

    def _chosen(self, is_hop: bool) -> Settings:
        settings = replace(self._settings(), proxy_protocol_from=())
        return replace(settings, routes=Routes()) if is_hop else settings

    def _inside(self) -> Services:
        """What the stacks that ask have: nobody watches, and nobody decides."""
        if self._inner is None:
            self._inner = replace(self._services, watcher=None, programs=None, drivers=set(), find=None)
            self._inner.decider = Nobody()
        self._inner.local_host = self._services.local_host
        return self._inner

    def close(self) -> None:
        for driver in list(self._inner.drivers) if self._inner is not None else ():
            driver.shut_down("The program ended.")


def _addresses_of(flow: DnsFlow, kind: int) -> tuple[list[str], str]:
    response = flow.response
    if response is None or flow.error is not None:
        return [], flow.error.message.rstrip(".") if flow.error is not None else "no name server has answered"
    server = flow.server.peer[0] if flow.server is not None and flow.server.peer is not None else "the name server"
    if response.rcode:
        said = "there is no such name" if response.rcode == _NXDOMAIN else f"it answered {response.rcode_name}"
        return [], f"{said}, says {server}" if response.rcode == _NXDOMAIN else f"{server}: {said}"
    try:
        packed = addresses_in(response.wire, kind)
    except ValueError as error:
        return [], f"{server}: {error}"
    found = [socket.inet_ntop(_FAMILIES[kind], each) for each in packed]
    return found, "" if found else f"it has no address, says {server}"


class _Asking:
    """A stack that asks: its client's transport, and its recorder, in which the answers end."""

    def __init__(self, services: Services, settings: Settings, transport: str) -> None:
        self.settings, self._loop, self._is_stream = settings, services.loop, transport == "tcp"
        self._waiting: dict[int, asyncio.Future[DnsFlow]] = {}
        self.is_closed = False
        self.pieces: list[bytes] = []
        self._connection = client_connection(_HERE, _HERE, time(), transport)
        inner = replace(services, recorder=self)
        inner.decider = services.decider
        self._driver = Driver(inner, Assembly(settings, count(1), time() - monotonic()))
        self._driver.start_over(self._connection, Ingress("dns", is_dns=True), self)

    async def answer(self, name: str, kind: int) -> DnsFlow:
        """TimeoutError if nothing comes of it; ValueError if it cannot be asked."""
        number = randrange(0x10000)
        while number in self._waiting:
            number = randrange(0x10000)
        query = address_query(number, name, kind)
        future: asyncio.Future[DnsFlow] = self._loop.create_future()
        self._waiting[number] = future
        try:
            framed = len(query).to_bytes(2, "big") + query if self._is_stream else query
            self._driver.deliver(DataReceived(self._connection, framed))
            if self._is_stream:
                self._driver.deliver(HalfClosed(self._connection))
            for seconds in () if self._is_stream else AGAIN_SECONDS:
                if await asyncio.wait((future,), timeout=seconds) == (set(), {future}) and not self.is_closed:
                    self._driver.deliver(DataReceived(self._connection, framed))
            async with asyncio.timeout(PATIENCE_SECONDS - sum(AGAIN_SECONDS)):
                return await future
        finally:
            self._waiting.pop(number, None)

    def record(self, what: Record) -> None:
        if isinstance(what, FlowEnded) and isinstance(what.flow, DnsFlow):
            future = self._waiting.pop(what.flow.request.id, None)
            if future is not None and not future.done():
                future.set_result(what.flow)

    # --- as a transport ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Nothing can have come early."""

    def addresses(self) -> tuple[Address | None, Address | None]:
        return self._connection.local, self._connection.peer

    def flush(self) -> None:
        self.pieces.clear()  # the flow has the answer

    def half_close(self) -> None:
        """Nobody would notice."""

    def close(self, is_abrupt: bool = False) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._loop.call_soon(self._driver.transport_gone, self._connection)

    def pause(self) -> None:
        """There are never many."""

    def resume(self) -> None:
        """See `pause`."""


class Nobody:
    """Who decides about queries that nobody sees."""

    def heeds(self, hook: Hook) -> bool:
        return False

    def decide(self, hook: Hook, answer: Callable[[Verdict], None]) -> Verdict | None:
        return FORWARD

    def withdraw(self, hook: Hook) -> None:
        """It was answered at once."""
