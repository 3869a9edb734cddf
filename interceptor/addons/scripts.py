"""The user's scripts (option `scripts`): loaded, loaded anew when they change, taken out again.

    option scripts ─▸ apply ─▸ ScriptFile ─▸ load(loader), configure, running ─▸ handlers ─▸ ScriptTraffic in the chain
    every half second ─▸ has a file changed? ─▸ done, then loaded anew, with all others that may have imported the same module

A script that cannot be loaded is told in the log with its own traceback; what it was before is unloaded then, and it is tried
again when it changes. Options and commands that a script brings go with it; the values of its options wait for it to come back.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final, Protocol

from interceptor.addons.chain import Chain, Place
from interceptor.addons.intercept import Intercept
from interceptor.addons.script_calls import Handler, ScriptCalls
from interceptor.addons.script_file import ScriptFile, addons_of, name_of
from interceptor.addons.script_hooks import NAMES, NOT_HERE
from interceptor.addons.script_run import events_of
from interceptor.addons.script_traffic import ScriptTraffic
from interceptor.commands import Commands
from interceptor.model.flow import Flow
from interceptor.model.hooks import ConnectionWatcher
from interceptor.model.records import Recorder
from interceptor.option_definitions import OptionDefinition
from interceptor.options import Options
from interceptor.script import ctx
from interceptor.script.addonmanager import Loader
from interceptor.script.aliases import Aliases
from interceptor.script.command import for_registry
from interceptor.script.log import Log
from interceptor.script.master import Master, ScriptCommands, ScriptView
from interceptor.specs.errors import UserError

LOOK_SECONDS: Final = 0.5
DONE_SECONDS: Final = 5.0
"""So long the program waits at its end for what scripts still do."""

_ABOUT_CONNECTIONS: Final = frozenset(name for name in NAMES if name.startswith("server_") or name == "client_disconnected")


class Store(Protocol):
    """What is known of the session's store."""

    def add(self, flow: Flow, /) -> None: ...
    def get(self, flow_id: int, /) -> Flow | None: ...
    def touch(self, flow: Flow, /) -> None: ...
    def subscribe(self, listener: Any, /) -> None: ...


class View(Protocol):
    """What is known of the session's view."""

    focus: Flow | None

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Flow]: ...


class Program(Protocol):
    """What scripts need of the program; `app` has it. `owns_terminal`: what a script prints goes to the log instead."""

    owns_terminal: bool

    @property
    def options(self) -> Options: ...
    @property
    def commands(self) -> Commands: ...
    @property
    def chain(self) -> Chain: ...
    @property
    def intercept(self) -> Intercept: ...
    @property
    def store(self) -> Store: ...
    @property
    def view(self) -> View: ...
    def kill(self, flow: Flow) -> None: ...
    def log(self, level: str, text: str, flow_id: int | None = None) -> None: ...
    def shut_down(self) -> None: ...


class Joints(Protocol):
    """Where the proxy tells what happens."""

    recorder: Recorder
    watcher: ConnectionWatcher | None


class Loaded:
    """One script and what it has brought."""

    def __init__(self, file: ScriptFile, options: Options, commands: Commands, master: Master) -> None:
        self.file, self._options, self._commands, self._master = file, options, commands, master
        self.addons: list[Any] = []
        self._brought: list[Callable[[], None]] = []

    def load(self, prepare: Callable[[ModuleType], None]) -> None:
        """Whatever it raises; what it had brought until then is taken back."""
        try:
            self.addons = list(addons_of(self.file.load(prepare)))
            loader = Loader(self._add_option, self._add_command)
            for addon in self.addons:
                if function := hook_of(addon, "load"):
                    function(loader)
                for _, found in inspect.getmembers(addon, _is_command):
                    self._add_command(found.command_name, found)
        except BaseException:
            self.unload()
            raise

    def unload(self) -> None:
        for take_back in reversed(self._brought):
            take_back()
        self._brought, self.addons = [], []
        self.file.forget()

    def handlers(self, name: str) -> list[Handler]:
        return [Handler(self.file, function) for addon in self.addons if (function := hook_of(addon, name))]

    def missing_hooks(self) -> list[str]:
        """Those that nobody here calls."""
        return sorted({name for addon in self.addons for name in NOT_HERE if hook_of(addon, name)})

    def _add_option(self, definition: OptionDefinition[Any]) -> None:
        self._options.add(definition)
        self._brought.append(lambda: self._options.remove(definition.name))

    def _add_command(self, name: str, function: Callable[..., Any]) -> None:
        commands = self._master.commands
        try:
            self._commands.add(name, for_registry(function, commands.facade, commands.call))
        except ValueError as error:
            raise UserError(str(error)) from None
        self._brought.append(lambda: self._commands.remove(name))


