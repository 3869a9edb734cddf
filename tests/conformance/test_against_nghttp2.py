"""nghttp2's programs as peers: h2load and nghttp towards the proxy, nghttpd behind it; each also in HTTP/1 against the other, and
with what the protocol leaves to them: padding, small windows and tables, few streams, CONTINUATION, priorities."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import authority, certificate, confdir, nginx, run  # noqa: F401 - fixtures
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.nginx import Nginx, content
from tests.support.programs import free_port, start, stop, wait_until_accepting
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.conformance, pytest.mark.needs_nghttp]


class Nghttpd:
    """Serves `www`, with and without TLS; h2c without."""

    def __init__(self, folder: Path, certificate: ServerCertificate, *options: str) -> None:  # noqa: F811
        self.www = folder / "www"
        self.www.mkdir(parents=True)
        self.port, self.tls_port = free_port(), free_port()
        common = ["nghttpd", "--trailer", "x-trailer: yes", "-d", self.www, "-a", "127.0.0.1", *options]
        self._processes = []
        for port, arguments in ((self.port, ["--no-tls"]), (self.tls_port, [])):
            keys = [] if arguments else [certificate.file, certificate.file]
            process = start([*common, *arguments, str(port), *keys], folder / f"{port}.log")
            self._processes.append(process)
            wait_until_accepting(port, process, folder / f"{port}.log")

    def stop(self) -> None:
        for process in self._processes:
            stop(process)


@pytest.fixture(scope="module")
def nghttpd(tmp_path_factory: pytest.TempPathFactory, certificate: ServerCertificate) -> Iterator[Nghttpd]:  # noqa: F811
    server = Nghttpd(tmp_path_factory.mktemp("nghttpd"), certificate)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def odd_nghttpd(tmp_path_factory: pytest.TempPathFactory, certificate: ServerCertificate) -> Iterator[Nghttpd]:  # noqa: F811
    """Few streams, padded frames, small windows, no table of header fields; says what was uploaded."""
    options = ["-m", "2", "-b", "200", "-w", "12", "-W", "14", "-c", "0", "--encoder-header-table-size", "0", "--echo-upload"]
    server = Nghttpd(tmp_path_factory.mktemp("odd"), certificate, *options)
    yield server
    server.stop()


@pytest.fixture(params=["h2c", "h2-tls"])
def between(
    request: pytest.FixtureRequest, nghttpd: Nghttpd, tmp_path: Path, confdir: Path, authority: TestAuthority  # noqa: F811
) -> Iterator[tuple[Proxy, str]]:
    """(a proxy in front of nghttpd, its URL)."""
    is_tls = request.param == "h2-tls"
    mode = f"reverse:https://localhost:{nghttpd.tls_port}" if is_tls else f"reverse:http://127.0.0.1:{nghttpd.port}"
    with Proxy(tmp_path, "-m", mode, confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        yield proxy, proxy.tls_url if is_tls else proxy.url


def test_nghttp_gets_files_and_trailers(between: tuple[Proxy, str], nghttpd: Nghttpd) -> None:
    proxy, url = between
    body = content("nghttp", 300_000)
    (nghttpd.www / "file").write_bytes(body)
    said = run(["nghttp", "-v", "-n", "-m", "3", f"{url}/file"]).decode(errors="replace")
    assert said.count(":status: 200") == 3 and "x-trailer: yes" in said and "GOAWAY" in said
    assert run(["nghttp", f"{url}/file"]) == body
    flow = proxy.flow("/file")
    assert flow["response"]["size"] == len(body) and ["x-trailer", "yes"] in flow["response"]["trailers"]


def test_nghttp_uploads(between: tuple[Proxy, str], tmp_path: Path) -> None:
    proxy, url = between
    (tmp_path / "body").write_bytes(content("nghttp-up", 2_000_000))
    run(["nghttp", "-n", "-d", tmp_path / "body", f"{url}/upload"])
    assert proxy.flow("/upload")["request"]["size"] == 2_000_000


@pytest.mark.parametrize("streams", [1, 32, 100])
def test_h2load_has_every_request_answered(between: tuple[Proxy, str], nghttpd: Nghttpd, streams: int) -> None:
    _, url = between
    (nghttpd.www / "small").write_bytes(b"x" * 1024)
    said = run(["h2load", "-n", "2000", "-c", "4", "-m", str(streams), f"{url}/small"]).decode()
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
    assert re.search(r"Application protocol: h2c?\b", said)


ODD = {
    "small windows": ["-w", "10", "-W", "10"],
    "padding": ["-b", "200"],
    "no table": ["-c", "0", "--encoder-header-table-size", "0"],
    "CONTINUATION": ["--continuation", "-H", "x-long: " + "y" * 30_000],
    "priorities": ["-p", "200", "-a"],
    "trailers": ["--trailer", "x-t: 1", "--no-content-length"],
    "100-continue": ["--expect-continue"],
}


@pytest.mark.parametrize("case", ODD)
def test_nghttp_in_its_own_ways(between: tuple[Proxy, str], nghttpd: Nghttpd, tmp_path: Path, case: str) -> None:
    proxy, url = between
    body = content("nghttp-odd", 300_000)
    (nghttpd.www / "odd").write_bytes(body)
    is_upload = case in ("trailers", "100-continue")
    (tmp_path / "body").write_bytes(body)
    data = ["-d", tmp_path / "body"] if is_upload else []
    got = run(["nghttp", *ODD[case], *data, f"{url}/odd?{case.replace(' ', '-')}"])
    assert got == body
    flow = proxy.flow(f"/odd?{case.replace(' ', '-')}")
    assert flow["error"] is None and flow["request"]["size"] == (len(body) if is_upload else 0)
    if case == "trailers":
        assert ["x-t", "1"] in flow["request"]["trailers"]
    if case == "CONTINUATION":
        assert ["x-long", "y" * 30_000] in flow["request"]["headers"]


@pytest.mark.parametrize("is_tls", [False, True])
def test_an_nghttpd_with_its_own_ways(
    odd_nghttpd: Nghttpd, tmp_path: Path, confdir: Path, authority: TestAuthority, is_tls: bool  # noqa: F811
) -> None:
    """It takes two streams at a time: of a hundred the others wait."""
    port = odd_nghttpd.tls_port if is_tls else odd_nghttpd.port
    mode = f"reverse:https://localhost:{port}" if is_tls else f"reverse:http://127.0.0.1:{port}"
    body = content("odd-server", 100_000)
    (odd_nghttpd.www / "file").write_bytes(body)
    (tmp_path / "body").write_bytes(body)
    with Proxy(tmp_path, "-m", mode, confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        url = proxy.tls_url if is_tls else proxy.url
        said = run(["h2load", "-n", "300", "-c", "3", "-m", "100", f"{url}/file"]).decode()
        assert "300 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
        # nghttpd holds whoever has not had its SETTINGS yet to the window in them, and resets a stream now and then
        echoed = [run(["nghttp", "-d", tmp_path / "body", f"{url}/echo"])]
        while not echoed[-1] and len(echoed) < 20:
            echoed.append(run(["nghttp", "-d", tmp_path / "body", f"{url}/echo"]))
        assert echoed[-1] == body
        proxy.flow_where(lambda flow: flow["request"]["path"] == "/echo" and not flow["error"])  # and all before it
        errors = [flow["error"] for flow in proxy.flows() if flow["error"]]
        assert len(errors) == len(echoed) - 1 and all("FLOW_CONTROL_ERROR" in error["message"] for error in errors)
        assert ["x-trailer", "yes"] in proxy.flow("/file")["response"]["trailers"]


@pytest.mark.parametrize("is_tls", [False, True])
def test_h2load_in_http1_towards_nghttpd(
    nghttpd: Nghttpd, tmp_path: Path, confdir: Path, authority: TestAuthority, is_tls: bool  # noqa: F811
) -> None:
    (nghttpd.www / "small").write_bytes(b"x" * 1024)
    mode = f"reverse:https://localhost:{nghttpd.tls_port}" if is_tls else f"reverse:http://127.0.0.1:{nghttpd.port}"
    always = ["-m", mode, "--set", "http2_upstream=always"]
    with Proxy(tmp_path, *always, confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        url = proxy.tls_url if is_tls else proxy.url
        said = run(["h2load", "--h1", "-n", "2000", "-c", "8", f"{url}/small"]).decode()
        assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said and "Application protocol: http/1.1" in said, said
        assert proxy.flow("/small")["response"]["http_version"] == "HTTP/2.0"


@pytest.mark.needs_nginx
@pytest.mark.parametrize("is_tls", [False, True])
def test_nghttp_and_h2load_towards_a_server_of_http1(
    tmp_path: Path, confdir: Path, authority: TestAuthority, nginx: Nginx, is_tls: bool  # noqa: F811
) -> None:
    body = nginx.serve("from-http1.bin", content("from-http1", 300_000))
    nginx.serve("small-http1.bin", b"x" * 1024)
    never = ["-m", f"reverse:{nginx.https_url if is_tls else nginx.http_url}", "--set", "http2_upstream=never"]
    with Proxy(tmp_path, *never, confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        url = proxy.tls_url if is_tls else proxy.url
        assert run(["nghttp", f"{url}/from-http1.bin"]) == body
        said = run(["h2load", "-n", "2000", "-c", "4", "-m", "32", f"{url}/small-http1.bin"]).decode()
        assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
        assert proxy.flow("/small-http1.bin")["response"]["http_version"] == "HTTP/1.1"
