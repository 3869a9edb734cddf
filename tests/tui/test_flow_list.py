from __future__ import annotations

import pytest

from interceptor.model.flow import Flow
from interceptor.tui.flow_list import FlowListBox
from tests.tui.some_flows import START, Options, Shown, http_flow

SIZE = (80, 5)


def numbered(count: int) -> Shown:
    flows: list[Flow] = [http_flow(target=b"/%d" % number, identity=number) for number in range(count)]
    return Shown(flows, flows[0] if flows else None)


def box(view: Shown) -> FlowListBox:
    return FlowListBox(view, Options(), {}, lambda: ["Nothing yet.", "Proxy: http://127.0.0.1:8080"], now=lambda: START)


def screen(widget: FlowListBox, size: tuple[int, int] = SIZE) -> list[str]:
    return [row.decode().rstrip() for row in widget.render(size).text]


def paths(widget: FlowListBox, size: tuple[int, int] = SIZE) -> list[str]:
    return [row.split("example.com")[1].split()[0] for row in screen(widget, size) if row]


def cursor(widget: FlowListBox, size: tuple[int, int] = SIZE) -> int:
    return next(number for number, row in enumerate(screen(widget, size)) if row.startswith("▸"))


def test_the_window_moves_no_further_than_the_focus_wants() -> None:
    view = numbered(20)
    widget = box(view)
    assert paths(widget) == ["/0", "/1", "/2", "/3", "/4"]
    widget.move(4)
    assert (paths(widget)[0], cursor(widget)) == ("/0", 4)
    widget.move(1)
    assert (paths(widget)[0], cursor(widget)) == ("/1", 4)
    widget.move(-2)
    assert (paths(widget)[0], cursor(widget)) == ("/1", 2)
    widget.end()
    assert (paths(widget), cursor(widget)) == (["/15", "/16", "/17", "/18", "/19"], 4)
    widget.move(1)
    assert view.focus is view[19]
    widget.start()
    assert cursor(widget) == 0


def test_pages_keep_one_row_in_sight() -> None:
    widget = box(numbered(20))
    screen(widget)
    widget.page(1)
    assert paths(widget)[0] == "/4"
    widget.page(-1)
    assert paths(widget)[0] == "/0"


def test_keys_that_do_not_move_are_handed_back() -> None:
    view = numbered(3)
    widget = box(view)
    assert widget.keypress(SIZE, "down") is None
    assert view.focus is view[1]
    assert widget.keypress(SIZE, "enter") == "enter"


def test_the_row_with_the_cursor_has_its_own_styles() -> None:
    rows = list(box(numbered(2)).render(SIZE).content())
    assert {style for style, _, _ in rows[0]} > {"focus path", "focus host"}
    assert {style for style, _, _ in rows[1]} > {"path", "host"}


def test_a_click_focuses_and_a_second_one_opens() -> None:
    view = numbered(20)
    widget = box(view)
    opened: list[Flow] = []
    widget.on_open = opened.append
    widget.end()
    screen(widget)
    assert widget.mouse_event(SIZE, "mouse press", 1, 10, 2, True)
    assert (view.focus, opened) == (view[17], [])
    widget.mouse_event(SIZE, "mouse release", 1, 10, 2, True)
    assert widget.mouse_event(SIZE, "mouse press", 1, 10, 2, True)
    assert opened == [view[17]]


def test_the_wheel_moves() -> None:
    view = numbered(20)
    widget = box(view)
    widget.mouse_event(SIZE, "mouse press", 5, 0, 0, True)
    assert view.focus is view[3]
    widget.mouse_event(SIZE, "mouse press", 4, 0, 0, True)
    assert view.focus is view[0]


def test_an_empty_list_says_what_to_do() -> None:
    shown = [row.strip() for row in screen(box(Shown())) if row]
    assert shown == ["Nothing yet.", "Proxy: http://127.0.0.1:8080"]


def test_an_empty_list_says_if_flows_are_hidden() -> None:
    shown = screen(box(Shown(hidden_flows=[http_flow(), http_flow()])))
    assert [row.strip() for row in shown if row] == ["No flow matches the filter.", "2 flows are hidden."]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_moving_where_there_is_little_to_move_in(count: int) -> None:
    widget = box(numbered(count))
    for deed in (widget.start, widget.end, lambda: widget.move(-5), lambda: widget.page(3), lambda: widget.page(-3)):
        deed()
        assert len(screen(widget)) == 5
    assert not widget.mouse_event(SIZE, "mouse press", 1, 0, 4, True)


def test_flows_that_go_away_leave_no_gap_at_the_end() -> None:
    view = numbered(20)
    widget = box(view)
    widget.end()
    screen(widget)
    del view.flows[8:]
    view.focus = view[7]
    assert paths(widget) == ["/3", "/4", "/5", "/6", "/7"]


def test_two_lines_for_each_flow() -> None:
    view = numbered(20)
    options = Options(console_flowlist_layout="list")
    widget = FlowListBox(view, options, {}, now=lambda: START)
    shown = screen(widget)
    assert [row.split()[-1] for row in shown] == [
        "https://example.com/0",
        "6ms",
        "https://example.com/1",
        "6ms",
        "https://example.com/2",
    ]
    assert shown[1].split() == ["←", "200", "text/html", "257b", "6ms"]
    rows = list(widget.render(SIZE).content())
    assert [row[-1][0].startswith("focus") for row in rows] == [True, True, False, False, False]
    widget.page(1)
    assert view.focus is view[1]
    widget.end()
    assert screen(widget)[2].split()[-1] == "https://example.com/19"
    widget.mouse_event(SIZE, "mouse press", 1, 10, 1, True)
    assert view.focus is view[18]


def test_the_default_is_two_lines_where_a_table_would_be_cramped() -> None:
    widget = FlowListBox(numbered(3), Options(console_flowlist_layout="default"), {}, now=lambda: START)
    assert "←" in screen(widget, (50, 5))[1]
    assert "←" not in screen(widget, (80, 5))[1]


def test_what_arrives_above_the_focus_moves_the_window_not_what_is_read() -> None:
    view = numbered(20)
    widget = box(view)
    widget.move(7)
    before = paths(widget)
    assert cursor(widget) == 4
    view.flows[:0] = [http_flow(target=b"/new", identity=100 + number) for number in range(50)]
    assert (paths(widget), cursor(widget)) == (before, 4)
    del view.flows[:30]
    assert (paths(widget), cursor(widget)) == (before, 4)
    widget.start()
    assert (paths(widget)[0], cursor(widget)) == ("/new", 0)


class Watched(Shown):
    """Counts how many flows were looked at."""

    looked_at = 0

    def __getitem__(self, index: int) -> Flow:
        self.looked_at += 1
        return super().__getitem__(index)


def test_a_drawing_looks_at_no_more_flows_than_it_shows() -> None:
    flows = numbered(10_000).flows
    view = Watched(flows, flows[5_000])
    widget = box(view)
    assert len(paths(widget)) == 5
    assert view.looked_at == 5
    widget.end()
    view.looked_at = 0
    assert len(paths(widget)) == 5
    assert view.looked_at == 5
