"""The command line, in one process with a stand-in for the app: what reaches it, and what is said about mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from interceptor import __version__
from interceptor.arguments import HELP, all_flags
from interceptor.cli import main
from interceptor.commands import Commands
from interceptor.option_commands import OptionCommands
from interceptor.options import Options
from interceptor.specs.errors import UserError
from interceptor.tui.keymap import CONTEXTS, Keymap
from interceptor.versions import LIBRARIES

ROOT = Path(__file__).parent.parent


class FakeApp(ModuleType):
    """Remembers how it was started; `failure` is raised instead."""

    def __init__(self) -> None:
        super().__init__("interceptor.runs")
        self.started: list[tuple[Any, ...]] = []
        self.failure: BaseException | None = None

    def run_dump(self, options: Options, *, as_json: bool, quiet: bool) -> int:
        return self._start("dump", options, as_json, quiet)

    def run_console(self, options: Options) -> int:
        return self._start("console", options)

    def _start(self, *what: Any) -> int:
        self.started.append(what)
        if self.failure is not None:
            raise self.failure
        return 0

    def all_commands(self, options: Options) -> Commands:
        commands = Commands(options)
        OptionCommands(commands, options)
        return commands


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeApp:
    fake = FakeApp()
    monkeypatch.setitem(sys.modules, "interceptor.runs", fake)
    monkeypatch.setenv("INTERCEPTOR_CONFDIR", str(tmp_path / "conf"))
    return fake


def started(app: FakeApp, *argv: str) -> tuple[str, Options]:
    assert main(argv) == 0
    verb, options, *_ = app.started.pop()
    return verb, options


def failed(capsys: pytest.CaptureFixture[str], argv: Sequence[str]) -> str:
    assert main(argv) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_no_words_is_the_console(app: FakeApp) -> None:
    verb, options = started(app)
    assert verb == "console"
    assert [each.name for each in options.definitions() if not options.is_default(each.name)] == ["confdir"]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-p", "9000"], {"listen_port": 9000}),
        (["-p9000", "-k", "-n"], {"listen_port": 9000, "ssl_insecure": True, "server": False}),
        (["--listen-port=0", "--listen-host", "0.0.0.0"], {"listen_port": 0, "listen_host": "0.0.0.0"}),
        (["-m", "regular", "--mode", "reverse:http://a@1"], {"mode": ["regular", "reverse:http://a@1"]}),
        (["-m", "regular@1", "--set", "mode=regular@2"], {"mode": ["regular@1", "regular@2"]}),
        (["--set", "ignore_hosts=a", "--set", "ignore_hosts=b=c"], {"ignore_hosts": ["a", "b=c"]}),
        (["--set", "showhost", "--set", "onboarding=false"], {"showhost": True, "onboarding": False}),
        (["-w", "+f", "-r", "g", "-C", "h"], {"save_stream_file": "+f", "rfile": "g", "client_replay": ["h"]}),
        (["--intercept", "~q", "--view-filter", "~d a"], {"intercept": "~q", "intercept_active": True, "view_filter": "~d a"}),
        (["-v"], {"termlog_verbosity": "debug", "console_eventlog_verbosity": "debug", "flow_detail": 2}),
        (["-v", "--flow-detail", "3"], {"flow_detail": 3}),
        (["--console-layout", "vertical", "--no-mouse"], {"console_layout": "vertical", "console_mouse": False}),
        (
            ["--certs", "x=y", "--cert-passphrase", "p", "--showhost"],
            {"certs": ["x=y"], "cert_passphrase": "p", "showhost": True},
        ),
        (["--proxyauth", "a:b", "--tcp-hosts", "c"], {"proxyauth": "a:b", "tcp_hosts": ["c"]}),
    ],
    ids=str,
)
def test_flags_become_options(app: FakeApp, argv: list[str], expected: dict[str, object]) -> None:
    verb, options = started(app, *argv)
    assert verb == "console"
    assert {name: getattr(options, name) for name in expected} == expected


@pytest.mark.parametrize(
    "argv",
    [
        ["dump", "--json", "-p", "1", "-q", "~u", "a b"],
        ["-p", "1", "dump", "--json", "-q", "~u", "a b"],
        ["--json", "-q", "dump", "~u", "-p", "1", "a b"],
        ["-q", "-p1", "--json", "--", "dump", "~u", "a b"],
    ],
)
def test_flags_stand_before_or_after_the_verb(app: FakeApp, argv: list[str]) -> None:
    assert main(argv) == 0
    verb, options, as_json, quiet = app.started.pop()
    assert (verb, as_json, quiet, options.listen_port, options.dumper_filter) == ("dump", True, True, 1, "~u a b")
    assert (options.save_stream_filter, options.readfile_filter) == ("~u a b", "~u a b")
    assert (options.flow_detail, options.termlog_verbosity) == (0, "error")


def test_a_filter_that_is_set_by_name_counts_before_the_last_argument(app: FakeApp) -> None:
    _, options = started(app, "dump", "--set", "save_stream_filter=~all", "~q")
    assert (options.dumper_filter, options.save_stream_filter) == ("~q", "~all")


def test_the_sources_of_options_in_order(app: FakeApp, tmp_path: Path) -> None:
    for name, port in (("conf", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(f"listen_port: {port}\nmode: [regular@5]\nshowhost: true\n")
    _, options = started(app)
    assert (options.listen_port, options.mode, options.confdir) == (1, ["regular@5"], str(tmp_path / "conf"))
    _, options = started(app, "--confdir", str(tmp_path / "other"), "-m", "regular@6", "--set", "showhost=no")
    assert (options.listen_port, options.mode, options.showhost) == (2, ["regular@6"], False)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["dmp"], "there is no verb 'dmp': did you mean interceptor dump?"),
        (
            ["whatever"],
            "there is no verb 'whatever': nothing for the console, or dump, run, browser, sessions, ca, setup, convert, export or"
            " show; "
            "interceptor --help shows more",
        ),
        (["~u", "a"], "a filter belongs to dump or to --view-filter: interceptor dump '~u'"),
        (
            ["https://a"],
            "interceptor takes no URL by itself; to listen in front of that server: interceptor -m reverse:https://a",
        ),
        (["--jsn"], "there is no flag --jsn (did you mean --json or --set?)"),
        (["--tcp-timeout", "3"], "there is no flag --tcp-timeout; write --set tcp_timeout=…"),
        (["--tcp-timeout=3"], "there is no flag --tcp-timeout; write --set tcp_timeout=3"),
        (["--no-upstream-cert"], "there is no flag --no-upstream-cert; write --set upstream_cert=…"),
        (["-p"], "-p/--listen-port: expected one argument (interceptor --help shows what there is)"),
        (["-p", "x"], "listen_port wants a whole number, not 'x'"),
        (["--set", "listen_prt=1"], "there is no option 'listen_prt' (did you mean listen_port or listen_host?)"),
        (["--json"], "--json belongs to dump and show: interceptor dump --json"),
        (["dump", "--to", "har"], "--to belongs to convert: interceptor convert … --to"),
        (["convert", "a"], "convert wants a file to read and a file to write: interceptor convert flows.mitm flows.har"),
        (["dump", "--force"], "--force belongs to ca: interceptor ca take-over --force"),
        (["--confdir", ""], "confdir is empty: it must name a folder"),
        (["ca", "burn"], "there is no ca 'burn': it is show, install, uninstall or take-over"),
        (["ca", "install", "now"], "ca install does not take 'now'"),
    ],
    ids=str,
)
def test_mistakes_are_one_sentence(app: FakeApp, capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert failed(capsys, argv) == f"interceptor: {message}\n"
    assert not app.started


def test_a_bad_filter_is_pointed_at(app: FakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    lines = failed(capsys, ["dump", "~d a & ~nonsense"]).splitlines()
    assert lines[0].startswith("interceptor: dumper_filter: ")
    assert lines[1:] == ["  ~d a & ~nonsense", "         ^"]


def test_a_bad_configuration_file_is_named(app: FakeApp, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conf").mkdir()
    path = tmp_path / "conf" / "config.yml"
    path.write_text("\nshowhost: 7\n")
    assert failed(capsys, []) == f"interceptor: {path}, line 2: showhost wants true or false, not 7\n"


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (UserError("port 8080 is taken; use -p"), "interceptor: port 8080 is taken; use -p\n"),
        (FileNotFoundError(2, "No such file or directory", "flows"), "interceptor: flows: No such file or directory\n"),
        (OSError(98, "Address already in use"), "interceptor: Address already in use\n"),
    ],
)
def test_failures_of_the_app_are_one_sentence(
    app: FakeApp, capsys: pytest.CaptureFixture[str], failure: BaseException, message: str
) -> None:
    app.failure = failure
    assert failed(capsys, ["dump"]) == message


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), BrokenPipeError()])
def test_ordinary_ends(app: FakeApp, capfd: pytest.CaptureFixture[str], failure: BaseException) -> None:
    app.failure = failure
    saved = os.dup(1)
    try:
        assert main(["dump"]) == 0
    finally:
        os.dup2(saved, 1)
        os.close(saved)
    assert capfd.readouterr().err == ""


def test_a_defect_of_ours_is_not_hidden(app: FakeApp) -> None:
    app.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        main([])


def test_a_closed_pipe_leaves_no_traceback(tmp_path: Path) -> None:
    line = f"{sys.executable} -m interceptor --options --confdir {tmp_path} | true"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert run.stderr == ""


# What answers by itself


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dump", "--help"]) == 0
    assert capsys.readouterr().out == HELP
    words = {word.strip(",;:.()") for word in HELP.split()}
    assert set(all_flags()) - {"--force"} <= words, set(all_flags()) - words
    assert all(len(line) <= 80 for line in HELP.splitlines())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    rows = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert rows["interceptor"] == __version__
    assert rows["OpenSSL"][0].isdigit()
    assert set(LIBRARIES) <= set(rows) and "not installed" not in rows.values()


def test_version_names_what_the_project_depends_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {dependency.partition(";")[0].partition(">")[0].partition("[")[0].strip() for dependency in project["dependencies"]}
    assert set(LIBRARIES) == names


def test_options_and_commands_are_listed(app: FakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--options", "-p", "81"]) == 0
    assert "\nlisten_port: 81\n" in capsys.readouterr().out
    assert main(["--commands"]) == 0
    assert "set option [value …]\n    Sets an option" in capsys.readouterr().out


def test_all_commands_are_listed_without_a_terminal(tmp_path: Path) -> None:
    code = "from interceptor.cli import main; raise SystemExit(main(['--commands']))"
    environment = {**os.environ, "INTERCEPTOR_CONFDIR": str(tmp_path / "conf")}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment
    )
    assert (run.returncode, run.stderr) == (0, "")
    listed = {line.split()[0] for line in run.stdout.splitlines() if line and not line.startswith(" ")}
    assert {"set", "options.save", "console.view.options", "console.nav.up", "flow.resume", "view.flows.load"} <= listed
    bound = {binding.command.split()[0] for context in CONTEXTS for _, binding in Keymap().bindings(context)}
    assert bound - listed == set(), "keys that run what does not exist"
    assert not (tmp_path / "conf").exists(), "listing leaves nothing behind"


def test_help_and_version_import_nothing_of_the_program() -> None:
    code = "import sys; from interceptor.cli import main; main(['--help']); print('MODULES', *sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(run.stdout.partition("MODULES")[2].split())
    assert not {"asyncio", "cryptography", "urwid", "interceptor.runs", "interceptor.config", "interceptor.commands"} & modules


# ca


def test_ca_shows_makes_and_takes_over(app: FakeApp, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ca", "--set", "ca_key_type=ec"]) == 0
    report = capsys.readouterr().out
    assert "SHA-256" in report and str(tmp_path / "conf") in report
    assert main(["ca", "show", "node"]) == 0
    assert "NODE_EXTRA_CA_CERTS" in capsys.readouterr().out
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "mitmproxy-ca.pem").write_bytes((tmp_path / "conf" / "interceptor-ca.pem").read_bytes())
    (tmp_path / "conf" / "interceptor-ca.pem").unlink()
    assert main(["ca", "take-over", str(theirs)]) == 0
    assert "is now ours" in capsys.readouterr().out
    main(["ca", "--confdir", str(tmp_path / "second"), "--set", "ca_key_type=ec"])
    capsys.readouterr()
    error = failed(capsys, ["ca", "take-over", str(theirs), "--confdir", str(tmp_path / "second")])
    assert "add --force to replace it" in error
    assert main(["ca", "take-over", str(theirs / "mitmproxy-ca.pem"), "--force", "--confdir", str(tmp_path / "second")]) == 0
