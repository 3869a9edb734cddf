from __future__ import annotations

from pathlib import Path

import pytest

from interceptor.specs.errors import UserError
from interceptor.tui.keymap import Binding, Keymap, normalized


def test_the_screens_own_keys_come_first() -> None:
    keymap = Keymap()
    assert keymap.find("flowlist", "space").command == "console.nav.pagedown"  # type: ignore[union-attr]
    assert keymap.find("flowview", " ").command == "view.focus.next"  # type: ignore[union-attr]
    assert keymap.find("flowview", "i").command == "console.command.set intercept"  # type: ignore[union-attr]
    assert keymap.find("flowlist", "ctrl t") is None


@pytest.mark.parametrize(
    ("context", "key", "command"),
    [
        ("flowlist", "a", "flow.resume @focus"),
        ("flowlist", "A", "flow.resume @all"),
        ("flowlist", "X", "flow.kill @focus"),
        ("flowlist", "f", "console.command.set view_filter"),
        ("flowlist", "m", "flow.mark.toggle @focus"),
        ("flowlist", "U", "flow.mark @all false"),
        ("flowlist", "z", "view.flows.remove @all"),
        ("flowlist", "Z", "view.flows.remove @hidden"),
        ("flowlist", "r", "replay.client @focus"),
        ("flowlist", "D", "view.flows.duplicate @focus"),
        ("flowlist", "V", "flow.revert @focus"),
        ("flowlist", "M", "view.properties.marked.toggle"),
        ("flowlist", "F", "view.focus.follow"),
        ("flowlist", "v", "set view_order_reversed toggle"),
        ("flowview", "p", "view.focus.prev"),
        ("flowview", "f", "view.settings.setval.toggle @focus fullcontents"),
        ("grideditor", "d", "console.grideditor.delete"),
        ("grideditor", "A", "console.grideditor.insert"),
        ("eventlog", "z", 'console.command.confirm "Clear the event log?" eventstore.clear'),
        ("help", "?", "console.view.pop"),
        ("flowlist", "I", "set intercept_active toggle"),
        ("flowlist", "Q", "console.exit"),
        ("flowlist", "u", "console.undo"),
        ("flowlist", "ctrl r", "console.redo"),
    ],
)
def test_keys_are_mitmproxys(context: str, key: str, command: str) -> None:
    binding = Keymap().find(context, key)
    assert binding is not None
    assert binding.command == command


def test_the_key_of_a_command_is_the_one_that_works_there() -> None:
    keymap = Keymap()
    assert keymap.key_for("flowlist", "console.command") == ":"
    assert keymap.key_for("flowlist", "console.command.set view_filter") == "f"
    assert keymap.key_for("flowview", "console.command.set view_filter") is None
    assert keymap.key_for("help", "console.view.help") is None  # ? leaves the help
    keymap.bind(Binding("ctrl t", "console.nav.top", ("flowlist",)))
    assert keymap.key_for("flowlist", "console.nav.top") == "ctrl t"
    assert keymap.key_for("eventlog", "console.nav.top") is None
    keymap.unbind("ctrl t", ["flowlist"])
    assert keymap.key_for("flowlist", "console.nav.top") is None  # what was found before is forgotten with the binding


def test_bind_and_unbind() -> None:
    keymap = Keymap([])
    keymap.bind(Binding("CTRL t", "a.b", ("flowlist",)))
    assert keymap.find("flowlist", "ctrl t") is not None
    keymap.unbind("ctrl t", ["flowlist"])
    assert keymap.find("flowlist", "ctrl t") is None
    with pytest.raises(UserError, match="flowlist"):
        keymap.bind(Binding("x", "a.b", ("nowhere",)))


def test_a_file_of_bindings(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(
        "- key: a\n  ctx: [flowlist]\n  cmd: |\n    console.choose.cmd 'A b' x.options\n    y {choice}\n"
        '- {key: " ", cmd: flow.kill @focus, context: flowview, help: End}\n'
        "- {key: ctrl t, cmd: console.exit}\n"
    )
    keymap = Keymap()
    assert keymap.load(path) == 3
    assert keymap.find("flowlist", "a").command == "console.choose.cmd 'A b' x.options y {choice}"  # type: ignore[union-attr]
    assert keymap.find("flowview", "space").help == "End"  # type: ignore[union-attr]
    assert keymap.find("eventlog", "ctrl t").command == "console.exit"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b", "not a list"),
        ("- a", "binding 1 is not a mapping"),
        ("- {key: a}", "needs a key and a cmd"),
        ("- {key: a, cmd: b, ctx: [here]}", "context 'here'"),
        ("- {key: a, cmd: b, keys: c}", "'keys'"),
        ("- [", "not YAML"),
    ],
)
def test_a_wrong_file_says_where_and_binds_nothing(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("- {key: ctrl t, cmd: b}\n" if text == "" else text)
    keymap = Keymap()
    before = keymap.bindings("global")
    with pytest.raises(UserError, match=said):
        keymap.load(path)
    assert keymap.bindings("global") == before


def test_every_command_of_the_keys_exists(tmp_path: Path) -> None:
    """What the keys run is registered by the console or by the options."""
    from interceptor.commands import lex
    from interceptor.tui.console import Console
    from interceptor.tui.keymap import CONTEXTS
    from tests.tui.fake_app import FakeApp

    app = FakeApp(tmp_path)
    console = Console(app)
    console.register_commands()
    for context in CONTEXTS:
        for _, binding in console.keymap.bindings(context):
            words = [word.text for word in lex(binding.command)]
            wanted = [words[0], *(word for word in words[1:] if "." in word and "://" not in word and "content" not in word)]
            for name in wanted:
                assert name in app.commands.names(), binding
                assert app.commands.signature(name)


def test_spelling_of_keys() -> None:
    assert normalized(" ") == "space"
    assert normalized("Ctrl r") == "ctrl r"
    assert normalized("R") == "R"
