"""Sessions of the real program: what is there after it was killed, and what is restored when one is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interceptor.cli import main
from tests.e2e.conftest import StartProxy
from tests.support.certificates import TestAuthority
from tests.support.console_program import Console, Origin
from tests.support.crash import Crash

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
