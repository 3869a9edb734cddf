"""The real program, driven by keys alone under a pseudo-terminal, with real clients and origins on both sides of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import ServerCertificate, TestAuthority
from tests.support.console_program import PATIENCE_SECONDS, Console, Origin, request
from tests.support.tunnel import through, trusting

Start = Callable[..., Console]


@pytest.fixture
def start(tmp_path: Path, confdir: Path, authority: TestAuthority) -> Iterator[Start]:
    running: list[Console] = []

    def begin(*arguments: str, size: tuple[int, int] = (100, 30), program: Path | None = None, **environment: str) -> Console:
        console = Console(
            tmp_path, *arguments, confdir=confdir, trusted_ca=authority.ca_file, size=size, program=program, **environment
        )
        running.append(console)
        return console

    yield begin
    for console in running:
        console.close()


# -- holding, editing, resuming ---------------------------------------------------------------------------------------------


def test_a_held_request_is_edited_and_the_server_receives_the_edit(start: Start) -> None:
    console = start()
    with Origin() as origin:
        console.set_intercept("~u /held & ~q")
        assert console.answer("GET", origin.url("/free"))[1] == b"the answer"
        origin.next()
        console.see("/free", "200")

        asked = console.ask("POST", origin.url("/held"), b'{"old": true}', "X-Old: 1\r\nContent-Type: application/json\r\n")
        console.see("/held", "1 held")
        console.press("G")
        console.see("[2/2]")
        console.edit("8", "Edit request-headers")
        console.press("a", "X-New", "tab", "42", "enter", "q")
        console.see("request-headers changed")
        console.edit("a", '{"old": true}')
        console.press("end", "!", "ctrl s")
        console.see("request-body changed")
        assert not origin.was_asked()
        assert not asked.done()

        console.press("a")
        console.see("1 flow resumed")
        head, body = origin.next()
        assert body == b'{"old": true}!'
        assert b"\r\nX-New: 42\r\n" in head
        assert b"\r\nX-Old: 1\r\n" in head
        assert b"\r\nContent-Length: 14\r\n" in head
        assert asked.result(PATIENCE_SECONDS)[1] == b"the answer"
        console.see_no("1 held")


def test_a_held_response_is_edited_and_the_client_receives_the_edit(start: Start) -> None:
    console = start()
    with Origin(b"as the server wrote it", "X-Server: old\r\nContent-Type: text/plain\r\n") as origin:
        console.set_intercept("~s")
        asked = console.ask("GET", origin.url("/x"))
        console.see("/x", "1 held")
        origin.next()
        assert not asked.done()
        console.edit("9", "Edit response-headers")
        console.press("j", "j", "right", "a", "X-Ours", "tab", "new", "enter", "q")
        console.see("response-headers changed")
        console.edit("b", "as the server wrote it")
        console.press("end", ", and we", "enter", "second line", "ctrl s")
        console.see("response-body changed")
        console.set_line("c", "status_code: 200", "418")
        console.press("a")
        head, body = asked.result(PATIENCE_SECONDS)
        assert body == b"as the server wrote it, and we\nsecond line"
        assert head.startswith(b"HTTP/1.1 418 ")
        assert b"\r\nX-Ours: new\r\n" in head
        assert b"\r\nContent-Length: 42\r\n" in head


@pytest.mark.parametrize("part", ["url", "port", "host"])
def test_a_held_request_goes_to_another_destination(start: Start, part: str) -> None:
    console = start()
    with Origin(b"the first one") as first, Origin(b"the other one") as other:
        console.set_intercept("~q")
        url = f"http://nowhere.invalid:{other.port}/way" if part == "host" else first.url("/way")
        asked = console.ask("GET", url)
        console.see("/way", "1 held")
        match part:
            case "url":
                console.set_line("e", f"url: {url}", other.url("/new?x=1"))
            case "port":
                console.set_line("i", f"port: {first.port}", str(other.port))
            case "host":
                console.set_line("h", "host: nowhere.invalid", "127.0.0.1")
        console.press("a")
        assert asked.result(PATIENCE_SECONDS)[1] == b"the other one"
        head, _ = other.next()
        assert head.startswith(b"GET /new?x=1 " if part == "url" else b"GET /way ")
        assert f"\r\nHost: 127.0.0.1:{other.port}\r\n".encode() in head
        assert not first.was_asked()


def test_a_held_request_is_sent_over_tls_instead(start: Start, certificate: ServerCertificate) -> None:
    console = start()
    with Origin() as plain, Origin(b"over TLS", certificate=certificate) as secure:
        console.set_intercept("~q")
        asked = console.ask("GET", plain.url("/way"))
        console.see("/way", "1 held")
        console.set_line("i", f"port: {plain.port}", str(secure.port))
        console.set_line("g", "scheme: http", "https")
        console.press("a")
        assert asked.result(PATIENCE_SECONDS)[1] == b"over TLS"


def test_a_held_request_of_a_tunnel_goes_to_another_server(start: Start, confdir: Path, certificate: ServerCertificate) -> None:
    console = start()
    with Origin(b"the first", certificate=certificate) as first, Origin(b"the other", certificate=certificate) as other:
        console.set_intercept("~q")
        with through(console.port, "localhost", first.port) as peer:
            peer.socket.settimeout(PATIENCE_SECONDS)
            peer.start_tls(trusting(confdir / "interceptor-ca-cert.pem"), "localhost")
            peer.send(f"GET /private HTTP/1.1\r\nHost: localhost:{first.port}\r\n\r\n".encode())
            console.see("https", "/private", "1 held")
            console.edit("8", "Edit request-headers")
            console.press("a", "X-New", "tab", "42", "enter", "q")
            console.see("request-headers changed")
            console.set_line("i", f"port: {first.port}", str(other.port))
            console.press("a")
            assert peer.read_response()[1] == b"the other"
        head, _ = other.next()
        assert b"\r\nX-New: 42\r\n" in head
        assert f"\r\nHost: localhost:{other.port}\r\n".encode() in head
        assert not first.was_asked()


def test_a_killed_flow_ends_the_clients_connection(start: Start) -> None:
    console = start()
    with Origin() as origin:
        console.set_intercept("~q")
        asked = console.ask("GET", origin.url("/killed"))
        console.see("/killed", "1 held")
        console.press("X")
        console.see("1 flow killed")
        assert asked.result(PATIENCE_SECONDS) == (b"", b"")
        console.see_no("1 held")
        console.see("Killed")
        assert not origin.was_asked()


def test_a_client_that_leaves_during_a_hold_releases_it(start: Start) -> None:
    console = start()
    with Origin() as origin:
        console.set_intercept("~q")
        with console.connect() as peer:
            peer.send(request("GET", origin.url("/left")))
            console.see("/left", "1 held")
        console.see("client closed the connection")
        console.see_no("1 held")
        assert not origin.was_asked()


def test_all_are_resumed_at_once_and_interception_is_switched_off(start: Start) -> None:
    console = start()
    with Origin() as origin:
        console.set_intercept("~q")
        asked = [console.ask("GET", origin.url(f"/{number}")) for number in range(3)]
        console.see("3 held")
        console.press("A")
        console.see("3 flows resumed")
        for each in asked:
            assert each.result(PATIENCE_SECONDS)[1] == b"the answer"
        console.press("I")
        console.see("intercept_active: false")
        assert console.answer("GET", origin.url("/free"))[1] == b"the answer"


# -- flows that are there -------------------------------------------------------------------------------------------------


def test_rules_by_command_and_a_replay_of_what_was_recorded(start: Start) -> None:
    console = start(size=(120, 30))
    with Origin() as origin:
        console.press(":", "set modify_headers /~q/X-Rule/42 /~s/X-Seen/yes", "enter")
        console.see("[headers:2]")
        assert console.answer("GET", origin.url("/ruled"))[1] == b"the answer"
        assert b"\r\nX-Rule: 42\r\n" in origin.next()[0]
        console.see("/ruled", "200")
        console.press("enter", "left")
        console.see("modify_headers /~q/X-Rule/42", "modify_headers /~s/X-Seen/yes", "+ 42", "+ yes")
        console.press("q")

        console.press(":", "set modify_headers /X", "enter")
        console.see("rule looks like /name/value")
        console.press(":", "set modify_headers", "enter")
        console.see_no("[headers:")

        console.press("S")
        console.see(": replay.server @shown")
        console.press("enter")
        console.see("1 response answers requests", "[server replay:1]")
    assert console.answer("GET", origin.url("/ruled"))[1] == b"the answer", "the server has gone"
    console.see("[server replay:0]", "↺")
    console.press(":", "replay.server.stop", "enter")
    console.see_no("[server replay:")


def test_replay_duplicate_create_and_revert(start: Start) -> None:
    console = start()
    with Origin() as origin:
        console.answer("POST", origin.url("/again"), b"payload", "X-Mine: 7\r\n")
        first = origin.next()
        console.see("/again", "200")
        console.press("r")
        console.see("1 request sent again", "/2]")
        again = origin.next()
        assert again[1] == b"payload"
        assert sorted(again[0].splitlines()) == sorted(first[0].splitlines())

        console.press("g", "D")
        console.see("/3]")
        console.set_line("5", "method: POST", "PUT")
        console.see("PUT")
        console.press("V")
        console.see("1 flow as received")
        console.see_no("PUT")
        console.set_line("5", "method: POST", "PATCH")
        console.press("r")
        console.see("1 request sent again", "/4]")
        assert origin.next()[0].startswith(b"PATCH /again ")

        console.press("n")
        console.see("view.flows.create get")
        console.press("ctrl u", f"view.flows.create get {origin.url('/created')}", "enter")
        console.see("/created", "/5]")
        assert not origin.was_asked()
        console.press("r")
        console.see("/6]")
        assert origin.next()[0].startswith(b"GET /created ")


def test_a_replay_is_held_like_any_other(start: Start) -> None:
    console = start()
    with Origin() as origin:
        console.answer("GET", origin.url("/again"))
        origin.next()
        console.see("/again", "200")
        console.press("i", "~q", "enter")
        console.see("[i:~q]")
        console.press("r")
        console.see("1 held", "request held")
        assert not origin.was_asked()
        console.press("f", "~held", "enter")
        console.see("[1/1 of 2]")
        console.press("a")
        assert origin.next()[0].startswith(b"GET /again ")


def test_filter_mark_delete_clear_and_undo(start: Start) -> None:
    console = start()
    with Origin() as origin:
        for method, path in (("GET", "/one"), ("POST", "/two"), ("GET", "/three")):
            console.answer(method, origin.url(path), b"x" if method == "POST" else b"")
        console.see("/one", "/two", "/three", "/3]")
        console.press("f")
        console.see(": set view_filter")
        console.press("~m POST", "enter")
        console.see("[f:~m POST]", "[1/1 of 3]", "/two")
        console.see_no("/one")
        console.press("f", "ctrl u", "set view_filter", "enter")
        console.see("/one", "/3]")
        console.press("g", "m", "M")
        console.see("[1/1 of 3]", "/one")
        console.see_no("/two")
        console.press("M")
        console.see("/3]", "/two")
        console.press("d")
        console.see("1 flow deleted", "/2]")
        console.see_no("/one")
        console.press("u")
        console.see("/one", "/3]")
        console.press("z")
        console.see("No flows yet.")
        console.press("u")
        console.see("/one", "/two", "/three", "/3]")


def test_what_is_saved_is_loaded_again(start: Start, tmp_path: Path) -> None:
    console = start()
    with Origin(b'{"kept": [1, 2]}', "Content-Type: application/json\r\n") as origin:
        console.answer("GET", origin.url("/kept"))
        console.see("/kept", "200")
    console.press("w")
    console.see("save.file @shown")
    console.press(str(tmp_path / "flows"), "enter")
    console.see("1 flow saved")
    console.press("z")
    console.see("No flows yet.")
    console.press("L")
    console.see("view.flows.load")
    console.press(str(tmp_path / "flows"), "enter")
    console.see("1 flow loaded", "/kept")
    console.press("enter", "tab")
    console.see('"kept": [')


def test_search_help_and_event_log(start: Start) -> None:
    console = start()
    lines = "\n".join(f"line {number} {'needle' if number % 100 == 0 else 'straw'}" for number in range(1, 301))
    with Origin(lines.encode(), "Content-Type: text/plain\r\n") as origin:
        console.answer("GET", origin.url("/hay"))
    console.see("/hay", "200")
    console.press("enter", "tab")
    console.see("line 1 straw")
    console.press("/")
    console.see("/")
    console.press("needle", "enter")
    console.see("line 100 needle", "1/3")
    console.press("n")
    console.see("line 200 needle", "2/3")
    console.press("n")
    console.see("line 300 needle", "3/3")
    console.press("N")
    console.see("line 200 needle", "2/3")
    console.press("?")
    console.see("Keys for one flow", "Search")
    console.press("q", "E")
    console.see("Events", f"Listening at 127.0.0.1:{console.port}")
    console.press("q", "q")
    console.see("/hay", "[1/1]")


def test_quitting_asks_while_flows_are_held(start: Start) -> None:
    console = start()
    with Origin() as origin:
        console.set_intercept("~q")
        asked = console.ask("GET", origin.url("/held"))
        console.see("/held", "1 held")
        console.press("q")
        console.see("Quit? 1 held flow ends")
        console.press("n")
        console.see_no("Quit?")
        assert not asked.done()
        console.press("q", "y")
        console.ended()
        assert console.process.exitstatus == 0
        assert asked.result(PATIENCE_SECONDS) == (b"", b"")
        assert console.is_line_mode()
        assert not origin.was_asked()


def test_eighty_by_twenty_four_is_enough(start: Start) -> None:
    console = start(size=(80, 24))
    with Origin(b'{"a": 1}', "Content-Type: application/json\r\n") as origin:
        for number in range(30):
            console.answer("GET", origin.url(f"/path/{number}"))
        console.see("/30]", "200", "Intercept", "Edit")
        console.press("G")
        console.see("[30/30]", "/path/29")
        console.set_intercept("~u /held & ~q")
        asked = console.ask("POST", origin.url("/held"), b"old")
        console.see("1 held", "/31]")
        console.press("G", "enter")
        console.see("Request", "Flow:", "Resume", "Kill", "Edit")  # a message does not cover the hints of the next screen
        console.edit("a", "old")
        console.press("end", "er", "ctrl s")
        console.see("request-body changed")
        console.press("a")
        assert asked.result(PATIENCE_SECONDS)[1] == b'{"a": 1}'
        while origin.next()[1] != b"older":
            pass


# -- the terminal -----------------------------------------------------------------------------------------------------------

EVIL = b"\x1b]0;OWNED\x07\x1b[31mRED\x9b2J\xc2\x9b3J\x1bcRESET\x90q\x0eSHIFTED\r\b\x7f\xe2\x80\xaeREVERSED"
FORBIDDEN = (b"\x1b]0;", b"\x1b[31mRED", b"\x9b2J", b"\xc2\x9b", b"\x1bcRESET", b"\x0eSHIFTED", b"\x07", b"\xe2\x80\xae", b"\x7f")


def test_control_characters_from_the_wire_do_not_reach_the_terminal(start: Start) -> None:
    console = start()
    latin = EVIL.decode("latin-1")
    with Origin(EVIL * 3, f"Content-Type: text/plain\r\nX-Evil: \x9b2J\x90q{latin[-11:]}\r\n") as origin, Origin(
        b"", f"X-Bad: {latin.replace(chr(13), '')}\r\n"
    ) as malformed:
        evil_url = origin.url("/\x9b2J\xc2\x9b3J\xe2\x80\xaeREVERSED")
        console.answer("POST", evil_url, EVIL, "X-Evil: \xc2\x9b3J \xe2\x80\xaeREVERSED\r\n")
        console.answer("GET", malformed.url("/malformed"))
        console.answer("GET", origin.url("/\x1b]0;OWNED\x07"))
        console.answer("GET", "http://\x1b[31mRED.invalid/host")
    with console.connect() as peer:  # a tunnel with a name that is none, and raw bytes that are no protocol
        peer.send(b"CONNECT \x1b]0;OWNED\x07:1 HTTP/1.1\r\n\r\n" + EVIL)
        peer.read_to_end()
    console.see("malformed")
    console.press("g", "enter")
    for _ in range(3):
        for view in "123456789ab":
            console.press("m")
            console.see("Show the body as…")
            console.press(view)
            console.see_no("Show the body as…")
        console.press("tab")
    for _ in range(3):
        console.press(" ", "tab", "tab", "tab")
    console.press("q", "E")
    console.see("Events")
    console.press("q", "g")
    console.edit("a", "Edit request-body")
    console.press("esc")
    console.see_no("Edit request-body")
    console.edit("8", "X-Evil")
    console.press("q")
    console.see_no("Edit request-headers")
    found = [sequence for sequence in FORBIDDEN if sequence in console.raw]
    assert not found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_given_back_after_a_signal(start: Start, number: int) -> None:
    console = start()
    console.signal(number)
    console.ended()
    assert console.process.exitstatus == 0
    assert console.is_line_mode()
    assert b"\x1b[?1049l" in console.raw
    assert b"\x1b[?2004l" in console.raw
    assert b"Traceback" not in console.raw


def test_suspended_and_brought_back(start: Start) -> None:
    console = start()
    with Origin() as origin:
        console.answer("GET", origin.url("/before"))
        console.see("/before")
    console.press("ctrl z")
    console.wait(lambda: state(console) == "T", "the program to stop")
    assert console.is_line_mode()
    assert is_blocking(console)
    console.forget()
    console.signal(signal.SIGCONT)
    console.see("/before", "[1/1]")
    assert not console.is_line_mode()


def test_a_terminal_that_does_not_read_stops_nobody_and_loses_nothing(start: Start) -> None:
    console = start(size=(200, 50))
    with Origin() as origin:
        for number in range(60):  # while nobody reads what is drawn, which is far more than a terminal keeps
            assert console.answer("GET", origin.url(f"/path/{number}"))[1] == b"the answer"
        console.answer("GET", origin.url("/last"))
    console.see("/61]")
    console.press("G")
    console.see("[61/61]", "/last", *(f"/path/{number} " for number in range(20, 60)))
    assert "[?25" not in console.text


def is_blocking(console: Console) -> bool:
    """Whether who shares the terminal can write to it without knowing that we did."""
    flags = (Path(f"/proc/{console.process.pid}/fdinfo/{number}").read_text() for number in (0, 1))
    return not any(int(text.partition("flags:")[2].split()[0], 8) & os.O_NONBLOCK for text in flags)


def state(console: Console) -> str:
    return Path(f"/proc/{console.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


BROKEN = """
import signal
from interceptor import cli
from interceptor.tui.frame import Frame

