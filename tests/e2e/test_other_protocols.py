"""Real clients of many protocols, where the system leads them to us (`interceptor run`: REDIRECT, TPROXY) and through SOCKS.

The same programs on both ways: curl, git, ssh, psql with TLS, mail with STARTTLS, dig, and datagrams that come back.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartProxy, run
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.dns_server import DnsServer
from tests.support.hypercorn import Hypercorn
from tests.support.plain_first import Sshd, postgres, smtp
from tests.support.raw_server import RawServer
from tests.support.socks_client import SocksForward

TOP = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.needs_curl, pytest.mark.needs_git, pytest.mark.needs_ssh, pytest.mark.needs_psql, pytest.mark.needs_dig,
]  # fmt: skip
ASK = "import socket, sys; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(10);"
ASK += " s.connect(('127.0.0.1', int(sys.argv[1]))); s.send(b'there'); print(s.recv(99).decode())"


class Servers:
    def __init__(self, folder: Path, hypercorn: Hypercorn, certificate: ServerCertificate) -> None:
        self.hypercorn, self.folder = hypercorn, folder
        self.mails: list[bytes] = []
        self.mail = RawServer(smtp(certificate, self.mails))
        self.database = RawServer(postgres(certificate, b"42"))
        self.ssh = Sshd(folder / "sshd")
        self.names = DnsServer()
        self.echo = socket.socket(type=socket.SOCK_DGRAM)
        self.echo.bind(("127.0.0.1", 0))
        self.echo_port = self.echo.getsockname()[1]
        threading.Thread(target=self._answer, daemon=True).start()
        bare = hypercorn.repositories / f"{folder.name}.git"
        subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True)
        self.repository = f"{hypercorn.https_url}/git/{bare.name}"
        (folder / "mail").write_bytes(b"Subject: hello\r\n\r\nfrom curl\r\n")

    def _answer(self) -> None:
        while True:
            try:
                data, peer = self.echo.recvfrom(999)
            except OSError:
                return
            self.echo.sendto(b"and back from " + data, peer)

    def commands(self, ca: Path, **ports: int) -> dict[str, list[str]]:
        """By name; the ports are where those that know no proxy find their servers."""
        curl = ["curl", "-sS", "--cacert", str(ca)]
        database = f"host=localhost port={ports['database']} user=me dbname=x gssencmode=disable"
        database += f" sslmode=verify-full sslrootcert={ca}"
        send = ["--ssl-reqd", "--mail-from", "me@a.test", "--mail-rcpt", "you@a.test", "-T", str(self.folder / "mail")]
        dig = ["dig", "@127.0.0.1", "-p", str(ports["names"]), "+short", "+tries=1", "mail.example.test"]
        return {
            "curl": [*curl, f"{self.hypercorn.https_url}/by-curl"],
            "git": ["git", "-c", f"http.sslCAInfo={ca}", "ls-remote", "--symref", self.repository],
            "ssh": [*self.ssh.client(), "echo", "logged", "in"],
            "psql": ["psql", "-X", "-At", database, "-c", "select 40 + 2"],
            "mail": [*curl, *send, f"smtp://localhost:{self.mail.port}/me"],
            "dig": dig,
            "datagrams": [sys.executable, "-c", ASK, str(ports["echo"])],
        }

    def stop(self) -> None:
        self.echo.close()
        self.ssh.stop()


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, hypercorn: Hypercorn, certificate: ServerCertificate
) -> Iterator[Servers]:
    started = Servers(tmp_path_factory.mktemp("servers"), hypercorn, certificate)
    with started.mail, started.database, started.names:
        yield started
    started.stop()


def check(servers: Servers, said: dict[str, str], flows: list[dict[str, Any]]) -> None:
    """What the programs printed, and what is recorded: by where it went, in plain text."""
    assert json.loads(said["curl"])["path"] == "/by-curl"
    assert (said["ssh"], said["psql"], said["dig"], said["datagrams"]) == (
        "logged in\n", "42\n", "192.0.2.25\n", "and back from there\n",
    )  # fmt: skip
    assert len(servers.mails) == 1 and b"from curl" in servers.mails.pop()
    by_port = {int(flow["server"]["address"].rpartition(":")[2]): flow for flow in flows if flow["type"] != "http"}
    paths = {flow["request"]["path"] for flow in flows if flow["type"] == "http"}
    assert "/by-curl" in paths and any("info/refs" in path for path in paths)
    kinds = {port: by_port[port]["type"] for port in (servers.ssh.port, servers.names.port, servers.echo_port)}
    assert list(kinds.values()) == ["tcp", "dns", "udp"]
    for port, words in ((servers.mail.port, ("STARTTLS", "from curl")), (servers.database.port, ("select 40 + 2",))):
        flow = by_port[port]
        assert flow["client"]["tls"] and flow["server"]["tls"] and flow["error"] is None
        assert all(word in json.dumps(flow) for word in words), "what was said in TLS is there, in plain text"


@pytest.mark.needs_namespaces
def test_led_to_us_by_the_system(servers: Servers, confdir: Path, authority: TestAuthority, tmp_path: Path) -> None:
    ca = confdir / "interceptor-ca-cert.pem"
    ports = {"database": servers.database.port, "names": servers.names.port, "echo": servers.echo_port}
    script = "".join(
        f"{shlex.join(command)} >{shlex.quote(str(tmp_path / name))} 2>&1\n"
        for name, command in servers.commands(ca, **ports).items()
    )
    trust = f"ssl_verify_upstream_trusted_ca={authority.ca_file}"
    start = [sys.executable, "-m", "interceptor", "--set", f"confdir={confdir}", "--set", trust, "--set", "flow_detail=4"]
    done = subprocess.run(
        [*start, "run", "--dump", "--json", "--", "sh", "-c", script],
        cwd=TOP, capture_output=True, stdin=subprocess.DEVNULL, timeout=90, text=True, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    said = {name: (tmp_path / name).read_text() for name in servers.commands(ca, **ports)}
    assert done.returncode == 0, (said, done.stderr[-2000:])
    check(servers, said, [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")])


def test_through_socks(servers: Servers, start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = start_proxy("--mode", "socks5", "--set", "flow_detail=4", "--set", "udp_timeout=1")
    to_database = SocksForward(proxy.port, "localhost", servers.database.port)
    to_names = SocksForward(proxy.port, "127.0.0.1", servers.names.port)
    to_echo = SocksForward(proxy.port, "127.0.0.1", servers.echo_port)
    with to_database, to_names, to_echo:
        commands = servers.commands(proxy.ca_file, database=to_database.port, names=to_names.port, echo=to_echo.port)
        socks = ["--socks5-hostname", f"127.0.0.1:{proxy.port}"]
        over = f"ProxyCommand={shlex.join([sys.executable, '-m', 'tests.support.socks_client', str(proxy.port)])} %h %p"
        commands["curl"] += socks
        commands["mail"] += socks
        commands["git"][1:1] = ["-c", f"http.proxy=socks5h://127.0.0.1:{proxy.port}"]
        commands["ssh"] = [*servers.ssh.client(over), "echo", "logged", "in"]
        said = {}
        for name, command in commands.items():
            said[name] = run(command, home=tmp_path, PYTHONPATH=str(TOP)).decode()
    proxy.flow_where(lambda flow: flow["type"] == "udp")
    check(servers, said, proxy.flows())
