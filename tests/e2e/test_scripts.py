"""The examples of docs/scripts.md, all loaded into the real program; and a script that changes while it runs."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import HERE
from tests.e2e.conftest import run
from tests.support.console_program import Origin
from tests.support.prepared import run_to_end
from tests.support.proxy import Proxy
from tests.support.raw_server import Peer, RawServer

pytestmark = pytest.mark.needs_curl

_EXAMPLE = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)
EXAMPLES = dict(_EXAMPLE.findall((HERE.parent / "docs" / "scripts.md").read_text()))


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory, confdir: Path) -> Iterator[Proxy]:
    """With every example of the page."""
    folder = tmp_path_factory.mktemp("scripts")
    arguments: list[str] = []
    for name, text in EXAMPLES.items():
        (folder / name).write_text(text)
        arguments += ["-s", str(folder / name)]
    with Proxy(folder, *arguments, "--set", "tag_what=~u /is-tagged", confdir=confdir, trusted_ca=None) as proxy:
        yield proxy


def curl(proxy: Proxy, *arguments: str) -> str:
    return run(["curl", "-sS", "-i", "-m", "20", "--proxy", proxy.url, *arguments]).decode()


def test_every_example_is_loaded(scripted: Proxy) -> None:
    assert len(EXAMPLES) == 7
    assert "failed" not in scripted.log.read_text()


def test_headers_on_both_ways_and_the_log(scripted: Proxy) -> None:
    with Origin() as origin:
        answer = curl(scripted, origin.url("/headers?debug=1&b=2"))
        head, _ = origin.next()
    assert b"\r\nx-from-script: 1\r\n" in head
    assert head.startswith(b"GET /headers?b=2 HTTP/1.1\r\n")
    assert "\r\ncount: " in answer
    assert ["x-from-script", "1"] in scripted.flow("/headers?b=2")["request"]["headers"]
    assert "responses so far" in scripted.log.read_text()


def test_an_answer_of_the_script_alone(scripted: Proxy) -> None:
    answer = curl(scripted, "http://nowhere.invalid/teapot")
    assert answer.startswith("HTTP/1.1 418 I'm a Teapot\r\n")
    assert answer.endswith("\r\n\r\nshort and stout")


def test_another_host(scripted: Proxy) -> None:
    with Origin() as origin:
        answer = curl(scripted, f"http://elsewhere.example:{origin.port}/moved")
        head, _ = origin.next()
    assert f"\r\nHost: 127.0.0.1:{origin.port}\r\n".encode() in head
    assert answer.endswith("the answer")


def test_a_flow_is_killed(scripted: Proxy) -> None:
    with Origin() as origin:
        with pytest.raises(AssertionError, match=r"Empty reply|reset|closed"):
            curl(scripted, origin.url("/forbidden"))
        assert not origin.was_asked()
    assert scripted.flow("/forbidden")["error"]["message"] == "Killed by a script."


def test_forms_and_pages_are_edited(scripted: Proxy) -> None:
    with Origin(b"<html><body>hello</body></html>", "Content-Type: text/html\r\n") as origin:
        answer = curl(scripted, "-d", "a=1", origin.url("/form"))
        head, body = origin.next()
    assert body == b"a=1&added=by+the+script"
    assert b"\r\nContent-Length: 23\r\n" in head
    assert answer.endswith("<html><body>hello<p>seen</p></body></html>")


def test_an_option_and_a_filter(scripted: Proxy) -> None:
    with Origin() as origin:
        curl(scripted, origin.url("/is-tagged"))
        curl(scripted, origin.url("/not"))
    assert scripted.flow("/is-tagged")["comment"] == "tagged"
    assert scripted.flow("/not")["comment"] == ""


def test_coroutines_and_threads(scripted: Proxy) -> None:
    with Origin() as origin:
        answer = curl(scripted, origin.url("/slow"))
        head, _ = origin.next()
    assert b"\r\nx-outside: from outside\r\n" in head
    assert f"\r\nx-digest: {hashlib.sha256(b'the answer').hexdigest()}\r\n" in answer


def test_raw_messages(tmp_path: Path, confdir: Path) -> None:
    (tmp_path / "messages.py").write_text(EXAMPLES["messages.py"])

    def echo(peer: Peer) -> None:
        while data := peer.socket.recv(1000):
            peer.send(b"<" + data + b">")

    with RawServer(echo) as server:
        mode = f"reverse:tcp://127.0.0.1:{server.port}"
        arguments = ("-m", mode, "-s", str(tmp_path / "messages.py"))
        with (
            Proxy(tmp_path, *arguments, confdir=confdir, trusted_ca=None) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port), 10) as client,
        ):
            client.sendall(b"a foo")
            said = b""
            while not said.endswith(b">"):
                said += client.recv(100)
    assert said == b"<a bar>"


def test_a_script_changes_breaks_and_is_mended_while_the_program_runs(tmp_path: Path, confdir: Path) -> None:
    """What it prints goes to standard output, where it is waited for."""
    script = tmp_path / "s.py"
    version = """
def response(flow): flow.response.headers["x-version"] = "{0}"
def done(): print('{{"done": {0}}}', flush=True)
print('{{"loaded": {0}}}', flush=True)
"""
    script.write_text(version.format(1))
    with Origin() as origin, Proxy(tmp_path, "-s", str(script), confdir=confdir, trusted_ca=None) as proxy:
        assert "\r\nx-version: 1\r\n" in curl(proxy, origin.url("/1"))
        script.write_text("def response(flow)\n    pass\n")
        proxy.flow_where(lambda line: line.get("done") == 1)
        assert "x-version" not in curl(proxy, origin.url("/2"))
        assert "SyntaxError" in proxy.log.read_text()
        script.write_text(version.format(3))
        proxy.flow_where(lambda line: line.get("loaded") == 3)
        assert "\r\nx-version: 3\r\n" in curl(proxy, origin.url("/3"))
        assert "loaded anew" in proxy.log.read_text()
        assert proxy.interrupt() == 0
        proxy.flow_where(lambda line: line.get("done") == 3)


def test_a_script_sends_a_request_again(tmp_path: Path, confdir: Path) -> None:
    script = tmp_path / "again.py"
    script.write_text(
        "from mitmproxy import ctx\n"
        "def response(flow):\n"
        "    if flow.is_replay is None:\n"
        "        twin = flow.copy()\n"
        "        twin.request.path = '/again'\n"
        "        ctx.master.commands.call('replay.client', [twin])\n"
    )
    with Origin() as origin, Proxy(tmp_path, "-s", str(script), confdir=confdir, trusted_ca=None) as proxy:
        curl(proxy, origin.url("/once"))
        assert origin.next()[0].startswith(b"GET /once ")
        assert origin.next()[0].startswith(b"GET /again ")
        assert proxy.flow("/again")["response"]["status_code"] == 200


def test_what_is_wrong_on_the_command_line(tmp_path: Path, confdir: Path) -> None:
    def failure(*arguments: str) -> str:
        command = Proxy.command(*arguments, confdir=confdir, trusted_ca=None, port=0)
        done = run_to_end(command, os.environ, tmp_path, 30)
        assert done.returncode == 1
        return done.stderr.decode().splitlines()[-1]

    script = tmp_path / "tag.py"
    script.write_text(EXAMPLES["tag.py"])
    assert "interceptor: there is no script nowhere.py" in failure("-s", "nowhere.py")
    assert "interceptor: there is no option 'tag_waht'" in failure("-s", str(script), "--set", "tag_waht=x")
    assert "interceptor: there is no option 'tag_what'" in failure("--set", "tag_what=x")
