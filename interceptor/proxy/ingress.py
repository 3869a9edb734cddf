"""How the bytes of a pipe came to us, and where they are meant to go: what the detector, TLS and HTTP need to know of the mode
without knowing the mode. A CONNECT inside makes a new one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from interceptor.model.connection import Connection, Origin
from interceptor.model.flow import FlowError, TcpFlow, UdpFlow
from interceptor.model.records import FlowEnded, FlowStarted
from interceptor.proxy.core.stack import Stack
from interceptor.proxy.settings import Settings


@dataclass(frozen=True, slots=True)
class Ingress:
    """`origin` is None while the client speaks to the proxy itself: its requests say where they go. With one, its bytes go there:
    by a reverse mode (`is_reverse`, the scheme is the mode's), by CONNECT, or because the system redirected them to us
    (`is_redirected`; the scheme of both is "tcp" until we know better)."""

    mode: str
    origin: Origin | None = None
    is_reverse: bool = False
    is_redirected: bool = False
    is_socks: bool = False  # it must say by SOCKS where its bytes go
    is_dns: bool = False  # the way in takes DNS and nothing else
    is_tls: bool = False  # the client's bytes came through TLS that we ended


def with_server_name(ingress: Ingress, client: Connection) -> Ingress:
    """The name by which the client knows the origin, if it told one in TLS: our TLS to the origin says the same."""
    if ingress.origin is None or ingress.is_reverse or not ingress.is_tls or client.tls is None:
        return ingress
    return replace(ingress, origin=replace(ingress.origin, server_name=client.tls.server_name))


def matches(patterns: tuple[str, ...], names: Iterable[str]) -> bool:
    """What options like ignore_hosts mean: one of the patterns is found in one of the `host:port`."""
    return any(re.search(pattern, name, re.IGNORECASE) for pattern in patterns for name in names)


def is_let_through(names: Sequence[str], settings: Settings) -> bool:
    """What is said to a server with these `host:port` passes as it is and unread: ignore_hosts, or not in allow_hosts."""
    is_wanted = not settings.allow_hosts or matches(settings.allow_hosts, names)
    return not is_wanted or matches(settings.ignore_hosts, names)


def origin_names(ingress: Ingress) -> list[str]:
    """Each `host:port` under which the client knows the origin; empty if it is not known."""
    origin = ingress.origin
    if origin is None:
        return []
    return [origin.authority, *([f"{origin.server_name}:{origin.port}"] if origin.server_name else [])]


def record_failure(stack: Stack, ingress: Ingress, client: Connection, server: Connection | None, message: str) -> None:
    """A row for something that failed before there was anything to show."""
    now = stack.wall_time()
    made = UdpFlow if client.transport == "udp" else TcpFlow
    flow = made(
        next(stack.flow_ids), client, server, ingress.mode, created_at=now, ended_at=now, error=FlowError(message, now)
    )
    stack.record(FlowStarted(flow))
    stack.record(FlowEnded(flow))
