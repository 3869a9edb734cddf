"""What holds for every test: a home of its own, repeatable properties, and the policy for skips.

A test that needs a program says so by a marker (`@pytest.mark.needs_nginx`). Where the program is missing the test is skipped,
and the reason names it. On a developer's machine that is all. Where the whole suite is to run (`CI` is set), a skip that
tests/may-skip.txt does not name fails the run, so that nothing drops out of the suite unseen.
"""

from __future__ import annotations

import contextlib
import fnmatch
import gc
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of the programs that tests start compiles all of itself anew …
sys.dont_write_bytecode = False  # … and pytest rewrites the assertions of all tests in each of its processes

HERE = Path(__file__).parent
NODE_MODULES = HERE.parent / "build" / "npm" / "node_modules"

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def _program(*names: str) -> Callable[[], str]:
    def missing() -> str:
        lacking = [name for name in names if shutil.which(name) is None]
        return f"{', '.join(lacking)} not found in PATH" if lacking else ""

    return missing


def _firefox() -> str:
    if reason := _program("certutil")():
        return reason
    return "" if shutil.which("firefox") or shutil.which("firefox-esr") else "neither firefox nor firefox-esr found in PATH"


def _undici() -> str:
    if reason := _program("node")():
        return reason
    return (
        ""
        if (NODE_MODULES / "undici").is_dir()
        else "npm package undici is not installed (npm install --prefix build/npm undici)"
    )


def _autobahn() -> str:
    program = HERE.parent / "build" / "autobahn" / "bin" / "wstest"
    return "" if program.exists() else "no Autobahn test suite in build/autobahn (tests/support/autobahn.py tells how)"


def mitmproxy_folder() -> Path:
    """Where its programs are, and the Python that they run on; a folder that is not there if it is not installed."""
    found = shutil.which("mitmdump")
    here = HERE.parent / "build" / "mitmproxy" / "bin"
    return Path(found).resolve().parent if found is not None else here


def _mitmproxy() -> str:
    folder = mitmproxy_folder()
    there = (folder / "mitmdump").exists() and (folder / "python").exists()
    return "" if there else "no mitmproxy in PATH or build/mitmproxy (tests/conformance/test_against_mitmproxy.py tells how)"


def _ipv6() -> str:
    import socket

    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        return f"no IPv6 loopback: {error}"
    return ""


def _http_backend() -> str:
    if reason := _program("git")():
        return reason
    folder = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    return "" if (Path(folder) / "git-http-backend").exists() else "git is installed without git-http-backend"


def _dejavu() -> str:
    there = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf").exists()
    return "" if there else "no DejaVu Sans Mono (apt install fonts-dejavu-core)"


def _namespaces() -> str:
    from tests.support.gateway import namespaces_are_missing

    return namespaces_are_missing()


def _tun() -> str:
    if importlib.util.find_spec("mitmproxy_rs") is None:
        return "no mitmproxy_rs (it takes Python 3.12 or newer)"
    if os.name != "posix" or os.geteuid() or not Path("/dev/net/tun").exists():
        return "interfaces take root and /dev/net/tun"
    return _program("ip", "curl")()


def _wireguard() -> str:
    return _tun() or _program("wireguard-go", "wg")()


NEEDS: dict[str, Callable[[], str]] = {
    "needs_nginx": _program("nginx"),
    "needs_curl": _program("curl"),
    "needs_wget": _program("wget"),
    "needs_git": _http_backend,
    "needs_chromium": _program("chromium", "certutil"),
    "needs_firefox": _firefox,
    "needs_nghttp": _program("nghttp", "h2load", "nghttpd"),
    "needs_node": _program("node"),
    "needs_go": _program("go"),
    "needs_tshark": _program("tshark"),
    "needs_undici": _undici,
    "needs_tmux": _program("tmux"),
    "needs_certutil": _program("certutil"),
    "needs_ipv6": _ipv6,
    "needs_mitmproxy": _mitmproxy,
    "needs_autobahn": _autobahn,
    "needs_dejavu": _dejavu,
    "needs_dig": _program("dig"),
    "needs_openssl": _program("openssl"),
    "needs_psql": _program("psql"),
    "needs_ssh": _program("ssh", "sshd"),
    "needs_namespaces": _namespaces,
    "needs_java": _program("java"),
    "needs_tun": _tun,
    "needs_wireguard": _wireguard,
}
"""Marker -> what to call for the reason why it cannot be met ("" if it can)."""


