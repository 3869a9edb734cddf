"""Commands about the list, the history and the grid, by their names and on the real console's parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interceptor.model.connection import Connection, Side
from interceptor.model.flow import FlowError, HttpFlow, TcpFlow
from interceptor.specs.errors import UserError
from interceptor.tui.console import Console
from interceptor.tui.event_log_screen import EventLogScreen
from interceptor.tui.grid_editor import GridEditor
from interceptor.tui.history import History
from tests.support.console_screen import Driven
from tests.tui.driven import fake_app
from tests.tui.fake_app import FakeApp, request, response

Start = Callable[..., Driven]


@pytest.fixture
def console(tmp_path: Path) -> Console:
    app = FakeApp(tmp_path, schedule=lambda delay, deed: deed())
    made = Console(app)
    made.register_commands()
    for number, method in enumerate(("GET", "POST", "GET"), 1):
        app.store.add(
            HttpFlow(0, request=request(method, f"/{number}"), response=response(200, b"x" * number), created_at=number)
        )
    app.store.flush()
    return made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Driven] = []

    def begin(columns: int = 100, rows: int = 30) -> Driven:
        driven = fake_app(tmp_path, columns, rows)
        running.append(driven)
        driven.see("/index.html", "/login", "[1/3]")
        return driven

    yield begin
    for driven in running:
        driven.close()


def run(console: Console, line: str) -> Any:
    return console.app.commands.execute(line)


def paths(flows: Any) -> list[str]:
    return [flow.request.path for flow in flows]


def test_a_filter_for_now_leaves_the_option_alone(console: Console) -> None:
    run(console, "view.filter.set '~m POST'")
    assert paths(console.app.view) == ["/2"]
    assert console.app.options.view_filter is None
    assert "[f:~m POST]" in "".join(text for _, text in console.status(100))
    run(console, "view.filter.set ''")
    assert len(console.app.view) == 3
    with pytest.raises(UserError):
        run(console, "view.filter.set '~nonsense x'")


def test_a_spec_is_resolved_and_shown(console: Console) -> None:
    assert paths(run(console, "view.flows.resolve '~m GET'")) == ["/1", "/3"]
    run(console, "view.focus.go 1")
    assert paths(run(console, "view.flows.resolve @focus")) == ["/2"]
    console.execute("view.flows.resolve '~m GET'")
    assert console.message() == ("strong", "@1, @3")


def test_the_order_is_asked_for_set_and_reversed(console: Console) -> None:
    assert run(console, "view.order") == "time"
    assert "duration" in run(console, "view.order.options")
    run(console, "view.order.set method")
    assert run(console, "view.order") == "method"
    assert paths(console.app.view) == ["/1", "/3", "/2"]
    run(console, "view.order.reverse true")
    assert paths(console.app.view) == ["/2", "/3", "/1"]
    run(console, "view.order.reverse false")
    assert paths(console.app.view) == ["/1", "/3", "/2"]
    with pytest.raises(UserError):
        run(console, "view.order.set colour")


def test_length_bounds_and_marks(console: Console) -> None:
    assert run(console, "view.properties.length") == 3
    assert [run(console, f"view.properties.inbounds {index}") for index in (-1, 0, 2, 3)] == [False, True, True, False]
    assert run(console, "view.properties.marked") is False
    run(console, "view.properties.marked.toggle")
    assert run(console, "view.properties.marked") is True
    assert run(console, "view.properties.length") == 0


def test_settings_of_flows(console: Console) -> None:
    assert run(console, "view.settings.getval @1 fullcontents false") == "false"
    run(console, "view.settings.setval @all fullcontents true")
    assert run(console, "view.settings.getval @3 fullcontents false") == "true"
    run(console, "view.settings.setval.toggle @3 fullcontents")
    assert run(console, "view.settings.getval @3 fullcontents x") == "false"
    assert run(console, "view.settings.getval @1 fullcontents x") == "true"
    with pytest.raises(UserError, match="fullcontents"):
        run(console, "view.settings.setval @all colour blue")


def test_a_whole_body_is_asked_for_by_flow_and_seen(console: Console) -> None:
    flow = console.app.view[0]
    console.open_flow(flow)
    screen = console.flow_screen()
    assert screen is not None
    screen.render((80, 20))
    run(console, "view.settings.setval.toggle @focus fullcontents")
    assert console.flow_settings.is_on(flow, "fullcontents")
    console.flows_removed([flow.id])
    assert not console.flow_settings.is_on(flow, "fullcontents")


def test_bodies_that_can_be_viewed(console: Console) -> None:
    assert run(console, "console.bodyview.options") == ["request", "response"]
    unanswered = console.app.create(request("GET", "/new"))
    console.app.store.flush()
    console.app.view.focus = unanswered
    assert run(console, "console.bodyview.options") == ["request"]


def test_the_history_by_commands(console: Console, tmp_path: Path) -> None:
    for line in ("set intercept ~q", "flow.resume @all", "set view_order size"):
        run(console, f"commands.history.add '{line}'")
    assert run(console, "commands.history.get") == ["set intercept ~q", "flow.resume @all", "set view_order size"]
    run(console, "commands.history.filter set")
    assert [run(console, "commands.history.prev") for _ in range(3)] == ["set view_order size", "set intercept ~q", ""]
    assert run(console, "commands.history.next") == "set view_order size"
    assert run(console, "commands.history.next") == "set"
    assert History(tmp_path / "command_history").entries == console.history.entries
    run(console, "commands.history.clear")
    assert run(console, "commands.history.get") == []
    assert not (tmp_path / "command_history").exists()


def grid(console: Console) -> tuple[GridEditor, list[list[tuple[str, ...]]]]:
    saved: list[list[tuple[str, ...]]] = []
    editor = GridEditor("Edit query", ("Name", "Value"), [("a", "1")], saved.append, console.tell)
    console.push(editor)
    return editor, saved


def test_a_file_is_read_into_a_cell_as_it_is_or_with_escapes(console: Console, tmp_path: Path) -> None:
    editor, _ = grid(console)
    (tmp_path / "raw").write_bytes(b"x\\n\xff")
    run(console, f"console.grideditor.load {tmp_path / 'raw'}")
    assert editor.cell == "x\\n\\xff"
    (tmp_path / "escaped").write_text("tab\\there\\x00\n")
    run(console, f"console.grideditor.load_escaped {tmp_path / 'escaped'}")
    assert editor.cell == "tab\\x09here\\x00"
    with pytest.raises(UserError, match="cannot be read"):
        run(console, f"console.grideditor.load {tmp_path / 'missing'}")


def test_a_table_is_saved_as_csv(console: Console, tmp_path: Path) -> None:
    editor, _ = grid(console)
    editor.cell = 'q "u", x'
    run(console, f"console.grideditor.save {tmp_path / 'table.csv'}")
    assert (tmp_path / "table.csv").read_bytes() == b'"q ""u"", x",1\r\n'
    console.close(editor)
    with pytest.raises(UserError, match="no table"):
        run(console, f"console.grideditor.save {tmp_path / 'table.csv'}")


def test_the_grids_keys_for_files(start: Start, tmp_path: Path) -> None:
    driven = start()
    (tmp_path / "cell.txt").write_text("from-a-file")
    driven.press("down", "e", "6")
    driven.see("Edit query")
    driven.press("l", "r")
    driven.see(": console.grideditor.load")
    driven.press(str(tmp_path / "cell.txt"), "enter")
    driven.see("11 bytes read into the cell", "from-a-file")
    driven.press("w")
    driven.see(": console.grideditor.save")
    driven.press(str(tmp_path / "table.csv"), "enter")
    driven.see("1 row saved in")
    assert (tmp_path / "table.csv").read_text() == "x,from-a-file\n"
    driven.press("q")
    driven.see("query changed", "x=from-a-file")


def test_replays_wait_for_their_turn_are_counted_and_called_off(console: Console, tmp_path: Path) -> None:
    app = console.app
    assert isinstance(app, FakeApp)
    app.replays_end = False
    run(console, "replay.client @all")
    assert "3 requests to be sent again, 2 of them still wait" in (console.message() or ("", ""))[1]
    assert run(console, "replay.client.count") == 3
    assert "[replay:3]" in "".join(text for _, text in console.status(120))
    app.replayed[0].error = FlowError("refused", 1.0)
    app.store.touch(app.replayed[0])
    app.store.flush()
    assert "[replay:2 of 3]" in "".join(text for _, text in console.status(120))
    assert run(console, "replay.client.stop") == "1 request will not be sent"
    assert run(console, "replay.client.count") == 1
    assert run(console, "replay.client.stop") == "nothing waits to be sent again"
    with pytest.raises(UserError, match="there is no flow here"):
        run(console, "replay.client ~tcp")


def test_the_requests_of_a_file_are_sent_again(start: Start, tmp_path: Path) -> None:
    driven = start()
    driven.press(f":save.file @all {tmp_path / 'flows'}", "enter")
    driven.see("3 flows saved")
    driven.press(f":replay.client.file {tmp_path / 'flows'}", "enter")
    driven.see("3 requests sent again in", "[1/6]")
    driven.press(f":replay.client.file {tmp_path / 'missing'}", "enter")
    driven.see("cannot be read")


def event_log(console: Console, *entries: tuple[str, int | None]) -> EventLogScreen:
    for message, flow_id in entries:
        console.app.eventlog.add("warn", message, flow_id)
    console.execute("console.view.eventlog")
    screen = console.top
    assert isinstance(screen, EventLogScreen)
    screen.render((100, 10))
    return screen


def opened(console: Console) -> str:
    screen = console.flow_screen()
    return screen.flow.request.path if screen is not None and isinstance(screen.flow, HttpFlow) else ""


def test_an_entry_of_the_event_log_opens_its_flow(console: Console) -> None:
    event_log(console, ("nothing to see", None), ("map_local: no such file", 2))
    console.key("enter")
    assert opened(console) == "/2"


def test_of_several_one_is_chosen_and_of_a_match_it_is_clear_which(console: Console) -> None:
    event_log(console, ("about the first", 1), ("about the third", 3))
    console.key("enter")
    assert console.chooser is not None
    console.key("2")
    assert opened(console) == "/1", "the newest stands first"
    console.execute("console.view.eventlog")
    console.top.render((100, 10))
    console.execute("console.search third")
    console.top.render((100, 10))
    console.key("enter")
    assert opened(console) == "/3"


def test_a_click_on_an_entry_opens_its_flow(console: Console) -> None:
    screen = event_log(console, ("nothing to see", None), ("one\ntwo", 3))
    rows = [row.decode() for row in screen.render((100, 10)).text]
    assert not screen.mouse((100, 10), "mouse press", 1, 5, next(n for n, row in enumerate(rows) if "nothing" in row))
    assert screen.mouse((100, 10), "mouse press", 1, 5, next(n for n, row in enumerate(rows) if "two" in row))
    assert opened(console) == "/3"


def test_that_there_is_no_flow_is_said(console: Console) -> None:
    event_log(console, ("nothing to see", None))
    with pytest.raises(UserError, match="no entry in sight"):
        console.key("enter")
    event_log(console, ("gone", 77))
    with pytest.raises(UserError, match="not on the list any more"):
        console.key("enter")


def test_what_the_program_does_is_asked(console: Console) -> None:
    assert run(console, "proxyserver.active_connections") == 2
    assert run(console, "readfile.reading") is False
    run(console, "proxyserver.listeners")
    assert console.top.title == "Listeners" and b"127.0.0.1:8080, TCP: accepts" in b"\n".join(console.top.render((80, 10)).text)


def test_paths_of_cuts_are_completed_also_behind_a_comma(console: Console) -> None:
    def offered(line: str) -> list[str]:
        return [offer.text for offer in console.app.commands.complete(line)]

    assert offered("cut.clip @focus request.m") == ["request.method"]
    assert offered("cut @all request.url,response.st") == ["request.url,response.status_code"]
    assert "response.header[" in offered("cut.save @focus response.")


def test_a_host_is_marked_raw(console: Console) -> None:
    app = console.app
    flow = app.view.focus
    assert isinstance(flow, HttpFlow)
    console.execute("flow.host.raw @focus")
    host = f"^{re.escape(flow.request.host)}:{flow.request.port}$"
    assert app.options.raw_hosts == [host]
    console.execute("flow.host.raw @all")
    assert app.options.raw_hosts == [host], "once"
    refused = TcpFlow(0, server=Connection(Side.SERVER, ("::1", 81)), created_at=9)
    app.store.add(refused)
    app.store.flush()
    console.execute("flow.host.raw @all")
    assert app.options.raw_hosts[1:] == [r"^\[::1\]:81$"]
