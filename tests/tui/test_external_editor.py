from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from interceptor.tui.external_editor import EditorFailed, edit, editor_command, suffix_for


def program(folder: Path, text: str) -> list[str]:
    script = folder / "editor.py"
    script.write_text("import os, pathlib, sys\npath = pathlib.Path(sys.argv[1])\n" + text)
    return [sys.executable, str(script)]


def test_which_editor_is_used(tmp_path: Path) -> None:
    (tmp_path / "vi").write_text("#!/bin/sh\n")
    (tmp_path / "vi").chmod(0o755)
    everything = {"INTERCEPTOR_EDITOR": "a -x", "VISUAL": "b", "EDITOR": "'c d'", "PATH": str(tmp_path)}
    assert editor_command("code --wait", everything) == ["code", "--wait"]
    assert editor_command(None, everything) == ["a", "-x"]
    assert editor_command(None, {**everything, "INTERCEPTOR_EDITOR": ""}) == ["b"]
    assert editor_command(None, {"MITMPROXY_EDITOR": "m", "VISUAL": "b"}) == ["m"]
    assert editor_command(None, {"EDITOR": "'c d'"}) == ["c d"]
    assert editor_command(None, {"PATH": str(tmp_path)}) == ["vi"]
    with pytest.raises(EditorFailed, match="no editor"):
        editor_command(None, {"PATH": str(tmp_path / "empty")})
    with pytest.raises(EditorFailed, match="quote"):
        editor_command("'a", {})


def test_the_file_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    note = tmp_path / "note"
    command = program(
        tmp_path,
        "modes = [f'{each.stat().st_mode & 0o777:o}' for each in (path, path.parent)]\n"
        f"pathlib.Path({str(note)!r}).write_text(' '.join([str(path), *modes]))\n"
        "path.write_bytes(path.read_bytes().upper())",
    )
    assert asyncio.run(edit(b"text\xff", command, ".json")) == b"TEXT\xff"
    path, mode, folder_mode = note.read_text().split()
    assert (mode, folder_mode) == ("600", "700")
    assert path.endswith(".json")
    assert not Path(path).parent.exists()


def test_an_editor_that_replaces_the_file(tmp_path: Path) -> None:
    command = program(tmp_path, "other = path.with_name('new')\nother.write_bytes(b'new')\nother.rename(path)")
    assert asyncio.run(edit(b"old", command)) == b"new"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sys.exit(1)", "failed with status 1"),
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("path.unlink()", "cannot be read"),
    ],
)
def test_failures_say_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(EditorFailed, match=said):
        asyncio.run(edit(b"old", program(tmp_path, text)))


def test_an_editor_that_is_not_there() -> None:
    with pytest.raises(EditorFailed, match="cannot be started"):
        asyncio.run(edit(b"", ["/nonexistent/editor"]))


def test_the_loop_runs_meanwhile(tmp_path: Path) -> None:
    """The editor waits for a file that only the loop makes."""
    sign = tmp_path / "sign"
    command = program(tmp_path, f"while not os.path.exists({str(sign)!r}): pass\npath.write_text('after')")

    async def both() -> bytes:
        task = asyncio.create_task(edit(b"before", command))
        await asyncio.sleep(0)
        sign.write_text("")
        return await task

    assert asyncio.run(both()) == b"after"


def test_suffixes() -> None:
    assert suffix_for("application/problem+json; charset=utf-8") == ".json"
    assert suffix_for("text/html") == ".html"
    assert suffix_for("") == ".txt"
    assert suffix_for("application/octet-stream") == ".bin"
