"""The CA put into the trust stores of this computer, and taken out again.

    install(authority) ─▸ what stores are here? ─▸ one command or two for each, by way of `Machine.run` ─▸ list of outcomes

Stores: the Linux system store, NSS databases (Chrome on Linux, Firefox everywhere), the macOS keychain, the Windows root store of
the account. Each succeeds or fails by itself, and an outcome that failed says why and what to type instead. Nothing raises, and
nothing else on the computer is touched. All that is known of the computer comes from a `Machine`, so that tests bring their own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes

from interceptor.certs.authority import CERT_CER_FILE, Authority

ANCHOR_NAME: Final = "interceptor-ca.crt"
"""What the certificate is called in the folders of system stores."""

_PATIENCE_SECONDS: Final = 120.0  # for whoever is asked for a password


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: exit status, and what it printed on either stream."""

    status: int
    output: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one store. `message` is a sentence; `by_hand` is what a person can type where it failed, "" else."""

    is_done: bool
    store: str
    message: str
    by_hand: str = ""

    def __str__(self) -> str:
        text = f"{'done' if self.is_done else 'FAILED'}  {self.store}: {self.message}"
        return f"{text}\n        by hand: {self.by_hand}" if self.by_hand else text


def run_command(command: Sequence[str]) -> Ran:
    """Runs it to its end; it may ask for a password on the terminal."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Ran(124, f"no end after {_PATIENCE_SECONDS:.0f} seconds")
    except OSError as error:
        return Ran(127, error.strerror or str(error))
    return Ran(done.returncode, (done.stdout + done.stderr).strip())


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to know of this computer. `root` is where its file system begins."""

    run: Callable[[Sequence[str]], Ran] = run_command
    which: Callable[[str], str | None] = shutil.which
    platform: str = sys.platform
    home: Path = field(default_factory=Path.home)
    root: Path = Path("/")
    is_admin: bool = field(default_factory=lambda: not hasattr(os, "geteuid") or os.geteuid() == 0)

    def as_admin(self, command: Sequence[str]) -> list[str]:
        return list(command) if self.is_admin or not self.which("sudo") else ["sudo", *command]


def install(authority: Authority, machine: Machine | None = None) -> list[Outcome]:
    """Into every store of this computer and account that there is. May ask for a password on the terminal."""
    machine = machine or Machine()
    if machine.platform == "win32":
        add = ["certutil", "-addstore", "-user", "Root", str(authority.cert_path.with_name(CERT_CER_FILE))]
        return [_carried_out(machine, "Windows root store", "trusted by this account", [add])]
    of_system = _install_keychain if machine.platform == "darwin" else _install_system
    return [of_system(authority, machine), *_install_nss(authority, machine)]


def uninstall(authority: Authority, machine: Machine | None = None) -> list[Outcome]:
    """Out of every store that `install` puts it into; a store that does not have it counts as done."""
    machine = machine or Machine()
    if machine.platform == "win32":
        remove = ["certutil", "-delstore", "-user", "Root", _sha1(authority)]
        return [_carried_out(machine, "Windows root store", "removed", [remove])]
    of_system = _uninstall_keychain if machine.platform == "darwin" else _uninstall_system
    return [of_system(authority, machine), *_uninstall_nss(authority, machine)]


def nickname(authority: Authority) -> str:
    """What NSS keeps it under: says which CA it is, so that another one made by us is told from it."""
    return f"{authority.common_name} {authority.fingerprint_sha256.replace(':', '')[:8]}"


def _carried_out(machine: Machine, store: str, success: str, commands: Sequence[Sequence[str]]) -> Outcome:
    """Runs them in order, to the first that fails."""
    for command in commands:
        ran = machine.run(command)
        if ran.status != 0:
            reason = ran.output.splitlines()[-1].strip() if ran.output else f"exit status {ran.status}"
            by_hand = " && ".join(shlex.join(each) for each in commands)
            return Outcome(False, store, f"{Path(command[0]).name}: {reason}", by_hand)
    return Outcome(True, store, success)


# --- Linux ---

_SYSTEM_STORE: Final = "system store"


@dataclass(frozen=True, slots=True)
class _Anchors:
    """A folder for certificates of the administrator's own, and the commands that make it count."""

    folder: str
    refresh: tuple[str, ...]
    refresh_after_removal: tuple[str, ...]


_ANCHORS: Final = (
    _Anchors("usr/local/share/ca-certificates", ("update-ca-certificates",), ("update-ca-certificates", "--fresh")),
    _Anchors("etc/pki/ca-trust/source/anchors", ("update-ca-trust", "extract"), ("update-ca-trust", "extract")),
    _Anchors("etc/ca-certificates/trust-source/anchors", ("update-ca-trust",), ("update-ca-trust",)),
    _Anchors("etc/pki/trust/anchors", ("update-ca-certificates",), ("update-ca-certificates",)),
)


def _anchors(machine: Machine) -> _Anchors | None:
    for anchors in _ANCHORS:
        if (machine.root / anchors.folder).is_dir() and machine.which(anchors.refresh[0]):
            return anchors
    return None


