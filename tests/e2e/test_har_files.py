"""HAR files given to the program: by name, and through a pipe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
