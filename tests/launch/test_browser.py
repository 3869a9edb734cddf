"""Starting browsers, with programs in their place that write down how they were started."""

from __future__ import annotations

import asyncio
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from interceptor.launch.browser import Browsers, Way
from interceptor.launch.browsers import Machine
from interceptor.specs.errors import UserError
from tests.support.certificates import TestAuthority

DEADLINE_SECONDS = 20

WRITES_AND_WAITS = """
import json, os, sys, time
profile = next((a.partition("=")[2] for a in sys.argv if a.startswith("--user-data-dir=")), None)
profile = profile or sys.argv[sys.argv.index("--profile") + 1]
target = os.path.join({folder!r}, "started-" + os.path.basename(profile))
with open(target + ".new", "w") as stream:
    json.dump([profile, sys.argv[1:], os.listdir(profile), dict(os.environ)], stream)
os.rename(target + ".new", target)
{then}
"""


class Started(NamedTuple):
    """How one was started."""

    profile: Path
    arguments: list[str]
    files: list[str]
    """In the profile."""
    environment: dict[str, str]


class Fake:
    """A program that stands on the path as a browser."""

    def __init__(self, folder: Path, name: str, then: str = "time.sleep(600)") -> None:
        self.folder = folder
        self.program = folder / name
        self.program.write_text(f"#!{sys.executable}\n" + WRITES_AND_WAITS.format(folder=str(folder), then=then))
        self.program.chmod(0o755)
        self.machine = Machine("linux", lambda wanted: str(self.program) if wanted == name else None, lambda path: False)

    async def started(self, count: int = 1) -> list[Started]:
        await until(lambda: len(self._files()) >= count)
        read = [json.loads(path.read_text()) for path in self._files()]
        return [Started(Path(profile), *rest) for profile, *rest in read]

    def _files(self) -> list[Path]:
        return [path for path in self.folder.glob("started-*") if path.suffix != ".new"]


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(test(*arguments, **fixtures))

    return run


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.01)


def way(ca_file: Path = Path("/nowhere")) -> Way:
    return Way("127.0.0.1", 8081, ca_file, ["key="])


@in_a_loop
async def test_more_than_one_each_with_its_own_profile_and_all_end_with_us(tmp_path: Path) -> None:
    fake, told = Fake(tmp_path, "chromium"), list[str]()
    browsers = Browsers(told.append, fake.machine)
    assert await browsers.start("", way()) == "chromium started"
    assert await browsers.start("chromium", way(), ["https://example.com/"]) == "chromium started"
    started = await fake.started(2)
    profiles = {each.profile for each in started}
    assert len(profiles) == 2
    assert all("--proxy-server=http://127.0.0.1:8081" in arguments for _, arguments, *_ in started)
    assert sorted(arguments[-1] for _, arguments, *_ in started) == ["about:blank", "https://example.com/"]
    assert all(profile.is_dir() for profile in profiles)
    browsers.close()
    assert not any(profile.exists() for profile in profiles)
    assert (browsers.count, told) == (0, [])


@in_a_loop
async def test_one_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interceptor.launch.browser.END_SECONDS", 0.2)
    fake = Fake(tmp_path, "chromium", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)")
    browsers = Browsers(lambda text: None, fake.machine)
    await browsers.start("", way())
    [(profile, *_)] = await fake.started()
    browsers.close()
    assert not profile.exists()


@in_a_loop
async def test_a_browser_that_ends_leaves_nothing_and_a_failure_is_told(tmp_path: Path) -> None:
    fake, told = Fake(tmp_path, "chromium", "sys.exit(7)"), list[str]()
    browsers = Browsers(told.append, fake.machine)
    await browsers.start("", way())
    [(profile, *_)] = await fake.started()
    await until(lambda: told)
    assert told == ["chromium ended with status 7"]
    assert (browsers.count, profile.exists()) == (0, False)


@in_a_loop
async def test_one_that_cannot_be_started_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = Machine("linux", lambda name: "/nowhere/chrome", lambda path: False)
    with pytest.raises(UserError, match="/nowhere/chrome cannot be started: No such file"):
        await Browsers(lambda text: None, gone).start("", way())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs_certutil
@in_a_loop
async def test_firefox_has_the_ca_in_its_profile(tmp_path: Path) -> None:
    ca_file = TestAuthority(tmp_path / "ca").ca_file
    keep = tmp_path / "kept"
    copying = f"import shutil; shutil.copytree(profile, {f'{keep}.new'!r}); os.rename({f'{keep}.new'!r}, {str(keep)!r})"
    fake = Fake(tmp_path, "firefox", f"{copying}; time.sleep(600)")
    browsers = Browsers(lambda text: None, fake.machine)
    assert await browsers.start("firefox", way(ca_file)) == "firefox started"
    [(profile, arguments, files, environment)] = await fake.started()
    await until(keep.exists)
    browsers.close()
    assert arguments[:2] == ["--profile", str(profile)]
    assert environment["MOZ_REMOTE_SETTINGS_DEVTOOLS"] == "1" and environment["PATH"]
    assert {"user.js", "cert9.db"} <= set(files)
    assert not profile.exists()
    listed = subprocess.run(["certutil", "-L", "-d", f"sql:{keep}"], capture_output=True, text=True, check=True).stdout
    assert "interceptor" in listed and "C,," in listed


@in_a_loop
async def test_firefox_without_certutil_says_whom_it_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    fake = Fake(tmp_path, "firefox")
    browsers = Browsers(lambda text: None, fake.machine)
    note = await browsers.start("", way())
    assert "trusts only what this machine trusts: import /nowhere" in note
    await fake.started()
    browsers.close()
