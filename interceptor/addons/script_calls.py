"""The functions of scripts, called one after the other: plain ones at once, coroutines awaited, errors told and passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

from interceptor.addons.rule_addon import note
from interceptor.addons.script_file import ScriptFile
from interceptor.script.exceptions import AddonHalt
from interceptor.script.flow import Flow
from interceptor.specs.errors import UserError


class Handler(NamedTuple):
    """A hook of a script."""

    file: ScriptFile
    function: Callable[..., Any]


class ScriptCalls:
    """`report(text, flow_id)` puts an error into the event log."""

    def __init__(self, report: Callable[[str, int | None], None]) -> None:
        self._report = report
        self._handlers: Mapping[str, Sequence[Handler]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def set_handlers(self, handlers: Mapping[str, Sequence[Handler]]) -> None:
        self._handlers = handlers

    def has(self, name: str) -> bool:
        return name in self._handlers

    def ask(self, name: str, *arguments: Any) -> Coroutine[Any, Any, None] | None:
        """Calls all handlers of that hook. A coroutine if one has to be waited for: the rest is called as it is awaited."""
        return self._ask(name, self._handlers.get(name, ()), arguments)

    def tell(self, name: str, *arguments: Any) -> None:
        """The same, with nobody waiting."""
        if rest := self.ask(name, *arguments):
            self.start(rest)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside everything else, until `finish`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, seconds: float) -> None:
        """Waits so long for what was started; then it is cancelled."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()

    def _ask(self, name: str, handlers: Sequence[Handler], arguments: tuple[Any, ...]) -> Coroutine[Any, Any, None] | None:
        for index, handler in enumerate(handlers):
            try:
                result = handler.function(*arguments)
            except AddonHalt:
                self._note(handler.file, name, arguments)
                return None
            except Exception as error:
                self.blame(handler.file, name, error, *arguments)
                continue
            if isinstance(result, Coroutine):
                return self._wait(name, result, handlers[index:], arguments)
            self._note(handler.file, name, arguments)
        return None

    async def _wait(
        self, name: str, result: Coroutine[Any, Any, Any], handlers: Sequence[Handler], arguments: tuple[Any, ...]
    ) -> None:
        """Of the first handler, then the rest."""
        try:
            await result
        except AddonHalt:
            return
        except Exception as error:
            self.blame(handlers[0].file, name, error, *arguments)
        finally:
            self._note(handlers[0].file, name, arguments)
        if rest := self._ask(name, handlers[1:], arguments):
            await rest

    def _note(self, file: ScriptFile, name: str, arguments: tuple[Any, ...]) -> None:
        """On the flow, if it was edited, by whom."""
        flow = arguments[0] if arguments else None
        if isinstance(flow, Flow) and flow.was_edited:
            flow.was_edited = False
            note(flow.record, f"scripts {file.given}: {name}")

    def blame(self, file: ScriptFile, what: str, error: BaseException, *subject: object) -> None:
        """Tells the log what the script has done wrong, and to which flow."""
        flow_id = subject[0].record.id if subject and isinstance(subject[0], Flow) else None
        told = error.message if isinstance(error, UserError) else file.blame(error)
        self._report(f"{file.name}: {what} failed: {told}", flow_id)
