"""The proxy as its users run it: `python -m interceptor dump --json` as a process, and what it says about flows.

The process is forked from one that has imported the program (tests/support/prepared.py).

with Proxy(folder, …) as proxy:      accepts connections from here on
    … proxy.url, proxy.port, proxy.ca_file …
    flow = proxy.flow(path="/small")     the JSON line of that flow, waited for
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.prepared import Forked, prepared
from tests.support.programs import free_port, stop, wait_until_accepting

TOP = Path(__file__).parents[2]
Flow = dict[str, Any]


class Proxy:
    """Started by the constructor. `arguments` come behind those that every run gets."""

    def __init__(self, folder: Path, *arguments: str, confdir: Path, trusted_ca: Path | None, port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.confdir = confdir
        self.ca_file = confdir / "interceptor-ca-cert.pem"
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}"
        self.tls_url = f"https://127.0.0.1:{self.port}"
        self.log = folder / f"proxy-{self.port}.log"
        self._lines: list[bytes] = []
        self._flows: list[Flow] = []
        self._came = threading.Condition()
        self.process = self._start(self.command(*arguments, confdir=confdir, trusted_ca=trusted_ca, port=self.port))
        self._reader = threading.Thread(target=self._read_flows, daemon=True)
        self._reader.start()
        try:
            wait_until_accepting(self.port, self.process, self.log)
        except BaseException:
            self.stop()
            raise

    def _start(self, command: Sequence[str]) -> Forked | subprocess.Popen[bytes]:
        found = prepared(command)
        with self.log.open("ab") as errors, open(os.devnull, "rb") as nothing:
            if found is None:
                pipe = subprocess.PIPE
                return subprocess.Popen(command, stdin=nothing, stdout=pipe, stderr=errors, cwd=TOP, start_new_session=True)
            reads, writes = os.pipe()
            with open(writes, "wb") as out:
                return found[0].start(
                    found[1],
                    stdin=nothing.fileno(),
                    stdout=out.fileno(),
                    stderr=errors.fileno(),
                    folder=TOP,
                    reads=open(reads, "rb"),
                )

    @staticmethod
    def command(*arguments: str, confdir: Path, trusted_ca: Path | None, port: int) -> list[str]:
        trust = [] if trusted_ca is None else ["--set", f"ssl_verify_upstream_trusted_ca={trusted_ca}"]
        return [
            *(sys.executable, "-m", "interceptor", "dump", "--json"),
            *("-p", str(port), "--set", f"confdir={confdir}", *trust, *arguments),
        ]

    def _read_flows(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self._lines.append(line)
                self._came.notify_all()
        with self._came:
            self._came.notify_all()

    def flows(self) -> list[Flow]:
        """Those that have ended so far."""
        with self._came:
            self._understand()
            return list(self._flows)

    def _understand(self) -> None:
        """What was said since; only when somebody wants to know: a test under load has better things to do."""
        self._flows += map(json.loads, self._lines)
        self._lines.clear()

    def flow_where(self, claim: Callable[[Flow], bool], seconds: float = 10) -> Flow:
        """The first one for which the claim holds; waited for."""
        deadline = time.monotonic() + seconds
        with self._came:
            while True:
                self._understand()
                for flow in self._flows:
                    if claim(flow):
                        return flow
                if not self._came.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    seen = "\n".join(json.dumps(flow)[:400] for flow in self._flows[-10:])
                    raise AssertionError(
                        f"no such flow among {len(self._flows)}; the last ones:\n{seen}\nlog:\n{self.log.read_text()}"
                    )

    def flow(self, path: str) -> Flow:
        """The HTTP flow whose request has this path (and query)."""
        return self.flow_where(lambda flow: flow.get("request", {}).get("path") == path)

    def interrupt(self, seconds: float = 10) -> int:
        """Ctrl-C; the exit status."""
        os.kill(self.process.pid, signal.SIGINT)
        return self.process.wait(seconds)

    def memory(self) -> int:
        """Resident bytes now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        stop(self.process)
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
