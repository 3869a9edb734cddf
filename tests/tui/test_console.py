"""The console driven by keys under a pseudo-terminal, read back from the screen."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.console_screen import Driven
from tests.tui.driven import fake_app

Start = Callable[..., Driven]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Driven] = []

    def begin(columns: int = 100, rows: int = 30, **environment: str) -> Driven:
        driven = fake_app(tmp_path, columns, rows, **environment)
        running.append(driven)
        driven.see("/index.html", "/login", "[1/3]")
        return driven

    yield begin
    for driven in running:
        driven.close()


def editor(folder: Path, program: str) -> str:
    """A program that is run as editor, with the file's path in `path`."""
    script = folder / "editor.py"
    script.write_text(f"import os, pathlib, sys\npath = pathlib.Path(sys.argv[1])\n{program}\n")
    return f"{sys.executable} {script}"


def hold(driven: Driven) -> None:
    """Sets the intercept filter by keys and lets a request arrive."""
    driven.press("i")
    driven.see(": set intercept")
    driven.press("~u arrived", "enter")
    driven.see("[i:~u arrived]")
    driven.signal(signal.SIGUSR1)
    driven.see("/arrived/1", "1 held")
    driven.press("G")
    driven.see("[4/4]")


def test_flows_are_seen_and_opened(start: Start) -> None:
    driven = start()
    driven.press("down", "enter")
    driven.see("http://example.com/data.json?x=1", "Request", "Response", "Back")
    driven.press("tab")
    driven.see('"name": "demo"')
    driven.press(" ")
    driven.see("http://example.com/login", "[3/3]")
    driven.press("p", "p")
    driven.see("[1/3]", "http://example.com/index.html")
    driven.press("q")
    driven.see("Quit")


def test_filter_order_and_marks(start: Start) -> None:
    driven = start()
    driven.press("f")
    driven.see(": set view_filter")
    driven.press("~m POST", "enter")
    driven.see("[f:~m POST]", "[1/1 of 3]")
    driven.see_no("index.html")
    driven.press("f", "ctrl u", "set view_filter", "enter")
    driven.see("[3/3]", "index.html")
    driven.press("o")
    driven.see("Order by…", "duration")
    driven.press("enter")
    driven.see_no("Order by…")
    driven.press("g", "m", "M")
    driven.see("[marked only]", "[1/1 of 3]")
    driven.press("u")
    driven.see("undone: mark", "[0/0 of 3]")


def test_a_wrong_filter_says_so_and_changes_nothing(start: Start) -> None:
    driven = start()
    driven.press("f", "~nonsense x", "enter")
    driven.see("~nonsense", "[1/3]")
    driven.see_no("[f:")


def test_a_held_request_is_edited_and_goes_on(start: Start, tmp_path: Path) -> None:
    driven = start()
    hold(driven)
    driven.press("e")
    driven.see("8 request-headers")
    driven.press("8")
    driven.see("Edit request-headers", "X-Old")
    driven.press("a", "X-New", "tab", "42", "enter", "q")
    driven.see("request-headers changed")
    driven.press("e", "a")
    driven.see("Edit request-body", '{"old": true}')
    driven.press("end", "!", "ctrl s")
    driven.see("request-body changed")
    driven.press("e", "h")
    driven.see("host: example.com")
    driven.press("ctrl u", "other.test", "enter")
    driven.see("host changed", "other.test")
    driven.press("a")
    driven.see("1 flow resumed")
    sent = driven.wait_for_file(tmp_path / "sent")
    assert sent.startswith("POST http://other.test/arrived/1")
    assert "Host: other.test" in sent
    assert "X-New: 42" in sent
    assert sent.endswith('{"old": true}!')
    assert "Content-Length: 14" in sent


def test_edits_are_undone_and_done_again(start: Start, tmp_path: Path) -> None:
    driven = start()
    hold(driven)
    driven.press("e", "5")
    driven.see("method: POST")
    driven.press("ctrl u", "PUT", "enter")
    driven.see("method changed")
    driven.press("u")
    driven.see("undone: edit of method")
    driven.press("ctrl r")
    driven.see("done again: edit of method")
    driven.press(":flow.set @focus path /set", "enter")
    driven.see("path set on 1 flow", "/set")
    driven.press("V")
    driven.see("1 flow as received", "/arrived/1")
    driven.press("a")
    assert driven.wait_for_file(tmp_path / "sent").startswith("POST http://example.com/arrived/1")


def test_clearing_is_undone(start: Start) -> None:
    driven = start()
    driven.press("z")
    driven.see("No flows yet.", "127.0.0.1:8080", "3 flows deleted")
    driven.press("u")
    driven.see("index.html", "data.json", "login", "[1/3]")


