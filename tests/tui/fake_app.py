"""A program around the real console: real options, commands, store and view, no proxy. Also what tests drive under a terminal.

    python -m tests.tui.fake_app FOLDER        SIGUSR1 lets a request arrive, SIGUSR2 breaks the drawing

A request that arrives is held if the intercept filter matches it. What is resumed is written to FOLDER/sent, as it would go out;
FOLDER/ticks counts how often a timer of the same loop has run; FOLDER/ended holds the console's status when it has returned.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from interceptor.addons.client_replay import ClientReplay
from interceptor.addons.server_replay import ServerReplay
from interceptor.commands import Commands
from interceptor.config import load_config
from interceptor.eventlog import EventLog
from interceptor.model.flow import Flow, HeldMessage, HoldPoint, HttpFlow
from interceptor.model.http import Headers, Request, Response
from interceptor.options import Options
from interceptor.session.cleaning import Cleaning
from interceptor.session.formats.recognised import read_file
from interceptor.session.listing import Schedule
from interceptor.session.search.searching import Searching
from interceptor.session.selection import Selection
from interceptor.session.store import Store
from interceptor.session.undo import Undo
from interceptor.session.view import View
from interceptor.specs.errors import UserError
from interceptor.specs.filter import Filter, parse


def request(method: str = "GET", path: str = "/", body: bytes = b"", **headers: str) -> Request:
    fields = [(b"Host", b"example.com"), *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())]
    made = Request(method, "http", "example.com", 80, path.encode(), headers=Headers(fields), timestamp_start=time.time())
    if body:
        made.set_content(body)
    made.timestamp_end = made.timestamp_start
    return made


def response(status: int = 200, body: bytes = b"", content_type: str = "text/plain") -> Response:
    made = Response(status, b"OK", headers=Headers([(b"Content-Type", content_type.encode())]), timestamp_start=time.time())
    made.set_content(body)
    made.timestamp_end = time.time()
    return made


class FakeHolds:
    def __init__(self, app: FakeApp) -> None:
        self._app = app
        self.messages: list[HeldMessage] = []

    def held(self) -> Sequence[Flow]:
        return [flow for flow in self._app.store if flow.held is not None]

    def resume(self, flow: Flow) -> None:
        self._app.let_go(flow)

    def messages_of(self, flow: Flow) -> Sequence[HeldMessage]:
        return self.messages if flow.held is HoldPoint.MESSAGE else []

    def drop(self, message: HeldMessage) -> None:
        self.messages.remove(message)
        message.is_waiting = False

    def resume_all(self) -> None:
        for flow in self.held():
            self.resume(flow)


class FakeLife:
    def __init__(self, store: Store, undo: Undo) -> None:
        self.cleaning = Cleaning(store, undo, lambda text: None)

    name = ""
    path: Path | None = None
    is_kept = False
    remark = ""

    def path_of(self, name: str) -> Path:
        return Path(name)

    async def open(self, name: str) -> str:
        return f"{name} is open"

    async def begin(self) -> str:
        return "a new session is open"

    async def rename(self, name: str) -> str:
        return f"this session is {name} now"


class FakeListeners:
    active_connections = 2

    def on_network(self) -> Sequence[tuple[str, int]]:
        return []

    def describe(self) -> Sequence[str]:
        return ["127.0.0.1:8080"]

    def report(self) -> str:
        return "regular\n    at 127.0.0.1:8080, TCP: accepts"

    def configurations(self) -> Sequence[str]:
        return []


class FakeApp:
    def __init__(self, folder: Path, schedule: Schedule | None = None, **options: object) -> None:
        """`schedule` tells the store's listeners; by default by the running loop."""
        self.folder = folder
        self.options = Options(confdir=str(folder), **options)
        self.commands = Commands(self.options)
        self.eventlog = EventLog()
        self.store = Store(schedule or (lambda delay, deed: asyncio.get_running_loop().call_later(delay, deed)))
        self.view = View(self.store)
        self.commands.flow_resolver = Selection(self.store, self.view, self.filter).resolve
        self.searching = Searching(self.store, lambda: False)
        self.undo = Undo()
        self.session_life = FakeLife(self.store, self.undo)
        self.intercept = FakeHolds(self)
        self.listeners = FakeListeners()
        self.is_reading = False
        self.replayed: list[HttpFlow] = []
        self.replays_end = True
        self.replays = ClientReplay(self.options, self.store, self.replay, self.later)
        self.server_replay = ServerReplay(self.options, lambda path: read_file(path, partial(self.eventlog.add, "warn")))
        self.killed: list[Flow] = []
        self.injected: list[tuple[Flow, bool, bytes]] = []
        self.scripts_run: list[tuple[Sequence[Flow], Path]] = []
        self.commands.add("script.run", self.run_script)
        self.options.subscribe(self._apply)

    def _apply(self, options: Options, names: set[str]) -> None:
        if "view_filter" in names:
            self.view.set_filter(parse(options.view_filter) if options.view_filter else None)
        if {"view_order", "view_order_reversed"} & names:
            self.view.set_order(options.view_order, options.view_order_reversed)
        if "console_focus_follow" in names:
            self.view.focus_follow = options.console_focus_follow

    def arrive(self, flow: HttpFlow) -> HttpFlow:
        if self.options.intercept_active and self.options.intercept and parse(self.options.intercept).matches(flow):
            flow.held, flow.is_live = HoldPoint.RESPONSE if flow.response else HoldPoint.REQUEST, True
        self.store.add(flow)
        return flow

    def let_go(self, flow: Flow) -> None:
        assert isinstance(flow, HttpFlow)
        flow.held, flow.is_live = None, False
        sent = flow.request
        head = f"{sent.method} {sent.url}\r\n".encode() + bytes(sent.headers) + b"\r\n" + sent.body.read()
        (self.folder / "sent").write_bytes(head)
        self.store.touch(flow)

    def filter(self, text: str) -> Filter | None:
        return parse(text) if text else None

    def later(self, delay: float, deed: Callable[[], None]) -> object:
        return asyncio.get_running_loop().call_later(delay, deed)

    def replay(self, flow: HttpFlow, over: Callable[[HttpFlow], None]) -> HttpFlow:
        twin = HttpFlow(0, request=flow.request.copy(), replay_of=flow.id, created_at=time.time())
        if self.replays_end:
            twin.ended_at = twin.created_at  # nobody answers here
        self.replayed.append(twin)
        self.store.add(twin)
        return twin

    def run_script(self, flows: Sequence[Flow], path: Path) -> None:
        self.scripts_run.append((flows, path))

    def create(self, request: Request) -> HttpFlow:
        flow = HttpFlow(0, request=request, created_at=time.time())
        self.store.add(flow)
        return flow

    def kill(self, flow: Flow) -> None:
        flow.held, flow.is_live = None, False
        self.killed.append(flow)
        self.store.touch(flow)

    def inject(self, flow: Flow, from_client: bool, data: bytes, is_text: bool = False) -> None:
        self.injected.append((flow, from_client, data))

    async def start_browser(self, name: str, arguments: Sequence[str]) -> str:
        if name == "brave":
            raise UserError("brave was not found on this machine")
        return f"{name or 'a browser'} started with {' '.join(arguments) or 'nothing'}"

    def seed(self) -> None:
        """Three finished flows."""
        json = b'{"name": "demo", "items": [1, 2, 3], "nested": {"a": null, "b": true}}'
        for method, path, answer in (
            ("GET", "/index.html", response(200, b"<html><body>hello</body></html>", "text/html")),
            ("GET", "/data.json?x=1", response(200, json, "application/json")),
            ("POST", "/login", response(404, b"no such page\n")),
        ):
            now = time.time()
            self.store.add(HttpFlow(0, request=request(method, path), response=answer, created_at=now, ended_at=now))


