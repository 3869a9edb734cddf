"""The terminal: taken, lent, suspended, and given back whatever happens.

    stopped ◂─ lend() ─▸ ours ─ ctrl z ─▸ shell ─ fg ─▸ ours ─ give_back() ─▸ as it was

urwid's own signal handlers are not used: signals come through the event loop, between two callbacks, so that nothing is
interrupted halfway. While the terminal is lent (to an editor), nothing is drawn and SIGINT is not ours.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import urwid
from urwid.display import raw

from interceptor.tui.picture_colours import FEW_COLOURS
from interceptor.tui.terminal_output import TerminalOutput

ESCAPE_WAIT_SECONDS: Final = 0.05
"""A lone escape is a key when nothing follows it for so long."""


class QuietScreen(raw.Screen):
    """urwid's screen without its signal handlers, and without flow control: ctrl s and ctrl q are keys."""

    def signal_init(self) -> None:
        pass

    def signal_restore(self) -> None:
        pass

    def _start(self, alternate_buffer: bool = True, *args: Any, **kwargs: Any) -> None:
        super()._start(alternate_buffer, *args, **kwargs)
        file_number = self._input_fileno()
        if file_number is not None and os.isatty(file_number):
            settings = termios.tcgetattr(file_number)
            settings[0] &= ~(termios.IXON | termios.IXOFF)
            termios.tcsetattr(file_number, termios.TCSANOW, settings)


class GuardedLoop(urwid.MainLoop):
    """urwid's main loop, whose drawing raises nothing into the event loop."""

    on_drawing: Callable[[], None]
    on_draw_failed: Callable[[Exception], None]
    on_gone: Callable[[], None]
    output: TerminalOutput

    def draw_screen(self) -> None:
        """Not while the terminal is behind: when it has caught up, the newest state is drawn."""
        if not self.screen.started or self.output.is_behind:
            return
        self.on_drawing()
        try:
            super().draw_screen()
        except OSError:
            self.on_gone()
        except Exception as error:
            self.on_draw_failed(error)


class Terminal:
    def __init__(
        self,
        widget: urwid.Widget,
        palette: list[tuple[Any, ...]],
        has_mouse: bool,
        loop: asyncio.AbstractEventLoop,
        on_drawing: Callable[[], None],
        on_draw_failed: Callable[[Exception], None],
        on_gone: Callable[[], None],
    ) -> None:
        """`on_drawing`: all that changed until now is drawn; `on_draw_failed`: nothing can be drawn; `on_gone`: there is no
        terminal any more."""
        self._loop = loop
        self._output = TerminalOutput(sys.stdout.fileno(), loop, self.draw, on_gone, shared=(sys.stdin.fileno(),))
        self.screen = QuietScreen(output=self._output, bracketed_paste_mode=True, focus_reporting=False)
        self.screen.set_terminal_properties(colors=16 if os.environ.get("TERM", "") in FEW_COLOURS else 256)
        self.screen.set_input_timeouts(max_wait=None, complete_wait=ESCAPE_WAIT_SECONDS, resize_wait=ESCAPE_WAIT_SECONDS)
        self._urwid = GuardedLoop(
            widget,
            palette,
            screen=self.screen,
            handle_mouse=has_mouse,
            event_loop=urwid.AsyncioEventLoop(loop=loop),
        )
        self._urwid.on_drawing, self._urwid.on_draw_failed, self._urwid.on_gone = on_drawing, on_draw_failed, on_gone
        self._urwid.output = self._output
        self._signals: list[int] = []
        self._is_lent = False

    @property
    def is_ours(self) -> bool:
        return bool(self.screen.started)

    @property
    def is_lent(self) -> bool:
        return self._is_lent

    def take(self, on_end: Callable[[str], None], on_interrupt: Callable[[], None]) -> None:
        """`on_end` is told which signal wants the program to end; `on_interrupt` is ctrl c."""
        for name in ("SIGTERM", "SIGHUP"):
            self._handle(getattr(signal, name), partial(on_end, name))
        self._handle(signal.SIGINT, lambda: None if self._is_lent else on_interrupt())
        self._handle(signal.SIGTSTP, self.suspend)
        self._handle(signal.SIGWINCH, self._resized)
        self._output.take()
        self._urwid.start()

    def _handle(self, number: int, deed: Callable[[], None]) -> None:
        with suppress(NotImplementedError, ValueError, RuntimeError):
            self._loop.add_signal_handler(number, deed)
            self._signals.append(number)

    def set_palette(self, palette: list[tuple[Any, ...]]) -> None:
        self.screen.register_palette(palette)
        self.screen.clear()

    def set_mouse(self, is_on: bool) -> None:
        self._urwid.handle_mouse = is_on
        if self.is_ours:
            self.screen.set_mouse_tracking(is_on)

    def draw(self) -> None:
        """Nothing if the terminal is not ours now."""
        if self.is_ours:
            self._urwid.draw_screen()

    def lend(self) -> None:
        """From here until `take_back` the terminal is somebody else's."""
        self._is_lent = True
        if self.is_ours:
            self._stop()

    def take_back(self) -> None:
        if self._is_lent:
            self._is_lent = False
            self._restart()

    def suspend(self) -> None:
        """Ctrl z: the shell gets the terminal until it brings us back."""
        was_ours = self.is_ours
        if was_ours:
            self._stop()
        os.kill(os.getpid(), signal.SIGSTOP)
        if was_ours:
            self._restart()

    def give_back(self) -> None:
        """For good, from any state, and never with an exception: this also runs when everything else has failed."""
        for number in self._signals:
            with suppress(Exception):
                self._loop.remove_signal_handler(number)
        self._signals.clear()
        with suppress(Exception):
            if self.is_ours:
                self._stop()
        with suppress(Exception):
            if self.screen.started:  # it did not get to its end
                self.screen.stop()
        self._output.give_back()

    def _stop(self) -> None:
        self._urwid.stop()
        self._output.give_back()

    def _restart(self) -> None:
        self._output.take()
        self._urwid.start()
        self._urwid.screen_size = None
        self.screen.clear()

    def _resized(self) -> None:
        if self.is_ours:
            self._urwid.screen_size = None
            self.screen.clear()
            self.draw()
