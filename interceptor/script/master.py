"""The program as scripts reach it by `ctx.master`: commands, the list of flows, the other scripts, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from interceptor.commands import Commands
from interceptor.model.flow import Flow as Record
from interceptor.options import Options
from interceptor.script.command import Facade, facades_of, records_of
from interceptor.script.flow import Flow


class ListOfFlows(Protocol):
    """What is known of the session's view."""

    focus: Record | None

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Record]: ...


class Session(Protocol):
    """What is known of the session's store."""

    def add(self, flow: Record, /) -> None: ...
    def get(self, flow_id: int, /) -> Record | None: ...


class ScriptCommands:
    """`ctx.master.commands`."""

    def __init__(self, commands: Commands, facade: Facade) -> None:
        self._commands, self.facade = commands, facade

    def call(self, name: str, *arguments: Any) -> Any:
        """With real values, flows among them. UserError if there is no such command, or if it refuses."""
        return facades_of(self._commands.call(name, *(records_of(each) for each in arguments)), self.facade)

    call_strings = call

    def execute(self, line: str) -> Any:
        """As typed in the prompt."""
        return facades_of(self._commands.execute(line), self.facade)


class ScriptView:
    """`ctx.master.view`: the flows that the list shows, in its order."""

    def __init__(self, view: ListOfFlows, store: Session, facade: Facade) -> None:
        self._view, self._store, self._facade = view, store, facade

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[Flow]:
        return (self._facade(flow) for flow in self._view)

    def __getitem__(self, index: int) -> Flow:
        return self._facade(list(self._view)[index])

    def __contains__(self, flow: object) -> bool:
        return isinstance(flow, Flow) and flow.record in list(self._view)

    def get_by_id(self, flow_id: str) -> Flow | None:
        record = self._store.get(int(flow_id)) if flow_id.isdecimal() else None
        return None if record is None else self._facade(record)

    def add(self, flows: Sequence[Flow]) -> None:
        for flow in flows:
            self._store.add(flow.record)

    @property
    def focus(self) -> ScriptView:
        """`ctx.master.view.focus.flow` is the flow under the cursor."""
        return self

    @property
    def flow(self) -> Flow | None:
        return None if self._view.focus is None else self._facade(self._view.focus)


class Addons:
    """`ctx.master.addons`: what scripts have brought, by name. The list of flows is there as "view"."""

    def __init__(self, named: Callable[[str], object | None]) -> None:
        self._named = named

    def get(self, name: str) -> object | None:
        return self._named(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._named(name) is not None


class Master:
    """`ctx.master`."""

    def __init__(
        self,
        options: Options,
        commands: ScriptCommands,
        view: ScriptView,
        named: Callable[[str], object | None],
        shut_down: Callable[[], None],
    ) -> None:
        self.options, self.commands, self.view, self._shut_down = options, commands, view, shut_down
        self.addons = Addons(lambda name: view if name == "view" else named(name))

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def shutdown(self) -> None:
        """Ends the program, as if the user had quit."""
        self._shut_down()
