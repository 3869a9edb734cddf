"""Trust stores, with computers that are a folder and recorded answers of their tools."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from interceptor.certs.authority import Authority
from interceptor.certs.stores import Machine, Ran, install, nickname, run_command, uninstall
from tests.certs.wire import authority_in


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority_in(tmp_path_factory.mktemp("ca"))


class Computer:
    """Folders, the tools that are installed, and what they answer: by the start of the command, else success. `ran` is what was
    run, with the folders' own names."""

    def __init__(self, folder: Path, platform: str, *tools: str, is_admin: bool = False) -> None:
        self.home, self.root = folder / "home", folder / "root"
        self.home.mkdir()
        self.root.mkdir()
        self.platform, self.tools, self.is_admin = platform, tools, is_admin
        self.answers: dict[str, Ran] = {}
        self.ran: list[str] = []

    def has(self, *places: str) -> Computer:
        for place in places:
            path = self.root / place[1:] if place.startswith("/") else self.home / place
            if path.suffix:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            else:
                path.mkdir(parents=True, exist_ok=True)
        return self

    def run(self, command: Sequence[str]) -> Ran:
        text = " ".join(command).replace(str(self.home), "~").replace(f"{self.root}/", "/")
        self.ran.append(text)
        for start, answer in self.answers.items():
            if start in text:
                return answer
        return Ran(0)

    @property
    def machine(self) -> Machine:
        def which(tool: str) -> str | None:
            return f"/bin/{tool}" if tool in self.tools else None

        return Machine(self.run, which, self.platform, self.home, self.root, self.is_admin)


DEBIAN = "/usr/local/share/ca-certificates"
NSSDB = ".pki/nssdb/cert9.db"


class TestLinuxSystemStore:
    @pytest.mark.parametrize(
        ("folder", "tool", "refresh"),
        [
            (DEBIAN, "update-ca-certificates", "update-ca-certificates"),
            ("/etc/pki/ca-trust/source/anchors", "update-ca-trust", "update-ca-trust extract"),
            ("/etc/ca-certificates/trust-source/anchors", "update-ca-trust", "update-ca-trust"),
            ("/etc/pki/trust/anchors", "update-ca-certificates", "update-ca-certificates"),
        ],
    )
    def test_install(self, tmp_path: Path, authority: Authority, folder: str, tool: str, refresh: str) -> None:
        computer = Computer(tmp_path, "linux", tool, is_admin=True).has(folder)
        (outcome,) = install(authority, computer.machine)
        assert outcome.is_done
        assert computer.ran == [f"install -m 0644 {authority.cert_path} {folder}/interceptor-ca.crt", refresh]

    def test_with_sudo_for_who_is_not_root(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "update-ca-certificates", "sudo").has(DEBIAN)
        (outcome,) = install(authority, computer.machine)
        assert outcome.is_done
        assert [command.split()[:2] for command in computer.ran] == [["sudo", "install"], ["sudo", "update-ca-certificates"]]

    def test_p11_kit_where_there_is_nothing_else(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "trust", is_admin=True)
        (outcome,) = install(authority, computer.machine)
        assert outcome.is_done
        (outcome,) = uninstall(authority, computer.machine)
        assert outcome.is_done
        assert computer.ran == [f"trust anchor --{deed} {authority.cert_path}" for deed in ("store", "remove")]

    def test_without_a_store_it_says_what_to_do(self, tmp_path: Path, authority: Authority) -> None:
        (outcome,) = install(authority, Computer(tmp_path, "linux").machine)
        assert not outcome.is_done
        assert "ca-certificates" in outcome.message
        assert "trust anchor" in outcome.by_hand

    def test_a_refusal_is_told_with_both_commands(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "update-ca-certificates").has(DEBIAN)
        computer.answers["install"] = Ran(1, "install: cannot create regular file: Permission denied")
        (outcome,) = install(authority, computer.machine)
        assert not outcome.is_done
        assert "Permission denied" in outcome.message
        assert outcome.by_hand.endswith("&& update-ca-certificates")
        assert len(computer.ran) == 1
        assert "by hand: install -m 0644" in str(outcome)

    def test_uninstall(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "update-ca-certificates", is_admin=True)
        computer.has(f"{DEBIAN}/interceptor-ca.crt")
        (outcome,) = uninstall(authority, computer.machine)
        assert outcome.is_done
        assert computer.ran == [f"rm -f {DEBIAN}/interceptor-ca.crt", "update-ca-certificates --fresh"]

    def test_uninstall_what_is_not_there(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "update-ca-certificates").has(DEBIAN)
        (outcome,) = uninstall(authority, computer.machine)
        assert outcome.is_done
        assert computer.ran == []


