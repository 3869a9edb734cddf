"""A console with a long list under steady traffic, and a user who goes about in it: what each key takes to reach the screen.

with Flood(folder, port_of_origin, flows=100_000, rate=1000) as flood:
    flood.use(rounds=20)
    print(flood.report())
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.key_times import TimedConsole, Times
from tests.support.programs import free_port

SIZE = (120, 40)


class Flood:
    """`rate` requests a second come from the start to the end; none if 0. `nice` lets a measurement go before other work."""

    def __init__(self, folder: Path, url: str, flows: int, rate: int, confdir: Path) -> None:
        self._chance = random.Random(flows)
        port = free_port()
        program = [sys.executable, "-m", "tests.support.filled_console", str(flows), "-p", str(port)]
        options = ["--set", f"confdir={confdir}", "--set", "store_memory_limit=4g"]
        top = str(Path(__file__).parents[2])
        self.console = TimedConsole([*program, *options], *SIZE, HOME=str(folder), PYTHONPATH=top)
        self._client: subprocess.Popen[str] | None = None
        try:
            self.console.wait_for(rb"\[1/%d\]" % flows if flows else rb"No flows yet")
            self._wait_until_written(confdir / "sessions")
            if rate:
                client = [sys.executable, "-m", "tests.support.paced_client", str(port), url, str(rate), "3600"]
                self._client = subprocess.Popen(client, stdout=subprocess.PIPE, text=True, cwd=top)
                self.console.wait_until(lambda: self.console.shown > flows)
        except BaseException:
            self.close()
            raise

    def _wait_until_written(self, folder: Path) -> None:
        """The flows that the list begins with are in the session file."""
        sizes = {-1}
        while len(sizes) > 1 or sizes == {-1}:
            sizes = {self._size_of_session(folder)}
            for _ in range(10):
                self.console.watch(0.1)
                sizes.add(self._size_of_session(folder))

    @staticmethod
    def _size_of_session(folder: Path) -> int:
        return sum(path.stat().st_size for path in [*folder.glob("*.session"), *folder.glob("*.session-wal")])

    def wait_until_quiet(self, seconds: float) -> None:
        """For at most so long, until all is indexed and nothing is computed any more."""
        for _ in range(int(seconds / 2)):
            before = self.console.processor_seconds()
            self.console.watch(2)
            if self.console.processor_seconds() - before < 0.04:
                return

    def _pause(self) -> None:
        self.console.watch(self._chance.uniform(0.02, 0.09))

    def _press(self, kind: str, key: str, wanted: bytes) -> None:
        self._pause()
        self.console.press(kind, key, wanted)

    def use(self, rounds: int) -> None:
        """Each is some thirty keys: about the list, into a flow and out, the order turned round."""
        for _ in range(rounds):
            self._move("jjjkkj")
            self._move(" ")
            at_end = self.console.shown
            self._pause()
            self.console.press("end", "G", lambda at_end=at_end: self.console.place >= at_end)
            self._press("start", "g", rb"\[1/")
            self._press("open a flow", "enter", rb"Body as")
            self._press("next tab", "tab", rb"[Cc]ontent-[Tt]ype")
            self._press("close it", "q", rb"Duplicate")
            self._press("turn the order round", "v", "⇧".encode())
            self._press("turn the order round", "v", "⇩".encode())

    def _move(self, keys: str) -> None:
        for key in keys:
            self._pause()
            place = self.console.place
            if 1 < place < self.console.shown - 100:
                kind, wanted = ("page", rb"\[(?!%d/)\d+/" % place) if key == " " else ("one row", b"")
                self.console.press(kind, key, wanted or rb"\[%d/" % (place + (1 if key == "j" else -1)))
            elif key == "j":
                self.console.press("one row", key, rb"\[%d/" % (place + 1))

    def choose(self) -> None:
        """A filter is typed and left; one is set and unset, and an order, and the cursor moved while that is worked off."""
        self._press("open the prompt", "f", rb"set view_filter")
        os.write(self.console.process.fd, b"~u ")
        for end in range(1, 6):
            self._press("a letter", "QZQZQ"[end - 1], b"QZQZQ"[:end])
        os.write(self.console.process.fd, b"\x1b")
        self.console.watch(0.5)
        self._set("a filter", "view_filter ~d shop")
        self._set("a filter", "view_filter ''")
        self._set("an order", "view_order url")
        self._set("an order", "view_order time")

    def _set(self, kind: str, text: str) -> None:
        os.write(self.console.process.fd, f":set {text}".encode())
        self.console.watch(0.5)
        self._press(kind, "enter", text.split()[0].encode() + b": ")  # what it is now is said at the bottom
        os.write(self.console.process.fd, b"G")  # so that the next key changes something in any case
        for key, place in zip("gjj", (1, 2, 3), strict=True):
            self._press("a row meanwhile", key, rb"\[%d/" % place)
        self.console.watch(1.0)

    def every_key(self) -> Times:
        return Times("all of them", [each for times in self.console.times.values() for each in times.samples])

    def report(self) -> str:
        return "\n".join(map(str, [*self.console.times.values(), self.every_key()]))

    def answered(self) -> list[int]:
        """How many requests each second so far."""
        if self._client is None or self._client.stdout is None:
            return []
        self._client.kill()
        return [int(line) for line in self._client.stdout if line.strip().isdigit()]

    def close(self) -> None:
        if self._client is not None:
            self._client.kill()
            self._client.communicate()
        self.console.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