def test_a_held_flow_is_not_lost_by_clearing(start: Start) -> None:
    driven = start()
    hold(driven)
    driven.press("z")
    driven.see("3 flows deleted", "1 flow held", "[1/1]", "/arrived/1")


def test_replay_duplicate_create_and_delete(start: Start) -> None:
    driven = start()
    driven.press("r")
    driven.see("1 request sent again", "/4]")
    driven.press("D")
    driven.see("[2/5]")
    driven.press("n")
    driven.see("view.flows.create get https://example.com/")
    driven.press("new", "enter")
    driven.see("/new", "[6/6]")
    driven.press("d")
    driven.see("1 flow deleted", "[5/5]")


def test_replays_by_the_number_and_from_a_replay_to_what_it_repeats(start: Start) -> None:
    driven = start()
    driven.press("t")
    driven.see("this is no replay, and has none")
    driven.press("R", "3", "enter")
    driven.see("3 requests sent again in", "[1/6]")
    driven.press("G")
    driven.see("[6/6]")
    driven.press("t")
    driven.see("[1/6]", "Request", "http://example.com/index.html")
    driven.press("t")
    driven.see("Open flow…", "6  ", "5  ", "4  ")
    driven.press("2")
    driven.see("[5/6]")
    driven.press(":replay.client @focus 0", "enter")
    driven.see("0 is not how many times")


def test_flows_are_compared_side_by_side_or_one_below_the_other(start: Start) -> None:
    driven = start(130, 40)
    driven.press("c")
    driven.see("− 1 GET http://example.com/index.html", "│ + 2 GET http://example.com/data.json?x=1", "differences")
    driven.see("│+ Content-Type: application/json")
    driven.press("]", "]")
    driven.see("difference 2 of")
    driven.press("[")
    driven.see("difference 1 of")
    driven.press("x")
    driven.see("− 2 GET", "+ 1 GET")
    driven.press("v", "v")
    driven.see("one below the other", "+ 1 GET http://example.com/index.html")
    driven.press("q")
    driven.see("c Compare")
    driven.press("D")
    driven.see("[2/4]")
    driven.press("c")
    driven.see("Compare with…", "the one before: 1 GET", "the one after: 2 GET")
    driven.press("1")
    driven.see("no difference", "⋯")
    driven.press("f")
    driven.see("everything is shown", "Host: example.com", "The same on both sides.")
    driven.press("q", ":console.view.diff @all", "enter")
    driven.see("two flows are compared, not 4")
    driven.press(":console.view.diff.received @focus", "enter")
    driven.see("this flow is as it was received")


def test_prompt_completes_options_with_their_help(start: Start) -> None:
    driven = start()
    driven.press(":set console_mo")
    driven.see("React to the mouse")
    driven.press("tab")
    driven.see(": set console_mouse", "toggle")
    driven.press("false", "enter")
    driven.see("console_mouse: false")
    driven.press(":")
    driven.see("browser.start")
    driven.press("up")
    driven.see(": set console_mouse false")
    driven.press("ctrl u", "set console_mouse=true", "enter")
    driven.see("console_mouse: true")


def test_a_pasted_newline_presses_nothing(start: Start) -> None:
    driven = start()
    driven.press(":")
    driven.paste("set view_filter\n~q")
    driven.see(": set view_filter ~q")
    driven.press("enter")
    driven.see("[f:~q]", "[0/0 of 3]")


def test_help_and_event_log(start: Start) -> None:
    driven = start()
    driven.press("?")
    driven.see("Keys for the list of flows", "Resume this flow")
    driven.press("tab")
    driven.see("~all")
    driven.press("/", "has any marker", "enter")
    driven.see("match 1 of 1")
    driven.press("q", "E")
    driven.see("Events", "listening at 127.0.0.1:8080")
    driven.press("z")
    driven.see("Clear the event log?")
    driven.press("y")
    driven.see_no("listening at")


def test_saved_and_loaded_flows(start: Start, tmp_path: Path) -> None:
    driven = start()
    driven.press("w")
    driven.see('save.file @shown "')
    driven.press(str(tmp_path / "flows"), "enter")
    driven.see("3 flows saved")
    driven.press("z")
    driven.see("No flows yet.")
    driven.press("L")
    driven.see('view.flows.load "')
    driven.press(str(tmp_path / "flows"), "enter")
    driven.see("3 flows loaded", "index.html", "login")
    driven.press("b")
    driven.see("cut.save @focus response.content")
    driven.press(str(tmp_path / "body"), "enter")
    driven.wait_for_file(tmp_path / "body", lambda text: "hello" in text)


