"""From a name and a port to a connected socket: resolved by the system, tried in turn with a head start each (RFC 8305). A
socket for datagrams hears of nobody who answers, so the first address to which there is a route is taken."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import Any, Final

HEAD_START_SECONDS: Final = 0.25
AddressInfo = tuple[Any, Any, int, str, Any]


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
    loop: asyncio.AbstractEventLoop, transport: asyncio.Protocol, host: str, port: int, local_host: str | None = None
) -> None:
    """Connects `transport`. Unreachable if nobody answers. Cancel it, and what was begun is closed."""
    try:
        if literal_address(host) is not None:  # nothing to resolve and nothing to race: the loop's own way is the shortest
            await loop.create_connection(lambda: transport, host, port, local_addr=(local_host, 0) if local_host else None)
            return
        addresses = await _resolve(loop, host, port)
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
    loop: asyncio.AbstractEventLoop, host: str, port: int, local_host: str | None = None
) -> socket.socket:
    """A UDP socket whose only peer is that one. Unreachable if there is no way to it."""
    if literal_address(host) is not None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
    else:
        found = await _resolve(loop, host, port, socket.SOCK_DGRAM)
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


async def resolve(loop: asyncio.AbstractEventLoop, host: str, port: int) -> tuple[str, ...]:
    """The IP addresses of that name, in the order in which they would be tried. Unreachable if there is none."""
    return tuple(dict.fromkeys(str(info[4][0]) for info in await _resolve(loop, host, port)))


async def _resolve(loop: asyncio.AbstractEventLoop, host: str, port: int, kind: int = socket.SOCK_STREAM) -> list[AddressInfo]:
    try:
        found = await loop.getaddrinfo(host, port, type=kind)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) and error.strerror else str(error)
        raise Unreachable(f"the name cannot be resolved: {reason}") from None
    return _interleaved(found)


def _interleaved(found: list[AddressInfo]) -> list[AddressInfo]:
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