async def main(folder: Path) -> None:
    from interceptor.tui.console import Console
    from interceptor.tui.frame import Frame

    app = FakeApp(folder)
    app.options.update(**load_config(folder))
    app.seed()
    app.eventlog.add("info", "listening at 127.0.0.1:8080")
    loop = asyncio.get_running_loop()
    console = Console(app)
    arrived = 0

    def arrive() -> None:
        nonlocal arrived
        arrived += 1
        body = b'{"old": true}'
        app.arrive(HttpFlow(0, request=request("POST", f"/arrived/{arrived}", body, X_Old="1"), created_at=time.time()))

    def break_drawing() -> None:
        def render(self: Frame, size: tuple[int, int], focus: bool = False) -> None:
            raise RuntimeError("broken on purpose")

        Frame.render = render  # type: ignore[method-assign, assignment]
        console.invalidate()

    async def tick() -> None:
        ticks = 0
        while True:
            await asyncio.sleep(0.01)
            ticks += 1
            (folder / "ticks.new").write_text(str(ticks))
            (folder / "ticks.new").replace(folder / "ticks")  # whoever reads it never sees it half written

    loop.add_signal_handler(signal.SIGUSR1, arrive)
    loop.add_signal_handler(signal.SIGUSR2, break_drawing)
    ticker = loop.create_task(tick())
    status = await console.run()
    ticker.cancel()
    (folder / "ended").write_text(str(status))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