def broken(self, size, focus=False):
    raise RuntimeError("broken on purpose")

def break_it(number, frame):
    Frame.render = broken

signal.signal(signal.SIGUSR2, break_it)
raise SystemExit(cli.main())
"""


def test_the_terminal_is_given_back_after_a_crash(start: Start, tmp_path: Path) -> None:
    """The program with one method that fails when it is told to."""
    program = tmp_path / "broken.py"
    program.write_text(BROKEN)
    console = start(program=program, TMPDIR=str(tmp_path))
    console.signal(signal.SIGUSR2)
    console.press("E")
    console.ended()
    assert console.process.exitstatus == 1
    assert console.is_line_mode()
    said = console.raw.rpartition(b"\x1b[?1049l")[2].decode()
    assert "broken on purpose" in " ".join(said.split())
    assert "Traceback" not in said
    assert "Traceback" in next(tmp_path.glob("interceptor-crash-*.txt")).read_text()


# -- searching --------------------------------------------------------------------------------------------------------------


def test_what_was_captured_is_found_by_what_was_in_it(start: Start) -> None:
    console = start()
    with Origin() as origin:
        for number in range(3):
            console.answer("POST", origin.url(f"/sent/{number}"), b"the needle is no. %d" % number)
            origin.next()
        console.see("/sent/2")
        console.press("/")
        console.see("Search in all flows")
        console.press("~u /sent/[12] needle")
        console.see("2 flows, 2 hits", "request body", "the needle is no. 1")
        console.press("down", "enter")
        console.see("/sent/2", "1/1", "the needle is no. 2")
