from __future__ import annotations

import pytest

from interceptor.tui.panes import Panes
from interceptor.tui.screens import Screen, Stack


class Named(Screen):
    def __init__(self, title: str = "") -> None:
        self.title = title


def made() -> tuple[Panes, Stack, Screen, Screen]:
    flows, log = Named(), Named("Events")
    stack = Stack(flows)
    return Panes(stack, lambda: log), stack, flows, log


def test_one_pane_shows_what_was_opened_last() -> None:
    panes, stack, flows, log = made()
    assert [(each.screen, each.rows, each.title) for each in panes.places(80, 20)] == [(flows, 20, "")]
    other = Named("Help")
    stack.push(other)
    panes.opened()
    assert [(each.screen, each.title) for each in panes.places(80, 20)] == [(other, "Help")]
    assert panes.focused is other
    assert log not in list(panes.screens()), "made when it is needed"


def test_two_panes_show_the_list_and_the_rest() -> None:
    panes, stack, flows, log = made()
    panes.layout = "vertical"
    upper, lower = panes.places(80, 21)
    assert (upper.screen, upper.row, upper.rows, upper.columns, upper.title) == (flows, 0, 11, 80, "Flows")
    assert (lower.screen, lower.row, lower.rows, lower.columns, lower.title) == (log, 11, 10, 80, "Events")
    panes.layout = "horizontal"
    left, right = panes.places(81, 20)
    assert (left.screen, left.column, left.columns, left.rows) == (flows, 0, 40, 20)
    assert (right.screen, right.column, right.columns, right.rows) == (log, 41, 40, 20)
    detail = Named()
    stack.push(detail)
    panes.opened()
    assert [each.screen for each in panes.places(81, 20)] == [flows, detail]
    assert panes.focused is detail
    panes.switch()
    assert panes.focused is flows
    panes.focus(detail)
    assert panes.focused is detail
    stack.remove(detail)
    panes.closed()
    assert panes.focused is flows


def test_titles_can_be_done_without() -> None:
    panes, *_ = made()
    panes.layout, panes.has_titles = "vertical", False
    assert [(each.rows, each.title) for each in panes.places(80, 21)] == [(11, ""), (10, "")]


def test_closing_beside_leaves_the_keys_with_the_list() -> None:
    panes, stack, flows, _ = made()
    panes.layout = "vertical"
    one, two = Named("1"), Named("2")
    for screen in (one, two):
        stack.push(screen)
        panes.opened()
    panes.switch()
    stack.remove(two)
    panes.closed()
    assert panes.focused is flows
    panes.layout = "single"
    assert panes.focused is one
    panes.layout = "horizontal"
    assert panes.focused is one, "what one looked at goes on having the keys"


@pytest.mark.parametrize(("layout", "columns", "rows"), [("vertical", 80, 9), ("horizontal", 60, 20)])
def test_a_small_terminal_shows_the_pane_that_has_the_keys(layout: str, columns: int, rows: int) -> None:
    panes, _, flows, log = made()
    panes.layout = layout
    assert [each.screen for each in panes.places(columns, rows)] == [flows]
    panes.switch()
    assert [each.screen for each in panes.places(columns, rows)] == [log]
