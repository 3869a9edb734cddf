"""Killed again and again under load, a session has all that was old enough, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import StartProxy
from tests.support.crash import Crash

pytestmark = pytest.mark.soak


def test_fifty_kills_under_load(start_proxy: StartProxy, tmp_path: Path) -> None:
    rates: list[float] = []
    for number in range(50):
        crash = Crash(start_proxy, tmp_path / f"{number}.session", clients=16, seconds=2.0)
        assert crash.check(older_than=1.0) > 50
        rates.append(crash.rate)
    print(f"50 kills, nothing missing; {min(rates):,.0f} to {max(rates):,.0f} requests/s")
