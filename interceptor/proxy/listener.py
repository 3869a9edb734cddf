"""One listener: a mode with the sockets that are bound for it, or why they cannot be."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field
from typing import Any, Final

from interceptor.model.connection import bracketed
from interceptor.platform.destinations import accept_for_others
from interceptor.platform.windivert import Diversion
from interceptor.proxy.captures import Capture
from interceptor.proxy.datagrams import DatagramSocket
from interceptor.specs.modes import Mode

_BACKLOG: Final = 1024


@dataclass(slots=True)
class Listener:
    """One mode, bound to its addresses. `is_adopted`: its sockets were made elsewhere, in another network perhaps; `network` asks
    what sockets there are in it (see `platform.processes`). `capture`: it has no sockets of ours, but a network. `diversion`
    leads connections to it."""

    mode: Mode
    sockets: list[socket.socket]
    datagram_sockets: list[DatagramSocket] = field(default_factory=list)
    is_adopted: bool = False
    network: socket.socket | None = None
    capture: Capture | None = None
    diversion: Diversion | None = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Each once, whichever transports come there."""
        sockets = [*self.sockets, *(datagrams.socket for datagrams in self.datagram_sockets)]
        if self.capture is not None and self.capture.address is not None:
            return [self.capture.address]
        return list(dict.fromkeys(sock.getsockname()[:2] for sock in sockets))

    @property
    def transports(self) -> list[str]:
        """By which clients come."""
        return [each for each in self.mode.transports if (self.datagram_sockets if each == "udp" else self.sockets)]


def bound_stream_socket(family: int, address: Any, is_transparent: bool) -> socket.socket:
    """OSError if it cannot be had."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if is_transparent:
            accept_for_others(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def bind_failure(mode: Mode, host: str, port: int, error: OSError) -> str:
    """For a person, with what to do."""
    where = f"{bracketed(host) or '*'}:{port}"
    if isinstance(error, socket.gaierror):
        return f"{mode.shown}: cannot listen on {where}: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return f"{mode.shown}: {where} is already in use; choose another port with -p (0 picks a free one)"
    if error.errno == errno.EACCES:
        return f"{mode.shown}: listening on {where} is not permitted; ports below 1024 need root"
    return f"{mode.shown}: cannot listen on {where}: {(error.strerror or str(error)).lower()}"
