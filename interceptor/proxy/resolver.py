"""From a name and a port to a connected socket: resolved by the system (or by `find`), tried in turn with a head start each (RFC
8305). A socket for datagrams hears of nobody who answers, so the first address to which there is a route is taken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Any, Final, Protocol

HEAD_START_SECONDS: Final = 0.25
AddressInfo = tuple[Any, Any, int, str, Any]
Find = Callable[[str, int, int], Awaitable[Sequence[AddressInfo]]]
"""From a name, a port and a kind of socket to what `getaddrinfo` would say; Unreachable if that is nothing."""
LEADS_HERE: Final = "that name leads to this proxy itself, and a request to it would never end"
BY_THE_SYSTEM: Final = "; if the hosts file says so, dns_use_hosts_file off has name servers asked"
BY_NAME_SERVERS: Final = "; its name servers say so: dns_name_servers has others asked"


class FindsNames(Protocol):
    """Who looks names up in place of the system."""

    async def __call__(self, host: str, port: int, kind: int, is_hop: bool) -> Sequence[AddressInfo]:
        """`is_hop`: of a proxy on the way out. Unreachable if there is no address."""
        ...


class Unreachable(Exception):
    """Nobody answered; the message is for a person."""


def literal_address(host: str) -> str | None:
    """The host if it is an IP address, without brackets and zone kept; None if it is a name."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return host


async def connect(
    loop: asyncio.AbstractEventLoop,
    transport: asyncio.Protocol,
    host: str,
    port: int,
    local_host: str | None = None,
    find: Find | None = None,
) -> None:
    """Connects `transport`. Unreachable if nobody answers. Cancel it, and what was begun is closed."""
    try:
        if literal_address(host) is not None:  # nothing to resolve and nothing to race: the loop's own way is the shortest
            await loop.create_connection(lambda: transport, host, port, local_addr=(local_host, 0) if local_host else None)
            return
        addresses = await _resolve(loop, host, port, socket.SOCK_STREAM, find)
        if len(addresses) == 1:
            sock = await _try(loop, addresses[0], local_host)
        else:
            sock = await _race(loop, addresses, local_host)
        try:
            await loop.connect_accepted_socket(lambda: transport, sock)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise Unreachable(_in_words(error)) from None


async def connect_datagrams(
    loop: asyncio.AbstractEventLoop, host: str, port: int, local_host: str | None = None, find: Find | None = None
) -> socket.socket:
    """A UDP socket whose only peer is that one. Unreachable if there is no way to it."""
    if literal_address(host) is not None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
    else:
        found = await _resolve(loop, host, port, socket.SOCK_DGRAM, find)
    reasons: list[str] = []
    for family, kind, protocol, _, address in found:
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            raise Unreachable(_in_words(error)) from None
        try:
            sock.setblocking(False)
            if local_host:
                sock.bind((local_host, 0))
            sock.connect(address)
        except OSError as error:
            sock.close()
            reasons.append(_in_words(error))
            continue
        return sock
    raise Unreachable(reasons[0])


async def resolve(loop: asyncio.AbstractEventLoop, host: str, port: int, find: Find | None = None) -> tuple[str, ...]:
    """The IP addresses of that name, in the order in which they would be tried. Unreachable if there is none."""
    found = await _resolve(loop, host, port, socket.SOCK_STREAM, find)
    return tuple(dict.fromkeys(str(info[4][0]) for info in found))


def finder(
    loop: asyncio.AbstractEventLoop,
    is_own_address: Callable[[str, int, str], bool],
    instead: FindsNames | None,
    is_hop: bool = False,
    transport: str = "",
) -> Find:
    """Who finds the addresses of a name. `instead`: of the system; `transport`: what there must not lead back to us by."""

    async def find(host: str, port: int, kind: int) -> Sequence[AddressInfo]:
        found = await (instead(host, port, kind, is_hop) if instead else _system_addresses(loop, host, port, kind))
        others = [info for info in found if not transport or not is_own_address(info[4][0], port, transport)]
        if not others:
            raise Unreachable(LEADS_HERE + (BY_NAME_SERVERS if instead is not None else BY_THE_SYSTEM))
        return others

    return find


async def _system_addresses(loop: asyncio.AbstractEventLoop, host: str, port: int, kind: int) -> Sequence[AddressInfo]:
    """As this machine looks names up, its hosts file included. Unreachable if there is none."""
    try:
        return await loop.getaddrinfo(host, port, type=kind)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) and error.strerror else str(error)
        raise Unreachable(f"the name cannot be resolved: {reason}") from None


def address_infos(addresses: Sequence[str], port: int, kind: int) -> list[AddressInfo]:
    """What `getaddrinfo` says of addresses: IPv6 first, unless there is no way to the first of these."""
    six = [address for address in addresses if ":" in address]
    four = [address for address in addresses if ":" not in address]
    ordered = [*six, *four] if six and _has_route(six[0]) else [*four, *six]
    return [_info(address, port, kind) for address in ordered]


def _info(address: str, port: int, kind: int) -> AddressInfo:
    if ":" in address:
        return socket.AF_INET6, kind, 0, "", (address, port, 0, 0)
    return socket.AF_INET, kind, 0, "", (address, port)


def _has_route(address: str) -> bool:
    """Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
    except OSError:
        return False
    return True


async def _resolve(
    loop: asyncio.AbstractEventLoop, host: str, port: int, kind: int, find: Find | None
) -> list[AddressInfo]:
    return _interleaved(await (find(host, port, kind) if find is not None else _system_addresses(loop, host, port, kind)))


def _interleaved(found: Sequence[AddressInfo]) -> list[AddressInfo]:
    """Families in turn, beginning with the first that the system named (RFC 8305 §4)."""
    first = [info for info in found if info[0] == found[0][0]]
    second = [info for info in found if info[0] != found[0][0]]
    mixed: list[AddressInfo] = []
    for index in range(max(len(first), len(second))):
        mixed += first[index : index + 1] + second[index : index + 1]
    return mixed


async def _try(loop: asyncio.AbstractEventLoop, info: AddressInfo, local_host: str | None) -> socket.socket:
    family, kind, protocol, _, address = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if local_host:
            sock.bind((local_host, 0))
        await loop.sock_connect(sock, address)
    except OSError as error:
        sock.close()
        raise Unreachable(_in_words(error)) from None
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(loop: asyncio.AbstractEventLoop, addresses: list[AddressInfo], local_host: str | None) -> socket.socket:
    attempts: set[asyncio.Task[socket.socket]] = set()
    reasons: list[str] = []
    waiting = list(addresses)
    winner: asyncio.Task[socket.socket] | None = None
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(loop.create_task(_try(loop, waiting.pop(0), local_host)))
            timeout = HEAD_START_SECONDS if waiting else None
            done, attempts = await asyncio.wait(attempts, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None and winner is None:
                    winner = task
                elif error is None:
                    task.result().close()
                else:
                    reasons.append(str(error))
            if winner is not None:
                return winner.result()
        raise Unreachable(reasons[0])
    finally:
        for task in attempts:
            task.cancel()
            task.add_done_callback(_close_loser)


def _close_loser(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _in_words(error: OSError) -> str:
    match error:
        case ConnectionRefusedError():
            return "connection refused"
        case TimeoutError():
            return "no answer (the operating system's time-out)"
        case _:
            return (error.strerror or str(error)).lower()
