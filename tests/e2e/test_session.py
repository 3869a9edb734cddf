"""Sessions of the real program: what is there after it was killed, and what is restored when one is opened."""

from __future__ import annotations

import random
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from interceptor.cli import main
from tests.e2e.conftest import StartProxy
from tests.support.certificates import TestAuthority
from tests.support.console_program import Console, Origin
from tests.support.crash import Crash
from tests.support.raw_server import Peer, RawServer

Start = Callable[..., Console]


@pytest.fixture
def start(tmp_path: Path, confdir: Path, authority: TestAuthority) -> Iterator[Start]:
    running: list[Console] = []

    def begin(*arguments: str, is_empty: bool = True, size: tuple[int, int] = (100, 30)) -> Console:
        first = "No flows yet." if is_empty else "["
        console = Console(
            tmp_path, *arguments, confdir=tmp_path / "conf", trusted_ca=authority.ca_file, size=size, first_text=first
        )
        running.append(console)
        return console

    yield begin
    for console in running:
        console.close()


def sessions_of(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "conf" / "sessions").glob("*.session"))


def blocks_of(path: Path) -> int:
    """How often flows have been written."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        return int(file.execute("SELECT COUNT(*) FROM block").fetchone()[0])


def test_what_completed_is_there_after_three_kills(start_proxy: StartProxy, tmp_path: Path) -> None:
    path = tmp_path / "load.session"
    for _ in range(3):
        crash = Crash(start_proxy, path, clients=2, seconds=1.3)
        assert crash.check(older_than=1.0) > 10
        path = path.with_name(f"{path.stem}-again.session")


def test_a_session_is_opened_as_it_was_left(start: Start, tmp_path: Path) -> None:
    console = start("--session", "shop")
    with Origin() as origin:
        for path in ("/one", "/two", "/three"):
            console.answer("GET", origin.url(path))
        console.see("/three", "[1/3]")
    console.press("m")
    console.press(":", "flow.comment @focus remember", "enter")
    console.press("j", "d")
    console.see("1 flow deleted")
    console.press(":", "set view_order url", "enter")
    console.press(":", "set view_filter '~u one|three'", "enter")
    console.press(":", "set intercept '~u never'", "enter")
    console.see("[session:shop]", "[order:url]", "[f:~u one|three]", "[i:~u never]")
    console.press("Q")
    console.ended()

    again = start("--session", "shop", is_empty=False)
    again.see("/one", "/three", "[1/2]", "[order:url]", "[f:~u one|three]", "[i:~u never]")
    again.see_no("/two")
    again.press("enter")
    again.press("tab", "tab")
    again.see("remember")
    again.press("q", "u")
    again.see("undone: deletion of 1 flow", "[1/2 of 3]")
    again.press("u")
    again.see("undone: comment")
    again.press("ctrl r")
    again.see("done again: comment")


def test_a_killed_console_leaves_a_session_that_the_list_names(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console = start()
    with Origin() as origin:
        console.answer("GET", origin.url("/kept"))
        console.see("/kept", "200")
    console.wait(lambda: any(path.stat().st_size for path in (tmp_path / "conf" / "sessions").glob("*-wal")), "what was written")
    console.wait(lambda: listed(tmp_path, capsys).count("1 flow "), "the flow in the session")
    console.close()
    (path,) = sessions_of(tmp_path)
    assert path.name.startswith("unnamed-")
    again = start("--session", path.name.removesuffix(".session"), is_empty=False)
    again.see("/kept", "200")


def listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["sessions", "--confdir", str(tmp_path / "conf")]) == 0
    return capsys.readouterr().out


def test_a_console_in_which_nothing_happened_leaves_nothing(start: Start, tmp_path: Path) -> None:
    console = start()
    console.wait(lambda: sessions_of(tmp_path), "the unnamed session")
    console.press("Q")
    console.ended()
    assert list((tmp_path / "conf" / "sessions").iterdir()) == []


def test_none_is_for_those_who_want_nothing_on_disk(start: Start, tmp_path: Path) -> None:
    console = start("--session", "none")
    with Origin() as origin:
        console.answer("GET", origin.url("/kept"))
        console.see("/kept", "200")
    console.press("Q")
    console.see("Quit? 1 unsaved flow is lost.")
    assert not (tmp_path / "conf" / "sessions").exists()


def test_a_second_program_says_that_it_only_reads(start: Start, tmp_path: Path) -> None:
    console = start("--session", "shop")
    with Origin() as origin:
        console.answer("GET", origin.url("/one"))
        console.see("/one", "200")
    [path] = sessions_of(tmp_path)
    console.wait(lambda: blocks_of(path), "the flow in the file")
    second = start("--session", "shop", is_empty=False)
    second.see("/one", "[session:shop, only read: another program has it open]")


def test_without_a_place_for_sessions_the_console_says_so_and_serves(start: Start, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "sessions").write_text("in the way")
    console = start()
    console.see("No session can be made")
    with Origin() as origin:
        console.answer("GET", origin.url("/one"))
        console.see("/one", "200")
        (tmp_path / "conf" / "sessions").unlink()
        console.see("nothing was lost")
    console.wait(lambda: sessions_of(tmp_path), "the session")


def test_a_file_that_is_no_session_ends_the_start_with_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "notes.session"
    path.write_bytes(b"notes of mine\n" * 100)
    assert main(["dump", "--confdir", str(tmp_path / "conf"), "--session", str(path)]) == 1
    assert "is damaged, or is no session" in capsys.readouterr().err
    assert path.read_bytes() == b"notes of mine\n" * 100


def test_sessions_are_named_left_and_opened_from_the_console(start: Start, tmp_path: Path) -> None:
    console = start(size=(120, 30))
    with Origin() as origin:
        console.answer("GET", origin.url("/first"))
        console.see("/first", "200")
        console.press(":", "session.name shop", "enter")
        console.see("this session is shop now", "[session:shop]", "/first")
        console.press(":", "set view_order url", "enter")
        console.press(":", "session.close", "enter")
        console.see("No flows yet.", "shop is closed")
        console.see_no("[session:shop]")
        console.answer("GET", origin.url("/second"))
        console.see("/second", "[1/1]")
        console.press(":", "set view_order time", "enter", "s")
        console.see("Sessions", "● unnamed-", "open here", "shop ", "1 flow ")
        console.press("/", "shop", "enter")
        console.see("shop.session")
        console.press("enter")
        console.see("[session:shop]", "/first", "[1/1]", "[order:url]")
        console.see_no("/second")
        console.press("enter")
        console.see("Request", "/first")
        console.press("q", ":", "session.open unn", "tab", "enter")
        console.see("/second", "[1/1]")
        console.see_no("/first")
    assert [path.name[:7] for path in sessions_of(tmp_path)] == ["shop.se", "unnamed"]


def test_another_session_is_opened_only_if_nobody_waits_in_this_one(start: Start, tmp_path: Path) -> None:
    console = start("--session", "a", size=(120, 30))
    with Origin() as origin:
        console.set_intercept("~u held & ~q")
        answer = console.ask("GET", origin.url("/held"))
        console.see(" 1 held ")
        console.press(":", "session.open b", "enter")
        console.see("1 flow is held: resume or kill it first")
        console.press("a")
        assert answer.result(20)[1] == b"the answer"
        console.see("200")
        console.press(":", "session.open b", "enter")
        console.see("[session:b]", "No flows yet.", "[i:~u held & ~q]")
        console.press(":", "session.name a", "enter")
        console.see("a is there already")
        console.press(":", "session.open a", "enter")
        console.see("[session:a]", "/held")


def test_a_flow_that_still_runs_is_asked_about(start: Start) -> None:
    def slowly(peer: Peer) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl")
        assert go_on.wait(60)
        peer.send(b"ow")

    go_on = threading.Event()
    console = start("--session", "old", size=(120, 30))
    with Origin() as origin, RawServer(slowly) as server:
        console.answer("GET", origin.url("/done"))
        console.see("/done", "200")
        console.press("Q")
        console.ended()
        console = start("--session", "new", size=(120, 30))
        answer = console.ask("GET", f"http://127.0.0.1:{server.port}/slow")
        console.see("/slow", "[1/1]")
        console.press(":", "session.open old", "enter")
        console.see("1 flow is still running", "Open old?")
        console.press("y")
        console.see("[session:old]", "/done")
        console.see_no("/slow")  # its number is that of a flow of this session
        go_on.set()
        assert answer.result(20)[1] == b"slow"
        console.press(":", "session.open new", "enter")
        console.see("/slow", "[session:new]")


def test_a_purge_says_what_it_frees_and_frees_it(start: Start, tmp_path: Path) -> None:
    console = start("--session", "shop", size=(120, 30))
    (path,) = sessions_of(tmp_path)
    with Origin(answer=random.Random(1).randbytes(2_000_000)) as large, Origin() as small:
        console.answer("GET", large.url("/large"))
        console.answer("GET", small.url("/small"))
        console.see("/small", "[1/2]")
    console.press("d")
    console.see("1 flow deleted", "[1/1]")
    console.press("s")
    console.see("● shop")
    console.press("p")
    console.see("Remove 1 deleted flow for good", "About 1.9m become free")
    console.press("n", "q", "u")
    console.see("undone: deletion of 1 flow", "/large")
    console.press("g", "d", ":", "session.purge", "enter")
    console.see("Remove 1 deleted flow for good")
    console.press("y")
    console.see("1 flow is gone for good", "are free again")
    console.press("u")
    console.see("there is nothing to undo", "/small")
    assert path.stat().st_size < 500_000


def test_flows_go_into_session_files_and_come_out_of_them(start: Start, tmp_path: Path) -> None:
    console = start("--session", "none", size=(120, 30))
    with Origin(answer=random.Random(1).randbytes(400_000)) as origin:
        for path in ("/one", "/two"):
            console.answer("GET", origin.url(path))
        console.see("/two", "[1/2]")
    saved = tmp_path / "saved.session"
    console.press(":", f"save.file '~u one' {saved}", "enter")
    console.see("1 flow saved in")
    console.press(":", f"view.flows.load {saved} '~u one'", "enter")
    console.see("1 flow loaded from", "[1/3]")
    console.press(":", f"session.open {saved}", "enter")
    console.see("[session:saved.session]", "/one", "/two", "/4]")
    console.press("Q")
    console.ended()
    again = start("-r", str(saved), "--set", "readfile_filter=~u two", "--session", "none", is_empty=False)
    again.see("/two", "[1/1]", "391k")


def test_what_goes_wrong_with_the_file_is_seen_and_mended(start: Start, tmp_path: Path) -> None:
    """The disk is full, then not; the file is removed with its folder, and another one is in the way of that."""
    console = start("--session", str(tmp_path / "work" / "shop.session"), size=(160, 30))
    folder = tmp_path / "work"
    with Origin(answer=random.Random(1).randbytes(100_000)) as origin:
        console.answer("GET", origin.url("/before"))
        console.see("/before", "[session:shop.session]")
        console.wait(lambda: (folder / "shop.session").stat().st_size > 1, "the file")
        soft, hard = resource.prlimit(console.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(console.process.pid, resource.RLIMIT_FSIZE, (20_000, hard))
        console.answer("GET", origin.url("/full"))
        console.see("/full", "shop.session, not written:", "/2]")
        resource.prlimit(console.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
        console.see("can be written again")
        console.see_no("not written")

        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("in the way")
        console.see("shop.session, not written:")  # though nothing happens
        console.answer("GET", origin.url("/meanwhile"))
        console.see("/meanwhile", "/3]")
        folder.unlink()
        console.see("can be written again")
        console.see_no("not written")
        console.press("Q")
        console.ended()
    again = start("--session", str(folder / "shop.session"), is_empty=False, size=(160, 30))
    again.see("/before", "/full", "/meanwhile", "/3]")
