"""What programs are given to trust. That they do is tested with the programs, in tests/e2e/test_run.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from interceptor.launch import trusting
from interceptor.launch.trusting import TrustFiles, proxy_variables, variables
from tests.support.certificates import TestAuthority


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    return TestAuthority(tmp_path / "ours").ca_file


def test_the_systems_roots_stay_trusted(ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = TestAuthority(tmp_path / "system").ca_file
    monkeypatch.setattr(trusting, "_system_roots", system.read_bytes)
    files = TrustFiles.write(tmp_path, ca)
    assert files.bundle.read_bytes() == system.read_bytes() + b"\n" + ca.read_bytes()
    assert files.java.read_bytes()[:1] == b"\x30", "DER"


def test_a_root_that_cannot_be_read_costs_no_other(ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    monkeypatch.setattr(trusting, "_system_roots", lambda: broken)
    files = TrustFiles.write(tmp_path, ca)
    assert len(files.java.read_bytes()) > 300


def test_only_stores_that_are_there_are_mounted_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "there.pem"
    there.touch()
    monkeypatch.setattr(trusting, "STORES", (str(there), str(tmp_path / "missing.pem")))
    monkeypatch.setattr(trusting, "JAVA_STORES", ())
    monkeypatch.setattr(trusting, "JAVA_HOMES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    files = TrustFiles(Path("/b"), Path("/j"), Path("/c"))
    assert files.mounts("program") == [("/b", str(there))]


def test_a_java_that_brings_a_store_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is started, the one in PATH, JAVA_HOME, and those where people keep them; each store once."""

    def java(name: str, part: str = "lib") -> Path:
        store = tmp_path / name / part / "security" / "cacerts"
        for path in (tmp_path / name / "bin" / "java", store):
            path.parent.mkdir(parents=True)
            path.touch(0o755)
        return store

    stores = [java("started"), java("found", "jre/lib"), java("kept/17"), java("home")]
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(tmp_path / "found" / "bin" / "java")
    (tmp_path / "cacerts").symlink_to(stores[0])
    monkeypatch.setattr(trusting, "STORES", ())
    monkeypatch.setattr(trusting, "JAVA_STORES", (str(tmp_path / "cacerts"),))
    monkeypatch.setattr(trusting, "JAVA_HOMES", ("~/kept/*",))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    files = TrustFiles(Path("/b"), Path("/j"), Path("/c"))
    assert files.mounts(str(tmp_path / "started" / "bin" / "java")) == [("/j", str(store)) for store in stores]


def test_variables() -> None:
    files = TrustFiles(Path("/b"), Path("/j"), Path("/c"))
    told = variables(files)
    assert told["SSL_CERT_FILE"] == told["GIT_SSL_CAINFO"] == "/b" and told["NODE_EXTRA_CA_CERTS"] == "/c"
    assert "trustStore=/j" in told["JAVA_TOOL_OPTIONS"] and "JAVA_TOOL_OPTIONS" not in variables(files, is_mounted=True)
    by_proxy = proxy_variables("127.0.0.1", 8080, files)
    assert by_proxy["HTTPS_PROXY"] == by_proxy["http_proxy"] == "http://127.0.0.1:8080" and by_proxy["no_proxy"] is None
    assert "-Dhttps.proxyPort=8080" in (by_proxy["JAVA_TOOL_OPTIONS"] or "")
