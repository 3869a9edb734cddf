"""Every way in with every way out, in networks of the test's own: what passes is what docs/matrix.md says.

A part in which all pairs come together runs with all other tests; `make matrix` runs all, and writes the page.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import TestAuthority
from tests.support.gateway import SERVER, SERVER6, TOP, Networks
from tests.support.parents import PASSWORD, USER
from tests.support.way_cells import (
    PORTS,
    Cell,
    cells,
    covering,
    hosts_file,
    name_server_script,
    origin_names,
    pac_script,
    page,
)

pytestmark = [pytest.mark.needs_namespaces, pytest.mark.needs_ipv6]
PYTHON = shlex.quote(sys.executable)


class Lab:
    """Runs cells, once: `results` and `flows` are of these."""

    def __init__(self, folder: Path, wanted: Sequence[Cell]) -> None:
        self._folder, self._wanted = folder, wanted
        self._authority = TestAuthority(folder / "ca")
        self._hosts = folder / "hosts"
        self._hosts.write_text(hosts_file())
        self._networks = Networks(folder / "networks.log")
        try:
            self.results, self.flows, self.parents_led_on = self._run()
        finally:
            self._networks.close()

    def _known_hosts(self, command: str) -> str:
        """The command where /etc/hosts knows the names."""
        inside = f"mount --bind {self._hosts} /etc/hosts; exec {command}"
        return f"unshare --mount sh -ec {shlex.quote(inside)}"

    def _run(self) -> tuple[dict[Cell, str], list[dict[str, Any]], list[str]]:
        networks, folder = self._networks, self._folder
        certificate = self._authority.issue(*origin_names(), "parent.test", SERVER, SERVER6)
        addresses = [host for host in origin_names() if not host.endswith(".test")]
        for host in addresses:
            size = "64 nodad" if ":" in host else "24"
            assert networks.run("server", f"ip addr add {host}/{size} dev eth0")["status"] == 0
        log, names = folder / "parents", folder / "cells"
        serve = f"{PYTHON} -m tests.support.way_server {certificate.file} {log}"
        networks.start("server", self._known_hosts(serve), "serving")
        program = self._start_program()
        if any(cell.mode == "transparent" for cell in self._wanted):
            words = f"setup transparent gateway ports=all udp={PORTS['UDP']},{PORTS['DNS']} --apply"
            setup = f"{PYTHON} -m interceptor {words} --set confdir={folder / 'confdir'}"
            done = networks.run("gateway", f"{setup} -p 8081")
            assert done["status"] == 0, done
        names.write_text("\n".join(cell.name for cell in self._wanted if cell.mode != "run"))
        ca = folder / "confdir" / "interceptor-ca-cert.pem"
        client = f"{PYTHON} -m tests.support.way_client {ca} 192.0.2.1 2001:db8:1::1"
        results = self._asked("client", f"{client} <{names}")
        said = networks.stop(program)
        assert "internal error" not in said, said
        flows = [json.loads(line) for line in (folder / "flows").read_text().splitlines()]
        if any(cell.mode == "run" for cell in self._wanted):
            names.write_text("\n".join(cell.name for cell in self._wanted if cell.mode == "run"))
            run = f"{PYTHON} -m interceptor run --dump --json {self._options()} -- {client}"
            results |= self._asked("gateway", f"{run} 2>{folder / 'log'} <{names}")
            flows += [json.loads(line) for line in (folder / "log").read_text().splitlines() if line.startswith("{")]
        return {cell: results[cell.name] for cell in self._wanted}, flows, log.read_text().splitlines()

    def _asked(self, where: str, client: str) -> dict[str, str]:
        done = self._networks.run(where, self._known_hosts(f"sh -c {shlex.quote(client)}"), seconds=400)
        assert done["status"] == 0, done
        results: dict[str, str] = json.loads(done["out"])
        return results

    def _start_program(self) -> int:
        script = self._folder / "name_servers.py"
        script.write_text(name_server_script())
        modes = dict.fromkeys(cell.mode_text for cell in self._wanted if cell.mode != "run")
        arguments = shlex.join([*(word for mode in modes for word in ("-m", mode)), "-s", str(script)])
        command = f"{PYTHON} -m interceptor dump --json {arguments} {self._options()} 2>&1 >{self._folder / 'flows'}"
        return self._networks.start("gateway", self._known_hosts(f"sh -c {shlex.quote('exec ' + command)}"), "Listening")

    def _options(self) -> str:
        folder = self._folder
        pac_file = folder / "proxy.pac"
        pac_file.write_text(pac_script())
        rules = dict.fromkeys(cell.rule(pac_file) for cell in self._wanted)
        arguments = [word for rule in rules for word in ("--route", rule)]
        arguments += ["--set", f"ssl_verify_upstream_trusted_ca={self._authority.ca_file}"]
        arguments += ["--set", f"confdir={folder / 'confdir'}", "--upstream-auth", f"{USER}:{PASSWORD}"]
        return shlex.join(arguments)

    def what_is_wrong(self, cell: Cell) -> str:
        """"" if it has passed: the client is content, its flow tells the way and no error, each hop was asked."""
        if self.results[cell]:
            return self.results[cell]
        flows = [flow for flow in self.flows if self._is_of(flow, cell)]
        if len(flows) != 1:
            return f"{len(flows)} flows instead of one"
        flow = flows[0]
        if flow["error"] is not None and cell.protocol != "UDP":  # which ends by silence, or with the program
            return f"the flow has an error: {flow['error']['message']}"
        if flow["server"]["via"] != cell.hops:
            return f"it went by way of {flow['server']['via']}"
        is_last_resolved = bool(cell.hops) and cell.hops[-1].startswith(("socks5:", "socks4:")) and cell.family == "n"
        if cell.parents and not is_last_resolved and f"{cell.parents[-1]} {cell.authority}" not in self.parents_led_on:
            return f"the last parent was never asked for {cell.authority}"
        return ""

    @staticmethod
    def _is_of(flow: dict[str, Any], cell: Cell) -> bool:
        if cell.protocol in ("HTTP/1", "HTTPS, HTTP/2", "WebSocket"):
            return bool(flow.get("request", {}).get("path") == f"/{cell.name}" and flow["mode"] == cell.mode_text)
        server = flow["server"]
        if cell.protocol in ("DNS", "DNS by TCP"):
            is_asked = flow["type"] == "dns" and flow["request"]["name"] == cell.question
            return bool(is_asked and flow["mode"] == cell.mode_text and server["address"] == cell.authority)
        return bool("request" not in flow and flow["mode"] == cell.mode_text and server and server["address"] == cell.authority)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    yield Lab(tmp_path_factory.mktemp("ways"), covering())


def test_all_pairs_of_ways_and_protocols(some: Lab) -> None:
    wrong = {cell: reason for cell in some.results if (reason := some.what_is_wrong(cell))}
    assert not wrong, "\n".join(f"{cell}: {reason}" for cell, reason in wrong.items())


@pytest.mark.matrix
def test_every_way_in_with_every_way_out(tmp_path: Path) -> None:
    lab = Lab(tmp_path, cells())
    results = {cell: lab.what_is_wrong(cell) for cell in lab.results}
    (TOP / "docs" / "matrix.md").write_text(page(results))
    wrong = [f"{cell}: {reason}" for cell, reason in results.items() if reason]
    assert not wrong, f"{len(wrong)} of {len(results)}:\n" + "\n".join(wrong)
