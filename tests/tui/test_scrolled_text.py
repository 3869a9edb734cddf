from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from interceptor.tui.present.paragraphs import Document, Paragraph, breaks, drawable, from_column, marked, note, plain
from interceptor.tui.present.text import Line
from interceptor.tui.scrolled_text import ScrolledText


def lines(*texts: str) -> list[Line]:
    return [[("text", text)] for text in texts]


def window(body: Sequence[Line], columns: int = 10, rows: int = 4) -> ScrolledText:
    text = ScrolledText(lambda: None)
    text.show(Document([], body), is_same=False)
    text.visible(columns, rows)
    return text


def seen(text: ScrolledText, columns: int = 10, rows: int = 4) -> list[str]:
    return [plain(line) for line in text.visible(columns, rows)]


NUMBERED = lines(*[f"line {number}" for number in range(100)])


def test_long_lines_are_wrapped_and_the_window_moves_by_rows() -> None:
    text = window(lines("a" * 25, "b", "c", "d"))
    assert seen(text) == ["a" * 10, "a" * 10, "a" * 5, "b"]
    text.move(1)
    assert seen(text) == ["a" * 10, "a" * 5, "b", "c"]
    text.move(100)
    assert seen(text) == ["a" * 5, "b", "c", "d"], "never past the end"
    text.move(-100)
    assert seen(text)[0] == "a" * 10


def test_wide_characters_are_not_torn_apart() -> None:
    assert seen(window(lines("日本語日本語"), 5), 5) == ["日本", "語日", "本語"]
    assert breaks("日", 1, 0) == [0], "there is nowhere to put it, but there is an end"


def test_continuations_of_fields_are_indented_and_prose_breaks_between_words() -> None:
    head = [Paragraph([("key", "Name  "), ("text", "x" * 9)], 6), note("here are words")]
    text = ScrolledText(lambda: None)
    text.show(Document(head), is_same=False)
    assert seen(text, 15) == ["Name  xxxxxxxxx", "here are words"]
    assert seen(text, 13) == ["Name  xxxxxxx", "xx", "here are ", "words"], "no indent that takes half of the room"
    assert seen(text, 14) == ["Name  xxxxxxxx", "      x", "here are words"]


def test_pages_keep_one_row_and_end_shows_the_last() -> None:
    text = window(NUMBERED)
    text.page(1)
    assert seen(text)[0] == "line 3"
    text.end()
    assert seen(text) == ["line 96", "line 97", "line 98", "line 99"]
    assert text.position() == "97/100 100%"
    text.start()
    assert text.position() == "1/100 0%"


def test_shifting_ends_wrapping() -> None:
    text = window(lines("abcdefgh" + "ijklmnop" * 2, "short"))
    text.shift(1)
    assert seen(text) == ["ijklmnop" * 2, ""]
    text.shift(-5)
    assert seen(text)[1] == "short"
    text.toggle_wrap()
    assert len(seen(text)) == 4


def test_half_a_wide_character_at_the_left_edge_is_a_space() -> None:
    assert plain(from_column([("text", "日本")], 1)) == " 本"


def test_a_search_goes_to_the_match_and_marks_it() -> None:
    text = window(lines(*[f"hay {number}" for number in range(120)], "a NEEDLE here", "needle"))
    assert text.search("needle", False) == "1/2"
    shown = text.visible(20, 4)
    assert [piece for line in shown for piece in line if piece[0] == "match current"] == [("match current", "NEEDLE")]
    assert [piece for line in shown for piece in line if piece[0] == "match"] == [("match", "needle")]
    assert text.search_next() == "2/2"
    assert text.search_next() == "1/2", "round and round"
    assert text.search_next(is_reversed=True) == "2/2"


def test_searching_backwards_starts_above_the_window() -> None:
    text = window(NUMBERED)
    text.move(50)
    text.visible(10, 4)
    assert text.search("line .1", True) == "4/9", "line 41 is the last before line 50"
    assert text.search_next() == "3/9"


def test_capitals_matter_if_there_are_any_and_a_bad_expression_is_text() -> None:
    text = window(lines("foo(", "Foo"))
    assert text.search("foo", False) == "1/2"
    assert text.search("Foo", False) == "1/1"
    assert text.search("foo(", False) == "1/1"
    assert text.search("bar", False) == "not found: bar"
    assert text.search("", False) == ""
    assert text.search_next() == "nothing to search for yet"


def test_a_match_far_inside_a_long_line_is_scrolled_to() -> None:
    text = window(lines("x" * 5000 + "needle" + "x" * 5000))
    text.search("needle", False)
    assert any("needle" in plain(line) or ("match current" in [style for style, _ in line]) for line in text.visible(10, 4))
    text.toggle_wrap()
    text.search("needle", False)
    assert "needle" in seen(text)[0]


def test_a_new_state_keeps_the_place_and_the_match() -> None:
    text = window(NUMBERED)
    text.search("line 5", False)
    text.search_next()
    before = seen(text)
    text.show(Document([], [*NUMBERED, [("text", "more")]]), is_same=True)
    assert seen(text) == before
    assert text.search_state() == "2/11"


def test_a_match_that_comes_later_is_gone_to() -> None:
    text = window(lines("rendering"))
    assert text.search("line 70", False) == "not found: line 70"
    text.show(Document([], NUMBERED), is_same=True)
    assert "line 70" in seen(text)


def test_a_stream_is_followed_at_its_end_only() -> None:
    text = window(NUMBERED)
    longer = [*NUMBERED, *lines("new")]
    text.show(Document([], longer), is_same=True, is_following=True)
    assert seen(text)[0] == "line 0"
    text.end()
    text.show(Document([], [*longer, *lines("newer")]), is_same=True, is_following=True)
    assert seen(text)[-1] == "newer"


def test_tabs_go_to_the_next_stop_of_the_line() -> None:
    assert drawable([("key", "ab\t"), ("text", "日\tx\x1b")]) == [("key", "ab      "), ("text", "日      x\\x1b")]


def test_marks_keep_the_other_styles() -> None:
    line: Line = [("key", "abc"), ("text", "def")]
    expected = [("key", "ab"), ("match", "cd"), ("text", "ef")]
    assert [piece for piece in marked(line, [(2, 4, "match")]) if piece[1]] == expected


def test_only_what_is_seen_is_made() -> None:
    made: list[int] = []

    class Million(Sequence[Line]):
        def __len__(self) -> int:
            return 1_000_000

        def __getitem__(self, index: int) -> Line:  # type: ignore[override]
            made.append(index)
            return [("text", f"line {index}")]

    text = window(Million(), 20)
    text.end()
    assert seen(text, 20)[-1] == "line 999999"
    assert len(set(made)) < 20


def test_a_long_search_goes_on_in_slices_while_the_loop_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interceptor.tui.scrolled_text._FIRST_SLICE_SECONDS", 0.0)
    monkeypatch.setattr("interceptor.tui.scrolled_text._SLICE_SECONDS", 0.0)

    async def run() -> None:
        done = asyncio.Event()
        text = ScrolledText(lambda: done.set() if text.search_state().endswith("/1") else None)
        text.show(Document([], lines(*["hay"] * 400, "needle")), is_same=False)
        text.visible(10, 4)
        assert text.search("needle", False) == "searching for needle…"
        await asyncio.wait_for(done.wait(), 10)
        assert "needle" in seen(text)

    asyncio.run(run())
