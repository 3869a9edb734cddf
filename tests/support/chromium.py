"""Chromium without a window, with a home of its own that trusts one CA and nothing else of ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.programs import start, stop

QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--metrics-recording-only",
    "--mute-audio",
    "--password-store=basic",
)


class Chromium:
    """Opens one page through the proxy; use with `with`."""

    def __init__(self, folder: Path, proxy_url: str, trusted_ca: Path, page: str) -> None:
        home = folder / "home"
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        certutil = ["certutil", "-d", f"sql:{store}"]
        subprocess.run([*certutil, "-N", "--empty-password"], check=True, capture_output=True, timeout=60)
        subprocess.run(
            [*certutil, "-A", "-t", "C,,", "-n", "interceptor", "-i", str(trusted_ca)],
            check=True,
            capture_output=True,
            timeout=60,
        )
        self.log = folder / "chromium.log"
        self._process = start(
            [
                "chromium",
                *QUIET,
                f"--user-data-dir={folder / 'profile'}",
                f"--proxy-server={proxy_url}",
                "--proxy-bypass-list=<-loopback>",  # also localhost goes through the proxy
                page,
            ],
            self.log,
            {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "XDG_CACHE_HOME": str(home / ".cache")},
        )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)
