from __future__ import annotations

from collections.abc import Sequence

from interceptor.tui.listing import ABOUT_ROWS, Listing, Row
from interceptor.tui.screens import Step


class Fruits(Listing):
    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = list(names)
        self.chosen: list[str | None] = []

    def rows(self) -> Sequence[Row]:
        return [Row(name, [("text", name)], [[("text", f"about {name}")]], f"{name} fruit", name[0]) for name in self.names]

    def select(self) -> None:
        self.chosen.append(self.current)


def shown(screen: Listing, columns: int = 20, rows: int = 14) -> list[str]:
    return [line.decode().rstrip() for line in screen.render((columns, rows)).text]


def test_headings_stand_above_their_rows_and_the_row_with_the_cursor_is_explained() -> None:
    screen = Fruits("apple", "avocado", "banana")
    lines = shown(screen)
    assert lines[:7] == ["a", "apple", "avocado", "", "b", "banana", ""]
    assert lines[-ABOUT_ROWS:][0] == "about apple"
    screen.navigate(Step.DOWN)
    assert shown(screen)[-ABOUT_ROWS:][0] == "about avocado"


def test_going_about() -> None:
    screen = Fruits(*(f"{letter}{number}" for letter in "abc" for number in range(10)))
    shown(screen)
    screen.navigate(Step.UP)
    assert screen.current == "a0"
    screen.navigate(Step.NEXT)
    assert screen.current == "b0"
    screen.navigate(Step.PREVIOUS)
    screen.navigate(Step.PREVIOUS)
    assert screen.current == "c0"
    screen.navigate(Step.END)
    assert screen.current == "c9"
    assert "c9" in shown(screen)
    screen.navigate(Step.PAGE_UP)
    assert screen.current == "c3"
    screen.navigate(Step.START)
    assert shown(screen)[:2] == ["a", "a0"], "the heading above the cursor is seen"
    for step in (Step.RIGHT, Step.LEFT):
        screen.navigate(step)
    assert (screen.current, screen.chosen) == ("a0", []), "an arrow changes nothing"
    screen.navigate(Step.SELECT)
    assert screen.chosen == ["a0"]


def test_a_search_goes_round_in_both_directions() -> None:
    screen = Fruits("apple", "banana", "cherry", "bilberry")
    assert screen.search("b.*fruit", False) == "match 1 of 2"
    assert screen.current == "banana"
    assert screen.search_next() == "match 2 of 2"
    assert screen.search_next() == "match 1 of 2, from the other end"
    assert screen.search_previous() == "match 2 of 2, from the other end"
    assert screen.current == "bilberry"
    assert "is not there" in screen.search("(melon", False)
    assert screen.current == "bilberry"


def test_the_cursor_stays_when_rows_come_and_go() -> None:
    screen = Fruits("apple", "banana", "cherry")
    screen.navigate(Step.DOWN)
    screen.names.insert(0, "acorn")
    assert screen.current == "banana"
    screen.names.remove("banana")
    assert screen.current == "cherry"
    screen.names.clear()
    assert screen.current is None
    screen.navigate(Step.DOWN)
    assert len(shown(screen)) == 14


def test_a_click_goes_there_and_a_second_one_is_enter() -> None:
    screen = Fruits("apple", "avocado", "banana")
    shown(screen)
    assert screen.mouse((20, 14), "mouse press", 1, 3, 2)
    assert (screen.current, screen.chosen) == ("avocado", [])
    assert screen.mouse((20, 14), "mouse press", 1, 3, 2)
    assert screen.chosen == ["avocado"]
    assert screen.mouse((20, 14), "mouse press", 1, 3, 4), "a heading is nothing to choose"
    assert screen.chosen == ["avocado"]
    assert not screen.mouse((20, 14), "mouse press", 1, 3, 13)


def test_a_low_room_shows_the_list_alone() -> None:
    assert shown(Fruits("apple", "banana"), 20, 3) == ["a", "apple", ""]
