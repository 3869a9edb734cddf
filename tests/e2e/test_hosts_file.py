"""A hosts file that leads a host's clients to this program: what it connects to itself must not be led there as well."""

from __future__ import annotations

import http.client
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.support.dns_server import DnsServer
from tests.support.prepared import Forked
from tests.support.programs import free_port
from tests.support.proxy import Proxy

HOST = "led.example.test"
"""127.0.0.2 by the name server, 127.0.0.1 by the hosts file."""
pytestmark = pytest.mark.needs_namespaces


class Origin(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{self.path} of {self.headers['Host']} at {self.request.getsockname()[0]}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def origin() -> Iterator[int]:
    """Its port, on 127.0.0.2; the same one of 127.0.0.1 is free."""
    server = HTTPServer(("127.0.0.2", free_port()), Origin)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class Misled(Proxy):
    """Finds `hosts` where the system has its own."""

    hosts: Path

    def _start(self, command: Sequence[str]) -> Forked | subprocess.Popen[bytes]:
        shell = f'mount --bind {self.hosts} /etc/hosts; exec "$@"'
        before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", shell, "misled"]
        return super()._start([*before, *command])


def get(port: int, path: str) -> tuple[int, str]:
    """As a client does that the hosts file has led here."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": HOST})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_who_is_led_here_gets_what_the_host_itself_says(origin: int, tmp_path: Path, confdir: Path) -> None:
    Misled.hosts = tmp_path / "hosts"
    Misled.hosts.write_text(f"127.0.0.1 localhost {HOST}\n")
    mode = f"reverse:http://{HOST}:{origin}@127.0.0.1:{origin}"
    with DnsServer() as server:
        names = ["--set", f"dns_name_servers=127.0.0.1:{server.port}"]
        words = ["-m", mode, "-m", "regular", "-s", str(tmp_path / "switch.py"), *names]
        (tmp_path / "switch.py").write_text(SWITCH)
        with Misled(tmp_path, *words, confdir=confdir, trusted_ca=None) as proxy:
            status, page = get(origin, "/looped")
            assert status == 502 and "leads to this proxy itself" in page and "dns_use_hosts_file" in page
            assert not server.asked
            assert get(origin, "/switch") == (200, "off")
            assert get(origin, "/led") == (200, f"/led of {HOST}:{origin} at 127.0.0.2")
            assert proxy.flow("/led")["error"] is None
    assert {name for _, name in server.asked} == {f"{HOST}. A", f"{HOST}. AAAA"}


SWITCH = """
from mitmproxy import ctx, http

def request(flow):
    if flow.request.path == "/switch":
        ctx.options.dns_use_hosts_file = False
        flow.response = http.Response.make(200, b"off")
"""
