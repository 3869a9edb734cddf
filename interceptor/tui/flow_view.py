"""One flow in detail: two lines of summary, tabs, and the tab's document in a window.

    flow ─ present: heads, details ──────────────────┐
    flow's body ─ BodyView (worker) ─▸ lines ────────┴▸ Document ─▸ ScrolledText ─▸ canvas

Nobody tells this widget what changed in a flow: `refresh()` says that something did, and the document is made anew at the next
drawing. Each tab has a window of its own. Which content view is wanted is remembered for each flow and tab.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final, Protocol

import urwid

from interceptor.model.flow import DnsFlow, Flow, HttpFlow, TcpFlow
from interceptor.tui.body_view import BodyView, RenderBody
from interceptor.tui.canvas_lines import Styles, canvas
from interceptor.tui.flow_settings import FULL_CONTENTS, FlowSettings
from interceptor.tui.present.details import details
from interceptor.tui.present.marks import HELD
from interceptor.tui.present.message import missing_response, request_head, response_head
from interceptor.tui.present.paragraphs import Document, Paragraph, note, spread
from interceptor.tui.present.stream import FEW
from interceptor.tui.present.summary import TITLES, is_held_here, summary, tabs
from interceptor.tui.present.text import Line, readable, width
from interceptor.tui.scrolled_text import ScrolledText
from interceptor.tui.tab_bodies import HeldMessages, TabBodies

_WHEEL_ROWS: Final = 3


class DetailOptions(Protocol):
    showhost: bool
    console_default_contentview: str


class FlowDetail(urwid.Widget):
    """A box widget. Until `show` is called it is empty."""

    _sizing = frozenset([urwid.BOX])
    _selectable = True
    no_cache: ClassVar[list[str]] = ["render"]

    def __init__(
        self,
        options: DetailOptions,
        render_body: RenderBody,
        styles: Styles,
        schedule_redraw: Callable[[], None],
        now: Callable[[], float] = time.time,
        settings: FlowSettings | None = None,
        held_messages: HeldMessages = lambda flow: (),
    ) -> None:
        """`held_messages` are those of a flow that wait."""
        super().__init__()
        self._options = options
        self._settings = settings if settings is not None else FlowSettings()
        self._styles = styles
        self._schedule_redraw = schedule_redraw
        self._now = now
        self._bodies = TabBodies(render_body, BodyView(self._body_arrived), held_messages)
        self._flow: Flow | None = None
        self._tab = "request"
        self._wanted_match: tuple[str, int] | None = None  # when it is drawn: a pattern, and how many matches come before
        self._windows: dict[str, ScrolledText] = {}
        self._made_for: tuple[str, int] | None = None  # the tab and width of the document in the window; None: make it anew
        self._views: dict[tuple[int, str], str] = {}
        self._tab_ends: list[tuple[int, str]] = []
        self._tab_row = 0

    # What is shown

    @property
    def flow(self) -> Flow | None:
        return self._flow

    @property
    def tab(self) -> str:
        return self._tab

    def show(self, flow: Flow, tab: str | None = None) -> None:
        """`tab` None: the one that shows what is held, else the same as before if this flow has it."""
        if flow is not self._flow:
            self.call_off()
            self._flow, self._windows = flow, {}
        names = tabs(flow)
        if tab is None:
            tab = next((name for name in names if is_held_here(flow, name)), self._tab)
        self._tab = tab if tab in names else names[0]
        self.refresh()

    def call_off(self) -> None:
        """Nobody looks at this flow any longer: bodies that are being made readable, and searches, end."""
        for window in self._windows.values():
            window.stop_search()
        self._bodies.call_off()

    def refresh(self) -> None:
        """The flow has changed."""
        if self._flow is not None and self._tab not in tabs(self._flow):
            self._tab = tabs(self._flow)[0]
        self._made_for = None
        self._invalidate()

    def next_tab(self) -> None:
        self._step_tab(1)

    def previous_tab(self) -> None:
        self._step_tab(-1)

    def _step_tab(self, delta: int) -> None:
        if self._flow is not None:
            names = tabs(self._flow)
            self.show(self._flow, names[(names.index(self._tab) + delta) % len(names)])

    def set_content_view(self, name: str) -> None:
        """For the body of this tab of this flow."""
        if self._flow is not None:
            self._views[self._flow.id, self._tab] = name
            self.refresh()

    def content_view(self, tab: str | None = None) -> str:
        """Of that tab of the flow; of the one that is seen if None."""
        chosen = self._views.get((self._flow.id, tab or self._tab)) if self._flow is not None else None
        return chosen or self._options.console_default_contentview or "auto"

    def toggle_full(self) -> None:
        """Pretty-prints a body that is too large for it to be done unasked; shows all messages, not only the newest."""
        if self._flow is not None:
            self._settings.toggle(self._flow, FULL_CONTENTS)
            self.refresh()

    # Moving and searching: the window of this tab does it

    @property
    def _window(self) -> ScrolledText:
        return self._windows.setdefault(self._tab, ScrolledText(self._schedule_redraw))

    def move(self, delta: int) -> None:
        self._window.move(delta)
        self._invalidate()

    def page(self, delta: int) -> None:
        self._window.page(delta)
        self._invalidate()

    def start(self) -> None:
        self._window.start()
        self._invalidate()

    def end(self) -> None:
        self._window.end()
        self._invalidate()

    def scroll_right(self) -> None:
        self._window.shift(1)
        self._invalidate()

    def scroll_left(self) -> None:
        self._window.shift(-1)
        self._invalidate()

    def toggle_wrap(self) -> None:
        self._window.toggle_wrap()
        self._invalidate()

    def search(self, pattern: str, is_backwards: bool) -> str:
        """A regular expression, or text if it is none; capitals matter if there are any. Returns `3/17`, or `not found: …`."""
        self._invalidate()
        return self._window.search(pattern, is_backwards)

    def show_match(self, tab: str, pattern: str, before: int, message: int = 0) -> None:
        """In that tab, behind so many other matches, as soon as it is drawn. `message` is the number of the one that it is in:
        where only the newest are shown, it shows them all."""
        flow = self._flow
        if flow is None:
            return
        if isinstance(flow, HttpFlow):
            count = len(flow.websocket.messages) if flow.websocket is not None else 0
        else:
            count = len(flow.messages) if isinstance(flow, TcpFlow) else 0
        if message and count - message >= FEW and not self._settings.is_on(flow, FULL_CONTENTS):
            self._settings.toggle(flow, FULL_CONTENTS)
        self.show(flow, tab)
        self._wanted_match = pattern, before

    def search_next(self) -> str:
        self._invalidate()
        return self._window.search_next()

    def search_previous(self) -> str:
        self._invalidate()
        return self._window.search_next(is_reversed=True)

    # urwid

    def render(self, size: tuple[int, int], focus: bool = False) -> urwid.Canvas:  # type: ignore[override]
        columns, rows = size
        flow = self._flow
        if flow is None:
            return canvas([], columns, rows, self._styles)
        lines: list[Line] = []
        if rows >= 8:
            lines += summary(flow, columns, self._now(), self._options.showhost)
        self._tab_row = len(lines)
        above = self._tab_row + (1 if rows >= 3 else 0)
        window = self._window
        if self._made_for != (self._tab, columns):
            window.show(self._document(flow, columns), len(window) > 0, self._tab in ("stream", "messages"))
            self._made_for = self._tab, columns
        if self._wanted_match is not None:
            window.resize(columns, max(rows - above, 0))
            window.search(self._wanted_match[0], False, self._wanted_match[1])
            self._wanted_match = None
        visible = window.visible(columns, max(rows - above, 0))
        if rows >= 3:
            lines.append(self._tab_line(flow, columns))
        return canvas(lines + visible, columns, rows, self._styles)

    def _document(self, flow: Flow, columns: int) -> Document:
        tab = self._tab
        if tab == "detail":
            return Document(details(flow, columns, self._now()))
        is_full = self._settings.is_on(flow, FULL_CONTENTS)
        if isinstance(flow, DnsFlow):
            head, lines = self._bodies.dns_message(flow, tab, self.content_view(), is_full)
            return Document(head, lines)
        if not isinstance(flow, HttpFlow) or tab == "messages":
            head, lines = self._bodies.messages(flow, tab, self.content_view(), is_full)
            return Document(head, lines)
        head = request_head(flow) if tab == "request" else response_head(flow)
        if tab == "response" and flow.error is not None and flow.response is not None:
            head = [note(flow.error.message, "error"), Paragraph([]), *head]
        message = flow.request if tab == "request" else flow.response
        if message is None:
            return Document([*head, *missing_response(flow)])
        body_head, lines = self._bodies.body(flow, message, tab, self.content_view(), is_full)
        return Document([*head, *body_head], lines)

    def _body_arrived(self) -> None:
        self._made_for = None
        self._invalidate()
        self._schedule_redraw()

    def _tab_line(self, flow: Flow, columns: int) -> Line:
        line: Line = []
        self._tab_ends = []
        column = 0
        for name in tabs(flow):
            is_held = is_held_here(flow, name)
            title = f" {HELD} {TITLES[name]} " if is_held else f" {TITLES[name]} "
            line.append(("tab selected" if name == self._tab else "tab held" if is_held else "tab", title))
            column += width(title)
            self._tab_ends.append((column, name))
        told = [self._window.search_state()]
        if self._tab != "detail":
            told.append(self.content_view())
        told.append(self._window.position())
        right = "  ".join(readable(each) for each in told if each)
        shown: Line = [("tab", f" {right} ")] if column + width(right) + 2 < columns else []
        return spread(line, shown, columns, "tab")

    def keypress(self, size: tuple[int, int], key: str) -> str | None:  # type: ignore[override]
        """Takes what moves the window, hands everything else back."""
        moves: dict[str, Callable[[], None]] = {
            "up": lambda: self.move(-1),
            "down": lambda: self.move(1),
            "page up": lambda: self.page(-1),
            "page down": lambda: self.page(1),
            "home": self.start,
            "end": self.end,
        }
        if key not in moves:
            return key
        moves[key]()
        return None

    def mouse_event(  # type: ignore[override]
        self, size: tuple[int, int], event: str, button: int, column: int, row: int, focus: bool
    ) -> bool | None:
        if "press" not in event or self._flow is None:
            return False
        if button in (4, 5):
            self.move(_WHEEL_ROWS if button == 5 else -_WHEEL_ROWS)
            return True
        if button != 1 or row != self._tab_row:
            return False
        clicked = next((name for end, name in self._tab_ends if column < end), None)
        if clicked is not None:
            self.show(self._flow, clicked)
        return clicked is not None
