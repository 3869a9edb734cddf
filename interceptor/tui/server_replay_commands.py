"""The commands of server replay: which recorded responses answer requests, and how many are left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from interceptor.model.flow import Flow
from interceptor.specs.errors import UserError
from interceptor.tui.application import Application


class ServerReplayCommands:
    def __init__(self, app: Application, tell: Callable[[str], None]) -> None:
        self._app, self._tell = app, tell

    def register(self) -> None:
        for name, function in (
            ("replay.server", self.replace),
            ("replay.server.add", self.add),
            ("replay.server.file", self.file),
            ("replay.server.count", self.count),
            ("replay.server.stop", self.stop),
        ):
            self._app.commands.add(name, function)

    def replace(self, flows: Sequence[Flow]) -> None:
        """Answer requests with the responses of these flows, and no others."""
        self._report(self._app.server_replay.replace(flows))

    def add(self, flows: Sequence[Flow]) -> None:
        """Answer requests with the responses of these flows, too."""
        self._report(self._app.server_replay.add(flows))

    def file(self, path: Path) -> None:
        """Answer requests with the responses of a file, and no others."""
        options = self._app.options
        if list(options.server_replay) == [str(path)]:
            self._app.server_replay.load()  # it may be another by now
        else:
            options.update(server_replay=[str(path)])
        self._report(self._app.server_replay.count)

    def count(self) -> int:
        """How many recorded responses are left."""
        return self._app.server_replay.count

    def stop(self) -> None:
        """End server replay."""
        self._app.options.update(server_replay=[])
        self._app.server_replay.stop()
        self._tell("requests go to their servers again")

    def _report(self, count: int) -> None:
        if not count:
            raise UserError("none of these has a response that could be replayed")
        self._tell("1 response answers requests" if count == 1 else f"{count} responses answer requests")
