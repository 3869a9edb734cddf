"""Programs that the tests start by forking: what is there before they begin is what a fresh start imports, and nothing else."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.console_screen import Driven
from tests.support.prepared import CONSOLE, DUMP, TOP
from tests.support.programs import free_port, start, stop, wait_until_accepting
from tests.support.proxy import Proxy

TELLS_IMPORTS = {"PYTHONPROFILEIMPORTTIME": "1"}
_IMPORTED = re.compile(r"import time: +\d+ \| +\d+ \| +([\w.]+)")


def there_before(modules: tuple[str, ...]) -> set[str]:
    """What a process that is prepared has imported from files, without what comes with the interpreter."""
    code = f"""
import sys
old = set(sys.modules)
for name in {modules}:
    __import__(name)
def was_read(name):
    module = sys.modules[name]
    return type(module).__name__ != "_LazyModule" and getattr(getattr(module, "__spec__", None), "has_location", False)

print(*filter(was_read, set(sys.modules) - old))
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    return set(told.stdout.split())


def test_a_dump_that_is_started_afresh_imports_all_of_it(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    program = start(Proxy.command(confdir=tmp_path, trusted_ca=None, port=port), log, TELLS_IMPORTS)
    try:
        wait_until_accepting(port, program, log)
    finally:
        stop(program)
    before = there_before(DUMP)
    assert "interceptor.app" in before
    assert before - set(_IMPORTED.findall(log.read_text())) == set()


def test_a_console_that_is_started_afresh_imports_all_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "interceptor", "-p", str(free_port()), "--set", f"confdir={tmp_path}"]
    console = Driven(command, is_fresh=True, HOME=str(tmp_path), **TELLS_IMPORTS)
    try:
        console.see("No flows yet.")
        console.signal(signal.SIGTERM)
        console.ended()
    finally:
        console.close()
    before = there_before(CONSOLE)
    assert "interceptor.tui.console" in before
    assert before - set(_IMPORTED.findall(console.raw.decode())) == set()
