"""A run of the program: its loop, its face, what is done at its start, and its end.

    run_dump, run_console, run_program ─▸ App(options) ─ start ─▸ the face, beside it what is to be done first ─ end ─▸ close

The console ends when the user quits; `dump` with a signal, when nobody reads its output any more, or when the files that were to
be read and replayed are done; a program that runs without a console ends it with its own end.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from interceptor.addons.client_replay import told, why_not
from interceptor.app import App, Closing
from interceptor.commands import Commands
from interceptor.model.flow import Flow, HttpFlow
from interceptor.options import Options
from interceptor.specs.errors import UserError

if TYPE_CHECKING:
    from interceptor.launch.program import Program

_LAST_WORDS_SECONDS: Final = 1.0
"""How long connections of a program that has ended may take to end."""
_OUTPUT_FULL: Final = "The disk is full: what dump prints waits until there is room. Everything else goes on."


def run_dump(options: Options, *, as_json: bool, quiet: bool) -> int:
    """Serves until a signal, or until the files to read and replay are done. The exit status."""
    return _run(_dump(options, as_json))


def run_console(options: Options) -> int:
    """The console until the user quits. The exit status."""
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise UserError("the console needs a terminal; use `interceptor dump` without one")
    return _run(_console(options))


def run_program(options: Options, command: Sequence[str], *, is_headless: bool, is_enclosed: bool, as_json: bool) -> int:
    """Until the program has ended, or with the console until the user quits. Its exit status, 0 if the user was first."""
    begin = partial(ProgramRun, command, is_enclosed, has_terminal=is_headless)
    if is_headless:
        return _run(_dump(options, as_json, begin))
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise UserError("the console needs a terminal; without one it is `interceptor run --dump -- COMMAND`")
    return _run(_console(options, begin))


def run_browser(options: Options, words: Sequence[str], *, is_headless: bool, as_json: bool) -> int:
    """Until the browser is closed (with `keepserving` until a signal), or with the console until the user quits."""
    from interceptor.browser_run import BrowserRun

    if is_headless:
        return _run(_dump(options, as_json, partial(BrowserRun, words, stays=options.keepserving)))
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise UserError("the console needs a terminal; without one it is `interceptor browser --dump`")
    return _run(_console(options, partial(BrowserRun, words, stays=True)))


def all_commands(options: Options) -> Commands:
    """What can be typed in the console. Nothing is started, no terminal is needed."""
    from interceptor.tui.console import Console

    app = App(options)
    Console(app).register_commands()
    return app.commands


def _run(main: Coroutine[Any, Any, int]) -> int:
    # Flows that are kept are many and live long. What a request leaves is freed by reference counts or found among the youngest,
    # so the collector may look at everything seldom: with Python's own thresholds it walks over every kept flow again and again.
    # Objects of middle age are looked at often, because each look is a pause that is as long as they are many.
    gc.set_threshold(2_000, 25, 200)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(main)


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform != "win32":
        try:
            import uvloop
        except ImportError:
            pass
        else:
            return uvloop.new_event_loop()
    return asyncio.SelectorEventLoop()  # Windows has another by default, which cannot tell of a socket that is not its own


class Companion(Protocol):
    """What a run was started for: a program, or a browser. `owns_output`: our standard output is its own."""

    owns_output: bool

    async def start(self, app: App) -> None: ...

    async def status(self, stopped: asyncio.Future[int]) -> int:
        """When it has ended, or we are told to stop: the exit status."""
        ...

    @property
    def status_so_far(self) -> int: ...
    async def close(self) -> None: ...


async def _dump(options: Options, as_json: bool, begin: Callable[[], Companion] | None = None) -> int:
    from interceptor.dump import Dump
    from interceptor.unhurried_output import outputs

    loop = asyncio.get_running_loop()
    app = App(options)
    uninstall = app.eventlog.install(loop)
    ended: asyncio.Future[int] = loop.create_future()
    stop = _stopper(ended)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and sys.platform != "win32":
            loop.add_signal_handler(getattr(signal, name), stop)
    savers: list[Closing] = []
    dump: Dump | None = None
    run = begin() if begin is not None else None

    def output_gone() -> None:
        if dump is not None:
            loop.call_soon_threadsafe(dump.output_closed)

    def output_full() -> None:
        loop.call_soon_threadsafe(app.log, "warn", _OUTPUT_FULL)

    try:
        first = sys.stderr if run is not None and run.owns_output else sys.stdout
        out, err = outputs(first, sys.stderr, output_gone, output_full)
        dump = Dump(options, app.store, app.eventlog, out, as_json, err, soon=loop.call_soon)
        dump.on_output_closed = stop
        app.commands.add("replay.client", app.replays.add)  # for scripts; the console has its own
        app.shut_down = stop
        app.store.pack_ended()
        app.start()
        savers = _savers(app)
        work = loop.create_task(_start_work(app))
        if run is None:
            work.add_done_callback(lambda task: _work_done(task, ended, options))
            return await ended
        work.add_done_callback(lambda task: _report_work(task, app))
        await run.start(app)
        return await run.status(ended)
    finally:
        if run is not None:
            await run.close()
        await app.end_scripts()
        if dump is not None:
            dump.finish()
            await asyncio.to_thread(out.drain)  # before a HAR goes the same way, and while what happens is still kept
        app.close(savers)
        uninstall()
        unprinted = out.drain() if dump is not None else ""  # what has only ended now
        if dump is not None and err is not out:
            err.drain()
        for problem in filter(None, (unprinted, app.problem_at_end)):
            print(f"interceptor: {problem}", file=sys.stderr)


async def _console(options: Options, begin: Callable[[], Companion] | None = None) -> int:
    from interceptor.tui.console import Console

    loop = asyncio.get_running_loop()
    app = App(options)
    uninstall = app.eventlog.install(loop)
    savers: list[Closing] = []
    run = begin() if begin is not None else None
    try:
        console = Console(app)
        app.owns_terminal, app.shut_down = True, console.quit
        app.store.pack_ended()
        app.start()
        savers = _savers(app)
        work = loop.create_task(_start_work(app))
        work.add_done_callback(lambda task: _report_work(task, app))
        if run is None:
            return await console.run()
        await run.start(app)
        return await console.run() or run.status_so_far
    finally:
        if run is not None:
            await run.close()
        await app.end_scripts()
        app.close(savers)
        uninstall()
        if app.problem_at_end:
            print(f"interceptor: {app.problem_at_end}", file=sys.stderr)


class ProgramRun:
    """The program of one run, and what is known of it."""

    owns_output = True

    def __init__(self, command: Sequence[str], is_enclosed: bool, has_terminal: bool) -> None:
        self._command, self._is_enclosed, self._has_terminal = command, is_enclosed, has_terminal
        self._app: App | None = None
        self._program: Program | None = None

    async def start(self, app: App) -> None:
        from interceptor.launch.program import Program

        def warn(sentence: str) -> None:
            app.log("warn", sentence)

        def say(line: str) -> None:
            app.log("info", f"{program.name}: {line}")

        self._app = app
        program = self._program = Program(self._command, warn, None if self._has_terminal else say)
        app.log("info", await program.start(app, app.authority.cert_path, self._is_enclosed))
        if not self._has_terminal:
            program.ended.add_done_callback(lambda ended: app.log("info", f"{program.name} ended with status {ended.result()}"))

    async def status(self, stopped: asyncio.Future[int]) -> int:
        """When it has ended, and what it said has passed; or when we are told to stop."""
        assert self._program is not None and self._app is not None
        ended = self._program.ended
        await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            return stopped.result()
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        while self._app.listeners.active_connections and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return ended.result()

    @property
    def status_so_far(self) -> int:
        return self._program.ended.result() if self._program is not None and self._program.ended.done() else 0

    async def close(self) -> None:
        if self._program is not None:
            await asyncio.to_thread(self._program.close)


def _stopper(ended: asyncio.Future[int]) -> Callable[[], None]:
    def stop() -> None:
        if not ended.done():
            ended.set_result(0)

    return stop


def _savers(app: App) -> list[Closing]:
    """Those who write finished flows to files, as the options say."""
    from interceptor.addons.hardump import HarDump
    from interceptor.addons.save import SaveStream

    stream = SaveStream(app.options, app.store, _write_flow)
    return [stream, HarDump(app.options, app.store, _har_writer)]


def _har_writer(stream: Any, name: str) -> Any:
    from interceptor.session.formats.har import HarWriter, is_packed_name

    return HarWriter(stream, is_packed_name(name))


def _write_flow(stream: Any, flow: Flow) -> None:
    from interceptor.session.formats.mitmproxy_flow import write_flow

    write_flow(stream, flow)


def _work_done(task: asyncio.Task[bool], ended: asyncio.Future[int], options: Options) -> None:
    if ended.done() or task.cancelled():
        return
    if error := task.exception():
        ended.set_exception(error)
    elif task.result() and not options.keepserving:
        ended.set_result(0)


def _report_work(task: asyncio.Task[bool], app: App) -> None:
    if not task.cancelled() and (error := task.exception()):
        app.eventlog.add("error", error.message if isinstance(error, UserError) else f"{type(error).__name__}: {error}")


async def _start_work(app: App) -> bool:
    """Loads `rfile`, sends `client_replay`. True if there was something to do."""
    options = app.options
    if options.rfile:
        wanted = app.filter(options.readfile_filter or "")
        app.is_reading = True
        try:
            async for flow in _read(app, options.rfile):
                if wanted is None or wanted.matches(flow):
                    app.store.add(flow)
        finally:
            app.is_reading = False
    for path in options.client_replay:
        flows = [flow async for flow in _read(app, path)]
        app.replays.add(flow for flow in flows if isinstance(flow, HttpFlow) and why_not(flow) is None)
    outcome = await app.replays.finished()
    if outcome.sent:
        app.eventlog.add("info", told(outcome))
    if options.rfile or options.client_replay:
        app.store.flush()
        return True
    return False


async def _read(app: App, path: str) -> Any:
    """The flows of a file, the loop breathing between them."""
    from interceptor.session.formats.recognised import read_file

    flows = read_file(path, partial(app.eventlog.add, "warn"), app.store.touch, app.store.spool.new_body)
    for count, flow in enumerate(flows):
        yield flow
        if count % 50 == 49:
            await asyncio.sleep(0)
