"""Chromium and Firefox without a window, started as `browser.start` does, in a home that trusts our CA and nothing else of ours.

Nothing drives them: the script of the page that they open does the work, and tells the origin what it saw.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from interceptor.launch.browser import Way, prepare
from interceptor.launch.browsers import Machine
from tests.support.programs import start, stop
from tests.support.proxy import Proxy

WITHOUT_WINDOW = {
    "chromium": ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage"],
    "firefox": ["--headless"],
}


class Browser:
    """Opens one page through the proxy, by its plain port or by TLS on it; use with `with`."""

    def __init__(self, name: str, folder: Path, proxy: Proxy, page: str, *, tls_to_proxy: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{name}.log"
        home = folder / "home"
        home.mkdir()
        arguments = [*WITHOUT_WINDOW[name]]
        if name == "chromium":
            _put_ca_in(home, proxy.ca_file)
            if tls_to_proxy:
                arguments.append(f"--proxy-server={proxy.tls_url}")
        way = Way("127.0.0.1", proxy.port, proxy.ca_file, [])  # no key is believed whatever is wrong: certificates are verified
        ready = prepare(Machine().find(name), way, [*arguments, page])
        self._profile = ready.profile
        assert not ready.note
        if name == "firefox" and tls_to_proxy:
            _tell_firefox_to_use_tls(self._profile, proxy.port)
        places = {"HOME": home, "XDG_CONFIG_HOME": home / ".config", "XDG_CACHE_HOME": home / ".cache"}
        environment = {**ready.environment, **{variable: str(path) for variable, path in places.items()}}
        self._process = start(ready.command, self.log, environment)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)
        shutil.rmtree(self._profile, ignore_errors=True)


def _put_ca_in(home: Path, ca_file: Path) -> None:
    """Where Chromium looks for CAs that the user trusts: it verifies all of a certificate then."""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{store}"]
    for words in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "interceptor", "-i", str(ca_file)]):
        subprocess.run([*certutil, *words], check=True, capture_output=True, timeout=60)


def _tell_firefox_to_use_tls(profile: Path, port: int) -> None:
    """It has no preference for that, only a function that says where to go (a PAC file)."""
    script = f"data:text/javascript,function FindProxyForURL(url, host) {{ return 'HTTPS 127.0.0.1:{port}'; }}"
    preferences = {"network.proxy.type": 2, "network.proxy.autoconfig_url": script}
    with (profile / "user.js").open("a") as stream:
        stream.writelines(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
