"""The search in all flows, by typed keys: on the real program with a session, and where flows are in memory only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interceptor.model.body import MemoryBody
from interceptor.model.connection import Connection, Side
from interceptor.model.flow import TcpFlow, TcpMessage
from interceptor.session.search.run import FlowHits, Hit
from interceptor.tui.present.hits import found_line, hit_line
from interceptor.tui.present.text import line_width
from tests.session.search.scenes import Scene, chat, exchange
from tests.support.console_screen import Driven
from tests.tui.driven import fake_app


def text_of(line: list[tuple[str, str]]) -> str:
    return "".join(text for _, text in line)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_lines_fit_and_show_what_was_found(columns: int) -> None:
    hit = Hit("response body", "response", "x" * 50 + "needle" + "y" * 300 + "\x1b[2J", 50, 56)
    line = hit_line(hit, columns)
    assert line_width(line) <= columns
    assert ("match", "needle") in line
    assert "\x1b" not in text_of(line)
    found = FlowHits(17, "POST", "https://example.org/" + "p" * 300, [hit], False)
    assert line_width(found_line(found, columns, "deleted")) <= columns
    assert text_of(found_line(found, columns, "deleted")).endswith("deleted")


def test_what_is_longer_than_the_room_is_cut_and_wide_characters_are_counted() -> None:
    line = hit_line(Hit("message 12", "messages", "前" * 40 + "東京" * 100 + "後", 40, 240), 60)
    assert line_width(line) <= 60
    assert ("match", text_of([piece for piece in line if piece[0] == "match"])) in line


@pytest.fixture
def session(tmp_path: Path) -> Path:
    scene = Scene(tmp_path / "some.session", is_indexed=False)
    server = Connection(Side.SERVER, ("10.9.8.7", 4000), opened_at=1.0)
    scene.add(
        *(exchange(f"/item/{number}", answer=b'{"token": "t%d"}' % number, coding="gzip") for number in range(9)),
        exchange("/login", b"user=alice&token=abc"),
        chat("hello", "your token is here", *(f"tick {number}" for number in range(600))),
        TcpFlow(0, server=server, messages=[TcpMessage(True, MemoryBody(b"AUTH token raw"), 1.0)], message_count=1),
    )
    scene.close()
    return tmp_path / "some.session"


@pytest.fixture
def console(session: Path, tmp_path: Path) -> Iterator[Driven]:
    settings = ["--set", f"confdir={tmp_path}", "--set", "server=false", "--session", str(session)]
    driven = Driven([sys.executable, "-m", "interceptor", *settings])
    driven.see("/item/8", "[1/12]")
    yield driven
    driven.close()


def test_typed_found_opened_and_back(console: Driven) -> None:
    console.press("/")
    console.see("Search in all flows", "a regular expression")
    console.press("token")
    console.see("12 flows, 12 hits", "https://shop.example.org/item/0", '"token": "t0"', "esc Back")
    console.press("ctrl u", "~u /chat token")
    console.see("1 flow, 1 hit", "message 2 ", "your token is here")
    console.press("enter")
    console.see("Messages", "1/1", "your token is here", "hello")
    console.press("esc")
    console.see("/ ~u /chat token", "1 flow, 1 hit")
    console.press("ctrl u", "t[4-6]")
    console.see("No flow has it.")
    console.press("ctrl t")
    console.see("/ re:t[4-6]", "3 flows, 3 hits")
    console.press("down", "down", "enter")
    console.see("https://shop.example.org/item/6", "Body  JSON", '"t6"')
    console.press("esc")
    console.see("/ re:t[4-6]")
    console.press("ctrl u", "~nothing x")
    console.see("There is no operator ~nothing")
    console.press("ctrl u", "AUTH")
    console.see("1 flow, 1 hit", "message 1")
    console.press("enter")
    console.see("10.9.8.7:4000", "Stream", "1/1")
    console.press("esc")
    console.see("/ AUTH", "1 flow, 1 hit")
    console.press("esc")
    console.see("/item/8", "[12/12]")
    console.press("\\")
    console.see("/ AUTH", "1 flow, 1 hit")
    console.press("esc")
    console.see("/item/8", "[12/12]")
    console.press(":", "search.index", "enter")
    console.see("the index has all flows")


def test_flows_in_memory_are_searched(tmp_path: Path) -> None:
    driven = fake_app(tmp_path)
    try:
        driven.see("/index.html", "/login", "[1/3]")
        driven.press(":", "search.open demo", "enter")
        driven.see("Search in all flows", "/ demo", "1 flow, 1 hit", "response body")
        driven.press("enter")
        driven.see('"name": "demo"', "1/1")
        driven.press("esc")
        driven.see("/ demo")
        driven.press("esc")
        driven.see("/login", "[2/3]")
    finally:
        driven.close()
