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
from tests.support.gateway_programs import prepare

pytestmark = pytest.mark.needs_namespaces
PYTHON = shlex.quote(sys.executable)
INTERCEPTOR = f"{PYTHON} -m interceptor"


class Gateway:
    """`serve`: the module that is the server, with `{}` for the certificate."""

    def __init__(self, folder: Path, *options: str, serve: str = "tests.support.gateway serve {}") -> None:
        self.networks = Networks(folder / "networks.log")
        self.confdir, self._flows = folder / "confdir", folder / "flows"
        self._authority = TestAuthority(folder / "ca")
        certificate = self._authority.issue("secure.test")
        self.networks.start("server", f"{PYTHON} -m {serve.format(certificate.file)}", "serving")
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


@pytest.mark.needs_git
@pytest.mark.needs_ssh
@pytest.mark.needs_psql
@pytest.mark.needs_curl
def test_programs_by_redirect_and_by_tproxy(tmp_path: Path) -> None:
    """git, ssh, psql with TLS and mail with STARTTLS, none of which knows of a proxy: IPv4 by REDIRECT, IPv6 by TPROXY, where the
    accepted socket has the address of the server."""
    prepare(tmp_path)
    gateway = Gateway(tmp_path, "--set", "flow_detail=4", serve=f"tests.support.gateway_programs {{}} {tmp_path}")
    try:
        gateway.setup("gateway ports=all --apply")
        said = [gateway.client(_script(gateway, tmp_path, SERVER))]
        gateway.setup("--undo")
        for family, loopback in (("4", "127.0.0.1"), ("6", "[::1]")):
            gateway.gateway(
                f"ip -{family} rule add fwmark 1 lookup 100; ip -{family} route add local default dev lo table 100;"
                f" nft 'table ip{family.strip('4')} divert {{ chain prerouting {{ type filter hook prerouting priority mangle;"
                f" iifname \"to-client\" meta l4proto tcp tproxy to {loopback}:8080 meta mark set 1 accept; }}; }}'"
            )
        said.append(gateway.client(_script(gateway, tmp_path, SERVER6)))
        ca = gateway.confdir / "interceptor-ca-cert.pem"
        by_tproxy = f"curl -sS --cacert {ca} --resolve secure.test:443:{SERVER} https://secure.test/by-tproxy"
        assert "File not found" in gateway.client(by_tproxy)
        flows, _ = gateway.end()
    finally:
        gateway.networks.close()
    assert [each.split("\n") for each in said] == [["what was committed", "logged in as tester", "42", ""]] * 2
    for host in (SERVER, f"[{SERVER6}]"):
        here = {flow["server"]["address"].rpartition(":")[2]: flow for flow in flows if host in flow["server"]["address"]}
        assert {port: flow["type"] for port, flow in here.items()} == {"443": "http", "22": "tcp", "5432": "tcp", "25": "tcp"}
        assert all(flow["error"] is None for flow in here.values())
        assert "select 40 + 2" in json.dumps(here["5432"]) and "Subject: hello" in json.dumps(here["25"]), "in plain text"
        assert here["5432"]["client"]["tls"] and here["25"]["server"]["tls"] and not here["22"]["client"]["tls"]
        paths = [flow["request"]["path"] for flow in flows if flow["type"] == "http" and host in flow["server"]["address"]]
        assert paths[0].startswith("/repository.git/info/refs") and any("/objects/" in path for path in paths)
        assert (paths[-1] == "/by-tproxy") is (host == SERVER)


def _script(gateway: Gateway, folder: Path, host: str) -> str:
    """What the programs print: a line each, and nothing of the mail."""
    ca, copy = gateway.confdir / "interceptor-ca-cert.pem", folder / f"copy-{host}"
    resolved = f"secure.test:443:{host}"
    git = f"git -c http.sslCAInfo={ca} -c http.curloptResolve={resolved}"
    ssh = f"ssh -F none -i {folder / 'key'} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    database = f"host=secure.test hostaddr={host} user=me dbname=x gssencmode=disable sslmode=verify-full sslrootcert={ca}"
    mail = f"curl -sS --ssl-reqd --cacert {ca} --resolve secure.test:25:{host} --mail-from me@a.test --mail-rcpt you@a.test"
    return (
        f"export HOME={folder}; {git} clone -q https://secure.test/repository.git {copy}; git -C {copy} log --format=%s;"
        f" {ssh} -o BatchMode=yes tester@{host} 'echo logged in as $(id -un)' </dev/null;"
        f" psql -X -At '{database}' -c 'select 40 + 2';"
        f" printf 'Subject: hello\r\n\r\nfrom curl\r\n' | {mail} -T - smtp://secure.test/me"
    )
