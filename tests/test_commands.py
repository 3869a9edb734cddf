"""Commands: lines to words, words to values, signatures, completion, and what is said about a wrong line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.commands import Choices, CommandName, Commands, OptionName, OptionValue, lex, quote
from interceptor.model.flow import Flow, TcpFlow
from interceptor.options import Options
from interceptor.specs.errors import UserError


class Recorder:
    """Commands of every kind of argument; remembers what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def resume(self, flows: Sequence[Flow]) -> int:
        """Lets held flows go on.

        More text that is not the help.
        """
        self.calls.append(("resume", list(flows)))
        return len(flows)

    def mark(self, flows: Sequence[Flow], marker: str) -> None:
        """Marks flows."""
        self.calls.append(("mark", list(flows), marker))

    def open(self, flow: Flow) -> None:
        self.calls.append(("open", flow))

    def load(self, path: Path, count: int = 1, is_quick: bool = False) -> None:
        self.calls.append(("load", path, count, is_quick))

    def order(self, key: Annotated[str, Choices(lambda: ["time", "size"])]) -> None:
        self.calls.append(("order", key))

    def set(self, option: OptionName, *value: OptionValue) -> None:
        self.calls.append(("set", option, *value))

    def cut(self, parts: Sequence[str], raw: bytes, target: Path | None = None) -> None:
        self.calls.append(("cut", parts, raw, target))

    def ask(self, prompt: str, command: CommandName, *words: str) -> None:
        self.calls.append(("ask", prompt, command, *words))


FIRST, SECOND = TcpFlow(1), TcpFlow(2)


def resolve(spec: str) -> Sequence[Flow]:
    if spec == "bad (":
        raise UserError("a parenthesis is not closed", 4)
    return {"@all": [FIRST, SECOND], "@focus": [FIRST], "@marked": []}[spec]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def commands(recorder: Recorder) -> Commands:
    registry = Commands(Options())
    registry.flow_resolver = resolve
    for name in ("flow.resume", "flow.mark", "view.open", "view.load", "view.order", "set", "cut", "ask"):
        registry.add(name, getattr(recorder, name.rpartition(".")[2]))
    return registry


