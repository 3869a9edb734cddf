"""Exports, cuts and HAR files, by commands on their own and by keys on the driven console."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from interceptor.model.flow import HttpFlow
from interceptor.specs.errors import UserError
from interceptor.tui.export_commands import ExportCommands
from interceptor.tui.screens import Screen, Step
from tests.support.console_screen import Driven
from tests.tui.driven import fake_app
from tests.tui.fake_app import FakeApp, request, response
from tests.tui.some_flows import tcp_flow


class Shell:
    """A console that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.pushed: list[Screen] = []
        self.copied: list[str] = []

    def tell(self, message: str) -> None:
        self.told.append(message)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run(work)

    def push(self, screen: Screen) -> None:
        self.pushed.append(screen)

    def copy(self, text: str) -> None:
        self.copied.append(text)


@pytest.fixture
def app(tmp_path: Path) -> FakeApp:
    app = FakeApp(tmp_path, schedule=lambda delay, deed: None)
    sent = request("GET", "/../secret/..%2fx.json?q='1'", X_Evil="\x1b]0;x\x07$(reboot)")
    app.store.add(HttpFlow(0, request=sent, response=response(200, b"hel\x1blo\r\n")))
    app.store.flush()
    return app


@pytest.fixture
def shell(app: FakeApp) -> Shell:
    shell = Shell()
    ExportCommands(app, shell, set()).register()
    return shell


def drawn(screen: Screen) -> str:
    return "\n".join(line.decode() for line in screen.render((80, 10)).text).rstrip()


def test_formats(app: FakeApp, shell: Shell) -> None:
    programs = ["python", "fetch", "go", "powershell"]
    assert app.commands.execute("export.formats") == ["curl", "httpie", *programs, "raw", "raw_request", "raw_response", "har"]
    with pytest.raises(UserError, match="curl, httpie"):
        app.commands.execute("export postman @all")


def test_a_file_gets_the_export(app: FakeApp, shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "out.sh"
    app.commands.execute(f"export.file curl @all {path}")
    text = path.read_text()
    assert text.startswith("curl ") and text.endswith("\n") and "\x1b" not in text
    assert shell.told == [f"curl saved in {path}"]


def test_into_a_folder_goes_a_name_without_surprises(app: FakeApp, shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    app.commands.execute(f"export.file raw_response @all {folder}")
    (found,) = folder.iterdir()
    assert found.name == "example.com-._2fx.json-1-response.http"
    assert found.read_bytes().endswith(b"\r\n\r\nhel\x1blo\r\n")


def test_what_cannot_be_written_is_said(app: FakeApp, shell: Shell, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        app.commands.execute(f"export.file curl @all {tmp_path}/none/out.sh")
    with pytest.raises(UserError, match="file name"):
        app.commands.execute("export.file curl @all ''")
    app.store.add(tcp_flow())
    with pytest.raises(UserError, match="only an HTTP flow"):
        ExportCommands(app, shell, set()).export_clip("curl", tcp_flow())
    assert shell.copied == []


def test_the_clipboard_gets_text(app: FakeApp, shell: Shell) -> None:
    app.commands.execute("export.clip curl @all")
    app.commands.execute("cut.clip @all response.content")
    assert shell.copied[0].startswith("curl ")
    assert shell.copied[1] == "hel\\x1blo\n"
    assert shell.told[1] == "response.content copied, 10 characters"


def test_cut_and_export_are_shown(app: FakeApp, shell: Shell) -> None:
    app.commands.execute("cut @all request.method,response.status_code")
    app.commands.execute("cut @all response.content")
    app.commands.execute("export raw_request @all")
    assert drawn(shell.pushed[0]) == "GET,200"
    assert drawn(shell.pushed[1]) == "hel\\x1blo"
    assert "X-Evil: \\x1b]0;x\\x07$(reboot)" in drawn(shell.pushed[2])
    assert shell.pushed[2].search("evil", False) == "match 1 of 1"
    shell.pushed[2].navigate(Step.END)


def test_har_files(app: FakeApp, shell: Shell, tmp_path: Path) -> None:
    app.store.add(tcp_flow())
    app.commands.execute(f"save.har @all {tmp_path}/a.har")
    assert len(json.loads((tmp_path / "a.har").read_text())["log"]["entries"]) == 1
    assert shell.told[-1].endswith("a.har; 1 left out, HAR has HTTP flows only")
    with pytest.raises(UserError, match="added to"):
        app.commands.execute(f"save.har @all +{tmp_path}/a.har")
    app.commands.execute(f"save.har @all {tmp_path}/a.zhar")
    assert (tmp_path / "a.zhar").read_bytes().startswith(b"\x78")


# -- by keys --------------------------------------------------------------------------------------------------------------

Start = Callable[..., Driven]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Driven] = []

    def begin(**environment: str) -> Driven:
        driven = fake_app(tmp_path, 100, 30, **environment)
        running.append(driven)
        driven.see("/index.html", "/login", "[1/3]")
        return driven

    yield begin
    for driven in running:
        driven.close()


def test_x_exports_to_a_file(start: Start, tmp_path: Path) -> None:
    driven = start()
    driven.press("x")
    driven.see("Export as…", "curl", "httpie", "raw_request", "har")
    driven.press("enter")
    driven.see(': export.file curl @focus "')
    driven.press(str(tmp_path / "out.sh"), "enter")
    driven.see("curl saved in")
    assert (tmp_path / "out.sh").read_text().startswith("curl http://example.com/index.html")


def test_what_is_copied_reaches_the_terminal(start: Start) -> None:
    driven = start(TMUX="")
    driven.press(":", "export.clip curl @focus", "enter")
    driven.see("curl copied")
    copied = re.search(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", driven.raw)
    assert copied is not None
    assert base64.b64decode(copied.group(1)).startswith(b"curl http://example.com/index.html")
    assert b"\x1bPtmux;" not in driven.raw


def test_ctrl_l_copies_a_part_through_tmux(start: Start) -> None:
    driven = start(TMUX="/tmp/tmux,1,0")
    driven.press("down", "enter")
    driven.see("data.json", "Response")
    driven.press("ctrl l")
    driven.see(": cut.clip @focus")
    driven.press("request.url", "enter")
    driven.see("request.url copied")
    wrapped = b"\x1bPtmux;\x1b\x1b]52;c;" + base64.b64encode(b"http://example.com/data.json?x=1") + b"\x07\x1b\\"
    driven.wait(lambda: wrapped in driven.raw, "the wrapped sequence")


def test_a_name_in_har_is_saved_and_loaded_as_har(start: Start, tmp_path: Path) -> None:
    driven = start()
    path = tmp_path / "all.har"
    driven.press("w", str(path), "enter")
    driven.see("3 flows saved in")
    assert len(json.loads(path.read_text())["log"]["entries"]) == 3
    driven.press("z")
    driven.see("3 flows deleted")
    driven.press("L", str(path), "enter")
    driven.see("3 flows loaded from", "/index.html", "/login")
    driven.press(":", "cut @shown request.path", "enter")
    driven.see("/data.json?x=1", "/login")
    driven.press("q")
    driven.see("[1/3]")
