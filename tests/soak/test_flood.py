"""The console while requests flood in: 100,000 flows on the list, a thousand new ones a second, and every key answered at once.

The figures are printed (`make soak ARGS="tests/soak/test_flood.py -s"`); what is asserted allows for a machine that is busy with
other things, by what the same keys take with an empty list and no traffic.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.flood import Flood
from tests.support.nginx import Nginx

pytestmark = [pytest.mark.soak, pytest.mark.needs_nginx]
FLOWS, RATE = 100_000, 1000
WANTED_MS = 50.0


def figures(flood: Flood, title: str) -> None:
    print(f"\n{title}\n{flood.report()}", flush=True)


def test_keys_reach_the_screen_while_a_thousand_flows_a_second_arrive(nginx: Nginx, confdir: Path, tmp_path: Path) -> None:
    nginx.serve("flood.txt", b"x" * 1000)
    url = f"{nginx.http_url}/flood.txt"
    with Flood(tmp_path, url, 1000, 0, confdir) as calm:
        calm.use(10)
        calm.choose()
        figures(calm, "1,000 flows, no traffic")
    with Flood(tmp_path, url, FLOWS, RATE, confdir) as flood:
        drawn, processor = flood.console.frames, flood.console.processor_seconds()
        flood.console.watch(5)
        drawn, processor = flood.console.frames - drawn, flood.console.processor_seconds() - processor
        flood.use(20)
        for _ in range(3):
            flood.choose()
        figures(flood, f"{FLOWS:,} flows, {RATE:,} more a second")
        print(f"{drawn / 5:.0f} drawings a second while nobody types, {processor / 5:.0%} of a processor in all")
        print(f"answered in each second: {flood.answered()}")
        assert drawn <= 5 * 30 + 2
        assert len(flood.every_key().samples) > 200
        assert flood.every_key().at(0.95) < max(WANTED_MS, 5 * calm.every_key().at(0.95))


def test_a_long_list_costs_nothing_while_nothing_happens(nginx: Nginx, confdir: Path, tmp_path: Path) -> None:
    with Flood(tmp_path, nginx.http_url, FLOWS, 0, confdir) as flood:
        flood.wait_until_quiet(300)
        before, drawn = flood.console.processor_seconds(), flood.console.frames
        flood.console.watch(10)
        spent = (flood.console.processor_seconds() - before) / 10
        print(f"\nidle with {FLOWS:,} flows: {spent:.2%} of a processor, {flood.console.memory() / 1e6:.0f} MB")
        assert spent < 0.01
        assert flood.console.frames == drawn
