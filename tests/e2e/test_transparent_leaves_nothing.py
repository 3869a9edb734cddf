"""Ten thousand connections through transparent mode, opened and closed in every way: no task, socket or memory stays behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.test_transparent import PYTHON, Gateway
from tests.support.gateway import SERVER, SERVER6

pytestmark = [pytest.mark.needs_namespaces, pytest.mark.matrix]
CONNECTIONS = 10_000
SCRIPT = """
import asyncio, gc, json, os
from interceptor.proxy.driver import Driver

def opened():
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass  # of the listing itself
    return links

def response(flow):
    if flow.request.path == "/resources":
        gc.collect()
        pages = int(open("/proc/self/statm").read().split()[1])
        flow.response.text = json.dumps({
            "tasks": len(asyncio.all_tasks()),
            "sockets": sum(each.startswith("socket:") for each in opened()),
            "drivers": sum(type(each) is Driver for each in gc.get_objects()),
            "memory": pages * os.sysconf("SC_PAGE_SIZE"),
        })
"""
"""Asked from within: what is there while the question is answered, which is the same each time."""

def test_ten_thousand_connections_leave_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "resources.py").write_text(SCRIPT)
    gateway = Gateway(tmp_path, "-s", str(tmp_path / "resources.py"), "--set", "store_memory_limit=2m")
    try:
        gateway.setup("gateway ports=all --apply")
        ca = gateway.confdir / "interceptor-ca-cert.pem"

        def load(connections: int) -> dict[str, int]:
            command = f"{PYTHON} -m tests.support.many_connections {ca} {connections} {SERVER} {SERVER6}"
            done = gateway.networks.run("client", command, seconds=300)
            assert done["status"] == 0, done
            seen: dict[str, int] = json.loads(done["out"])
            assert seen["refused"] == 0 and seen["finished"] + seen["dropped"] == connections, seen
            return seen

        load(2_000)  # what is loaded and cached for good is there then
        before = resources(gateway)
        assert load(CONNECTIONS)["dropped"] > CONNECTIONS // 10, "many are left in the middle"
        after = resources(gateway)
        for name in ("tasks", "sockets", "drivers"):
            assert after[name] <= before[name], (name, before, after)
        assert after["memory"] - before["memory"] < 16 * 2**20, (before, after)
    finally:
        gateway.networks.close()


def resources(gateway: Gateway) -> dict[str, int]:
    """When what has ended has been closed: it does not get less any more."""
    least: dict[str, int] = {}
    while True:
        seen: dict[str, int] = json.loads(gateway.client(f"curl -sS http://{SERVER}/resources"))
        if least and seen["sockets"] >= least["sockets"] and seen["drivers"] >= least["drivers"]:
            return seen
        least = seen
