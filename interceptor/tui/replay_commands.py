"""Sending requests again, by mitmproxy's commands: those of flows on the list, or those of a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from interceptor.addons.client_replay import why_not
from interceptor.model.flow import Flow, HttpFlow
from interceptor.specs.errors import UserError
from interceptor.tui.application import Application

_SLICE: Final = 50
"""So many flows are read before the loop gets its turn."""


class ReplayCommands:
    """`start` runs a coroutine beside the rest and shows what it raises."""

    def __init__(self, app: Application, tell: Callable[[str], None], start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._app, self._tell, self._start = app, tell, start

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "replay.client": self.replay,
            "replay.client.count": self.count,
            "replay.client.file": self.file,
            "replay.client.stop": self.stop,
        }
        for name, function in functions.items():
            self._app.commands.add(name, function)

    def replay(self, flows: Sequence[Flow]) -> None:
        """Send requests again, each as a new flow; client_replay_concurrency at a time."""
        requests = [flow for flow in flows if isinstance(flow, HttpFlow)]
        if not requests:
            raise UserError("only HTTP requests can be sent again" if flows else "there is no flow here")
        for flow in requests:
            if (reason := why_not(flow)) is not None:
                raise UserError(reason)
        self._app.replays.add(requests)
        self._tell(self._told(len(requests)))

    def _told(self, count: int, more: str = "") -> str:
        waiting = min(count, self._app.replays.waiting)
        said = f"{_requests(count)} sent again"
        if waiting:
            said = f"{_requests(count)} to be sent again, {waiting} of them after what is on its way (replay.client.stop)"
        return said + more

    def count(self) -> int:
        """How many requests wait to be sent again, or are on their way."""
        return self._app.replays.count

    def stop(self) -> str:
        """Do not send again what still waits; what is on its way goes on."""
        count = self._app.replays.stop()
        return f"{_requests(count)} will not be sent" if count else "nothing waits to be sent again"

    def file(self, path: Path) -> None:
        """Send the requests of a file of flows again."""
        if str(path) in ("", "."):
            raise UserError("a file name is needed")
        self._start(self._file(path))

    async def _file(self, path: Path) -> None:
        from interceptor.session.formats.recognised import read_flows

        requests: list[HttpFlow] = []
        others = 0
        try:
            with path.expanduser().open("rb") as file:
                for number, flow in enumerate(read_flows(file, lambda note: self._app.eventlog.add("warn", note)), 1):
                    if isinstance(flow, HttpFlow) and why_not(flow) is None:
                        requests.append(flow)
                    else:
                        others += 1
                    if number % _SLICE == 0:
                        await asyncio.sleep(0)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
        if not requests:
            raise UserError(f"{path} has no request that can be sent again")
        self._app.replays.add(requests)
        self._tell(self._told(len(requests), f"; {others} left out" if others else ""))


def _requests(count: int) -> str:
    return f"{count} {'request' if count == 1 else 'requests'}"
