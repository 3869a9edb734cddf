"""Look-ups in their thread: together, within a purse, and in time for those who wait."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from interceptor.model.connection import Connection, Side
from interceptor.model.process import TEXT_LIMIT, Process, limited
from interceptor.options import Options
from interceptor.platform.processes import Ends
from interceptor.proxy import client_programs
from interceptor.proxy.client_programs import ClientPrograms, configure_programs

OURS = ("127.0.0.1", 8080)


class Paper:
    """A finder that tells when it is let."""

    def __init__(self) -> None:
        self.asked: list[list[Ends]] = []
        self.may_go = threading.Semaphore(0)

    def find(self, wanted: Sequence[Ends]) -> Sequence[Process | None]:
        self.asked.append(list(wanted))
        assert self.may_go.acquire(timeout=10)
        return [Process(each.client[1], "it") if each.client[1] else None for each in wanted]


def client(port: int, host: str = "127.0.0.1", transport: str = "tcp") -> Connection:
    return Connection(Side.CLIENT, (host, port), local=OURS, transport=transport)


def with_programs(main: Callable[[ClientPrograms, Paper, asyncio.Queue[Any]], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        paper, told = Paper(), asyncio.Queue[Any]()
        programs = ClientPrograms(asyncio.get_running_loop(), lambda: paper, told.put_nowait)
        try:
            async with asyncio.timeout(10):
                await main(programs, paper, told)
        finally:
            programs.close()
            paper.may_go.release(100)

    asyncio.run(run())


def test_what_comes_while_it_looks_is_looked_for_together() -> None:
    async def main(programs: ClientPrograms, paper: Paper, told: asyncio.Queue[Any]) -> None:
        first, second, third, unknown = (client(port) for port in (1, 2, 3, 0))
        programs.ask(first, OURS)
        while not paper.asked:
            await asyncio.sleep(0)
        for each in (second, unknown, third):
            programs.ask(each, OURS)
        paper.may_go.release(2)
        assert await told.get() == [first]
        assert await told.get() == [second, third]
        assert [len(each) for each in paper.asked] == [1, 3]
        assert first.process == Process(1, "it") and unknown.process is None

    with_programs(main)


def test_who_waits_has_the_answer_and_does_not_wait_for_the_purse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_programs, "EARNED", 1e-9)
    monkeypatch.setattr(client_programs, "PURSE_SECONDS", 0.0)
    async def main(programs: ClientPrograms, paper: Paper, told: asyncio.Queue[Any]) -> None:
        paper.may_go.release(2)
        programs.ask(client(1), OURS)
        await told.get()  # and now it has nothing left, for years
        programs.ask(client(2), OURS)
        waiting = client(3)
        await programs.answer(waiting, OURS, seconds=8.0)
        assert waiting.process == Process(3, "it")
        assert [len(each) for each in paper.asked] == [1, 2]

    with_programs(main)


def test_who_waits_does_not_wait_for_ever() -> None:
    async def main(programs: ClientPrograms, paper: Paper, told: asyncio.Queue[Any]) -> None:
        late = client(1)
        await programs.answer(late, OURS, seconds=0.01)
        assert late.process is None
        paper.may_go.release()
        assert await told.get() == [late] and late.process is not None

    with_programs(main)


def test_a_sender_of_datagrams_elsewhere_is_not_taken_for_who_has_the_port_here() -> None:
    async def main(programs: ClientPrograms, paper: Paper, told: asyncio.Queue[Any]) -> None:
        paper.may_go.release(9)
        programs.ask(client(1, "192.0.2.9", "udp"), OURS)
        await programs.answer(client(2, "192.0.2.9", "udp"), OURS)
        programs.ask(client(3, "192.0.2.9", "udp"), ("192.0.2.9", 53))
        programs.ask(client(4, "::1", "udp"), ("::1", 53))
        found = [await told.get()]
        if len(found[0]) == 1:
            found.append(await told.get())
        assert [each.peer[1] for some in found for each in some] == [3, 4]

    with_programs(main)


class Serving:
    programs: ClientPrograms | None = None
    awaits_programs = False

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({}, False),
        ({"view_filter": "~process curl"}, False),
        ({"intercept": "~m POST & ~process curl"}, True),
        ({"block_list": ["|~d a.test|444", "|~process curl|444"]}, True),
        ({"scripts": ["a.py"]}, True),
    ],
)
def test_what_decides_about_requests_makes_them_wait(options: dict[str, Any], waits: bool) -> None:
    serving = Serving()
    chosen = Options()
    chosen.update(**options)
    configure_programs(serving, chosen, lambda clients: None)
    assert serving.awaits_programs is waits and serving.programs is not None
    chosen.update(client_process=False)
    configure_programs(serving, chosen, lambda clients: None)
    assert serving.programs is None
    serving.loop.close()


def test_a_command_line_is_kept_up_to_a_limit() -> None:
    assert limited(["a", "b c"]) == ("a", "b c")
    kept = limited(["a" * 4000, "b" * 4000, "c"])
    assert kept == ("a" * 4000, "b" * (TEXT_LIMIT - 4001))


def test_clients_of_this_machine_may_wait_until_many_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(programs: ClientPrograms, paper: Paper, told: asyncio.Queue[Any]) -> None:
        assert programs.may_wait(client(1)) and not programs.may_wait(client(1, "192.0.2.9"))
        with socket.socket() as network:
            assert programs.may_wait(client(1, "192.0.2.9"), network)
        monkeypatch.setattr(client_programs, "PURSE_SECONDS", 1e9)  # as if most of it had been spent
        assert not programs.may_wait(client(1))

    with_programs(main)
