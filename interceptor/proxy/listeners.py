"""A mode made real: bound, accepting, unbound again, while the program runs.

Accepting is our own loop on the listening socket: when the process has no descriptors left, it pauses for a moment and says so
once, instead of failing or spinning.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from ipaddress import ip_address
from time import time
from typing import Any, Final

from interceptor.model.connection import Address, Origin, bracketed
from interceptor.model.flow import HttpFlow, WebSocketMessage
from interceptor.platform.destinations import (
    asks_pf,
    is_diverted,
    original_destination,
    takes_datagrams,
    unavailable,
)
from interceptor.platform.pf import NotTold, ask_pf
from interceptor.platform.windivert import Diversion, NotDiverted
from interceptor.proxy.admission import NOBODY_REDIRECTED, Admission, ingress_of
from interceptor.proxy.captures import Captures
from interceptor.proxy.core.events import MessageInjected
from interceptor.proxy.datagrams import DatagramSocket, bound_datagram_socket
from interceptor.proxy.driver import LED_BACK, Driver, Services, client_connection
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.listener import Listener, bind_failure, bound_stream_socket
from interceptor.proxy.own_addresses import is_local, network_addresses
from interceptor.proxy.redirected_datagrams import RawSocket, RedirectedSocket, TransparentSockets, bound_redirected_socket
from interceptor.proxy.settings import Settings
from interceptor.specs.errors import UserError
from interceptor.specs.modes import CAPTURES, EXPLICIT, Mode

_ACCEPTS_AT_ONCE: Final = 64
_PAUSE_SECONDS: Final = 0.2
_REFUSED_KNOWN: Final = 256
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Listeners:
    """`apply` makes the listeners what the modes say. `settings` is asked for each new stack."""

    def __init__(self, services: Services, settings: Callable[[], Settings], flow_ids: Iterator[int]) -> None:
        self._services = services
        self.admission = Admission(services, settings, flow_ids)
        self._listeners: list[Listener] = []
        self._has_warned = False
        self._captures: Captures | None = None
        self._without_datagrams: set[int] = set()  # families, told of
        self._paused: set[socket.socket] = set()  # there are no file descriptors for those who knock

    @property
    def listeners(self) -> Sequence[Listener]:
        return self._listeners

    def apply(self, modes: Sequence[Mode], default_host: str, default_port: int | None) -> None:
        """Binds what is new, unbinds what is gone, leaves the rest alone. UserError if an address cannot be had: then all is as
        it was."""
        wanted = {mode.text: mode for mode in modes}
        kept = [
            listener
            for listener in self._listeners
            if listener.is_adopted or (listener.mode.text in wanted and self._fits(listener, default_port))
        ]
        gone = [listener for listener in self._listeners if listener not in kept]
        self._close_sockets(gone)
        made: list[Listener] = []
        try:
            for mode in modes:
                if not any(listener.mode.text == mode.text for listener in kept):
                    made.append(self._bind(mode, default_host, default_port))
        except UserError:
            self._close_sockets(made)
            self._listeners = kept
            raise
        self._listeners = kept + made
        for listener in made:
            for sock in listener.sockets:
                self._services.loop.add_reader(sock.fileno(), self._accept, listener, sock)
            for datagrams in listener.datagram_sockets:
                datagrams.start(partial(self.admission.admit_datagrams, listener.mode, datagrams))

    def adopt(self, text: str, sockets: Sequence[socket.socket]) -> None:
        """Clients come over these from now on, whatever the modes are: redirected connections, datagrams that are led there, and
        raw sockets to answer those; one of netlink tells whose sockets there are where these were made."""
        loop, mode = self._services.loop, Mode(text, "transparent", transports=("tcp", "udp"))
        streams, bound, raw = (
            [sock for sock in sockets if sock.type == kind] for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)
        )
        for sock in sockets:
            sock.setblocking(False)
        network = next((sock for sock in raw if sock.family == socket.AF_NETLINK), None)
        answers = {sock.family: RawSocket(sock) for sock in raw if sock is not network}
        datagrams: list[DatagramSocket] = [RedirectedSocket(loop, sock, answers[sock.family]) for sock in bound]
        listener = Listener(mode, streams, datagrams, is_adopted=True, network=network)
        self._listeners = [*self._listeners, listener]
        for sock in streams:
            loop.add_reader(sock.fileno(), self._accept, listener, sock)
        for each in datagrams:
            each.start(partial(self.admission.admit_datagrams, mode, each, is_elsewhere=True, network=network))

    @staticmethod
    def _fits(listener: Listener, default_port: int | None) -> bool:
        if listener.capture is not None and (listener.capture.is_closed or listener.capture.address is None):
            return not listener.capture.is_closed  # one that failed is tried again
        wanted = listener.mode.listen_port if listener.mode.listen_port is not None else default_port
        return wanted is None or wanted == 0 or any(port == wanted for _, port in listener.addresses)

    def _bind(self, mode: Mode, default_host: str, default_port: int | None) -> Listener:
        if mode.name == "transparent" and (reason := unavailable()):
            raise UserError(f"{mode.text}: {reason}.")
        host = mode.listen_host if mode.listen_host is not None else default_host
        port = mode.listen_port
        if port is None:
            port = default_port if default_port is not None else mode.default_port
        if mode.name in CAPTURES:
            return self._capture(mode, host, port)
        sockets: list[socket.socket] = []
        try:
            found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            addresses = dict.fromkeys((family, address) for family, _, _, _, address in found)
            for transport in mode.transports:
                for family, address in addresses:
                    if port == 0 and sockets:  # the same free port for every family
                        address = (address[0], sockets[0].getsockname()[1], *address[2:])
                    is_optional = bool(sockets) or len(addresses) > 1
                    if (sock := self._bound(mode, family, transport, address, is_optional)) is not None:
                        sockets.append(sock)
        except OSError as error:
            for sock in sockets:
                sock.close()
            raise UserError(bind_failure(mode, host, port, error)) from None
        streams = [sock for sock in sockets if sock.type == socket.SOCK_STREAM]
        datagrams = [self._datagram_socket(mode, sock) for sock in sockets if sock.type == socket.SOCK_DGRAM]
        listener = Listener(mode, streams, datagrams)
        if mode.name == "transparent" and is_diverted():
            self._divert(listener)
        return listener

    def _divert(self, listener: Listener) -> None:
        """From here on connections are led to it. UserError if that may not be; then it is closed."""
        listener.diversion = Diversion(listener.addresses[0][1], lambda text: self._services.report(text, None))
        try:
            listener.diversion.start()
        except NotDiverted as error:
            self._close_sockets([listener])
            raise UserError(f"{listener.mode.text}: {error}.") from None

    def _capture(self, mode: Mode, host: str, port: int) -> Listener:
        if self._captures is None:
            services = self._services
            self._captures = Captures(
                services.loop,
                self.admission,
                services.confdir,
                services.tell,
                lambda text: services.report(text, None),
                lambda peer, destination: (tuple(peer[:2]), tuple(destination[:2])) in services.dialled,
            )
        if mode.listen_host is None and host in ("127.0.0.1", "localhost"):
            host = ""  # who has no key is not answered, and a WireGuard for this machine alone would be of no use
        own = network_addresses if host in ("", "0.0.0.0") else lambda: []
        return Listener(mode, [], capture=self._captures.start(mode, host or "0.0.0.0", port, own))

    def _datagram_socket(self, mode: Mode, bound: socket.socket) -> DatagramSocket:
        if mode.name == "transparent":
            return RedirectedSocket(self._services.loop, bound, TransparentSockets())
        return DatagramSocket(self._services.loop, bound)

    def _bound(self, mode: Mode, family: int, transport: str, address: Any, is_optional: bool) -> socket.socket | None:
        if transport == "udp" and mode.name == "transparent" and not takes_datagrams():
            return None
        try:
            if transport == "udp":
                is_transparent = mode.name == "transparent"
                return (bound_redirected_socket if is_transparent else bound_datagram_socket)(family, address)
            return bound_stream_socket(family, address, is_transparent=mode.name == "transparent")
        except PermissionError:
            if transport != "udp" or mode.name != "transparent":
                raise
            if family not in self._without_datagrams:
                self._without_datagrams.add(family)
                self._services.report(f"{mode.text}: no UDP is taken, for which the program needs CAP_NET_ADMIN", None)
            return None
        except OSError as error:
            if is_optional and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                return None  # a machine without IPv6: the other family is enough
            raise

    # --- accepting --------------------------------------------------------------------------------------------

    def _accept(self, listener: Listener, sock: socket.socket) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                accepted, peer = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    return self._pause_accepting(listener, sock, error)
                raise
            self._serve(listener, accepted, peer)

    def _pause_accepting(self, listener: Listener, sock: socket.socket, error: OSError) -> None:
        loop = self._services.loop
        loop.remove_reader(sock.fileno())
        self._paused.add(sock)
        loop.call_later(_PAUSE_SECONDS, self._resume_accepting, listener, sock)
        if not self._has_warned:
            self._has_warned = True
            self._services.report(
                f"{error.strerror}: new connections wait until others have ended. Raise the limit by `ulimit -n`.", None
            )

    def _resume_accepting(self, listener: Listener, sock: socket.socket) -> None:
        self._paused.discard(sock)
        if listener in self._listeners and sock.fileno() >= 0:
            self._services.loop.add_reader(sock.fileno(), self._accept, listener, sock)

    def _serve(self, listener: Listener, accepted: socket.socket, peer: Any) -> None:
        accepted.setblocking(False)
        if listener.mode.name == "transparent" and not listener.is_adopted and asks_pf():
            self._services.loop.create_task(self._serve_when_told(listener, accepted, peer))
        else:
            self._take(listener, accepted, peer)

    async def _serve_when_told(self, listener: Listener, accepted: socket.socket, peer: Any) -> None:
        try:
            destination = await asyncio.to_thread(ask_pf, (peer[0].partition("%")[0], peer[1]))
        except NotTold as error:
            self._refuse(accepted, peer, str(error))
        else:
            self._take(listener, accepted, peer, destination)

    def _refuse(self, accepted: socket.socket, peer: Any, reason: str) -> None:
        self._services.report(f"{bracketed(peer[0])}:{peer[1]} was refused: {reason}", None)
        accepted.close()

    def _take(self, listener: Listener, accepted: socket.socket, peer: Any, destination: Address | None = None) -> None:
        try:
            ingress = self._ingress(listener, accepted, peer, destination)
        except UserError as error:
            return self._refuse(accepted, peer, error.message)
        connection = client_connection(peer, accepted.getsockname(), time())
        driver = self.admission.admit(connection, listener.mode, peer)
        if driver is None:
            accepted.close()
            return
        if ingress.is_socks:
            driver.takes_associations(partial(self.admission.associate, listener.mode))
        transport = driver.start_client(connection, ingress)
        looking = self.admission.look_for_program(connection, ingress, listener.network)
        self._services.loop.create_task(self._connect(driver, transport, accepted, looking))

    def _ingress(self, listener: Listener, accepted: socket.socket, peer: Any, destination: Address | None) -> Ingress:
        """UserError if it cannot be said where this connection was meant to go."""
        mode = listener.mode
        if mode.name != "transparent":
            return ingress_of(mode)
        if listener.diversion is not None:
            destination = listener.diversion.connections.destination(tuple(peer[:2]))
        destination = destination or original_destination(accepted)
        if listener.is_adopted:  # the same addresses mean something else there
            return Ingress(mode.text, Origin("tcp", *destination))
        if destination == tuple(accepted.getsockname()[:2]) and self.is_own_address(*destination):
            raise UserError(NOBODY_REDIRECTED.format(mode=mode.text))
        if (tuple(peer[:2]), destination) in self._services.dialled:
            raise UserError(LED_BACK)
        return Ingress(mode.text, Origin("tcp", *destination), is_redirected=True)

    async def _connect(
        self, driver: Driver, transport: asyncio.Protocol, accepted: socket.socket, first: Awaitable[None] | None
    ) -> None:
        try:
            if first is not None:
                await first
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._services.loop.connect_accepted_socket(lambda: transport, accepted)
        except OSError:
            accepted.close()
            return driver.shut_down("The client closed the connection.")
        driver.opened()

    # --- for others -------------------------------------------------------------------------------------------

    def replay(self, flow: HttpFlow, script: Sequence[WebSocketMessage] = (), over: Callable[[], None] = lambda: None) -> None:
        """Sends the request of that flow, over a stack of its own; says `script` in the WebSocket that it becomes. It takes the
        way of the mode that it came in by; if that is no more, that of the first listener. `over` is called at the end of all."""
        modes = [listener.mode for listener in self._listeners]
        mode = next((mode for mode in modes if mode.shown == flow.mode), modes[0] if modes else None)
        self.admission.driver(mode).start_replay(flow, script, over)

    @property
    def active_connections(self) -> int:
        """Clients that are connected now."""
        return sum(1 for driver in self._services.drivers if driver.has_client)

    def kill(self, flow_id: int, reason: str) -> bool:
        return any(driver.kill(flow_id, reason) for driver in list(self._services.drivers))

    def inject(self, message: MessageInjected) -> str:
        """Says it in a running conversation; "", or why that cannot be."""
        for driver in list(self._services.drivers):
            if (refusal := driver.inject(message)) is not None:
                return refusal
        return "nothing can be said in this flow: it has ended, or it is not a conversation of messages"

    def _own(self) -> Sequence[Listener]:
        return [listener for listener in self._listeners if not listener.is_adopted]

    def is_own_address(self, host: str, port: int, transport: str = "tcp") -> bool:
        """Whether a connection to there would reach one of our own listeners."""
        for listener in self._own():
            for own_host, own_port in listener.addresses if transport in listener.transports else ():
                if own_port == port and (host == own_host or is_local(host, own_host)):
                    return True
        return False

    def describe(self) -> Sequence[str]:
        """`host:port` of each listener, with the mode where it is not the regular one."""
        texts = []
        for listener in self._own():
            for host, port in listener.addresses:
                shown = f"{bracketed(host) if host not in ('0.0.0.0', '::') else '*'}:{port}"
                label = "" if listener.mode.name == "regular" else f"{listener.mode.label} "
                if label + shown not in texts:
                    texts.append(label + shown)
        return texts

    def report(self) -> str:
        """For a person: each listener with its mode, its addresses and how it fares; then how many clients are here."""
        lines = []
        for listener in self._listeners:
            mode = listener.mode
            if listener.capture is not None:
                address = listener.addresses
                where = f"at {bracketed(address[0][0])}:{address[0][1]}, UDP: " if address else ""
                lines.append(f"{mode.label}\n    {where}{listener.capture.state}")
                continue
            addresses = ", ".join(f"{bracketed(host)}:{port}" for host, port in listener.addresses)
            state = "waits for free file descriptors (ulimit -n)" if self._paused & {*listener.sockets} else "accepts"
            lines.append(f"{mode.label}\n    at {addresses}, {' and '.join(listener.transports).upper()}: {state}")
        if not lines:
            lines.append("Nothing is listened to: see the options server and mode.")
        clients = self.active_connections
        lines.append(f"{clients} client{'s' * (clients != 1)} connected. :set mode … changes what is listened to.")
        return "\n\n".join(lines)

    def configurations(self) -> Sequence[str]:
        """What clients of WireGuard need to know, of each listener that has them."""
        captures = [listener.capture for listener in self._listeners if listener.capture is not None]
        return [capture.configuration for capture in captures if capture.configuration and not capture.is_closed]

    def local_address(self) -> tuple[str, int] | None:
        """(host, port) under which programs on this machine reach the first listener that is a proxy to them; None: no such."""
        for listener in self._listeners:
            for host, port in listener.addresses if listener.mode.name in EXPLICIT else ():
                return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port
        return None

    def on_network(self) -> Sequence[tuple[str, int]]:
        """(address, port) under which other machines reach a listener that is a proxy to them; empty if only this one can."""
        for listener in self._listeners:
            for host, port in listener.addresses if listener.mode.name in EXPLICIT else ():
                is_everywhere = host in ("0.0.0.0", "::")
                found = network_addresses() if is_everywhere else [] if ip_address(host).is_loopback else [host]
                if found:
                    return [(address, port) for address in found]
        return []

    def close(self) -> None:
        self._close_sockets(self._listeners)
        self._listeners = []
        for driver in list(self._services.drivers):
            driver.shut_down("The program ended.")

    def _close_sockets(self, listeners: Sequence[Listener]) -> None:
        for listener in listeners:
            for sock in listener.sockets:
                if sock.fileno() >= 0:
                    self._services.loop.remove_reader(sock.fileno())
                    sock.close()
            for datagrams in listener.datagram_sockets:
                datagrams.close()
            if listener.network is not None:
                listener.network.close()
            if listener.diversion is not None:
                listener.diversion.close()
            if listener.capture is not None:
                listener.capture.close()
