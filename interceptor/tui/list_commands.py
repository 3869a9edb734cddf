"""The commands about the list of flows as it is shown: its cursor, order and filter, and settings of single flows.

Names and arguments are mitmproxy's. What one asks for ("view.properties.length") is answered, for the prompt, keys and scripts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Protocol

from interceptor.commands import Choices
from interceptor.model.flow import Flow
from interceptor.session.orders import ORDERS
from interceptor.specs.errors import UserError
from interceptor.tui.application import Application
from interceptor.tui.flow_screens import FlowViewScreen
from interceptor.tui.flow_settings import FULL_CONTENTS, FlowSettings

_KEYS: Final = (FULL_CONTENTS,)
SettingKey = Annotated[str, Choices(lambda: _KEYS)]


class Surroundings(Protocol):
    """What the commands need of the console."""

    def tell(self, message: str) -> None: ...
    def open_flow(self, flow: Flow) -> None: ...
    def current_flow(self) -> Flow | None: ...
    def flow_screen(self) -> FlowViewScreen | None: ...


class ListCommands:
    def __init__(self, app: Application, console: Surroundings, settings: FlowSettings) -> None:
        self._app, self._console, self._settings = app, console, settings

    def register(self) -> None:
        functions: dict[str, Callable[..., object]] = {
            "view.focus.next": self.focus_next,
            "view.focus.prev": self.focus_previous,
            "view.focus.go": self.focus_go,
            "view.focus.follow": self.focus_follow,
            "view.filter.set": self.filter_set,
            "view.flows.resolve": self.resolve,
            "view.order": self.order,
            "view.order.options": self.order_options,
            "view.order.set": self.order_set,
            "view.order.reverse": self.order_reverse,
            "view.properties.length": self.length,
            "view.properties.inbounds": self.in_bounds,
            "view.properties.marked": self.marked,
            "view.properties.marked.toggle": self.marked_toggle,
            "view.settings.getval": self.setting,
            "view.settings.setval": self.set_setting,
            "view.settings.setval.toggle": self.setting_toggle,
        }
        for name, function in functions.items():
            self._app.commands.add(name, function)

    # -- the cursor -------------------------------------------------------------------------------------------------------

    def focus_next(self) -> None:
        """The next flow."""
        self._focus(1)

    def focus_previous(self) -> None:
        """The previous flow."""
        self._focus(-1)

    def focus_go(self, offset: int) -> None:
        """The flow in that row, counted from 0; from the end if negative."""
        view = self._app.view
        if len(view):
            self._show(view[max(0, min(len(view) - 1, offset if offset >= 0 else len(view) + offset))])

    def focus_follow(self) -> None:
        """Follow new flows; go on if that is paused, else follow no longer."""
        view, options = self._app.view, self._app.options
        if view.is_follow_paused:
            view.focus_follow = True
        else:
            options.update(console_focus_follow=not options.console_focus_follow)

    def _focus(self, step: int) -> None:
        view, flow = self._app.view, self._console.current_flow()
        at = view.index(flow) if flow is not None else None
        if at is None:
            if view.focus is not None:  # the flow that is open is not on the list any more
                self._show(view.focus)
            return
        if not 0 <= at + step < len(view):
            self._console.tell("this is the last flow" if step > 0 else "this is the first flow")
            return
        self._show(view[at + step])

    def _show(self, flow: Flow) -> None:
        self._app.view.focus = flow
        if self._console.flow_screen() is not None:
            self._console.open_flow(flow)

    # -- which, and in what order -----------------------------------------------------------------------------------------

    def filter_set(self, filter_expr: str) -> None:
        """Show the flows that match, for now: the option view_filter stays. '' shows all."""
        self._app.view.set_filter(self._app.filter(filter_expr))

    def resolve(self, flow_spec: str) -> Sequence[Flow]:
        """The flows that a flow spec or filter means."""
        resolver = self._app.commands.flow_resolver
        return list(resolver(flow_spec)) if resolver is not None else []

    def order(self) -> str:
        """What the list is sorted by."""
        return self._app.options.view_order

    def order_options(self) -> Sequence[str]:
        """What flows can be sorted by."""
        return list(ORDERS)

    def order_set(self, order_key: Annotated[str, Choices(lambda: ORDERS)]) -> None:
        """Sort the list by this."""
        self._app.options.update(view_order=order_key)

    def order_reverse(self, boolean: bool) -> None:
        """Sort the list the other way round, or not."""
        self._app.options.update(view_order_reversed=boolean)

    # -- what there is to know of it --------------------------------------------------------------------------------------

    def length(self) -> int:
        """How many flows are shown."""
        return len(self._app.view)

    def in_bounds(self, index: int) -> bool:
        """Whether there is a row of that number, counted from 0."""
        return 0 <= index < len(self._app.view)

    def marked(self) -> bool:
        """Whether only marked flows are shown."""
        return self._app.view.show_marked_only

    def marked_toggle(self) -> None:
        """Show marked flows only, or all."""
        self._app.view.show_marked_only = not self._app.view.show_marked_only

    # -- settings of flows ------------------------------------------------------------------------------------------------

    def setting(self, flow: Flow, key: SettingKey, default: str) -> str:
        """How a flow is shown: fullcontents."""
        return self._settings.get(flow, key, default)

    def set_setting(self, flows: Sequence[Flow], key: SettingKey, value: str) -> None:
        """Set how flows are shown: fullcontents true pretty-prints all of a body, however large."""
        for flow in flows:
            self._settings.set(flow, key, value)
        self._refresh(flows)

    def setting_toggle(self, flows: Sequence[Flow], key: SettingKey) -> str:
        """Switch how flows are shown: fullcontents."""
        if not flows:
            raise UserError("there is no flow here")
        for flow in flows:
            self._settings.toggle(flow, key)
        self._refresh(flows)
        return f"{key}: {'on' if self._settings.is_on(flows[0], key) else 'off'}"

    def _refresh(self, flows: Sequence[Flow]) -> None:
        screen = self._console.flow_screen()
        if screen is not None and screen.flow in flows:
            screen.detail.refresh()
