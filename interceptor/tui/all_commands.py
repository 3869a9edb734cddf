"""All commands that the console adds to the program's, put together once."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from interceptor.option_commands import OptionCommands
from interceptor.tui.console_commands import ConsoleCommands
from interceptor.tui.console_commands import Desk as ConsoleDesk
from interceptor.tui.diff_commands import DiffCommands
from interceptor.tui.export_commands import ExportCommands
from interceptor.tui.flow_commands import FlowCommands
from interceptor.tui.flow_settings import FlowSettings
from interceptor.tui.list_commands import ListCommands
from interceptor.tui.message_commands import MessageCommands
from interceptor.tui.replay_commands import ReplayCommands
from interceptor.tui.screen_commands import Desk as ScreenDesk
from interceptor.tui.screen_commands import ScreenCommands
from interceptor.tui.server_replay_commands import ServerReplayCommands
from interceptor.tui.session_commands import Desk as SessionDesk
from interceptor.tui.session_commands import SessionCommands


class Desk(ConsoleDesk, ScreenDesk, SessionDesk, Protocol):
    """What the commands need of the console."""

    flow_commands: FlowCommands
    flow_settings: FlowSettings

    def copy(self, text: str) -> None: ...
    def start(self, work: Coroutine[Any, Any, None]) -> None: ...


def register_all(console: Desk) -> None:
    """ValueError if it was done before."""
    app = console.app
    if "set" not in app.commands.names():
        OptionCommands(app.commands, app.options)
    commands = ConsoleCommands(console)
    commands.register()
    ScreenCommands(console, commands.open_prompt).register()
    console.flow_commands.register()
    ReplayCommands(app, console, console.tell, console.start).register()
    DiffCommands(app, console, console.invalidate).register()
    ServerReplayCommands(app, console.tell).register()
    ListCommands(app, console, console.flow_settings).register()
    MessageCommands(app, console.tell).register()
    SessionCommands(console).register()
    ExportCommands(app, console, console.flow_commands.saved).register()
