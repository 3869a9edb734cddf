"""Every version of HTTP towards a client with every version towards a server: proxies in reverse mode before one origin."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import run
from tests.support.certificates import TestAuthority
from tests.support.programs import free_port
from tests.support.proxy import Flow, Proxy

CLIENTS = {"h1": ["--http1.1"], "h1-tls": ["--http1.1"], "h2-tls": ["--http2"], "h2c": ["--http2-prior-knowledge"]}
SERVERS = ("h1", "h1-tls", "h2-tls", "h2c")
PAIRS = [(client, server) for client in CLIENTS for server in SERVERS]


class Ways:
    """Two proxies, one that speaks HTTP/2 to servers and one that does not, each with a plain and a TLS server behind it."""

    def __init__(self, folder: Path, confdir: Path, authority: TestAuthority, plain_port: int, tls_port: int) -> None:
        self.proxies: dict[str, Proxy] = {}
        self.tls_ports: dict[str, int] = {}
        for upstream in ("always", "never"):
            port = self.tls_ports[upstream] = free_port()
            self.proxies[upstream] = Proxy(
                folder / upstream,
                *("-m", f"reverse:http://127.0.0.1:{plain_port}"),
                *("-m", f"reverse:https://localhost:{tls_port}@{port}"),
                *("--set", f"http2_upstream={upstream}"),
                confdir=confdir,
                trusted_ca=authority.ca_file,
            )

    def stop(self) -> None:
        for proxy in self.proxies.values():
            proxy.stop()

    def proxy(self, server: str) -> Proxy:
        return self.proxies["always" if server.startswith("h2") else "never"]

    def port(self, server: str) -> int:
        upstream = "always" if server.startswith("h2") else "never"
        return self.tls_ports[upstream] if server.endswith("-tls") else self.proxies[upstream].port

    def url(self, client: str, server: str, path: str) -> str:
        scheme = "https" if client.endswith("-tls") else "http"
        return f"{scheme}://localhost:{self.port(server)}{path}{'&' if '?' in path else '?'}{client}:{server}"

    def flow(self, client: str, server: str, path: str) -> Flow:
        """As it should be: without an error, and each side in its version."""
        flow = self.proxy(server).flow(f"{path}{'&' if '?' in path else '?'}{client}:{server}")
        assert flow["error"] is None, flow["error"]
        versions = ["HTTP/2.0" if side.startswith("h2") else "HTTP/1.1" for side in (client, server)]
        assert [flow["request"]["http_version"], flow["response"]["http_version"]] == versions
        streams = flow.get("streams", {"client": None, "server": None})
        assert [bool(streams[side]) for side in ("client", "server")] == [name.startswith("h2") for name in (client, server)]
        return flow

    def command(self, client: str, server: str, path: str, *arguments: str | Path) -> list[str]:
        trust = ["--cacert", self.proxy(server).ca_file]
        options = ["-sS", "--fail", "--noproxy", "*", *CLIENTS[client], *trust, *arguments]
        return [str(word) for word in ("curl", *options, self.url(client, server, path))]

    def curl(self, client: str, server: str, path: str, *arguments: str | Path) -> bytes:
        return run(self.command(client, server, path, *arguments))


def lines_of(head: Path) -> list[str]:
    return [line.lower() for line in head.read_text().splitlines()]
