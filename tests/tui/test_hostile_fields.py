"""What a terminal would obey, in every field that there is, field by field: nothing of it gets to the screen or out of `dump`.

    field with MARK in it ─▸ list, two lines, tabs, log, help, prompts, choosers, messages ─▸ Frame ─▸ rows of the screen's width
                          └▸ dump, all details, with and without colours, as text and as JSON
"""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from interceptor.commands import quote
from interceptor.dump import Dump
from interceptor.dump_text import FlowText
from interceptor.eventlog import EventLog
from interceptor.flow_json import flow_line
from interceptor.model.flow import Flow, FlowError
from interceptor.options import Options
from interceptor.session.store import Store
from interceptor.specs.errors import UserError
from interceptor.tui.chooser import Chooser
from interceptor.tui.console import Console
from interceptor.tui.frame import Frame
from interceptor.tui.present.summary import tabs
from interceptor.tui.present.text import width
from interceptor.tui.text_screen import TextScreen
from tests.support.hostile_flows import ASCII_MARK, HOSTILE_FIELDS, MARK, RAW, hostile_in_all
from tests.tui.fake_app import FakeApp
from tests.tui.some_flows import http_flow

SEQUENCE = re.compile("\x1b\\[[0-9;]*m")
SIZE = (100, 30)