class TestNss:
    def test_every_database(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "certutil")
        computer.has(NSSDB, ".mozilla/firefox/a.default/cert9.db", "snap/firefox/common/.mozilla/firefox/b/cert9.db")
        outcomes = install(authority, computer.machine)[1:]
        assert [outcome.store for outcome in outcomes] == ["Chrome (.pki/nssdb)", "Firefox (a.default)", "Firefox (b)"]
        assert all(outcome.is_done for outcome in outcomes)
        assert computer.ran[0] == (
            f"certutil -d sql:~/.pki/nssdb -A -t C,, -n {nickname(authority)} -i {authority.cert_path}"
        )

    def test_chromes_is_made_before_its_first_start(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "certutil")
        install(authority, computer.machine)
        assert computer.ran == ["certutil -d sql:~/.pki/nssdb -N --empty-password"]
        assert (computer.home / ".pki/nssdb").is_dir()

    def test_making_it_may_fail(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "certutil")
        computer.answers["certutil"] = Ran(255, "certutil: function failed: SEC_ERROR_BAD_DATABASE: security library.")
        outcome = install(authority, computer.machine)[1]
        assert not outcome.is_done
        assert "SEC_ERROR_BAD_DATABASE" in outcome.message

    def test_without_certutil_it_names_the_package(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux").has(NSSDB)
        for outcome in (install(authority, computer.machine)[1], uninstall(authority, computer.machine)[1]):
            assert not outcome.is_done
            assert "libnss3-tools" in outcome.message
            assert outcome.by_hand.startswith("certutil -d sql:")
        assert computer.ran == []

    def test_one_that_fails_does_not_stop_the_others(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "certutil").has(NSSDB, ".mozilla/firefox/a/cert9.db")
        computer.answers["nssdb"] = Ran(255, "certutil: could not authenticate to token")
        assert [outcome.is_done for outcome in install(authority, computer.machine)[1:]] == [False, True]

    def test_uninstall(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "linux", "certutil").has(NSSDB, ".mozilla/firefox/a/cert9.db")
        computer.answers["a -L"] = Ran(255, "certutil: Could not find cert")
        outcomes = uninstall(authority, computer.machine)[1:]
        assert [outcome.message for outcome in outcomes] == ["removed", "was not there"]
        assert [command.split()[3] for command in computer.ran] == ["-L", "-D", "-L"]


class TestElsewhere:
    def test_macos(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "darwin", "security", "certutil")
        computer.has("Library/Application Support/Firefox/Profiles/x/cert9.db")
        outcomes = install(authority, computer.machine)
        assert [outcome.store for outcome in outcomes] == ["login keychain", "Firefox (x)"]
        keychain = "~/Library/Keychains/login.keychain-db"
        assert computer.ran[0] == f"security add-trusted-cert -r trustRoot -k {keychain} {authority.cert_path}"
        computer.ran.clear()
        uninstall(authority, computer.machine)
        assert computer.ran[0] == f"security remove-trusted-cert {authority.cert_path}"
        assert computer.ran[1].startswith("security delete-certificate -Z ")

    def test_windows(self, tmp_path: Path, authority: Authority) -> None:
        computer = Computer(tmp_path, "win32")
        (outcome,) = install(authority, computer.machine)
        assert outcome.is_done
        uninstall(authority, computer.machine)
        assert computer.ran[0] == f"certutil -addstore -user Root {authority.cert_path.with_suffix('.cer')}"
        assert computer.ran[1].startswith("certutil -delstore -user Root ")
        assert len(computer.ran[1].split()[-1]) == 40


class TestRunner:
    def test_what_it_printed_on_both(self) -> None:
        ran = run_command([sys.executable, "-c", "import sys; print('out'); sys.stderr.write('err'); sys.exit(3)"])
        assert ran == Ran(3, "out\nerr")

    def test_a_program_that_is_not_there(self) -> None:
        assert run_command(["/nowhere/at-all"]) == Ran(127, "No such file or directory")
