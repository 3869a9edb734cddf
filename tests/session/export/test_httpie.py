"""The exported HTTPie command, run by a shell with a program in HTTPie's place that keeps its words and its input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from interceptor.model.http import Field
from interceptor.options import Options
from interceptor.session.export.formats import export
from interceptor.specs.errors import UserError
from tests.session.export.echo import is_harmless
from tests.session.export.test_curl import NAMES, NASTY, OWN, SHELLS, TARGETS, VALUE_BYTES, flow_of
from tests.support.effort import examples

_RECORDER = """#!{python} -S
import json, os, sys
words = [os.fsencode(word).decode("latin-1") for word in sys.argv[1:]]
content = None if "--ignore-stdin" in words else sys.stdin.buffer.read().decode("latin-1")
open(os.environ["SAID"], "w").write(json.dumps([words, content]))
"""


def said(command: str, shell: str = "bash") -> tuple[list[bytes], bytes | None]:
    """The words behind `http`, and what was piped into it."""
    assert is_harmless(command)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "http"
        program.write_text(_RECORDER.format(python=sys.executable))
        program.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SAID": str(folder / "said"), "LC_ALL": "C.UTF-8"}
        line = command.encode() + b"\n"
        done = subprocess.run(
            [shell, "-s"], input=line, cwd=folder, env=environment, capture_output=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        assert {each.name for each in folder.iterdir()} == {"http", "said"}
        words, content = json.loads((folder / "said").read_text())
    return [word.encode("latin-1") for word in words], None if content is None else content.encode("latin-1")


def understood(items: list[bytes]) -> list[Field]:
    """Headers as HTTPie takes them: the first separator counts, the longest of those at that place; a backslash in front of a
    character of a separator is gone."""
    fields = []
    for item in items:
        if item.endswith(b";") and not any(byte in item[:-1] for byte in b":=@"):
            fields.append((item[:-1], b""))
            continue
        at = min(item.index(byte) for byte in (b":", b"=", b"@") if byte in item)
        assert item[at : at + 1] == b":" and item[at + 1 : at + 2] not in (b"=", b"@"), item
        value = item[at + 1 :]
        if value:
            pieces, index = b"", 0
            while index < len(value):
                if value[index : index + 1] == b"\\":
                    following = value[index + 1 : index + 2]
                    pieces += following if following and following in b":=@;" else b"\\" + following
                    index += 2
                else:
                    pieces += value[index : index + 1]
                    index += 1
            fields.append((item[:at], pieces.strip()))
    return fields


@examples(40)
@given(
    shell=st.sampled_from(SHELLS),
    target=TARGETS,
    fields=st.lists(st.tuples(NAMES, NASTY | VALUE_BYTES), max_size=5),
    body=st.just(b"") | st.binary(min_size=1, max_size=60) | NASTY | st.text("a\n'!\\$\t", max_size=12).map(str.encode),
)
@example("dash", b"/?a=b", [(b"X", b"=1"), (b"-Y", b"@/etc/passwd"), (b"Z", b"a\\\\"), (b"Z", b"")], b"--raw")
def test_what_httpie_is_told_is_what_was_recorded(shell: str, target: bytes, fields: list[Field], body: bytes) -> None:
    fields = [field for field in fields if field[0].lower() not in OWN]
    flow = flow_of("POST", target, [(b"Host", b"127.0.0.1"), *fields], body)
    try:
        command = export("httpie", flow, Options())
    except UserError as error:
        assert "backslash" in error.message
        assume(False)
    assert isinstance(command, str)
    words, piped = said(command, shell)
    at = words.index(b"POST")
    assert all(word.startswith(b"--") for word in words[:at])
    assert words[at + 1].startswith(b"http://127.0.0.1/")
    assert understood(words[at + 2 :]) == [(name, value.strip()) for name, value in fields]
    assert b"--" in words[:at] or not any(word.startswith(b"-") for word in words[at:])
    raw = [word.removeprefix(b"--raw=") for word in words[:at] if word.startswith(b"--raw=")]
    assert (piped if piped is not None else b"".join(raw)) == body


def test_an_ordinary_request_is_an_ordinary_command() -> None:
    fields = [(b"Host", b"127.0.0.1"), (b"User-Agent", b"me"), (b"Accept", b"*/*"), (b"Content-Type", b"text/plain")]
    command = export("httpie", flow_of("PUT", b"/a?b=c d", fields, b"it's"), Options())
    assert command == " \\\n  ".join(
        [
            "http --ignore-stdin '--raw=it'\\''s' PUT 'http://127.0.0.1/a?b=c%20d'",
            "'User-Agent: me'",
            "'Accept: */*'",
            "'Content-Type: text/plain'",
            "Accept-Encoding:",
            "Connection:",
        ]
    )


def test_what_httpie_cannot_be_told() -> None:
    with pytest.raises(UserError, match="backslash"):
        export("httpie", flow_of("GET", b"/", [(b"X", b"C\\:")]), Options())
    with pytest.raises(UserError, match="letters"):
        export("httpie", flow_of("M-SEARCH", b"/", []), Options())
