"""The browser of one run (`interceptor browser`): started when the proxy listens, and what its end means.

    runs ─ start(app) ─▸ app.start_browser ─▸ it ends ─▸ `status` is its own: without a console the run ends, unless it is to stay

A `runs.Companion`, as the program of `interceptor run` is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from interceptor.launch.browsers import NAMES

if TYPE_CHECKING:
    from interceptor.app import App


class BrowserRun:
    """`words` are what was typed: the name of a browser or not, then pages and arguments for it."""

    owns_output = False

    def __init__(self, words: Sequence[str], stays: bool) -> None:
        has_name = bool(words) and words[0].lower() in NAMES
        self._name = words[0].lower() if has_name else ""
        self._arguments = list(words[1:] if has_name else words)
        self._stays = stays
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def start(self, app: App) -> None:
        """UserError if there is no such browser, or it cannot be started."""

        def ended(status: int) -> None:
            app.log("info", f"the browser was closed{f' (status {status})' if status else ''}")
            if not self._ended.done():
                self._ended.set_result(max(status, 0))

        app.log("info", await app.start_browser(self._name, self._arguments, ended))

    async def status(self, stopped: asyncio.Future[int]) -> int:
        """When it has ended, or when we are told to stop."""
        waited_for = [stopped] if self._stays else [self._ended, stopped]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        return self.status_so_far if not stopped.done() else stopped.result()

    @property
    def status_so_far(self) -> int:
        return self._ended.result() if self._ended.done() else 0

    async def close(self) -> None:
        """The app closes its browsers, with their profiles."""
