"""Names to sockets: families in turn, a head start for each, the first that answers wins and the others are closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from interceptor.proxy import resolver
from interceptor.proxy.resolver import Unreachable, connect, literal_address

Outcome = str
"""What an address does: "answers", "refuses", "hangs"."""


class FakeLoop:
    """The real loop, but for names and for connecting: `outcomes` says what each address does."""

    def __init__(self, outcomes: dict[str, Outcome]) -> None:
        self._loop = asyncio.get_running_loop()
        self.outcomes = outcomes
        self.tried: list[str] = []
        self.sockets: dict[str, socket.socket] = {}
        self.connected: socket.socket | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def getaddrinfo(self, host: str, port: int, **hints: object) -> Sequence[object]:
        if host == "unknown.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(families[":" in address], socket.SOCK_STREAM, 6, "", (address, port)) for address in self.outcomes]

    async def sock_connect(self, sock: socket.socket, address: tuple[str, int]) -> None:
        self.tried.append(address[0])
        self.sockets[address[0]] = sock
        match self.outcomes[address[0]]:
            case "refuses":
                raise ConnectionRefusedError
            case "hangs":
                await asyncio.Event().wait()

    async def connect_accepted_socket(self, factory: object, sock: socket.socket) -> None:
        self.connected = sock
        sock.close()


def connecting(outcomes: dict[str, Outcome], monkeypatch: pytest.MonkeyPatch, host: str = "a.test") -> FakeLoop:
    monkeypatch.setattr(resolver, "HEAD_START_SECONDS", 0.01)

    async def main() -> FakeLoop:
        loop = FakeLoop(outcomes)
        await asyncio.wait_for(connect(loop, asyncio.Protocol(), host, 80), 10)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        return loop

    return asyncio.run(main())


def test_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = connecting({"192.0.2.1": "answers"}, monkeypatch)
    assert loop.connected is loop.sockets["192.0.2.1"]


def test_families_in_turn_beginning_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {"2001:db8::1": "refuses", "2001:db8::2": "refuses", "192.0.2.1": "refuses", "192.0.2.2": "answers"}
    loop = connecting(addresses, monkeypatch)
    assert loop.tried == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]
    assert loop.connected is loop.sockets["192.0.2.2"]


def test_the_next_is_tried_while_the_first_hangs_and_the_loser_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = connecting({"2001:db8::1": "hangs", "192.0.2.1": "answers"}, monkeypatch)
    assert loop.connected is loop.sockets["192.0.2.1"]
    assert loop.sockets["2001:db8::1"].fileno() == -1


def test_the_first_that_answers_is_the_only_one_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = connecting({"2001:db8::1": "answers", "192.0.2.1": "answers"}, monkeypatch)
    assert loop.tried == ["2001:db8::1"]


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        connecting({"2001:db8::1": "refuses", "192.0.2.1": "refuses"}, monkeypatch)


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable, match="the name cannot be resolved: Name or service not known"):
        connecting({}, monkeypatch, "unknown.test")


def test_who_gives_up_leaves_no_socket_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> FakeLoop:
        loop = FakeLoop({"2001:db8::1": "hangs", "192.0.2.1": "hangs"})
        monkeypatch.setattr(resolver, "HEAD_START_SECONDS", 0.0)
        task = asyncio.ensure_future(connect(loop, asyncio.Protocol(), "a.test", 80))  # type: ignore[arg-type]
        while len(loop.tried) < 2:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        for _ in range(3):
            await asyncio.sleep(0)
        return loop

    loop = asyncio.run(main())
    assert all(sock.fileno() == -1 for sock in loop.sockets.values())


@pytest.mark.parametrize(("host", "address"), [("192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1%eth0"), ("a.test", None)])
def test_literal_addresses(host: str, address: str | None) -> None:
    assert literal_address(host) == address
