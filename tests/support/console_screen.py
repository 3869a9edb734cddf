"""A program under a pseudo-terminal: keys in, what the screen shows out.

`see` waits for a text with a deadline and shows the screen when it does not come; nothing sleeps for a fixed time.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte
from ptyprocess import PtyProcess  # type: ignore[import-untyped]

from tests.support.prepared import Prepared, prepared

DEADLINE_SECONDS = 20.0

KEYS = {
    "enter": "\r",
    "esc": "\x1b",
    "tab": "\t",
    "shift tab": "\x1b[Z",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "end": "\x1b[F",
    "delete": "\x1b[3~",
    "backspace": "\x7f",
}


class PreparedTerminal(PtyProcess):
    """A program that was forked from a prepared process, under a pseudo-terminal of its own."""

    def __init__(self, command: Sequence[str], by: Prepared, size: tuple[int, int], environ: Mapping[str, str]) -> None:
        fd, terminal = pty.openpty()
        try:
            termios.tcsetwinsize(terminal, size)
            self._forked = by.start(
                command, stdin=terminal, stdout=terminal, stderr=terminal, environment=environ, has_terminal=True
            )
        finally:
            os.close(terminal)
        super().__init__(self._forked.pid, fd)

    def isalive(self) -> bool:
        return not self._ended(self._forked.poll())

    def wait(self) -> int | None:
        self._ended(self._forked.wait())
        return self.exitstatus

    def _ended(self, status: int | None) -> bool:
        if status is not None:
            self.exitstatus, self.signalstatus = (status, None) if status >= 0 else (None, -status)
            self.terminated = True
        return status is not None


def spawn(command: Sequence[str], size: tuple[int, int], environ: Mapping[str, str], is_fresh: bool = False) -> PtyProcess:
    """The command under a pseudo-terminal of so many rows and columns, forked from a prepared process if there is one for it."""
    found = None if is_fresh else prepared(command)
    if found is None:
        process = PtyProcess.spawn(list(command), dimensions=size, env=environ)
    else:
        process = PreparedTerminal(found[1], found[0], size, environ)
    process.delayafterclose = 0  # whoever closes it has seen it end before
    return process


class Driven:
    def __init__(
        self, command: Sequence[str], columns: int = 100, rows: int = 30, is_fresh: bool = False, **environment: str
    ) -> None:
        """`is_fresh`: in an interpreter that has just been started, also if a process is prepared for the command."""
        environ = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **environment}
        self.process = spawn(command, (rows, columns), environ, is_fresh)
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._shown: str | None = None  # the screen's text since it last changed
        self._is_closed = False

    def press(self, *keys: str) -> None:
        """Names as in `KEYS`, "ctrl x", or text to type."""
        for key in keys:
            code = KEYS.get(key) or (chr(ord(key[5:]) & 31) if key.startswith("ctrl ") else key)
            self.process.write(code.encode())

    def paste(self, text: str) -> None:
        self.process.write(b"\x1b[200~" + text.encode() + b"\x1b[201~")

    @property
    def text(self) -> str:
        if self._shown is None:
            self._shown = "\n".join(line.rstrip() for line in self.screen.display)
        return self._shown

    def forget(self) -> None:
        """What is seen from now on has been drawn from now on."""
        self.screen.reset()
        self._shown = None

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self._shown = None
        self.process.setwinsize(rows, columns)

    def _read(self, wait_seconds: float) -> None:
        if self._is_closed:
            return
        if select.select([self.process.fd], [], [], wait_seconds)[0]:
            try:
                read = os.read(self.process.fd, 65536)
            except OSError:
                read = b""
            if not read:
                self._is_closed = True
            self.raw += read
            self._stream.feed(read)
            self._shown = None

    def wait(self, is_there: Callable[[], object], what: str) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while not is_there():
            if time.monotonic() > end or (self._is_closed and not is_there()):
                raise AssertionError(f"waited in vain for {what}; the screen is\n{self.text}")
            self._read(0.05)

    def see(self, *texts: str) -> str:
        """Waits until all of them are on the screen at once."""
        self.wait(lambda: all(text in self.text for text in texts), f"{texts}")
        return self.text

    def see_no(self, text: str) -> None:
        self.wait(lambda: text not in self.text, f"{text!r} to go")

    def wait_for_file(self, path: Path, is_right: Callable[[str], bool] = bool) -> str:
        """Its text, when there is one that is right."""
        found = ""

        def there() -> bool:
            nonlocal found
            try:
                found = path.read_text()
            except OSError:
                return False
            return is_right(found)

        self.wait(there, f"{path.name}, which is {found!r}")
        return found

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def is_line_mode(self) -> bool:
        """True if the terminal is as a shell wants it."""
        flags = termios.tcgetattr(self.process.fd)[3]
        return bool(flags & termios.ECHO) and bool(flags & termios.ICANON)

    def is_silent_for(self, seconds: float) -> bool:
        before = len(self.raw)
        self._read(seconds)
        return len(self.raw) == before

    def ended(self) -> None:
        """Waits for the end of the program, reading what it still has to say."""
        end = time.monotonic() + DEADLINE_SECONDS
        while self.process.isalive():
            assert time.monotonic() < end, f"the program does not end; the screen is\n{self.text}"
            self._read(0.05)
        while not self._is_closed and not self.is_silent_for(2):  # silence: a program that it started has the terminal still
            pass

    def close(self) -> None:
        if self.process.isalive():
            self.process.kill(signal.SIGCONT)
            self.process.kill(signal.SIGKILL)
            self.process.wait()
        self.process.close()
