"""The console on its own under a pseudo-terminal: around it, an application that only seems to serve."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.console_screen import Driven


def fake_app(folder: Path, columns: int = 100, rows: int = 30, **environment: str) -> Driven:
    return Driven([sys.executable, "-m", "tests.tui.fake_app", str(folder)], columns, rows, **environment)
