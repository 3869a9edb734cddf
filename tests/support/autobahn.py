"""The Autobahn test suite for WebSocket: its fuzzing client and server, and peers to be tested, as programs.

It runs on Python 2.7 alone: `virtualenv -p python2.7 build/autobahn && build/autobahn/bin/pip install autobahntestsuite`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import free_port, start, stop, wait_until_accepting

WSTEST = Path(__file__).parents[2] / "build" / "autobahn" / "bin" / "wstest"
Verdicts = dict[str, tuple[str, str]]
"""Case -> (how it behaved, how it closed)."""


def _spec(folder: Path, cases: Sequence[str], more: dict[str, object]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    spec = {"outdir": str(folder), "cases": list(cases), "exclude-cases": [], "exclude-agent-cases": {}, **more}
    file = folder / "spec.json"
    file.write_text(json.dumps(spec))
    return file


def _verdicts(folder: Path) -> Verdicts:
    [agent] = json.loads((folder / "index.json").read_text()).values()
    return {case: (result["behavior"], result["behaviorClose"]) for case, result in agent.items()}


@contextmanager
def _program(folder: Path, port: int, *arguments: str | Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"wstest-{port}.log"
    process = start([WSTEST, *arguments], log)
    try:
        wait_until_accepting(port, process, log)
        yield
    finally:
        stop(process)


@contextmanager
def echo_server(folder: Path) -> Iterator[int]:
    """A peer to be tested, as server; its port."""
    port = free_port()
    with _program(folder, port, "-m", "testeeserver", "-w", f"ws://127.0.0.1:{port}"):
        yield port


def fuzz_server(folder: Path, port: int, cases: Sequence[str]) -> Verdicts:
    """What the fuzzing client says of the server at that port."""
    spec = _spec(folder, cases, {"servers": [{"agent": "it", "url": f"ws://127.0.0.1:{port}"}], "options": {"failByDrop": False}})
    subprocess.run([WSTEST, "-m", "fuzzingclient", "-s", spec], check=True, capture_output=True, timeout=3600)
    return _verdicts(folder)


@contextmanager
def fuzzing_server(folder: Path, cases: Sequence[str]) -> Iterator[int]:
    """Its port. When the client is done, `verdicts_of(folder)` has what it said."""
    port = free_port()
    spec = _spec(folder, cases, {"url": f"ws://127.0.0.1:{port}", "options": {"failByDrop": False}})
    with _program(folder, port, "-m", "fuzzingserver", "-s", spec, "--webport", "0"):
        yield port


def run_client(port: int) -> None:
    """A peer to be tested, as client, through all cases of the fuzzing server that is reached at that port."""
    arguments = [WSTEST, "-m", "testeeclient", "-w", f"ws://127.0.0.1:{port}"]
    subprocess.run(arguments, check=True, capture_output=True, timeout=3600)


verdicts_of = _verdicts
