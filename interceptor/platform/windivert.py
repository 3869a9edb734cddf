"""WinDivert, for transparent mode on Windows: what other machines send through this one is led to our listener, by packet.

    forwarded, to a port that is wanted ─▸ noted: client ─▸ where it was to go ─▸ to our listener instead, as if it had come in
    our listener's answer               ─▸ from there, as the client expects it ─▸ out

Nothing in Windows remembers where a connection was meant to go, so it is noted here, and the listener asks `destination`. By the
documentation of WinDivert 2.2 and of the package pydivert, which brings it; tested with packets on paper. Two threads wait for
packets; opening takes an administrator. Only connections that begin while it runs are led here.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from interceptor.model.connection import Address

PORTS: Final = (80, 443)
KNOWN: Final = 65_536
"""Connections whose destination is kept; the oldest go."""
MISSING: Final = "transparent mode needs the package pydivert (pip install pydivert), and an administrator"


class NotDiverted(Exception):
    """Why packets cannot be had, for a person."""


class LedConnections:
    """What is done to each packet. `own_address`: this machine's address as a client sees it."""

    def __init__(self, port: int, own_address: Callable[[str], str]) -> None:
        self._port, self._own_address = port, own_address
        self._destinations: dict[Address, Address] = {}

    def destination(self, client: Address) -> Address | None:
        return self._destinations.get(client)

    def leads_here(self, packet: Any) -> bool:
        """One that is on its way through; True if it is now for our listener."""
        client, wanted = (packet.src_addr, packet.src_port), (packet.dst_addr, packet.dst_port)
        if packet.tcp.syn and not packet.tcp.ack:
            self._destinations.pop(client, None)
            while len(self._destinations) >= KNOWN:
                del self._destinations[next(iter(self._destinations))]
            self._destinations[client] = wanted
        elif self._destinations.get(client) != wanted:
            return False  # from before
        packet.dst_addr, packet.dst_port = self._own_address(client[0]), self._port
        return True

    def answers(self, packet: Any) -> None:
        """One that our listener sends: it comes from where the client has sent to."""
        if (source := self._destinations.get((packet.dst_addr, packet.dst_port))) is not None:
            packet.src_addr, packet.src_port = source


class Diversion:
    """Runs from `start` until `close`. `package` is another pydivert in tests."""

    def __init__(self, port: int, tell: Callable[[str], None], package: Any = None) -> None:
        self._package: Any = package if package is not None else import_module("pydivert")
        self._tell = tell
        self.connections = LedConnections(port, _own_address)
        wanted = " or ".join(f"tcp.DstPort == {each}" for each in PORTS)
        self._forwarded = self._package.WinDivert(wanted, layer=self._package.Layer.NETWORK_FORWARD)
        self._answers = self._package.WinDivert(f"outbound and tcp.SrcPort == {port}")
        self._is_closed = False

    def start(self) -> None:
        """NotDiverted if it may not be."""
        try:
            self._forwarded.open()
            self._answers.open()
        except OSError as error:
            self.close()
            hint = "; it takes an administrator" if isinstance(error, PermissionError) else ""
            raise NotDiverted(f"WinDivert cannot be opened: {error.strerror or error}{hint}") from None
        for work in (self._lead, self._answer):
            threading.Thread(target=self._run, args=(work,), name="windivert", daemon=True).start()

    def close(self) -> None:
        self._is_closed = True
        for handle in (self._forwarded, self._answers):
            if handle.is_open:
                handle.close()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            while True:
                work()
        except OSError as error:
            if not self._is_closed:
                self._tell(f"WinDivert has ended, and with it what was led here: {error.strerror or error}")

    def _lead(self) -> None:
        packet = self._forwarded.recv()
        if not self.connections.leads_here(packet):
            self._forwarded.send(packet)
            return
        inbound = self._package.Direction.INBOUND
        self._answers.send(self._package.Packet(packet.raw, interface=packet.interface, direction=inbound))

    def _answer(self) -> None:
        packet = self._answers.recv()
        self.connections.answers(packet)
        self._answers.send(packet)


def unavailable() -> str:
    """Why it cannot be tried, or ""."""
    return "" if find_spec("pydivert") is not None else MISSING


def _own_address(client: str) -> str:
    """Nothing is sent."""
    with socket.socket(socket.AF_INET6 if ":" in client else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((client, 9))
        host: str = probe.getsockname()[0]
        return host


def shown(port: int) -> str:
    """What an administrator does, in PowerShell, before `--mode transparent`."""
    return (
        "# As an administrator, in PowerShell; WinDivert itself is started with the listener.\n"
        "pip install pydivert\n"
        "Set-NetIPInterface -Forwarding Enabled\n"
        "New-NetFirewallRule -DisplayName interceptor -Direction Inbound -Protocol TCP"
        f" -LocalPort {port} -Action Allow\n"
        f"interceptor --mode transparent --listen-port {port}\n\n"
        f"# TCP to the ports {' and '.join(map(str, PORTS))} that others send through this machine is led here.\n"
    )
