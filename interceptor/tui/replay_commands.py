"""Sending requests again, by mitmproxy's commands: those of flows on the list, or those of a file; and from a replay to what it
is a replay of, and back.

What was sent again is a flow of its own that knows the number of the other one. Which replays a flow has, it does not know: the
columns of the list say which flows are replays, and these are asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from interceptor.addons.client_replay import Outcome, requests, told, why_not
from interceptor.argument_types import Suggestions
from interceptor.model.flow import Flow, HttpFlow
from interceptor.session.replays import replays_of
from interceptor.specs.errors import UserError
from interceptor.tui.application import Application
from interceptor.tui.flow_choice import Desk, open_one_of

_SLICE: Final = 50
"""So many flows are read before the loop gets its turn."""

Times = Annotated[int, Suggestions(lambda: [("1", "once"), ("10", "times, each as a new flow"), ("100", ""), ("1000", "")])]
Rate = Annotated[float, Suggestions(lambda: [("0", "as fast as they go"), ("1", "a second"), ("10", "a second"), ("0.1", "")])]


class ReplayCommands:
    """`start` runs a coroutine beside the rest and shows what it raises."""

    def __init__(
        self, app: Application, desk: Desk, tell: Callable[[str], None], start: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._app, self._desk, self._tell, self._start = app, desk, tell, start
        self._is_waiting = False  # for the end of what is sent, to say how it went

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "replay.client": self.replay,
            "replay.client.count": self.count,
            "replay.client.file": self.file,
            "replay.client.stop": self.stop,
            "view.focus.replay": self.focus_replay,
        }
        for name, function in functions.items():
            self._app.commands.add(name, function)

    def replay(self, flows: Sequence[Flow], times: Times | None = None, rate: Rate | None = None) -> None:
        """Send requests again, each as a new flow: so many times, at most so many a second."""
        again = [flow for flow in flows if isinstance(flow, HttpFlow)]
        if not again:
            raise UserError("only HTTP requests can be sent again" if flows else "there is no flow here")
        for flow in again:
            if (reason := why_not(flow)) is not None:
                raise UserError(reason)
        self._send(again, times, rate)

    def _send(self, flows: Sequence[HttpFlow], times: int | None, rate: float | None, more: str = "") -> None:
        count = self._app.replays.add(flows, times, rate)
        if waiting := min(count, self._app.replays.waiting):
            self._tell(
                f"{requests(count)} to be sent again, {waiting:,} of them still wait; replay.client.stop calls them off{more}"
            )
        else:
            self._tell(f"{requests(count)} sent again{more}")
        if count > 1 and not self._is_waiting:
            self._is_waiting = True
            self._app.replays.when_over(self._tell_of_the_end)

    def _tell_of_the_end(self, outcome: Outcome) -> None:
        self._is_waiting = False
        said = told(outcome)
        self._app.eventlog.add("info", said)
        self._tell(said)

    def count(self) -> int:
        """How many requests wait to be sent again, or are on their way."""
        return self._app.replays.count

    def stop(self) -> str:
        """Do not send again what still waits; what is on its way goes on."""
        count = self._app.replays.stop()
        return f"{requests(count)} will not be sent" if count else "nothing waits to be sent again"

    def file(self, path: Path, times: Times | None = None, rate: Rate | None = None) -> None:
        """Send the requests of a file of flows again: so many times, at most so many a second."""
        if str(path) in ("", "."):
            raise UserError("a file name is needed")
        self._start(self._file(path, times, rate))

    async def _file(self, path: Path, times: int | None, rate: float | None) -> None:
        from interceptor.session.formats.recognised import read_flows

        found: list[HttpFlow] = []
        others = 0
        try:
            with path.expanduser().open("rb") as file:
                flows = read_flows(file, self._note, new_body=self._app.store.spool.new_body)
                for number, flow in enumerate(flows, 1):
                    if isinstance(flow, HttpFlow) and why_not(flow) is None:
                        found.append(flow)
                    else:
                        others += 1
                    if number % _SLICE == 0:
                        await asyncio.sleep(0)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
        if not found:
            raise UserError(f"{path} has no request that can be sent again")
        for flow in found:
            flow.id = 0  # the numbers of a file mean nothing here
        self._send(found, times, rate, f"; {others} left out" if others else "")

    def _note(self, text: str) -> None:
        self._app.eventlog.add("warn", text)

    # --- there and back ---------------------------------------------------------------------------------------

    def focus_replay(self, flows: Sequence[Flow]) -> None:
        """Go from a replay to the flow that it is a replay of, and from that to its replays."""
        if len(flows) != 1:
            raise UserError("one flow is needed: try @focus")
        flow = flows[0]
        if flow.replay_of is None:
            self._start(self._to_replays(flow))
        elif flow.replay_of == 0:
            raise UserError("this was loaded, and what it is a replay of is not on the list")
        else:
            open_one_of(self._desk, [flow.replay_of], self._app.store.get)

    async def _to_replays(self, flow: Flow) -> None:
        found = await replays_of(self._app.store, flow.id)
        if not found:
            raise UserError("this is no replay, and has none: r sends it again")
        open_one_of(self._desk, found[::-1], self._app.store.get)
