"""`convert`, `export` and `show`: what comes out, what is said, and that a target stays as it was when something goes wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from interceptor.cli import main
from interceptor.file_verbs import Files
from interceptor.model.flow import HttpFlow
from interceptor.session.columns import row_of
from interceptor.session.formats.mitmproxy_flow import write_flow
from interceptor.session.formats.recognised import read_file
from interceptor.session.formats.replaced_file import replacing
from interceptor.session.session import Session
from interceptor.session.session_file import SessionFile
from interceptor.session.spool import Spool
from interceptor.specs.errors import UserError
from tests.session.formats.flows import FIXTURE, http, tcp, told, websocket
from tests.tui.some_flows import http_flow


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three HTTP flows and one of TCP."""
    monkeypatch.setenv("INTERCEPTOR_CONFDIR", str(tmp_path / "conf"))
    path = tmp_path / "flows.mitm"
    with path.open("wb") as stream:
        for flow in (http_flow("POST", request_body=b"a=\xff"), http(), websocket(), tcp()):
            write_flow(stream, flow)
    return path


def said(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    status = main([str(each) for each in argv])
    out, err = capsys.readouterr()
    return status, out, err


def read(path: Path) -> list[str]:
    return [told(flow) for flow in read_file(str(path), lambda note: None)]


# -- convert --------------------------------------------------------------------------------------------------------------


def test_there_and_back(flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    har, back = tmp_path / "out.har", tmp_path / "back.mitm"
    note = f"interceptor: 3 flows written to {har}; 1 left out, HAR has HTTP flows only\n"
    assert said(capsys, "convert", flows, har) == (0, "", note)
    assert said(capsys, "convert", "-q", har, back) == (0, "", "")
    assert read(back) == read(flows)[:3]
    assert len(json.loads(har.read_text())["log"]["entries"]) == 3


def test_several_files_and_a_filter(flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert said(capsys, "convert", flows, FIXTURE, out, "--to", "har", "--filter", "~m POST", "-q")[0] == 0
    methods = [entry["request"]["method"] for entry in json.loads(out.read_text())["log"]["entries"]]
    assert methods == ["POST"] * 3


def test_a_file_into_itself(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = read(flows)
    flows.chmod(0o640)
    assert said(capsys, "convert", flows, flows, "--filter", "~tcp", "-q")[0] == 0
    assert read(flows) == before[3:]
    assert stat.S_IMODE(flows.stat().st_mode) == 0o640


def test_standard_input_and_output(flows: Path) -> None:
    command = [sys.executable, "-m", "interceptor", "convert", "-", "-", "--to", "har"]
    done = subprocess.run(command, input=flows.read_bytes(), capture_output=True, check=True, timeout=60)
    assert len(json.loads(done.stdout)["log"]["entries"]) == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello", "This is not a flow file"),
        (b'{"log": {"entries": [' + b"[" * 10_000, "nested too deeply"),
        (b'{"log": {"entries": [{', "This is not a HAR file, or a damaged one, from character 22 on"),
        (b"99999999999:x", "more than the"),
        (b"12345678:x", "ends within a value"),
    ],
)
def test_a_damaged_source_leaves_the_target_as_it_was(
    flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, reason: str
) -> None:
    bad, out = tmp_path / "bad", tmp_path / "out.har"
    bad.write_bytes(content)
    out.write_text("what was there")
    status, _, err = said(capsys, "convert", flows, bad, out)
    assert status == 1 and reason in err and str(bad) in err
    assert out.read_text() == "what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "flows.mitm", "out.har"]


def test_what_cannot_be_done_says_why(flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in said(capsys, "convert", tmp_path / "none", tmp_path / "out")[2]
    assert "cannot be written" in said(capsys, "convert", flows, tmp_path / "none" / "out.har")[2]
    assert "'word' is not a format" in said(capsys, "convert", flows, tmp_path / "out", "--to", "word")[2]
    assert "--to har" in said(capsys, "convert", flows, "-")[2]
    assert "~nope" in said(capsys, "convert", flows, tmp_path / "out", "--filter", "~nope")[2]
    assert not (tmp_path / "out").exists()


def test_a_session_is_read_also_while_it_is_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "some.session", tmp_path / "out.mitm"
    session = Session(SessionFile.open(path), Spool().new_body)
    flows = [http(), tcp(), http_flow(body=b"large" * 100_000)]
    for number, flow in enumerate(flows, 1):
        flow.id = number
        session.table.set_row(number, row_of(flow, session.table.words))
        session.table.list(number)
    session.write(flows)
    session.flush()
    assert session.settle(30)
    for is_open in (True, False):
        assert said(capsys, "show", path, "--cut", "type,response.status_code")[1].splitlines()[1:] == [
            "http,404",
            "tcp,",
            "http,200",
        ]
        assert said(capsys, "convert", "-q", path, out)[0] == 0
        last = list(read_file(str(out), print))[-1]
        assert isinstance(last, HttpFlow) and last.response is not None
        assert last.response.body.read() == b"large" * 100_000
        if is_open:
            session.close()
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t(x)")
    assert "some other program" in said(capsys, "show", tmp_path / "other.db")[2]


# -- a file as a whole ----------------------------------------------------------------------------------------------------


def test_a_link_keeps_leading_where_it_led(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    with replacing(link) as stream:
        stream.write(b"new")
    assert target.read_text() == "new" and link.is_symlink()
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_stopping_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "file"
    for failure in (KeyboardInterrupt, UserError("no")):
        with pytest.raises((KeyboardInterrupt, UserError)), replacing(target) as stream:
            stream.write(b"half")
            raise failure
    with pytest.raises(UserError, match="cannot be written: no space"), replacing(target):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with replacing(pipe) as stream:
        stream.write(b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)


# -- export ---------------------------------------------------------------------------------------------------------------


def test_exports(flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said(capsys, "export", "curl", flows, "--filter", "~m POST")
    assert (status, err) == (0, "") and out.count("curl ") == 3 and "\n\nprintf" in out
    status, out, err = said(capsys, "export", "go", flows)
    assert status == 1, "the flow of TCP cannot be"
    assert "flow 4: only an HTTP flow can be exported so" in err and out.count("package main") == 3


def test_exports_into_a_folder(flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    status, _, err = said(capsys, "export", "raw_request", flows, folder)
    assert (status, err) == (0, f"interceptor: 4 flows exported to {folder}\n")
    names = ["example.com-1-request.http", "flow-4-request.http", "www.example.com-a-2-request.http"]
    assert [name for name in sorted(os.listdir(folder)) if "-3-" not in name] == names
    assert (folder / names[0]).read_bytes().endswith(b"\r\n\r\na=\xff")


def test_exports_that_cannot_be(flows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "name a folder" in said(capsys, "export", "raw_request", flows)[2]
    assert "one file" in said(capsys, "export", "curl", flows, tmp_path / "one.sh")[2]
    assert "no flow matches" in said(capsys, "export", "curl", flows, "--filter", "~m PATCH")[2]
    assert "'postman' is not a format" in said(capsys, "export", "postman", flows)[2]
    assert "Formats: curl, httpie" in said(capsys, "export")[2]


# -- show -----------------------------------------------------------------------------------------------------------------


def test_show(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = said(capsys, "show", flows)
    assert (status, err, len(out.splitlines())) == (0, "", 4)
    assert "POST https://example.com/ << 200 OK" in out
    assert len(said(capsys, "show", flows, "~m", "POST", "&", "~c", "404")[1].splitlines()) == 1
    as_json = [json.loads(line)["type"] for line in said(capsys, "show", "--json", flows)[1].splitlines()]
    assert as_json == ["http", "http", "http", "tcp"]
    assert "Content-Type: text/html" in said(capsys, "show", flows, "--flow-detail", "2")[1]


def test_cuts(flows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = "request.method,response.status_code,request.content"
    _, out, _ = said(capsys, "show", flows, "--cut", paths)
    assert list(csv.reader(io.StringIO(out))) == [
        paths.split(","),
        ["POST", "200", r"a=\xff"],
        ["POST", "404", "sent\0"],
        ["POST", "101", "sent\0"],
        ["", "", ""],
    ]
    lines = said(capsys, "show", flows, "--json", "--cut", "request.method,type")[1].splitlines()
    assert [json.loads(line) for line in lines] == [{"request.method": "POST", "type": "http"}] * 3 + [
        {"request.method": None, "type": "tcp"}
    ]
    assert "'request.nope' is not known" in said(capsys, "show", flows, "--cut", "request.nope")[2]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_long_work_shows_how_far_it_is(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interceptor.file_verbs._FIRST_SECONDS", 0)
    monkeypatch.setattr("interceptor.file_verbs._EVERY_SECONDS", 0)
    terminal, plain = Terminal(), io.StringIO()
    assert [flow.id for flow in Files([str(flows)], "", terminal)] == [1, 2, 3, 4]
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown[1].startswith("flows.mitm: 1 flows, ") and shown[-1] == "", "and nothing is left of it"
    assert len(list(Files([str(flows)], "", plain))) == 4 and plain.getvalue() == ""


def test_it_starts_fast() -> None:
    """Nothing of the proxy or the console is imported."""
    code = (
        "import sys; from interceptor.cli import main\n"
        f"main(['convert', '-q', {str(FIXTURE)!r}, '/dev/null'])\n"
        "print([name for name in sys.modules if name.startswith(('interceptor.proxy', 'interceptor.tui', 'asyncio', 'OpenSSL'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
