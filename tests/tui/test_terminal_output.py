"""A terminal that is slow, gone, or given back, played by a pipe."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from interceptor.tui.terminal_output import TerminalOutput

LONG = "".join(f"line {number} ▸\r\n" for number in range(20_000))


class Ends:
    """What the output told."""

    def __init__(self) -> None:
        self.drained = asyncio.Event()
        self.gone = asyncio.Event()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def test_what_does_not_fit_is_sent_when_there_is_room(pipe: tuple[int, int]) -> None:
    async def scenario() -> None:
        told = Ends()
        output = TerminalOutput(pipe[1], asyncio.get_running_loop(), told.drained.set, told.gone.set)
        output.take()
        output.write(LONG)
        output.flush()
        assert output.is_behind
        output.write("and more")
        output.flush()
        received = bytearray()
        wanted = (LONG + "and more").encode()
        while len(received) < len(wanted):
            received += await asyncio.to_thread(os.read, pipe[0], 65536)
        assert received == wanted
        await asyncio.wait_for(told.drained.wait(), 10)
        assert not output.is_behind
        assert not told.gone.is_set()

    asyncio.run(scenario())


def test_giving_back_sends_what_is_left_and_makes_it_blocking(pipe: tuple[int, int]) -> None:
    async def scenario() -> None:
        told = Ends()
        output = TerminalOutput(pipe[1], asyncio.get_running_loop(), told.drained.set, told.gone.set, shared=(pipe[0],))
        os.set_blocking(pipe[0], False)
        output.take()
        output.write("the last words")
        output.give_back()
        assert os.get_blocking(pipe[1])
        assert os.get_blocking(pipe[0])
        assert os.read(pipe[0], 100) == b"the last words"

    asyncio.run(scenario())


def test_a_terminal_that_is_stopped_does_not_keep_us(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interceptor.tui.terminal_output.PATIENCE_SECONDS", 0.01)

    async def scenario() -> None:
        told = Ends()
        output = TerminalOutput(pipe[1], asyncio.get_running_loop(), told.drained.set, told.gone.set)
        output.take()
        output.write(LONG)
        output.flush()
        output.give_back()
        assert not output.is_behind
        assert os.get_blocking(pipe[1])

    asyncio.run(scenario())


def test_a_terminal_that_goes_while_it_is_behind_is_told(pipe: tuple[int, int]) -> None:
    async def scenario() -> None:
        told = Ends()
        output = TerminalOutput(pipe[1], asyncio.get_running_loop(), told.drained.set, told.gone.set)
        output.take()
        output.write(LONG)
        output.flush()
        os.close(pipe[0])
        await asyncio.wait_for(told.gone.wait(), 10)
        assert not output.is_behind
        output.write("x")
        with pytest.raises(OSError):
            output.flush()
        output.give_back()

    asyncio.run(scenario())
