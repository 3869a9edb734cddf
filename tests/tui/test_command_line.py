from __future__ import annotations

from pathlib import Path

import pytest

from interceptor.option_commands import OptionCommands
from interceptor.specs.errors import UserError
from interceptor.tui.command_line import CommandLine
from tests.tui.fake_app import FakeApp


@pytest.fixture
def app(tmp_path: Path) -> FakeApp:
    made = FakeApp(tmp_path)
    OptionCommands(made.commands, made.options)
    return made


@pytest.fixture
def line(app: FakeApp) -> CommandLine:
    return CommandLine(app.commands, app.options)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("set view_filter ~u a", "~u a"),
        ("set view_filter '~u a'", "~u a"),
        ('set view_filter ~u "a b" & ~q', '~u "a b" & ~q'),
        ("set view_filter=~q", "~q"),
        ("set view_filter = ~q & ~u 'a'", "~q & ~u 'a'"),
        ("set view_filter ''", None),
        ("set view_filter", None),
        ("set view_filter=", None),
        ("set view_filter '~q' | '~s'", "'~q' | '~s'"),
    ],
)
def test_a_filter_needs_no_quotes(app: FakeApp, line: CommandLine, typed: str, value: str | None) -> None:
    app.options.update(view_filter="~all")
    line.execute(typed)
    assert app.options.view_filter == value


@pytest.mark.parametrize("value", [None, "~q", '~u "a b"', "~u 'a'", "~u a & ~m \"P\" | ~u 'b c'"])
def test_the_line_of_an_option_sets_it_to_what_it_is(app: FakeApp, line: CommandLine, value: str | None) -> None:
    app.options.update(view_filter=value)
    typed = line.set_line("view_filter")
    app.options.update(view_filter="~all")
    line.execute(typed)
    assert app.options.view_filter == value


def test_lists_and_switches(app: FakeApp, line: CommandLine) -> None:
    line.execute("set ignore_hosts a\\.test 'b c'")
    assert app.options.ignore_hosts == ["a\\.test", "b c"]
    assert line.set_line("ignore_hosts") == 'set ignore_hosts a\\.test "b c"'
    assert line.execute("set showhost toggle") == "showhost: true"
    with pytest.raises(UserError, match="view_filter"):
        line.execute("set view_filer ~q")


def test_completion_with_an_equals_sign_and_help(line: CommandLine) -> None:
    values = {candidate.line: candidate.label for candidate in line.complete("set view_order=")}
    assert "set view_order=size" in values
    names = {candidate.line: candidate.help for candidate in line.complete("set view_o")}
    assert "sorted" in names["set view_order"]
    assert "one of" in line.hint("set view_order ") or "time" in line.hint("set view_order ")
    assert line.hint("set intercept ~u x").startswith("intercept, optional str: ")
    assert line.is_known("se")
    assert not line.is_known("nothing")
