"""From a key to the screen: how long until the terminal has been sent what the key does, under a pseudo-terminal.

The end of a drawing is its status line, and a row is sent whole, so what is waited for is looked for in the bytes that come. No
terminal is emulated: that would take longer than the program does.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ptyprocess import PtyProcess  # type: ignore[import-untyped]

from tests.support.console_screen import KEYS

PATIENCE_SECONDS = 30.0
FRAME_BEGINS = b"\x1b[?25l"
_PLACE = re.compile(rb"\[(\d+)/(\d+)(?: of \d+)?\]")


@dataclass
class Times:
    """Of keys of one kind, in milliseconds."""

    name: str
    samples: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def __str__(self) -> str:
        figures = f"p50 {self.at(0.5):6.1f}  p95 {self.at(0.95):6.1f}  max {max(self.samples):6.1f} ms"
        return f"{self.name:<22} {len(self.samples):4} keys  {figures}"


class TimedConsole:
    def __init__(self, command: Sequence[str], columns: int, rows: int, **environment: str) -> None:
        environ = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **environment}
        self.process = PtyProcess.spawn(list(command), dimensions=(rows, columns), env=environ)
        self.times: dict[str, Times] = {}
        self.frames = 0
        self.bytes_drawn = 0
        self.place = self.shown = 0  # of the cursor, of how many rows, as the status line said last

    def _read(self, seconds: float) -> bytes:
        if not select.select([self.process.fd], [], [], seconds)[0]:
            return b""
        data = os.read(self.process.fd, 1 << 20)
        self.frames += data.count(FRAME_BEGINS)
        self.bytes_drawn += len(data)
        if found := _PLACE.findall(data):
            self.place, self.shown = map(int, found[-1])
        return data

    def watch(self, seconds: float) -> None:
        """Reads what comes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)

    def wait_for(self, wanted: bytes) -> None:
        """A regular expression, in what comes from now on."""
        self._wait(wanted, "the start")

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        self._wait(is_so, "that")

    def press(self, kind: str, key: str, wanted: bytes | Callable[[], bool]) -> None:
        """Sends the key, and keeps how long it took until `wanted`, a regular expression, came, or is true."""
        code = KEYS.get(key) or (chr(ord(key[5:]) & 31) if key.startswith("ctrl ") else key)
        self._read(0)
        begin = time.perf_counter()
        os.write(self.process.fd, code.encode())
        self._wait(wanted, f"what {key!r} does")
        self.times.setdefault(kind, Times(kind)).samples.append((time.perf_counter() - begin) * 1000)

    def _wait(self, wanted: bytes | Callable[[], bool], what: str) -> None:
        pattern = re.compile(wanted) if isinstance(wanted, bytes) else None
        seen, end = b"", time.monotonic() + PATIENCE_SECONDS
        while not (pattern.search(seen) if pattern is not None else wanted()):  # type: ignore[operator]
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain for {what}; the last that came is {seen[-3000:]!r}")
            seen = seen[-200_000:] + self._read(0.2)

    def processor_seconds(self) -> float:
        """User and system time of the program so far."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        if self.process.isalive():
            self.process.kill(9)
            self.process.wait()
        self.process.close()
