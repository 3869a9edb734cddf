from __future__ import annotations

from collections.abc import Sequence

from interceptor.tui.chooser import Chooser
from interceptor.tui.history import History
from interceptor.tui.line_editor import LineEditor
from interceptor.tui.prompt import Candidate, Prompt, Question

WORDS = ("flow.mark", "flow.mark.toggle", "flow.resume", "set")


def complete(before: str) -> Sequence[Candidate]:
    return [Candidate(word, word, f"help of {word}") for word in WORDS if word.startswith(before)]


class Done:
    def __init__(self) -> None:
        self.results: list[str | None] = []

    def __call__(self, text: str | None) -> None:
        self.results.append(text)


def typed(prompt: Prompt, *keys: str) -> str:
    for key in keys:
        for each in [key] if len(key) == 1 or " " in key or key in NAMED else key:
            prompt.keypress(each)
    return prompt.text


NAMED = {"enter", "esc", "tab", "up", "down", "left", "right", "home", "end", "backspace", "delete"}


def edited(text: str, *keys: str) -> tuple[str, int]:
    line = LineEditor(text)
    for key in keys:
        assert line.keypress(key)
    return line.text, line.position


def test_keys_of_a_line() -> None:
    assert edited("one two", "ctrl a", "x") == ("xone two", 1)
    assert edited("one two", "ctrl w") == ("one ", 4)
    assert edited("one two", "ctrl a", "ctrl k", "ctrl y") == ("one two", 7)
    assert edited("one two", "ctrl left", "ctrl u") == ("two", 0)
    assert edited("one two", "meta b", "meta b", "meta d") == (" two", 0)
    assert edited("one two", "home", "ctrl right", "delete") == ("onetwo", 3)
    assert edited("one", "left", "backspace") == ("oe", 1)
    assert edited("", "backspace", "ctrl d", "left", "ctrl w") == ("", 0)
    assert not LineEditor().keypress("f5")


def test_the_cursor_stays_in_sight_of_a_long_line() -> None:
    line = LineEditor("a" * 300)
    text, at = line.shown(40)
    assert at < 40
    assert len(text) >= at


def test_enter_and_escape() -> None:
    done = Done()
    assert typed(Prompt(": ", done, "ab"), "c", "enter") == "abc"
    typed(Prompt(": ", done), "x", "esc")
    typed(Prompt(": ", done), "backspace")
    assert done.results == ["abc", None, None]


def test_tab_takes_what_is_shared_then_goes_through() -> None:
    prompt = Prompt(": ", Done(), complete=complete)
    assert typed(prompt, "f", "tab") == "flow."
    assert typed(prompt, "m", "tab") == "flow.mark"
    assert typed(prompt, "tab") == "flow.mark"
    assert typed(prompt, "tab") == "flow.mark.toggle"
    assert typed(prompt, "tab") == "flow.mark"
    assert typed(prompt, "shift tab") == "flow.mark.toggle"


def test_the_only_candidate_is_completed_with_a_blank() -> None:
    assert typed(Prompt(": ", Done(), complete=complete), "se", "tab") == "set "


def test_completion_leaves_what_follows_the_cursor() -> None:
    prompt = Prompt(": ", Done(), "se @focus", 2, complete=complete)
    assert typed(prompt, "tab") == "set @focus"


def test_history_goes_by_the_prefix_unless_a_candidate_is_selected() -> None:
    history = History()
    for line in ("flow.kill @focus", "set x", "flow.resume @all"):
        history.add(line)
    prompt = Prompt(": ", Done(), complete=complete, history=history)
    assert typed(prompt, "flow", "up") == "flow.resume @all"
    assert typed(prompt, "up") == "flow.kill @focus"
    assert typed(prompt, "down", "down") == "flow"
    prompt = Prompt(": ", Done(), "flow.", complete=complete, history=history)
    assert typed(prompt, "tab", "down") == "flow.mark.toggle"


def test_a_paste_is_one_line() -> None:
    prompt = Prompt(": ", Done())
    prompt.paste("a\nb\r\nc")
    assert prompt.text == "a b c"


def test_the_list_is_drawn_above_the_line_with_its_help() -> None:
    prompt = Prompt(": ", Done(), "flow.", complete=complete)
    rows = prompt.rows(20)
    assert rows == 4
    lines = [line.decode().rstrip() for line in prompt.render((60, rows)).text]
    assert lines[0].split() == ["flow.mark", "help", "of", "flow.mark"]
    assert lines[-1] == ": flow."
    assert prompt.render((60, rows)).cursor == (7, 3)


def test_a_list_that_is_too_long_says_how_much_is_missing() -> None:
    prompt = Prompt(": ", Done(), complete=lambda before: [Candidate(str(n), str(n)) for n in range(50)])
    assert "41 more" in prompt.render((60, 10)).text[-2].decode()


def test_control_characters_are_not_drawn() -> None:
    prompt = Prompt(": ", Done(), "a\x1b[31mb")
    assert b"\x1b" not in prompt.render((40, 1)).text[0]


def test_questions() -> None:
    answers: list[str] = []
    Question("Sure?", [("y", "yes"), ("n", "no")], answers.append).keypress("y")
    Question("Sure?", [("y", "yes"), ("n", "no")], answers.append).keypress("x")
    question = Question("Sure?", [("y", "yes"), ("n", "no")], answers.append)
    question.paste("y")
    question.cancel()
    assert answers == ["y", "n", "n"]
    assert question.render((40, 1)).text[0].decode().split() == ["Sure?", "y", "yes", "n", "no"]


def test_a_chooser_by_shortcut_by_arrows_and_by_mouse() -> None:
    chosen: list[str | None] = []
    Chooser("T", ["a", "b", "c"], chosen.append).keypress("2")
    chooser = Chooser("T", ["a", "b", "c"], chosen.append, current="b")
    chooser.keypress("down")
    chooser.keypress("enter")
    chooser = Chooser("T", ["a", "b", "c"], chosen.append)
    chooser.render((20, 5))
    chooser.click(1)
    Chooser("T", ["a"], chosen.append).keypress("q")
    assert chosen == ["b", "c", "a", None]


def test_a_chooser_longer_than_the_screen_keeps_the_cursor_in_sight() -> None:
    chooser = Chooser("T", [f"choice {n}" for n in range(40)], lambda choice: None)
    for _ in range(30):
        chooser.keypress("down")
    text = b"\n".join(chooser.render((30, 10)).text).decode()
    assert "choice 30" in text
    assert chooser.size(80, 10) == (15, 10)
