"""Autobahn's verdicts on a WebSocket peer are the same through the proxy as without it, on both sides."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import StartProxy
from tests.support.autobahn import echo_server, fuzz_server, fuzzing_server, run_client, verdicts_of

pytestmark = [pytest.mark.conformance, pytest.mark.needs_autobahn]
CASES = os.environ.get("AUTOBAHN_CASES", "1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*,12.*,13.*").split(",")


def test_a_server(tmp_path: Path, start_proxy: StartProxy) -> None:
    with echo_server(tmp_path / "echo") as port:
        direct = fuzz_server(tmp_path / "direct", port, CASES)
        proxy = start_proxy("-m", f"reverse:http://127.0.0.1:{port}", "--set", "flow_detail=0")
        proxied = fuzz_server(tmp_path / "proxied", proxy.port, CASES)
    assert len(direct) > 10 and proxied == direct
    assert "OK" in {verdict for verdict, _ in direct.values()}


def test_a_client(tmp_path: Path, start_proxy: StartProxy) -> None:
    with fuzzing_server(tmp_path / "direct", CASES) as port:
        run_client(port)
    direct = verdicts_of(tmp_path / "direct")
    with fuzzing_server(tmp_path / "proxied", CASES) as port:
        proxy = start_proxy("-m", f"reverse:http://127.0.0.1:{port}", "--set", "flow_detail=0")
        run_client(proxy.port)
    proxied = verdicts_of(tmp_path / "proxied")
    assert len(direct) > 10 and proxied == direct
    assert "OK" in {verdict for verdict, _ in direct.values()}
