"""A program that is started so that its traffic comes through the proxy: in a network of its own, or told by variables.

    Program.start ─▸ enclosed.py in a child ─▸ sockets made in there ─▸ `adopt`: we accept on them ─▸ it becomes the program
                  └▸ no namespaces here, or `--env` ─▸ http_proxy and the like name the regular listener

A thread waits for its end, and another reads what it says where that is not the terminal's.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from interceptor.launch.trusting import TrustFiles, proxy_variables, variables
from interceptor.specs.errors import UserError

END_SECONDS: Final = 5.0
"""What a program may take to end before it is killed."""
_SETTING_UP_SECONDS: Final = 20.0
_SCRIPT: Final = Path(__file__).with_name("enclosed.py")


class Surroundings(Protocol):
    """What it knows of the program's own side."""

    def adopt(self, text: str, sockets: Sequence[socket.socket]) -> None:
        """Clients come over these from now on; where they wanted to go the kernel says. The raw ones answer datagrams,
        that of netlink tells whose sockets there are where these were made."""
        ...

    def proxy_address(self) -> tuple[str, int] | None:
        """Of a regular listener."""
        ...


class Program:
    """`say` gets each line that it prints, `warn` a sentence; None for `say`: it has the terminal. `ended` is done with its exit
    status when it has ended, 128 and the signal if one ended it."""

    def __init__(self, command: Sequence[str], warn: Callable[[str], None], say: Callable[[str], None] | None) -> None:
        self.command, self._warn, self._say = list(command), warn, say
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._folder = tempfile.TemporaryDirectory(prefix="interceptor-run-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return os.path.basename(self.command[0])

    async def start(self, surroundings: Surroundings, ca_file: Path, is_enclosed: bool) -> str:
        """What to tell the user. UserError if it cannot be started."""
        os.chmod(self._folder.name, 0o755)
        files = await asyncio.to_thread(TrustFiles.write, Path(self._folder.name), ca_file)
        if is_enclosed and sys.platform == "linux":
            refusal = await self._start_enclosed(surroundings, files)
            if not refusal:
                return f"{self.name} runs in a network of its own: all its TCP and UDP comes through here"
            self._warn(f"{self.name} is told of the proxy by variables, and may ignore them: {refusal}.")
        return self._start_with_variables(surroundings, files)

    async def _start_enclosed(self, surroundings: Surroundings, files: TrustFiles) -> str:
        """ "" or why that cannot be."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                mounts = files.mounts(self.command[0])
                is_java_mounted = any(source == str(files.java) for source, _ in mounts)
                environment = dict(_enclosed_variables(files, is_java_mounted))
                spec = {"command": self.command, "environment": environment, "mounts": mounts}
                arguments = [sys.executable, "-I", str(_SCRIPT), str(theirs.fileno()), json.dumps(spec)]
                process = self._popen(arguments, None, theirs.fileno())
            ours.settimeout(_SETTING_UP_SECONDS)
            try:
                said, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, ours, 65_536, 8)
            except OSError as error:
                said, descriptors = json.dumps({"error": f"it could not be set up ({error})"}).encode(), []
            if not descriptors:
                process.kill()
                await asyncio.to_thread(process.wait)
                return str(json.loads(said or b'{"error": "setting it up failed"}')["error"])
            sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
            surroundings.adopt(f"run {self.name}", sockets)
            ours.send(b"!")
        self._watch(process)
        return ""

    def _start_with_variables(self, surroundings: Surroundings, files: TrustFiles) -> str:
        address = surroundings.proxy_address()
        if address is None:
            raise UserError("a program that is told of the proxy needs a listener in regular mode: --mode regular")
        environment = {**os.environ, **variables(files)}
        for name, value in proxy_variables(*address, files).items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
        try:
            self._watch(self._popen(self.command, environment))
        except OSError as error:
            raise UserError(f"{self.command[0]} cannot be started: {error.strerror or error}") from None
        return f"{self.name} runs with http_proxy and the like set to {address[0]}:{address[1]}"

    def _popen(self, arguments: Sequence[str], environment: Mapping[str, str] | None, *kept: int) -> subprocess.Popen[bytes]:
        if self._say is None:
            return subprocess.Popen(arguments, env=environment, pass_fds=kept)
        return subprocess.Popen(
            arguments,
            env=environment,
            pass_fds=kept,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # what is typed at our terminal is not for it
        )

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        threading.Thread(target=self._wait, args=(process,), name="program", daemon=True).start()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """In a thread."""
        if process.stdout is not None and self._say is not None:
            for line in process.stdout:
                self._in_loop(self._say, line.decode("utf-8", "replace").rstrip("\r\n"))
        status = process.wait()
        self._in_loop(self._has_ended, status if status >= 0 else 128 - status)

    def _in_loop(self, callback: Callable[..., None], what: object) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(callback, what)

    def _has_ended(self, status: int) -> None:
        if not self.ended.done():
            self.ended.set_result(status)

    def close(self) -> None:
        """Ends it, if it has not ended."""
        process = self._process
        if process is not None and process.poll() is None:
            _signal(process, signal.SIGTERM, is_group=self._say is not None)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL, is_group=self._say is not None)
                process.wait()
        self._folder.cleanup()


def _enclosed_variables(files: TrustFiles, is_java_mounted: bool) -> Mapping[str, str | None]:
    """A proxy that was set for this machine cannot be reached from in there, and need not be."""
    none = {name: None for each in ("http_proxy", "https_proxy", "all_proxy") for name in (each, each.upper())}
    return {**none, **variables(files, is_mounted=is_java_mounted)}


def _signal(process: subprocess.Popen[bytes], number: int, is_group: bool) -> None:
    with suppress(OSError):
        if is_group and hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
