"""Scripts without sockets: real options, commands, chain, store and view; hooks are asked by the test, records told by it.

bench.write("a.py", "def request(flow): …");  bench.use("a.py");  bench.ask(RequestReady(flow))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from textwrap import dedent
from typing import Any

from interceptor.addons.chain import Chain
from interceptor.addons.intercept import Intercept
from interceptor.addons.scripts import Scripts
from interceptor.commands import Commands
from interceptor.model.body import MemoryBody
from interceptor.model.flow import Flow, HttpFlow
from interceptor.model.hooks import ConnectionWatcher, Hook, Verdict
from interceptor.model.http import Headers, Request, Response
from interceptor.model.records import FlowEnded, FlowStarted, Record, Recorder
from interceptor.options import Options
from interceptor.session.selection import Selection
from interceptor.session.store import Store
from interceptor.session.view import View
from interceptor.specs.filter import parse


class Joints:
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.watcher: ConnectionWatcher | None = None


class Bench:
    """A program that scripts can be loaded into. `folder` is where they lie."""

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        self.folder = folder
        self.owns_terminal = False
        self.options = options or Options()
        self.commands = Commands(self.options)
        self.store = Store(lambda delay, deed: asyncio.get_running_loop().call_soon(deed))
        self.view = View(self.store)
        self.commands.flow_resolver = Selection(self.store, self.view, lambda text: parse(text) if text else None).resolve
        self.intercept = Intercept(self.store.touch)
        self.logged: list[tuple[str, str]] = []
        self.flow_ids: list[int | None] = []
        """Of what was logged."""
        self.chain = Chain([], self.intercept, lambda message, error, flow_id: self.log("error", f"{message}: {error}", flow_id))
        self.joints = Joints(self.store)
        self.killed: list[Flow] = []
        self.was_shut_down = False
        self.scripts = Scripts(self, self.joints)
        self.scripts.start_running()

    def kill(self, flow: Flow) -> None:
        self.killed.append(flow)

    def log(self, level: str, text: str, flow_id: int | None = None) -> None:
        self.logged.append((level, text))
        self.flow_ids.append(flow_id)

    def shut_down(self) -> None:
        self.was_shut_down = True

    # --- what tests do ----------------------------------------------------------------------------------------

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(dedent(text))
        return path

    def use(self, *names: str) -> None:
        self.options.scripts = [str(self.folder / name) for name in names]

    def script(self, text: str) -> None:
        """One script, in place of what there was."""
        number = len(list(self.folder.glob("script*.py"))) + 1
        self.use(self.write(f"script{number}.py", text).name)
        assert self.errors == []

    @property
    def errors(self) -> list[str]:
        return [text for level, text in self.logged if level == "error"]

    def texts(self, level: str = "info") -> list[str]:
        return [text for each, text in self.logged if each == level]

    def ask(self, hook: Hook) -> Verdict | None:
        """The verdict, which has to be known at once; None if the flow is held."""

        def later(verdict: Verdict) -> None:
            raise AssertionError(f"answered later: {verdict}")

        return self.chain.decide(hook, later)

    async def later(self, hook: Hook) -> Verdict:
        """The verdict of scripts that take their time."""
        answered: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        verdict = self.chain.decide(hook, answered.set_result)
        assert verdict is None, "it was known at once"
        return await answered

    def record(self, what: Record) -> None:
        self.joints.recorder.record(what)

    def flow(self, method: str = "GET", url: str = "http://example.com/", content: bytes = b"", **headers: str) -> HttpFlow:
        """A live one, on the list."""
        request = Request(method, "http", "", 80, b"/", timestamp_start=1.0, timestamp_end=2.0)
        request.set_url(url)
        request.headers = Headers([(b"Host", request.host_field().encode())])
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        if content:
            request.set_content(content)
        flow = HttpFlow(0, request=request, is_live=True)
        self.record(FlowStarted(flow))
        return flow

    def answered(self, content: bytes = b"hello", **headers: str) -> HttpFlow:
        """One that the server has answered."""
        flow = self.flow()
        flow.response = Response(200, b"OK", timestamp_start=3.0, timestamp_end=4.0, body=MemoryBody(content))
        for name, value in headers.items():
            flow.response.headers[name.replace("_", "-")] = value
        return flow

    def end(self, flow: Flow) -> None:
        flow.is_live = False
        self.record(FlowEnded(flow))


def on_bench(folder: Path, test: Callable[[Bench], Coroutine[Any, Any, None]], options: Options | None = None) -> None:
    """Runs the test on a loop of its own, and ends the scripts."""

    async def run() -> None:
        bench = Bench(folder, options)
        try:
            await asyncio.wait_for(test(bench), 20)
        finally:
            bench.use()
            await bench.scripts.close()

    asyncio.run(run())
