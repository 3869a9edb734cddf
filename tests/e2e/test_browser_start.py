"""`browser.start` in the real console: a browser that comes through it and has nothing to say against its certificates."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.browsers import WITHOUT_WINDOW
from tests.support.certificates import TestAuthority
from tests.support.console_program import Console
from tests.support.nginx import Nginx

TOP = Path(__file__).parents[2]
PAGE = """<!doctype html><title>page</title><script>
fetch('/upload/{name}.txt', {{method: 'PUT', body: 'secure ' + isSecureContext + ' ' + location.protocol}});
</script>"""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """The path of a Chromium's socket in it is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    ("browser", "pages"),
    [
        pytest.param("chromium", ["first", "second"], marks=pytest.mark.needs_chromium),  # more than one at a time
        pytest.param("firefox", ["third"], marks=pytest.mark.needs_firefox),
    ],
)
@pytest.mark.needs_nginx
def test_a_browser_loads_a_page_over_tls_without_certificate_errors(
    browser: str, pages: list[str], tmp_path: Path, confdir: Path, authority: TestAuthority, nginx: Nginx, short_folder: Path
) -> None:
    profiles = short_folder
    with Console(tmp_path, confdir=confdir, trusted_ca=authority.ca_file, TMPDIR=str(profiles)) as console:
        for name in pages:
            nginx.serve(f"{name}.html", PAGE.format(name=name).encode())
            page = f"{nginx.https_url}/{name}.html"
            console.press(":", " ".join(["browser.start", browser, *WITHOUT_WINDOW[browser], page]), "enter")
            report = console.wait_for_file(nginx.folder / "upload" / f"{name}.txt")
            assert report == "secure true https:"
            console.see(f"/{name}.html", "200")
        assert len(list(profiles.glob("interceptor-browser-*"))) == len(pages)
        console.press("Q", "y")
        console.ended()
    assert list(profiles.glob("interceptor-browser-*")) == []


def test_without_a_regular_listener_there_is_nothing_to_come_through(
    tmp_path: Path, confdir: Path, authority: TestAuthority
) -> None:
    with Console(tmp_path, "-m", "reverse:http://127.0.0.1:9", confdir=confdir, trusted_ca=authority.ca_file) as console:
        console.press("B")
        console.see("a browser needs a listener in regular mode")


@pytest.mark.parametrize(
    "browser",
    [
        pytest.param("chromium", marks=pytest.mark.needs_chromium),
        pytest.param("firefox", marks=pytest.mark.needs_firefox),
    ],
)
@pytest.mark.needs_nginx
def test_a_run_for_a_browser_ends_with_it(
    browser: str, tmp_path: Path, confdir: Path, authority: TestAuthority, nginx: Nginx, short_folder: Path
) -> None:
    nginx.serve(f"run-{browser}.html", PAGE.format(name=f"run-{browser}").encode())
    page = f"{nginx.https_url}/run-{browser}.html"
    settings = [f"confdir={confdir}", f"ssl_verify_upstream_trusted_ca={authority.ca_file}"]
    start = [sys.executable, "-m", "interceptor", *(word for each in settings for word in ("--set", each))]
    with (tmp_path / "log").open("wb") as log:
        program = subprocess.Popen(
            [*start, "browser", browser, "--dump", "--json", "--", *WITHOUT_WINDOW[browser], page],
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "TMPDIR": str(short_folder), "PYTHONPATH": str(TOP)},
            cwd=tmp_path,
        )
    assert program.stdout is not None
    flow = next(flow for line in program.stdout if (flow := json.loads(line))["request"]["path"].startswith("/upload/"))
    assert flow["request"]["scheme"] == "https" and flow["response"]["status_code"] < 300
    assert browser in flow["client"]["process"]["executable"]
    [profile] = short_folder.glob("interceptor-browser-*")
    for pid in pids_with(str(profile)):  # closed, as by its window
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    assert program.wait(20) in (0, 15), (tmp_path / "log").read_text()
    program.stdout.close()
    assert "the browser was closed" in (tmp_path / "log").read_text()
    assert list(short_folder.glob("interceptor-browser-*")) == []


def test_a_run_for_a_browser_that_is_not_there(tmp_path: Path, confdir: Path) -> None:
    start = [sys.executable, "-m", "interceptor", "--set", f"confdir={confdir}", "browser", "--dump"]
    surroundings = {**os.environ, "PATH": str(tmp_path), "PYTHONPATH": str(TOP)}
    done = subprocess.run(start, capture_output=True, text=True, env=surroundings, cwd=tmp_path, timeout=30)
    assert done.returncode == 1 and "no browser was found on this machine" in done.stderr


def pids_with(text: str) -> list[int]:
    """Of processes with it on their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if text in (folder / "cmdline").read_text(errors="replace"):
                found.append(int(folder.name))
    return found
