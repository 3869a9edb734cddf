"""Options, commands, key bindings and panes, by typed keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.console_screen import Driven
from tests.tui.driven import fake_app

Start = Callable[..., Driven]
CTRL_RIGHT, CTRL_LEFT = "\x1b[1;5C", "\x1b[1;5D"


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


def go_to_option(driven: Driven, name: str) -> None:
    driven.press("/", f"^{name} ", "enter")
    driven.see(f"{name}, ", "Default:")


def test_options_are_changed_by_enter_each_in_its_way(start: Start) -> None:
    driven = start()
    driven.press("O")
    driven.see("Options", "Listening and connecting", "Listen for clients at all")
    go_to_option(driven, "showhost")
    driven.press("enter")
    driven.see("• showhost                             true")
    go_to_option(driven, "view_order")
    driven.see("One of: time, method")
    driven.press("enter", "2")
    driven.see("• view_order                           method")
    go_to_option(driven, "view_filter")
    driven.press("enter")
    driven.see("view_filter:", "Empty: not set.")
    driven.press("~m GET", "enter")
    driven.see("• view_filter                          ~m GET", "[f:~m GET]")
    go_to_option(driven, "console_default_contentview")
    driven.press("enter")
    driven.see("raw", "json")
    driven.press("left", "q")
    driven.see("Quit", "index.html")
    driven.see_no("/login")


def test_a_list_is_edited_as_a_table_and_a_wrong_value_is_kept_until_it_is_right(start: Start) -> None:
    driven = start()
    driven.press("O")
    go_to_option(driven, "ignore_hosts")
    driven.press("enter")
    driven.see("ignore_hosts: Pass hosts through", "Value", "nothing here")
    driven.press("a", "example(", "enter", "q")
    driven.see("is not a regular expression", "example(")
    driven.press("enter", "backspace", "enter", "a", "other", "enter", "q")
    driven.see("• ignore_hosts                         example, other")
    go_to_option(driven, "header_count_limit")
    driven.press("enter", "9", "enter")
    driven.see("• header_count_limit                   10009")
    driven.press("enter", "ctrl u", "-1", "enter")
    driven.see("header_count_limit: -1", "is not between 1 and")
    driven.press("ctrl u", "12", "enter")
    driven.see("• header_count_limit                   12")


def test_options_are_reset_saved_and_loaded(start: Start, tmp_path: Path) -> None:
    driven = start()
    driven.press("O")
    for name in ("showhost", "keepserving"):
        go_to_option(driven, name)
        driven.press("enter")
        driven.see(f"• {name}")
    driven.press("S")
    driven.see(": options.save")
    driven.press("enter")
    saved = driven.wait_for_file(tmp_path / "config.yaml", lambda text: "showhost" in text)
    assert saved == "showhost: true\nkeepserving: true\n"
    driven.press("d")
    driven.see("keepserving: false")
    driven.see_no("• keepserving")
    driven.press("D")
    driven.see("Reset all options?")
    driven.press("n", "/", "^showhost ", "enter")
    driven.see("• showhost")
    driven.press("D", "y")
    driven.see_no("• showhost")
    driven.press("L")
    driven.see(": options.load")
    driven.press(str(tmp_path / "config.yaml"), "enter")
    driven.see("• showhost")


def test_the_folder_of_the_run_cannot_be_changed_in_it(start: Start) -> None:
    driven = start()
    driven.press("O")
    go_to_option(driven, "confdir")
    driven.see("Set at the start only")
    driven.press("enter")
    driven.see("confdir can be set at the start only")


def test_a_command_is_searched_and_put_into_the_prompt(start: Start) -> None:
    driven = start()
    driven.press("C")
    driven.see("Commands", "console.bodyview")
    driven.press("/", "duplicate", "enter")
    driven.see("view.flows.duplicate flows", "Keys: D (flowlist)")
    driven.press("enter")
    driven.see("@focus     the flow under the cursor", ": view.flows.duplicate")
    driven.press("@focus", "enter")
    driven.see("/4]")


def test_keys_are_added_changed_run_and_deleted_and_stay_so(start: Start, tmp_path: Path) -> None:
    driven = start()
    driven.press("K")
    driven.see("Key bindings", "Command prompt", "global: everywhere")
    driven.press("a")
    driven.see("Key for…", "flowlist")
    driven.press("3")
    driven.see("Press the key for flowlist")
    driven.press("ctrl t")
    driven.see(': console.key.bind flowlist "ctrl t"')
    driven.press("view.flows.duplicate @focus", "enter")
    driven.see("written to keys.yaml", "runs view.flows.duplicate @focus")
    driven.press("x")
    driven.see("/4]")
    driven.press("enter")
    driven.see(': console.key.bind flowlist "ctrl t" view.flows.duplicate @focus')
    driven.press("ctrl w", "@all", "enter")
    driven.see("runs view.flows.duplicate @all")
    driven.press("/", "Clear the list", "enter")
    driven.see("runs view.flows.remove @all")
    driven.press("d")
    driven.see("z does nothing in flowlist; written to keys.yaml")
    driven.press("q", "ctrl t")
    driven.see("/8]")
    again = start()
    again.press("z", "ctrl t")
    again.see("/6]")
    again.press("K", "/", "duplicate @all", "enter")
    again.see("runs view.flows.duplicate @all")
    again.press("d")
    again.see("ctrl t does nothing")
    assert "ctrl t" not in (tmp_path / "keys.yaml").read_text()


def test_panes_are_cycled_and_switched(start: Start) -> None:
    driven = start()
    driven.press("-")
    driven.see("layout: vertical", "Flows", "Events", "listening at 127.0.0.1:8080", "index.html")
    driven.press(CTRL_RIGHT)
    driven.see("Events:")
    driven.press("shift tab")
    driven.see("Flow:")
    driven.press("-")
    driven.see("layout: horizontal", "listening at", "index.html")
    driven.press("enter")
    driven.see("GET http://example.com/index.html", "Flows", "/login")
    driven.press(CTRL_LEFT, "down")
    driven.see("GET http://example.com/data.json?x=1", "[2/3]")
    driven.press("enter", "tab")
    driven.see('"name": "demo"', "/login")
    driven.press("-")
    driven.see("layout: single", '"name": "demo"')
    driven.see_no("/login")
    driven.press("-", "-")
    driven.see("layout: horizontal", "/login", '"name": "demo"')
    driven.press("q")
    driven.see("Events", "listening at")
    driven.press("E")
    driven.see("Events:")
    driven.press("q")
    driven.see("Flow:", "[2/3]")


def test_a_click_on_a_pane_gives_it_the_keys(start: Start) -> None:
    driven = start()
    driven.press("-", "-")
    driven.see("layout: horizontal", "Events")
    driven.press("\x1b[<0;80;6M", "\x1b[<0;80;6m")
    driven.see("Events:")
    driven.press("\x1b[<0;20;5M", "\x1b[<0;20;5m")
    driven.see("Flow:", "[2/3]")


def test_the_layout_of_the_options_is_there_from_the_start(tmp_path: Path, start: Start) -> None:
    (tmp_path / "config.yaml").write_text("console_layout: vertical\n")
    driven = start()
    driven.see("Flows", "Events", "listening at")


def test_a_browser_is_started_and_why_not_is_said(start: Start) -> None:
    driven = start()
    driven.press("B")
    driven.see("a browser started with nothing")
    driven.press(":", "browser.start edge --incognito", "enter")
    driven.see("edge started with --incognito")
    driven.press(":", "browser.start brave", "enter")
    driven.see("brave was not found on this machine")


@pytest.mark.parametrize(
    ("key", "order", "paths"),
    [
        ("5", "status", ["/index.html", "/data.json", "/login"]),
        ("6", "type", ["/data.json", "/index.html", "/login"]),
        ("7", "size", ["/login", "/index.html", "/data.json"]),
    ],
)
def test_the_list_is_ordered_by_what_its_columns_show(start: Start, key: str, order: str, paths: list[str]) -> None:
    driven = start()
    driven.press("o")
    driven.see("Order by…", "duration", "host", f"{key} {order}")
    driven.press(key)
    driven.see(f"[order:{order}]")
    assert sorted(paths, key=driven.text.index) == paths
    driven.press("v")
    driven.wait(lambda: sorted(paths, key=driven.text.index) == paths[::-1], "the reverse order")


def test_titles_columns_and_background_follow_their_options(start: Start) -> None:
    driven = start()
    driven.see("Method", "Code")
    driven.press(":set console_layout_headers false", "enter")
    driven.see_no("Method")
    driven.press(":set console_layout_headers true", "enter")
    driven.press(":set console_flowlist_columns number status url", "enter")
    driven.see("No. Code URL", "1  200 example.com/index.html")
    driven.press(":set console_flowlist_columns colour", "enter")
    driven.see("wants some of number, time", "No. Code URL")
    driven.press(":set console_palette_transparent true", "enter")
    driven.see("console_palette_transparent: true", "index.html")
