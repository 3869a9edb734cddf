"""Transparent mode for real: a client whose connections a gateway leads to the program, in networks of the test's own."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import TestAuthority
from tests.support.gateway import SERVER, SERVER6, Networks

pytestmark = pytest.mark.needs_namespaces
PYTHON = shlex.quote(sys.executable)
INTERCEPTOR = f"{PYTHON} -m interceptor"


class Gateway:
    def __init__(self, folder: Path, *options: str) -> None:
        self.networks = Networks(folder / "networks.log")
        self.confdir, self._flows = folder / "confdir", folder / "flows"
        self._authority = TestAuthority(folder / "ca")
        certificate = self._authority.issue("secure.test")
        self.networks.start("server", f"{PYTHON} -m tests.support.gateway serve {certificate.file}", "serving")
        dump = f"{INTERCEPTOR} dump --json --set confdir={self.confdir} --mode transparent@:8080"
        trust = f"--set ssl_verify_upstream_trusted_ca={self._authority.ca_file}"
        self._program = self.networks.start("gateway", f"{dump} {trust} {shlex.join(options)} 2>&1 >{self._flows}", "8080")

    def client(self, command: str) -> str:
        return self._run("client", command)

    def gateway(self, command: str) -> str:
        return self._run("gateway", command)

    def setup(self, words: str) -> str:
        return self.gateway(f"{INTERCEPTOR} setup transparent {words}")

    def _run(self, where: str, command: str) -> str:
        done = self.networks.run(where, command)
        assert done["status"] == 0, done
        return str(done["out"])

    def end(self) -> tuple[list[dict[str, Any]], str]:
        """Ends the program: the flows that it printed, and what it said."""
        said = self.networks.stop(self._program)
        return [json.loads(line) for line in self._flows.read_text().splitlines()], said


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path)
    yield running
    running.networks.close()


SPEAK = (
    "import socket, sys; s = socket.create_connection((sys.argv[1], 2525)); print(s.recv(100)); s.sendall(b'hello');"
    " s.shutdown(socket.SHUT_WR); print(s.recv(100))"
)


def test_a_gateway(gateway: Gateway) -> None:
    """HTTP, HTTPS by its server name, a server that speaks first; IPv4 and IPv6. What nobody redirected is refused."""
    gateway.setup("gateway ports=all --apply")
    ca = gateway.confdir / "interceptor-ca-cert.pem"
    for host in (SERVER, f"[{SERVER6}]"):
        assert gateway.client(f"curl -sS http://{host}/plain") == "/plain"
        assert gateway.client(f"curl -sS --cacert {ca} --resolve secure.test:443:{host} https://secure.test/sealed") == "/sealed"
        spoken = gateway.client(f"{PYTHON} -c {shlex.quote(SPEAK)} {host.strip('[]')}")
        assert spoken.splitlines() == ["b'220 ready\\r\\n'", "b'hello'"]
    assert gateway.networks.run("client", "curl -sS http://192.0.2.1:8080/")["status"] != 0
    gateway.setup("--undo")
    assert gateway.client(f"curl -sS http://{SERVER}/not-redirected") == "/not-redirected"
    flows, said = gateway.end()
    assert [flow["type"] for flow in flows] == ["http", "http", "tcp"] * 2
    where = [f"{host}:{port}" for host in (SERVER, f"[{SERVER6}]") for port in (80, 443, 2525)]
    assert [flow["server"]["address"] for flow in flows] == where
    assert "192.0.2.2:" in said and "nothing redirected it" in said


ASK = (
    "import socket, sys; host, port, *said = sys.argv[1:];"
    " s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10);"
    " s.connect((host, int(port)));"  # so nothing is heard but what comes from there
    " [(s.send(each.encode('latin-1')), print(ascii(s.recv(100)))) for each in said]"
)


@pytest.mark.needs_dig
def test_datagrams(gateway: Gateway) -> None:
    """Answers come from where the client sent to; DNS queries are DNS flows; what comes to the listener itself is dropped."""
    gateway.setup("gateway udp=all --apply")
    for host, who in ((SERVER, "198.51.100.1"), (SERVER6, "2001:db8:2::1")):
        told = gateway.client(f"{PYTHON} -c {shlex.quote(ASK)} {host} 2525 one two")
        assert told == f"b'{who} said one'\nb'{who} said two'\n"
        assert gateway.client(f"dig +short +tries=1 @{host} secure.test") == "192.0.2.55\n"
    gateway.networks.run("client", f"timeout 1 {PYTHON} -c {shlex.quote(ASK)} 192.0.2.1 8080 lost")
    gateway.setup("--undo")
    told = gateway.client(f"{PYTHON} -c {shlex.quote(ASK)} {SERVER} 2525 not-redirected")
    assert told == "b'192.0.2.2 said not-redirected'\n"
    assert "1c3b" not in gateway.gateway("ip rule; ip -6 rule; ip route show table 7227 2>/dev/null || true")
    flows, said = gateway.end()
    assert "nothing redirected it" in said
    where = [(flow["type"], flow["server"]["address"]) for flow in flows]
    assert where == [(kind, f"{host}:{port}") for kind, port in (("dns", 53), ("udp", 2525)) for host in (SERVER, f"[{SERVER6}]")]
    assert flows[0]["request"]["name"] == "secure.test" and [flow["message_count"] for flow in flows[2:]] == [4, 4]


def test_a_rule_that_leads_back_to_us_is_told_and_not_followed(gateway: Gateway) -> None:
    gateway.setup("gateway --apply")
    gateway.gateway(
        "nft 'table inet wrong { chain output { type nat hook output priority -100; tcp dport 80 redirect to :8080; }; }'"
    )
    assert "would never end" in gateway.client(f"curl -sS http://{SERVER}/")
    gateway.setup("user=1234 udp=2525 --apply")  # and the program runs as somebody else
    gateway.networks.run("gateway", f"timeout 1 {PYTHON} -c {shlex.quote(ASK)} {SERVER} 2525 lost")
    flows, said = gateway.end()
    assert [flow["type"] for flow in flows] == ["http", "udp"] and "would never end" in flows[0]["error"]["message"]
    assert flows[1]["server"]["address"] == f"{SERVER}:2525" and "A datagram from" in said and "would never end" in said


def test_what_tproxy_hands_over(gateway: Gateway) -> None:
    """The accepted socket has the address of the server."""
    gateway.gateway(
        "ip rule add fwmark 1 lookup 100; ip route add local default dev lo table 100;"
        " nft 'table ip divert { chain prerouting { type filter hook prerouting priority mangle;"
        " iifname \"to-client\" tcp dport 80 tproxy to 127.0.0.1:8080 meta mark set 1 accept; }; }'"
    )
    assert gateway.client(f"curl -sS http://{SERVER}/by-tproxy") == "/by-tproxy"
    flows, _ = gateway.end()
    assert [flow["server"]["address"] for flow in flows] == [f"{SERVER}:80"]