@cache
def _unmet(marker: str) -> str:
    return NEEDS[marker]()


def pytest_configure(config: pytest.Config) -> None:
    for marker in NEEDS:
        config.addinivalue_line("markers", f"{marker}: skipped, with the reason, where it cannot be met")
    home = tempfile.TemporaryDirectory(prefix="interceptor-tests-home-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    os.environ["HOME"] = home.name  # no test ever touches the developer's own CA or configuration
    for name in ("INTERCEPTOR_CONFDIR", "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None)
    config.pluginmanager.register(SkipPolicy(os.environ.get("CI", "") not in ("", "0", "false")), "skip-policy")


LONG_TESTS = ("conformance", "soak")
"""Folders whose tests all have the marker of that name."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What cannot be meant is not even imported."""
    folder = collection_path.name
    is_left_out = collection_path.parent == HERE and folder in LONG_TESTS and f"not {folder}" in config.option.markexpr
    return True if is_left_out else None


@pytest.hookimpl(trylast=True)  # when pytest has made ready to rewrite the assertions of test modules
def pytest_sessionstart(session: pytest.Session) -> None:
    """Each process of a whole run compiles its share of the test modules for all of them, and only then collects.

    The first run of a clone takes that long to compile them that it shows."""
    if (this := getattr(session.config, "workerinput", None)) is None or session.config.args_source.name != "TESTPATHS":
        return
    modules = [path for path in sorted(HERE.rglob("test_*.py")) if path.relative_to(HERE).parts[0] not in LONG_TESTS]
    for path in modules[int(this["workerid"].removeprefix("gw")) :: this["workercount"]]:
        with contextlib.suppress(Exception):  # whoever collects it says what is wrong
            importlib.import_module(".".join(path.relative_to(HERE.parent).with_suffix("").parts))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """The collector need not walk over what was collected, and stays, again and again."""
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Binary and long bytes are named by their size: readable, and the same in every test process also where they hold a time."""
    if isinstance(val, bytes) and (len(val) > 40 or not (val.isascii() and val.decode().isprintable())):
        return f"{len(val)} bytes"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers():
        if marker.name in NEEDS and (reason := _unmet(marker.name)):
            pytest.skip(reason)


def allowed_skips(text: str) -> list[str]:
    """The patterns of may-skip.txt; ValueError for a line without a reason."""
    patterns = []
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            pattern, _, reason = (part.strip() for part in line.partition("|"))
            if not reason:
                raise ValueError(f"tests/may-skip.txt: no reason behind {pattern!r}")
            patterns.append(pattern)
    return patterns


class SkipPolicy:
    """Collects the skips of the run (in the controlling process, if there are several) and judges them at its end."""

    def __init__(self, is_strict: bool) -> None:
        self.is_strict = is_strict
        self.skipped: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._see(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._see(report)

    def _see(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            where = report.longrepr
            self.skipped[report.nodeid] = str(where[2]) if isinstance(where, tuple) else str(where)

    def forbidden(self) -> dict[str, str]:
        patterns = allowed_skips((HERE / "may-skip.txt").read_text())
        return {
            test: reason
            for test, reason in self.skipped.items()
            if not any(fnmatch.fnmatchcase(test, pattern) for pattern in patterns)
        }

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        if self.is_strict and not hasattr(session.config, "workerinput") and session.exitstatus == 0 and self.forbidden():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.is_strict and (forbidden := self.forbidden()):
            terminalreporter.section("skips that tests/may-skip.txt does not allow")
            for test, reason in sorted(forbidden.items()):
                terminalreporter.write_line(f"{test}: {reason}", red=True)
