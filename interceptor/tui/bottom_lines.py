"""The lines at the bottom: the facts behind the status line, the hints of the screen, and messages for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from interceptor.model.flow import Flow
from interceptor.tui.application import Application
from interceptor.tui.keymap import Keymap
from interceptor.tui.paint import Line
from interceptor.tui.quick_help import everywhere, hint_line
from interceptor.tui.screens import Screen
from interceptor.tui.status_bar import Status, status_line
from interceptor.tui.status_tags import status_tags

MESSAGE_SECONDS: Final = 5.0

_LABELS: Final = {
    "flowlist": "Flow:",
    "flowview": "Flow:",
    "diff": "Diff:",
    "eventlog": "Events:",
    "help": "Help:",
    "options": "Option:",
    "commands": "List:",
    "keybindings": "Key:",
    "search": "Search:",
    "sessions": "List:",
}
_STYLES: Final = {"error": "status error", "warn": "status warn", "alert": "status alert"}


class BottomLines:
    def __init__(self, app: Application, keymap: Keymap, invalidate: Callable[[], None]) -> None:
        self._app, self._keymap, self._invalidate = app, keymap, invalidate
        self._message: tuple[str, str] | None = None
        self._message_screen: Screen | None = None
        self._timer: asyncio.TimerHandle | None = None

    def status(self, flow: Flow | None, columns: int) -> Line:
        """`flow` is the one that is open, or under the cursor."""
        options, view, replay = self._app.options, self._app.view, self._app.server_replay
        at = view.index(flow) if flow is not None else None
        is_filtered = view.filter is not None or view.show_marked_only
        return status_line(
            Status(
                focus=0 if at is None else at + 1,
                shown=len(view),
                total=len(self._app.store) if is_filtered else len(view),
                held=len(self._app.intercept.held()),
                is_reversed=options.view_order_reversed,
                order=options.view_order,
                is_marked_only=view.show_marked_only,
                intercept=options.intercept,
                is_intercepting=options.intercept_active,
                view_filter=view.filter.text if view.filter is not None else None,
                is_refiltering=view.is_refiltering,
                is_reordering=view.is_reordering,
                is_following=options.console_focus_follow,
                is_follow_paused=view.is_follow_paused,
                tags=status_tags(
                    options,
                    (self._app.replays.count, self._app.replays.total),
                    replay.count if replay.is_active else None,
                    self._app.session_life.remark,
                ),
                addresses=self._app.listeners.describe(),
            ),
            columns,
        )

    def hints(self, screen: Screen, is_lowest: bool, columns: int) -> list[Line]:
        """None, or two lines."""
        if not self._app.options.console_quickhelp_visible:
            return []
        label = _LABELS.get(screen.context, "Edit:")
        first = hint_line(label, screen.hints(), self._keymap, screen.context, columns)
        if screen.is_typing:
            return [first, []]
        general = everywhere(is_lowest, bool(self._app.intercept.held()))
        return [first, hint_line("Proxy:", general, self._keymap, screen.context, columns)]

    def tell(self, message: str, level: str = "info") -> None:
        if not message:
            return
        self._message = (_STYLES.get(level, "strong"), message)
        self._message_screen = None
        if self._timer is not None:
            self._timer.cancel()
        with suppress(RuntimeError):  # before the loop runs, a message stays
            self._timer = asyncio.get_running_loop().call_later(MESSAGE_SECONDS, self._end)
        self._invalidate()

    def message(self, screen: Screen) -> tuple[str, str] | None:
        """(style, text), while there is one. It is for the screen on which it was first seen, and covers no other's hints."""
        if self._message_screen is None:
            self._message_screen = screen
        elif self._message_screen is not screen:
            self._message = None
        return self._message

    def _end(self) -> None:
        self._message = None
        self._invalidate()
