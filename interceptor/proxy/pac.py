"""Proxy auto-configuration: which way a PAC file says for a URL, asked of a process of its own, and remembered by host.

    ChooseWay ─▸ remembered? ─▸ at once
               └▸ the file (or what its URL gives) ─▸ pac_worker ─▸ "PROXY a:1; DIRECT" ─▸ ways, in order

A script that takes too long is ended with its process; the next question starts another one. A file is read again when it has
changed, a URL asked again now and then; answers are remembered as long.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Final

from interceptor.model.connection import Route
from interceptor.proxy.asks import ChooseWay, ConnectFailed
from interceptor.specs.errors import UserError
from interceptor.specs.routes import parse_pac_answer

ANSWER_SECONDS: Final = 5.0
"""For one evaluation; names are looked up in it."""
FETCH_SECONDS: Final = 10.0
FETCHED_FOR_SECONDS: Final = 600.0
ANSWERED_FOR_SECONDS: Final = 300.0
LARGEST: Final = 4 * 1024 * 1024
_REMEMBERED: Final = 10_000


class PacFailed(Exception):
    """The message is for a person."""


class PacFiles:
    """`choose` answers for whatever file is asked about; `close` ends the processes."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._files: dict[str, _PacFile] = {}
        self._clock = clock

    async def choose(self, ask: ChooseWay) -> tuple[Route, ...] | ConnectFailed:
        file = self._files.setdefault(ask.pac.source, _PacFile(ask.pac.source, self._clock))
        try:
            return await file.ways(ask.url, ask.host)
        except (PacFailed, UserError) as error:
            reason = error.message if isinstance(error, UserError) else str(error)
            return ConnectFailed(str(ask.pac), "PAC", reason)

    def close(self) -> None:
        for file in self._files.values():
            file.end()
        self._files.clear()


class _PacFile:
    def __init__(self, source: str, clock: Callable[[], float]) -> None:
        self._source, self._clock = source, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = asyncio.Lock()
        self._version: object = None  # of what the process has loaded
        self._fetched: tuple[float, str] | None = None
        self._answers: dict[str, tuple[float, tuple[Route, ...]]] = {}

    async def ways(self, url: str, host: str) -> tuple[Route, ...]:
        version = self._current()
        if version is not None and version == self._version and (found := self._answers.get(url)):
            answered_at, ways = found
            if self._clock() - answered_at < ANSWERED_FOR_SECONDS:
                return ways
        async with self._turn:
            return await self._evaluated(url, host)

    def _current(self) -> object:
        """What stands for the file as it is now; None if it has to be got first."""
        if not self._is_url:
            try:
                found = os.stat(self._source)
            except OSError as error:
                raise PacFailed(f"the file cannot be read: {(error.strerror or str(error)).lower()}") from None
            return found.st_mtime_ns, found.st_size
        if self._fetched is not None and self._clock() - self._fetched[0] < FETCHED_FOR_SECONDS:
            return self._fetched[0]
        return None

    @property
    def _is_url(self) -> bool:
        return self._source.lower().startswith(("http://", "https://"))

    async def _evaluated(self, url: str, host: str) -> tuple[Route, ...]:
        version = self._current()
        if self._process is None or version is None or version != self._version:
            await self._load()
        answer = await self._say([url, host])
        ways = parse_pac_answer(answer)
        if len(self._answers) >= _REMEMBERED:
            self._answers.clear()
        self._answers[url] = self._clock(), ways
        return ways

    async def _load(self) -> None:
        self.end()
        self._answers.clear()
        script = await self._script()
        version = self._current()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "interceptor.proxy.pac_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for us
        )
        await self._say(script)
        self._version = version

    async def _script(self) -> str:
        if not self._is_url:
            try:
                return (await asyncio.to_thread(Path(self._source).read_bytes))[:LARGEST].decode("utf-8", "replace")
            except OSError as error:
                raise PacFailed(f"the file cannot be read: {(error.strerror or str(error)).lower()}") from None
        if self._current() is None:
            try:
                text = await asyncio.wait_for(asyncio.to_thread(_fetch, self._source), FETCH_SECONDS + 1)
            except (OSError, ValueError, TimeoutError) as error:
                raise PacFailed(f"it cannot be fetched: {error}") from None
            self._fetched = self._clock(), text
        assert self._fetched is not None
        return self._fetched[1]

    async def _say(self, what: Any) -> str:
        """PacFailed, and the process ended, if it gives no answer in time."""
        assert self._process is not None
        try:
            line = await asyncio.to_thread(_asked, self._process, json.dumps(what).encode() + b"\n")
            answer = json.loads(line)
        except TimeoutError:
            self.end()
            raise PacFailed(f"it has not answered within {ANSWER_SECONDS:g} s") from None
        except (OSError, ValueError):
            self.end()
            raise PacFailed("the process that evaluates it has ended: the file may be no JavaScript") from None
        except asyncio.CancelledError:
            self.end()  # its answer would be taken for that to the next question
            raise
        if "error" in answer:
            self.end()
            raise PacFailed(str(answer["error"]))
        return str(answer["answer"])

    def end(self) -> None:
        process, self._process, self._version = self._process, None, None
        if process is not None:
            process.kill()
            process.wait()


def _asked(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    """Its answer, in a thread. TimeoutError, and the process killed, if there is none in time."""
    assert process.stdin is not None and process.stdout is not None
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        process.kill()

    timer = threading.Timer(ANSWER_SECONDS, give_up)
    timer.daemon = True
    timer.start()
    try:
        process.stdin.write(line)
        process.stdin.flush()
        answer = process.stdout.readline()
    finally:
        timer.cancel()
        if is_late.is_set():
            raise TimeoutError
    return answer


def _fetch(url: str) -> str:
    """Directly, whatever proxies the environment names: it is what says which proxy to use."""
    from urllib.request import ProxyHandler, build_opener

    with build_opener(ProxyHandler({})).open(url, timeout=FETCH_SECONDS) as response:
        content: bytes = response.read(LARGEST)
    return content.decode("utf-8", "replace")
