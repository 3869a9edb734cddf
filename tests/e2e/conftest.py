"""Origins and proxies that the end-to-end tests share. Each test process has its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.hypercorn import Hypercorn
from tests.support.nginx import Nginx
from tests.support.proxy import Proxy

StartProxy = Callable[..., Proxy]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificate(authority: TestAuthority) -> ServerCertificate:
    return authority.issue()


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, certificate: ServerCertificate) -> Iterator[Nginx]:
    server = Nginx(tmp_path_factory.mktemp("nginx"), certificate)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def hypercorn(tmp_path_factory: pytest.TempPathFactory, certificate: ServerCertificate) -> Iterator[Hypercorn]:
    server = Hypercorn(tmp_path_factory.mktemp("hypercorn"), certificate)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One CA for all proxies of a test process: the first one makes it."""
    return tmp_path_factory.mktemp("home") / ".interceptor"


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory, confdir: Path, authority: TestAuthority) -> Iterator[Proxy]:
    """With default settings. Shared, so ask it for flows by a path that only your test uses."""
    with Proxy(tmp_path_factory.mktemp("proxy"), confdir=confdir, trusted_ca=authority.ca_file) as proxy:
        yield proxy
        assert proxy.process.poll() is None, f"the proxy ended by itself:\n{proxy.log.read_text()}"


@pytest.fixture
def start_proxy(tmp_path: Path, confdir: Path, authority: TestAuthority) -> Iterator[StartProxy]:
    """Starts one with arguments of your own; ended after the test."""
    started: list[Proxy] = []

    def start(*arguments: str, confdir: Path = confdir, trusted_ca: Path | None = authority.ca_file) -> Proxy:
        started.append(Proxy(tmp_path, *arguments, confdir=confdir, trusted_ca=trusted_ca))
        return started[-1]

    yield start
    for each in started:
        each.stop()


TRUST_BY_ENVIRONMENT = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)


@pytest.fixture(autouse=True)
def no_trust_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients trust what the test tells them to, and nothing that the machine's owner added."""
    for name in TRUST_BY_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


def run(arguments: Sequence[str | Path], *, home: Path | None = None, seconds: float = 60, **environment: str) -> bytes:
    """Runs a client to its end, and returns what it printed. AssertionError with what it said if it fails."""
    if home is not None:
        environment["HOME"] = str(home)
    done = subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=seconds,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{arguments[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def authority_file(authority: TestAuthority) -> Path:
    """The CA of the origins, which no client but the proxy trusts."""
    return authority.ca_file
