"""The commands that open and work the screens for options, commands and key bindings, and those that arrange the panes.

Names are mitmproxy's; `console.key.add` is ours. What is changed about keys is written to `keys.yaml` at once, so it is there in
the next run too.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

from interceptor.commands import Choices, CommandName, Commands, quote
from interceptor.launch.browsers import NAMES
from interceptor.options import Options
from interceptor.specs.errors import UserError
from interceptor.tui.application import Application
from interceptor.tui.commands_screen import CommandsScreen
from interceptor.tui.frame import Asking
from interceptor.tui.keymap import CONTEXTS, Binding, Keymap, normalized
from interceptor.tui.keys_file import forget, remember
from interceptor.tui.keys_screen import KeyQuestion, KeysScreen
from interceptor.tui.options_screen import Desk as OptionsDesk
from interceptor.tui.options_screen import OptionsScreen
from interceptor.tui.paint import Line
from interceptor.tui.panes import LAYOUTS, Panes
from interceptor.tui.present.qr_code import qr_code
from interceptor.tui.screens import Screen, Step
from interceptor.tui.text_screen import TextScreen


class Desk(OptionsDesk, Protocol):
    """What the commands need of the console."""

    app: Application
    keymap: Keymap
    panes: Panes
    prompt: Asking | None

    @property
    def top(self) -> Screen: ...
    def execute(self, line: str) -> None: ...
    def invalidate(self) -> None: ...
    def start(self, work: Coroutine[Any, Any, None]) -> None: ...


class ScreenCommands:
    def __init__(self, console: Desk, fill_prompt: Callable[[str], None]) -> None:
        """`fill_prompt` opens the command prompt with a line in it."""
        self._console, self._fill_prompt = console, fill_prompt
        self._commands: Commands = console.app.commands
        self._options: Options = console.app.options

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "console.view.options": self.view_options,
            "console.view.commands": self.view_commands,
            "console.view.keybindings": self.view_keybindings,
            "console.options.reset.focus": self.options_reset_focus,
            "console.key.contexts": self.key_contexts,
            "console.key.add": self.key_add,
            "console.key.bind": self.key_bind,
            "console.key.unbind": self.key_unbind,
            "console.key.unbind.focus": self.key_unbind_focus,
            "console.key.edit.focus": self.key_edit_focus,
            "console.key.execute.focus": self.key_execute_focus,
            "console.keymap.load": self.keymap_load,
            "browser.start": self.browser_start,
            "proxyserver.active_connections": self.active_connections,
            "proxyserver.listeners": self.listeners,
            "readfile.reading": self.reading,
            "console.layout.cycle": self.layout_cycle,
            "console.layout.options": self.layout_options,
            "console.panes.next": self.panes_next,
            "console.panes.prev": self.panes_next,
        }
        for name, function in functions.items():
            self._commands.add(name, function)

    # -- options and commands ---------------------------------------------------------------------------------------------

    def view_options(self) -> None:
        """All options: look at them and change them."""
        self._console.push(OptionsScreen(self._options, self._console, self._choices_of))

    def _choices_of(self, option: str) -> Sequence[str]:
        if option.endswith("_default_contentview"):
            from interceptor.contentviews.registry import names

            return list(names())
        return ()

    def options_reset_focus(self) -> None:
        """Set the option under the cursor to its default."""
        if not isinstance(self._console.top, OptionsScreen):
            raise UserError("this is for the screen of options; O opens it")
        self._console.top.reset_focused()

    def view_commands(self) -> None:
        """All commands, with their arguments."""
        self._console.push(CommandsScreen(self._commands, self._console.keymap, lambda name: self._fill_prompt(f"{name} ")))

    # -- keys -------------------------------------------------------------------------------------------------------------

    @property
    def _keys_path(self) -> Path:
        return self._options.confdir_path / "keys.yaml"

    def view_keybindings(self) -> None:
        """All keys: what they run, and on which screen."""
        self._console.push(KeysScreen(self._console.keymap))

    def key_contexts(self) -> Sequence[str]:
        """Where keys can be bound."""
        return list(CONTEXTS)

    def key_add(self, context: Annotated[str, Choices(lambda: CONTEXTS)]) -> None:
        """Press a key, then say what it is to run."""

        def pressed(key: str | None) -> None:
            self._console.close_prompt()
            if key is not None:
                self._fill_prompt(f"console.key.bind {context} {quote(normalized(key))} ")

        self._console.prompt = KeyQuestion(f"Press the key for {context}; esc leaves", pressed)
        self._console.invalidate()

    def key_bind(self, contexts: Sequence[str], key: str, cmd: CommandName, *args: str) -> str:
        """Let a key run a command, now and in later runs."""
        if not key.strip() and key != " ":
            raise UserError("a key is needed: a character, or a name like ctrl e, f5 or page up")
        line = " ".join([cmd, *(quote(argument) for argument in args)])
        binding = Binding(normalized(key), line, tuple(contexts), self._commands.help(cmd).rstrip("."))
        self._console.keymap.bind(binding)
        remember(self._keys_path, binding)
        if isinstance(self._console.top, KeysScreen):
            self._console.top.go_to(f"{contexts[0]} {binding.key}")
        return f"{key} runs {line}; written to keys.yaml"

    def key_unbind(self, contexts: Sequence[str], key: str) -> str:
        """Let a key do nothing, now and in later runs."""
        unknown = [context for context in contexts if context not in CONTEXTS]
        if unknown:
            raise UserError(f"{unknown[0]!r} is not a context of keys; {', '.join(CONTEXTS)} are")
        self._console.keymap.unbind(key, contexts)
        defaults = Keymap()
        by_default = [context for context in contexts if normalized(key) in dict(defaults.bindings(context))]
        forget(self._keys_path, normalized(key), contexts, by_default)
        return f"{key} does nothing in {', '.join(contexts)}; written to keys.yaml"

    def keymap_load(self, path: Path) -> str:
        """Read key bindings from a file."""
        return f"{self._console.keymap.load(path)} bindings read"

    def _focused_key(self) -> tuple[str, str, Binding]:
        screen = self._console.top
        focused = screen.focused if isinstance(screen, KeysScreen) else None
        if focused is None:
            raise UserError("this is for the screen of key bindings; K opens it")
        return focused

    def key_unbind_focus(self) -> str:
        """Take away the key under the cursor."""
        context, key, _ = self._focused_key()
        return self.key_unbind([context], key)

    def key_edit_focus(self) -> None:
        """Change what the key under the cursor runs."""
        context, key, binding = self._focused_key()
        self._fill_prompt(f"console.key.bind {context} {quote(key)} {binding.command}")

    def key_execute_focus(self) -> None:
        """Run what the key under the cursor runs."""
        self._console.execute(self._focused_key()[2].command)

    # -- browser ----------------------------------------------------------------------------------------------------------

    def browser_start(self, browser: Annotated[str, Choices(lambda: NAMES)] = "", *arguments: str) -> None:
        """Start a browser with a fresh profile that comes through here; the arguments are for it."""

        async def work() -> None:
            self._console.tell(await self._console.app.start_browser(browser, arguments))

        self._console.start(work())

    # -- what the program does --------------------------------------------------------------------------------------------

    def active_connections(self) -> int:
        """How many clients are connected."""
        return self._console.app.listeners.active_connections

    def listeners(self) -> None:
        """Show the listeners: their modes, where they listen, how they fare; what a client of WireGuard needs, as QR code."""
        listeners = self._console.app.listeners
        report, codes = listeners.report(), list[Line]()
        for each in listeners.configurations():
            report += f"\n\nFor a client of WireGuard, which scans the code below, or has this as a file:\n\n{each}"
            codes += [[], *qr_code(each)]
        self._console.push(TextScreen("Listeners", report.encode(), codes))

    def reading(self) -> bool:
        """Whether rfile is still being read."""
        return self._console.app.is_reading

    # -- panes ------------------------------------------------------------------------------------------------------------

    def layout_cycle(self) -> str:
        """One pane, two above each other, two side by side, one again."""
        following = LAYOUTS[(LAYOUTS.index(self._options.console_layout) + 1) % len(LAYOUTS)]
        self._options.update(console_layout=following)
        return f"layout: {following}"

    def layout_options(self) -> Sequence[str]:
        """The layouts of panes."""
        return list(LAYOUTS)

    def panes_next(self) -> None:
        """The other pane; where there is one pane, the previous tab or field."""
        if self._console.panes.is_split:
            self._console.panes.switch()
        else:
            self._console.top.navigate(Step.PREVIOUS)