def failure(commands: Commands, line: str) -> UserError:
    with pytest.raises(UserError) as caught:
        commands.execute(line)
    return caught.value


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  a  b ", ["a", "b"]),
        ("a 'b c' \"d 'e'\"", ["a", "b c", "d 'e'"]),
        ("~d\"a b\"'c'd", ["~da bcd"]),
        ("a ''", ["a", ""]),
        ("a; b", ["a;", "b"]),
        ("a\\ b", ["a\\", "b"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert [word.text for word in lex(line)] == words


@given(st.text())
def test_a_quoted_text_is_one_word_again(text: str) -> None:
    assert [(word.text, word.is_open) for word in lex(f"x {quote(text)} y")] == [("x", False), (text, False), ("y", False)]


def test_words_become_typed_values(commands: Commands, recorder: Recorder) -> None:
    assert commands.execute("flow.resume @all") == 2
    commands.execute("flow.mark @focus ':red circle:'")
    commands.execute("view.open @focus")
    commands.execute("view.load ~/x 7 yes")
    commands.execute("view.order size")
    commands.execute("set mode regular reverse:http://a")
    commands.execute(r"cut 'a, b,,c' 'x\r\n\x41\\n'")
    commands.execute("ask sure? flow.resume @all")
    assert recorder.calls == [
        ("resume", [FIRST, SECOND]),
        ("mark", [FIRST], ":red circle:"),
        ("open", FIRST),
        ("load", Path("~/x").expanduser(), 7, True),
        ("order", "size"),
        ("set", "mode", "regular", "reverse:http://a"),
        ("cut", ["a", "b", "c"], b"x\r\nA\\n", None),
        ("ask", "sure?", "flow.resume", "@all"),
    ]


def test_call_takes_real_values(commands: Commands, recorder: Recorder) -> None:
    assert commands.call("flow.resume", [SECOND]) == 1
    assert recorder.calls == [("resume", [SECOND])]


@pytest.mark.parametrize(
    ("line", "message", "position"),
    [
        ("  ", "a command is needed: its name, then its arguments", 0),
        ("flow.resume", "flow.resume needs flows: try @focus", None),
        ("flow.mark @focus", "flow.mark needs marker, a text", None),
        (" flow.resme @all", "there is no command 'flow.resme' (did you mean flow.resume or flow.mark?)", 1),
        ("view.open @all", "view.open: one flow is needed, and @all is 2: try @focus", 10),
        ("view.open @marked", "view.open: one flow is needed, and @marked is none: try @focus", 10),
        ("view.load x many", "view.load: 'many' is not a whole number", 12),
        ("view.load x 1 maybe", "view.load: 'maybe' is neither true nor false", 14),
        ("view.order colour", "view.order: 'colour' is not one of time, size", 11),
        ("set listenport 1", "set: there is no option 'listenport' (did you mean listen_port or listen_host?)", 4),
        ("flow.mark @all a b", "too many words for flow.mark flows marker; put quotes around a text with spaces", 17),
        ("flow.mark @all it's", "the quote that begins here is not closed", 17),
        ("flow.resume 'bad ('", "flow.resume: a parenthesis is not closed", 17),
    ],
)
def test_what_is_said_about_a_wrong_line(commands: Commands, line: str, message: str, position: int | None) -> None:
    error = failure(commands, line)
    assert (error.message, error.position) == (message, position)


def test_signatures_and_help(commands: Commands) -> None:
    assert commands.signature("flow.mark") == "flow.mark flows marker"
    assert commands.signature("view.load") == "view.load path [count] [is_quick]"
    assert commands.signature("set") == "set option [value …]"
    assert commands.help("flow.resume") == "Lets held flows go on."


def test_a_name_is_registered_once(commands: Commands, recorder: Recorder) -> None:
    with pytest.raises(ValueError, match=r"flow\.resume"):
        commands.add("flow.resume", recorder.resume)


def test_an_unknown_type_is_the_authors_mistake(commands: Commands) -> None:
    def strange(what: complex) -> None: ...

    commands.add("strange", strange)
    with pytest.raises(TypeError, match="complex"):
        commands.signature("strange")


def completed(commands: Commands, line: str) -> list[str]:
    return [each.apply(line) for each in commands.complete(line)]


def test_names_are_completed_first_from_their_start(commands: Commands) -> None:
    assert completed(commands, "flow.") == ["flow.mark", "flow.resume"]
    assert completed(commands, "order") == ["view.order"]
    assert completed(commands, "se") == ["set"]
    assert completed(commands, "") == list(commands.names())


def test_a_name_is_found_by_some_of_its_characters_in_order(commands: Commands) -> None:
    assert completed(commands, "fmk") == ["flow.mark"]
    assert completed(commands, "VOR") == ["view.order"]
    assert completed(commands, "kmf") == []


def test_arguments_are_completed_by_type(commands: Commands) -> None:
    assert completed(commands, "flow.mark @m") == ["flow.mark @marked"]
    assert "flow.mark @focus" in completed(commands, "flow.mark ")
    assert completed(commands, "view.order ") == ["view.order time", "view.order size"]
    assert completed(commands, "set console_mou") == ["set console_mouse"]
    assert "set console_palette solarized_light" in completed(commands, "set console_palette ")
    assert "set mode regular upstream:http://" in completed(commands, "set mode regular up")
    assert "set mode regular regular" not in completed(commands, "set mode regular ")
    assert "set route socks5h://" in completed(commands, "set route socks")
    assert completed(commands, "set showhost t") == ["set showhost true", "set showhost toggle"]
    assert completed(commands, "view.load x 1 ") == ["view.load x 1 true", "view.load x 1 false"]
    assert completed(commands, "ask ok? flow.mark @f") == ["ask ok? flow.mark @focus"]
    assert completed(commands, "nothing ") == []
    assert completed(commands, "view.order time ") == []


def test_paths_are_completed(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "flows one").touch()
    (tmp_path / "flowing").mkdir()
    (tmp_path / ".flow").touch()
    line = f"view.load {tmp_path}/flow"
    assert completed(commands, line) == [f"view.load {tmp_path}/flowing/", f'view.load "{tmp_path}/flows one"']
    assert completed(commands, f"view.load +{tmp_path}/.f") == [f"view.load +{tmp_path}/.flow"]
    assert completed(commands, f'view.load "{tmp_path}/flows') == [f'view.load "{tmp_path}/flows one"']
    assert completed(commands, f"view.load {tmp_path}/none/") == []


@given(st.sampled_from(["", "view.load ", "flow.mark ", "set ", "set mode ", "ask a "]), st.text())
def test_completing_takes_any_text(start: str, text: str) -> None:
    registry, recorder = Commands(Options()), Recorder()
    for name in ("view.load", "flow.mark", "set", "ask"):
        registry.add(name, getattr(recorder, name.rpartition(".")[2]))
    line = start + text
    for completion in registry.complete(line):
        assert completion.apply(line) == line[: completion.start] + completion.text
        assert [word.is_open for word in lex(completion.text)] == [False]
