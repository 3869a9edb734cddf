from __future__ import annotations

from pathlib import Path

import pytest

from interceptor.specs.errors import UserError
from interceptor.tui.keymap import Binding, Keymap
from interceptor.tui.keys_file import forget, remember


def loaded(path: Path) -> Keymap:
    keymap = Keymap()
    keymap.load(path)
    return keymap


def command(keymap: Keymap, context: str, key: str) -> str | None:
    binding = keymap.find(context, key)
    return None if binding is None else binding.command


def test_what_is_bound_is_there_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "conf" / "keys.yaml"
    remember(path, Binding("ctrl e", "flow.resume @all", ("flowlist", "flowview"), "Go"))
    remember(path, Binding("space", 'x.y "a b"', ("eventlog",)))
    keymap = loaded(path)
    assert command(keymap, "flowview", "ctrl e") == "flow.resume @all"
    assert command(keymap, "eventlog", " ") == 'x.y "a b"'
    remember(path, Binding("ctrl e", "flow.kill @all", ("flowview",)))
    keymap = loaded(path)
    assert command(keymap, "flowlist", "ctrl e") == "flow.resume @all"
    assert command(keymap, "flowview", "ctrl e") == "flow.kill @all"


def test_what_is_taken_away_stays_away(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    forget(path, "z", ["flowlist"], ["flowlist"])
    assert command(loaded(path), "flowlist", "z") is None
    assert command(loaded(path), "eventlog", "z") == 'console.command.confirm "Clear the event log?" eventstore.clear'
    remember(path, Binding("z", "x.y", ("flowlist",)))
    assert command(loaded(path), "flowlist", "z") == "x.y"
    assert path.read_text().count("key: z") == 1


def test_a_binding_of_ones_own_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    forget(path, "ctrl e", ["flowlist"], [])
    assert not path.exists()
    remember(path, Binding("ctrl e", "x.y", ("flowlist",)))
    forget(path, "ctrl e", ["flowlist"], [])
    assert "ctrl e" not in path.read_text()
    assert loaded(path).find("flowlist", "ctrl e") is None


def test_what_a_person_wrote_stays(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("# mine\n- {key: Ctrl t, cmd: a.b, context: 'flowlist, help'}  # why\n- key: f5\n  cmd: c.d\n")
    remember(path, Binding("ctrl t", "e.f", ("help",)))
    text = path.read_text()
    assert "# mine" in text and "# why" in text
    keymap = loaded(path)
    assert [command(keymap, *where) for where in (("flowlist", "ctrl t"), ("help", "ctrl t"), ("flowview", "f5"))] == [
        "a.b",
        "e.f",
        "c.d",
    ]


@pytest.mark.parametrize("text", ["a: b: c", "key: x"])
def test_a_file_that_is_wrong_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="this run only"):
        remember(path, Binding("x", "a.b", ("global",)))
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]
