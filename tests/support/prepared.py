"""Programs of ours started by forking a process that has imported them: what a start costs is mostly its imports.

    prepared(command) ─▸ the process that is prepared for it, one per test process and kind, made when first wanted
        .start(arguments, environment, streams) ─▸ Forked: its pid, whether it goes on, its status

What runs is what `python -m MODULE` runs: that module as `__main__`, with the arguments, environment, folder and streams that are
asked for, in a session of its own. Only what every start imports is there already (tests/e2e/test_prepared.py holds that against
a fresh start), so what is imported later is still imported by the program. Who wants a new interpreter starts the command itself.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

TOP = Path(__file__).parents[2]

DUMP = (
    "interceptor.cli",
    "interceptor.runs",
    "uvloop",
    "interceptor.dump",
    "interceptor.proxy.driver",
    "interceptor.proxy.listeners",
    "interceptor.certs.authority",
    "interceptor.certs.contexts",
    "interceptor.addons.onboarding",
    "interceptor.addons.rules",
    "interceptor.session.formats.recognised",
    "interceptor.addons.hardump",
    "interceptor.addons.save",
)
CONSOLE = (*DUMP[:3], "interceptor.tui.console", *DUMP[4:])
class Forked:
    """Like `subprocess.Popen`, as far as tests want it. It is no child of this process: its parent tells how it ended."""

    def __init__(self, args: Sequence[str], told: socket.socket, stdout: IO[bytes] | None) -> None:
        self.args, self.stdout, self._told = list(args), stdout, told
        self.pid: int = struct.unpack("!i", told.recv(4))[0]
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """As of `Popen`: its status, negative for a signal; None while it goes on."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        if (status := self._look(timeout)) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], seconds)[0]:
            said = self._told.recv(4)
            assert said, "who had started it has gone"
            self.returncode = os.waitstatus_to_exitcode(struct.unpack("!i", said)[0])
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Prepared:
    """A process that has imported these modules, and waits to be forked."""

    def __init__(self, *modules: str) -> None:
        self._asked, theirs = socket.socketpair()
        self._one_at_a_time = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.prepared", str(theirs.fileno()), *modules],
                stdin=subprocess.DEVNULL,
                cwd=TOP,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

        atexit.register(self.close)

    def close(self) -> None:
        """It ends, and what was started goes on."""
        self._asked.close()
        self._process.wait(20)

    def start(
        self,
        command: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        has_terminal: bool = False,
        reads: IO[bytes] | None = None,
    ) -> Forked:
        """`command` is what follows `python -m`. The streams are file descriptors, which stay the caller's to close."""
        wanted = {
            "command": list(command),
            "environment": dict(os.environ if environment is None else environment),
            "folder": str(folder or Path.cwd()),
            "has_terminal": has_terminal,
        }
        message = json.dumps(wanted).encode()
        told, tells = socket.socketpair()
        with tells, self._one_at_a_time:
            socket.send_fds(self._asked, [struct.pack("!i", len(message))], [stdin, stdout, stderr, tells.fileno()])
            self._asked.sendall(message)
        return Forked(command, told, reads)


@cache
def _prepared(modules: tuple[str, ...]) -> Prepared:
    return Prepared(*modules)


def prepared(command: Sequence[str]) -> tuple[Prepared, Sequence[str]] | None:
    """For `python -m MODULE …`: who can start it, and what to ask for; None if nobody is prepared for that command."""
    if list(command[:2]) != [sys.executable, "-m"]:
        return None
    module, *words = command[2:]
    ours = words[: words.index("--")] if "--" in words else words
    if module == "interceptor":
        return _prepared(CONSOLE if {"dump", "--dump"}.isdisjoint(ours) else DUMP), command[2:]
    return (_prepared(CONSOLE), command[2:]) if module == "tests.tui.fake_app" else None


def run_to_end(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Like `subprocess.run` with its output captured, and nothing to read."""
    found = prepared(command)
    assert found is not None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors, open(os.devnull, "rb") as nothing:
        streams = {"stdin": nothing.fileno(), "stdout": out.fileno(), "stderr": errors.fileno()}
        forked = found[0].start(found[1], **streams, environment=environment, folder=folder)
        try:
            status = forked.wait(seconds)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(forked.pid, signal.SIGKILL)
            raise
        for each in (out, errors):
            each.seek(0)
        return subprocess.CompletedProcess(list(command), status, out.read(), errors.read())


# -- the process that is forked -------------------------------------------------------------------------------------------------


class _Parent:
    """Forks when it is asked to, and tells who asked how each ended. Ends when nobody can ask any more."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._children: dict[int, socket.socket] = {}
        self._wakes, self._is_woken = socket.socketpair()
        for each in (self._wakes, self._is_woken):
            each.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)

    def serve(self) -> tuple[dict[str, Any], list[int]] | None:
        """Returns in each child, with what it is to be and its streams; in the parent at its end, with None."""
        while True:
            ready = select.select([self._asked, self._is_woken], [], [])[0]
            if self._is_woken in ready:
                self._is_woken.recv(4096)
                self._bury()
            if self._asked in ready:
                begin, streams, _, _ = socket.recv_fds(self._asked, 4, 4)
                if not begin:
                    return None
                wanted = json.loads(self._asked.recv(struct.unpack("!i", begin)[0], socket.MSG_WAITALL))
                if child := os.fork():
                    self._tell(child, streams)
                else:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    return wanted, streams

    def _tell(self, child: int, streams: list[int]) -> None:
        self._children[child] = tells = socket.socket(fileno=streams.pop())
        tells.sendall(struct.pack("!i", child))
        for each in streams:
            os.close(each)

    def _bury(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with self._children.pop(ended[0]) as tells, contextlib.suppress(OSError):  # the one who asked may have gone
                    tells.sendall(struct.pack("!i", ended[1]))


def _become(wanted: dict[str, Any], streams: list[int]) -> str:
    """What an interpreter is that has just been started with this command. The name of the module to run."""
    os.setsid()
    for number, stream in enumerate(streams[:3]):
        os.dup2(stream, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if wanted["has_terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=stream is sys.stderr or stream.isatty())  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    os.chdir(wanted["folder"])
    more = wanted["environment"].get("PYTHONPATH", "")
    sys.path[:1] = [wanted["folder"], *filter(None, more.split(os.pathsep))]
    module, *arguments = wanted["command"]
    sys.argv = [module, *arguments]
    return str(module)


def _main() -> None:
    control = int(sys.argv[1])
    for name in sys.argv[2:]:
        import_module(name)
    os.set_inheritable(control, False)
    if (child := _Parent(socket.socket(fileno=control)).serve()) is not None:
        runpy.run_module(_become(*child), run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
