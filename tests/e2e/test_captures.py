"""WireGuard and TUN for real: a client of WireGuard, or a route, in a network of its own, through mitmproxy_rs to us."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.programs import stop

TOP = Path(__file__).parents[2]
ELSEWHERE = "198.51.100.1"  # TEST-NET-2 (RFC 5737)
BIG = os.urandom(3_000_000)

ASK_FOR_LOCALHOST = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(bytes.fromhex("abcd01000001000000000000") + b"\\x09localhost\\0\\0\\1\\0\\1", ("10.0.0.53", 53))
answer = s.recv(512)
print(answer[:2].hex(), answer[-4:].hex())
"""


class Network:
    """A network namespace: nothing of it is seen outside, and it ends with the test."""

    def __init__(self, folder: Path) -> None:
        self.name, self._folder = f"interceptor-{os.getpid()}", folder
        self._programs: list[subprocess.Popen[bytes]] = []
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command: str | Path, text: str = "") -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *command], input=text, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def start(self, log: Path, *command: str | Path) -> None:
        with log.open("wb") as out:
            self._programs.append(
                subprocess.Popen(
                    ["ip", "netns", "exec", self.name, *command],
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd=self._folder,
                    env={**os.environ, "PYTHONPATH": str(TOP), "WG_PROCESS_FOREGROUND": "1"},
                )
            )

    def close(self) -> None:
        for program in reversed(self._programs):
            stop(program)
        subprocess.run(["ip", "netns", "del", self.name], check=False)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network(tmp_path)
    yield network
    network.close()


def wait_for(log: Path, text: str) -> str:
    deadline = time.monotonic() + 20
    pause = threading.Event()
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        pause.wait(0.02)
    return log.read_text()


def proxy(network: Network, folder: Path, confdir: Path, mode: str, *more: str) -> Path:
    (folder / "big").write_bytes(BIG)
    log = folder / "proxy.log"
    network.start(
        log,
        *(sys.executable, "-m", "interceptor", "dump", "--json", "--mode", mode, "--set", f"confdir={confdir}"),
        *("--set", "connection_strategy=lazy", "--map-local", f"|{ELSEWHERE}/big|{folder / 'big'}"),
        *("--block-list", "|!~u /big|418", *more),
    )
    return log


def check_http(network: Network, confdir: Path, log: Path, mode: str) -> None:
    ca = confdir / "interceptor-ca-cert.pem"
    for scheme in ("http", "https"):
        said = network.run("curl", "-sS", "--cacert", ca, "-w", "%{http_code}", f"{scheme}://{ELSEWHERE}/{scheme}")
        assert said.endswith("418")
        wait_for(log, f'"path":"/{scheme}"')
    sums = network.run("sh", "-c", f"curl -sS http://{ELSEWHERE}/big | sha256sum")
    assert sums.split()[0] == hashlib.sha256(BIG).hexdigest()
    assert f'"mode":"{mode}"' in log.read_text()


@pytest.mark.needs_wireguard
def test_wireguard(network: Network, tmp_path: Path, confdir: Path) -> None:
    mode = "wireguard@127.0.0.1:0"
    log = proxy(network, tmp_path, confdir, mode)
    lines = [line.strip() for line in wait_for(log, "Endpoint").splitlines()]
    facts = dict(line.split(" = ") for line in lines if " = " in line)
    assert facts["Address"] == "10.0.0.1/32" and facts["DNS"] == "10.0.0.53" and facts["AllowedIPs"] == "0.0.0.0/0"
    assert (confdir / "wireguard.conf").stat().st_mode & 0o077 == 0
    network.start(tmp_path / "client.log", "wireguard-go", "wgt0")
    key = tmp_path / "key"
    key.write_text(facts["PrivateKey"])
    for _ in range(200):
        with suppress(AssertionError):
            network.run("wg", "show", "wgt0")
            break
        threading.Event().wait(0.02)
    peer = ("peer", facts["PublicKey"], "endpoint", facts["Endpoint"], "allowed-ips", "0.0.0.0/0")
    network.run("wg", "set", "wgt0", "private-key", key, *peer)
    network.run("ip", "address", "add", facts["Address"], "dev", "wgt0")
    network.run("ip", "link", "set", "wgt0", "up")
    network.run("ip", "route", "add", "default", "dev", "wgt0")
    check_http(network, confdir, log, mode)
    said = network.run(sys.executable, "-c", ASK_FOR_LOCALHOST)
    assert said.split() == ["abcd", "7f000001"], "a name that we have looked up"


@pytest.mark.needs_tun
def test_tun(network: Network, tmp_path: Path, confdir: Path) -> None:
    log = proxy(network, tmp_path, confdir, "tun:itc0")
    wait_for(log, "The interface itc0 is there")
    network.run("ip", "address", "add", "192.0.2.9/32", "dev", "itc0")
    network.run("ip", "link", "set", "itc0", "up")
    network.run("ip", "route", "add", "198.51.100.0/24", "dev", "itc0")
    check_http(network, confdir, log, "tun:itc0")
    line = next(line for line in log.read_text().splitlines() if '"path":"/https"' in line)
    assert json.loads(line)["client"]["process"]["name"] == "curl"
