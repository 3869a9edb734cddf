from __future__ import annotations

from pathlib import Path

import pytest

from interceptor.launch.browsers import Machine, chromium_arguments, firefox_preferences
from interceptor.specs.errors import UserError


def machine(platform: str, programs: dict[str, str], *paths: str) -> Machine:
    return Machine(platform, programs.get, lambda path: str(path) in paths)


def test_the_first_browser_on_the_path_is_taken_and_a_name_chooses() -> None:
    linux = machine("linux", {"chromium": "/usr/bin/chromium", "firefox-esr": "/usr/bin/firefox-esr"})
    assert linux.find().program == "/usr/bin/chromium"
    found = linux.find("firefox")
    assert (found.browser.family, found.command(Path("/p"))) == ("firefox", ["/usr/bin/firefox-esr"])
    with pytest.raises(UserError, match="brave was not found on this machine; chromium, firefox can be started"):
        linux.find("brave")
    with pytest.raises(UserError, match="'opera' is not a browser that can be started; chrome, chromium"):
        linux.find("opera")


def test_no_browser_at_all() -> None:
    with pytest.raises(UserError, match="no browser was found on this machine; chrome"):
        machine("linux", {}).find()
    with pytest.raises(UserError, match=r"chrome was not found on this machine\Z"):
        machine("linux", {"flatpak": "/usr/bin/flatpak"}).find("chrome")


def test_flatpaks_see_their_profile() -> None:
    found = machine("linux", {"flatpak": "/usr/bin/flatpak"}, "/var/lib/flatpak/app/com.brave.Browser").find()
    assert found.command(Path("/tmp/p")) == ["/usr/bin/flatpak", "run", "--filesystem=/tmp/p", "com.brave.Browser"]


def test_snaps_have_their_profile_where_they_see_it() -> None:
    snap = machine("linux", {"chromium": "/snap/bin/chromium"}).find()
    assert snap.profiles_folder == Path.home() / "snap" / "chromium" / "common"
    assert machine("linux", {"chromium": "/usr/bin/chromium"}).find().profiles_folder is None


def test_applications_of_macos_and_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "/Applications/Firefox.app/Contents/MacOS/firefox"
    assert machine("darwin", {}, program).find().program == program
    monkeypatch.setenv("PROGRAMFILES", "/programs")
    edge = "/programs/Microsoft/Edge/Application/msedge.exe"
    assert machine("win32", {}, edge).find("edge").program == edge


def test_chromium_goes_through_the_proxy_and_believes_those_keys() -> None:
    arguments = chromium_arguments(Path("/p"), "::1", 8081, ["a=", "b="])
    assert {
        "--user-data-dir=/p",
        "--proxy-server=http://[::1]:8081",
        "--proxy-bypass-list=<-loopback>",
        "--ignore-certificate-errors-spki-list=a=,b=",
        "--disable-background-networking",
    } <= set(arguments)
    switches = [argument.partition("=")[0] for argument in arguments]
    assert len(set(switches)) == len(switches), "of two of the same name the last one counts"


def test_preferences_of_firefox_are_those_of_the_proxy() -> None:
    lines = firefox_preferences("127.0.0.1", 8081, trusts_system=True).splitlines()
    assert all(line.startswith('user_pref("') and line.endswith(");") for line in lines)
    assert 'user_pref("network.proxy.ssl_port", 8081);' in lines
    assert 'user_pref("network.proxy.http", "127.0.0.1");' in lines
    assert 'user_pref("network.proxy.allow_hijacking_localhost", true);' in lines
    assert 'user_pref("network.proxy.failover_direct", false);' in lines, "nothing goes past the proxy"
    assert 'user_pref("security.enterprise_roots.enabled", true);' in lines
