"""The console's own commands: going about, prompts, choosers, searching, editing, options. What the keys run.

Names and arguments are mitmproxy's where it has the command; `console.undo`, `console.redo` and `console.search…` are ours. A
command that was given to another one ("{choice}" is what was chosen) runs as if it had been typed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Protocol

from interceptor.commands import Choices, CommandName, OptionName, quote
from interceptor.model.flow import Flow, HttpFlow
from interceptor.specs.errors import UserError
from interceptor.tui import edit_flow
from interceptor.tui.application import Application
from interceptor.tui.chooser import Chooser
from interceptor.tui.command_line import CommandLine
from interceptor.tui.edit_choices import EditChoices
from interceptor.tui.editing import Editing, Shell
from interceptor.tui.event_log_screen import EventLogScreen
from interceptor.tui.flow_changes import FlowChanges
from interceptor.tui.flow_screens import FlowViewScreen
from interceptor.tui.flow_view import FlowDetail
from interceptor.tui.grid_commands import GridCommands
from interceptor.tui.help_screen import HelpScreen
from interceptor.tui.history import History
from interceptor.tui.history_commands import HistoryCommands
from interceptor.tui.keymap import Keymap
from interceptor.tui.panes import Panes
from interceptor.tui.prompt import Prompt
from interceptor.tui.screens import Screen, Stack, Step
from interceptor.tui.search_commands import SearchCommands


class Desk(Shell, Protocol):
    """What the commands need of the console."""

    app: Application
    keymap: Keymap
    line: CommandLine
    changes: FlowChanges
    history: History
    search_history: History
    stack: Stack
    panes: Panes
    chooser: Chooser | None

    @property
    def top(self) -> Screen: ...
    def execute(self, line: str) -> None: ...
    def choose(self, chooser: Chooser) -> None: ...
    def open_flow(self, flow: Flow) -> None: ...
    def current_flow(self) -> Flow | None: ...
    def flow_screen(self) -> FlowViewScreen | None: ...
    def quit_politely(self) -> None: ...
    def invalidate(self) -> None: ...
    def make_event_log(self) -> EventLogScreen: ...


class ConsoleCommands:
    def __init__(self, console: Desk) -> None:
        self._console = console
        self._app = console.app
        self._choices = EditChoices(console.app, self._content_view)
        self._editing = Editing(console, console.changes, console.app.options, self._choices)

    def register(self) -> None:
        add = self._app.commands.add
        for step in Step:
            add(f"console.nav.{step.value}", self._navigator(step), f"Go: {step.value}.")
        functions: dict[str, Callable[..., object]] = {
            "console.command": self.command,
            "console.command.set": self.command_set,
            "console.command.confirm": self.command_confirm,
            "console.choose": self.choose,
            "console.choose.cmd": self.choose_command,
            "console.view.help": self.view_help,
            "console.view.eventlog": self.view_eventlog,
            "console.view.flow": self.view_flow,
            "console.view.pop": self.view_pop,
            "console.exit": self.exit,
            "console.undo": self.undo,
            "console.redo": self.redo,
            "console.search": self.search,
            "console.search.next": self.search_next,
            "console.search.previous": self.search_previous,
            "console.edit.focus": self.edit_focus,
            "console.edit.focus.options": self.edit_focus_options,
            "console.bodyview": self.bodyview,
            "console.bodyview.options": self.bodyview_options,
            "console.flowview.mode": self.flowview_mode,
            "console.flowview.mode.set": self.flowview_mode_set,
            "console.flowview.mode.options": self.flowview_mode_options,
            "console.flowview.wrap": self.flowview_wrap,
            "console.flowview.shift": self.flowview_shift,
            "eventstore.clear": self.eventlog_clear,
        }
        for name, function in functions.items():
            add(name, function)
        GridCommands(self._app.commands, self._editing, lambda: self._console.top).register()
        HistoryCommands(self._app.commands, self._console.history).register()
        SearchCommands(self._console).register()

    def _navigator(self, step: Step) -> Callable[[], None]:
        def navigate() -> None:
            self._console.top.navigate(step)

        return navigate

    # -- prompts and choosers ---------------------------------------------------------------------------------------------

    def command(self, *command_str: str) -> None:
        """Open the command prompt, with this in it."""
        line = " ".join(quote(word) for word in command_str)
        is_open = bool(command_str) and not command_str[-1]
        if command_str and not is_open:
            line += " " if len(command_str) == 1 else ""
        self.open_prompt(line, len(line) - 1 if is_open else None)

    def command_set(self, option_name: OptionName) -> None:
        """Open the command prompt with the option's value in it."""
        self.open_prompt(self._console.line.set_line(option_name))

    def open_prompt(self, line: str, position: int | None = None) -> None:
        """The command prompt with that line in it."""
        console = self._console

        def done(text: str | None) -> None:
            console.close_prompt()
            if text is not None and text.strip():
                console.history.add(text)
                console.execute(text)

        console.open_prompt(
            Prompt(": ", done, line, position, console.line.complete, console.history, console.line.is_known, console.line.hint)
        )

    def command_confirm(self, prompt: str, cmd: CommandName, *args: str) -> None:
        """Run a command if the user says yes."""
        line = _line(cmd, args)
        self._console.ask(prompt, [("y", "yes"), ("n", "no")], lambda key: self._console.execute(line) if key == "y" else None)

    def choose(self, prompt: str, choices: Sequence[str], cmd: CommandName, *args: str) -> None:
        """Let the user choose, and run a command with {choice} in it."""
        self._choose(prompt, list(choices), cmd, args)

    def choose_command(self, prompt: str, choicecmd: CommandName, subcmd: CommandName, *args: str) -> None:
        """The same with the choices that another command gives."""
        choices = self._app.commands.call(choicecmd)
        if not isinstance(choices, (list, tuple)):
            raise UserError(f"{choicecmd} gives no choices")
        self._choose(prompt, [str(each) for each in choices], subcmd, args, *self._more_about(choicecmd))

    def _more_about(self, choicecmd: str) -> tuple[str | None, Sequence[str]]:
        """What is chosen now, and the keys of the choices if they have their own."""
        if choicecmd == "view.order.options":
            return self._app.options.view_order, ()
        if choicecmd == "console.flowview.mode.options":
            return self.flowview_mode(), ()
        if choicecmd == "console.edit.focus.options":
            return None, [part.shortcut for part in self._choices.parts(self._flow())]
        return None, ()

    def _choose(
        self,
        prompt: str,
        choices: list[str],
        cmd: str,
        args: Sequence[str],
        current: str | None = None,
        shortcuts: Sequence[str] = (),
    ) -> None:
        console = self._console
        if not choices:
            raise UserError("there is nothing to choose from")

        def chosen(choice: str | None) -> None:
            console.chooser = None
            if choice is not None:
                console.execute(_line(cmd, [arg.replace("{choice}", choice) for arg in args]))

        console.choose(Chooser(prompt, choices, chosen, current, shortcuts))

    # -- screens ----------------------------------------------------------------------------------------------------------

    def view_help(self) -> None:
        """Keys of this screen, and filter expressions."""
        from interceptor.specs.filter import operators

        described = []
        for each in operators():
            described.append((f"{each.name} {each.argument}".strip(), each.help + (f"   {each.example}" if each.example else "")))
        self._console.push(HelpScreen(self._console.keymap, self._console.top.context, described))

    def view_eventlog(self) -> None:
        """What the program had to say."""
        console = self._console
        if console.panes.is_split and len(console.stack) == 1:
            console.panes.focus(console.panes.beside)
            return
        for screen in list(console.stack):
            if isinstance(screen, EventLogScreen):
                console.close(screen)
        console.push(console.make_event_log())

    def view_flow(self, flow: Flow) -> None:
        """Open a flow."""
        self._console.open_flow(flow)

    def view_pop(self) -> None:
        """Leave this screen; from the list of flows, quit."""
        console = self._console
        screen = console.stack.top  # beside the list, it is what one leaves first
        if len(console.stack) > 1:
            screen.leave(lambda: console.close(screen))
        elif console.top is screen:
            console.quit_politely()
        else:
            console.panes.focus(screen)

    def exit(self) -> None:
        """Quit; asks only if something would be lost."""
        self._console.quit_politely()

    def undo(self) -> str:
        """Take the last change back."""
        label = self._app.undo.undo()
        return f"undone: {label}" if label is not None else "there is nothing to undo"

    def redo(self) -> str:
        """Do again what was undone."""
        label = self._app.undo.redo()
        return f"done again: {label}" if label is not None else "there is nothing to do again"

    def search(self, pattern: str = "") -> None:
        """Search this screen; a regular expression."""
        console = self._console

        def done(text: str | None) -> None:
            console.close_prompt()
            if text is not None:
                console.search_history.add(text)
                console.tell(console.top.search(text, False))

        if pattern:
            console.tell(console.top.search(pattern, False))
        else:
            console.open_prompt(Prompt("/", done, history=console.search_history))

    def search_next(self) -> str:
        """The next match."""
        return self._console.top.search_next()

    def search_previous(self) -> str:
        """The previous match."""
        return self._console.top.search_previous()

    # -- one flow ---------------------------------------------------------------------------------------------------------

    def _flow(self) -> Flow:
        flow = self._console.current_flow()
        if flow is None:
            raise UserError("there is no flow here")
        return flow

    def edit_focus(self, flow_part: str) -> None:
        """Edit a part of the flow."""
        self._editing.edit(self._flow(), flow_part)

    def edit_focus_options(self) -> Sequence[str]:
        """Parts of the flow that can be edited."""
        return [part.name for part in self._choices.parts(self._flow())]

    def bodyview(self, flow: Flow, part: Annotated[str, Choices(lambda: ("request", "response"))]) -> None:
        """Show a body in $PAGER."""
        body = edit_flow.part_named(flow, f"{part}-body")
        content_type = edit_flow.message_of(flow, body).headers.get("content-type") or ""
        self._console.start(self._editing.view(edit_flow.read_content(flow, body), content_type))

    def bodyview_options(self) -> Sequence[str]:
        """Messages of the flow whose bodies can be shown."""
        flow = self._flow()
        if not isinstance(flow, HttpFlow):
            return []
        return ["request", *(["response"] if flow.response is not None else [])]

    def flowview_mode(self) -> str:
        """The content view of the flow that is open."""
        screen = self._console.flow_screen()
        return screen.detail.content_view() if screen is not None else self._app.options.console_default_contentview

    def flowview_mode_set(self, mode: str) -> None:
        """Show the body in this content view."""
        self._open_detail().set_content_view(mode)

    def flowview_mode_options(self) -> Sequence[str]:
        """The content views there are."""
        from interceptor.contentviews.registry import names

        return list(names())

    def _content_view(self, flow: Flow, tab: str) -> str:
        screen = self._console.flow_screen()
        if screen is not None and screen.flow is flow:
            return screen.detail.content_view(tab)
        return self._app.options.console_default_contentview or "auto"

    def flowview_wrap(self) -> None:
        """Wrap long lines, or cut them and shift the window."""
        self._open_detail().toggle_wrap()

    def flowview_shift(self, direction: Literal["left", "right"]) -> None:
        """Shift the window over long lines."""
        detail = self._open_detail()
        (detail.scroll_left if direction == "left" else detail.scroll_right)()

    def _open_detail(self) -> FlowDetail:
        if (screen := self._console.flow_screen()) is None:
            raise UserError("no flow is open")
        return screen.detail

    # -- the event log ----------------------------------------------------------------------------------------------------

    def eventlog_clear(self) -> None:
        """Empty the event log."""
        self._app.eventlog.clear()
        for screen in self._console.panes.screens():
            if isinstance(screen, EventLogScreen):
                screen.clear()


def _line(command: str, arguments: Sequence[str]) -> str:
    return " ".join([command, *(quote(argument) for argument in arguments)])