class Scripts:
    """`apply` after each change of the option; `close` at the end. `joints` are where the proxy tells what happens."""

    def __init__(self, program: Program, joints: Joints) -> None:
        self._program, self._joints = program, joints
        self._loaded: dict[str, Loaded] = {}
        self._calls = ScriptCalls(self._report)
        self._recorder = joints.recorder
        self._traffic = ScriptTraffic(self._calls, program.store, joints.recorder, program.intercept, program.kill)
        self._aliases = Aliases()
        self._is_joined = self._is_running = False
        self._timer: asyncio.TimerHandle | None = None
        commands = ScriptCommands(program.commands, self._traffic.facade)
        view = ScriptView(program.view, program.store, self._traffic.facade)
        self._master = Master(program.options, commands, view, self._named, program.shut_down)
        program.options.subscribe(self._options_changed)
        program.store.subscribe(self)

    # --- loading ----------------------------------------------------------------------------------------------

    def apply(self) -> None:
        """Has loaded what the option names, in its order. UserError if a file is not there; then nothing has changed."""
        wanted = list(dict.fromkeys(self._program.options.scripts))
        files = {given: ScriptFile(given) for given in wanted if given not in self._loaded}
        for file in files.values():
            if not file.is_there:
                raise UserError(f"there is no script {file.given}: scripts are files of Python")
        for given in [given for given in self._loaded if given not in wanted]:
            self._unload(self._loaded.pop(given))
            self._program.log("info", f"Script {given} taken out")
        fresh = {given: self._new(file) for given, file in files.items()}
        self._loaded = {given: self._loaded.get(given) or fresh[given] for given in wanted}
        if self._loaded:
            self._join()
        self._load(list(fresh.values()))
        self._watch()
        if self._program.options.is_expecting:
            for name in self._program.options.expect_no_more():
                self._say_unclaimed(name)

    def start_running(self) -> None:
        """The program serves clients from here on."""
        self._is_running = True
        for loaded in self._loaded.values():
            self._begin(loaded)

    def _new(self, file: ScriptFile) -> Loaded:
        return Loaded(file, self._program.options, self._program.commands, self._master)

    def _load(self, scripts: Sequence[Loaded]) -> None:
        """Those that fail are told and stay without handlers."""
        good = [loaded for loaded in scripts if self._is_loadable(loaded)]
        self._set_handlers()
        for loaded in good:
            self._configure(loaded)
            if self._is_running:
                self._begin(loaded)

    def _is_loadable(self, loaded: Loaded) -> bool:
        try:
            loaded.load(self._prepare)
        except (Exception, SystemExit) as error:
            self._calls.blame(loaded.file, "loading", error)
            return False
        for name in loaded.missing_hooks():
            self._program.log("warn", f"{loaded.file.name}: {name} is not called: there is no such hook here")
        return True

    def _report(self, text: str, flow_id: int | None = None) -> None:
        self._program.log("error", text, flow_id)

    def _prepare(self, module: ModuleType) -> None:
        if self._program.owns_terminal:
            module.__dict__["print"] = self._print

    def _print(self, *values: object, sep: str | None = None, end: str = "", file: Any = None, flush: bool = False) -> None:
        if file is not None:
            return print(*values, sep=sep, end=end or "\n", file=file, flush=flush)
        self._program.log("info", (" " if sep is None else sep).join(map(str, values)))

    def _say_unclaimed(self, name: str) -> None:
        text = f"there is no option {name!r}, and no script has brought one"
        if not self._is_running and all(loaded.addons for loaded in self._loaded.values()):
            raise UserError(text)
        self._program.log("error", text)

    def _unload(self, loaded: Loaded) -> None:
        self._tell_done(loaded)
        loaded.unload()
        self._set_handlers()

    def _tell_done(self, loaded: Loaded) -> None:
        calls = ScriptCalls(self._report)
        calls.set_handlers({"done": loaded.handlers("done")})
        if rest := calls.ask("done"):
            self._calls.start(rest)

    def _configure(self, loaded: Loaded) -> None:
        names = {definition.name for definition in self._program.options.definitions()}
        for handler in loaded.handlers("configure"):
            try:
                handler.function(names)
            except Exception as error:
                self._calls.blame(handler.file, "configure", error)

    def _begin(self, loaded: Loaded) -> None:
        calls = ScriptCalls(self._report)
        calls.set_handlers({"running": loaded.handlers("running")})
        if rest := calls.ask("running"):
            self._calls.start(rest)

    # --- changes on disk --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look) if self._loaded else None

    def _look(self) -> None:
        self.reload_changed()
        self._watch()

    def reload_changed(self) -> None:
        """Loads anew what has changed since it was loaded."""
        if not (changed := [loaded for loaded in self._loaded.values() if loaded.file.has_changed()]):
            return
        for loaded in changed:
            self._unload(loaded)
        self._load(changed)
        for loaded in changed:
            if loaded.addons:
                self._program.log("info", f"Script {loaded.file.given} loaded anew")

    # --- who is called ----------------------------------------------------------------------------------------

    def _set_handlers(self) -> None:
        found = {name: [each for loaded in self._loaded.values() for each in loaded.handlers(name)] for name in NAMES}
        handlers = {name: functions for name, functions in found.items() if functions}
        self._calls.set_handlers(handlers)
        if not self._loaded:
            return self._part()
        self._joints.watcher = self._traffic if handlers.keys() & _ABOUT_CONNECTIONS else None
        self._program.chain.refresh()

    def _join(self) -> None:
        if not self._is_joined:
            self._is_joined = True
            self._aliases.install()
            ctx.bind(self._master, Log(self._program.log))
            self._joints.recorder = self._traffic
            self._program.chain.add(self._traffic, Place.SCRIPTS)

    def _part(self) -> None:
        if self._is_joined:
            self._is_joined = False
            self._program.chain.remove(self._traffic)
            self._joints.recorder, self._joints.watcher = self._recorder, None
            self._aliases.remove()

    def _named(self, name: str) -> object | None:
        for loaded in self._loaded.values():
            for addon in loaded.addons:
                if name_of(addon) == name:
                    return addon  # type: ignore[no-any-return]
        return None

    def _options_changed(self, options: Options, names: set[str]) -> None:
        for loaded in list(self._loaded.values()):
            for handler in loaded.handlers("configure"):
                try:
                    handler.function(set(names))
                except UserError:
                    raise  # refused: the options are as before
                except Exception as error:
                    self._calls.blame(handler.file, "configure", error)
        if "scripts" in names:
            self.apply()

    # --- the session's listener -------------------------------------------------------------------------------

    def flows_added(self, flows: list[Flow]) -> None:
        """Nothing: hooks have told of them."""

    def flows_changed(self, flows: list[Flow]) -> None:
        """`update` is about what somebody else than the wire and the scripts has changed."""
        own, self._traffic.own_changes = self._traffic.own_changes, set()
        if self._calls.has("update") and (changed := [each for each in flows if each not in own]):
            self._calls.tell("update", [self._traffic.facade(flow) for flow in changed])

    def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
        """Nothing: they have had their hooks."""

    def flows_removed(self, flow_ids: Sequence[int]) -> None:
        """Nothing: what is off the list lives on."""

    # --- once, over flows that are there ----------------------------------------------------------------------

    def start_run(self, flows: Sequence[Flow], path: str) -> None:
        """`run`, beside everything else; what is wrong is told in the log. UserError if there is no such file."""
        if not flows:
            raise UserError("there is no flow here")
        if not ScriptFile(path).is_there:
            raise UserError(f"there is no script {path}: a script is a file of Python")
        self._calls.start(self._run_and_tell(flows, path))

    async def _run_and_tell(self, flows: Sequence[Flow], path: str) -> None:
        try:
            await self.run(flows, path)
        except UserError as error:
            self._program.log("error", error.message)
        else:
            self._program.log("info", f"{path} was run over {len(flows)} flow{'' if len(flows) == 1 else 's'}")

    async def run(self, flows: Sequence[Flow], path: str) -> None:
        """`script.run`: all hooks that these flows would have gone through, in order. UserError if the script fails to load."""
        loaded = self._loaded.get(path)
        is_ours = loaded is None
        if loaded is None:
            loaded = self._new(ScriptFile(path))
            if not self._is_joined:
                self._aliases.install()
                ctx.bind(self._master, Log(self._program.log))
            if not self._is_loadable(loaded):
                raise UserError(f"{loaded.file.name} could not be loaded; the event log says why")
            self._configure(loaded)
            self._begin(loaded)
        try:
            calls = ScriptCalls(self._report)
            calls.set_handlers({name: found for name in NAMES if (found := loaded.handlers(name))})
            for flow in flows:
                for name, facade in events_of(self._traffic.made(flow)):
                    if rest := calls.ask(name, facade):
                        await rest
                await asyncio.sleep(0)
        finally:
            if is_ours:
                self._tell_done(loaded)
                loaded.unload()
                if not self._is_joined:
                    self._aliases.remove()

    async def close(self) -> None:
        """The end of the program: `done` of all, and a while for what they still do."""
        if self._timer is not None:
            self._timer.cancel()
        for loaded in self._loaded.values():
            self._tell_done(loaded)
        await self._calls.finish(DONE_SECONDS)


def hook_of(addon: Any, name: str) -> Callable[..., Any] | None:
    """The function of that name; not a class or a module that happens to be called so."""
    found = getattr(addon, name, None)
    return found if callable(found) and not isinstance(found, type) else None


def _is_command(value: Any) -> bool:
    return callable(value) and isinstance(getattr(value, "command_name", None), str)
