"""The configuration file: what it may say, what is said about mistakes in it, and that saving keeps comments."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interceptor.commands import Commands
from interceptor.config import load_config, load_options, options_as_yaml, save_options
from interceptor.option_commands import OptionCommands
from interceptor.options import Options
from interceptor.specs.errors import UserError


def written(folder: Path, text: str, name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_no_file_is_no_options_and_no_yaml_library(tmp_path: Path) -> None:
    assert load_config(tmp_path) == {}
    assert load_config(tmp_path / "none") == {}
    code = (
        "import sys; from pathlib import Path; from interceptor.config import load_config;"
        f"load_config(Path({str(tmp_path)!r})); print('ruamel.yaml' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize("name", ["config.yaml", "config.yml"])
def test_values_of_every_kind(tmp_path: Path, name: str) -> None:
    text = """
        # mine
        showhost: true
        rawtcp: off
        listen_port: 8081
        tcp_timeout: 5
        body_size_limit: 1048576
        mode: [regular@1, "reverse:http://a"]
        ignore_hosts: ^a:443$
        view_filter: '~u "a b"'
        intercept: null
    """
    written(tmp_path, text, name)
    values: dict[str, Any] = load_config(tmp_path)
    assert values == {
        "showhost": True,
        "rawtcp": False,
        "listen_port": 8081,
        "tcp_timeout": 5,
        "body_size_limit": "1048576",
        "mode": ["regular@1", "reverse:http://a"],
        "ignore_hosts": ["^a:443$"],
        "view_filter": '~u "a b"',
        "intercept": None,
    }
    assert {type(value) for value in values.values()} <= {bool, int, str, list, type(None)}
    Options(**values)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_no_options(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    assert load_config(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("showhost: true\nshowost: 1\n", "line 2: there is no option 'showost' (did you mean showhost?)"),
        ("\n\nlisten_port: many\n", "line 3: listen_port wants a whole number, not 'many'"),
        ("mode:\n  - nonsense\n", "line 1: mode: "),
        ("mode: [true]\n", "line 1: mode wants a list of texts, not [True]"),
        ("confdir: /x\n", "line 1: confdir cannot be set in a configuration file"),
        ("a: [1,\nb: 2\n", "line 3: "),
        ("showhost: true\n\tx: 1\n", "line 2: "),
        ("showhost: true\nshowhost: false\n", "line 2: "),
        ("- a\n- b\n", "line 1: lines like `showhost: true` are wanted"),
        ("just text", "line 1: lines like"),
    ],
)
def test_mistakes_are_named_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        load_config(tmp_path)
    assert caught.value.message.startswith(f"{path}, {message}")
    assert "\n" not in caught.value.message


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").mkdir()
    with pytest.raises(UserError, match=r"config\.yaml cannot be read: Is a directory"):
        load_config(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"# \xe4\n")
    with pytest.raises(UserError, match="not a text file in UTF-8"):
        load_options(latin)


def test_saving_keeps_comments_and_order(tmp_path: Path) -> None:
    text = "# my settings\nview_filter: ~u a # only a\n\n# why\nshowhost: true\n"
    path = written(tmp_path, text)
    options = Options(**load_config(tmp_path))
    options.update(view_filter="~u b", showhost=False, mode=["regular@1"])
    save_options(options, path)
    assert path.read_text() == "# my settings\nview_filter: ~u b # only a\n\n# why\nshowhost: false\nmode:\n- regular@1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["config.yaml"]


def test_a_saved_file_gives_the_same_options_again(tmp_path: Path) -> None:
    options = Options(proxyauth="user:1234", view_filter="~u '#: \"' " + "x" * 500, tcp_timeout=2.5, ignore_hosts=["a", "true"])
    save_options(options, tmp_path / "new" / "config.yaml")
    again = Options(**load_config(tmp_path / "new"))
    assert [getattr(again, each.name) for each in Options.declared()] == [
        getattr(options, each.name) for each in Options.declared()
    ]


def test_a_broken_file_is_not_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path, "a: [")
    with pytest.raises(UserError):
        save_options(Options(showhost=True), path)
    assert path.read_text() == "a: ["


def test_the_listing_is_a_configuration_file(tmp_path: Path) -> None:
    options = Options(showhost=True, mode=["regular@1"])
    listing = options_as_yaml(options)
    path = written(tmp_path, listing)
    assert load_options(path) == {"showhost": True, "mode": ["regular@1"]}
    lines = [line.removeprefix("# ") for line in listing.splitlines() if ": " in line and line.removeprefix("# ")[0].islower()]
    names = {line.partition(":")[0] for line in lines}
    assert {each.name for each in Options.declared()} <= names
    uncommented = "\n".join(line for line in lines if not line.startswith("confdir") and line.partition(":")[0] in dir(options))
    path.write_text(uncommented)
    assert len(load_options(path)) == len(Options.declared()) - 1


def test_commands(tmp_path: Path) -> None:
    options = Options()
    commands = Commands(options)
    OptionCommands(commands, options)
    commands.execute("set showhost")
    commands.execute("set view_filter '~u a'")
    commands.execute("set listen_port=81")
    commands.execute("set mode regular@1 regular@2")
    commands.execute(f"options.save {tmp_path}/o.yaml")
    commands.execute("options.reset.one listen_port")
    assert (options.showhost, options.view_filter, options.listen_port, options.mode) == (
        True,
        "~u a",
        None,
        ["regular@1", "regular@2"],
    )
    commands.execute("options.reset")
    assert (options.showhost, options.mode) == (False, ["regular"])
    commands.execute(f"options.load {tmp_path}/o.yaml")
    assert (options.view_filter, options.listen_port) == ("~u a", 81)
    with pytest.raises(UserError, match="cannot be written: "):
        commands.execute(f"options.save {tmp_path}/o.yaml/x")
