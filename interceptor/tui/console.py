"""The console: screens, prompt, chooser, keys and messages on one terminal, inside the loop that everything else runs in.

    terminal ─▸ Frame.keypress ─▸ key(): prompt | chooser | screen that edits | keymap ─▸ execute(command line)
    store, view, options, event log ─▸ invalidate() ─▸ at most thirty drawings a second

Whatever goes wrong in here is one line in the event log and a message; the loop and the proxy go on. The terminal is given back
in every case. If drawing itself is impossible, `run` ends, leaves the traceback in a file and says where in one sentence.
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Any, Final

from interceptor.eventlog import Entry
from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.specs.errors import UserError
from interceptor.tui import palettes
from interceptor.tui.all_commands import register_all
from interceptor.tui.application import Application
from interceptor.tui.bottom_lines import BottomLines
from interceptor.tui.chooser import Chooser
from interceptor.tui.clipboard import copy_sequence
from interceptor.tui.command_line import CommandLine
from interceptor.tui.crash_note import crash_note
from interceptor.tui.event_log_screen import EventLogScreen
from interceptor.tui.flow_changes import FlowChanges
from interceptor.tui.flow_choice import open_one_of
from interceptor.tui.flow_commands import FlowCommands
from interceptor.tui.flow_list import FlowListBox
from interceptor.tui.flow_screens import FlowListScreen, FlowViewScreen
from interceptor.tui.flow_settings import FlowSettings
from interceptor.tui.flow_view import FlowDetail
from interceptor.tui.frame import Asking, Frame
from interceptor.tui.history import History
from interceptor.tui.keymap import Keymap
from interceptor.tui.paint import Line
from interceptor.tui.panes import Panes
from interceptor.tui.present.first_steps import first_steps
from interceptor.tui.prompt import Prompt, Question
from interceptor.tui.redraw import Redraw
from interceptor.tui.screens import Screen, Stack
from interceptor.tui.terminal import Terminal

LIVE_SECONDS: Final = 0.5
"""How often durations of running flows are drawn anew."""
PREPARE_AFTER_SECONDS: Final = 1.0  # then what opening a flow needs is loaded, so that nobody waits for it


class Console:
    """One run of it. `await run()` from the loop that the app lives in."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.keymap = Keymap()
        self._bottom = BottomLines(app, self.keymap, self.invalidate)
        self.prompt: Asking | None = None
        self.chooser: Chooser | None = None
        self.line = CommandLine(app.commands, app.options)
        self.changes = FlowChanges(app.store, app.undo)
        self.flow_commands = FlowCommands(app, self.changes, self.tell, self.start)
        self.flow_settings = FlowSettings()
        self.history = History(self._history_path())
        self.search_history = History()
        list_box = FlowListBox(app.view, app.options, {}, self._empty_text)
        self.flow_list = FlowListScreen(list_box, app.view, self.open_flow, self._show_beside, self._order_by)
        self.stack = Stack(self.flow_list)
        self.panes = Panes(self.stack, self.make_event_log)
        self.panes.layout = app.options.console_layout
        self.panes.has_titles = app.options.console_layout_headers
        self._pasted: list[str] | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._last_failure = ""
        self._ended: asyncio.Future[int] | None = None
        self._terminal: Terminal | None = None
        self._redraw: Redraw | None = None

    def _history_path(self) -> Any:
        return self.app.options.confdir_path / "command_history" if self.app.options.command_history else None

    # -- life -------------------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Returns when the user quits or a signal ends the program: 0, or 1 after a failure that ended the console."""
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        self._redraw = Redraw(loop.call_later, self._draw, monotonic)
        options = self.app.options
        self._terminal = Terminal(
            Frame(self, self._guarded),
            self._palette(),
            options.console_mouse,
            loop,
            self._redraw.drawn,
            self._draw_failed,
            self._gone,
        )
        previous_handler = loop.get_exception_handler()
        loop.set_exception_handler(self._loop_exception)
        ends = [options.subscribe(self._options_changed), self.app.eventlog.subscribe(self._logged)]
        self.app.view.subscribe(self.invalidate)
        self.app.store.subscribe(self)
        resolve = self.app.commands.flow_resolver
        try:
            self._register(resolve)
            self._terminal.take(self._signalled, self._interrupted)
            for work in (self._redraw_live(), self._prepare()):
                self._work.add(loop.create_task(work))
            return await self._ended
        except Exception as error:
            self._terminal.give_back()
            print(crash_note(error), file=sys.stderr)
            return 1
        finally:
            self._terminal.give_back()
            self._terminal = None
            self.app.commands.flow_resolver = resolve
            self.app.store.unsubscribe(self)
            for end in ends:
                end()
            loop.set_exception_handler(previous_handler)
            for task in list(self._work):
                task.cancel()

    def register_commands(self) -> None:
        """All commands that the console adds to the program's. Once."""
        register_all(self)

    def _register(self, resolve: Callable[[str], Sequence[Flow]] | None) -> None:
        if "console.exit" not in self.app.commands.names():
            self.register_commands()

        def resolve_here(spec: str) -> Sequence[Flow]:
            if spec == "@focus" and (flow := self.current_flow()) is not None:
                return [flow]
            return resolve(spec) if resolve is not None else []

        self.app.commands.flow_resolver = resolve_here
        path = self.app.options.confdir_path / "keys.yaml"
        if path.exists():
            try:
                self.keymap.load(path)
            except UserError as error:
                self.tell(error.message, "error")

    def quit(self, status: int = 0) -> None:
        """At once."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(status)

    def quit_politely(self) -> None:
        """Asks if something would be lost."""
        held = len(self.app.intercept.held())
        is_kept = self.app.options.save_stream_file or self.app.session_life.is_kept
        unsaved = 0 if is_kept else self.flow_commands.unsaved_count()
        if not held and not unsaved:
            self.quit()
            return
        losses = [f"{held} held {'flow ends' if held == 1 else 'flows end'}"] if held else []
        losses += [f"{unsaved} unsaved {'flow is' if unsaved == 1 else 'flows are'} lost"] if unsaved else []
        answers = [("y", "quit"), ("Q", ""), ("n", "stay")]
        self.ask(f"Quit? {' and '.join(losses)}.", answers, lambda key: self.quit() if key in "yQ" else None)

    def _signalled(self, name: str) -> None:
        self.app.eventlog.add("info", f"{name}: the program ends")
        self.quit()

    def _interrupted(self) -> None:
        """Ctrl c: leaves what is open, then asks to quit; a second one does not ask."""
        if isinstance(self.prompt, Question) or self.chooser is not None or self.prompt is not None:
            is_question = isinstance(self.prompt, Question)
            self._cancel_overlay()
            if is_question:
                self.quit()
        else:
            self._guarded(self.quit_politely)

    def _cancel_overlay(self) -> None:
        if self.prompt is not None:
            self.prompt.cancel()
        elif self.chooser is not None:
            self.chooser.cancel()
        self.invalidate()

    def _gone(self) -> None:
        """There is no terminal any more."""
        self.app.eventlog.add("error", "the terminal is gone; the program ends")
        self.quit()

    # -- failures ---------------------------------------------------------------------------------------------------------

    def _guarded(self, deed: Callable[[], None]) -> None:
        """Carries out what the user wants; what it raises becomes a message."""
        try:
            deed()
        except UserError as error:
            self.tell(error.message, "error")
        except Exception as error:
            self.app.eventlog.add_exception("unexpected error", error)
        self.invalidate()

    def drawing_failed(self, error: Exception) -> None:
        """A screen could not be drawn. Said once, not thirty times a second."""
        if self._last_failure != repr(error):
            self._last_failure = repr(error)
            self.app.eventlog.add_exception("this screen cannot be drawn", error)

    def _draw_failed(self, error: Exception) -> None:
        """Nothing can be drawn at all."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)

    def _loop_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno == errno.EIO:
            self._gone()
            return
        self.app.eventlog.on_loop_exception(loop, context)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs beside the rest; what it raises is shown."""

        async def guarded() -> None:
            try:
                await work
            except UserError as error:
                self.tell(error.message, "error")
            except Exception as error:
                self.app.eventlog.add_exception("unexpected error", error)
            self.invalidate()

        task = asyncio.get_running_loop().create_task(guarded())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    # -- drawing ----------------------------------------------------------------------------------------------------------

    def invalidate(self) -> None:
        """Something that is shown has changed."""
        if self._redraw is not None:
            self._redraw.request()

    def _draw(self) -> None:
        if self._terminal is not None:
            self._terminal.draw()

    async def _redraw_live(self) -> None:
        """Durations of running flows go on while nothing happens."""
        while True:
            await asyncio.sleep(LIVE_SECONDS)
            if any(flow.is_live for flow in self._visible_flows()):
                self.invalidate()

    async def _prepare(self) -> None:
        await asyncio.sleep(PREPARE_AFTER_SECONDS)
        await asyncio.to_thread(importlib.import_module, "interceptor.contentviews.registry")

    def _visible_flows(self) -> Sequence[Flow]:
        flow, view = self.app.view.focus, self.app.view
        at = view.index(flow) if flow is not None else None
        return view[max(0, (at or 0) - 100) : (at or 0) + 100]

    def _palette(self) -> list[Any]:
        return list(palettes.palette(self.app.options.console_palette, self.app.options.console_palette_transparent))

    def status(self, columns: int) -> Line:
        return self._bottom.status(self.current_flow(), columns)

    def hints(self, columns: int) -> list[Line]:
        return self._bottom.hints(self.top, len(self.stack) == 1 and self.top is self.flow_list, columns)

    def message(self) -> tuple[str, str] | None:
        return self._bottom.message(self.top)

    def tell(self, message: str, level: str = "info") -> None:
        """A sentence at the bottom, for a while."""
        self._bottom.tell(message, level)

    def _empty_text(self) -> Sequence[str]:
        return first_steps(self.app.listeners.describe(), self.app.listeners.on_network(), self.app.options.onboarding_host)

    # -- what happened elsewhere ------------------------------------------------------------------------------------------

    def flows_added(self, flows: list[Flow]) -> None:
        self.invalidate()

    def flows_returned(self, flow_ids: Sequence[int], live: list[Flow]) -> None:
        self.invalidate()

    def flows_changed(self, flows: list[Flow]) -> None:
        for screen in self.stack:
            if isinstance(screen, FlowViewScreen) and screen.flow in flows:
                screen.detail.refresh()
        self.invalidate()

    def flows_removed(self, flow_ids: Sequence[int]) -> None:
        self.flow_commands.saved.difference_update(flow_ids)
        self.flow_settings.forget(flow_ids)
        screen = self.flow_screen()
        if screen is not None and screen.flow is not None and screen.flow.id in flow_ids:
            if (following := self.app.view.focus) is not None:
                screen.detail.show(following)
            else:
                self.close(screen)
        self.invalidate()

    def _logged(self, entry: Entry) -> None:
        for screen in self.panes.screens():
            if isinstance(screen, EventLogScreen):
                screen.add(entry)
        if entry.level in ("alert", "warn", "error"):
            self.tell(entry.message.partition("\n")[0], entry.level)
        self.invalidate()

    def _options_changed(self, options: Options, names: set[str]) -> None:
        if self._terminal is not None:
            if names & {"console_palette", "console_palette_transparent"}:
                self._terminal.set_palette(self._palette())
            if "console_mouse" in names:
                self._terminal.set_mouse(options.console_mouse)
        if "console_layout" in names:
            self.panes.layout = options.console_layout
        self.panes.has_titles = options.console_layout_headers
        self.invalidate()

    # -- screens ----------------------------------------------------------------------------------------------------------

    @property
    def top(self) -> Screen:
        """The screen that has the keys."""
        return self.panes.focused

    def current_flow(self) -> Flow | None:
        """What "@focus" means: the flow that is open, else the one under the cursor."""
        for screen in reversed(list(self.stack)) if self.top is not self.flow_list else ():
            if isinstance(screen, FlowViewScreen):
                return screen.flow
        return self.app.view.focus

    def flow_screen(self) -> FlowViewScreen | None:
        return next((screen for screen in self.stack if isinstance(screen, FlowViewScreen)), None)

    def session_opened(self) -> None:
        """Another one than before: what is open is of flows that are not there any more."""
        self.flow_commands.saved.clear()
        self.flow_settings.clear()
        for screen in list(self.stack):
            if isinstance(screen, FlowViewScreen):
                self.close(screen)

    def push(self, screen: Screen) -> None:
        self.stack.push(screen)
        self.panes.opened()
        self.invalidate()

    def close(self, screen: Screen) -> None:
        self.stack.remove(screen)
        self.panes.closed()
        self.invalidate()

    def open_flow(self, flow: Flow) -> None:
        screen = self.flow_screen()
        if screen is None:
            from interceptor.contentviews.registry import render_body

            held = self.app.intercept.messages_of
            detail = FlowDetail(
                self.app.options, render_body, {}, self.invalidate, settings=self.flow_settings, held_messages=held
            )
            screen = FlowViewScreen(detail)
            screen.detail.show(flow)
            self.push(screen)
        else:
            screen.detail.show(flow)
            self.panes.focus(screen)
        self.app.view.focus = flow
        self.app.view.pause_following()
        self.invalidate()

    def _show_beside(self, flow: Flow) -> None:
        """The cursor of the list is on this flow: a flow that is open beside it gives way."""
        screen = self.flow_screen()
        if screen is not None and self.panes.is_split:
            screen.detail.show(flow)

    def _order_by(self, order: str) -> None:
        """A column's title was clicked: the list is sorted by it; if it is already, the other way round."""
        options = self.app.options
        is_same = options.view_order == order
        options.update(view_order=order, view_order_reversed=is_same and not options.view_order_reversed)

    def make_event_log(self) -> EventLogScreen:
        def open_flows(flow_ids: Sequence[int]) -> None:
            open_one_of(self, flow_ids, self.app.store.get)

        return EventLogScreen(list(self.app.eventlog.entries), self.app.options.console_eventlog_verbosity, open_flows)

    def open_prompt(self, prompt: Prompt) -> None:
        self.prompt = prompt
        self.invalidate()

    def close_prompt(self) -> None:
        self.prompt = None
        self.invalidate()

    def ask(self, text: str, answers: Sequence[tuple[str, str]], on_answer: Callable[[str], None]) -> None:
        def answered(key: str) -> None:
            if self.prompt is question:
                self.prompt = None
            self._guarded(lambda: on_answer(key))

        question = Question(text, answers, answered)
        self.prompt = question
        self.invalidate()

    def choose(self, chooser: Chooser) -> None:
        self.chooser = chooser
        self.invalidate()

    # -- the terminal of others -------------------------------------------------------------------------------------------

    def lend_terminal(self) -> None:
        if self._terminal is not None:
            self._terminal.lend()

    def copy(self, text: str) -> None:
        """Into the clipboard of the machine that the terminal is on. UserError if it is too long."""
        sequence = copy_sequence(text, os.environ)
        if self._terminal is not None and self._terminal.is_ours:
            self._terminal.screen.write(sequence)
            self._terminal.screen.flush()

    def take_terminal_back(self) -> None:
        if self._terminal is not None:
            self._terminal.take_back()
            self.invalidate()

    # -- keys -------------------------------------------------------------------------------------------------------------

    def key(self, key: str) -> None:
        """Everything that is typed, one key at a time."""
        if key == "begin paste":
            self._pasted = []
        elif key == "end paste":
            text, self._pasted = "".join(self._pasted or []), None
            self._paste(text)
        elif self._pasted is not None:
            self._pasted.append({"enter": "\n", "tab": "\t"}.get(key, key if len(key) == 1 else ""))
        elif key in ("focus in", "focus out", "window resize"):
            return
        elif key == "ctrl l" and not self._redraw_all():
            pass
        elif self.prompt is not None:
            self.prompt.keypress(key)
        elif self.chooser is not None:
            self.chooser.keypress(key)
        elif not self.top.take(key):
            binding = self.keymap.find(self.top.context, key)
            if binding is not None:
                self.execute(binding.command)

    def _redraw_all(self) -> bool:
        """Draws everything anew, what another program has written over, too. True if ctrl l means more on this screen."""
        if self._terminal is not None:
            self._terminal.screen.clear()
        is_free = self.prompt is None and self.chooser is None
        return is_free and self.keymap.find(self.top.context, "ctrl l") is not None

    def _paste(self, text: str) -> None:
        if self.prompt is not None:
            self.prompt.paste(text)
        elif not self.top.paste(text):
            self.tell("a paste goes into a prompt or an editor; : opens one")

    def execute(self, line: str) -> None:
        """A command line; what it returns is shown. UserError if it is not right."""
        result = self.line.execute(line)
        if isinstance(result, str):
            self.tell(result)
        elif isinstance(result, (bool, int)):
            self.tell(str(result).lower())
        elif isinstance(result, (list, tuple)):
            texts = [f"@{each.id}" if isinstance(each, Flow) else str(each) for each in result]
            self.tell(", ".join(texts) or "nothing")