def _install_system(authority: Authority, machine: Machine) -> Outcome:
    anchors = _anchors(machine)
    if anchors is not None:
        target = str(machine.root / anchors.folder / ANCHOR_NAME)
        copy = machine.as_admin(["install", "-m", "0644", str(authority.cert_path), target])
        return _carried_out(machine, _SYSTEM_STORE, f"trusted, as {target}", [copy, machine.as_admin(anchors.refresh)])
    anchor = machine.as_admin(["trust", "anchor", "--store", str(authority.cert_path)])
    if machine.which("trust"):
        return _carried_out(machine, _SYSTEM_STORE, "trusted", [anchor])
    missing = "none of the known kinds is here; install the package ca-certificates"
    return Outcome(False, _SYSTEM_STORE, missing, shlex.join(anchor))


def _uninstall_system(authority: Authority, machine: Machine) -> Outcome:
    anchors = _anchors(machine)
    if anchors is None and machine.which("trust"):
        remove = machine.as_admin(["trust", "anchor", "--remove", str(authority.cert_path)])
        return _carried_out(machine, _SYSTEM_STORE, "removed", [remove])
    if anchors is None:
        return Outcome(True, _SYSTEM_STORE, "none of the known kinds is here")
    target = machine.root / anchors.folder / ANCHOR_NAME
    if not target.exists():
        return Outcome(True, _SYSTEM_STORE, "was not there")
    commands = [machine.as_admin(["rm", "-f", str(target)]), machine.as_admin(anchors.refresh_after_removal)]
    return _carried_out(machine, _SYSTEM_STORE, "removed", commands)


# --- macOS ---

_KEYCHAIN: Final = "login keychain"


def _install_keychain(authority: Authority, machine: Machine) -> Outcome:
    keychain = str(machine.home / "Library/Keychains/login.keychain-db")
    add = ["security", "add-trusted-cert", "-r", "trustRoot", "-k", keychain, str(authority.cert_path)]
    return _carried_out(machine, _KEYCHAIN, "trusted by this account", [add])


def _uninstall_keychain(authority: Authority, machine: Machine) -> Outcome:
    distrust = ["security", "remove-trusted-cert", str(authority.cert_path)]
    delete = ["security", "delete-certificate", "-Z", _sha1(authority)]
    return _carried_out(machine, _KEYCHAIN, "removed", [distrust, delete])


# --- NSS: Chrome on Linux, Firefox everywhere ---

_CHROME_DATABASES: Final = (".pki/nssdb", "snap/chromium/current/.pki/nssdb")
_FIREFOX_PROFILES: Final = (
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    "Library/Application Support/Firefox/Profiles",
)


def _databases(machine: Machine) -> Iterator[tuple[str, Path]]:
    """The databases of this account that exist: what to call them, and where they are."""
    for place in _CHROME_DATABASES:
        if (machine.home / place / "cert9.db").is_file():
            yield f"Chrome ({place})", machine.home / place
    for place in _FIREFOX_PROFILES:
        for database in sorted((machine.home / place).glob("*/cert9.db")):
            yield f"Firefox ({database.parent.name})", database.parent


def _install_nss(authority: Authority, machine: Machine) -> list[Outcome]:
    outcomes = []
    first = machine.home / _CHROME_DATABASES[0]
    if machine.platform != "darwin" and machine.which("certutil") and not (first / "cert9.db").is_file():
        # Chrome makes it at its first start, and keeps what is there by then.
        made = _make_database(first, machine)
        if made is not None:
            outcomes.append(made)
    for store, database in _databases(machine):
        place = ["certutil", "-d", f"sql:{database}"]
        add = [*place, "-A", "-t", "C,,", "-n", nickname(authority), "-i", str(authority.cert_path)]
        if machine.which("certutil"):
            outcomes.append(_carried_out(machine, store, "trusted", [add]))
        else:
            outcomes.append(Outcome(False, store, _no_certutil(machine), shlex.join(add)))
    return outcomes


def _make_database(folder: Path, machine: Machine) -> Outcome | None:
    """None if it went well."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return Outcome(False, "Chrome", f"cannot make {folder}: {error.strerror}", f"mkdir -p {shlex.quote(str(folder))}")
    outcome = _carried_out(machine, "Chrome", "", [["certutil", "-d", f"sql:{folder}", "-N", "--empty-password"]])
    return None if outcome.is_done else outcome


def _uninstall_nss(authority: Authority, machine: Machine) -> list[Outcome]:
    outcomes = []
    for store, database in _databases(machine):
        place = ["certutil", "-d", f"sql:{database}"]
        delete = [*place, "-D", "-n", nickname(authority)]
        if not machine.which("certutil"):
            outcomes.append(Outcome(False, store, _no_certutil(machine), shlex.join(delete)))
        elif machine.run([*place, "-L", "-n", nickname(authority)]).status != 0:
            outcomes.append(Outcome(True, store, "was not there"))
        else:
            outcomes.append(_carried_out(machine, store, "removed", [delete]))
    return outcomes


def _no_certutil(machine: Machine) -> str:
    package = "nss with Homebrew" if machine.platform == "darwin" else "libnss3-tools (Debian, Ubuntu) or nss-tools (Fedora)"
    return f"certutil is not installed; it comes with {package}"


def _sha1(authority: Authority) -> str:
    """What Windows and macOS know a certificate by."""
    return authority.certificate.fingerprint(hashes.SHA1()).hex().upper()
