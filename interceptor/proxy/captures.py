"""Ways in that are a network of their own: WireGuard, programs of this machine (`local`), a TUN interface; by mitmproxy_rs.

    mode ─ Captures.start ─▸ mitmproxy_rs: packets ▸ its own TCP/IP ▸ streams ─▸ Admission ─▸ driver, StreamTransport

The package is optional, and is imported when the first such mode is started; without it, and where this machine cannot do what
the mode needs, the mode is refused with the reason. What goes wrong later (the package starts in the background) is reported, and
`state` has it.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from pathlib import Path
from time import time
from typing import Any, Final, Protocol

from interceptor.model.connection import Address, Connection, Origin, bracketed
from interceptor.platform.processes import described
from interceptor.proxy.driver import LED_BACK, Driver, client_connection
from interceptor.proxy.ingress import Ingress
from interceptor.proxy.stream_transport import Stream, StreamTransport
from interceptor.specs.errors import UserError
from interceptor.specs.modes import Mode

PACKAGE: Final = "mitmproxy_rs"
NAME_SERVER: Final = ("10.0.0.53", 53)
"""Whom clients of WireGuard ask for names; it is we who answer."""
_CLIENT: Final = "10.0.0.1/32"
_LEAST_PYTHON: Final = (3, 12)


class Admitting(Protocol):
    """What we know of `admission.Admission`."""

    def admit(self, connection: Connection, mode: Mode, peer: Any) -> Driver | None: ...
    def look_for_program(
        self, client: Connection, ingress: Ingress, network: socket.socket | None
    ) -> Coroutine[Any, Any, None] | None: ...


class Capture:
    """One such mode, started. `state` is for a person; `configuration` is what a client of WireGuard needs."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.state = "starts"
        self.address: Address | None = None
        self.configuration = ""
        self._end: Callable[[], None] = lambda: None
        self.is_closed = False

    def runs(self, state: str, end: Callable[[], None]) -> None:
        if self.is_closed:
            return end()
        self.state, self._end = state, end

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._end()


