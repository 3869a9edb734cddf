"""Options: what each value is checked for, all or nothing, who is told, and texts that become values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interceptor.option_definitions import OptionError
from interceptor.options import GROUPS, Options
from interceptor.specs.errors import UserError


def refused(**values: object) -> str:
    with pytest.raises(UserError) as caught:
        Options().update(**values)
    return caught.value.message


def test_every_definition_is_complete() -> None:
    for definition in Options.declared():
        assert definition.group in GROUPS, definition
        assert definition.help.endswith("."), definition
        assert "\n" not in definition.help and len(definition.help) <= 110, definition
        assert definition.validated(definition.default) == getattr(Options(), definition.name), definition
        defaults = definition.default if definition.kind == "list" else [definition.default]
        assert not definition.choices or set(defaults) <= set(definition.choices), definition


def test_defaults_are_safe() -> None:
    options = Options()
    assert (options.listen_host, options.block_global, options.ssl_insecure) == ("127.0.0.1", True, False)
    assert (options.mode, options.listen_port, options.confdir) == (["regular"], None, "~/.interceptor")
    assert all(options.is_default(definition.name) for definition in options.definitions())


def test_a_default_list_is_not_shared() -> None:
    one, other = Options(), Options()
    assert one.mode == other.mode and one.mode is not other.mode


def test_subscribers_are_told_once_of_what_changed() -> None:
    options, told = Options(), list[set[str]]()
    end = options.subscribe(lambda _, names: told.append(names))
    options.update(showhost=True, flow_detail=1, listen_port=8081)
    options.update(showhost=True)
    options.rawtcp = False
    end()
    options.rawtcp = True
    assert told == [{"showhost", "listen_port"}, {"rawtcp"}]


def test_a_refusal_rolls_back_and_tells_the_old_values() -> None:
    options, seen = Options(listen_port=1), list[int | None]()

    def refuse(options: Options, names: set[str]) -> None:
        if options.listen_port == 3:
            raise UserError("port 3 is taken")

    options.subscribe(lambda options, names: seen.append(options.listen_port))
    options.subscribe(refuse)
    options.update(listen_port=2)
    with pytest.raises(UserError, match="taken"):
        options.update(listen_port=3, showhost=True)
    assert (options.listen_port, options.showhost, seen) == (2, False, [2, 3, 2])


def test_nothing_is_stored_if_one_value_is_wrong() -> None:
    options = Options()
    with pytest.raises(UserError):
        options.update(showhost=True, flow_detail=9)
    assert not options.showhost


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"showhost": 1}, "showhost wants true or false, not 1"),
        ({"listen_port": "80"}, "listen_port wants a whole number, not '80'"),
        ({"listen_port": True}, "listen_port wants a whole number, not True"),
        ({"listen_port": 70000}, "listen_port: 70000 is not between 0 and 65535"),
        ({"mode": "regular"}, "mode wants a list of texts, not 'regular'"),
        ({"listen_host": None}, "listen_host wants text, not None"),
        ({"view_order": "colour"}, "view_order wants one of time, method, url, size, status, duration, host, type, not 'colour'"),
        ({"connect_timeout": 0}, "connect_timeout: 0 is not a time in seconds above 0"),
        ({"connect_timeout": float("nan")}, "connect_timeout: nan is not a time in seconds above 0"),
        ({"connect_addr": "here"}, "connect_addr: 'here' is not an IP address of this machine, like 192.168.1.5"),
        ({"shohost": True}, "there is no option 'shohost' (did you mean showhost?)"),
        ({"zzz": 1}, "there is no option 'zzz'; --options lists all"),
    ],
)
def test_wrong_values(values: dict[str, object], message: str) -> None:
    assert refused(**values) == message


@pytest.mark.parametrize(
    "values",
    [
        {"body_size_limit": "1x"},
        {"intercept": "~u ("},
        {"mode": ["nonsense"]},
        {"ignore_hosts": ["ok", "("]},
        {"header_size_limit": ""},
    ],
)
def test_specs_are_checked_when_they_are_set(values: dict[str, object]) -> None:
    assert refused(**values).startswith(f"{next(iter(values))}: ")


def test_a_bad_filter_says_where() -> None:
    with pytest.raises(OptionError) as caught:
        Options(view_filter="~d a & ~nonsense")
    assert caught.value.text == "~d a & ~nonsense"
    assert caught.value.position == 7


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["showhost"], "showhost", True),
        (["showhost=off"], "showhost", False),
        (["server=toggle"], "server", False),
        (["listen_port=0"], "listen_port", 0),
        (["listen_port"], "listen_port", None),
        (["view_filter=~u a=b"], "view_filter", "~u a=b"),
        (["view_filter="], "view_filter", None),
        (["mode=regular@1", "mode=reverse:http://a"], "mode", ["regular@1", "reverse:http://a"]),
        (["ignore_hosts"], "ignore_hosts", []),
        (["tcp_timeout=1.5"], "tcp_timeout", 1.5),
        (["flow_detail=2", "flow_detail=3"], "flow_detail", 3),
    ],
)
def test_texts_become_values(arguments: list[str], name: str, value: Any) -> None:
    options = Options()
    options.set_from_arguments(*arguments)
    assert getattr(options, name) == value


def test_arguments_are_one_update() -> None:
    options, told = Options(), list[set[str]]()
    options.subscribe(lambda _, names: told.append(names))
    options.set_from_arguments("showhost", "mode=regular@1", "rawtcp=no")
    assert told == [{"showhost", "mode", "rawtcp"}]


@pytest.mark.parametrize("definition", Options.declared(), ids=lambda definition: definition.name)
def test_what_is_shown_can_be_typed(definition: Any) -> None:
    options = Options()
    shown = options.text_of(definition.name)
    if definition.kind == "list":
        assert shown == ", ".join(definition.default)
    else:
        options.set_text(definition.name, shown)
        assert options.is_default(definition.name)


def test_setting_a_filter_switches_intercepting_on_and_off() -> None:
    options = Options()
    options.intercept = "~u a"
    assert options.intercept_active
    options.update(intercept="~u b", intercept_active=False)
    assert not options.intercept_active
    options.intercept_active = True
    options.intercept = None
    assert not options.intercept_active


def test_reset() -> None:
    options = Options(showhost=True, mode=["regular@1"], intercept="~q")
    options.reset("showhost")
    assert (options.showhost, options.mode) == (False, ["regular@1"])
    options.reset()
    assert all(options.is_default(definition.name) for definition in options.definitions())


def test_importing_options_imports_nothing_heavy() -> None:
    listing = "import interceptor.options, sys; print(*sys.modules)"
    root = Path(__file__).parent.parent  # -S: not what site packages import by themselves
    run = subprocess.run([sys.executable, "-S", "-c", listing], cwd=root, capture_output=True, text=True, check=True)
    assert not {"asyncio", "logging", "inspect", "pathlib", "ssl", "urllib.parse", "ruamel.yaml"} & set(run.stdout.split())
