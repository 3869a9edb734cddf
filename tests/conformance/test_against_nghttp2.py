"""nghttp2's programs as peers: h2load and nghttp towards the proxy, nghttpd behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import authority, certificate, confdir, run  # noqa: F401 - fixtures
from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.nginx import content
from tests.support.programs import free_port, start, stop, wait_until_accepting
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.conformance, pytest.mark.needs_nghttp]


class Nghttpd:
    """Serves `www`, with and without TLS; h2c without."""

    def __init__(self, folder: Path, certificate: ServerCertificate) -> None:  # noqa: F811
        self.www = folder / "www"
        self.www.mkdir(parents=True)
        self.port, self.tls_port = free_port(), free_port()
        common = ["nghttpd", "--trailer", "x-trailer: yes", "-d", self.www, "-a", "127.0.0.1"]
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