def test_the_loop_goes_on_while_the_editor_is_open(start: Start, tmp_path: Path) -> None:
    """The editor itself waits until a timer of our loop has run a hundred times."""
    program = f"""
ticks = lambda: int(pathlib.Path({str(tmp_path / "ticks")!r}).read_text() or 0)
assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
pathlib.Path({str(tmp_path / "where")!r}).write_text(str(path))
print("EDITOR IS OPEN", flush=True)
first = ticks()
while ticks() < first + 100:
    pass
path.write_text(path.read_text().replace("old", "new") + "\\n")
"""
    driven = start(INTERCEPTOR_EDITOR=editor(tmp_path, program))
    hold(driven)
    driven.press("e", "l")
    driven.see("EDITOR IS OPEN")
    driven.see("request-body changed", "/arrived/1")
    assert not Path((tmp_path / "where").read_text()).parent.exists()
    driven.press("a")
    assert driven.wait_for_file(tmp_path / "sent").endswith('{"new": true}')


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("path.write_text('x'); sys.exit(3)", "failed with status 3"),
        ("path.write_text('x'); os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("os.kill(os.getppid(), 2); path.write_text(path.read_text())", "nothing was changed"),
    ],
)
def test_an_editor_that_fails_changes_nothing(start: Start, tmp_path: Path, program: str, said: str) -> None:
    driven = start(INTERCEPTOR_EDITOR=editor(tmp_path, program))
    hold(driven)
    driven.press("e", "l")
    driven.see(said, "/arrived/1", "1 held")
    driven.press("a")
    assert driven.wait_for_file(tmp_path / "sent").endswith('{"old": true}')


def test_ending_while_the_editor_is_open_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    program = f"""
pathlib.Path({str(tmp_path / "where")!r}).write_text(f"{{os.getpid()}} {{path}}")
print("EDITOR IS OPEN", flush=True)
while True:
    pass
"""
    driven = start(INTERCEPTOR_EDITOR=editor(tmp_path, program))
    hold(driven)
    driven.press("e", "l")
    driven.see("EDITOR IS OPEN")
    driven.signal(signal.SIGTERM)
    driven.ended()
    assert driven.is_line_mode()
    process, _, path = (tmp_path / "where").read_text().partition(" ")
    assert not Path(path).parent.exists()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline, "the editor goes on"


def test_quitting_asks_when_something_would_be_lost(start: Start, tmp_path: Path) -> None:
    driven = start()
    driven.press("q")
    driven.see("Quit? 3 unsaved flows are lost.")
    driven.press("n")
    driven.see_no("Quit?")
    driven.press("q", "y")
    driven.ended()
    assert (tmp_path / "ended").read_text() == "0"
    assert driven.is_line_mode()
    assert driven.raw.rstrip().endswith(b"\x1b[?1049l") or b"\x1b[?1049l" in driven.raw[-200:]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_given_back_after_a_signal(start: Start, tmp_path: Path, number: int) -> None:
    driven = start()
    driven.signal(number)
    driven.ended()
    assert driven.is_line_mode()
    assert b"\x1b[?1049l" in driven.raw
    assert b"\x1b[?2004l" in driven.raw
    assert (tmp_path / "ended").read_text() == "0"


def test_the_terminal_is_given_back_after_a_crash(start: Start, tmp_path: Path) -> None:
    driven = start(TMPDIR=str(tmp_path))
    driven.signal(signal.SIGUSR2)
    driven.ended()
    assert driven.is_line_mode()
    said = driven.raw.rpartition(b"\x1b[?1049l")[2].decode()
    assert "the console ended unexpectedly (RuntimeError: broken on purpose)" in " ".join(said.split())
    assert len(list(tmp_path.glob("interceptor-crash-*.txt"))) == 1
    assert "Traceback" in next(tmp_path.glob("interceptor-crash-*.txt")).read_text()
    assert (tmp_path / "ended").read_text() == "1"


