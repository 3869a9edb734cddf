"""Browsers that are started so that they come through the proxy: any number, each with a profile that nobody else has.

    start(name, Way) ─▸ profile folder ─▸ the browser as a child process ─▸ it ends, or we do ─▸ the folder is gone

A thread per browser waits for its end; nothing here holds up the event loop. `close` ends all that still run.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from interceptor.launch.browsers import (
    FIREFOX_ENVIRONMENT,
    Installed,
    Machine,
    chromium_arguments,
    firefox_arguments,
    firefox_preferences,
)
from interceptor.specs.errors import UserError

END_SECONDS: Final = 3.0
"""What a browser may take to end before it is killed."""
CERTUTIL_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Way:
    """Through which proxy, and whom to trust there."""

    host: str
    port: int
    ca_file: Path
    trusted_keys: Sequence[str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that it takes to start a browser once."""

    profile: Path
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Beside our own."""
    note: str = ""
    """What the user has to know."""


@dataclass(eq=False, slots=True)
class _Running:
    name: str
    profile: Path
    process: subprocess.Popen[bytes]
    waiter: threading.Thread | None = None
    is_ended_by_us: bool = False
    ended: Callable[[int], None] = lambda status: None


class Browsers:
    def __init__(self, report: Callable[[str], None], machine: Machine | None = None) -> None:
        """`report` gets a sentence when a browser ended by a failure of its own; it is called in the loop."""
        self._report, self._machine = report, machine or Machine()
        self._running: list[_Running] = []

    async def start(
        self, name: str, way: Way, arguments: Sequence[str] = (), ended: Callable[[int], None] = lambda status: None
    ) -> str:
        """Starts the browser of that name, the first there is if it is empty; `arguments` are for it, a page for example. What
        to tell the user; when it has ended by itself, `ended` gets its exit status. UserError if there is none or it cannot be
        started."""
        installed = self._machine.find(name)
        loop = asyncio.get_running_loop()
        ready = await asyncio.to_thread(prepare, installed, way, arguments)
        try:
            process = subprocess.Popen(
                ready.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **ready.environment},
                start_new_session=True,  # what is typed at our terminal is not for it
            )
        except OSError as error:
            shutil.rmtree(ready.profile, ignore_errors=True)
            raise UserError(f"{installed.program} cannot be started: {error.strerror or error}") from None
        running = _Running(installed.browser.name, ready.profile, process, ended=ended)
        running.waiter = threading.Thread(target=self._wait, args=(running, loop), name="browser", daemon=True)
        self._running.append(running)
        running.waiter.start()
        return f"{installed.browser.name} started{ready.note}"

    @property
    def count(self) -> int:
        """Of those that run."""
        return len(self._running)

    def _wait(self, running: _Running, loop: asyncio.AbstractEventLoop) -> None:
        """In the browser's thread."""
        status = running.process.wait()
        _end_group(running.process, kill=True)  # its helpers write into the profile as long as they live
        _remove(running.profile)
        if not running.is_ended_by_us:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._ended, running, status)

    def _ended(self, running: _Running, status: int) -> None:
        with suppress(ValueError):
            self._running.remove(running)
        if status > 0:
            self._report(f"{running.name} ended with status {status}")
        running.ended(status)

    def close(self) -> None:
        """Ends them all and removes their profiles; takes as long as they do, up to some seconds."""
        for running in self._running:
            running.is_ended_by_us = True
            _end_group(running.process, kill=False)
        end = time.monotonic() + END_SECONDS
        for running in self._running:
            assert running.waiter is not None
            running.waiter.join(max(0.0, end - time.monotonic()))
            if running.waiter.is_alive():
                _end_group(running.process, kill=True)
                running.waiter.join(END_SECONDS)
        self._running.clear()


def prepare(installed: Installed, way: Way, arguments: Sequence[str] = ()) -> Prepared:
    """Makes a fresh profile for one run of the browser; whoever starts it removes the folder. UserError if none can be made."""
    folder = installed.profiles_folder
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        profile = Path(tempfile.mkdtemp(prefix="interceptor-browser-", dir=folder))
    except OSError as error:
        raise UserError(f"no profile can be made for {installed.browser.name}: {error.strerror or error}") from None
    command, last = installed.command(profile), arguments or ("about:blank",)
    if installed.browser.family != "firefox":
        own = chromium_arguments(profile, way.host, way.port, way.trusted_keys)
        return Prepared(profile, [*command, *own, *last])
    has_ca = _put_ca_in(profile, way.ca_file)
    (profile / "user.js").write_text(firefox_preferences(way.host, way.port, trusts_system=not has_ca))
    note = "" if has_ca else f"; it trusts only what this machine trusts: import {way.ca_file} there, or install certutil"
    return Prepared(profile, [*command, *firefox_arguments(profile), *last], FIREFOX_ENVIRONMENT, note)


def _put_ca_in(profile: Path, ca_file: Path) -> bool:
    """Whether the profile's store of certificates has our CA now."""
    certutil = shutil.which("certutil")
    if certutil is None or os.name == "nt":  # Windows has another program of that name
        return False
    store = ["-d", f"sql:{profile}"]
    commands = (
        [certutil, "-N", *store, "--empty-password"],
        [certutil, "-A", *store, "-n", "interceptor", "-t", "C,,", "-i", str(ca_file)],
    )
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=CERTUTIL_SECONDS)
        except (OSError, subprocess.SubprocessError):
            return False
    return True


def _end_group(process: subprocess.Popen[bytes], *, kill: bool) -> None:
    """The browser with the processes that it started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        elif kill:
            process.kill()
        else:
            process.terminate()


def _remove(profile: Path) -> None:
    """What a dying process still writes makes the first attempt fail."""
    for _ in range(20):
        shutil.rmtree(profile, ignore_errors=True)
        if not profile.exists():
            return
        time.sleep(0.05)
