"""The columns that a person chose, and the heading of the list."""

from __future__ import annotations

import pytest

from interceptor.model.flow import Flow, FlowError, HoldPoint, TcpFlow
from interceptor.options import Options as RealOptions
from interceptor.session.orders import ORDERS
from interceptor.tui.flow_list import FlowListBox
from interceptor.tui.present.columns import COLUMNS, chosen_layout, chosen_row, heading
from interceptor.tui.present.rows import flow_row, row_layout
from interceptor.tui.present.text import line_width
from tests.tui.some_flows import START, Options, Shown, http_flow


def shown(flow: Flow, *names: str, columns: int = 100) -> str:
    return "".join(text for _, text in chosen_row(flow, chosen_layout(names, columns, False), False, START))


def title(*names: str, columns: int = 100, order: str = "time", is_reversed: bool = False) -> str:
    return "".join(text for _, text in heading(chosen_layout(names, columns, False), order, is_reversed).line)


def test_the_option_knows_the_columns_and_their_orders_exist() -> None:
    assert RealOptions().definition("console_flowlist_columns").choices == tuple(COLUMNS)
    assert {column.order for column in COLUMNS.values()} - {""} <= set(ORDERS)


def test_columns_stand_as_they_were_named() -> None:
    flow = http_flow(target=b"/a?b=c", identity=7)
    assert shown(flow, "status", "method", "url").split() == ["200", "GET", "example.com/a?b=c"]
    assert shown(flow, "url", "number", "status").split() == ["example.com/a?b=c", "7", "200"]


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_every_width_is_filled_exactly_and_titles_stand_above_their_cells(columns: int) -> None:
    names = tuple(COLUMNS)
    layout = chosen_layout(names, columns, False)
    rows = [chosen_row(flow, layout, True, START) for flow in (http_flow(target=b"/a" * 200), TcpFlow(3, is_live=True))]
    has_flexible = any(not column.width for column, _ in layout.cells)
    assert {line_width(row) for row in rows} == {columns if has_flexible else line_width(rows[0])}
    assert line_width(rows[0]) <= line_width(heading(layout, "time", False).line) == columns


@pytest.mark.parametrize("columns", [40, 60, 64, 80, 100, 120, 160, 200])
def test_titles_of_the_automatic_layout_stand_above_their_cells(columns: int) -> None:
    layout = row_layout(columns)
    line = "".join(text for _, text in heading(layout, "time", False).line)
    row = "".join(text for _, text in flow_row(http_flow(target=b"/a"), layout, False, START))
    assert len(line) == columns
    assert line.index("Code") + 4 == row.index(" 200 ") + 4
    assert not layout.method or f"{'Method'[: layout.method]} " in line
    if layout.host:
        assert line.index("Path") == row.index("/a ")
    else:
        assert line.index("URL") == row.index("example.com")
    if layout.time:
        assert line.index("Time") == row.index(":") - 2


def test_what_has_no_room_is_left_out_from_the_right() -> None:
    assert title("url", "status", "client", "server", columns=50).split() == ["URL", "Code", "Client"]
    assert title("url", "status", "client", "server", columns=30).split() == ["URL", "Code"]


def test_that_a_flow_is_held_or_failed_is_said_in_the_address() -> None:
    held = http_flow(target=b"/a")
    held.held = HoldPoint.RESPONSE
    assert shown(held, "url", "status").split() == ["❚❚", "example.com/a", "response", "held", "200"]
    failed = http_flow(target=b"/a")
    failed.error = FlowError("connection refused", START)
    assert "connection refused" in shown(failed, "method", "path")
    assert shown(failed, "method").rstrip().endswith("connection refused")


def test_an_arrow_shows_the_order() -> None:
    assert title("time", "url", order="url").split() == ["Time", "URL↓"]
    assert title("time", "url", order="url", is_reversed=True).split() == ["Time", "URL↑"]
    assert title("time", "url", order="size").split() == ["Time", "URL"]


def test_a_click_on_a_title_orders_and_the_rows_below_are_clicked_as_before() -> None:
    flows: list[Flow] = [http_flow(target=b"/%d" % number, identity=number) for number in range(3)]
    view = Shown(flows, flows[0])
    widget = FlowListBox(view, Options(console_layout_headers=True), {}, now=lambda: START)
    size, orders = (80, 10), list[str]()
    widget.on_order = orders.append
    first, *rows = [row.decode() for row in widget.render(size).text]
    for name in ("Method", "URL", "Code", "Size", "Took"):
        widget.mouse_event(size, "mouse press", 1, first.index(name), 0, True)
    assert orders == ["method", "url", "status", "size", "duration"]
    assert not widget.mouse_event(size, "mouse press", 1, 0, 0, True), "nothing is above the cursor's column"
    assert "/1" in rows[1]
    widget.mouse_event(size, "mouse press", 1, 10, 2, True)
    assert view.focus is flows[1]


def test_the_heading_gives_way_where_there_is_little_room_and_when_it_is_not_wanted() -> None:
    flows: list[Flow] = [http_flow(target=b"/%d" % number, identity=number) for number in range(3)]
    for is_wanted, rows, is_there in ((True, 10, True), (True, 5, False), (False, 10, False)):
        widget = FlowListBox(Shown(flows, flows[0]), Options(console_layout_headers=is_wanted), {}, now=lambda: START)
        assert ("Method" in widget.render((80, rows)).text[0].decode()) is is_there


def test_the_last_row_is_reached_below_the_heading() -> None:
    flows: list[Flow] = [http_flow(target=b"/%d" % number, identity=number) for number in range(30)]
    widget = FlowListBox(Shown(flows, flows[0]), Options(console_layout_headers=True), {}, now=lambda: START)
    size = (80, 10)
    widget.render(size)
    widget.end()
    rows = [row.decode() for row in widget.render(size).text]
    assert "/29" in rows[-1]
    assert rows[-1].startswith("▸")
