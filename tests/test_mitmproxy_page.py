"""docs/mitmproxy.md lists what mitmproxy has; what it says of us is compared with the registries."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pytest

from interceptor.contentviews.registry import names as view_names
from interceptor.options import Options
from interceptor.runs import all_commands
from interceptor.specs.filter import operators
from interceptor.tui.keymap import Keymap

TOP = Path(__file__).parent.parent
HERE = {"there", "better", "renamed"}
NOT_HERE = {"later", "left out"}

Row = list[str]


@lru_cache(maxsize=1)
def tables() -> dict[str, list[Row]]:
    """The rows of the tables of the page, by heading; a cell is without its white space."""
    found: dict[str, list[Row]] = {}
    heading = ""
    for line in (TOP / "docs" / "mitmproxy.md").read_text().splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith("|--"):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found.setdefault(heading, []).append(cells)
    return {heading: rows[1:] for heading, rows in found.items()}


def code(cell: str) -> str:
    """What stands in the first code span."""
    found = re.match(r"`(.+?)`", cell)
    assert found is not None, cell
    return found.group(1)


def ours(row: Row) -> str:
    """The name that we have for it."""
    name, state, how = row
    return code(how) if state == "renamed" else code(name)


@lru_cache(maxsize=1)
def known() -> dict[str, set[str]]:
    return {
        "Options": {definition.name for definition in Options.declared()},
        "Commands": set(all_commands(Options()).names()),
        "Filters": {operator.name for operator in operators()},
        "Content views": set(view_names()),
    }


@pytest.mark.parametrize(("table", "count"), [("Options", 117), ("Commands", 120), ("Filters", 32), ("Content views", 21)])
def test_every_entry_of_mitmproxys_is_listed_once(table: str, count: int) -> None:
    listed = [code(row[0]) for row in tables()[table]]
    assert (len(listed), len(set(listed))) == (count, count)


@pytest.mark.parametrize("table", ["Options", "Commands", "Filters", "Content views"])
def test_what_is_said_to_be_there_is_there(table: str) -> None:
    missing = [ours(row) for row in tables()[table] if row[1] in HERE and ours(row) not in known()[table]]
    assert missing == []


@pytest.mark.parametrize("table", ["Options", "Commands", "Content views"])
def test_what_is_said_not_to_be_there_is_not(table: str) -> None:
    stale = [code(row[0]) for row in tables()[table] if row[1] in NOT_HERE and code(row[0]) in known()[table]]
    assert stale == [], "docs/mitmproxy.md says that this is not there yet"


def test_each_entry_says_one_of_five_things_and_a_reason_where_one_is_needed() -> None:
    wrong = []
    for table, rows in tables().items():
        for row in rows if table in known() or table == "Screens" else ():
            needs_words = row[1] != "there"
            if row[1] not in HERE | NOT_HERE or (needs_words and not row[2]):
                wrong.append(f"{table}: {row}")
    assert wrong == []


def contexts(row: Row) -> Sequence[str]:
    return row[1].split(", ")


def test_every_key_of_mitmproxys_is_listed_in_every_context() -> None:
    pairs = [(code(row[0]), context) for row in tables()["Keys"] for context in contexts(row)]
    assert (len(tables()["Keys"]), len(pairs), len(set(pairs))) == (80, 100, 100)


def test_keys_run_what_is_said() -> None:
    """ "there": the same command with the same first words; "better": the command said beside it, else the same."""
    keymap, wrong = Keymap(), []
    for row in tables()["Keys"]:
        key, (_, _, command, state, how) = code(row[0]), row
        wanted = code(how) if state == "better" and how.startswith("`") else code(command)
        if state not in HERE:
            continue
        for context in contexts(row):
            binding = dict(keymap.bindings(context)).get(key)
            if binding is None or not f"{binding.command} ".startswith(f"{wanted} "):
                wrong.append(f"{key} in {context}: {binding.command if binding else 'nothing'} instead of {wanted}")
    assert wrong == []


def test_every_weak_spot_has_its_tests() -> None:
    rows = tables()["mitmproxy's weak spots"]
    assert [row[0] for row in rows] == [f"C{number}" for number in range(1, 31)]
    without = [row[0] for row in rows if not row[3] and not row[2].startswith("later")]
    assert without == []


def test_the_tests_of_the_weak_spots_exist() -> None:
    named = re.findall(r"`(tests/\S+?)::(\w+)`", (TOP / "docs" / "mitmproxy.md").read_text())
    assert len(named) >= 30
    missing = [f"{path}::{name}" for path, name in named if name not in _functions(path)]
    assert missing == []


@lru_cache(maxsize=64)
def _functions(path: str) -> frozenset[str]:
    tree = ast.parse((TOP / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