def test_suspended_and_brought_back(start: Start) -> None:
    driven = start()
    driven.press("ctrl z")

    def is_stopped() -> bool:
        state = Path(f"/proc/{driven.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "T"

    driven.wait(is_stopped, "the program to stop")
    assert driven.is_line_mode()
    driven.forget()
    driven.signal(signal.SIGCONT)
    driven.see("/index.html", "[1/3]")
    assert not driven.is_line_mode()


def test_ctrl_c_asks_and_a_second_one_does_not(start: Start, tmp_path: Path) -> None:
    driven = start()
    driven.press("ctrl c")
    driven.see("Quit?")
    driven.press("ctrl c")
    driven.ended()
    assert (tmp_path / "ended").read_text() == "0"


def test_resized(start: Start) -> None:
    driven = start(100, 30)
    driven.resize(60, 20)
    driven.wait(lambda: driven.text.splitlines()[17].startswith("⇩ [1/3]"), "the status line in its new place")
    driven.resize(30, 6)
    driven.see("Terminal too small")
    driven.resize(80, 24)
    driven.see("[1/3]", "/login")


def test_nothing_is_drawn_when_nothing_happens(start: Start, tmp_path: Path) -> None:
    driven = start()
    driven.wait(lambda: driven.is_silent_for(0.3), "silence")
    before = len(driven.raw)
    first = int((tmp_path / "ticks").read_text())
    driven.wait_for_file(tmp_path / "ticks", lambda text: int(text or first) > first + 100)
    assert len(driven.raw) == before


def test_keys_of_the_user(tmp_path: Path, start: Start) -> None:
    (tmp_path / "keys.yaml").write_text("- key: ctrl t\n  cmd: set showhost toggle\n  ctx: [flowlist]\n  help: Names\n")
    driven = start(100, 40)
    driven.press("ctrl t")
    driven.see("showhost: true")
    driven.press("?")
    driven.see("Names")


def test_small_screen_has_all_that_is_needed(start: Start) -> None:
    driven = start(80, 24)
    driven.press("enter")
    driven.see("Edit", "Replay", "Help", "Back", "Intercept", "Events", "Command")




def test_a_flow_that_is_deleted_while_open_gives_way_to_the_next(start: Start) -> None:
    driven = start()
    driven.press("enter")
    driven.see("http://example.com/index.html")
    driven.press("d")
    driven.see("http://example.com/data.json", "[1/2]")
    driven.press("d", "d")
    driven.see("No flows yet.")


def test_mouse(start: Start) -> None:
    driven = start()

    def click(column: int, row: int, button: int = 0) -> None:
        driven.press(f"\x1b[<{button};{column + 1};{row + 1}M", f"\x1b[<{button};{column + 1};{row + 1}m")

    click(20, 2)  # the first line has the columns' titles
    driven.see("[2/3]")
    click(20, 2)
    driven.see("http://example.com/data.json?x=1")
    driven.press("e", "8")
    driven.see("Edit request-headers")
    click(20, 2)
    click(20, 2)
    driven.see("Done", "Next cell")
    driven.press("ctrl u", "other.test", "enter", "q")
    driven.see("request-headers changed", "other.test")
    driven.press("e")
    driven.see("8 request-headers")
    click(0, 0)
    driven.see_no("8 request-headers")
    driven.press("q")
    driven.see("Method", "Code", "[2/3]")
    click(20, 0)
    driven.see("[order:method]", "Method↓")
    click(20, 0)
    driven.see("⇧", "Method↑")


def test_the_mouse_is_left_to_the_terminal_at_once(start: Start) -> None:
    driven = start()
    assert b"\x1b[?1000h" in driven.raw
    driven.press(":set console_mouse false", "enter")
    driven.see("console_mouse: false")
    driven.wait(lambda: b"\x1b[?1000l" in driven.raw, "the mouse's end")


def test_a_comment_and_a_set_by_command_are_undone(start: Start) -> None:
    driven = start()
    driven.press(";", "look here", "enter")
    driven.press("enter", "tab", "tab")
    driven.see("look here")
    driven.press(":flow.set @focus method PUT", "enter")
    driven.see("PUT http://example.com/index.html", "Details")
    driven.press("V")
    driven.see("GET http://example.com/index.html", "look here")
    driven.press("q", "u", "u", "u")  # the revert, the set, the comment
    driven.see("undone: comment")
    driven.press("enter")
    driven.see_no("look here")


def test_the_program_ends_when_its_terminal_goes_away(start: Start, tmp_path: Path) -> None:
    driven = start()
    driven.process.fileobj.close()
    deadline = time.monotonic() + 20
    while not (tmp_path / "ended").exists():
        assert time.monotonic() < deadline
    assert (tmp_path / "ended").read_text() in ("", "0")


def test_the_content_view_and_long_lines(start: Start) -> None:
    driven = start()
    driven.press("down", "enter", "tab")
    driven.see('"items": [')
    driven.press("m")
    driven.see("Show the body as…", "hex dump")
    driven.press("2")
    driven.see('{"name": "demo", "items": [1, 2, 3]')
    driven.press("s", ">")
    driven.see_no("HTTP/1.1 200 OK")
    driven.press("<")
    driven.see("HTTP/1.1 200 OK")