class Captures:
    """`confdir` has the keys of WireGuard; `tell` gets what a person should read, `warn` what went wrong."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        admitting: Admitting,
        confdir: Path,
        tell: Callable[[str], None],
        warn: Callable[[str], None],
        is_led_back: Callable[[Any, Any], bool] = lambda peer, destination: False,
        package: Any = None,
    ) -> None:
        """`is_led_back` says of (from, to) whether that is a connection of ours to a server."""
        self._loop, self._admitting, self._confdir, self._tell, self._warn = loop, admitting, confdir, tell, warn
        self._is_led_back, self._package = is_led_back, package
        self._redirector: Any = None  # made once, since some systems ask their user each time
        self._local: Capture | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, mode: Mode, host: str, port: int, own_addresses: Callable[[], Sequence[str]]) -> Capture:
        """UserError if the package is missing, or it is known already that this cannot be here."""
        package = self._loaded(mode)
        capture = Capture(mode)
        match mode.name:
            case "wireguard":
                self._run(capture, self._wireguard(package, capture, host, port, own_addresses))
            case "local":
                self._check(mode, package.local.LocalRedirector.unavailable_reason() or without_sudo())
                try:
                    package.local.LocalRedirector.describe_spec(mode.data)
                except ValueError as error:
                    raise UserError(f"{mode.text}: {error}") from None
                if self._local is not None and not self._local.is_closed:
                    raise UserError(f"{mode.text}: there can be one local mode; local:curl,firefox means both programs")
                self._local = capture
                self._run(capture, self._redirected(package, capture))
            case _:
                self._check(mode, package.tun.TunInterface.unavailable_reason())
                self._run(capture, self._tun(package, capture))
        return capture

    def _loaded(self, mode: Mode) -> Any:
        if self._package is None:
            try:
                self._package = import_module(PACKAGE)
            except ImportError:
                get = f"{sys.executable} -m pip install {PACKAGE}"
                if sys.version_info < _LEAST_PYTHON:
                    running = ".".join(map(str, sys.version_info[:2]))
                    get = f"it needs Python 3.12 or newer, and this is {running}; there: pip install {PACKAGE}"
                raise UserError(f"{mode.text}: mode {mode.name} needs the package {PACKAGE}: {get}") from None
        return self._package

    @staticmethod
    def _check(mode: Mode, reason: str | None) -> None:
        if reason:
            raise UserError(f"{mode.text}: this machine cannot do that now: {reason}")

    def _run(self, capture: Capture, start: Coroutine[Any, Any, None]) -> None:
        async def started() -> None:
            try:
                await start
            except Exception as error:  # whatever comes out of the package
                reason = said_by(error)
                capture.state = f"failed: {reason}"
                capture.is_closed = True
                self._warn(f"{capture.mode.text} does not run: {reason}")

        task = self._loop.create_task(started())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- each of them -----------------------------------------------------------------------------------------

    def _wireguard(
        self, package: Any, capture: Capture, host: str, port: int, own_addresses: Callable[[], Sequence[str]]
    ) -> Coroutine[Any, Any, None]:
        mode, wireguard = capture.mode, package.wireguard
        server_key, client_key = self._keys(mode, wireguard)
        check_free(mode, host, port)

        async def start() -> None:
            handle = self._handler(capture)
            server = await wireguard.start_wireguard_server(
                host, port, server_key, [wireguard.pubkey(client_key)], handle, handle
            )
            capture.address = server.getsockname()[:2]
            reached = own_addresses() if host in ("0.0.0.0", "::") else [host]
            endpoint = f"{bracketed(reached[0] if reached else host)}:{server.getsockname()[1]}"
            capture.configuration = configuration(client_key, wireguard.pubkey(server_key), endpoint)
            capture.runs("accepts", server.close)
            self._tell(f"WireGuard listens at {bracketed(host)}:{capture.address[1]}; a client needs\n{capture.configuration}")

        return start()

    def _keys(self, mode: Mode, wireguard: Any) -> tuple[str, str]:
        path = Path(mode.data).expanduser() if mode.data else self._confdir / "wireguard.conf"
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                keys = {"server_key": wireguard.genkey(), "client_key": wireguard.genkey()}
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                    json.dump(keys, file, indent=4)
            found = json.loads(path.read_text(encoding="utf-8"))
            server_key, client_key = str(found["server_key"]), str(found["client_key"])
            for key in (server_key, client_key):
                wireguard.pubkey(key)
        except OSError as error:
            raise UserError(f"{mode.text}: {path}: {(error.strerror or str(error)).lower()}") from None
        except (ValueError, LookupError, TypeError) as error:
            raise UserError(
                f"{mode.text}: {path} has no keys of WireGuard in it ({error}); without the file new ones are made"
            ) from None
        return server_key, client_key

    async def _redirected(self, package: Any, capture: Capture) -> None:
        if self._redirector is None:

            async def handle(stream: Stream) -> None:
                if self._local is not None and not self._local.is_closed:
                    await self._serve(self._local, stream)

            self._redirector = await package.local.start_local_redirector(handle, handle)
        redirector, not_us = self._redirector, f"!{os.getpid()}"
        if not capture.is_closed:
            redirector.set_intercept(f"{capture.mode.data},{not_us}" if capture.mode.data else not_us)
        which = capture.mode.data or "every program"
        capture.runs(f"takes what {which} of this machine sends", lambda: redirector.set_intercept(""))
        self._tell(f"What {which} of this machine sends comes here.")

    async def _tun(self, package: Any, capture: Capture) -> None:
        handle = self._handler(capture)
        interface = await package.tun.create_tun_interface(handle, handle, capture.mode.data or None)
        name = interface.tun_name()
        capture.runs(f"takes what is routed to {name}", interface.close)
        self._tell(f"The interface {name} is there; what is routed to it comes here: ip route add 192.0.2.0/24 dev {name}")

    # --- streams ----------------------------------------------------------------------------------------------

    def _handler(self, capture: Capture) -> Callable[[Stream], Coroutine[Any, Any, None]]:
        async def handle(stream: Stream) -> None:
            if not capture.is_closed:
                await self._serve(capture, stream)

        return handle

    async def _serve(self, capture: Capture, stream: Stream) -> None:
        mode = capture.mode
        transport = "udp" if fact_of(stream, "transport_protocol") == "udp" else "tcp"
        peer, local = fact_of(stream, "peername"), fact_of(stream, "sockname")
        destination = fact_of(stream, "remote_endpoint") or local
        connection = client_connection(peer, local, time(), transport)
        if pid := fact_of(stream, "pid"):
            name = str(fact_of(stream, "process_name") or "")
            connection.process = await asyncio.to_thread(described, int(pid), name)
        if self._is_led_back(peer, destination):
            self._warn(f"{bracketed(peer[0])}:{peer[1]} was refused: {LED_BACK}")
            return stream.close()
        driver = self._admitting.admit(connection, mode, peer)
        if driver is None:
            return stream.close()
        made = StreamTransport(self._loop, driver, connection, stream)
        ingress = ingress_of_stream(mode, transport, (destination[0], destination[1]))
        if mode.name == "tun" and (first := self._admitting.look_for_program(connection, ingress, None)) is not None:
            await first
        driver.start_over(connection, ingress, made)
        await made.run()


def fact_of(stream: Stream, name: str) -> Any:
    """None for what a stream of its kind does not know."""
    try:
        return stream.get_extra_info(name)
    except KeyError:
        return None


def ingress_of_stream(mode: Mode, transport: str, destination: Address) -> Ingress:
    if mode.name == "wireguard" and destination == NAME_SERVER:
        return Ingress(mode.shown, is_dns=True)
    return Ingress(mode.shown, Origin(transport, *destination), is_redirected=True)


def without_sudo() -> str:
    """The package starts what looks at programs by sudo, as whoever it runs (Linux)."""
    if sys.platform != "linux" or shutil.which("sudo") is not None:
        return ""
    return "it takes sudo, and there is none in PATH (apt install sudo)"


def said_by(error: Exception) -> str:
    """On one line, without the addresses in the package that stand behind."""
    before = str(error).partition("Stack backtrace:")[0]
    return " ".join(before.split()) or type(error).__name__


def check_free(mode: Mode, host: str, port: int) -> None:
    """UserError if no datagrams can be received there; the package would say so later and in fewer words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, port))
    except OSError as error:
        where = f"{bracketed(host)}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"{mode.shown}: {where} is already in use; choose another port: wireguard@PORT") from None
        raise UserError(f"{mode.shown}: cannot listen on {where}: {(error.strerror or str(error)).lower()}") from None


def configuration(client_key: str, server_public_key: str, endpoint: str) -> str:
    """As WireGuard's programs read it (wg-quick(8))."""
    return (
        f"[Interface]\nPrivateKey = {client_key}\nAddress = {_CLIENT}\nDNS = {NAME_SERVER[0]}\n\n"
        f"[Peer]\nPublicKey = {server_public_key}\nAllowedIPs = 0.0.0.0/0\nEndpoint = {endpoint}\n"
    )