def is_bad(character: str) -> bool:
    """Whether a terminal might do something else than draw it in its place. What has no width but belongs to the character
    before it (accents, variation selectors) may be drawn."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def console_with(folder: Path, *flows: Flow) -> Console:
    app = FakeApp(folder, schedule=lambda delay, deed: deed())
    console = Console(app)
    console.register_commands()
    for flow in flows:
        app.store.add(flow)
    app.store.flush()
    return console


def drawn(console: Console, size: tuple[int, int] = SIZE) -> str:
    """The screen: what urwid sends to the terminal beside its own sequences."""
    canvas = Frame(console, lambda deed: deed()).render(size)
    rows = [b"".join(piece for _, _, piece in row).decode() for row in canvas.content()]
    assert len(rows) == size[1]
    for row in rows:
        assert [hex(ord(each)) for each in set(row) if is_bad(each)] == [], row
        assert width(row) == size[0], row
    text = "\n".join(rows)
    assert "cannot be drawn" not in text, text
    return text


def assert_safe(text: str, is_coloured: bool = False) -> None:
    plain = SEQUENCE.sub("", text) if is_coloured else text
    assert [hex(ord(each)) for each in set(plain) if is_bad(each) and each != "\n"] == []


def everywhere(console: Console, flow: Flow) -> str:
    options, seen = console.app.options, []
    for layout in ("table", "list"):
        options.update(console_flowlist_layout=layout)
        seen += [drawn(console), drawn(console, (41, 9))]
    options.update(console_flowlist_layout="table", showhost=True, console_layout="horizontal", console_layout_headers=True)
    seen.append(drawn(console))
    console.open_flow(flow)
    seen.append(drawn(console))
    options.update(console_layout="single")
    screen = console.flow_screen()
    assert screen is not None
    for tab in tabs(flow):
        screen.detail.show(flow, tab)
        seen += [drawn(console, (100, 120)), drawn(console, (44, 40))]
        screen.detail.search("q", False)
        screen.detail.scroll_right()
        seen.append(drawn(console))
    return "\n".join(seen)


@pytest.mark.parametrize("field", HOSTILE_FIELDS)
def test_no_field_of_a_flow_commands_the_screen(tmp_path: Path, field: str) -> None:
    flow = HOSTILE_FIELDS[field]()
    console = console_with(tmp_path, flow)
    seen = everywhere(console, flow)
    if field not in UNSEEN:
        assert re.search(r"\\x1b|\\u001b|\\u202e|␛|1b ?5b", seen), seen


UNSEEN = ("image", "text in another charset", "ClientHello", "transport")


@pytest.mark.parametrize("field", HOSTILE_FIELDS)
def test_no_field_of_a_flow_commands_the_terminal_of_dump(field: str) -> None:
    flow = HOSTILE_FIELDS[field]()
    for detail in range(5):
        for is_coloured in (False, True):
            assert_safe(FlowText(is_coloured=is_coloured, detail=detail).of(flow), is_coloured)
        line = flow_line(flow, detail)
        assert line.isascii() and line[:-1].isprintable() and line.endswith("\n")
        json.dumps(json.loads(line), ensure_ascii=False).encode()  # no lone surrogate: other languages refuse these


def typed(line: str) -> Callable[[Console], None]:
    def deed(console: Console) -> None:
        console.execute(f"console.command {quote(line)}")
        console.key("tab")

    return deed


def option(name: str, value: object) -> Callable[[Console], None]:
    def deed(console: Console) -> None:
        console.app.options.update(**{name: value})
        console.execute("console.view.options")
        drawn(console)
        console.execute(f"console.command.set {name}")

    return deed


def options_searched(console: Console) -> None:
    console.execute("console.view.options")
    console.execute(f"console.search {quote(MARK)}")


SURFACES: dict[str, Callable[[Console], object]] = {
    "event log": lambda console: console.execute("console.view.eventlog"),
    "message": lambda console: console.tell(MARK),
    "error": lambda console: console.tell(MARK * 5, "error"),
    "alert": lambda console: console.app.eventlog.add("alert", MARK),
    "wrong command": lambda console: console.execute(f"nonsense{MARK}"),
    "wrong filter": lambda console: console.execute(f"set view_filter {quote('~u (' + MARK)}"),
    "wrong option": lambda console: console.execute(f"set {quote(MARK)} {quote(MARK)}"),
    "filter": lambda console: console.execute(f"view.filter.set {quote('~u a' + ASCII_MARK + '日')}"),
    "filter as an option": option("view_filter", f"~u 'a{ASCII_MARK}b'"),
    "intercept": lambda console: console.app.options.update(intercept=f"~u 'a{ASCII_MARK}b'"),
    "rules as an option": option("modify_headers", [f"/~u a/{ASCII_MARK}/b\u202e"]),
    "header as an option": option("server_replay_use_headers", [MARK]),
    "sticky cookie": option("stickycookie", f"~u 'a{ASCII_MARK}b'"),
    "command line": lambda console: console.execute(f"console.command {quote(MARK)}"),
    "command line with a hint": typed(f"flow.comment @focus {MARK}"),
    "fields as completions": typed("cut @focus request.header["),
    "marker as a completion": typed("flow.mark @focus zq"),
    "question": lambda console: console.ask(MARK, [("y", MARK), ("n", "no")], lambda key: None),
    "chooser": lambda console: console.choose(Chooser(MARK, [MARK, "b", MARK * 9], lambda choice: None, MARK)),
    "choices of a command": lambda console: console.execute(f"console.choose {quote(MARK)} {quote(MARK)},b flow.mark"),
    "text screen": lambda console: console.push(TextScreen(MARK, RAW)),
    "cut": lambda console: console.execute("cut @focus request.path,response.reason,comment,marked,server_conn.sni"),
    "export": lambda console: console.execute("export raw @focus"),
    "export as curl": lambda console: console.execute("export curl @focus"),
    "help": lambda console: console.execute("console.view.help"),
    "keys": lambda console: console.execute("console.view.keybindings"),
    "commands": lambda console: console.execute("console.view.commands"),
    "options": lambda console: console.execute("console.view.options"),
    "options searched": options_searched,
    "cookies in a grid": lambda console: console.execute("console.edit.focus cookies"),
    "headers in a grid": lambda console: console.execute("console.edit.focus request-headers"),
    "query in a grid": lambda console: console.execute("console.edit.focus query"),
    "path in a prompt": lambda console: console.execute("console.edit.focus path"),
    "method in a prompt": lambda console: console.execute("console.edit.focus method"),
    "reason in a prompt": lambda console: console.execute("console.edit.focus reason"),
    "url in a prompt": lambda console: console.execute("console.edit.focus url"),
    "parts to edit": lambda console: console.execute('console.choose.cmd "Edit…" console.edit.focus.options console.edit.focus'),
}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("is_open", [False, True])
def test_no_place_of_the_console_lets_it_through(tmp_path: Path, surface: str, is_open: bool) -> None:
    flow = hostile_in_all()
    console = console_with(tmp_path, flow)
    console.app.eventlog.add("warn", MARK)
    if is_open:
        console.open_flow(flow)
    try:
        SURFACES[surface](console)
    except UserError as error:
        console.tell(error.message, "error")
    failures = [entry.message for entry in console.app.eventlog.entries if "unexpected" in entry.message]
    assert failures == []
    for size in (SIZE, (41, 12), (200, 50)):
        drawn(console, size)
    if console.prompt is not None:
        for key in ("left", "left", "home", "end", "tab", "tab", "shift tab"):
            console.key(key)
            drawn(console)
    elif console.chooser is not None:
        console.key("down")
        drawn(console)


def test_completion_of_file_names(tmp_path: Path) -> None:
    console = console_with(tmp_path / "confdir")
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}{ASCII_MARK}\u202e日e\u0301").write_text("")
    console.execute(f"console.command view.flows.load {folder}/")
    seen = ""
    for _ in range(4):
        console.key("tab")
        seen += drawn(console)
    assert all(f"{number}zq␛[31m" in seen for number in range(3)), seen


def test_the_log_of_dump() -> None:
    store, log, out, err = Store(lambda delay, deed: deed()), EventLog(), io.StringIO(), io.StringIO()
    Dump(Options(flow_detail=4), store, log, out, False, err)
    log.add("error", MARK)
    store.add(hostile_in_all())
    store.flush()
    assert_safe(err.getvalue())
    assert_safe(out.getvalue())
    assert "\\x1b[31m" in err.getvalue() and "\\x1b[31m" in out.getvalue()


def test_half_a_pair_of_surrogates_is_written_out(tmp_path: Path) -> None:
    """A script may put it into what is no bytes."""
    flow = http_flow()
    flow.comment = flow.marker = flow.mode = "a\ud800b"
    flow.error = FlowError("a\ud800b", 1.0)
    console = console_with(tmp_path, flow)
    assert "\\ud800" in everywhere(console, flow)
    console.execute("cut @focus comment,marked,error.msg")
    drawn(console)
    found = json.loads(flow_line(flow, 4))
    assert found["comment"] == found["marker"] == found["error"]["message"] == "a\\ud800b"
