"""Which browsers this machine has, and the arguments that make one come through the proxy, trust its CA and keep quiet.

    name ─ find ▸ Installed(command, family) ─ arguments ▸ command line, with a profile folder of its own

Nothing is started here. A Chromium is told which public keys it may believe whatever else is wrong with a certificate; that
counts for its own profile only. A Firefox gets our CA into the certificate store of its profile, by `certutil`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interceptor.specs.errors import UserError


@dataclass(frozen=True, slots=True)
class Browser:
    name: str
    family: str
    """"chromium" or "firefox"."""
    programs: tuple[str, ...]
    flatpak: str
    mac: str
    windows: str
    """Below the folders of programs."""


BROWSERS: Final = (
    Browser(
        "chrome",
        "chromium",
        ("google-chrome", "google-chrome-stable", "google-chrome-beta", "chrome"),
        "com.google.Chrome",
        "Google Chrome.app/Contents/MacOS/Google Chrome",
        "Google/Chrome/Application/chrome.exe",
    ),
    Browser(
        "chromium",
        "chromium",
        ("chromium", "chromium-browser", "ungoogled-chromium"),
        "org.chromium.Chromium",
        "Chromium.app/Contents/MacOS/Chromium",
        "Chromium/Application/chrome.exe",
    ),
    Browser(
        "edge",
        "chromium",
        ("microsoft-edge", "microsoft-edge-stable", "msedge"),
        "com.microsoft.Edge",
        "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
        "Microsoft/Edge/Application/msedge.exe",
    ),
    Browser(
        "brave",
        "chromium",
        ("brave-browser", "brave", "brave-browser-stable"),
        "com.brave.Browser",
        "Brave Browser.app/Contents/MacOS/Brave Browser",
        "BraveSoftware/Brave-Browser/Application/brave.exe",
    ),
    Browser(
        "firefox",
        "firefox",
        ("firefox", "firefox-esr", "firefox-developer-edition"),
        "org.mozilla.firefox",
        "Firefox.app/Contents/MacOS/firefox",
        "Mozilla Firefox/firefox.exe",
    ),
)
"""In the order in which they are taken when none is named."""

NAMES: Final = tuple(browser.name for browser in BROWSERS)
_FLATPAK_FOLDERS: Final = ("/var/lib/flatpak/app", "~/.local/share/flatpak/app")
_MAC_FOLDERS: Final = ("/Applications", "~/Applications")
_WINDOWS_FOLDERS: Final = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")


@dataclass(frozen=True, slots=True)
class Installed:
    browser: Browser
    program: str
    is_flatpak: bool = False

    @property
    def profiles_folder(self) -> Path | None:
        """Where profiles must be for the browser to see them; None is anywhere. A snap has a /tmp of its own."""
        if self.program.startswith("/snap/"):
            return Path.home() / "snap" / Path(self.program).name / "common"
        return None

    def command(self, profile: Path) -> list[str]:
        if self.is_flatpak:
            return [self.program, "run", f"--filesystem={profile}", self.browser.flatpak]
        return [self.program]


class Machine:
    """Where programs are looked for; tests have others."""

    def __init__(
        self,
        platform: str = sys.platform,
        which: Callable[[str], str | None] = shutil.which,
        exists: Callable[[Path], bool] = Path.exists,
    ) -> None:
        self._platform, self._which, self._exists = platform, which, exists

    def find(self, name: str = "") -> Installed:
        """The browser of that name, or the first there is. UserError if there is none."""
        if name and name not in NAMES:
            raise UserError(f"{name!r} is not a browser that can be started; {', '.join(NAMES)} are")
        for browser in BROWSERS:
            if name in ("", browser.name) and (found := self._find(browser)) is not None:
                return found
        if not name:
            raise UserError(f"no browser was found on this machine; {', '.join(NAMES)} can be started")
        others = [browser.name for browser in BROWSERS if self._find(browser) is not None]
        raise UserError(f"{name} was not found on this machine" + (f"; {', '.join(others)} can be started" if others else ""))

    def _find(self, browser: Browser) -> Installed | None:
        for program in browser.programs:
            if path := self._which(program):
                return Installed(browser, path)
        if self._platform == "darwin":
            paths = [Path(folder).expanduser() / browser.mac for folder in _MAC_FOLDERS]
        elif self._platform == "win32":
            paths = [Path(os.environ[name]) / browser.windows for name in _WINDOWS_FOLDERS if name in os.environ]
        else:
            flatpak = self._which("flatpak")
            folders = [Path(folder).expanduser() / browser.flatpak for folder in _FLATPAK_FOLDERS]
            if flatpak and any(self._exists(folder) for folder in folders):
                return Installed(browser, flatpak, is_flatpak=True)
            return None
        return next((Installed(browser, str(path)) for path in paths if self._exists(path)), None)


# -- arguments ------------------------------------------------------------------------------------------------------------------

_NOWHERE: Final = "http://0.0.0.0:1/"
"""Port 1 is one to which Chromium never connects: what asks there of its own accord, whatever else it is told, asks nobody."""

_CHROMIUM_QUIET: Final = (
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--no-service-autorun",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-search-engine-choice-screen",
    "--disable-sync",
    "--disable-features=OptimizationHints,MediaRouter,Translate,InterestFeedContentSuggestions,"
    "CertificateTransparencyComponentUpdater,NetworkTimeServiceQuerying,AutofillServerCommunication",
    f"--gaia-url={_NOWHERE}",
    f"--component-updater=url-source={_NOWHERE}",
    "--metrics-recording-only",
    "--password-store=basic",
    "--use-mock-keychain",
)

_FIREFOX_QUIET: Final[dict[str, bool | int | str]] = {
    "app.normandy.api_url": "",
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.discovery.enabled": False,
    "browser.newtabpage.activity-stream.testing.shouldInitializeFeeds": False,
    "browser.newtabpage.activity-stream.unifiedAds.endpoint": "",
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.blockedURIs.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "browser.topsites.contile.enabled": False,
    "browser.urlbar.merino.endpointURL": "",
    "browser.urlbar.merino.ohttpConfigURL": "",
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "datareporting.usage.uploadEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "geo.enabled": False,
    "identity.fxaccounts.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "messaging-system.rsexperimentloader.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "network.trr.mode": 5,
    "security.certerrors.mitm.priming.enabled": False,
    "security.remote_settings.intermediates.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "startup.homepage_welcome_url": "about:blank",
    "telemetry.fog.test.localhost_port": -1,  # what is gathered anyway stays here
    "termsofuse.bypassNotification": True,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "toolkit.telemetry.server": "",
}


def chromium_arguments(profile: Path, host: str, port: int, trusted_keys: Sequence[str]) -> list[str]:
    """`trusted_keys`: base64 of the SHA-256 of each SubjectPublicKeyInfo that may stand in a chain."""
    arguments = [
        *_CHROMIUM_QUIET,
        f"--user-data-dir={profile}",
        f"--proxy-server=http://{_bracketed(host)}:{port}",
        "--proxy-bypass-list=<-loopback>",  # also what is on this machine goes through the proxy
        f"--ignore-certificate-errors-spki-list={','.join(trusted_keys)}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")  # it does not start otherwise
    return arguments


def firefox_preferences(host: str, port: int, *, trusts_system: bool) -> str:
    """The text of `user.js`. `trusts_system`: believe what the machine believes, for where our CA cannot be put in."""
    proxy: dict[str, bool | int | str] = {
        "network.proxy.type": 1,
        "network.proxy.http": host,
        "network.proxy.http_port": port,
        "network.proxy.ssl": host,
        "network.proxy.ssl_port": port,
        "network.proxy.no_proxies_on": "",
        "network.proxy.allow_hijacking_localhost": True,
        "network.proxy.allow_bypass": False,
        "network.proxy.failover_direct": False,
        "security.enterprise_roots.enabled": trusts_system,
    }
    return "".join(f'user_pref("{name}", {_script(value)});\n' for name, value in {**_FIREFOX_QUIET, **proxy}.items())


FIREFOX_ENVIRONMENT: Final = {"MOZ_REMOTE_SETTINGS_DEVTOOLS": "1"}
"""Without it releases of Firefox pass over `services.settings.server`, and ask Mozilla a dozen times before the first page."""


def firefox_arguments(profile: Path) -> list[str]:
    return ["--profile", str(profile), "--no-remote", "--new-instance"]


def _script(value: bool | int | str) -> str:
    import json

    return json.dumps(value)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
