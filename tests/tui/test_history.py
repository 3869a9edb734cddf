from __future__ import annotations

from pathlib import Path

from interceptor.tui import history as history_module
from interceptor.tui.history import History


def test_recall_by_prefix_and_back_to_what_was_typed() -> None:
    history = History()
    for line in ("set a 1", "flow.mark @focus", "set b 2"):
        history.add(line)
    assert history.previous("set") == "set b 2"
    assert history.previous("set b 2") == "set a 1"
    assert history.previous("set a 1") is None
    assert history.next() == "set b 2"
    assert history.next() == "set"
    assert history.next() is None


def test_the_same_line_is_kept_once_and_last() -> None:
    history = History()
    for line in ("a", "b", "a", "  ", "a"):
        history.add(line)
    assert history.entries == ["b", "a"]


def test_kept_between_runs_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "conf" / "command_history"
    History(path).add("set intercept ~q")
    assert History(path).entries == ["set intercept ~q"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    limit, history_module.LIMIT = history_module.LIMIT, 3  # type: ignore[misc]
    try:
        path = tmp_path / "h"
        history = History(path)
        for number in range(20):
            history.add(f"line {number}")
        assert len(path.read_text().splitlines()) <= 6
        assert History(path).entries == ["line 17", "line 18", "line 19"]
    finally:
        history_module.LIMIT = limit  # type: ignore[misc]


def test_a_file_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(tmp_path / "file" / "below")
    history.add("a")
    assert history.entries == ["a"]
