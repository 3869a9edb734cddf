"""Programs started for a test: a port to give them, waiting until they accept, ending them for good."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.prepared import Forked

_ports = random.Random(os.getpid())


def free_port(host: str = "127.0.0.1") -> int:
    """One that nobody listens on, from below the range that the system hands out: it stays free until it is used."""
    for _ in range(200):
        port = _ports.randrange(12_000, 32_000)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def wait_until_accepting(
    port: int, process: subprocess.Popen[bytes] | Forked, log: Path, host: str = "127.0.0.1", seconds: float = 20
) -> None:
    """Returns when a connection is accepted; AssertionError with the log if the program ends or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"{process.args!r} ended with {process.returncode}:\n{log.read_text()}")
        try:
            with socket.create_connection((host, port), timeout=1):
                return
        except OSError:
            with_pause(0.01)
    raise AssertionError(f"{process.args!r} does not accept on port {port} after {seconds} s:\n{log.read_text()}")


def with_pause(seconds: float) -> None:
    """Between two looks at something that tells nobody when it changes."""
    time.sleep(seconds)


def wait_for_file(path: Path, is_coming: Callable[[], bool], log: Callable[[], str], seconds: float = 100) -> bytes:
    """Its content, when all of it is there: whoever writes it puts it there in one go. AssertionError with the log otherwise."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert is_coming() and time.monotonic() < deadline, f"{path.name} never came:\n{log()}"
        with_pause(0.05)
    return path.read_bytes()


def start(arguments: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """In a process group of its own; what it says goes to the log."""
    with log.open("ab") as sink:
        return subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes] | Forked) -> None:
    """Asks, then insists, its children too. Does nothing to one that has ended."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
