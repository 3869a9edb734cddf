"""WebSockets under load while the console is open: messages pass in order, and none is missing in the store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import run
from tests.support.console_program import Console
from tests.support.proxy import Proxy
from tests.support.websocket_load import content

pytestmark = pytest.mark.soak
SOCKETS, SECONDS, RATE = 32, 10, 5_000
"""Each message goes there and comes back: twice as many pass."""

TOP = Path(__file__).parents[2]


def test_messages_pass_in_order_and_are_kept(confdir: Path, tmp_path: Path) -> None:
    load = [sys.executable, "-m", "tests.support.websocket_load"]
    server = subprocess.Popen([*load, "serve"], stdout=subprocess.PIPE, text=True, cwd=TOP)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
        file = tmp_path / "flows.mitm"
        with Console(tmp_path, "-w", str(file), confdir=confdir, size=(120, 40)) as console:
            client = subprocess.Popen(
                [*load, "ask", str(console.port), url, str(SOCKETS), str(SECONDS), str(RATE)],
                stdout=subprocess.PIPE,
                text=True,
                cwd=TOP,
            )
            told, _ = client.communicate(timeout=SECONDS * 10)
            heard = int(told)
            console.see("messages", "101")
            console.press("Q")
            console.wait(lambda: not console.process.isalive(), "the end of the console")
    finally:
        server.kill()
    print(f"\n{2 * heard / SECONDS:,.0f} messages a second")
    lines = run(Proxy.command("-n", "-r", str(file), "--flow-detail", "4", confdir=confdir, trusted_ca=None, port=0)).splitlines()
    kept = 0
    for flow in map(json.loads, lines):
        for from_client in (True, False):
            said = [each for each in flow["websocket"]["messages"] if each["from_client"] is from_client]
            assert [each["text"] for each in said] == [content(number).decode() for number in range(len(said))]
            kept += len(said)
    assert len(lines) == SOCKETS and kept == 2 * heard
    assert 2 * heard >= 0.95 * 2 * RATE * SECONDS
