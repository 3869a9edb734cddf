"""HAR files given to the program: by name, and through a pipe."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from interceptor.session.formats.har import HarWriter
from tests.tui.some_flows import http_flow


def test_a_har_file_is_read_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "some.har"
    with path.open("wb") as file:
        writer = HarWriter(file)
        for number in (1, 2):
            writer.write(http_flow(target=b"/%d" % number, identity=number))
        writer.close()
    for source, given in ((str(path), b""), ("-", path.read_bytes())):
        command = [sys.executable, "-m", "interceptor", "dump", "-n", "--json", "-r", source, "--set", f"confdir={tmp_path}"]
        done = subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert [json.loads(line)["request"]["path"] for line in done.stdout.splitlines()] == ["/1", "/2"]


class SlowServer(http.server.ThreadingHTTPServer):
    """Counts how many requests it has at a time; each stays until another has come, or a moment has passed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SlowAnswer)
        self.here = self.most = 0
        self.changed = threading.Condition()


class SlowAnswer(http.server.BaseHTTPRequestHandler):
    server: SlowServer

    def do_GET(self) -> None:
        with self.server.changed:
            self.server.here += 1
            self.server.most = max(self.server.most, self.server.here)
            self.server.changed.notify_all()
            self.server.changed.wait_for(lambda: self.server.most > 1, 0.3)
            self.server.here -= 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(("concurrency", "at_once", "times"), [("1", 1, 2), ("-1", 2, 1)])
def test_a_har_file_is_sent_again_and_dumped_as_har(tmp_path: Path, concurrency: str, at_once: int, times: int) -> None:
    with SlowServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path, made = tmp_path / "some.har", tmp_path / "made.har"
        with path.open("wb") as file:
            writer = HarWriter(file)
            for number in (1, 2):
                flow = http_flow(target=b"/%d" % number, identity=number)
                flow.request.scheme, flow.request.host, flow.request.port = "http", "127.0.0.1", server.server_port
                flow.request.headers["Host"] = f"127.0.0.1:{server.server_port}"
                writer.write(flow)
            writer.close()
        command = [sys.executable, "-m", "interceptor", "dump", "-n", "-q", "-C", str(path), "--set", f"confdir={tmp_path}"]
        command += ["--set", f"hardump={made}", "--set", f"client_replay_concurrency={concurrency}"]
        command += ["--set", f"client_replay_repeat={times}", "--set", "client_replay_rate=100"]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert server.most == at_once
    entries = json.loads(made.read_bytes())["log"]["entries"]
    paths = [(entry["request"]["url"][-2:], entry["response"]["status"]) for entry in entries]
    assert (paths if at_once == 1 else sorted(paths)) == [("/1", 200), ("/2", 200)] * times
