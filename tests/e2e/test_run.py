"""`interceptor run -- COMMAND`: real programs, enclosed or told by variables; nothing is trusted on the machine itself."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.console_program import Console, Origin
from tests.support.dns_server import DnsServer
from tests.support.hypercorn import Hypercorn
from tests.support.prepared import run_to_end

TOP = Path(__file__).parents[2]
Run = Callable[..., "Done"]


class Done:
    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.status, self.out, self.log = done.returncode, done.stdout.decode(), done.stderr.decode()

    @property
    def flows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]


@pytest.fixture
def run(confdir: Path, authority: TestAuthority, tmp_path: Path) -> Run:
    def run(*command: str, flags: tuple[str, ...] = (), of: tuple[str, ...] = (), **environment: str) -> Done:
        trust = f"ssl_verify_upstream_trusted_ca={authority.ca_file}"
        start = [sys.executable, "-m", "interceptor", "--set", f"confdir={confdir}", "--set", trust]
        start += ["run", "--dump", "--json", *flags, "--", *command]
        surroundings = {**os.environ, "PYTHONPATH": str(TOP), **environment}
        if not of:
            return Done(run_to_end(start, surroundings, tmp_path, 90))
        return Done(
            subprocess.run(
                [*of, *start], cwd=tmp_path, env=surroundings, capture_output=True, stdin=subprocess.DEVNULL, timeout=90
            )
        )

    return run


PYTHON_GETS = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
NODE_GETS = "fetch(process.argv[1]).then(r => r.text()).then(t => console.log(t), e => { console.error(e); process.exit(9) })"
JAVA_GETS = """
public class Get {
    public static void main(String[] words) throws Exception {
        System.out.write(new java.net.URL(words[0]).openStream().readAllBytes());
        System.out.flush();
    }
}
"""


def seen(done: Done, path: str) -> dict[str, Any]:
    assert done.status == 0, done.log
    answer: dict[str, Any] = json.loads(done.out)
    assert answer["path"] == path and answer["method"] == "GET"
    [flow] = [flow for flow in done.flows if flow["type"] == "http"]
    assert flow["request"]["path"] == path and flow["response"]["status_code"] == 200
    return flow


@pytest.mark.needs_namespaces
class TestEnclosed:
    @pytest.mark.needs_curl
    def test_curl(self, run: Run, hypercorn: Hypercorn) -> None:
        flow = seen(run("curl", "-sS", f"{hypercorn.https_url}/by-curl"), "/by-curl")
        assert flow["mode"] == "run curl" and flow["server"]["address"] == f"127.0.0.1:{hypercorn.https_port}"
        assert flow["client"]["process"]["name"] == "curl", "found by its socket in that network"
        assert flow["client"]["process"]["command"] == ["curl", "-sS", f"{hypercorn.https_url}/by-curl"]

    def test_a_proxy_that_was_set_is_not_looked_for(self, run: Run, hypercorn: Hypercorn) -> None:
        seen(run("curl", "-sS", f"{hypercorn.http_url}/no-proxy", http_proxy="http://127.0.0.1:9"), "/no-proxy")

    def test_python(self, run: Run, hypercorn: Hypercorn) -> None:
        seen(run(sys.executable, "-c", PYTHON_GETS, f"{hypercorn.https_url}/by-python"), "/by-python")

    @pytest.mark.needs_node
    def test_node(self, run: Run, hypercorn: Hypercorn) -> None:
        seen(run("node", "-e", NODE_GETS, f"{hypercorn.https_url}/by-node"), "/by-node")

    @pytest.mark.needs_java
    def test_java(self, run: Run, hypercorn: Hypercorn, tmp_path: Path) -> None:
        """Without root, which the tests of CI have."""
        (tmp_path / "Get.java").write_text(JAVA_GETS)
        user = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
        quickly = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
        flow = seen(run("java", *quickly, "Get.java", f"{hypercorn.https_url}/by-java", of=user), "/by-java")
        assert flow["mode"] == "run java"

    @pytest.mark.needs_git
    def test_git(self, run: Run, hypercorn: Hypercorn) -> None:
        subprocess.run(["git", "init", "-q", "--bare", str(hypercorn.repositories / "enclosed.git")], check=True)
        done = run("git", "clone", f"{hypercorn.https_url}/git/enclosed.git", "clone")
        assert done.status == 0, done.log
        assert any("info/refs" in flow["request"]["path"] for flow in done.flows if flow["type"] == "http")

    def test_a_server_that_speaks_first_and_a_user_who_is_still_itself(self, run: Run) -> None:
        with Origin() as origin:
            speak = f"import os, socket; s = socket.create_connection(('127.0.0.1', {origin.port})); s.sendall(b'GET / HTTP/1.0')"
            done = run(sys.executable, "-c", f"{speak}; s.sendall(b'\\r\\n\\r\\n'); print(s.recv(15)); print(os.getuid())")
        assert done.out.splitlines() == ["b'HTTP/1.1 200 OK'", str(os.getuid())], done.log

    @pytest.mark.needs_dig
    def test_datagrams_and_names(self, run: Run) -> None:
        """To where the program sent them, and answered from there; over IPv6 as well."""
        with DnsServer() as server:
            ask = f"dig +short +tries=1 -p {server.port}"
            done = run("sh", "-c", f"{ask} @127.0.0.1 www.example.test; {ask} @127.0.0.1 +tcp www.example.test")
        assert done.status == 0 and done.out.split() == ["192.0.2.1", "192.0.2.2"] * 2, done.log
        assert [flow["type"] for flow in done.flows] == ["dns"] * 2
        assert {flow["request"]["name"] for flow in done.flows} == {"www.example.test"}
        assert {flow["server"]["address"] for flow in done.flows} == {f"127.0.0.1:{server.port}"}
        sockets = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
        asks, echoes, servers = "import socket", [], set()
        for sock, host in zip(sockets, ("127.0.0.1", "::1"), strict=True):
            sock.bind((host, 0))
            echo = threading.Thread(target=lambda sock=sock: [sock.sendto(*sock.recvfrom(65_535)) for _ in range(2)], daemon=True)
            echo.start()
            echoes.append(echo)
            port = sock.getsockname()[1]
            servers.add(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            asks += (
                f"; s = socket.socket(socket.{sock.family.name}, socket.SOCK_DGRAM); s.settimeout(10);"
                f" s.connect(('{host}', {port})); s.send(b'one'); print(s.recv(9)); s.send(b'x' * 60000);"
                " print(len(s.recv(65535)))"
            )
        done = run(sys.executable, "-c", asks)
        assert done.out.split() == ["b'one'", "60000"] * 2, done.log
        assert {flow["server"]["address"] for flow in done.flows} == servers
        for flow in done.flows:
            assert (flow["type"], flow["mode"], flow["message_count"]) == ("udp", "run " + os.path.basename(sys.executable), 4)
        assert len(done.flows) == 2
        for sock, echo in zip(sockets, echoes, strict=True):
            echo.join(5)
            sock.close()

    @pytest.mark.parametrize(("command", "status"), [("exit 7", 7), ("kill -9 $$", 128 + 9)])
    def test_its_exit_status_is_ours(self, run: Run, command: str, status: int) -> None:
        assert run("sh", "-c", command).status == status

    def test_a_program_that_is_not_there(self, run: Run) -> None:
        done = run("no-such-program")
        assert done.status == 127 and "no-such-program cannot be started: No such file or directory" in done.log

    def test_beside_the_console(self, confdir: Path, authority: TestAuthority, tmp_path: Path) -> None:
        with Origin() as origin:
            wait = f"until [ -e {shlex.quote(str(tmp_path / 'go'))} ]; do sleep 0.02; done"
            command = f"{wait}; curl -sS {origin.url('/beside')}; exit 3"
            with Console(tmp_path, "run", "--", "sh", "-c", command, confdir=confdir, trusted_ca=authority.ca_file) as console:
                (tmp_path / "go").touch()
                console.see("/beside", "200")
                console.press("E")
                console.see("sh: the answer", "sh ended with status 3")


@pytest.mark.needs_curl
def test_by_variables(run: Run, hypercorn: Hypercorn) -> None:
    flow = seen(run("curl", "-sS", f"{hypercorn.https_url}/by-variables", flags=("--env",)), "/by-variables")
    assert flow["mode"] == "regular"


def test_by_variables_a_program_that_is_not_there(run: Run) -> None:
    done = run("no-such-program", flags=("--env",))
    assert done.status == 1 and "no-such-program cannot be started: No such file or directory" in done.log


def test_what_is_ignored_is_verified_by_the_program_itself(
    run: Run, hypercorn: Hypercorn, certificate: ServerCertificate
) -> None:
    """The system's roots stay trusted, the tests' CA is none of them."""
    port = hypercorn.https_port
    done = run("curl", "-sS", f"{hypercorn.https_url}/ignored", flags=("--env", "--set", f"ignore_hosts=:{port}"))
    assert done.status == 60, done.log
